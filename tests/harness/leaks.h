/* SPDX-License-Identifier: MIT */
/*
 * leaks.h - what a process holds open, to be compared before and after.
 *
 * Context: not in a signal handler.
 */
#ifndef MF_HARNESS_LEAKS_H
#define MF_HARNESS_LEAKS_H

#include <stdbool.h>
#include <stddef.h>

#define MF_HOLDINGS_FDS 1024

struct mf_holdings {
	bool fds[MF_HOLDINGS_FDS];
	int mappings; /* of memfds named mfill…, not the world's */
};

void mf_holdings_take(struct mf_holdings *ret);

/*
 * False and one sentence when they differ. A descriptor that was there and is
 * gone counts too: somebody closed what was not theirs. What is named
 * mfill-world lives as long as the process and does not count.
 */
bool mf_holdings_same(const struct mf_holdings *before, char *why,
		      size_t why_size);

#endif
