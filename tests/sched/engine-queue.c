/* SPDX-License-Identifier: MIT */
/*
 * engine-queue.c - lib/uffd/queue.c, whose queue can be forgotten between
 * runs. Parents and children share it, so there is one for all processes.
 */
#include "uffd/queue.c" /* NOLINT: for its static variable */

#include "sched/engine.h"
#include "sched/sched.h"

void mfx_queue_reset(void)
{
	shared = NULL;
}

/* When nobody waits any more: no message is left, and poll() says so. */
void mfx_queue_check_empty(uint32_t owner)
{
	for (unsigned i = 0; i < shared->n_waiters; i++) {
		const struct mf_waiter *waiter = &shared->waiters[i];

		if (waiter->state != FREE && mf_slot_alive(waiter->slot))
			mfx_bug(MFX_LEAK, "a waiter is left in the queue");
	}
	if (shared->owners[owner % MF_QUEUE_OWNERS].readable)
		mfx_bug(MFX_INVARIANT,
			"poll() sees a message where there is none");
}
