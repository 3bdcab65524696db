/* SPDX-License-Identifier: MIT */
/*
 * search.h - which of all runs to take.
 *
 * Promise: a search that says whole has seen every run there is, up to the
 * order of steps that do not concern each other, and up to the collision of
 * two digests of 128 bits; any other says how far it went.
 */
#ifndef MF_SCHED_SEARCH_H
#define MF_SCHED_SEARCH_H

#include "sched/sched.h"

#define MFX_SCHEDULE 8192

enum mfx_mode {
	MFX_CACHE,  /* depth first, no state twice */
	MFX_DFS,    /* depth first, every run: no digest to trust */
	MFX_RANDOM, /* each step by lot */
	MFX_PCT,    /* priorities by lot, which change a few times */
};

struct mfx_limits {
	enum mfx_mode mode;
	int preemptions; /* at most; -1: any number */
	uint64_t states, runs;
	double seconds;
	uint64_t seed;	/* MFX_RANDOM, MFX_PCT */
	unsigned depth; /* MFX_PCT: changes plus one */
};

struct mfx_result {
	uint64_t states, runs, steps;
	bool whole;
	const char *limit; /* why it is not whole */
	struct mfx_bug bug;
	unsigned preemptions; /* of the run with the bug */
	unsigned length;
	char schedule[MFX_SCHEDULE]; /* of the run with the bug */
};

/*
 * Search until there is a bug, or an end. Of several bugs found at one
 * number of preemptions, the one with the shortest run.
 */
void mfx_search(const struct mfx_scenario *scenario,
		const struct mfx_limits *limits, struct mfx_result *ret);

/* Take this run, and tell its story. False: there is no such run. */
bool mfx_replay(const struct mfx_scenario *scenario, const char *schedule);

#endif
