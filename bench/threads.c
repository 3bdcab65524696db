/* SPDX-License-Identifier: MIT */
/*
 * threads.c - do two threads on different pages go faster than one?
 */
#include "bench/bench.h"

#include <pthread.h>
#include <stdlib.h>

#include "bench/raw.h"

#define PAGES 32768
#define SIZE  ((size_t)PAGES * BENCH_PAGE)

struct run {
	int threads;
	int maps; /* mfill: 1 or as many as threads; raw: 0 */
};

static const struct mfill_map_options options = {
	.struct_size = sizeof(options),
	.backend = MFILL_BACKEND_GUARD,
	.delivery = MFILL_DELIVER_INLINE,
	.fill_size = BENCH_PAGE,
	.readahead = MFILL_READAHEAD_OFF,
};

/* Each thread takes every n-th page of one random order. */
struct worker {
	pthread_t thread;
	const volatile char *view;
	const uint32_t *order;
	int first, step;
	pthread_barrier_t *start;
};

static void *touch(void *arg)
{
	struct worker *worker = arg;
	uint32_t i;

	pthread_barrier_wait(worker->start);
	for (i = (uint32_t)worker->first; i < PAGES;
	     i += (uint32_t)worker->step)
		(void)worker->view[(size_t)worker->order[i] * BENCH_PAGE];
	return NULL;
}

static const char *map_view(int maps)
{
	static const struct raw raw = { .size = SIZE, .unit = BENCH_PAGE };
	struct mfill_source *source;
	void *addr;

	if (maps == 0)
		return raw_map(&raw);
	source = bench_source(SIZE);
	bench_must(mfill_map(source, 0, SIZE, &options, &addr), "mfill_map");
	return addr;
}

/* faults per second, of all threads together */
static double measure(const void *arg)
{
	const struct run *run = arg;
	struct worker workers[8];
	pthread_barrier_t start;
	uint32_t *order = bench_shuffled(PAGES);
	const char *view = map_view(run->maps);
	uint64_t time;
	int i;

	pthread_barrier_init(&start, NULL, (unsigned)run->threads + 1);
	for (i = 0; i < run->threads; i++) {
		workers[i] = (struct worker){
			.view = i && run->maps > 1 ? map_view(1) : view,
			.order = order,
			.first = i,
			.step = run->threads,
			.start = &start,
		};
		pthread_create(&workers[i].thread, NULL, touch, &workers[i]);
	}
	pthread_barrier_wait(&start);
	time = bench_now();
	for (i = 0; i < run->threads; i++)
		pthread_join(workers[i].thread, NULL);
	time = bench_now() - time;
	free(order);
	return PAGES * 1e9 / (double)time;
}

int main(void)
{
	static const struct run raw1 = { 1, 0 }, raw2 = { 2, 0 };
	static const struct run one = { 1, 1 }, two = { 2, 1 },
				apart = { 2, 2 };
	static const struct bench_row rows[] = {
		{ "raw loop, one thread", measure, &raw1, -1, 0 },
		{ "raw loop, two threads", measure, &raw2, 0, 0 },
		{ "mfill, one thread", measure, &one, -1, 0 },
		{ "mfill, two threads, one map", measure, &two, 2, -1.6 },
		{ "mfill, two threads, two maps", measure, &apart, 2, -1.6 },
	};

	bench_table("random 4 KiB faults, guard, inline", "faults/s", rows,
		    sizeof(rows) / sizeof(rows[0]));
	return 0;
}
