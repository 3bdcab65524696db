/* SPDX-License-Identifier: MIT */
/*
 * path.h - the run that is being taken, as its choices: what the files of the
 * search share.
 */
#ifndef MF_SCHED_PATH_H
#define MF_SCHED_PATH_H

#include "sched/search.h"

#define MFX_DEPTH 4096

struct mfx_frame {
	struct mfx_option option[MFX_OPTIONS];
	unsigned n, i;	      /* i: the one that is taken */
	unsigned preemptions; /* before this choice */
};

extern struct mfx_frame mfx_path[MFX_DEPTH];
extern unsigned mfx_path_len;

/* A frame for where the run is, with the options that the bound allows. */
bool mfx_push(const struct mfx_limits *limits, struct mfx_result *res);
/* Take what the frame says. */
void mfx_take(const struct mfx_frame *frame);

/* All of a search. */
void mfx_start(struct mfx_result *res);
/* At the end of a run: its bug, or where it came to. */
void mfx_note_end(const struct mfx_limits *limits, struct mfx_result *res);
bool mfx_over(const struct mfx_limits *limits, struct mfx_result *res,
	      double end);
double mfx_now(void);

/* dpor.c */
void mfx_search_dpor(const struct mfx_scenario *scenario,
		     const struct mfx_limits *limits, struct mfx_result *res);

#endif
