/* SPDX-License-Identifier: MIT */
/*
 * forkgen.h - notice that this process is a forked child of the one before.
 *
 * Promise: mf_fork_generation() never returns, in a child of fork(), a number
 * that it returned in an ancestor; within one process it is always the same.
 * A vfork() child shares the memory, and so the number, of its parent.
 * Context: any, signal handlers included.
 *
 * The word lies in a page that the kernel empties on fork, whoever forks and
 * however: a raw clone() is noticed too. Kernels without MADV_WIPEONFORK have
 * only the fork handler, which a raw clone() does not run.
 */
#ifndef MF_BASE_FORKGEN_H
#define MF_BASE_FORKGEN_H

#include "base/sync.h"

extern uint32_t *mf_fork_word; /* fixed before main() */

/* The slow half: give this process its number. */
uint32_t mf_fork_renew(void);

/* Never 0. */
static inline uint32_t mf_fork_generation(void)
{
	uint32_t generation = mf_load_relaxed(mf_fork_word);

	return generation ? generation : mf_fork_renew();
}

#endif
