/* SPDX-License-Identifier: MIT */
/*
 * put.h - put one page into a registered range.
 *
 * Promise: other threads see the page whole or not at all.
 * Context: any; the read lock held, addr in the range. bytes: a page of ours
 * that does not fault.
 *
 * Each is as the ioctl of that name for one page: 0, or -errno as there. wp:
 * and a write to it is announced.
 */
#ifndef MF_UFFD_PUT_H
#define MF_UFFD_PUT_H

#include "uffd/range.h"

typedef int mf_put_fn(struct mf_range *range, uintptr_t addr, bool wp);

mf_put_fn mf_put_zero, mf_put_continue, mf_put_poison;

/*
 * The same for up to n pages, all in the range: how many of them, at least one,
 * or -errno for the first.
 */
int mf_put_copy(struct mf_range *range, uintptr_t addr, const void *bytes,
		size_t n, bool wp);

/* Under the page lock: it counts as there, whoever put it in. */
bool mf_put_is_there(const struct mf_range *range, uintptr_t addr);
/*
 * Under the page lock: a private page that is closed, or hidden by no access,
 * and stays so.
 */
int mf_put_closed(struct mf_range *range, uintptr_t addr, const void *bytes,
		  uint8_t state);

#endif
