/* SPDX-License-Identifier: MIT */
/*
 * test-quote.c - what is quoted is one word for a shell, and the same.
 */
#include "sources/quote.h"

#include <stdio.h>
#include <string.h>

#include "harness/harness.h"

static const char *quote(const char *path)
{
	static struct mf_quoted quoted;

	return mf_quote(path, &quoted);
}

TEST(plain_paths_stay_as_they_are)
{
	const char *path = "./a/data_1.db-2+x,y:z@k%20=.zst";

	ck_assert_ptr_eq(quote(path), path);
}

TEST(what_a_shell_would_take_apart_is_quoted)
{
	ck_assert_str_eq(quote(""), "''");
	ck_assert_str_eq(quote("a b"), "'a b'");
	ck_assert_str_eq(quote("$x"), "'$x'");
	ck_assert_str_eq(quote("a'b"), "'a'\\''b'");
	ck_assert_str_eq(quote("ä"), "'ä'");
}

TEST(what_is_too_long_is_left_alone)
{
	char path[3000];

	memset(path, '\'', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ck_assert_ptr_eq(quote(path), path);
}

/* Any string comes out of a shell as it went in. */
TEST(a_shell_reads_back_what_was_quoted)
{
	struct mf_random random = { mf_test_seed() };

	for (int i = 0; i < 50; i++) {
		char path[40] = "", command[600], got[60] = "";
		size_t len = mf_random_below(&random, sizeof(path) - 1);
		FILE *shell;

		for (size_t k = 0; k < len; k++)
			path[k] = "a '\"\\$`*~!|\n\t"[mf_random_below(&random,
								      13)];
		snprintf(command, sizeof(command), "printf '%%s.' %s",
			 quote(path));
		shell = popen(command, "r");
		ck_assert_ptr_nonnull(shell);
		ck_assert_uint_gt(fread(got, 1, sizeof(got) - 1, shell), 0);
		pclose(shell);
		ck_assert_uint_eq(strlen(got), len + 1);
		ck_assert_mem_eq(got, path, len);
	}
}
