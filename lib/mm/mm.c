/* SPDX-License-Identifier: MIT */
/*
 * mm.c - the regions of this process, and the lock around them.
 *
 * Promise: as in mm.h.
 * Context: reap: not in a signal handler. The rest: any.
 *
 * How regions change is in change.c.
 */
#include "mm/mm.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mutex.h"
#include "base/sys.h"
#include "base/syscall.h"

static struct mf_mm mm;
static uint32_t mm_epoch;	    /* mm belongs to the process of this */
static struct mf_mutex enter_mutex; /* guards the setting up of mm */

static struct mf_region *dead_regions; /* pushed by exchange */

/* Signals */

static __thread unsigned signals_depth;
static __thread uint64_t signals_old;

/*
 * glibc's setuid() sends it to each thread and waits until all have changed
 * their user. Its handler touches nothing of ours.
 */
#define SETXID 33

/* The signals a fault itself raises stay deliverable. */
static uint64_t async_signals(void)
{
	uint64_t all = ~(UINT64_C(1) << (SETXID - 1));

	for (size_t i = 0; i < sizeof(mf_sync_signals) / sizeof(int); i++)
		all &= ~(UINT64_C(1) << (mf_sync_signals[i] - 1));
	return all;
}

/* Handlers run meanwhile, so nothing is counted as blocked. */
void mf_signals_hold(sigset_t *ret_before)
{
	uint64_t set = async_signals();

	__builtin_memset(ret_before, 0, sizeof(*ret_before));
	(void)mf_syscall(SYS_rt_sigprocmask, SIG_BLOCK, (long)&set,
			 (long)ret_before, sizeof(set), 0, 0);
}

void mf_signals_release(const sigset_t *before)
{
	(void)mf_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)before, 0,
			 sizeof(uint64_t), 0, 0);
}

void mf_signals_block(void)
{
	if (signals_depth == 0) {
		uint64_t set = async_signals();

		(void)mf_syscall(SYS_rt_sigprocmask, SIG_BLOCK, (long)&set,
				 (long)&signals_old, sizeof(set), 0, 0);
	}
	/* The handler may run before this line: it sees depth 0 and is right */
	mf_barrier();
	signals_depth++;
}

void mf_signals_restore(void)
{
	signals_depth--;
	mf_barrier();
	if (signals_depth == 0)
		(void)mf_syscall(SYS_rt_sigprocmask, SIG_SETMASK,
				 (long)&signals_old, 0, sizeof(signals_old), 0,
				 0);
}

void mf_signals_before(sigset_t *ret)
{
	__builtin_memset(ret, 0, sizeof(*ret));
	__builtin_memcpy(ret, &signals_old, sizeof(signals_old));
}

/* A handler finds everything as if nothing were blocked by us. */
void mf_signals_let_in(void)
{
	unsigned depth = signals_depth;

	signals_depth = 1;
	mf_signals_restore();
	mf_signals_block();
	signals_depth = depth;
}

unsigned mf_signals_enter_handler(void)
{
	return signals_depth++;
}

void mf_signals_leave_handler(unsigned before)
{
	signals_depth = before;
}

/* The address space */

/*
 * Everything of the parent's that names its threads is void here: the lock,
 * and the references of fills that were under way.
 */
static int mm_enter(uint32_t epoch)
{
	struct mf_world *world = mf_world();
	struct mf_mmap_lock *lock;

	if (!world)
		return -ENOMEM;
	lock = mf_mmap_lock_new(world, MF_LOCK_PHASE_FAIR);
	if (!lock)
		return -ENOMEM;
	if (signals_depth == 0 && mm.table)
		for (size_t i = 0; i < mm.table->n; i++)
			mf_store_relaxed(&mm.table->regions[i]->refs, 1);
	mm.lock = lock;
	/* pairs with the acquire in mf_mm_self() */
	mf_store_release(&mm_epoch, epoch);
	return 0;
}

struct mf_mm *mf_mm_self(void)
{
	uint32_t epoch = mf_fork_generation();
	int r = 0;

	if (mf_load_acquire(&mm_epoch) == epoch)
		return &mm;
	mf_signals_block();
	mf_mutex_lock(&enter_mutex, MF_RANK_API);
	if (mf_load_acquire(&mm_epoch) != epoch)
		r = mm_enter(epoch);
	mf_mutex_unlock(&enter_mutex, MF_RANK_API);
	mf_signals_restore();
	return r < 0 ? NULL : &mm;
}

