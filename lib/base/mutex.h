/* SPDX-License-Identifier: MIT */
/*
 * mutex.h - a lock inside one process.
 *
 * Promise: mutual exclusion among the threads of a process; a child of fork()
 * finds it free, whatever the parent's threads held.
 * Context: any; whoever may be interrupted by a handler that takes the same
 * lock blocks signals first.
 *
 * Zero is an unlocked mutex. The word is epoch(30) waiters locked, where the
 * epoch is that of base/forkgen.h: a word of another epoch is the parent's.
 */
#ifndef MF_BASE_MUTEX_H
#define MF_BASE_MUTEX_H

#include "base/forkgen.h"
#include "base/lockrank.h"
#include "base/sync.h"

struct mf_mutex {
	uint32_t word;
};

#define MF_MUTEX_LOCKED	 1U
#define MF_MUTEX_WAITERS 2U

static inline void mf_mutex_lock(struct mf_mutex *mutex, enum mf_rank rank)
{
	uint32_t epoch = mf_fork_generation() << 2;
	uint32_t mine = epoch | MF_MUTEX_LOCKED;
	uint32_t word = mf_load_relaxed(&mutex->word);

	(void)rank; /* a release build checks no order */
	mf_rank_acquire(rank, "mf_mutex_lock");
	for (;;) {
		if (!(word & MF_MUTEX_LOCKED) || (word & ~3U) != epoch) {
			if (!mf_cas(&mutex->word, &word, mine))
				continue;
			mf_tsan_acquire(mutex);
			return;
		}
		/*
		 * Who slept once cannot know whether others still do, so from
		 * then on it takes the lock with WAITERS set.
		 */
		mine |= MF_MUTEX_WAITERS;
		if (!(word & MF_MUTEX_WAITERS) &&
		    !mf_cas(&mutex->word, &word, word | MF_MUTEX_WAITERS))
			continue;
		(void)mf_futex_wait(&mutex->word, word | MF_MUTEX_WAITERS, 0,
				    MF_FUTEX_LOCAL);
		word = mf_load_relaxed(&mutex->word);
	}
}

static inline void mf_mutex_unlock(struct mf_mutex *mutex, enum mf_rank rank)
{
	uint32_t word;

	mf_tsan_release(mutex);
	word = mf_xchg(&mutex->word, 0);
	(void)rank;
	if (word & MF_MUTEX_WAITERS)
		mf_futex_wake(&mutex->word, 1, MF_FUTEX_LOCAL);
	mf_rank_release(rank);
}

#endif
