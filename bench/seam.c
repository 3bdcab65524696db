/* SPDX-License-Identifier: MIT */
/*
 * seam.c - what does it cost that everything shared goes through
 * lib/base/sync.h?
 *
 * The library is compiled twice, once with that header and once with C11's
 * atomics and libc's syscall() in its place (bench/seam-plain.h), and each
 * measurement is one run of a program with one of the two. The target is what
 * can be told from nothing here.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"

#define AT_MOST 1.05

struct run {
	const char *program, *what;
};

static double measure(const void *arg)
{
	const struct run *run = arg;
	char command[4096];
	double value;
	FILE *out;

	(void)snprintf(command, sizeof(command), "'%s' %s", run->program,
		       run->what);
	out = popen(command, "r");
	if (!out || fscanf(out, "%lf", &value) != 1 || pclose(out) != 0) {
		fprintf(stderr, "%s does not run\n", command);
		exit(1);
	}
	return value;
}

#define RUNS(what)         \
	{ PLAIN, what },   \
	{                  \
		SEAM, what \
	}

int main(void)
{
	static const struct run runs[] = { RUNS("read"), RUNS("write"),
					   RUNS("turns"), RUNS("fault"),
					   RUNS("require") };
	static const struct bench_row rows[] = {
		{ "lock to read: C11's atomics", measure, &runs[0], -1, 0 },
		{ "lock to read: base/sync.h", measure, &runs[1], 0, AT_MOST },
		{ "lock to write: C11's atomics", measure, &runs[2], -1, 0 },
		{ "lock to write: base/sync.h", measure, &runs[3], 2, AT_MOST },
		{ "two who write: C11's atomics", measure, &runs[4], -1, 0 },
		{ "two who write: base/sync.h", measure, &runs[5], 4, 0 },
		{ "fault of 4 KiB: C11's atomics", measure, &runs[6], -1, 0 },
		{ "fault of 4 KiB: base/sync.h", measure, &runs[7], 6,
		  AT_MOST },
		{ "require 4 KiB: C11's atomics", measure, &runs[8], -1, 0 },
		{ "require 4 KiB: base/sync.h", measure, &runs[9], 8, AT_MOST },
	};

	bench_table("the seam", "ps", rows, sizeof(rows) / sizeof(rows[0]));
	return 0;
}
