/* SPDX-License-Identifier: MIT */
/*
 * change.c - regions come, go, and are cut.
 *
 * Promise: a reader finds the regions of before or those of after; a child of
 * fork() likewise; what cannot be done changes nothing.
 * Context: not in a signal handler.
 *
 * What nests in what: the API mutex, then the mmap_lock. The table is changed
 * with both, so under the API mutex alone it may be read, and memory be
 * allocated for the next one: malloc under the mmap_lock could wait for a
 * thread that was interrupted inside malloc and waits for the mmap_lock.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/mutex.h"
#include "base/sys.h"
#include "mm/mm.h"

static struct mf_mutex api_mutex; /* guards changes of the table */

/*
 * api_mutex: an empty table with room for all regions there are, so that
 * taking one out needs no memory. The two tables change places.
 */
static struct mf_region_table *spare;

/*
 * The table is replaced by one store, so a writer that died left a whole one.
 * What it may have left is a view in the address space that no region has, and
 * a touch of that is a foreign fault.
 */
static void mm_write_lock(struct mf_mm *m, struct mf_slot *me)
{
	mf_signals_block();
	(void)mf_mmap_write_lock(m->lock, me);
}

static void mm_write_unlock(struct mf_mm *m, struct mf_slot *me)
{
	mf_mmap_lock_consistent(m->lock);
	mf_mmap_write_unlock(m->lock, me);
	mf_signals_restore();
}

/* Under the API mutex: an empty table with that much room, or NULL. */
static struct mf_region_table *take_table(size_t capacity)
{
	struct mf_region_table *table = spare;

	if (!table || table->capacity < capacity)
		return mf_table_new((capacity + 15) / 16 * 16);
	spare = NULL;
	table->n = 0;
	return table;
}

/* Under the API mutex: nobody looks at it any more. */
static void give_table(struct mf_region_table *table)
{
	if (!table)
		return;
	if (spare && spare->capacity >= table->capacity) {
		free(table);
		return;
	}
	free(spare);
	spare = table;
}

/* A region of the view; counted there. NULL: no memory. */
static struct mf_region *region_new(struct mf_mm *m, struct mf_view *view,
				    uintptr_t start, size_t len)
{
	struct mf_region *region = mf_sys.calloc(1, sizeof(*region));

	if (!region)
		return NULL;
	region->start = start;
	region->len = len;
	region->refs = 1;
	region->generation = ++m->generation;
	region->view = view;
	mf_fetch_add(&view->refs, 1);
	return region;
}

/* One that nobody has seen. */
static void region_drop(struct mf_region *region)
{
	if (!region)
		return;
	mf_view_put(region->view);
	free(region);
}

/* Regions of a table that are to go, or that were never shown. */
static void drop_added(struct mf_region_table *table, uint64_t since)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->n; i++)
		if (table->regions[i]->generation > since)
			region_drop(table->regions[i]);
	give_table(table);
}

static void extend_ghost(struct mf_mm *m, uintptr_t start, size_t len)
{
	if (!m->ghost_end || start < m->ghost_start)
		mf_store_release(&m->ghost_start, start);
	if (start + len > m->ghost_end)
		mf_store_release(&m->ghost_end, start + len);
}

/* Under the API mutex: this is what there is from now on. */
static void show_table(struct mf_mm *m, struct mf_slot *me,
		       struct mf_region_table *next)
{
	struct mf_region_table *old = m->table;

	mm_write_lock(m, me);
	mf_store_release(&m->table, next);
	mm_write_unlock(m, me);
	/* It had no reader left once we held the lock. */
	give_table(old);
}

static int insert_locked(struct mf_mm *m, struct mf_slot *me,
			 struct mf_view *view)
{
	size_t n = m->table ? m->table->n + 1 : 1;
	struct mf_region *region = region_new(m, view, view->start, view->len);
	struct mf_region_table *next = take_table(n);
	struct mf_region_table *other = take_table(n);

