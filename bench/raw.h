/* SPDX-License-Identifier: MIT */
/*
 * raw.h - the least a fault can cost: what the ratios compare with.
 *
 * The same steps without a library around them: SIGSEGV, the source's read()
 * into a private buffer, pwrite to the memfd, MADV_GUARD_REMOVE or mprotect.
 * One map, no locks, no claims, no errors.
 */
#ifndef MF_BENCH_RAW_H
#define MF_BENCH_RAW_H

#include <stdbool.h>
#include <stddef.h>

struct raw {
	bool mprotect; /* instead of guards */
	bool no_copy;  /* pwrite straight from the source's memory */
	size_t size;   /* bytes in the map */
	size_t unit;   /* bytes per fill, a power of two */
};

/* A map that fills itself; installs the handler. One per process. */
char *raw_map(const struct raw *raw);

#endif
