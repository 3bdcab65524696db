/* SPDX-License-Identifier: MIT */
/*
 * uffd-children.c - what children of this process find of its views.
 *
 * Promise: a child sees the bytes of the views, or an error, and never zeros.
 * Context: fork handlers; revive: any.
 *
 * A child of fork() inherits mappings, but no registration: a missing page
 * would read as zeros. So views are MADV_DONTFORK, and a child, however it is
 * made, finds nothing where they were. After fork() a child's fork handler
 * maps and registers them again, before anything of the program runs. What the
 * program wrote to a private view has to be inherited, so around fork() these
 * are MADV_DOFORK.
 *
 * A child of a raw clone() runs no fork handler, and can have no keeper for a
 * descriptor. It gets its shared views back on the first touch of any, hidden
 * by PROT_NONE, and errors for the rest; what it maps before that may lie
 * where a view was.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "backends/uffd-parts.h"
#include "backends/uffd.h"
#include "base/forkgen.h"
#include "base/sys.h"

/* The process in which all views are registered; 0: there never was one. */
static uint32_t ready_epoch;
/* The process that fork() made and not a raw clone(), and the other kind. */
static uint32_t forked_epoch, raw_epoch;
/* The process in which shared views are where they were; or never were. */
static uint32_t placed_epoch;
/* fork() calls under way. mf_uffd_lock() */
static unsigned n_forking;

bool mf_uffd_is_ready(void)
{
	/* pairs with the release in set_ready(): the views are there */
	return mf_load_acquire(&ready_epoch) == mf_fork_generation();
}

static void set_ready(void)
{
	mf_store_release(&ready_epoch, mf_fork_generation());
}

bool mf_uffd_is_raw(void)
{
	return mf_load_relaxed(&raw_epoch) == mf_fork_generation();
}

/* Under the lock: what a child finds of the region. */
static int inherit(const struct mf_view *view, uintptr_t start, size_t len,
		   bool forking)
{
	int advice = forking && !view->shared ? MADV_DOFORK : MADV_DONTFORK;

	return mf_sys.madvise((void *)start, len, advice);
}

int mf_uffd_begin(const struct mf_view *view)
{
	int r = inherit(view, view->start, view->len, n_forking > 0);

	if (!mf_uffd_is_ready() && mf_load_relaxed(&ready_epoch))
		return -EOPNOTSUPP; /* this child may not have it */
	/* Nothing is here that we would have to have back. */
	if (r == 0 && !mf_load_relaxed(&ready_epoch))
		set_ready();
	return r;
}

/* In a child: a shared view is where it was, closed. Not over anything. */
static int map_back(const struct mf_region *region)
{
	void *start = (void *)region->start;
	int r = mf_store_check(region->view->store);

	if (r < 0)
		return r;
	return mf_sys.mmap(start, region->len, PROT_NONE,
			   MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
			   region->view->store->fd,
			   mf_region_offset(region, region->start), &start);
}

/*
 * Under the lock and the read lock: in a child, have the region back. Not over
 * what somebody has mapped there meanwhile.
 */
static int revive_region(const struct mf_region *region, bool raw)
{
	const struct mf_view *view = region->view;
	int r = 0;

	if (!view->shared && raw)
		return -EFAULT;
	if (view->shared)
		r = map_back(region);
	/* After fork() it is there already: take_places() did it. */
	if (r == -EEXIST && placed_epoch == mf_fork_generation())
		r = 0;
	if (r < 0)
		return r;
	r = inherit(view, region->start, region->len, false);
	if (r == 0 && !raw)
		r = mf_uffd_register(view, region->start, region->len);
	/* Never zeros: closed, until somebody touches it and we try again. */
	if (r < 0)
		(void)mf_sys.mprotect((void *)region->start, region->len,
				      PROT_NONE);
	return r;
}

int mf_uffd_revive(void)
{
	struct mf_region_table *table = mf_mm_self()->table;
	uint32_t epoch = mf_fork_generation();
	bool raw = mf_load_relaxed(&forked_epoch) != epoch;
	int r = 0;

	mf_uffd_lock();
	if (raw)
		mf_store_relaxed(&raw_epoch, epoch);
	if (!mf_uffd_is_ready()) {
		n_forking = 0;
		mf_channel_forget(&mf_channel_inline);
		mf_channel_forget(&mf_channel_message);
		for (size_t i = 0; table && i < table->n && r == 0; i++) {
			if (mf_uffd_is_ours(table->regions[i]))
				r = revive_region(table->regions[i], raw);
			if (raw)
				r = 0; /* a touch of it is an error */
		}
		if (r == 0)
			set_ready();
	}
	mf_uffd_unlock();
	return r;
}

void mf_uffd_enter(struct mf_mm *mm, struct mf_slot *me)
{
	if (mf_uffd_is_ready() || !mf_load_relaxed(&ready_epoch))
		return;
	mf_mm_read_lock(mm, me);
	(void)mf_uffd_revive();
	mf_mm_read_unlock(mm, me);
}

static void each_private(bool forking)
{
	struct mf_region_table *table = mf_mm_self()->table;

	for (size_t i = 0; table && i < table->n; i++) {
		const struct mf_region *region = table->regions[i];

		if (mf_uffd_is_ours(region) && !region->view->shared)
			(void)inherit(region->view, region->start, region->len,
				      forking);
	}
}

/* +1: a fork() begins; -1: it is over, in the parent. */
static void count_fork(int change)
{
	struct mf_slot *me;
	struct mf_mm *mm;

	if (!mf_load_relaxed(&ready_epoch))
		return;
	me = mf_slot_self();
	mm = mf_mm_self();
	if (!me || !mm)
		return;
	mf_mm_read_lock(mm, me);
	mf_uffd_lock();
	n_forking += (unsigned)change;
	if (n_forking == (change > 0 ? 1 : 0))
		each_private(change > 0);
	mf_uffd_unlock();
	mf_mm_read_unlock(mm, me);
}

static void before_fork(void)
{
	count_fork(1);
}

static void after_fork(void)
{
	count_fork(-1);
}

/* Before anything else is mapped, such as the stack of a thread. */
static void take_places(struct mf_mm *mm, struct mf_slot *me)
{
	int r = 0;

	mf_mm_read_lock(mm, me);
	for (size_t i = 0; mm->table && i < mm->table->n && r == 0; i++) {
		const struct mf_region *region = mm->table->regions[i];

		if (mf_uffd_is_ours(region) && region->view->shared)
			r = map_back(region);
	}
	/* Else it is tried again later, but not over anything. */
	if (r == 0)
		placed_epoch = mf_fork_generation();
	mf_mm_read_unlock(mm, me);
}

static void in_child(void)
{
	struct mf_slot *me;
	struct mf_mm *mm;

	if (!mf_load_relaxed(&ready_epoch))
		return;
	mf_store_relaxed(&forked_epoch, mf_fork_generation());
	me = mf_slot_self();
	mm = mf_mm_self();
	if (!me || !mm)
		return;
	take_places(mm, me);
	/* They have threads, so not under the lock. */
	mf_channel_reopen(&mf_channel_inline);
	mf_channel_reopen(&mf_channel_message);
	mf_uffd_enter(mm, me);
}

/* Early, so that ours is the first to run in a child. */
__attribute__((constructor)) static void handle_forks(void)
{
	(void)pthread_atfork(before_fork, after_fork, in_child);
}
