/* SPDX-License-Identifier: MIT */
/*
 * test-error.c - a source fails when it is told to, and else does not.
 */
#include <errno.h>
#include <string.h>

#include "mm/source.h"
#include "unit/sources/scratch.h"

static struct scratch file;

static struct mfill_source *with(const char *options)
{
	char rest[200];

	if (!file.path[0])
		file = scratch_of("0123456789", 10);
	snprintf(rest, sizeof(rest), "%s:file:%s", options, file.path);
	return must_open("error", rest);
}

static int read_at(struct mfill_source *src, uint64_t offset, size_t len)
{
	char got[10];
	int r = mf_source_read(src, got, len, offset);

	if (r == 0)
		ck_assert_mem_eq(got, &"0123456789"[offset], len);
	return r;
}

TEST(without_a_condition_each_read_fails)
{
	struct mfill_source *src = with("");

	ck_assert_int_eq(read_at(src, 0, 1), -EIO);
	ck_assert_int_eq(read_at(src, 5, 5), -EIO);
	ck_assert(mf_source_is_inline(src));
	mfill_source_put(src);
	close(file.fd);
}

TEST(the_nth_read_fails_and_no_other)
{
	struct mfill_source *src = with("nth=2");

	ck_assert_int_eq(read_at(src, 0, 1), 0);
	ck_assert_int_eq(read_at(src, 0, 1), -EIO);
	ck_assert_int_eq(read_at(src, 0, 1), 0);
	mfill_source_put(src);
	close(file.fd);
}

TEST(reads_that_touch_the_bad_bytes_fail)
{
	struct mfill_source *src = with("at=4+2,errno=ETIMEDOUT");

	ck_assert_int_eq(read_at(src, 0, 4), 0);
	ck_assert_int_eq(read_at(src, 0, 5), -ETIMEDOUT);
	ck_assert_int_eq(read_at(src, 5, 1), -ETIMEDOUT);
	ck_assert_int_eq(read_at(src, 6, 4), 0);
	mfill_source_put(src);
	close(file.fd);
}

TEST(after_so_many_failures_all_is_well)
{
	struct mfill_source *src = with("count=2");

	ck_assert_int_eq(read_at(src, 0, 1), -EIO);
	ck_assert_int_eq(read_at(src, 0, 1), -EIO);
	ck_assert_int_eq(read_at(src, 0, 1), 0);
	mfill_source_put(src);
	close(file.fd);
}

/* One character for each of 200 reads. */
static void row_of(const char *options, char ret[201])
{
	struct mfill_source *src = with(options);

	for (int i = 0; i < 200; i++)
		ret[i] = read_at(src, 0, 1) < 0 ? 'x' : '.';
	ret[200] = '\0';
	mfill_source_put(src);
}

TEST(a_share_of_the_reads_fails_the_same_way_for_the_same_seed)
{
	char a[201], b[201], c[201];
	int failed = 0;

	row_of("rate=25%,seed=7", a);
	row_of("rate=0.25,seed=7", b);
	row_of("rate=0.25,seed=8", c);
	ck_assert_str_eq(a, b);
	ck_assert_str_ne(a, c);
	for (int i = 0; i < 200; i++)
		failed += a[i] == 'x';
	ck_assert_int_gt(failed, 25);
	ck_assert_int_lt(failed, 75);
	close(file.fd);
}

TEST(a_rate_of_nothing_never_fails)
{
	char row[201];

	row_of("rate=0", row);
	ck_assert_ptr_null(strchr(row, 'x'));
	row_of("rate=1", row);
	ck_assert_ptr_null(strchr(row, '.'));
	close(file.fd);
}

TEST(wrong_options_are_named)
{
	must_refuse("error", "rat=1:file:x", -EINVAL, "rat=1");
	must_refuse("error", "rate=2:file:x", -EINVAL, "rate=2");
	must_refuse("error", "nth=0:file:x", -EINVAL, "nth=0");
	must_refuse("error", "at=1+0:file:x", -EINVAL, "at=1+0");
	must_refuse("error", "at=16E+1:file:x", -EINVAL, "at=16E+1");
	must_refuse("error", "errno=EOOPS:file:x", -EINVAL, "errno=EOOPS");
	must_refuse("error", "rate:file:x", -EINVAL, "KEY=VALUE");
	must_refuse("error", "rate=1", -EINVAL, "colon");
	must_refuse("error", ":/usr", -EINVAL, "SCHEME:REST");
	must_refuse("error", ":file:/nowhere", -ENOENT, "/nowhere");
}

TEST(wrappers_nest_but_not_without_end)
{
	char rest[400] = "";
	struct mfill_source *src = with("nth=1:error:nth=2");

	ck_assert_int_eq(read_at(src, 0, 1), -EIO);
	ck_assert_int_eq(read_at(src, 0, 1), 0);
	ck_assert_int_eq(read_at(src, 0, 1), -EIO);
	mfill_source_put(src);
	for (int i = 0; i < 8; i++)
		strcat(rest, ":error:");
	snprintf(rest + strlen(rest), 100, ":file:%s", file.path);
	must_refuse("error", rest, -EINVAL, "more than 8 wrappers");
	close(file.fd);
}

static int open_and_put(void)
{
	char uri[100];
	struct mfill_source *src;
	int r;

	snprintf(uri, sizeof(uri), "error:nth=1:delay:us=1:file:%s", file.path);
	r = mfill_source_open(uri, &src);
	if (r == 0)
		mfill_source_put(src);
	return r;
}

TEST(opening_wrappers_survives_any_failure)
{
	file = scratch_of("x", 1);
	FAULTS(ENOMEM, open_and_put);
	close(file.fd);
}
