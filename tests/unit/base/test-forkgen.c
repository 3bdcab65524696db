/* SPDX-License-Identifier: MIT */
/*
 * test-forkgen.c - a child is noticed, however it was made.
 */
#include "base/forkgen.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/harness.h"
#include "harness/needs.h"

static void *ask(void *ret)
{
	*(uint32_t *)ret = mf_fork_generation();
	return NULL;
}

TEST(threads_of_a_process_see_one_number)
{
	uint32_t mine = mf_fork_generation(), theirs = 0;
	pthread_t thread;

	ck_assert_uint_ne(mine, 0);
	ck_assert_uint_eq(mine, mf_fork_generation());
	ck_assert_int_eq(pthread_create(&thread, NULL, ask, &theirs), 0);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(mine, theirs);
}

TEST(a_forked_child_sees_another)
{
	uint32_t mine = mf_fork_generation();

	ASSERT_EXITS_WITH(1, _exit(mf_fork_generation() != mine));
	ck_assert_uint_eq(mine, mf_fork_generation());
}

TEST(a_grandchild_differs_from_both)
{
	uint32_t mine = mf_fork_generation();
	int status;
	pid_t child = fork();

	if (child == 0) {
		uint32_t childs = mf_fork_generation();

		child = fork();
		if (child == 0)
			_exit(mf_fork_generation() != mine &&
			      mf_fork_generation() != childs);
		waitpid(child, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(WEXITSTATUS(status), 1);
}

/* What MADV_WIPEONFORK is for: no fork handler runs here. */
TEST(a_child_of_a_raw_clone_sees_another)
{
	uint32_t mine = mf_fork_generation();
	int status;
	long child;

	mf_test_needs_wipe_on_fork();
	child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (child == 0)
		syscall(SYS_exit_group, mf_fork_generation() != mine);
	ck_assert_int_eq(waitpid((pid_t)child, &status, 0), child);
	ck_assert_int_eq(WEXITSTATUS(status), 1);
}

/* An old kernel, or one that ignores the advice: libc's fork handler. */
TEST(a_forked_child_is_noticed_without_the_kernels_help)
{
	static uint32_t not_wiped;
	uint32_t mine;

	mf_fork_word = &not_wiped;
	mine = mf_fork_generation();
	ck_assert_uint_eq(mine, mf_fork_generation());
	ASSERT_EXITS_WITH(1, _exit(mf_fork_generation() != mine));
}
