/* SPDX-License-Identifier: MIT */
/*
 * progress.h - how far it is, for somebody who waits at a terminal.
 *
 * Promise: nothing is printed when stderr is no terminal, and nothing stays
 * on the line when it is over.
 */
#ifndef MF_CLI_PROGRESS_H
#define MF_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct mf_progress {
	bool on;
	uint64_t total; /* 0: unknown */
	uint64_t begun_ns;
	uint64_t shown_ns;
};

void mf_progress_begin(struct mf_progress *progress, uint64_t total,
		       bool quiet);
void mf_progress_show(struct mf_progress *progress, uint64_t done);
void mf_progress_end(struct mf_progress *progress);

#endif
