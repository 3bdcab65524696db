/* SPDX-License-Identifier: MIT */
/*
 * test-lockrank.c - the wrong order of locks ends a debug build.
 *
 * A release build has no checker to link with, so it gets one here.
 */
#ifndef MF_DEBUG
#define MF_DEBUG
#include "base/lockrank.c"
#endif

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/lockrank.h"
#include "harness/harness.h"

TEST(locks_are_taken_upwards)
{
	mf_rank_acquire(MF_RANK_API, "test");
	mf_rank_acquire(MF_RANK_MMAP, "test");
	mf_rank_acquire(MF_RANK_CHUNK, "test");
	mf_rank_release(MF_RANK_CHUNK);
	mf_rank_acquire(MF_RANK_POOL, "test");
	mf_rank_release(MF_RANK_API);
	mf_rank_release(MF_RANK_MMAP);
	mf_rank_release(MF_RANK_POOL);
	mf_rank_acquire(MF_RANK_API, "test");
	mf_rank_release(MF_RANK_API);
}

/* A forked child holds nothing, so all of it happens there. */
#define ASSERT_DIES(...) ASSERT_DIES_BY(SIGABRT, __VA_ARGS__)

TEST(a_lower_one_may_not_follow)
{
	ASSERT_DIES(mf_rank_acquire(MF_RANK_CHUNK, "test"),
		    mf_rank_acquire(MF_RANK_MMAP, "test"));
}

TEST(two_of_one_rank_are_never_held)
{
	ASSERT_DIES(mf_rank_acquire(MF_RANK_MMAP, "test"),
		    mf_rank_acquire(MF_RANK_MMAP, "test"));
}

TEST(what_is_not_held_is_not_released)
{
	ASSERT_DIES(mf_rank_acquire(MF_RANK_API, "test"),
		    mf_rank_release(MF_RANK_POOL));
}

TEST(a_fault_is_possible_only_without_locks)
{
	mf_might_fault("test");
	ASSERT_DIES(mf_rank_acquire(MF_RANK_API, "test"),
		    mf_might_fault("test"));
	mf_rank_acquire(MF_RANK_API, "test");
	mf_rank_release(MF_RANK_API);
	mf_might_fault("test");
}

TEST(a_forked_child_holds_nothing)
{
	mf_rank_acquire(MF_RANK_MMAP, "test");
	ASSERT_EXITS_WITH(0, mf_might_fault("test"),
			  mf_rank_acquire(MF_RANK_API, "test"),
			  mf_rank_release(MF_RANK_API));
	ASSERT_DIES(mf_rank_release(MF_RANK_MMAP));
	mf_rank_release(MF_RANK_MMAP);
}

static void *holds_nothing(void *arg)
{
	mf_might_fault("test");
	mf_rank_acquire(MF_RANK_API, "test");
	mf_rank_release(MF_RANK_API);
	return arg;
}

TEST(each_thread_has_its_own_order)
{
	pthread_t thread;

	mf_rank_acquire(MF_RANK_MMAP, "test");
	ck_assert_int_eq(pthread_create(&thread, NULL, holds_nothing, NULL), 0);
	pthread_join(thread, NULL);
}
