/* SPDX-License-Identifier: MIT */
/*
 * test-die.c - a bug of ours has last words.
 */
#include "base/die.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "harness/harness.h"

TEST(the_sentence_is_written_before_the_abort)
{
	char text[200];
	int pipe_fd[2];
	ssize_t n;

	ck_assert_int_eq(pipe(pipe_fd), 0);
	ASSERT_DIES_BY(SIGABRT, dup2(pipe_fd[1], 2), mf_die("here", "no"));
	n = read(pipe_fd[0], text, sizeof(text));
	/* An emulator may add to it. */
	ck_assert_int_ge(n, strlen("mfill: here: no\n"));
	ck_assert_mem_eq(text, "mfill: here: no\n", strlen("mfill: here: no\n"));
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

TEST(a_sentence_too_long_is_cut)
{
	static char words[4096];

	memset(words, 'x', sizeof(words) - 1);
	ASSERT_DIES_BY(SIGABRT, close(2), mf_die(words, words));
}