void mf_mm_read_lock(struct mf_mm *m, struct mf_slot *me)
{
	mf_signals_block();
	mf_mmap_read_lock(m->lock, me);
}

void mf_mm_read_unlock(struct mf_mm *m, struct mf_slot *me)
{
	mf_mmap_read_unlock(m->lock, me);
	mf_signals_restore();
}

struct mf_region *mf_mm_find(struct mf_mm *m, uintptr_t addr)
{
	return mf_table_find(mf_load_acquire(&m->table), addr);
}

bool mf_mm_has(uintptr_t addr)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *m = mf_mm_self();
	bool has;

	if (!me || !m)
		return false;
	mf_mm_read_lock(m, me);
	has = mf_mm_find(m, addr);
	mf_mm_read_unlock(m, me);
	return has;
}

bool mf_mm_is_ghost(uintptr_t addr)
{
	/* A hint: whoever just unmapped addr stored the hull before that. */
	return addr >= mf_load_acquire(&mm.ghost_start) &&
	       addr < mf_load_acquire(&mm.ghost_end);
}

struct mf_region *mf_mm_get(struct mf_mm *m, struct mf_slot *me, uintptr_t addr,
			    uint64_t *ret_generation)
{
	struct mf_region *region;

	mf_mm_read_lock(m, me);
	region = mf_mm_find(m, addr);
	if (region) {
		*ret_generation = region->generation;
		(void)mf_region_get(region);
	}
	mf_mm_read_unlock(m, me);
	return region;
}

struct mf_region *mf_mm_get_in(struct mf_mm *m, struct mf_slot *me,
			       uintptr_t start, size_t len,
			       uint64_t *ret_generation)
{
	struct mf_region_table *table;
	struct mf_region *region = NULL;

	mf_mm_read_lock(m, me);
	table = mf_load_acquire(&m->table);
	for (size_t i = 0; table && i < table->n && !region; i++)
		if (mf_region_touches(table->regions[i], start, len))
			region = mf_region_get(table->regions[i]);
	if (region)
		*ret_generation = region->generation;
	mf_mm_read_unlock(m, me);
	return region;
}

uintptr_t mf_mm_gap(struct mf_mm *m, struct mf_slot *me, uintptr_t start,
		    uintptr_t end, size_t len)
{
	struct mf_region_table *table;

	mf_mm_read_lock(m, me);
	table = mf_load_acquire(&m->table);
	for (size_t i = 0; table && i < table->n; i++) {
		struct mf_region *region = table->regions[i];
		uintptr_t region_end = region->start + region->len;

		if (region->start >= start && region->start - start >= len)
			break;
		if (region_end > start)
			start = region_end;
	}
	mf_mm_read_unlock(m, me);
	return start < end && end - start >= len ? start : 0;
}

struct mf_region *mf_region_get(struct mf_region *region)
{
	mf_fetch_add(&region->refs, 1);
	return region;
}

static bool was_last(struct mf_region *region)
{
	return region && mf_fetch_sub(&region->refs, 1) == 1;
}

/* Freeing needs normal context, which the last user may not be in. */
void mf_region_put(struct mf_region *region)
{
	struct mf_region *head;

	if (!was_last(region))
		return;
	head = mf_load_relaxed(&dead_regions);
	do
		region->next_dead = head;
	while (!mf_cas(&dead_regions, &head, region));
}

void mf_view_free(struct mf_view *view)
{
	if (!view)
		return;
	if (view->backend)
		view->backend->release(view);
	if (view->store && mf_store_unref(view->store))
		mf_store_free(view->store);
	free(view);
}

void mf_view_put(struct mf_view *view)
{
	if (mf_fetch_sub(&view->refs, 1) == 1)
		mf_view_free(view);
}

static void free_region(struct mf_region *region)
{
	mf_view_put(region->view);
	free(region);
}

void mf_region_put_now(struct mf_region *region)
{
	if (was_last(region))
		free_region(region);
}

void mf_mm_reap(void)
{
	struct mf_region *region = mf_xchg(&dead_regions, NULL);

	while (region) {
		struct mf_region *next = region->next_dead;

		free_region(region);
		region = next;
	}
}
