/* SPDX-License-Identifier: MIT */
/*
 * api.c - the public calls: check the arguments, hand over.
 *
 * Promise: what reaches the engine is sound; on failure nothing stays behind.
 * Context: as mfill.h says for each call.
 */
#include "mfill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "fault/fault.h"
#include "fault/signal.h"
#include "fault/thread.h"
#include "map/map.h"
#include "uffd/uffd.h"

#define AHEAD_DEFAULT (UINT64_C(1) << 20)

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

const char *mfill_version(void)
{
	return MFILL_VERSION;
}

/*
 * A caller built against an older mfill.h hands over a shorter struct, against
 * a newer one a longer: fine as long as what we do not know is zero.
 */
static int copy_struct(void *to, size_t to_size, size_t least, const void *from,
		       size_t from_size)
{
	const char *beyond = (const char *)from + to_size;

	if (from_size < least)
		return -EINVAL;
	for (size_t i = to_size; i < from_size; i++)
		if (*beyond++)
			return -E2BIG;
	memset(to, 0, to_size);
	memcpy(to, from, from_size < to_size ? from_size : to_size);
	return 0;
}

static int check_options(const struct mfill_map_options *given,
			 struct mfill_map_options *ret)
{
	struct mfill_map_options options = { 0 };
	int r = 0;

	if (given)
		r = copy_struct(&options, sizeof(options), sizeof(options),
				given, given->struct_size);
	if (r < 0)
		return r;
	if (options.flags & ~MFILL_MAP_WRITE)
		return -EINVAL;
	if (options.delivery < MFILL_DELIVER_AUTO ||
	    options.delivery > MFILL_DELIVER_THREAD)
		return -EINVAL;
	if (options.fill_size % page_size() || options.fill_size > MF_FILL_MAX)
		return -EINVAL;
	*ret = options;
	return 0;
}

static int check_range(const struct mfill_source *src, uint64_t offset,
		       size_t length)
{
	if (offset % page_size() || length == 0)
		return -EINVAL;
	if (offset + length < offset)
		return -EOVERFLOW;
	if (offset + length > src->size)
		return -ENXIO;
	if (length > SIZE_MAX / 2)
		return -ENOMEM;
	return 0;
}

int mfill_map(struct mfill_source *src, uint64_t offset, size_t length,
	      const struct mfill_map_options *given, void **ret_addr)
{
	struct mf_map_request request = { .prot = PROT_READ, .shared = true };
	struct mfill_map_options options;
	int r;

	if (!src || !ret_addr)
		return -EINVAL;
	r = check_options(given, &options);
	if (r == 0)
		r = check_range(src, offset, length);
	if (r == 0)
		r = mf_store_new(src, offset, length,
				 mf_source_fill_size(src, options.fill_size,
						     page_size()),
				 &request.store);
	if (r < 0)
		return r;
	request.store->made_at = __builtin_return_address(0);
	request.length = (size_t)request.store->size;
	request.backend = options.backend;
	request.delivery = options.delivery;
	request.readahead = options.readahead ? options.readahead
					      : AHEAD_DEFAULT;
	if (options.readahead == MFILL_READAHEAD_OFF)
		request.readahead = 0;
	if (options.flags & MFILL_MAP_WRITE) {
		request.prot |= PROT_WRITE;
		request.shared = false;
	}
	r = mf_map(&request, ret_addr);
	if (mf_store_unref(request.store))
		mf_store_free(request.store);
	return r;
}

/* A stretch of one region, with a reference on it. */
struct range {
	struct mf_slot *me;
	struct mf_mm *mm;
	struct mf_region *region;
	uint64_t generation;
	uintptr_t start;
};

