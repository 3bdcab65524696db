/* SPDX-License-Identifier: MIT */
/*
 * pattern.h - a source whose every byte is known, and which can misbehave.
 *
 * Promise: what a right page holds follows from its offset alone, so any test
 * can say whether a byte is whole, stale or made up. No offset holds zeros.
 * Context: reads: any. The rest: a TEST() body.
 */
#ifndef MF_HARNESS_PATTERN_H
#define MF_HARNESS_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "mfill.h"

struct mf_pattern {
	uint64_t size;
	size_t preferred;
	unsigned flags; /* MFILL_SOURCE_* */
	uint32_t reads; /* counted */
	uint32_t closed;
	/* The next so many reads return error. */
	uint32_t failures;
	int error;
	/* Called before each read, with arg; its negative result is returned */
	int (*hook)(void *arg, uint64_t offset, size_t len);
	void *arg;
};

/* What the 8 bytes at that offset, a multiple of 8, are. */
uint64_t mf_pattern_word(uint64_t offset);
/* Whether memory holds the pattern's [offset, offset + len). */
bool mf_pattern_matches(const void *memory, uint64_t offset, size_t len);
void mf_pattern_fill(void *memory, uint64_t offset, size_t len);

/* A source over the pattern, which must live as long as it does. */
struct mfill_source *mf_pattern_open(struct mf_pattern *pattern);
/* The same where it may fail: what mfill_source_new() returns. */
int mf_pattern_try_open(struct mf_pattern *pattern, struct mfill_source **ret);
/*
 * All of it mapped, and the source put. Readahead is off unless the options
 * say otherwise. NULL: they ask for a backend that does not work here.
 */
char *mf_pattern_map(struct mf_pattern *pattern,
		     const struct mfill_map_options *options);

#endif
