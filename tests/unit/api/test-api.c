/* SPDX-License-Identifier: MIT */
/* test-api.c - what the public calls refuse, and what they leave behind. */
#include "mfill.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/sync.h"
#include "harness/harness.h"
#include "harness/needs.h"
#include "harness/pattern.h"
#include "mm/mm.h"

#define PAGE ((size_t)4096)

static struct mf_pattern pattern = { .size = 10 * 4096 + 5,
				     .flags = MFILL_SOURCE_INLINE };

static int try_map(uint64_t offset, size_t length,
		   const struct mfill_map_options *options)
{
	struct mfill_source *source = mf_pattern_open(&pattern);
	void *addr = NULL;
	int r = mfill_map(source, offset, length, options, &addr);

	mfill_source_put(source);
	if (r == 0)
		ck_assert_int_eq(mfill_unmap(addr), 0);
	else
		ck_assert_ptr_null(addr);
	return r;
}

TEST(only_ranges_inside_the_source_can_be_mapped)
{
	ck_assert_int_eq(try_map(0, 10 * PAGE + 5, NULL), 0);
	ck_assert_int_eq(try_map(10 * PAGE, 5, NULL), 0);
	ck_assert_int_eq(try_map(PAGE, 1, NULL), 0);
	ck_assert_int_eq(try_map(0, 0, NULL), -EINVAL);
	ck_assert_int_eq(try_map(1, PAGE, NULL), -EINVAL);
	ck_assert_int_eq(try_map(0, 10 * PAGE + 6, NULL), -ENXIO);
	ck_assert_int_eq(try_map(11 * PAGE, 1, NULL), -ENXIO);
	ck_assert_int_eq(try_map(UINT64_C(0xfffffffffffff000), SIZE_MAX, NULL),
			 -EOVERFLOW);
}

TEST(every_option_has_its_limits)
{
	const struct mfill_map_options good = { .struct_size = sizeof(good) };
	struct mfill_map_options bad;

#define REFUSES(error, field, value)                             \
	do {                                                     \
		bad = good;                                      \
		bad.field = (value);                             \
		ck_assert_int_eq(try_map(0, PAGE, &bad), error); \
	} while (0)
	ck_assert_int_eq(try_map(0, PAGE, &good), 0);
	REFUSES(-EINVAL, struct_size, 0);
	REFUSES(-EINVAL, struct_size, sizeof(bad) - 1);
	REFUSES(-EINVAL, flags, 2);
	REFUSES(-EINVAL, flags, UINT32_MAX);
	REFUSES(-EINVAL, backend, -1);
	REFUSES(-EINVAL, backend, 4);
	REFUSES(-EINVAL, delivery, -1);
	REFUSES(-EINVAL, delivery, 3);
	REFUSES(-EINVAL, fill_size, 1);
	REFUSES(-EINVAL, fill_size, PAGE + 1);
	REFUSES(-EINVAL, fill_size, ((size_t)64 << 20) + PAGE);
#undef REFUSES
}

TEST(a_newer_caller_is_served_when_it_asks_for_nothing_new)
{
	struct {
		struct mfill_map_options options;
		uint64_t later;
	} newer = { .options = { .struct_size = sizeof(newer) } };

	ck_assert_int_eq(try_map(0, PAGE, &newer.options), 0);
	newer.later = 1;
	ck_assert_int_eq(try_map(0, PAGE, &newer.options), -E2BIG);
}

TEST(inline_is_refused_to_a_source_that_cannot)
{
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.delivery = MFILL_DELIVER_INLINE,
	};

	pattern.flags = 0;
	ck_assert_int_eq(try_map(0, PAGE, &options), -EINVAL);
}

TEST(null_pointers_are_refused)
{
	struct mfill_source *source = mf_pattern_open(&pattern);
	void *addr;

	ck_assert_int_eq(mfill_map(NULL, 0, PAGE, NULL, &addr), -EINVAL);
	ck_assert_int_eq(mfill_map(source, 0, PAGE, NULL, NULL), -EINVAL);
	mfill_source_put(source);
	mfill_source_put(NULL);
}

