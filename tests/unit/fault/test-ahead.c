/* SPDX-License-Identifier: MIT */
/*
 * test-ahead.c - sequential readers make wishes, and somebody fulfils them.
 */
#include "fault/ahead.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault/fault.h"
#include "harness/harness.h"
#include "map/map.h"

#define PAGE  ((uint64_t)sysconf(_SC_PAGESIZE))
#define UNITS 64

static int ones(void *ctx, void *buf, size_t len, uint64_t offset)
{
	(void)ctx;
	(void)offset;
	memset(buf, 1, len);
	return 0;
}

static int size_of(void *ctx, uint64_t *ret_size)
{
	(void)ctx;
	*ret_size = UNITS * PAGE;
	return 0;
}

/* Of UNITS pages, one page each. */
static struct mf_store *new_store(void)
{
	struct mfill_source_ops ops = {
		.struct_size = sizeof(ops),
		.read = ones,
		.get_size = size_of,
	};
	struct mfill_source *source;
	struct mf_store *store;

	ck_assert_int_eq(mfill_source_new(&ops, NULL, &source), 0);
	ck_assert_int_eq(mf_store_new(source, 0, UNITS * PAGE, PAGE, &store),
			 0);
	mfill_source_put(source);
	return store;
}

static void touch(struct mf_store *store, uint32_t first, uint32_t last)
{
	mf_ahead_touch(store, mf_slot_self(), first, last);
}

/* The wish made since the last look, as first * 1000 + end; 0: none. */
static uint32_t wish(struct mf_store *store)
{
	uint64_t found = 0;

	for (int i = 0; i < MF_WISHES; i++) {
		found |= store->header->wishes[i];
		store->header->wishes[i] = 0;
	}
	return (uint32_t)(found >> 32) * 1000 + (uint32_t)found;
}

TEST(nothing_is_wished_where_nobody_reads_ahead)
{
	struct mf_store *store = new_store();

	for (uint32_t i = 0; i < UNITS; i++)
		touch(store, i, i);
	ck_assert_uint_eq(wish(store), 0);
	mf_store_free(store);
}

TEST(a_sequential_reader_wishes_for_more_and_more)
{
	struct mf_store *store = new_store();

	mf_ahead_offer(store, 8 * PAGE);
	touch(store, 10, 10);
	touch(store, 11, 11);
	ck_assert_uint_eq(wish(store), 0);
	touch(store, 12, 12);
	ck_assert_uint_eq(wish(store), 13014);
	touch(store, 13, 13);
	ck_assert_uint_eq(wish(store), 14016);
	touch(store, 14, 14);
	ck_assert_uint_eq(wish(store), 16019);
	touch(store, 15, 15);
	ck_assert_uint_eq(wish(store), 19024);
	/* As far ahead as was offered: the next when half of it is gone. */
	for (uint32_t i = 16; i < 19; i++)
		touch(store, i, i);
	ck_assert_uint_eq(wish(store), 0);
	touch(store, 19, 19);
	ck_assert_uint_eq(wish(store), 24028);
	mf_store_free(store);
}

TEST(who_jumps_about_wishes_for_nothing)
{
	struct mf_store *store = new_store();

	mf_ahead_offer(store, 8 * PAGE);
	/* Neighbours now and then, as in the pages of a database. */
	for (uint32_t i = 0; i < UNITS; i += 5) {
		touch(store, i, i);
		touch(store, i + 1, i + 1);
	}
	ck_assert_uint_eq(wish(store), 0);
	mf_store_free(store);
}

TEST(small_reads_in_one_unit_are_one_step)
{
	struct mf_store *store = new_store();

	mf_ahead_offer(store, 8 * PAGE);
	for (uint32_t i = 0; i < 100; i++)
		touch(store, 20, 20);
	touch(store, 21, 21);
	ck_assert_uint_eq(wish(store), 0);
	/* One that crosses a border goes on from there. */
	touch(store, 21, 22);
	ck_assert_uint_eq(wish(store), 23024);
	mf_store_free(store);
}

TEST(nothing_behind_the_end_is_wished_for)
{
	struct mf_store *store = new_store();
	uint32_t last = 0;

	mf_ahead_offer(store, 1000 * PAGE);
	for (uint32_t i = 0; i < UNITS; i++) {
		uint32_t now;

		touch(store, i, i);
		now = wish(store);
		last = now ? now : last;
	}
	ck_assert_uint_eq(last % 1000, UNITS);
	mf_store_free(store);
}

TEST(an_offer_of_less_than_a_unit_is_one)
{
	struct mf_store *store = new_store();

	mf_ahead_offer(store, 1);
	for (uint32_t i = 0; i < 4; i++)
		touch(store, i, i);
	ck_assert_uint_eq(wish(store), 4005);
	mf_store_free(store);
}

static bool is_filled(struct mf_store *store, uint32_t unit)
{
	for (int i = 0; i < 5000; i++) {
		if (mf_page_state(mf_page_word(store, unit)) == MF_PAGE_FILLED)
			return true;
		usleep(1000);
	}
	return false;
}

TEST(what_is_wished_for_is_filled)
{
	struct mf_store *store = new_store();
	pid_t server = mf_test_fork();

	if (server == 0)
		mf_ahead_serve(&store, 1);
	mf_ahead_offer(store, 4 * PAGE);
	/* As read() does it. The server sleeps in between. */
	for (uint32_t i = 0; i < 8; i++) {
		usleep(10000);
		ck_assert_int_eq(mf_store_require(store, i * PAGE, PAGE), 0);
	}
	for (uint32_t i = 8; i < 10; i++)
		ck_assert(is_filled(store, i));
	ck_assert_uint_ge(store->header->readahead, 5);
	/* And no more than was offered. */
	usleep(20000);
	ck_assert_uint_eq(mf_page_state(mf_page_word(store, 12)),
			  MF_PAGE_MISSING);
	ck_assert_int_eq(kill(server, SIGKILL), 0);
	ck_assert_int_eq(waitpid(server, NULL, 0), server);
	mf_store_free(store);
}
