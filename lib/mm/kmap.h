/* SPDX-License-Identifier: MIT */
/*
 * kmap.h - a temporary mapping of one page of a store, for this thread.
 *
 * Promise: the address stays good until the matching kunmap_local(), for this
 * thread only; mappings nest 16 deep and are undone last in, first out, which
 * debug builds check. Mapping takes no lock, and page faults stay allowed.
 * Context: any, signal handlers included, except init and destroy.
 *
 * Where the address space allows, the window is plain arithmetic in a direct
 * map of the whole store, made on first use. Where it does not (32 bits, a
 * store larger than the window space, or MFILL_HIGHMEM=1 in the environment),
 * it is one of a small per-thread stack of windows, as on a kernel with high
 * memory.
 */
#ifndef MF_MM_KMAP_H
#define MF_MM_KMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MF_KMAP_MAX 16 /* as KM_MAX_IDX in Linux */

/* What kmap needs to know of a page store; embedded in struct mf_store. */
struct mf_kmap_space {
	int fd;	       /* the memfd */
	uint64_t size; /* bytes */
	char *direct;  /* the direct map; NULL: not tried; MF_KMAP_WINDOWS */
};

/* The store has no direct map, so each page gets a window of its own. */
#define MF_KMAP_WINDOWS ((char *)-1)

/* Never fails. The fd stays the caller's. */
void mf_kmap_init(struct mf_kmap_space *space, int fd, uint64_t size);
/* Nothing of the space may be mapped any more. */
void mf_kmap_destroy(struct mf_kmap_space *space);

/* All of it, contiguous, as long as the space lives. NULL: only windows. */
char *mf_kmap_direct(struct mf_kmap_space *space);

/*
 * Map the page that holds offset (rounded down to a page), readable and
 * writable. NULL: 16 are mapped already, offset is beyond the store, or the
 * kernel refused a window.
 */
void *kmap_local_page(struct mf_kmap_space *space, uint64_t offset);
/* addr: anywhere in the page mapped last. */
void kunmap_local(const void *addr);

#endif
