/* SPDX-License-Identifier: MIT */
/*
 * lock-model.h - the mmap_lock as a policy, or the real one.
 *
 * Promise: an address space's lock behaves as mfx_policy says, whatever the
 * engine asks for.
 */
#ifndef MF_SCHED_LOCK_MODEL_H
#define MF_SCHED_LOCK_MODEL_H

#include <stdbool.h>

enum mfx_policy {
	MFX_READER,    /* queued writers do not stop readers */
	MFX_RECURSIVE, /* what I hold I may take again, else first come */
	MFX_FAIR,      /* first come, first served */
	MFX_PHASE,     /* after a writer all readers that wait, then a writer */
	MFX_WRITER,    /* while a writer waits no reader gets in */
	/*
	 * May make anybody wait as long as anybody holds the lock; only of a
	 * free lock somebody must get it. Every lock there is does a part of
	 * what this one may do.
	 */
	MFX_DEMONIC,
	MFX_POLICIES
};

extern enum mfx_policy mfx_policy;
extern bool mfx_real_lock; /* lib/mm/mmap_lock.c instead of the model */

extern const char *const mfx_policy_names[MFX_POLICIES];

void mfx_locks_reset(void);
/* Nobody holds a lock or waits for one; else a bug. */
void mfx_locks_check_free(void);

#endif
