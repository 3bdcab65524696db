/* SPDX-License-Identifier: MIT */
/*
 * guard.c - pages hidden by guard markers (MADV_GUARD_INSTALL, Linux 6.15 for
 * memfds; 6.13 knew them for anonymous memory only).
 *
 * Promise: whatever the pattern of touches, the number of mappings stays far
 * below the kernel's limit; page tables are used where the map was touched.
 * Context: as in mm/region.h.
 *
 * Markers live in page tables: 2 MiB of them for each GiB. So the view starts
 * as one PROT_NONE mapping, and a chunk gets its markers and its protection on
 * first touch. The order is what keeps a half-filled page unseen:
 *
 *   1. markers on every page of the chunk, still PROT_NONE
 *   2. protection: the view would be readable, but for the markers
 *   3. the chunk's bit; only then may a page of it be opened
 *
 * A child of fork() may find 1 or 2 done and the bit not set. It does them
 * again, and that harms nothing, because no page was open. With the bit set
 * they must never be done again: in a MAP_PRIVATE view a marker discards what
 * the program wrote.
 */
#include "backends/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backends/limits.h"
#include "base/cleanup.h"
#include "base/mutex.h"
#include "base/sys.h"

#define CHUNK (UINT64_C(2) << 20) /* what one page-table page maps */

struct guard {
	uint64_t n_chunks;
	uint32_t conversions; /* convert_mutex */
	uint64_t group;	      /* convert_mutex; chunks converted together */
	uint32_t ready[];     /* bit per chunk; set under convert_mutex */
};

static struct mf_mutex convert_mutex;

static bool is_ready(struct guard *guard, uint64_t chunk)
{
	/* pairs with the release in set_ready(): markers, then the bit */
	return mf_load_acquire(&guard->ready[chunk / 32]) >> (chunk % 32) & 1;
}

static void set_ready(struct guard *guard, uint64_t chunk)
{
	uint32_t *word = &guard->ready[chunk / 32];

	mf_store_release(word, mf_load_relaxed(word) | 1U << (chunk % 32));
}

static size_t guard_size(uint64_t n_chunks)
{
	return sizeof(struct guard) +
	       (size_t)(n_chunks / 32 + 1) * sizeof(uint32_t);
}

static int guard_reserve(struct mf_view *view, const struct mf_view *like)
{
	uint64_t n_chunks = (view->len + CHUNK - 1) / CHUNK;
	_cleanup_free_ struct guard *guard = mf_sys.calloc(
		1, guard_size(n_chunks));
	void *start = (void *)view->start;
	int r;

	if (!guard)
		return -ENOMEM;
	if (like) {
		memcpy(guard, like->backend_data, guard_size(n_chunks));
		view->backend_data = TAKE_PTR(guard);
		return 0;
	}
	(void)mf_max_map_count();
	guard->n_chunks = n_chunks;
	guard->group = 1;
	/* Locked memory takes no markers: better to know now. */
	r = mf_sys.madvise(start, 1, MADV_GUARD_INSTALL);
	if (r < 0)
		return r == -ENOMEM ? r : -EOPNOTSUPP;
	view->backend_data = TAKE_PTR(guard);
	return 0;
}

static void guard_release(struct mf_view *view)
{
	free(view->backend_data);
}

static uint64_t chunk_of(const struct mf_region *region, uintptr_t addr)
{
	return (addr - region->view->start) / CHUNK;
}

/* The bytes of chunks first to last, cut to the region. */
static uintptr_t chunk_range(const struct mf_region *region, uint64_t first,
			     uint64_t last, size_t *ret_len)
{
	uintptr_t view = region->view->start;
	uintptr_t start = view + (uintptr_t)(first * CHUNK);
	uintptr_t end = view + (uintptr_t)((last + 1) * CHUNK);
	uintptr_t region_end = region->start + region->len;

	if (start < region->start)
		start = region->start;
	if (end > region_end || end < view)
		end = region_end;
	*ret_len = end - start;
	return start;
}

/*
 * A chunk that is not ready lies in one region: guard_settle() sees to that.
 */
static int convert_run(struct mf_region *region, uint64_t first, uint64_t last)
{
	size_t len;
	void *start = (void *)chunk_range(region, first, last, &len);
	int r = mf_sys.madvise(start, len, MADV_GUARD_INSTALL);

	if (r == 0)
		r = mf_sys.mprotect(start, len, region->view->prot);
	for (uint64_t i = first; r == 0 && i <= last; i++)
		set_ready(region->view->backend_data, i);
	return r;
}

