/* SPDX-License-Identifier: MIT */
/*
 * map.h - put views of a store into the address space, and take them out.
 *
 * Promise: what the table of regions says is what is mapped; on failure
 * nothing has changed, except where a line says otherwise.
 * Context: not in a signal handler, but for mf_map_has, mf_require and
 * mf_store_require.
 *
 * The public calls use this for whole maps, the preload library for what a
 * program does with mmap, munmap, mprotect and mremap.
 */
#ifndef MF_MAP_MAP_H
#define MF_MAP_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/page.h"

struct mf_map_request {
	struct mf_store *store; /* a reference is taken */
	uint64_t offset;	/* of the view in the store; whole pages */
	size_t length;		/* whole pages, inside the store's size */
	int prot;		/* PROT_* of an open page */
	bool shared;		/* MAP_SHARED of the store; else MAP_PRIVATE */
	int backend;		/* enum mfill_backend */
	int delivery;		/* enum mfill_delivery */
	uint64_t readahead;	/* most bytes ahead; 0: none */
	void *address;		/* a wish, or with fixed the place */
	bool fixed;		/* as MAP_FIXED: what was there goes */
};

/*
 * Map a view, hidden. -EINVAL: INLINE asked of a source that cannot.
 * -EOPNOTSUPP: that backend does not work here.
 */
int mf_map(const struct mf_map_request *request, void **ret_addr);

/* As munmap(): of any range, ours or not. */
int mf_map_cut(void *addr, size_t len);
/*
 * The views in a range are forgotten and its mappings left alone: the caller
 * maps something over it next, as mmap() with MAP_FIXED does.
 */
int mf_map_forget(void *addr, size_t len);
/* As mprotect(), of what is ours. -ENOENT: nothing there is. */
int mf_map_protect(void *addr, size_t len, int prot);
/*
 * As mremap(). -ENOENT: not ours. -ENOMEM: no room, or what the kernel allows
 * and we do not: to grow or move a view that the program may have written to.
 */
int mf_map_move(void *old_addr, size_t old_len, size_t new_len, int flags,
		void *new_addr, void **ret_addr);

/* Some of the range is a view of ours. */
bool mf_map_has(const void *addr, size_t len);
/*
 * Fill and open every view in the range, in this thread; skip what is not
 * ours. 0, or what the source said.
 */
int mf_require(const void *addr, size_t len);
/* Fill part of a store, whether it is mapped or not, in this thread. */
int mf_store_require(struct mf_store *store, uint64_t offset, uint64_t len);

/*
 * From now on put views into one stretch of addresses, so that a seccomp
 * filter knows them by the high half of a pointer: from first on as long as
 * there is room, and then from start. start and size are multiples of 4 GiB.
 * -EEXIST: there is one.
 */
int mf_arena_reserve(uintptr_t start, size_t size, uintptr_t first);
/* 0: there is no arena. */
uintptr_t mf_arena_start(void);
uintptr_t mf_arena_end(void);
/*
 * mmap() to where nobody is in the arena; flags without an address. -ENOMEM:
 * no room. Not in a signal handler.
 */
int mf_arena_mmap(size_t len, int prot, int flags, int fd, uint64_t offset,
		  void **ret_addr);

#endif
