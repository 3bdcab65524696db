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

static int guard_reserve(struct mf_region *region)
{
	uint64_t n_chunks = (region->len + CHUNK - 1) / CHUNK;
	_cleanup_free_ struct guard *guard = mf_sys.calloc(
		1, sizeof(*guard) + (n_chunks / 32 + 1) * sizeof(uint32_t));
	void *start = (void *)region->start;
	int r;

	if (!guard)
		return -ENOMEM;
	(void)mf_max_map_count();
	guard->n_chunks = n_chunks;
	guard->group = 1;
	/* Locked memory takes no markers: better to know now. */
	r = mf_sys.madvise(start, 1, MADV_GUARD_INSTALL);
	if (r < 0)
		return r == -ENOMEM ? r : -EOPNOTSUPP;
	region->backend_data = TAKE_PTR(guard);
	return 0;
}

static void guard_release(struct mf_region *region)
{
	free(region->backend_data);
}

static int convert_chunk(struct mf_region *region, uint64_t chunk)
{
	uint64_t offset = chunk * CHUNK;
	size_t len = (size_t)(region->len - offset < CHUNK
				      ? region->len - offset
				      : CHUNK);
	void *start = (void *)(region->start + (uintptr_t)offset);
	int r = mf_sys.madvise(start, len, MADV_GUARD_INSTALL);

	if (r == 0)
		r = mf_sys.mprotect(start, len, region->prot);
	if (r == 0)
		set_ready(region->backend_data, chunk);
	return r;
}

/*
 * Each conversion of a chunk on its own may cost two mappings. So after a
 * thousand of them more is converted at once, which costs time and page
 * tables, but an address space is never cut into more than some ten thousand
 * pieces.
 */
static int convert_group(struct mf_region *region, struct guard *guard,
			 uint64_t chunk)
{
	uint64_t first = chunk / guard->group * guard->group;
	uint64_t end = first + guard->group;

	if (end > guard->n_chunks)
		end = guard->n_chunks;
	for (uint64_t i = first; i < end; i++) {
		int r = is_ready(guard, i) ? 0 : convert_chunk(region, i);

		if (r < 0)
			return r;
	}
	guard->conversions++;
	if (guard->conversions >= (uint64_t)mf_max_map_count() / 16) {
		guard->conversions = 0;
		guard->group *= 8;
	}
	return 0;
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

static int guard_open(struct mf_region *region, uint64_t offset, uint64_t len)
{
	struct guard *guard = region->backend_data;
	uint64_t last = (offset + len - 1) / CHUNK;

	for (uint64_t i = offset / CHUNK; i <= last; i++) {
		int r = is_ready(guard, i) ? 0 : convert(region, guard, i);

		if (r < 0)
			return r;
	}
	return mf_sys.madvise((void *)(region->start + (uintptr_t)offset),
			      (size_t)len, MADV_GUARD_REMOVE);
}

/*
 * Believe what a marker does and not what madvise() says: emulators answer 0
 * to advice they do not know.
 */
static int try_marker(char *page, int fd)
{
	ssize_t n;
	int r = mf_sys.madvise(page, 1, MADV_GUARD_INSTALL);

	if (r < 0)
		return r;
	if (mf_sys.pwrite(fd, page, 1, 0) != -EFAULT)
		return -EOPNOTSUPP;
	r = mf_sys.madvise(page, 1, MADV_GUARD_REMOVE);
	if (r < 0)
		return r;
	n = mf_sys.pwrite(fd, page, 1, 0);
	return n < 0 ? (int)n : 0;
}

static int guard_probe(void)
{
	_cleanup_close_ int fd = mf_sys.memfd_create("mfill-probe", 1);
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page;
	int r;

	if (fd < 0)
		return fd;
	r = mf_sys.ftruncate(fd, size);
	if (r == 0)
		r = mf_sys.mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0,
				&page);
	if (r < 0)
		return r;
	r = try_marker(page, fd);
	(void)mf_sys.munmap(page, size);
	return r;
}

const struct mf_backend mf_backend_guard = {
	.name = "guard",
	.id = MFILL_BACKEND_GUARD,
	.reserve = guard_reserve,
	.release = guard_release,
	.open = guard_open,
	.probe = guard_probe,
};
