/* SPDX-License-Identifier: MIT */
/*
 * test-wait.c - waits for a page end, and only real rings are refused.
 */
#include "fault/wait.h"

#include <errno.h>
#include <pthread.h>

#include "harness/harness.h"
#include "harness/needs.h"

static struct mf_store *store;

static void new_store(void)
{
	ck_assert_int_eq(mf_store_new(NULL, 0, 4 * 4096, 4096, &store), 0);
}

static void free_store(void)
{
	ck_assert(mf_store_unref(store));
	mf_store_free(store);
}

static void on_a_thread(void *(*fn)(void *))
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, fn, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

static uint32_t first_slot;

static void *claim_and_end(void *arg)
{
	struct mf_slot *me = mf_slot_self();
	uint32_t word;

	first_slot = mf_slot_index(me);
	ck_assert_int_eq(mf_page_claim(store, 0, me, &word), MF_CLAIM_MINE);
	return arg;
}

static bool got_the_slot;

static void *wait_with_the_same_slot(void *arg)
{
	struct mf_slot *me = mf_slot_self();
	uint32_t word;

	if (mf_slot_index(me) != first_slot)
		return arg;
	got_the_slot = true;
	ck_assert_int_eq(mf_page_claim(store, 0, me, &word), MF_CLAIM_BUSY);
	ck_assert_int_eq(mf_wait_unit(store, 0, word, me), 0);
	ck_assert_int_eq(mf_page_claim(store, 0, me, &word), MF_CLAIM_MINE);
	mf_page_publish(store, 0, me);
	return arg;
}

/* The word names a slot that is mine by now: that is no ring. */
TEST(a_dead_claim_is_taken_over_by_who_got_the_dead_ones_slot)
{
	new_store();
	on_a_thread(claim_and_end);
	/* Where nobody tells of deaths they take a moment to be noticed. */
	while (!got_the_slot)
		on_a_thread(wait_with_the_same_slot);
	free_store();
}

TEST(who_waits_for_its_own_fill_is_refused)
{
	struct mf_slot *me = mf_slot_self();
	uint32_t word;

	new_store();
	ck_assert_int_eq(mf_page_claim(store, 1, me, &word), MF_CLAIM_MINE);
	ck_assert_int_eq(mf_page_claim(store, 1, me, &word), MF_CLAIM_BUSY);
	ck_assert_int_eq(mf_wait_unit(store, 1, word, me), -EDEADLK);
	mf_page_abandon(store, 1, me);
	free_store();
}
