/* SPDX-License-Identifier: MIT */
/*
 * wrap.h - what sources that change another source have in common.
 *
 * Their names are SCHEME:OPTIONS:SOURCE, the options KEY=VALUE with commas
 * between them, and none of them has a colon. Wrappers nest.
 *
 * Promise: a wrapper may run wherever what it wraps may run.
 * Context: open and close: not in a signal handler.
 */
#ifndef MF_SOURCES_WRAP_H
#define MF_SOURCES_WRAP_H

#include "sources/driver.h"

struct mf_option {
	char key[16];
	char value[48];
};

/*
 * Take the next option off *rest. 1: *ret has it. 0: there are no more, and
 * *rest is the name of the source to wrap. -EINVAL with a sentence.
 */
int mf_option_next(const char **rest, struct mf_option *ret,
		   struct mf_why *why);

/* The sentence for an option that is unknown or has a wrong value. */
int mf_option_bad(const struct mf_option *option, const char *known,
		  struct mf_why *why);

/* The first member of each wrapper, which is its ops' ctx. */
struct mf_wrap {
	struct mfill_source *inner;
	unsigned depth; /* wrappers from here inwards */
};

/*
 * Open uri into wrap->inner, and make *ret around it by read. wrap comes from
 * calloc; it is the source's when this succeeds, else still the caller's.
 */
int mf_wrap_open(struct mf_wrap *wrap, const char *uri,
		 int (*read)(void *ctx, void *buf, size_t len, uint64_t offset),
		 struct mfill_source **ret, struct mf_why *why);

/* A number that looks random and is the same for the same seed and n. */
uint64_t mf_wrap_random(uint64_t seed, uint64_t n);

#endif
