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
	struct mf_mmap_lock *lock;     /* in the world; fixed until fork() */
	struct mf_region_table *table; /* lock */
	uint64_t generation;	       /* lock; last one given */
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
 * Take the lock for reading, with the thread's asynchronous signals blocked
 * from here to the unlock. Any context.
 */
void mf_mm_read_lock(struct mf_mm *mm, struct mf_slot *me);
void mf_mm_read_unlock(struct mf_mm *mm, struct mf_slot *me);

/* Under the read lock: the region at addr, without a reference. */
struct mf_region *mf_mm_find(struct mf_mm *mm, uintptr_t addr);
/*
 * Whether addr is in a region now; whether it was in one ever (or between two
 * that were). Take and drop the read lock. Any context.
 */
bool mf_mm_has(uintptr_t addr);
bool mf_mm_is_ghost(uintptr_t addr);
/*
 * The region at addr with a reference and the generation it has now, or NULL.
 * Takes and drops the read lock. Any context.
 */
struct mf_region *mf_mm_get(struct mf_mm *mm, struct mf_slot *me,
			    uintptr_t addr, uint64_t *ret_generation);
struct mf_region *mf_region_get(struct mf_region *region);
/* Any context: what must be freed waits for mf_mm_reap(). */
void mf_region_put(struct mf_region *region);
/* A region that was never inserted. Not in a signal handler. */
void mf_region_free(struct mf_region *region);

/* Not in a signal handler. -ENOMEM. Takes over the caller's reference. */
int mf_mm_insert(struct mf_mm *mm, struct mf_slot *me,
		 struct mf_region *region);
/*
 * Take the region that starts at addr out of the table and unmap it.
 * -EINVAL: there is none. -ENOMEM: it is still there.
 */
int mf_mm_remove(struct mf_mm *mm, struct mf_slot *me, uintptr_t addr);
/* Free what nobody uses any more. Every API call does. */
void mf_mm_reap(void);

/* What the processor raises, and a fault of ours may be: never blocked. */
static const int mf_sync_signals[] = { SIGSEGV, SIGBUS,	 SIGFPE,
				       SIGILL,	SIGTRAP, SIGSYS };

/* Block this thread's other signals. Nests. Any context. */
void mf_signals_block(void);
void mf_signals_restore(void);
/*
 * A handler whose sa_mask did that already says so; leave with what enter
 * returned before handing the fault to somebody else, who may never return.
 */
unsigned mf_signals_enter_handler(void);
void mf_signals_leave_handler(unsigned before);

#endif
