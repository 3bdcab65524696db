/* SPDX-License-Identifier: MIT */
/*
 * bench.c - what all benchmarks share.
 */
#include "bench/bench.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POOL (128 * 1024)

uint64_t bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void bench_must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-result));
	exit(1);
}

void bench_die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

uint32_t *bench_shuffled(uint32_t n)
{
	uint32_t *order = malloc(n * sizeof(*order));
	uint64_t state = 1;
	uint32_t i;

	bench_must(order ? 0 : -ENOMEM, "order");
	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n; i > 1; i--) {
		uint32_t other, swap = order[i - 1];

		state = state * 6364136223846793005U + 1442695040888963407U;
		other = (uint32_t)((state >> 33) % i);
		order[i - 1] = order[other];
		order[other] = swap;
	}
	return order;
}

static char pool[2 * POOL];

int bench_read(void *ctx, void *buf, size_t len, uint64_t offset)
{
	char *to = buf;

	(void)ctx;
	while (len > 0) {
		size_t part = len < POOL ? len : POOL;

		memcpy(to, pool + offset % POOL, part);
		to += part;
		offset += part;
		len -= part;
	}
	return 0;
}

static int size_from_ctx(void *ctx, uint64_t *ret_size)
{
	*ret_size = *(uint64_t *)ctx;
	return 0;
}

struct mfill_source *bench_source(uint64_t size)
{
	const struct mfill_source_ops ops = {
		.struct_size = sizeof(ops),
		.flags = MFILL_SOURCE_INLINE,
		.read = bench_read,
		.get_size = size_from_ctx,
	};
	struct mfill_source *source;
	size_t i;

	for (i = 0; i < sizeof(pool); i++)
		pool[i] = (char)(i % POOL / BENCH_PAGE + 1);
	bench_must(mfill_source_new(&ops, &size, &source), "mfill_source_new");
	return source;
}

uint64_t bench_status(const char *name)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	uint64_t value = 0;

	bench_must(status ? 0 : -errno, "/proc/self/status");
	while (fgets(line, sizeof(line), status))
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtoull(line + strlen(name) + 1, NULL, 10);
	fclose(status);
	return value;
}

/* Seconds of processor time that all programs have used. */
static double all_cpu(void)
{
	FILE *stat = fopen("/proc/stat", "re");
	unsigned long long user, nice, system, idle, wait, irq, soft;
	int n;

	if (!stat)
		return 0;
	n = fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
		   &system, &idle, &wait, &irq, &soft);
	fclose(stat);
	if (n != 7)
		return 0;
	return (double)(user + nice + system + irq + soft) /
	       (double)sysconf(_SC_CLK_TCK);
}

static double seconds_of(const struct rusage *use)
{
	return (double)(use->ru_utime.tv_sec + use->ru_stime.tv_sec) +
	       (double)(use->ru_utime.tv_usec + use->ru_stime.tv_usec) / 1e6;
}

/* Seconds of processor time that this program and its children have used. */
static double own_cpu(void)
{
	struct rusage self, children;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	return seconds_of(&self) + seconds_of(&children);
}

static double in_child(const struct bench_row *row)
{
	double *result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double value = NAN;
	int status = 0;
	pid_t child;

	bench_must(result != MAP_FAILED ? 0 : -errno, "mmap");
	fflush(NULL);
	child = fork();
	bench_must(child < 0 ? -errno : 0, "fork");
	if (child == 0) {
		*result = row->measure(row->arg);
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		value = *result;
	munmap(result, sizeof(*result));
	return value;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare_doubles);
	return values[n / 2];
}

static void print_row(const struct bench_row *row, double value, double base)
{
	double ratio = value / base;

	printf("  %-44s", row->name);
	if (isnan(value)) {
		printf("   did not work here\n");
		return;
	}
	printf("%10.0f", value);
	if (row->compare >= 0)
		printf("%8.2f", ratio);
	if (row->target > 0)
		printf("  <= %.2f %s", row->target,
		       ratio <= row->target ? "met" : "MISSED");
	else if (row->target < 0)
		printf("  >= %.2f %s", -row->target,
		       ratio >= -row->target ? "met" : "MISSED");
	putchar('\n');
}

void bench_table(const char *title, const char *unit,
		 const struct bench_row *rows, size_t n)
{
	double values[BENCH_ROWS][BENCH_ROUNDS];
	double medians[BENCH_ROWS], cpu = all_cpu() - own_cpu();
	uint64_t start = bench_now();
	double others;
	size_t i;
	int round;

	for (round = 0; round < BENCH_ROUNDS; round++)
		for (i = 0; i < n; i++)
			values[i][round] = in_child(&rows[i]);
	others = (all_cpu() - own_cpu() - cpu) /
		 ((double)(bench_now() - start) / 1e9);
	for (i = 0; i < n; i++)
		medians[i] = median(values[i], BENCH_ROUNDS);
	printf("%-46s%10s   ratio  target\n", title, unit);
	for (i = 0; i < n; i++)
		print_row(&rows[i], medians[i],
			  rows[i].compare < 0 ? 1 : medians[rows[i].compare]);
	printf("  median of %d interleaved rounds; others used %.0f %% of a "
	       "processor (%s)\n\n",
	       BENCH_ROUNDS, others > 0 ? others * 100 : 0,
	       others < 0.05 ? "idle" : "BUSY");
}

double bench_median(double (*measure)(const void *arg), const void *arg)
{
	const struct bench_row row = { .measure = measure, .arg = arg };
	double values[BENCH_ROUNDS];

	for (int round = 0; round < BENCH_ROUNDS; round++)
		values[round] = in_child(&row);
	return median(values, BENCH_ROUNDS);
}

void bench_value(const char *name, double value, const char *unit,
		 double at_most)
{
	printf("  %-44s%10.1f %s", name, value, unit);
	if (at_most > 0)
		printf("  <= %g %s", at_most,
		       value <= at_most ? "met" : "MISSED");
	putchar('\n');
}
