/* SPDX-License-Identifier: MIT */
/*
 * map.c - put views of a store into the address space, and take them out.
 *
 * Promise: as in map.h.
 * Context: as in map.h.
 */
#include "map/map.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "backends/backend.h"
#include "base/sys.h"
#include "fault/ahead.h"
#include "fault/fault.h"
#include "fault/reader.h"
#include "fault/signal.h"
#include "fault/thread.h"

#define FOUR_GIB ((uint64_t)4 << 30)

/* Fixed before the first view. */
static uintptr_t arena_start, arena_end, arena_first;

int mf_arena_reserve(uintptr_t start, size_t size, uintptr_t first)
{
	if (start % FOUR_GIB || size % FOUR_GIB || size == 0 ||
	    start + size < start)
		return -EINVAL;
	if (arena_start)
		return -EEXIST;
	arena_end = start + size;
	arena_first = first;
	arena_start = start;
	return 0;
}

uintptr_t mf_arena_start(void)
{
	return arena_start;
}

uintptr_t mf_arena_end(void)
{
	return arena_end;
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Where nobody is, found by trying. */
static int mmap_from(uintptr_t from, size_t len, int prot, int flags, int fd,
		     uint64_t offset, void **ret_addr)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();

	if (!me || !mm)
		return -ENOMEM;
	for (;;) {
		uintptr_t gap = mf_mm_gap(mm, me, from, arena_end, len);
		int r = -ENOMEM;

		if (gap)
			r = mf_sys.mmap((void *)gap, len, prot,
					flags | MAP_FIXED_NOREPLACE, fd, offset,
					ret_addr);
		if (r != -EEXIST)
			return r;
		from = gap + len; /* somebody else's: look behind it */
	}
}

int mf_arena_mmap(size_t len, int prot, int flags, int fd, uint64_t offset,
		  void **ret_addr)
{
	int r = mmap_from(arena_first, len, prot, flags, fd, offset, ret_addr);

	if (r == -ENOMEM)
		r = mmap_from(arena_start, len, prot, flags, fd, offset,
			      ret_addr);
	return r;
}

static int map_pages(const struct mf_map_request *request, void **ret_addr)
{
	int flags = (request->shared ? MAP_SHARED : MAP_PRIVATE) |
		    MAP_NORESERVE;

	if (arena_start && !request->fixed)
		return mf_arena_mmap(request->length, PROT_NONE, flags,
				     request->store->fd, request->offset,
				     ret_addr);
	if (request->fixed)
		flags |= MAP_FIXED;
	return mf_sys.mmap(request->address, request->length, PROT_NONE, flags,
			   request->store->fd, request->offset, ret_addr);
}

static int choose_delivery(const struct mf_store *store, int asked)
{
	bool can_inline = !store->source || mf_source_is_inline(store->source);

	if (asked == MFILL_DELIVER_INLINE && !can_inline)
		return -EINVAL;
	if (asked != MFILL_DELIVER_AUTO)
		return asked;
	return can_inline ? MFILL_DELIVER_INLINE : MFILL_DELIVER_THREAD;
}

/* A hidden view of the store, and the backend that will open it. */
static int map_view(const struct mf_map_request *request, struct mf_view *view)
{
	void *start;
	int r = map_pages(request, &start);

	if (r < 0)
		return r;
	view->start = (uintptr_t)start;
	view->len = request->length;
	/* What a source can give again has no place in a core. */
	(void)mf_sys.madvise(start, view->len, MADV_DONTDUMP);
	r = view->backend->reserve(view, NULL);
	/* Guards may work here and not in locked memory, say. */
	if (r == -EOPNOTSUPP && request->backend == MFILL_BACKEND_AUTO) {
		view->backend = &mf_backend_mprotect;
		r = view->backend->reserve(view, NULL);
	}
	if (r < 0) {
		view->backend = NULL;
		(void)mf_sys.munmap(start, view->len);
	}
	return r;
}

/* The threads that will serve the view's faults are running. */
static int start_threads(const struct mf_view *view)
{
	bool thread = view->delivery == MFILL_DELIVER_THREAD;
	bool messages = thread && view->backend == &mf_backend_uffd;
	int r = messages ? mf_reader_start() : 0;

	if (r == 0 && ((thread && !messages) || view->readahead > 0))
		r = mf_pool_start();
	return r;
}

static int build_view(const struct mf_map_request *request,
		      struct mf_view *view)
{
	int r = choose_delivery(request->store, request->delivery);

	if (r < 0)
		return r;
	view->delivery = r;
	view->prot = request->prot;
	view->shared = request->shared;
	view->readahead = request->readahead;
	view->store_offset = request->offset;
	view->store = mf_store_get(request->store);
	r = mf_signal_install();
	if (r == 0)
		r = mf_backend_choose(request->backend, view->delivery,
				      &view->backend);
	if (r < 0)
		return r;
	r = map_view(request, view);
	if (r < 0)
		return r;
	r = start_threads(view);
	if (r < 0)
		(void)mf_sys.munmap((void *)view->start, view->len);
	return r;
}

