/* SPDX-License-Identifier: MIT */
/*
 * test-log.c - who listens hears what is said.
 */
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/harness.h"
#include "harness/pattern.h"
#include "mfill.h"

static void note(void *ctx, const char *sentence)
{
	snprintf(ctx, 200, "%s", sentence);
}

TEST(a_sentence_goes_to_who_listens_and_else_to_stderr)
{
	char first[200] = "", second[200] = "", text[200];
	int ends[2], err;

	ck_assert_int_eq(pipe(ends), 0);
	err = dup(2);
	dup2(ends[1], 2);
	ck_assert_int_eq(mfill_set_log(note, first), 0);
	mf_log("one");
	ck_assert_int_eq(mfill_set_log(note, second), 0);
	mf_log("two");
	ck_assert_int_eq(mfill_set_log(note, first), 0);
	ck_assert_int_eq(mfill_set_log(NULL, NULL), 0);
	mf_log("three");
	dup2(err, 2);
	close(err);
	ck_assert_str_eq(first, "one");
	ck_assert_str_eq(second, "two");
	ck_assert_int_eq(read(ends[0], text, sizeof(text)), 13);
	ck_assert_mem_eq(text, "mfill: three\n", 13);
	close(ends[0]);
	close(ends[1]);
}

static int set_it(void)
{
	static char text[200];

	return mfill_set_log(note, text);
}

TEST(what_cannot_be_set_changes_nothing)
{
	ck_assert_uint_eq(FAULTS(ENOMEM, set_it), 1);
}

static char *map;

static int require_itself(void *arg, uint64_t offset, size_t len)
{
	(void)arg;
	return mfill_require(map + offset, len);
}

TEST(who_listens_hears_of_each_wait_without_end)
{
	struct mf_pattern pattern = { .size = 20 * 4096,
				      .flags = MFILL_SOURCE_INLINE,
				      .hook = require_itself };
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.fill_size = 4096,
		.readahead = MFILL_READAHEAD_OFF,
	};
	char text[200], expected[100];

	map = mf_pattern_map(&pattern, &options);
	ck_assert_int_eq(mfill_set_log(note, text), 0);
	/* More than stderr is told of. */
	for (int i = 0; i < 20; i++) {
		text[0] = '\0';
		ck_assert_int_eq(mfill_require(map + i * 4096, 1), -EDEADLK);
		snprintf(expected, sizeof(expected), "unit %d of map", i);
		ck_assert_msg(strstr(text, expected), "%s", text);
	}
	ck_assert_int_eq(mfill_set_log(NULL, NULL), 0);
	ck_assert_int_eq(mfill_unmap(map), 0);
}
