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
	MFX_DPOR,   /* of runs that differ only in what does not matter, one */
	MFX_RANDOM, /* each step by lot */
	MFX_PCT,    /* priorities by lot, which change a few times */
};

struct mfx_limits {
	enum mfx_mode mode;
	int preemptions; /* at most; -1: any number */
	unsigned length; /* steps at most; 0: any number */
	uint64_t states, runs;
	double seconds; /* on a processor */
	uint64_t seed;	/* MFX_RANDOM, MFX_PCT */
	unsigned depth; /* MFX_PCT: changes plus one */
	bool finals;	/* count the states in which runs end */
};

/* Dependences that MFX_DPOR leaves out, to see that it is noticed. */
extern enum mfx_blindness {
	MFX_SEES_ALL,
	MFX_BLIND_WORDS = MFX_WORD,
	MFX_BLIND_QUEUES = MFX_QUEUE,
	MFX_BLIND_LOCKS = MFX_LOCK,
	MFX_BLIND_NOTES = MFX_NOTE,
	MFX_BLIND_READS,
	MFX_BLIND_WRITES,
	MFX_BLIND_FREES,
} mfx_blind;

struct mfx_result {
	uint64_t states, runs, steps;
	bool whole;
	uint64_t cut; /* MFX_DPOR: runs that came to what was seen */
	uint64_t n_finals;
	struct mfx_digest finals; /* of all of them together */
	const char *limit;	  /* why it is not whole */
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

/* Why a scenario is not for MFX_DPOR. NULL: it is. */
const char *mfx_dpor_refuses(const struct mfx_scenario *scenario);

/* Take this run, and tell its story. False: there is no such run. */
bool mfx_replay(const struct mfx_scenario *scenario, const char *schedule);

#endif
