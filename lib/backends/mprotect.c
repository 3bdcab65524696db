/* SPDX-License-Identifier: MIT */
/*
 * mprotect.c - pages hidden by PROT_NONE: every kernel has that.
 *
 * Promise: the number of mappings stays below the kernel's limit, whatever
 * the pattern of touches.
 * Context: as in mm/region.h.
 *
 * Each run of open pages between closed ones is a mapping of its own, and a
 * process may have 65,530. So the number of runs is counted, and the nearer it
 * comes to the limit the more units around a touched one are filled and opened
 * with it, which joins runs. Where that is not enough, because a huge map is
 * touched all over, the view with the most runs is closed again: its pages
 * stay filled, so the next touch only opens them.
 */
#include "backends/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "backends/limits.h"
#include "base/cleanup.h"
#include "base/mutex.h"
#include "base/sys.h"
#include "mm/mm.h"

#define MAX_PRESSURE 4 /* 4^4 units: 1 MiB of 4 KiB pages */

/* The open runs of one view, and with it of the regions it has left. */
struct mprotect {
	struct mf_view *view;
	struct mprotect *next; /* runs_mutex */
	uint32_t n_runs;       /* runs_mutex */
	uint32_t first;	       /* unit of the store that bit 0 stands for */
	uint32_t n_units;
	uint32_t *open; /* bit per unit; runs_mutex */
};

static struct mf_mutex runs_mutex;
static struct mprotect *all_views; /* runs_mutex */
/* Changed under runs_mutex, read by pressure() without. */
static uint32_t all_runs;     /* of all views */
static uint32_t min_pressure; /* raised when the kernel refuses */

static void lock(void)
{
	mf_signals_block();
	mf_mutex_lock(&runs_mutex, MF_RANK_CHUNK);
}

static void unlock(void)
{
	mf_mutex_unlock(&runs_mutex, MF_RANK_CHUNK);
	mf_signals_restore();
}

static size_t bitmap_size(const struct mprotect *data)
{
	return (data->n_units / 32 + 1) * sizeof(uint32_t);
}

/*
 * A view made from another starts with nothing open: its pages are hidden by
 * mprotect_protect(), and opened again as they are touched.
 */
static int mprotect_reserve(struct mf_view *view, const struct mf_view *like)
{
	_cleanup_free_ struct mprotect *data = mf_sys.calloc(1, sizeof(*data));
	uint64_t last = view->store_offset + view->len - 1;
	void *open;
	int r;

	(void)like;
	if (!data)
		return -ENOMEM;
	(void)mf_max_map_count();
	data->view = view;
	data->first = mf_store_unit_at(view->store, view->store_offset);
	data->n_units = mf_store_unit_at(view->store, last) - data->first + 1;
	r = mf_sys.mmap(NULL, bitmap_size(data), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0,
			&open);
	if (r < 0)
		return r;
	data->open = open;
	lock();
	data->next = all_views;
	all_views = data;
	unlock();
	view->backend_data = TAKE_PTR(data);
	return 0;
}

static void mprotect_release(struct mf_view *view)
{
	struct mprotect *data = view->backend_data;
	struct mprotect **link = &all_views;

	if (!data)
		return;
	lock();
	while (*link != data)
		link = &(*link)->next;
	*link = data->next;
	mf_store_relaxed(&all_runs, all_runs - data->n_runs);
	unlock();
	(void)mf_sys.munmap(data->open, bitmap_size(data));
	free(data);
}

static bool is_open(const struct mprotect *data, uint32_t unit)
{
	return data->open[unit / 32] >> (unit % 32) & 1;
}

/* Under runs_mutex: [first, last] are open, and what that does to the runs. */
static void mark_open(struct mprotect *data, uint32_t first, uint32_t last)
{
	bool inside = first > 0 && is_open(data, first - 1);
	uint32_t joined = inside;
	uint32_t next = last + 1;

	for (uint32_t i = first; i <= last; i++) {
		bool open = is_open(data, i);

		joined += open && !inside;
		inside = open;
		data->open[i / 32] |= 1U << (i % 32);
	}
	if (next < data->n_units && is_open(data, next) && !inside)
		joined++;
	data->n_runs += 1 - joined;
	mf_store_relaxed(&all_runs, all_runs + 1 - joined);
}

