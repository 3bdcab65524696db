/* SPDX-License-Identifier: MIT */
/*
 * mm.h - the address space of this process, as mfill sees it.
 *
 * Promise: regions are found under the read lock and changed under the write
 * lock; a region that somebody still uses outlives its unmapping.
 * Context: says each function.
 */
#ifndef MF_MM_MM_H
#define MF_MM_MM_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "mm/mmap_lock.h"
#include "mm/region.h"

struct mf_mm {
	struct mf_mmap_lock *lock;     /* in the world */
	struct mf_region_table *table; /* lock */
	uint64_t generation;           /* lock; last one given */
	/* Hull of all ever unmapped: a fault there may be a late one. */
	uintptr_t ghost_start, ghost_end; /* lock */
};

/*
 * This process's, made on first use; NULL: no memory. In a child of fork()
 * the regions are the parent's at that moment, the lock a new one. Any
 * context once it exists.
 */
struct mf_mm *mf_mm_self(void);

/*
 * Take and give back the locks with the thread's asynchronous signals
 * blocked. Any context.
 */
void mf_mm_read_lock(struct mf_mm *mm, struct mf_slot *me);
void mf_mm_read_unlock(struct mf_mm *mm, struct mf_slot *me);
void mf_mm_write_lock(struct mf_mm *mm, struct mf_slot *me);
void mf_mm_write_unlock(struct mf_mm *mm, struct mf_slot *me);

/* Under the read lock: the region at addr, without a reference. */
struct mf_region *mf_mm_find(struct mf_mm *mm, uintptr_t addr);

struct mf_region *mf_region_get(struct mf_region *region);
/* Any context: what must be freed waits for mf_mm_reap(). */
void mf_region_put(struct mf_region *region);

/* Not in a signal handler. */
int mf_mm_insert(struct mf_mm *mm, struct mf_region *region);
/*
 * Take the region that starts at addr out of the table and unmap it. -EINVAL:
 * there is none.
 */
int mf_mm_remove(struct mf_mm *mm, uintptr_t addr);
/* Free what nobody uses any more. Every API call does. */
void mf_mm_reap(void);

/* Block what is asynchronous, keep what a fault needs. Any context. */
void mf_signals_block(sigset_t *ret_old);
void mf_signals_restore(const sigset_t *old);

#endif