TEST(what_is_not_a_map_is_EINVAL_everywhere)
{
	struct mfill_stats stats;
	char *map = mf_pattern_map(&pattern, NULL);

	ck_assert_int_eq(mfill_unmap(NULL), -EINVAL);
	ck_assert_int_eq(mfill_unmap(map + PAGE), -EINVAL);
	ck_assert_int_eq(mfill_require(map, 0), -EINVAL);
	ck_assert_int_eq(mfill_require(map, 11 * PAGE + 1), -EINVAL);
	ck_assert_int_eq(mfill_require(map + PAGE, SIZE_MAX), -EINVAL);
	ck_assert_int_eq(mfill_prefetch(map, 0), -EINVAL);
	ck_assert_int_eq(mfill_prefetch(&stats, 1), -EINVAL);
	ck_assert_int_eq(mfill_stats(&stats, &stats, sizeof(stats)), -EINVAL);
	ck_assert_int_eq(mfill_stats(map, &stats, sizeof(stats) - 1), -EINVAL);
	ck_assert_int_eq(mfill_stats(map, NULL, sizeof(stats)), -EINVAL);
	ck_assert_int_eq(mfill_require(map, 11 * PAGE), 0);
	ck_assert_int_eq(mfill_unmap(map), 0);
	ck_assert_int_eq(mfill_unmap(map), -EINVAL);
}

TEST(a_source_lives_as_long_as_a_map_of_it)
{
	char *map = mf_pattern_map(&pattern, NULL);

	ck_assert_uint_eq(pattern.closed, 0);
	ck_assert(mf_pattern_matches(map, 0, (size_t)pattern.size));
	ck_assert_int_eq(mfill_unmap(map), 0);
	ck_assert_uint_eq(pattern.closed, 1);
}

static uint32_t enough;

/* As handler threads do now and then. */
static void *reap_always(void *arg)
{
	while (!mf_load_acquire(&enough))
		mf_mm_reap();
	return arg;
}

/*
 * What signal handlers could not free somebody else frees; but not what an
 * unmap is about to: its source may be gone when that returns.
 */
TEST_WITHIN(a_source_is_closed_when_its_last_map_has_gone, 60)
{
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.delivery = MFILL_DELIVER_THREAD,
		.fill_size = PAGE,
	};
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, reap_always, NULL), 0);
	for (size_t i = 0; i < 2000; i++) {
		struct mf_pattern one = { .size = PAGE };
		char *map = mf_pattern_map(&one, &options);

		ck_assert_int_eq(mfill_unmap(map), 0);
		ck_assert_uint_eq(mf_load_relaxed(&one.closed), 1);
	}
	mf_store_release(&enough, 1);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

TEST(a_map_may_start_anywhere_on_the_source_s_grid)
{
	struct mfill_map_options options = { .struct_size = sizeof(options),
					     .readahead = MFILL_READAHEAD_OFF };
	struct mfill_source *source;
	void *addr;

	pattern.preferred = 4 * PAGE;
	source = mf_pattern_open(&pattern);
	for (size_t at = 0; at <= 10 * PAGE; at += PAGE) {
		size_t length = (size_t)pattern.size - at;

		ck_assert_int_eq(mfill_map(source, at, length, &options, &addr),
				 0);
		ck_assert(mf_pattern_matches(addr, at, length));
		ck_assert_int_eq(mfill_unmap(addr), 0);
	}
	mfill_source_put(source);
}

