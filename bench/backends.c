/* SPDX-License-Identifier: MIT */
/*
 * backends.c - which backend is best for which kind of map?
 *
 * What mf_backend_choose() picks where both work rests on this table; and, as
 * a map with handler threads has threads anyway, on what a fork costs a process
 * whose map has none.
 */
#include "bench/bench.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES ((size_t)64 << 20)

struct kind {
	int backend, delivery;
	unsigned flags;
	size_t unit;
};

static char *map_of(const struct kind *kind)
{
	const struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.flags = kind->flags,
		.backend = kind->backend,
		.delivery = kind->delivery,
		.fill_size = kind->unit,
		.readahead = MFILL_READAHEAD_OFF,
	};
	void *addr;

	bench_must(mfill_map(bench_source(BYTES), 0, BYTES, &options, &addr),
		   "mfill_map");
	return addr;
}

static double touch(const void *arg)
{
	const struct kind *kind = arg;
	uint32_t n = (uint32_t)(BYTES / kind->unit);
	const volatile char *map = map_of(kind);
	uint32_t *order = bench_shuffled(n);
	uint64_t start = bench_now();

	for (uint32_t i = 0; i < n; i++)
		(void)map[order[i] * kind->unit];
	start = bench_now() - start;
	free(order);
	return (double)start / n / 1000;
}

static double forks(const void *arg)
{
	const volatile char *map = map_of(arg);
	uint64_t start;

	(void)map[0];
	start = bench_now();
	for (int i = 0; i < 200; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		(void)waitpid(child, NULL, 0);
	}
	return (double)(bench_now() - start) / 200 / 1000;
}

#define KIND(which, how, map_flags, size)                              \
	{                                                              \
		.backend = MFILL_BACKEND_##which,                      \
		.delivery = MFILL_DELIVER_##how, .flags = (map_flags), \
		.unit = (size)                                         \
	}
#define PAIR(how, map_flags, size)                       \
	{                                                \
		KIND(GUARD, how, map_flags, size),       \
			KIND(UFFD, how, map_flags, size) \
	}

static const struct kind kinds[][2] = {
	PAIR(INLINE, 0, 4096),	PAIR(INLINE, MFILL_MAP_WRITE, 4096),
	PAIR(INLINE, 0, 65536), PAIR(INLINE, MFILL_MAP_WRITE, 65536),
	PAIR(THREAD, 0, 4096),	PAIR(THREAD, MFILL_MAP_WRITE, 4096),
	PAIR(THREAD, 0, 65536), PAIR(THREAD, MFILL_MAP_WRITE, 65536),
};

#define ROWS(name, measure, n)                                   \
	{ name ", guard", measure, &kinds[n][0], -1, 0 },        \
	{                                                        \
		name ", uffd", measure, &kinds[n][1], 2 * (n), 0 \
	}

int main(void)
{
	static const struct bench_row faults[] = {
		ROWS("inline, 4 KiB", touch, 0),
		ROWS("inline, private, 4 KiB", touch, 1),
		ROWS("inline, 64 KiB", touch, 2),
		ROWS("inline, private, 64 KiB", touch, 3),
		ROWS("thread, 4 KiB", touch, 4),
		ROWS("thread, private, 4 KiB", touch, 5),
		ROWS("thread, 64 KiB", touch, 6),
		ROWS("thread, private, 64 KiB", touch, 7),
	};
	static const struct bench_row children[] = {
		ROWS("inline", forks, 0),
	};

	bench_table("one random fault, from memory", "us", faults,
		    sizeof(faults) / sizeof(faults[0]));
	bench_table("fork() and the child's end, with one map", "us", children,
		    sizeof(children) / sizeof(children[0]));
	return 0;
}
