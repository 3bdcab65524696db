/* SPDX-License-Identifier: MIT */
/*
 * rows.h - which scenario is explored how, and what must come out.
 */
#ifndef MF_SCHED_ROWS_H
#define MF_SCHED_ROWS_H

#include "sched/lock-model.h"
#include "sched/program.h"
#include "sched/search.h"

struct mfx_row {
	const struct mfx_scenario *scenario;
	enum mfx_policy policy;
	enum mfx_engine engine;
	bool real_lock;
	enum mfx_bug_kind expected;
	bool quick; /* one of those for each change of the code */
};

struct mfx_verdict {
	struct mfx_result result;
	bool as_expected;
	char words[128];
};

/* All rows in order; returns how many there are. */
unsigned mfx_rows(const struct mfx_row **ret);

/* Explore a row for at most so long; deep: as far as that goes. */
void mfx_explore(const struct mfx_row *row, bool deep, double seconds,
		 struct mfx_verdict *ret);

/* By one mode alone: cache, dfs, dpor, shortest, random, pct. False: there is no such mode. */
bool mfx_explore_by(const struct mfx_row *row, const char *mode, double seconds,
		    struct mfx_verdict *ret);

/* By dfs, cache and dpor: each to its end, and do they see the same ends? */
void mfx_agree(const struct mfx_row *row, double seconds,
	       struct mfx_verdict *ret);

/* "scenario/policy/lock/engine", and back. False: there is no such row. */
void mfx_row_name(const struct mfx_row *row, char *out, size_t size);
bool mfx_row_parse(const char *name, struct mfx_row *ret);
/* Make the next runs this row's. */
void mfx_row_select(const struct mfx_row *row);

#endif
