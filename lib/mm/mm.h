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
/* The first region that touches [start, start + len), with a reference. */
struct mf_region *mf_mm_get_in(struct mf_mm *mm, struct mf_slot *me,
			       uintptr_t start, size_t len,
			       uint64_t *ret_generation);
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
/*
 * Where len bytes fit between the regions of [start, end), or 0. What others
 * have mapped there is not known here.
 */
uintptr_t mf_mm_gap(struct mf_mm *mm, struct mf_slot *me, uintptr_t start,
		    uintptr_t end, size_t len);
/* Any context: what must be freed waits for mf_mm_reap(). */
void mf_region_put(struct mf_region *region);
/* Not in a signal handler, no lock held: what must be freed is, here. */
void mf_region_put_now(struct mf_region *region);

/*
 * The rest is not for signal handlers.
 *
 * All of a view that is mapped PROT_NONE becomes a region. Takes over the
 * caller's view, also on failure, but leaves the mapping to the caller then.
 */
int mf_mm_insert(struct mf_mm *mm, struct mf_slot *me, struct mf_view *view);

enum mf_cut {
	MF_CUT_OURS, /* unmap what is ours of the range */
	MF_CUT_ALL,  /* unmap the whole range, as munmap() does */
	MF_CUT_KEEP, /* unmap nothing: the caller maps something over it next */
};
/*
 * Take what touches [start, start + len) out of the table; what reaches
 * beyond stays as regions of its own. -ENOMEM: nothing has changed.
 */
int mf_mm_cut(struct mf_mm *mm, struct mf_slot *me, uintptr_t start, size_t len,
	      enum mf_cut how);
/*
 * The regions in the range get another protection. -ENOENT: none there.
 * -ENOMEM: perhaps some have.
 */
int mf_mm_protect(struct mf_mm *mm, struct mf_slot *me, uintptr_t start,
		  size_t len, int prot);
/* Drop a region's reference on its view. */
void mf_view_put(struct mf_view *view);
/* A view that was never inserted. */
void mf_view_free(struct mf_view *view);
/* Free what nobody uses any more. Every API call does. */
void mf_mm_reap(void);

/* What the processor raises, and a fault of ours may be: never blocked. */
static const int mf_sync_signals[] = { SIGSEGV, SIGBUS,	 SIGFPE,
				       SIGILL,	SIGTRAP, SIGSYS };

/*
 * Block this thread's other signals until a call that sleeps lets them in by
 * itself, as ppoll() does: so its caller hears of each by EINTR. No lock held.
 */
void mf_signals_hold(sigset_t *ret_before);
void mf_signals_release(const sigset_t *before);

/* Block this thread's other signals. Nests. Any context. */
void mf_signals_block(void);
void mf_signals_restore(void);
/*
 * Between those two, without a lock: what the thread blocked before, and a
 * moment in which what waits for it is delivered. Its handler may not return.
 */
void mf_signals_before(sigset_t *ret);
void mf_signals_let_in(void);
/*
 * A handler whose sa_mask did that already says so; leave with what enter
 * returned before handing the fault to somebody else, who may never return.
 */
unsigned mf_signals_enter_handler(void);
void mf_signals_leave_handler(unsigned before);

#endif