/*
 * Each conversion of a chunk on its own may cost two mappings. So after a
 * quarter of what the limit allows, more is converted at once, eight times as
 * much with each further twentieth. That costs time and page tables, but an
 * address space is never cut into more pieces than the kernel allows.
 */
static uint32_t conversions_before_more(const struct guard *guard)
{
	return (uint32_t)mf_max_map_count() / (guard->group == 1 ? 4 : 20);
}

/*
 * All chunks of the group around this one, up to the next that are ready: so
 * the run joins those, and takes no mapping of its own.
 */
static int convert_group(struct mf_region *region, struct guard *guard,
			 uint64_t chunk)
{
	uint64_t first = chunk, last = chunk;
	uint64_t least = chunk / guard->group * guard->group;
	uint64_t most = least + guard->group - 1;
	uint64_t region_first = chunk_of(region, region->start);
	uint64_t region_last = chunk_of(region,
					region->start + region->len - 1);
	int r;

	if (least < region_first)
		least = region_first;
	if (most > region_last)
		most = region_last;
	while (first > least && !is_ready(guard, first - 1))
		first--;
	while (last < most && !is_ready(guard, last + 1))
		last++;
	r = convert_run(region, first, last);
	if (r == 0 && ++guard->conversions >= conversions_before_more(guard)) {
		guard->conversions = 0;
		guard->group *= 8;
	}
	return r;
}

static int convert(struct mf_region *region, struct guard *guard,
		   uint64_t chunk)
{
	int r = 0;

	/* The caller holds the mmap_lock, so signals are blocked already. */
	mf_mutex_lock(&convert_mutex, MF_RANK_CHUNK);
	while (!is_ready(guard, chunk)) {
		r = convert_group(region, guard, chunk);
		if (r == 0 || r != -ENOMEM || guard->group >= guard->n_chunks)
			break;
		/* No mapping left to split off: merge with the neighbours. */
		guard->group *= 8;
	}
	mf_mutex_unlock(&convert_mutex, MF_RANK_CHUNK);
	return r;
}

static int guard_open(struct mf_region *region, uintptr_t start, size_t len)
{
	struct guard *guard = region->view->backend_data;
	uint64_t last = chunk_of(region, start + len - 1);

	for (uint64_t i = chunk_of(region, start); i <= last; i++) {
		int r = is_ready(guard, i) ? 0 : convert(region, guard, i);

		if (r < 0)
			return r;
	}
	return mf_sys.madvise((void *)start, len, MADV_GUARD_REMOVE);
}

static int guard_settle(struct mf_region *region, uintptr_t split)
{
	struct guard *guard = region->view->backend_data;
	uint64_t chunk = chunk_of(region, split);

	return is_ready(guard, chunk) ? 0 : convert(region, guard, chunk);
}

static int guard_protect(struct mf_region *region)
{
	struct guard *guard = region->view->backend_data;
	uint64_t last = chunk_of(region, region->start + region->len - 1);
	int r = 0;

	for (uint64_t i = chunk_of(region, region->start); i <= last && r == 0;
	     i++) {
		size_t len;
		uintptr_t start = chunk_range(region, i, i, &len);

		if (is_ready(guard, i))
			r = mf_sys.mprotect((void *)start, len,
					    region->view->prot);
	}
	return r;
}

/*
 * Believe what a marker does and not what madvise() says: emulators answer 0
 * to advice they do not know.
 */
static int try_marker(char *page, size_t size, int fd)
{
	ssize_t n;
	int r = mf_sys.madvise(page, size, MADV_GUARD_INSTALL);

	if (r < 0)
		return r;
	if (mf_sys.pwrite(fd, page, 1, 0) != -EFAULT)
		return -EOPNOTSUPP;
	r = mf_sys.madvise(page, size, MADV_GUARD_REMOVE);
	if (r < 0)
		return r;
	n = mf_sys.pwrite(fd, page, 1, 0);
	return n < 0 ? (int)n : 0;
}

static int guard_probe(void)
{
	return mf_backend_try(PROT_READ, try_marker);
}

const struct mf_backend mf_backend_guard = {
	.name = "guard",
	.id = MFILL_BACKEND_GUARD,
	.reserve = guard_reserve,
	.release = guard_release,
	.open = guard_open,
	.settle = guard_settle,
	.protect = guard_protect,
	.probe = guard_probe,
};
