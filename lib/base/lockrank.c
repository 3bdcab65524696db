/* SPDX-License-Identifier: MIT */
/*
 * lockrank.c - find the wrong order of locks where it could happen, not where
 * it does.
 *
 * Promise: see lockrank.h.
 * Context: any, signal handlers included.
 */
#include "base/lockrank.h"

#ifdef MF_DEBUG

#include <stddef.h>
#include <stdint.h>

#include "base/die.h"
#include "base/forkgen.h"

static const char *const names[MF_RANK_COUNT] = {
	[MF_RANK_API] = "the lock of the API",
	[MF_RANK_MMAP] = "the mmap_lock",
	[MF_RANK_CHUNK] = "the lock of a chunk",
	[MF_RANK_POOL] = "the lock of the request queue",
	[MF_RANK_SIGNAL] = "the lock of the signals",
};

/* Bit n: this thread holds the lock of rank n. */
static __thread uint32_t held;
static __thread uint32_t generation; /* of the process that holds them */

/* A forked child holds nothing of what its parent did. */
static uint32_t *held_here(void)
{
	uint32_t now = mf_fork_generation();

	if (generation != now)
		held = 0;
	generation = now;
	return &held;
}

static const char *highest_held(void)
{
	return names[31 - __builtin_clz(held)];
}

static _Noreturn void complain(const char *where, const char *what,
			       const char *name)
{
	char sentence[128];
	size_t n = 0;

	for (; *what && n < sizeof(sentence) - 1; what++)
		sentence[n++] = *what;
	for (; *name && n < sizeof(sentence) - 1; name++)
		sentence[n++] = *name;
	sentence[n] = '\0';
	mf_die(where, sentence);
}

void mf_rank_acquire(enum mf_rank rank, const char *where)
{
	if (*held_here() >> rank)
		complain(where, "lock order: this thread holds ",
			 highest_held());
	held |= 1U << rank;
	MF_CHECK(lock, (int)rank);
}

void mf_rank_release(enum mf_rank rank)
{
	if (!(*held_here() & (1U << rank)))
		complain("mf_rank_release", "this thread does not hold ",
			 names[rank]);
	held &= ~(1U << rank);
	MF_CHECK(unlock, (int)rank);
}

void mf_might_fault(const char *where)
{
	if (*held_here())
		complain(where, "may fault or wait while this thread holds ",
			 highest_held());
}

#else
/* A release build has no checker; ISO C wants something in a file. */
typedef int mf_lockrank_is_off;
#endif
