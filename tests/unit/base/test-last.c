/* SPDX-License-Identifier: MIT */
/*
 * test-last.c - what pthread_exit() in the main thread leads to.
 *
 * Each test forks a process that ends so, and waits for it: a process that
 * does not end is a test that runs out of time.
 */
#include "base/last.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sync.h"
#include "base/thread.h"
#include "harness/harness.h"
#include "harness/needs.h"

#define WHILE_US    100000 /* that a thread of the program's lives on */
#define ALIVE_TRIES 50

/* Shared with the process that ends. */
static struct ending {
	uint32_t at_exit;   /* atexit() functions that ran */
	uint32_t was_ready; /* what `ready` was then */
	uint32_t ready;	    /* the program's last thread has done its work */
} * ending;

static void note_exit(void)
{
	mf_store_seq_cst(&ending->was_ready, mf_load_seq_cst(&ending->ready));
	mf_fetch_add(&ending->at_exit, 1);
}

static void *wait_for_ever(void *arg)
{
	pthread_setname_np(pthread_self(), arg);
	for (;;)
		pause();
	return arg;
}

static void start_one_of_ours(void)
{
	if (mf_thread_start(wait_for_ever, "mfill") != 0)
		_exit(1);
}

static void *work_a_while(void *arg)
{
	usleep(WHILE_US);
	mf_store_seq_cst(&ending->ready, 1);
	return arg;
}

static void start_one_of_theirs(void *(*fn)(void *arg))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fn, "theirs") != 0)
		_exit(1);
	pthread_detach(thread);
}

/* The process that is made of it. Its main thread has not ended yet. */
static pid_t begin(void (*run)(void))
{
	pid_t child;

	mf_test_needs_own_threads_only();
	ending = mmap(NULL, sizeof(*ending), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(ending != MAP_FAILED);
	child = mf_test_fork();
	if (child == 0) {
		mf_test_main_thread_leaves();
		atexit(note_exit);
		run();
		pthread_exit(NULL);
	}
	return child;
}

static void end(void)
{
	munmap(ending, sizeof(*ending));
}

static void ends(void (*run)(void))
{
	pid_t child = begin(run);
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(ending->at_exit, 1);
}

/* However long one waits; a tenth of it is enough for one that would end. */
static void does_not_end(void (*run)(void))
{
	pid_t child = begin(run);

	for (int i = 0; i < ALIVE_TRIES; i++) {
		usleep(10000);
		ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
	}
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	end();
}

TEST(a_process_with_threads_of_ours_only_ends)
{
	ends(start_one_of_ours);
	end();
}

static void start_both(void)
{
	start_one_of_ours();
	start_one_of_theirs(work_a_while);
}

TEST(the_programs_last_thread_is_waited_for)
{
	ends(start_both);
	ck_assert_uint_eq(ending->was_ready, 1);
	end();
}

static void *start_ours_late(void *arg)
{
	usleep(WHILE_US);
	start_one_of_ours();
	return arg;
}

static void start_theirs_which_starts_ours(void)
{
	start_one_of_theirs(start_ours_late);
}

TEST(a_thread_of_ours_made_after_the_main_thread_ended_keeps_nothing)
{
	ends(start_theirs_which_starts_ours);
	end();
}

/* Which is the main thread of that child, but not of this process. */
static void *fork_one_that_ends(void *arg)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		start_one_of_ours();
		return arg;
	}
	(void)waitpid(child, &status, 0);
	if (status != 0)
		_exit(1);
	return arg;
}

static void start_theirs_which_forks(void)
{
	start_one_of_theirs(fork_one_that_ends);
}

TEST(so_does_a_child_that_another_thread_forked)
{
	int status;
	pid_t child;

	mf_test_needs_threads_after_fork();
	child = begin(start_theirs_which_forks);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(ending->at_exit, 2);
	end();
}

/* Either of two copies of mfill in one process sees that of the other. */
static void start_another_watcher(void)
{
	if (mf_thread_start(wait_for_ever, "mfill-last") != 0)
		_exit(1);
}

TEST(of_two_that_would_end_it_only_the_older_one_does)
{
	does_not_end(start_another_watcher);
}

static void start_one_of_that_name(void)
{
	pthread_t thread;

	start_one_of_ours();
	if (pthread_create(&thread, NULL, wait_for_ever, "mfill") != 0)
		_exit(1);
}

TEST(a_thread_of_the_programs_may_be_called_like_ours)
{
	does_not_end(start_one_of_that_name);
}

static void *wait_marked(void *arg)
{
	mf_last_mark_thread();
	return wait_for_ever(arg);
}

static void start_one_that_looks_so_for_a_while(void)
{
	start_one_of_ours();
	start_one_of_theirs(wait_marked);
}

TEST(a_thread_of_the_programs_may_block_what_ours_block)
{
	does_not_end(start_one_that_looks_so_for_a_while);
}