	if (!region || !next || !other) {
		give_table(next);
		give_table(other);
		if (region)
			region_drop(region);
		else
			mf_view_free(view);
		return -ENOMEM;
	}
	mf_table_copy(next, m->table, 0, 0);
	mf_table_add(next, region);
	give_table(other);
	show_table(m, me, next);
	return 0;
}

int mf_mm_insert(struct mf_mm *m, struct mf_slot *me, struct mf_view *view)
{
	int r;

	view->refs = 0;
	mf_mutex_lock(&api_mutex, MF_RANK_API);
	r = insert_locked(m, me, view);
	mf_mutex_unlock(&api_mutex, MF_RANK_API);
	return r;
}

/* The piece of the region that lies in [start, end), which it touches. */
static struct mf_region *piece(struct mf_mm *m, const struct mf_region *region,
			       struct mf_view *view, uintptr_t start,
			       uintptr_t end)
{
	uintptr_t region_end = region->start + region->len;

	if (start < region->start)
		start = region->start;
	if (end > region_end)
		end = region_end;
	return region_new(m, view, start, end - start);
}

/* What is left of a region on both sides of the hole, into the table. */
static int keep_rest(struct mf_mm *m, struct mf_region_table *table,
		     const struct mf_region *region, uintptr_t start,
		     uintptr_t end)
{
	if (region->start < start) {
		struct mf_region *left = piece(m, region, region->view, 0,
					       start);

		if (!left)
			return -ENOMEM;
		mf_table_add(table, left);
	}
	if (end < region->start + region->len) {
		struct mf_region *right = piece(m, region, region->view, end,
						UINTPTR_MAX);

		if (!right)
			return -ENOMEM;
		mf_table_add(table, right);
	}
	return 0;
}

/* A view like the region's, for another protection. */
static struct mf_view *view_like(const struct mf_view *like, int prot)
{
	struct mf_view *view = mf_sys.calloc(1, sizeof(*view));

	if (!view)
		return NULL;
	*view = *like;
	view->refs = 0;
	view->prot = prot;
	view->store = mf_store_get(like->store);
	view->backend_data = NULL;
	if (view->backend->reserve(view, like) == 0)
		return view;
	view->backend = NULL;
	mf_view_free(view);
	return NULL;
}

static int add_protected(struct mf_mm *m, struct mf_region_table *table,
			 const struct mf_region *region, uintptr_t start,
			 uintptr_t end, int prot)
{
	struct mf_view *view = view_like(region->view, prot);
	struct mf_region *middle;

	if (!view)
		return -ENOMEM;
	middle = piece(m, region, view, start, end);
	if (!middle) {
		mf_view_free(view);
		return -ENOMEM;
	}
	mf_table_add(table, middle);
	return 0;
}

#define NO_PIECE (-1) /* as a protection: nothing takes the hole's place */

/* No more than there are when whole regions go. */
static size_t room_needed(const struct mf_region_table *table, uintptr_t start,
			  uintptr_t end, int prot)
{
	size_t n = 0;

	for (size_t i = 0; i < table->n; i++) {
		struct mf_region *region = table->regions[i];

		if (!mf_region_touches(region, start, end - start)) {
			n++;
			continue;
		}
		n += (region->start < start) +
		     (end < region->start + region->len) + (prot != NO_PIECE);
	}
	return n;
}

/*
 * The table without [start, end), or with regions of another protection there.
 * Under the API mutex, nothing is changed yet. -ENOENT: nothing is there.
 */
static int next_table(struct mf_mm *m, uintptr_t start, uintptr_t end, int prot,
		      struct mf_region_table **ret)
{
	struct mf_region_table *table = m->table;
	uint64_t since = m->generation;
	struct mf_region_table *next;
	bool touched = false;
	int r = 0;

	for (size_t i = 0; table && i < table->n; i++)
		touched |= mf_region_touches(table->regions[i], start,
					     end - start);
	if (!touched)
		return -ENOENT;
	next = take_table(room_needed(table, start, end, prot));
	if (!next)
		return -ENOMEM;
	mf_table_copy(next, table, start, end - start);
	for (size_t i = 0; i < table->n && r == 0; i++) {
		struct mf_region *region = table->regions[i];

		if (!mf_region_touches(region, start, end - start))
			continue;
		r = keep_rest(m, next, region, start, end);
		if (r == 0 && prot != NO_PIECE)
			r = add_protected(m, next, region, start, end, prot);
	}
	if (r < 0) {
		drop_added(next, since);
		return r;
	}
	*ret = next;
	return 0;
}