/* A run takes two mappings, itself and the gap; leave some to others. */
static uint64_t most_runs(void)
{
	return (uint64_t)mf_max_map_count() * 7 / 16;
}

/* Hide all of a view's regions again. */
static void close_view(struct mprotect *data)
{
	struct mf_region_table *table = mf_mm_self()->table;

	/*
	 * Only what is a region now: what was unmapped may be somebody else's.
	 * What the program wrote to a private map stays where it is.
	 */
	for (size_t i = 0; i < table->n; i++) {
		struct mf_region *region = table->regions[i];

		if (region->view == data->view)
			(void)mf_sys.mprotect((void *)region->start,
					      region->len, PROT_NONE);
	}
	/* Zeros again, without touching what was never used. */
	(void)mf_sys.madvise(data->open, bitmap_size(data), MADV_DONTNEED);
	mf_store_relaxed(&all_runs, all_runs - data->n_runs);
	data->n_runs = 0;
}

/* Under runs_mutex and the mmap_lock: hide again what has the most runs. */
static bool close_one(void)
{
	struct mprotect *most = NULL;

	for (struct mprotect *i = all_views; i; i = i->next)
		if (i->n_runs && (!most || i->n_runs > most->n_runs))
			most = i;
	if (!most)
		return false;
	close_view(most);
	return true;
}

static int open_range(struct mf_region *region, uintptr_t start, size_t len)
{
	void *addr = (void *)start;
	int r;

	if (all_runs > most_runs())
		(void)close_one();
	r = mf_sys.mprotect(addr, len, region->view->prot);
	if (r == -ENOMEM && min_pressure < MAX_PRESSURE)
		mf_store_relaxed(&min_pressure, min_pressure + 1);
	else if (r == -ENOMEM && close_one())
		r = mf_sys.mprotect(addr, len, region->view->prot);
	return r;
}

static int mprotect_open(struct mf_region *region, uintptr_t start, size_t len)
{
	struct mprotect *data = region->view->backend_data;
	int r;

	lock();
	r = open_range(region, start, len);
	if (r == 0)
		mark_open(data, mf_region_unit(region, start) - data->first,
			  mf_region_unit(region, start + len - 1) -
				  data->first);
	unlock();
	return r;
}

static int mprotect_protect(struct mf_region *region)
{
	return mf_sys.mprotect((void *)region->start, region->len, PROT_NONE);
}

/*
 * Nothing extra below a quarter of the limit, then four times as many units
 * for each further sixteenth.
 */
static uint32_t pressure(void)
{
	uint64_t sixteenths = (uint64_t)mf_load_relaxed(&all_runs) * 2 * 16 /
			      (uint64_t)mf_max_map_count();
	uint32_t least = mf_load_relaxed(&min_pressure);
	uint64_t most = sixteenths < 4 ? 0 : sixteenths - 3;

	if (most < least)
		most = least;
	return (uint32_t)(most < MAX_PRESSURE ? most : MAX_PRESSURE);
}

static uint32_t mprotect_span(struct mf_region *region, uint32_t unit,
			      uint32_t *ret_first)
{
	struct mf_store *store = region->view->store;
	uint32_t n = 1U << (2 * pressure());
	uint32_t left;

	/* Too large for runs to meet: more units would be read for nothing. */
	if (store->n_units >> (2 * MAX_PRESSURE) > most_runs())
		n = 1;
	*ret_first = unit / n * n;
	left = store->n_units - *ret_first;
	return n < left ? n : left;
}

static int try_protection(char *page, size_t size, int fd)
{
	if (mf_sys.pwrite(fd, page, 1, 0) != -EFAULT)
		return -EOPNOTSUPP;
	return mf_sys.mprotect(page, size, PROT_READ);
}

static int mprotect_probe(void)
{
	return mf_backend_try(PROT_NONE, try_protection);
}

const struct mf_backend mf_backend_mprotect = {
	.name = "mprotect",
	.id = MFILL_BACKEND_MPROTECT,
	.reserve = mprotect_reserve,
	.release = mprotect_release,
	.open = mprotect_open,
	.protect = mprotect_protect,
	.span = mprotect_span,
	.probe = mprotect_probe,
};
