/* SPDX-License-Identifier: MIT */
/*
 * life.h - notice that a thread has ended, however it ended.
 *
 * Promise: a life is held by one thread, from mf_life_take() until it ends,
 * and whoever tries afterwards hears of it once, until it says that it has
 * cleaned up.
 * Context: any, signal handlers included.
 */
#ifndef MF_MM_LIFE_H
#define MF_MM_LIFE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/sync.h"

/* In shared memory; all zeros is a life that nobody has had yet. */
struct mf_life {
	uint32_t kind;	/* made when first needed; then how it is held */
	uint32_t owner; /* thread id, where there is no mutex to hold */
	/* Robust and process-shared. */
	pthread_mutex_t mutex __attribute__((aligned(16)));
	/* For mf_life_keep(); only the kernel follows it, for the holder. */
	struct robust_list_head list __attribute__((aligned(8)));
	struct robust_list node;
};

/*
 * Whether the kernel tells of deaths by robust mutexes. Where it does not
 * (qemu-user), thread ids say who lives, as long as none is used again.
 * Found out before main(); tests clear it.
 */
extern bool mf_life_is_told;

/*
 * Try to hold it for a moment, or for good.
 *
 *   0            held by the caller now
 *   -EOWNERDEAD  the same, but the holder before has ended: clean up what it
 *                left, then mf_life_clean()
 *   -EBUSY       somebody lives, or is looking right now
 */
int mf_life_try(struct mf_life *life);
int mf_life_take(struct mf_life *life);
void mf_life_clean(struct mf_life *life);
/* After mf_life_try(). */
void mf_life_drop(struct mf_life *life);

/*
 * After mf_life_take(). True when this thread has another id than libc
 * thinks, as the child of a raw clone() or of vfork(): then the kernel is
 * told of this life by other means.
 */
bool mf_life_keep(struct mf_life *life, uint32_t tid);

/* Whether that thread holds it. Only for the thread itself to ask. */
bool mf_life_is_mine(struct mf_life *life, uint32_t tid);

uint32_t mf_thread_id(void);

#endif