TEST(prefetched_pages_are_there_without_being_touched)
{
	char *map = mf_pattern_map(&pattern, NULL);
	struct mfill_stats stats = { 0 };

	ck_assert_int_eq(mfill_prefetch(map, (size_t)pattern.size), 0);
	while (stats.fills < stats.units || stats.units == 0) {
		ck_assert_int_eq(mfill_stats(map, &stats, sizeof(stats)), 0);
		usleep(1000);
	}
	ck_assert_uint_eq(stats.readahead, stats.units);
	ck_assert_uint_eq(stats.faults, 0);
	ck_assert(mf_pattern_matches(map, 0, (size_t)pattern.size));
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(a_sequential_reader_is_read_ahead_of)
{
	struct mfill_map_options options = { .struct_size = sizeof(options) };
	struct mfill_stats stats;
	char *map;

	pattern.size = 4 << 20;
	map = mf_pattern_map(&pattern, &options);
	/* Slowly: somebody else is to do the work. */
	for (size_t at = 0; at < pattern.size; at += 16 * PAGE) {
		ck_assert(mf_pattern_matches(map + at, at, 16 * PAGE));
		usleep(500);
	}
	ck_assert_int_eq(mfill_stats(map, &stats, sizeof(stats)), 0);
	ck_assert_uint_gt(stats.readahead, stats.units / 4);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(readahead_off_reads_nothing_that_was_not_touched)
{
	char *map = mf_pattern_map(&pattern, NULL);
	struct mfill_stats stats;

	for (size_t at = 0; at < 5 * PAGE; at += PAGE)
		(void)*(volatile char *)(map + at);
	usleep(20000);
	ck_assert_int_eq(mfill_stats(map, &stats, sizeof(stats)), 0);
	ck_assert_uint_eq(stats.fills, 5);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(faults_are_counted_by_how_long_they_took)
{
	char *map = mf_pattern_map(&pattern, NULL);
	struct mfill_stats stats;
	uint64_t sum = 0;

	for (size_t at = 0; at < pattern.size; at += PAGE)
		(void)*(volatile char *)(map + at);
	ck_assert_int_eq(mfill_stats(map, &stats, sizeof(stats)), 0);
	for (int i = 0; i < MFILL_LATENCY_BUCKETS; i++)
		sum += stats.latency[i];
	ck_assert_uint_eq(sum, stats.faults);
	ck_assert_uint_eq(stats.faults, 11);
	ck_assert_uint_eq(stats.length, pattern.size);
	ck_assert_uint_eq(stats.fill_size, PAGE);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(written_pages_are_the_program_s_own)
{
	struct mfill_map_options options = { .struct_size = sizeof(options),
					     .flags = MFILL_MAP_WRITE,
					     .readahead = MFILL_READAHEAD_OFF };
	char *first = mf_pattern_map(&pattern, &options);
	char *second = mf_pattern_map(&pattern, &options);

	memset(first, 'x', 3 * PAGE);
	ck_assert(mf_pattern_matches(second, 0, (size_t)pattern.size));
	ck_assert_int_eq(first[3 * PAGE - 1], 'x');
	ck_assert(mf_pattern_matches(first + 3 * PAGE, 3 * PAGE, 7 * PAGE));
	ck_assert_int_eq(mfill_unmap(first), 0);
	ck_assert_int_eq(mfill_unmap(second), 0);
}

TEST(without_a_descriptor_left_a_map_says_so)
{
	struct rlimit before, none;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(try_map(0, PAGE, NULL), -EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* Lines of smaps about memory of ours that would go into a core. */
static unsigned count_dumped(void)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned ours = 0, dumped = 0;
	bool inside = false;
	char line[512];

	ck_assert_ptr_nonnull(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		if (strstr(line, "/memfd:mfill")) {
			inside = true;
			ours++;
		} else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			dumped += !strstr(line, " dd");
			inside = false;
		}
	}
	fclose(smaps);
	ck_assert_uint_gt(ours, 0);
	return dumped;
}

TEST(a_core_holds_nothing_of_a_map)
{
	char *map;

	mf_test_needs_dontdump();
	map = mf_pattern_map(&pattern, NULL);
	ck_assert(mf_pattern_matches(map, 0, (size_t)pattern.size));
	ck_assert_uint_eq(count_dumped(), 0);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

/* A whole life of a map, in each way. */
static int whole_life(const struct mfill_map_options *options)
{
	struct mfill_source *source;
	struct mf_pattern own = { .size = 4 * PAGE,
				  .flags = MFILL_SOURCE_INLINE };
	void *addr;
	int later, r = mf_pattern_try_open(&own, &source);

	if (r < 0)
		return r;
	r = mfill_map(source, 0, 4 * PAGE, options, &addr);
	mfill_source_put(source);
	if (r < 0)
		return r;
	r = mfill_require(addr, 4 * PAGE);
	if (r == 0 && !mf_pattern_matches(addr, 0, 4 * PAGE))
		abort();
	later = mfill_unmap(addr);
	/* Whoever may not unmap for want of memory tries again. */
	if (later == -ENOMEM)
		later = mfill_unmap(addr);
	return r ? r : later;
}

static int life_with_guards(void)
{
	struct mfill_map_options options = { .struct_size = sizeof(options),
					     .readahead = MFILL_READAHEAD_OFF };

	return whole_life(&options);
}

static int life_with_mprotect(void)
{
	struct mfill_map_options options = { .struct_size = sizeof(options),
					     .backend = MFILL_BACKEND_MPROTECT,
					     .readahead = MFILL_READAHEAD_OFF };

	return whole_life(&options);
}

TEST_WITHIN(a_map_survives_any_failure_or_fails_cleanly, 60)
{
	ck_assert_uint_gt(FAULTS(ENOMEM, life_with_guards), 10);
	ck_assert_uint_gt(FAULTS(EMFILE, life_with_guards), 10);
	ck_assert_uint_gt(FAULTS(ENOMEM, life_with_mprotect), 10);
}

TEST(copy_nofault_says_what_is_missing)
{
	char to[16];
	char *map = mf_pattern_map(&pattern, NULL);

	ck_assert_uint_eq(mfill_copy_nofault(to, "0123456789abcde", 16), 0);
	ck_assert_str_eq(to, "0123456789abcde");
	ck_assert_uint_eq(mfill_copy_nofault(to, NULL, 16), 16);
	/* A missing page stays missing. */
	ck_assert_uint_eq(mfill_copy_nofault(to, map, 16), 16);
	ck_assert_uint_eq(pattern.reads, 0);
	(void)*(volatile char *)map;
	ck_assert_uint_eq(mfill_copy_nofault(to, map + PAGE - 10, 16), 6);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

#define THREADS 2100 /* a few more than a world has places for */

static struct {
	char *map;
	uint32_t done, refused, leave;
} crowd;

static void *require_and_stay(void *arg)
{
	int r = mfill_require(crowd.map, 1);

	if (r == -ENOMEM)
		mf_fetch_add(&crowd.refused, 1);
	else if (r < 0)
		abort();
	mf_fetch_add(&crowd.done, 1);
	while (!mf_load_acquire(&crowd.leave))
		(void)mf_futex_wait(&crowd.leave, 0, 0, MF_FUTEX_LOCAL);
	return arg;
}

static void start_crowd(pthread_t threads[THREADS])
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], &attr, require_and_stay, NULL))
			SKIP("%d threads at once", THREADS);
	while (mf_load_acquire(&crowd.done) < THREADS)
		usleep(1000);
}

TEST_WITHIN(a_thread_too_many_is_an_error_until_others_have_ended, 60)
{
	static pthread_t threads[THREADS];

	crowd.map = mf_pattern_map(&pattern, NULL);
	start_crowd(threads);
	ck_assert_uint_gt(crowd.refused, 0);
	ck_assert_uint_lt(crowd.refused, 100);
	mf_store_release(&crowd.leave, 1);
	mf_futex_wake(&crowd.leave, THREADS, MF_FUTEX_LOCAL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	crowd.refused = 0;
	ck_assert_int_eq(pthread_create(threads, NULL, require_and_stay, NULL),
			 0);
	pthread_join(threads[0], NULL);
	ck_assert_uint_eq(crowd.refused, 0);
	ck_assert_int_eq(mfill_unmap(crowd.map), 0);
}

TEST(the_version_is_the_header_s)
{
	ck_assert_str_eq(mfill_version(), MFILL_VERSION);
}
