/* SPDX-License-Identifier: MIT */
/*
 * spin.h - look for a moment before going to sleep for another thread.
 *
 * Promise: only while that thread can run: never where it was last seen on
 * this processor; and hardly ever where looking has been in vain lately.
 * Context: any, signal handlers included.
 *
 * To sleep and be woken from another processor takes a few microseconds, and
 * tens of them in a virtual machine whose processor was halted meanwhile: more
 * than the fill of a page. Linux's idle loop (haltpoll) and KVM (halt_poll_ns)
 * look first for the same reason.
 */
#ifndef MF_BASE_SPIN_H
#define MF_BASE_SPIN_H

#include <sched.h>
#include <time.h>

#include "base/sync.h"

/* A hint for one kind of wait; shared by who waits. Zero is a good start. */
struct mf_spin {
	uint32_t cpu;	 /* where the other thread was seen, plus one */
	uint32_t failed; /* how often in a row it was in vain */
};

#define MF_SPIN_NS    50000
#define MF_SPIN_AGAIN 64 /* after many failures: each so many waits */

static inline uint64_t mf_spin_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* For who is waited for: it runs here. */
static inline void mf_spin_here(struct mf_spin *spin)
{
	mf_store_relaxed(&spin->cpu, (uint32_t)(sched_getcpu() + 1));
}

/* How long it is worth looking, in ns; 0: sleep at once. */
static inline uint64_t mf_spin_patience(struct mf_spin *spin)
{
	uint32_t cpu = mf_load_relaxed(&spin->cpu);
	uint32_t failed = mf_load_relaxed(&spin->failed);

	if (MF_SPINS == 0 || cpu == 0 || cpu == (uint32_t)(sched_getcpu() + 1))
		return 0;
	if (failed < 5)
		return MF_SPIN_NS >> failed;
	mf_store_relaxed(&spin->failed, failed + 1);
	return failed % MF_SPIN_AGAIN ? 0 : MF_SPIN_NS;
}

/*
 * Look as long as the word is the value, or until it is, but not longer than
 * that. What it means is for a lock to say.
 */
enum mf_spin_how { MF_SPIN_WHILE, MF_SPIN_UNTIL };

static inline void mf_spin(struct mf_spin *spin, uint64_t patience_ns,
			   enum mf_spin_how how, const uint32_t *word,
			   uint32_t value)
{
	uint64_t start = mf_spin_now();

	do {
		for (int i = 0; i < MF_SPINS; i++) {
			if ((mf_load_relaxed(word) == value) ==
			    (how == MF_SPIN_UNTIL)) {
				mf_store_relaxed(&spin->failed, 0U);
				return;
			}
			mf_relax();
		}
	} while (mf_spin_now() - start < patience_ns);
	mf_add_relaxed(&spin->failed, 1U);
}

#endif
