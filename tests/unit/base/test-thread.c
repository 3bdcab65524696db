/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sync.h"
#include "harness/harness.h"
#include "harness/needs.h"

#define ROUNDS 100

static void *set_word(void *word)
{
	mf_store_release((uint32_t *)word, 1);
	mf_futex_wake(word, 1, MF_FUTEX_LOCAL);
	return NULL;
}

static void run_one(void)
{
	static uint32_t word;

	mf_store_release(&word, 0);
	ck_assert_int_eq(mf_thread_start(set_word, &word), 0);
	while (!mf_load_acquire(&word))
		(void)mf_futex_wait(&word, 0, 0, MF_FUTEX_LOCAL);
}

TEST(a_thread_runs_with_its_argument)
{
	run_one();
}

/* It must not be in the middle of its end, either. */
static void *do_nothing(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/*
 * Address sanitizer takes a lock of its own in each thread's start, and no fork
 * handler lets go of it: without the wait, one child in thirty hangs here.
 */
TEST(a_child_forked_after_a_start_can_start_threads)
{
	mf_test_needs_threads_after_fork();
	for (int i = 0; i < ROUNDS; i++) {
		int status;
		pid_t child;

		ck_assert_int_eq(mf_thread_start(do_nothing, NULL), 0);
		child = mf_test_fork();
		if (child == 0) {
			run_one();
			_exit(0);
		}
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_int_eq(status, 0);
	}
}