int mf_map(const struct mf_map_request *request, void **ret_addr)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	struct mf_view *view;
	uintptr_t start;
	int r;

	if (!me || !mm)
		return -ENOMEM;
	mf_mm_reap();
	view = mf_sys.calloc(1, sizeof(*view));
	if (!view)
		return -ENOMEM;
	if (request->fixed)
		(void)mf_map_forget(request->address, request->length);
	r = build_view(request, view);
	if (r < 0) {
		mf_view_free(view);
		return r;
	}
	start = view->start;
	r = mf_mm_insert(mm, me, view);
	if (r < 0)
		(void)mf_sys.munmap((void *)start, request->length);
	else
		*ret_addr = (void *)start;
	return r;
}

static int cut(void *addr, size_t len, enum mf_cut how)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	int r;

	if (!me || !mm)
		return -ENOMEM;
	r = mf_mm_cut(mm, me, (uintptr_t)addr, len, how);
	mf_pool_forget();
	mf_mm_reap();
	return r;
}

int mf_map_cut(void *addr, size_t len)
{
	size_t page = page_size();

	/* As the kernel: the length is rounded up, the address must fit. */
	if ((uintptr_t)addr % page || len == 0 ||
	    (uintptr_t)addr + len < (uintptr_t)addr)
		return -EINVAL;
	return cut(addr, (len + page - 1) / page * page, MF_CUT_ALL);
}

int mf_map_forget(void *addr, size_t len)
{
	return cut(addr, len, MF_CUT_KEEP);
}

int mf_map_protect(void *addr, size_t len, int prot)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	int r;

	if (!me || !mm)
		return -ENOMEM;
	r = mf_mm_protect(mm, me, (uintptr_t)addr, len, prot);
	mf_mm_reap();
	return r;
}

/* A second view in the place that mremap() would choose, then the old goes. */
static int move_view(const struct mf_view *view, uintptr_t old_addr,
		     size_t old_len, size_t new_len, void *new_addr,
		     void **ret_addr)
{
	struct mf_map_request request = {
		.store = view->store,
		.offset = view->store_offset + (old_addr - view->start),
		.length = new_len,
		.prot = view->prot,
		.shared = view->shared,
		.backend = view->backend->id,
		.delivery = view->delivery,
		.readahead = view->readahead,
		.address = new_addr,
		.fixed = new_addr,
	};
	void *addr;
	int r;

	if (new_len > view->store->size - request.offset)
		return -EINVAL;
	r = mf_map(&request, &addr);
	if (r < 0)
		return r;
	(void)cut((void *)old_addr, old_len, MF_CUT_OURS);
	*ret_addr = addr;
	return 0;
}

int mf_map_move(void *old_addr, size_t old_len, size_t new_len, int flags,
		void *new_addr, void **ret_addr)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	uintptr_t start = (uintptr_t)old_addr;
	struct mf_region *region;
	uint64_t generation;
	int r;

	if (!me || !mm)
		return -ENOMEM;
	region = mf_mm_get(mm, me, start, &generation);
	if (!region)
		return -ENOENT;
	if (old_len == 0 || old_len > region->start + region->len - start) {
		r = -EFAULT;
	} else if (new_len <= old_len && !(flags & MREMAP_FIXED)) {
		r = new_len == old_len ? 0
				       : cut((char *)old_addr + new_len,
					     old_len - new_len, MF_CUT_OURS);
		if (r == 0)
			*ret_addr = old_addr;
	} else if (!(flags & MREMAP_MAYMOVE) || !region->view->shared) {
		r = -ENOMEM;
	} else {
		r = move_view(region->view, start, old_len, new_len,
			      flags & MREMAP_FIXED ? new_addr : NULL, ret_addr);
	}
	mf_region_put(region);
	mf_mm_reap();
	return r;
}

bool mf_map_has(const void *addr, size_t len)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	struct mf_region *region;
	uint64_t generation;

	if (!me || !mm)
		return false;
	region = mf_mm_get_in(mm, me, (uintptr_t)addr, len, &generation);
	mf_region_put(region);
	return region;
}

int mf_require(const void *addr, size_t len)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	uintptr_t start = (uintptr_t)addr, end = start + len;
	int r = 0;

	if (!me || !mm)
		return -ENOMEM;
	while (r == 0 && start < end) {
		uint64_t generation;
		struct mf_region *region = mf_mm_get_in(
			mm, me, start, end - start, &generation);
		uintptr_t next;

		if (!region)
			return 0;
		next = region->start + region->len;
		r = mf_fault_require(mm, me, region, generation, start,
				     end - start);
		/* It was unmapped or changed meanwhile: see what is there now */
		if (r == -EAGAIN)
			r = 0;
		else
			start = next;
		mf_region_put(region);
	}
	return r;
}

int mf_store_require(struct mf_store *store, uint64_t offset, uint64_t len)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	uint32_t first, last;
	int r = 0;

	if (!me || !mm)
		return -ENOMEM;
	if (len == 0)
		return 0;
	first = mf_store_unit_at(store, offset);
	last = mf_store_unit_at(store, offset + len - 1);
	/* Before it is read: then both are at it at the same time. */
	mf_ahead_touch(store, me, first, last);
	for (uint32_t i = first; r == 0; i++) {
		r = mf_fault_store(mm, me, store, i);
		if (i == last)
			break;
	}
	return r;
}
