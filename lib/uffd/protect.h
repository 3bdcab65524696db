/* SPDX-License-Identifier: MIT */
/*
 * protect.h - writes that are announced: UFFDIO_WRITEPROTECT.
 *
 * Context: any; no lock held.
 */
#ifndef MF_UFFD_PROTECT_H
#define MF_UFFD_PROTECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Announce writes to the pages that are there (of shared memory, or with
 * WP_UNPOPULATED, to all), or to none any more. -ENOENT: some of it is not
 * registered for that. -ENOMEM: too many mappings. What comes before is done.
 */
int mf_protect(uintptr_t start, size_t len, bool wp);
/* Writes to the page are announced: bit 57 of the kernel's pagemap. */
bool mf_uffd_is_wp(uintptr_t addr);

#endif
