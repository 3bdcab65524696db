/* SPDX-License-Identifier: MIT */
/*
 * bench.h - measure several things side by side, print a table.
 *
 * Promise: each measurement is a process of its own; rounds are interleaved,
 * so that what disturbs the machine disturbs all rows alike; a row is the
 * median of its rounds; and how busy others were meanwhile is told.
 * Context: the main thread of a benchmark.
 */
#ifndef MF_BENCH_H
#define MF_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include "mfill.h"

#define BENCH_PAGE   4096
#define BENCH_ROUNDS 7
#define BENCH_ROWS   16 /* in one table, at most */

/* One row of a table. measure() runs in a child; its result is the value. */
struct bench_row {
	const char *name;
	double (*measure)(const void *arg);
	const void *arg;
	/* Compared with the row of this index; -1: with none. */
	int compare;
	/* The ratio wanted: at most, or at least when negative; 0: none. */
	double target;
};

/* Measure all rows in turn, BENCH_ROUNDS times, and print them. */
void bench_table(const char *title, const char *unit,
		 const struct bench_row *rows, size_t n);

/* One measurement on its own: the median of as many rounds. */
double bench_median(double (*measure)(const void *arg), const void *arg);

/* One line with a value and what it should be at most; 0: nothing. */
void bench_value(const char *name, double value, const char *unit,
		 double at_most);

/* This process must not outlive the one that made it. */
void bench_die_with_parent(void);

/* End the benchmark with a sentence when result is -errno. */
void bench_must(int result, const char *what);

uint64_t bench_now(void); /* ns */

/* The numbers from 0 to n - 1, shuffled, the same way each time. */
uint32_t *bench_shuffled(uint32_t n);

/*
 * A source in memory: each byte comes from a small pool that stays in the
 * processor's cache.
 */
int bench_read(void *ctx, void *buf, size_t len, uint64_t offset);
struct mfill_source *bench_source(uint64_t size);

/* A line of /proc/self/status such as VmPTE, in KiB. */
uint64_t bench_status(const char *name);

#endif
