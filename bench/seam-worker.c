/* SPDX-License-Identifier: MIT */
/*
 * seam-worker.c - one measurement of bench/seam.c, with the library as it is
 * or with bench/seam-plain.h in it: prints a number.
 *
 *	seam-worker read | write | turns | fault | require
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench.h"
#include "mm/mmap_lock.h"

#define PAIRS 4000000
#define TURNS 200000
#define PAGES 16384

static struct mf_mmap_lock *lock;

/* ns on a processor: what others do meanwhile is not in it. */
static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* ps per pair */
static double read_pairs(void)
{
	struct mf_slot *me = mf_slot_self();
	uint64_t start = now();

	for (int i = 0; i < PAIRS; i++) {
		mf_mmap_read_lock(lock, me);
		mf_mmap_read_unlock(lock, me);
	}
	return (double)(now() - start) * 1000 / PAIRS;
}

static double write_pairs(void)
{
	struct mf_slot *me = mf_slot_self();
	uint64_t start = now();

	for (int i = 0; i < PAIRS / 4; i++) {
		(void)mf_mmap_write_lock(lock, me);
		mf_mmap_write_unlock(lock, me);
	}
	return (double)(now() - start) * 4000 / PAIRS;
}

static void *take_turns(void *arg)
{
	struct mf_slot *me = mf_slot_self();

	for (int i = 0; i < TURNS; i++) {
		(void)mf_mmap_write_lock(lock, me);
		mf_mmap_write_unlock(lock, me);
	}
	return arg;
}

/* Two who want to write: futexes, too. */
static double turns(void)
{
	uint64_t start = now();
	pthread_t other;

	bench_must(-pthread_create(&other, NULL, take_turns, NULL),
		   "pthread_create");
	(void)take_turns(NULL);
	(void)pthread_join(other, NULL);
	return (double)(now() - start) * 1000 / (2 * TURNS);
}

static char *map(void)
{
	const struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.delivery = MFILL_DELIVER_INLINE,
		.fill_size = BENCH_PAGE,
		.readahead = MFILL_READAHEAD_OFF,
	};
	uint64_t size = (uint64_t)PAGES * BENCH_PAGE;
	void *addr;

	bench_must(mfill_map(bench_source(size), 0, size, &options, &addr),
		   "mfill_map");
	return addr;
}

/* ps per page */
static double faults(void)
{
	const volatile char *p = map();
	uint64_t start = now();

	for (size_t i = 0; i < PAGES; i++)
		(void)p[i * BENCH_PAGE];
	return (double)(now() - start) * 1000 / PAGES;
}

static double requires(void)
{
	char *p = map();
	uint64_t start = now();

	for (size_t i = 0; i < PAGES; i++)
		bench_must(mfill_require(p + i * BENCH_PAGE, BENCH_PAGE),
			   "mfill_require");
	return (double)(now() - start) * 1000 / PAGES;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		double (*measure)(void);
	} all[] = {
		{ "read", read_pairs },	 { "write", write_pairs },
		{ "turns", turns },	 { "fault", faults },
		{ "require", requires },
	};

	lock = mf_mmap_lock_new(mf_world(), MF_LOCK_PHASE_FAIR);
	for (size_t i = 0; argc == 2 && i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(argv[1], all[i].name) != 0)
			continue;
		printf("%f\n", all[i].measure());
		return 0;
	}
	fprintf(stderr, "usage: seam-worker read|write|turns|fault|require\n");
	return 2;
}
