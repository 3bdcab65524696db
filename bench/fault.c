/* SPDX-License-Identifier: MIT */
/*
 * fault.c - what does one fault cost, and how fast is a sequential reader?
 */
#include "bench/bench.h"

#include <stdlib.h>

#include "bench/raw.h"

#define RANDOM_PAGES 16384
#define SEQUENTIAL   ((size_t)256 << 20)

struct map {
	int backend;
	size_t fill_size;
	size_t readahead;
	size_t size;
};

static char *map_source(const void *arg)
{
	const struct map *map = arg;
	const struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.backend = map->backend,
		.delivery = MFILL_DELIVER_INLINE,
		.fill_size = map->fill_size,
		.readahead = map->readahead,
	};
	struct mfill_source *source = bench_source(map->size);
	void *addr;

	bench_must(mfill_map(source, 0, map->size, &options, &addr),
		   "mfill_map");
	return addr;
}

/*
 * Mapping is part of what is measured: the raw loop hides all pages then, and
 * mfill hides 2 MiB at a time when they are first touched.
 */
typedef char *map_fn(const void *arg);

/* ns per page, each touched once, in random order */
static double touch_random(map_fn *map, const void *arg, size_t size)
{
	uint32_t pages = (uint32_t)(size / BENCH_PAGE);
	uint32_t *order = bench_shuffled(pages);
	uint64_t start = bench_now();
	const volatile char *view = map(arg);
	uint32_t i;

	for (i = 0; i < pages; i++)
		(void)view[(size_t)order[i] * BENCH_PAGE];
	start = bench_now() - start;
	free(order);
	return (double)start / pages;
}

/* MB per second, each page touched in order */
static double touch_in_order(map_fn *map, const void *arg, size_t size)
{
	uint64_t start = bench_now();
	const volatile char *view = map(arg);
	size_t offset;

	for (offset = 0; offset < size; offset += BENCH_PAGE)
		(void)view[offset];
	return (double)size * 1000 / (double)(bench_now() - start);
}

static char *map_raw(const void *raw)
{
	return raw_map(raw);
}

static double raw_random(const void *raw)
{
	return touch_random(map_raw, raw, ((const struct raw *)raw)->size);
}

static double raw_in_order(const void *raw)
{
	return touch_in_order(map_raw, raw, ((const struct raw *)raw)->size);
}

static double mfill_random(const void *map)
{
	return touch_random(map_source, map, ((const struct map *)map)->size);
}

static double mfill_in_order(const void *map)
{
	return touch_in_order(map_source, map, ((const struct map *)map)->size);
}

#define RANDOM_SIZE ((size_t)RANDOM_PAGES * BENCH_PAGE)

static const struct raw raw_bare = { .no_copy = true,
				     .size = RANDOM_SIZE,
				     .unit = BENCH_PAGE };
static const struct raw raw_guard = { .size = RANDOM_SIZE, .unit = BENCH_PAGE };
static const struct raw raw_mprotect = { .mprotect = true,
					 .size = RANDOM_SIZE,
					 .unit = BENCH_PAGE };
static const struct raw raw_units = { .size = SEQUENTIAL, .unit = 65536 };
static const struct map map_guard = { MFILL_BACKEND_GUARD, BENCH_PAGE,
				      MFILL_READAHEAD_OFF, RANDOM_SIZE };
static const struct map map_mprotect = { MFILL_BACKEND_MPROTECT, BENCH_PAGE,
					 MFILL_READAHEAD_OFF, RANDOM_SIZE };
static const struct map map_units = { MFILL_BACKEND_GUARD, 65536,
				      MFILL_READAHEAD_OFF, SEQUENTIAL };
static const struct map map_ahead = { MFILL_BACKEND_GUARD, 65536, 0,
				      SEQUENTIAL };

int main(void)
{
	static const struct bench_row faults[] = {
		{ "guard: raw loop", raw_random, &raw_guard, -1, 0 },
		{ "guard: mfill", mfill_random, &map_guard, 0, 1.25 },
		{ "guard: raw loop without the source's copy", raw_random,
		  &raw_bare, 0, 0 },
		{ "mprotect: raw loop", raw_random, &raw_mprotect, -1, 0 },
		{ "mprotect: mfill", mfill_random, &map_mprotect, 3, 1.25 },
	};
	static const struct bench_row streams[] = {
		{ "guard: raw loop", raw_in_order, &raw_units, -1, 0 },
		{ "guard: mfill", mfill_in_order, &map_units, 0, -0.9 },
		{ "guard: mfill, reading ahead", mfill_in_order, &map_ahead, 0,
		  0 },
	};

	bench_table("one random 4 KiB fault, inline, from memory", "ns", faults,
		    sizeof(faults) / sizeof(faults[0]));
	bench_table("in order, 64 KiB fills", "MB/s", streams,
		    sizeof(streams) / sizeof(streams[0]));
	return 0;
}
