/* SPDX-License-Identifier: MIT */
/*
 * settle.h - hide what a registration wants hidden, and nothing else.
 *
 * Promise: what a thread wrote to a page before it was hidden is not lost: the
 * page counts as there then. Nobody gets at the pages while they are looked at.
 * Context: the write lock held.
 */
#ifndef MF_UFFD_SETTLE_H
#define MF_UFFD_SETTLE_H

#include "uffd/range.h"

int mf_settle(struct mf_range *range, uintptr_t start, size_t len);

#endif
