/* SPDX-License-Identifier: MIT */
/*
 * test-driver.c - a name leads to a source, or to a sentence.
 */
#include <errno.h>
#include <string.h>

#include "sources/driver.h"
#include "unit/sources/scratch.h"

TEST(a_scheme_nobody_knows_is_named_with_those_that_are)
{
	must_refuse("gopher", "//host", -EPROTONOSUPPORT, "gopher");
	must_refuse("gopher", "//host", -EPROTONOSUPPORT, " file:");
	must_refuse("fil", "x", -EPROTONOSUPPORT, "fil");
	must_refuse("files", "x", -EPROTONOSUPPORT, "files");
}

TEST(a_name_without_a_scheme_is_refused)
{
	struct mfill_source *src;
	char why[200];

	ck_assert_int_eq(
		mfill_source_open_why("data.db", &src, why, sizeof(why)),
		-EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "file:data.db"));
	ck_assert_int_eq(mfill_source_open(":x", &src), -EINVAL);
	ck_assert_int_eq(mfill_source_open("", &src), -EINVAL);
	ck_assert_int_eq(mfill_source_open("./a:b", &src), -EINVAL);
}

TEST(a_name_that_never_ends_is_refused)
{
	static char name[1 << 20];
	struct mfill_source *src;

	for (size_t i = 0; i + 8 < sizeof(name); i += 7)
		memcpy(name + i, "delay::", 8);
	ck_assert_int_eq(mfill_source_open(name, &src), -ENAMETOOLONG);
}

TEST(missing_arguments_are_refused)
{
	struct mfill_source *src;
	uint64_t size;

	ck_assert_int_eq(mfill_source_open(NULL, &src), -EINVAL);
	ck_assert_int_eq(mfill_source_open("file:/usr", NULL), -EINVAL);
	ck_assert_int_eq(mfill_source_open_why("file:/usr", &src, NULL, 10),
			 -EINVAL);
	ck_assert_int_eq(mfill_source_size(NULL, &size), -EINVAL);
}

TEST(the_sentence_is_cut_to_fit)
{
	struct mfill_source *src;
	char why[12];

	memset(why, 'x', sizeof(why));
	ck_assert_int_eq(mfill_source_open_why("file:/usr", &src, why, 10),
			 -EISDIR);
	ck_assert_str_eq(why, "/usr: is ");
	ck_assert_int_eq(why[10], 'x');
	ck_assert_int_eq(mfill_source_open_why("file:/usr", &src, NULL, 0),
			 -EISDIR);
}

TEST(success_leaves_no_sentence)
{
	struct scratch s = scratch_of("x", 1);
	struct mfill_source *src;
	char uri[64], why[10] = "before";

	snprintf(uri, sizeof(uri), "file:%s", s.path);
	ck_assert_int_eq(mfill_source_open_why(uri, &src, why, sizeof(why)), 0);
	ck_assert_str_eq(why, "");
	mfill_source_put(src);
	close(s.fd);
}

TEST(the_path_in_a_name_is_found_behind_any_wrappers)
{
	ck_assert_str_eq(mf_source_path("file:a:b"), "a:b");
	ck_assert_str_eq(mf_source_path("file:/x/zstd:y"), "/x/zstd:y");
	ck_assert_str_eq(mf_source_path("error:nth=1:delay::file:c"), "c");
	ck_assert_ptr_null(mf_source_path("data.db"));
	ck_assert_ptr_null(mf_source_path("gopher://host"));
	ck_assert_ptr_null(mf_source_path("error:nth=1"));
	ck_assert_ptr_null(mf_source_path(""));
}
