/* SPDX-License-Identifier: MIT */
/*
 * uffd.c - what does a fault cost where the kernel's userfaultfd serves it?
 *
 * A handler thread on an idle machine is woken on a processor that sleeps, which
 * costs more than all the rest, or on the one that is awake: that is luck, and
 * the raw loop and mfill do not always have the same. So once more with the
 * processors busy, on one processor, and with all threads but the one at the
 * fault on another.
 */
#include "bench/bench.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/raw.h"

#define PAGES 8192
#define SIZE  ((size_t)PAGES * BENCH_PAGE)

enum where { IDLE, BUSY, SAME, OTHER };

struct map {
	int backend, delivery;
	enum where where;
	struct raw raw;
};

/* A process for each processor that runs when nobody else wants to. */
static void keep_busy(void)
{
	struct sched_param none = { 0 };

	for (long i = sysconf(_SC_NPROCESSORS_ONLN); i > 0; i--) {
		if (fork() != 0)
			continue;
		bench_die_with_parent();
		sched_setscheduler(0, SCHED_IDLE, &none);
		for (;;)
			__asm__ volatile("");
	}
}

/* The first or second of the processors that this process may use. */
static void run_on(int which)
{
	static cpu_set_t all;
	cpu_set_t one;
	size_t cpu = 0;

	if (CPU_COUNT(&all) == 0)
		bench_must(sched_getaffinity(0, sizeof(all), &all), "affinity");
	if (CPU_COUNT(&all) <= which)
		_exit(1);
	while (!CPU_ISSET(cpu, &all) || which-- > 0)
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	bench_must(sched_setaffinity(0, sizeof(one), &one), "affinity");
}

/* A row runs in a process of its own; its threads are where it was before. */
static void before_threads(enum where where)
{
	if (where == BUSY)
		keep_busy();
	else if (where != IDLE)
		run_on(where == OTHER);
}

static void after_threads(enum where where)
{
	if (where == OTHER)
		run_on(0);
}

static double touch(const volatile char *view)
{
	uint32_t *order = bench_shuffled(PAGES);
	uint64_t start = bench_now();

	for (uint32_t i = 0; i < PAGES; i++)
		(void)view[(size_t)order[i] * BENCH_PAGE];
	start = bench_now() - start;
	free(order);
	return (double)start / PAGES;
}

static double with_raw(const void *arg)
{
	const struct map *map = arg;
	const char *view;

	before_threads(map->where);
	view = raw_map(&map->raw);
	after_threads(map->where);
	return touch(view);
}

static double with_mfill(const void *arg)
{
	const struct map *map = arg;
	const struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.backend = map->backend,
		.delivery = map->delivery,
		.fill_size = BENCH_PAGE,
		.readahead = MFILL_READAHEAD_OFF,
	};
	void *addr;

	before_threads(map->where);
	bench_must(mfill_map(bench_source(SIZE), 0, SIZE, &options, &addr),
		   "mfill_map");
	after_threads(map->where);
	return touch(addr);
}

#define RAW(kind, at)                                                      \
	{                                                                  \
		.where = (at),                                             \
		.raw = { .kind = true, .size = SIZE, .unit = BENCH_PAGE }, \
	}
#define MAP(which, how, at)                                     \
	{                                                       \
		.backend = MFILL_BACKEND_##which,               \
		.delivery = MFILL_DELIVER_##how, .where = (at), \
	}

static const struct map raw_sigbus = RAW(sigbus, IDLE);
static const struct map raw_poll = RAW(poll, IDLE);
static const struct map raw_poll_busy = RAW(poll, BUSY);
static const struct map uffd_inline = MAP(UFFD, INLINE, IDLE);
static const struct map guard_inline = MAP(GUARD, INLINE, IDLE);
static const struct map uffd_thread = MAP(UFFD, THREAD, IDLE);
static const struct map guard_thread = MAP(GUARD, THREAD, IDLE);
static const struct map uffd_thread_busy = MAP(UFFD, THREAD, BUSY);
static const struct map guard_thread_busy = MAP(GUARD, THREAD, BUSY);
static const struct map raw_poll_same = RAW(poll, SAME);
static const struct map uffd_thread_same = MAP(UFFD, THREAD, SAME);
static const struct map guard_thread_same = MAP(GUARD, THREAD, SAME);
static const struct map raw_poll_other = RAW(poll, OTHER);
static const struct map uffd_thread_other = MAP(UFFD, THREAD, OTHER);
static const struct map guard_thread_other = MAP(GUARD, THREAD, OTHER);

int main(void)
{
	static const struct bench_row rows[] = {
		{ "inline: raw SIGBUS, UFFDIO_COPY", with_raw, &raw_sigbus, -1,
		  0 },
		{ "inline: mfill, uffd", with_mfill, &uffd_inline, 0, 1.2 },
		{ "inline: mfill, guard", with_mfill, &guard_inline, 0, 0 },
		{ "thread: raw poll, read, UFFDIO_COPY", with_raw, &raw_poll,
		  -1, 0 },
		{ "thread: mfill, uffd", with_mfill, &uffd_thread, 3, 1.15 },
		{ "thread: mfill, guard", with_mfill, &guard_thread, 3, 0 },
		{ "thread, busy: raw poll, read, UFFDIO_COPY", with_raw,
		  &raw_poll_busy, -1, 0 },
		{ "thread, busy: mfill, uffd", with_mfill, &uffd_thread_busy, 6,
		  1.15 },
		{ "thread, busy: mfill, guard", with_mfill, &guard_thread_busy,
		  6, 0 },
		{ "thread, same processor: raw poll, ...", with_raw,
		  &raw_poll_same, -1, 0 },
		{ "thread, same processor: mfill, uffd", with_mfill,
		  &uffd_thread_same, 9, 1.15 },
		{ "thread, same processor: mfill, guard", with_mfill,
		  &guard_thread_same, 9, 0 },
		{ "thread, other processor: raw poll, ...", with_raw,
		  &raw_poll_other, -1, 0 },
		{ "thread, other processor: mfill, uffd", with_mfill,
		  &uffd_thread_other, 12, 1.15 },
		{ "thread, other processor: mfill, guard", with_mfill,
		  &guard_thread_other, 12, 0 },
	};

	bench_table("one random 4 KiB fault, from memory", "ns", rows,
		    sizeof(rows) / sizeof(rows[0]));
	return 0;
}
