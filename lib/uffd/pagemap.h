/* SPDX-License-Identifier: MIT */
/*
 * pagemap.h - what /proc/self/pagemap would say without us.
 *
 * Context: any; no lock held.
 */
#ifndef MF_UFFD_PAGEMAP_H
#define MF_UFFD_PAGEMAP_H

#include <stdint.h>

/* The kernel's word for the page at addr, without markers, and with bit 57. */
uint64_t mf_uffd_pagemap_word(uintptr_t addr, uint64_t word);

#endif
