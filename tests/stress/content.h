/* SPDX-License-Identifier: MIT */
/*
 * content.h - sources whose every word is known in advance.
 *
 * Promise: the word at an offset depends on the seed and the offset only, so
 * whoever reads it can tell whether it is right, whole and in its place.
 * Context: any, signal handlers included; content_source: not in one.
 */
#ifndef MF_STRESS_CONTENT_H
#define MF_STRESS_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mfill.h"

struct content {
	uint64_t seed;
	uint64_t size;
	bool is_inline;
	unsigned fails;	     /* one read of so many fails; 0: none */
	const char *through; /* read from this map, not by computing */
};

static inline uint64_t content_word(uint64_t seed, uint64_t offset)
{
	uint64_t z = (seed ^ offset) * 0xbf58476d1ce4e5b9U;

	return z ^ (z >> 29);
}

/* Make a source; content is copied. */
struct mfill_source *content_source(const struct content *content);

/* Sources made and not closed yet. */
uint32_t content_alive(void);

#endif
