/* SPDX-License-Identifier: MIT */
/*
 * uaccess.c - what does it cost to copy without faults, next to memcpy?
 *
 * Both run in turn on the same memory, since where its pages lie decides
 * more than which of them copies.
 */
#include "mm/uaccess.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/bench.h"

#define ROUNDS 101
#define LIMIT  1.02

static char *dst, *src;

static double time_memcpy(size_t to, size_t from, size_t len, int n)
{
	/* Not inlined, and not left out. */
	void *(*volatile copy)(void *, const void *, size_t) = memcpy;
	uint64_t start = bench_now();

	for (int i = 0; i < n; i++)
		copy(dst + to, src + from, len);
	return (double)(bench_now() - start) / n;
}

static double time_nofault(size_t to, size_t from, size_t len, int n)
{
	uint64_t start = bench_now();
	size_t left = 0;

	for (int i = 0; i < n; i++)
		left += mf_copy_nofault(dst + to, src + from, len);
	if (left)
		abort();
	return (double)(bench_now() - start) / n;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare_doubles);
	return values[ROUNDS / 2];
}

/* The ratio of one row, printed. */
static double row(size_t len, size_t to, size_t from)
{
	static double a[ROUNDS], b[ROUNDS];
	int n = (int)((4 << 20) / len);
	double x, y;

	if (n > 400)
		n = 400;
	for (int i = 0; i < ROUNDS; i++) {
		a[i] = time_memcpy(to, from, len, n);
		b[i] = time_nofault(to, from, len, n);
	}
	x = median(a);
	y = median(b);
	printf("  %8zu %6zu %6zu %12.1f %12.1f %8.3f%s\n", len, to, from, x, y,
	       y / x, y / x > LIMIT ? "  MISSED" : "");
	return y / x;
}

static char *memory(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	bench_must(p == MAP_FAILED ? -12 : 0, "mmap");
	return p;
}

int main(void)
{
	static const size_t sizes[] = { 4096, 65536, 1 << 20 };
	static const size_t alignments[][2] = {
		{ 0, 0 },  { 0, 1 },  { 1, 0 },	  { 7, 3 },
		{ 0, 16 }, { 16, 0 }, { 32, 32 }, { 2048, 0 },
	};
	double worst = 0;

	dst = memory((1 << 20) + 8192);
	src = memory((1 << 20) + 8192);
	memset(src, 1, (1 << 20) + 8192);
	printf("copy without faults and memcpy, ns, medians of %d rounds in "
	       "turn\n  %8s %6s %6s %12s %12s %8s\n",
	       ROUNDS, "bytes", "to+", "from+", "memcpy", "nofault", "ratio");
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (size_t i = 0;
		     i < sizeof(alignments) / sizeof(alignments[0]); i++) {
			double ratio = row(sizes[s], alignments[i][0],
					   alignments[i][1]);

			worst = ratio > worst ? ratio : worst;
		}
	}
	bench_value("worst ratio", worst * 100, "%", LIMIT * 100);
	return 0;
}