static int range_get(void *addr, size_t length, struct range *ret)
{
	struct range range = { mf_slot_self(), mf_mm_self(), NULL, 0,
			       (uintptr_t)addr };

	if (!range.me || !range.mm)
		return -ENOMEM;
	range.region = mf_mm_get(range.mm, range.me, range.start,
				 &range.generation);
	if (!range.region)
		return -EINVAL;
	if (length == 0 ||
	    length > range.region->start + range.region->len - range.start) {
		mf_region_put(range.region);
		return -EINVAL;
	}
	*ret = range;
	return 0;
}

int mfill_unmap(void *addr)
{
	struct range range;
	int r = range_get(addr, 1, &range);

	if (r < 0)
		return r;
	if (range.region->view->start == range.start)
		r = mf_mm_cut(range.mm, range.me, range.start,
			      range.region->view->len, MF_CUT_OURS);
	else
		r = -EINVAL;
	mf_pool_forget();
	/* Not left to whoever reaps: the source is closed when we return. */
	mf_region_put_now(range.region);
	mf_mm_reap();
	return r;
}

int mfill_prefetch(void *addr, size_t length)
{
	struct range range;
	int r;

	mf_mm_reap();
	r = mf_pool_start();
	if (r == 0)
		r = range_get(addr, length, &range);
	if (r < 0)
		return r;
	r = mf_pool_prefetch(
		range.region, range.generation,
		mf_region_unit(range.region, range.start),
		mf_region_unit(range.region, range.start + length - 1));
	mf_region_put(range.region);
	return r;
}

int mfill_require(void *addr, size_t length)
{
	struct range range;
	int r;

	mf_mm_reap();
	r = range_get(addr, length, &range);
	if (r < 0)
		return r;
	r = mf_fault_require(range.mm, range.me, range.region, range.generation,
			     range.start, length);
	mf_region_put(range.region);
	mf_mm_reap();
	return r;
}

static void fill_stats(const struct mf_view *view, struct mfill_stats *ret)
{
	const struct mf_store *store = view->store;
	const struct mf_store_header *header = store->header;

	*ret = (struct mfill_stats){
		.faults = mf_load_relaxed(&header->faults),
		.fills = mf_load_relaxed(&header->fills),
		.filled_bytes = mf_load_relaxed(&header->filled_bytes),
		.waits = mf_load_relaxed(&header->waits),
		.errors = mf_load_relaxed(&header->errors),
		.readahead = mf_load_relaxed(&header->readahead),
		.length = store->length,
		.fill_size = store->unit,
		.units = store->n_units,
		.backend = view->backend->id,
		.delivery = view->delivery,
	};
	for (int i = 0; i < MFILL_LATENCY_BUCKETS; i++)
		ret->latency[i] = mf_load_relaxed(&header->latency[i]);
}

int mfill_stats(void *addr, struct mfill_stats *ret, size_t struct_size)
{
	struct mfill_stats stats;
	struct range range;
	int r;

	/* The first release's struct is the smallest there is. */
	if (!ret || struct_size < sizeof(stats))
		return -EINVAL;
	r = range_get(addr, 1, &range);
	if (r < 0)
		return r;
	fill_stats(range.region->view, &stats);
	mf_region_put(range.region);
	memset(ret, 0, struct_size);
	memcpy(ret, &stats, sizeof(stats));
	return 0;
}

int mfill_set_log(void (*fn)(void *ctx, const char *sentence), void *ctx)
{
	return mf_log_set(fn, ctx);
}

size_t mfill_copy_nofault(void *dst, const void *src, size_t len)
{
	if (mf_signal_install_once() < 0)
		return len;
	return mf_fault_copy(dst, src, len);
}

int mfill_uffd_open(int flags)
{
	return mf_uffd_open(flags);
}

int mfill_uffd_ioctl(int fd, unsigned long request, void *arg)
{
	return mf_uffd_ioctl(fd, request, arg);
}

ssize_t mfill_uffd_read(int fd, void *buf, size_t len)
{
	return mf_uffd_read_messages(fd, buf, len);
}

int mfill_uffd_close(int fd)
{
	return mf_uffd_close(fd);
}