/* Under the write lock: what is open stays right when the regions split. */
static int settle(struct mf_region_table *table, uintptr_t start, uintptr_t end)
{
	int r = 0;

	for (size_t i = 0; i < table->n && r == 0; i++) {
		struct mf_region *region = table->regions[i];
		uintptr_t region_end = region->start + region->len;

		if (!region->view->backend->settle)
			continue;
		if (region->start < start && start < region_end)
			r = region->view->backend->settle(region, start);
		if (r == 0 && region->start < end && end < region_end)
			r = region->view->backend->settle(region, end);
	}
	return r;
}

/* Under the write lock: the table's regions of the range are no more. */
static void bury(struct mf_mm *m, struct mf_region_table *table,
		 uintptr_t start, uintptr_t end, enum mf_cut how)
{
	for (size_t i = 0; i < table->n; i++) {
		struct mf_region *region = table->regions[i];
		uintptr_t from = region->start;
		uintptr_t to = region->start + region->len;

		if (!mf_region_touches(region, start, end - start))
			continue;
		region->generation = 0;
		from = from < start ? start : from;
		to = to > end ? end : to;
		extend_ghost(m, from, to - from);
		if (how == MF_CUT_OURS)
			(void)mf_sys.munmap((void *)from, to - from);
	}
}

/* Drop what bury() put to rest, and the table it was in. */
static void drop_buried(struct mf_region_table *table)
{
	for (size_t i = 0; i < table->n; i++)
		if (table->regions[i]->generation == 0)
			mf_region_put(table->regions[i]);
	give_table(table);
}

/* Under the write lock: the pages that are open, too. */
static int protect_new(struct mf_region_table *table, uint64_t since)
{
	int r = 0;

	for (size_t i = 0; i < table->n && r == 0; i++) {
		struct mf_region *region = table->regions[i];

		if (region->generation > since)
			r = region->view->backend->protect(region);
	}
	return r;
}

/*
 * Cut the range out, or with prot put regions of another protection there.
 * Under the API mutex.
 */
static int change(struct mf_mm *m, struct mf_slot *me, uintptr_t start,
		  size_t len, int prot, enum mf_cut how)
{
	struct mf_region_table *next = NULL, *old = m->table;
	uint64_t since = m->generation;
	int r = next_table(m, start, start + len, prot, &next);

	if (r < 0)
		return r;
	mm_write_lock(m, me);
	r = settle(old, start, start + len);
	if (r == 0 && prot != NO_PIECE)
		r = protect_new(next, since);
	if (r == 0 && how == MF_CUT_ALL)
		r = mf_sys.munmap((void *)start, len);
	if (r == 0) {
		bury(m, old, start, start + len, how);
		mf_store_release(&m->table, next);
	}
	mm_write_unlock(m, me);
	if (r == 0)
		drop_buried(old);
	else
		drop_added(next, since);
	return r;
}

int mf_mm_cut(struct mf_mm *m, struct mf_slot *me, uintptr_t start, size_t len,
	      enum mf_cut how)
{
	int r;

	mf_mutex_lock(&api_mutex, MF_RANK_API);
	r = change(m, me, start, len, NO_PIECE, how);
	mf_mutex_unlock(&api_mutex, MF_RANK_API);
	if (r == -ENOENT)
		r = how == MF_CUT_ALL ? mf_sys.munmap((void *)start, len) : 0;
	return r;
}

int mf_mm_protect(struct mf_mm *m, struct mf_slot *me, uintptr_t start,
		  size_t len, int prot)
{
	int r;

	mf_mutex_lock(&api_mutex, MF_RANK_API);
	r = change(m, me, start, len, prot, MF_CUT_KEEP);
	mf_mutex_unlock(&api_mutex, MF_RANK_API);
	return r;
}
