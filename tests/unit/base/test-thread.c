/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
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
static void fork_one_that_starts_a_thread(void)
{
	pid_t child = mf_test_fork();
	int status;

	if (child == 0) {
		run_one();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

TEST(a_child_forked_after_a_start_can_start_threads)
{
	mf_test_needs_threads_after_fork();
	for (int i = 0; i < ROUNDS; i++) {
		ck_assert_int_eq(mf_thread_start(do_nothing, NULL), 0);
		fork_one_that_starts_a_thread();
	}
}

static struct {
	uint32_t may_run, runs, ran_meanwhile;
	bool looks;
} fork_state;

static void *note_that_it_runs(void *arg)
{
	mf_store_release(&fork_state.runs, 1);
	return arg;
}

static void *start_when_told(void *arg)
{
	while (!mf_load_acquire(&fork_state.may_run))
		sched_yield();
	if (mf_thread_start(note_that_it_runs, NULL) != 0)
		abort();
	return arg;
}

static void look(void)
{
	if (!fork_state.looks)
		return;
	mf_store_release(&fork_state.may_run, 1);
	usleep(20000);
	fork_state.ran_meanwhile = mf_load_acquire(&fork_state.runs);
}

/* First, and so behind all others of the library's before a fork. */
__attribute__((constructor(101))) static void look_at_forks(void)
{
	(void)pthread_atfork(look, NULL, NULL);
}

TEST(a_start_that_meets_a_fork_is_made_after_it)
{
	pthread_t thread;

	mf_test_needs_threads_after_fork();
	fork_state.looks = true;
	ck_assert_int_eq(pthread_create(&thread, NULL, start_when_told, NULL),
			 0);
	fork_one_that_starts_a_thread();
	ck_assert_uint_eq(fork_state.ran_meanwhile, 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	while (!mf_load_acquire(&fork_state.runs))
		sched_yield();
}
