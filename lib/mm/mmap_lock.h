/* SPDX-License-Identifier: MIT */
/*
 * mmap_lock.h - who may look at the regions of an address space, who may
 * change them.
 *
 * Promise: 1. any number of readers or one writer; 2. phase-fair by default:
 * a waiting writer stops new readers, and when it is done all readers that
 * waited go before the next writer, so no side starves; 3. process-shared;
 * 4. robust: when a holder or a waiter dies, the others go on, and a writer
 * that died between lock and unlock is told of to the next one.
 * Context: any; signals that may run code of ours must be blocked from lock
 * to unlock. Nothing that can fault or wait is done while holding one: that
 * is law 1, and what makes the deadlock of docs/locking.md impossible.
 *
 * How it works: each thread has a slot in shared memory. A reader publishes
 * the lock in its slot, then looks at the writer word. A writer sets the
 * word, then looks at the slots. One of them sees the other.
 */
#ifndef MF_MM_MMAP_LOCK_H
#define MF_MM_MMAP_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/slot.h"

/*
 * Two independent attributes: may a thread that reads take the lock again
 * past a queued writer, and does a reader wait behind a queued writer.
 */
#define MF_LOCK_RECURSIVE     0x1U /* what I hold I may take again */
#define MF_LOCK_PREFER_READER 0x2U /* queued writers do not stop readers */
#define MF_LOCK_PREFER_WRITER 0x4U /* after a writer the next writer goes */
#define MF_LOCK_PHASE_FAIR    0x0U /* the default: none of these */

struct mf_mmap_lock {
	uint32_t id;	 /* mf_lock_id, what readers publish; 0: unused */
	uint32_t policy; /* MF_LOCK_*, fixed when made */
	/* Who queues first or holds, and what for: see mmap_lock.c. Futex. */
	uint32_t writer;
	uint32_t phase;	   /* how often those who waited to read went in */
	uint32_t ticket;   /* last one given to a queueing writer */
	uint32_t queued;   /* writers, and those that died queueing */
	uint32_t waiting;  /* readers, and those that died waiting */
	uint32_t changing; /* MF_LOCK_WHOLE, _CHANGING or _BROKEN */
	uint32_t users;	   /* mf_mmap_lock_new() without _put() */
	uint32_t pid;	   /* of who took it */
} __attribute__((aligned(64)));

#define MF_LOCK_WHOLE	 0U
#define MF_LOCK_CHANGING 1U /* a writer is at it */
#define MF_LOCK_BROKEN	 2U /* a writer died at it, nobody repaired it */

/*
 * Take an unused lock of the world. When none is left, one that others use
 * too: then they wait for each other more than they need to, and nothing
 * else. NULL: none of that policy. Give it back with mf_mmap_lock_put() when
 * nobody can use it any more.
 */
struct mf_mmap_lock *mf_mmap_lock_new(struct mf_world *world, unsigned policy);
void mf_mmap_lock_put(struct mf_mmap_lock *lock);

void mf_mmap_read_lock(struct mf_mmap_lock *lock, struct mf_slot *me);
bool mf_mmap_read_trylock(struct mf_mmap_lock *lock, struct mf_slot *me);
void mf_mmap_read_unlock(struct mf_mmap_lock *lock, struct mf_slot *me);

/*
 * 0, or -EOWNERDEAD: the lock is held now, but a writer before died in the
 * middle of a change. Repair what it guards, then mf_mmap_lock_consistent().
 * Otherwise the next writer hears it again.
 */
int mf_mmap_write_lock(struct mf_mmap_lock *lock, struct mf_slot *me);
void mf_mmap_lock_consistent(struct mf_mmap_lock *lock);
void mf_mmap_write_unlock(struct mf_mmap_lock *lock, struct mf_slot *me);

/* What an entry of mf_slot.hold says, for who looks on. */
enum mf_lock_use {
	MF_LOCK_UNUSED,
	MF_LOCK_READS,
	MF_LOCK_WAITS_TO_READ,
	MF_LOCK_WRITES,
	MF_LOCK_WAITS_TO_WRITE,
};
enum mf_lock_use mf_mmap_lock_use(uint32_t entry, mf_lock_id *ret_id);

/*
 * For a reader: a writer died in the middle of a change and nobody has
 * repaired it yet.
 */
bool mf_mmap_lock_broken(struct mf_mmap_lock *lock);

#endif
