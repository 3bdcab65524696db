/* SPDX-License-Identifier: MIT */
/*
 * raw.h - the least a fault can cost: what the ratios compare with.
 *
 * The same steps without a library around them: SIGSEGV, the source's read()
 * into a private buffer, pwrite to the memfd, MADV_GUARD_REMOVE or mprotect.
 * One map, no locks, no claims, no errors. Or the same with userfaultfd, on
 * the same kind of memory.
 */
#ifndef MF_BENCH_RAW_H
#define MF_BENCH_RAW_H

#include <stdbool.h>
#include <stddef.h>

struct raw {
	bool mprotect; /* instead of guards */
	bool no_copy;  /* pwrite straight from the source's memory */
	bool sigbus;   /* userfaultfd: SIGBUS and UFFDIO_COPY */
	bool poll;     /* userfaultfd: a thread with poll, read, UFFDIO_COPY */
	size_t size;   /* bytes in the map */
	size_t unit;   /* bytes per fill, a power of two */
};

/* A map that fills itself; installs the handler. One per process. */
char *raw_map(const struct raw *raw);

#endif
