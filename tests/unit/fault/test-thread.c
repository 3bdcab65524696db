/* SPDX-License-Identifier: MIT */
/*
 * test-thread.c - a pool of handler threads of which all may come to wait.
 */
#include "fault/thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sync.h"
#include "fault/fault.h"
#include "harness/harness.h"
#include "harness/pattern.h"

#define PAGE	((size_t)4096)
#define MANY	80 /* more than there can be workers */
#define WORKERS 64

static char *map_of(struct mf_pattern *pattern)
{
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.backend = MFILL_BACKEND_GUARD,
		.delivery = MFILL_DELIVER_THREAD,
		.fill_size = PAGE,
		.readahead = MFILL_READAHEAD_OFF,
	};
	char *map = mf_pattern_map(pattern, &options);

	if (!map)
		SKIP("guard markers on files (Linux 6.15)");
	return map;
}

/* Each of many wants its own page, and for that the first page of shared. */
static struct {
	char *each, *shared, *last;
	uint32_t waiting; /* workers that are about to touch shared */
	uint32_t right;
	bool last_is_slow;
} maps;

static int touch_shared(void *arg, uint64_t offset, size_t len)
{
	(void)arg;
	(void)offset;
	(void)len;
	/* While the last one is still at it, a request may be waiting for it */
	if (mf_fetch_add(&maps.waiting, 1) + 1 == WORKERS && maps.last_is_slow)
		usleep(800000);
	return mf_pattern_matches(maps.shared, 0, 8) ? 0 : -EIO;
}

static void *require_mine(void *arg)
{
	char *mine = arg;

	if (mf_pattern_matches(mine, (uint64_t)(mine - maps.each), PAGE))
		mf_fetch_add(&maps.right, 1);
	return NULL;
}

static pthread_t threads[MANY];

/* While this fills the first page of shared, all of the others want it. */
static void start_all(void)
{
	for (size_t i = 0; i < MANY; i++)
		if (pthread_create(&threads[i], NULL, require_mine,
				   maps.each + i * PAGE))
			abort();
}

/* Once all workers wait for what this fills: one more request. */
static int require_last(void *arg, uint64_t offset, size_t len)
{
	uint32_t before = 0, now;

	(void)arg;
	(void)offset;
	(void)len;
	start_all();
	/* As many as there can be, however many that is. */
	while ((now = mf_load_acquire(&maps.waiting)) == 0 || now != before) {
		before = now;
		usleep(200000);
	}
	if (mf_fault((uintptr_t)maps.last, MF_ACCESS_READ) != -EDEADLK)
		return -EILSEQ;
	return 0;
}

static void finish_all(void)
{
	for (int i = 0; i < MANY; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(maps.right, MANY);
}

static void note(void *ctx, const char *sentence)
{
	(void)strncpy(ctx, sentence, 199);
}

static void refused_and_told(void)
{
	struct mf_pattern each = { .size = MANY * PAGE, .hook = touch_shared };
	struct mf_pattern shared = { .size = PAGE, .hook = require_last };
	struct mf_pattern last = { .size = PAGE };
	char text[200] = "";

	ck_assert_int_eq(mf_log_set(note, text), 0);
	maps.each = map_of(&each);
	maps.shared = map_of(&shared);
	maps.last = map_of(&last);
	/* Filled here, so that no worker is busy with it. */
	ck_assert_int_eq(mfill_require(maps.shared, PAGE), 0);
	finish_all();
	ck_assert_ptr_nonnull(strstr(text, "all other threads"));
	/* It is over, and all is as before. */
	ck_assert(mf_pattern_matches(maps.last, 0, PAGE));
	ck_assert_int_eq(mfill_unmap(maps.each), 0);
	ck_assert_int_eq(mfill_unmap(maps.shared), 0);
	ck_assert_int_eq(mfill_unmap(maps.last), 0);
	ck_assert_int_eq(mf_log_set(NULL, NULL), 0);
}

TEST_WITHIN(a_request_that_no_worker_can_ever_take_is_refused_and_told, 30)
{
	refused_and_told();
}

TEST_WITHIN(so_is_one_that_was_there_before_the_last_worker_waits, 30)
{
	maps.last_is_slow = true;
	refused_and_told();
}

static int slow(void *arg, uint64_t offset, size_t len)
{
	(void)arg;
	(void)offset;
	(void)len;
	start_all();
	usleep(500000);
	return 0;
}

/* All workers wait for a page for a while, and nobody waits for ever. */
TEST_WITHIN(a_request_waits_as_long_as_a_worker_will_come_back, 30)
{
	struct mf_pattern each = { .size = MANY * PAGE, .hook = touch_shared };
	struct mf_pattern shared = { .size = PAGE, .hook = slow };

	maps.each = map_of(&each);
	maps.shared = map_of(&shared);
	ck_assert_int_eq(mfill_require(maps.shared, PAGE), 0);
	finish_all();
	ck_assert_int_eq(mfill_unmap(maps.each), 0);
	ck_assert_int_eq(mfill_unmap(maps.shared), 0);
}

/*
 * Two faults at the same moment, of which each fill waits for the other one:
 * whatever the workers were doing, two of them must take these. Before that one
 * thread alone keeps one worker awake, while another falls asleep.
 */
#define ROUNDS 300
#define ALONE  16
#define ROUND  (ALONE + 2) /* pages */

static struct {
	char *map;
	uint32_t begun[ROUNDS]; /* fills of both */
	uint32_t at;		/* how often either thread was ready */
} pairs;

static int meet_the_other(void *arg, uint64_t offset, size_t len)
{
	uint32_t *begun = &pairs.begun[offset / PAGE / ROUND];

	(void)arg;
	(void)len;
	if (offset / PAGE % ROUND < ALONE)
		return 0;
	mf_fetch_add(begun, 1);
	for (int tries = 0; mf_load_acquire(begun) < 2; tries++) {
		if (tries == 100000)
			return -ETIMEDOUT;
		usleep(50);
	}
	return 0;
}

static bool touch(size_t page)
{
	return mf_pattern_matches(pairs.map + page * PAGE, page * PAGE, PAGE);
}

static void *touch_one_of_two(void *arg)
{
	size_t which = *(size_t *)arg;
	bool right = true;

	for (size_t i = 0; i < ROUNDS && right; i++) {
		for (size_t page = 0; page < ALONE && which == 0; page++)
			right &= touch(i * ROUND + page);
		mf_fetch_add(&pairs.at, 1);
		while (mf_load_acquire(&pairs.at) < 2 * (i + 1))
			sched_yield();
		right &= touch(i * ROUND + ALONE + which);
	}
	return right ? NULL : arg;
}

TEST_WITHIN(two_faults_of_one_moment_find_two_workers, 60)
{
	struct mf_pattern pattern = { .size = ROUNDS * ROUND * PAGE,
				      .hook = meet_the_other };
	size_t which[2] = { 0, 1 };
	void *failed;

	pairs.map = map_of(&pattern);
	for (size_t i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
						touch_one_of_two, &which[i]),
				 0);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
	}
	ck_assert_int_eq(mfill_unmap(pairs.map), 0);
}
