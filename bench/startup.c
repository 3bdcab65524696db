/* SPDX-License-Identifier: MIT */
/*
 * startup.c - what mfill run adds to the start of a program.
 *
 * `true` alone; through mfill run without a map, and with one; and as one of
 * many programs of a run, where only joining it is added.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

#define STARTS 20

extern char **environ;

static int by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double start_once(char *const argv[])
{
	uint64_t begun = bench_now();
	int status;
	pid_t pid;
	int r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);

	bench_must(-r, argv[0]);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		bench_must(-ECHILD, argv[0]);
	return (double)(bench_now() - begun) / 1e3;
}

/* The median of some, in µs. */
static double start(const void *arg)
{
	char *const *argv = (char *const *)arg;
	double us[STARTS];

	for (int i = 0; i < STARTS; i++)
		us[i] = start_once(argv);
	qsort(us, STARTS, sizeof(us[0]), by_number);
	return us[STARTS / 2];
}

/* The same of a shell's children, without the shell's own start. */
static double start_many(const void *arg)
{
	static char script[] = "i=0; while [ $i -lt 100 ]; do /bin/true; "
			       "i=$((i+1)); done";
	char *under[] = { (char *)MFILL, (char *)"run", (char *)"-m",
			  (char *)arg,	 (char *)"sh",	(char *)"-c",
			  script,	 NULL };
	/* Without a map, the shell alone. */
	char **argv = arg ? under : under + 4;

	return start_once(argv) / 100;
}

int main(void)
{
	static char path[] = "/tmp/mfill-startup-XXXXXX";
	static char map[sizeof(path) + 64];
	static char *const plain[] = { (char *)"true", NULL };
	static char *const without[] = { (char *)MFILL, (char *)"run",
					 (char *)"true", NULL };
	static char *const with[] = { (char *)MFILL,  (char *)"run",
				      (char *)"-m",   map,
				      (char *)"true", NULL };
	const struct bench_row whole[] = {
		{ "true", start, plain, -1, 0 },
		{ "mfill run true", start, without, 0, 0 },
		{ "mfill run --map … true", start, with, 0, 0 },
	};
	const struct bench_row each[] = {
		{ "a shell's child", start_many, NULL, -1, 0 },
		{ "the same in a run", start_many, map, 0, 0 },
	};
	int fd = mkstemp(path);
	double more;

	if (fd < 0 || write(fd, "x", 1) != 1)
		bench_must(-errno, path);
	snprintf(map, sizeof(map), "%s.map=file:%s", path, path);
	bench_table("start of a program", "µs", whole, 3);
	bench_table("start of one of many", "µs", each, 2);
	more = bench_median(start, with) - bench_median(start, plain);
	bench_value("mfill run true, more than true", more / 1e3, "ms", 15);
	(void)unlink(path);
	return 0;
}
