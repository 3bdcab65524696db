/* SPDX-License-Identifier: MIT */
/*
 * test-callback.c - functions become a source, or are refused.
 */
#include <errno.h>
#include <string.h>

#include "mm/source.h"
#include "harness/harness.h"

struct world {
	int get_size_result;
	int closed;
	int read_result;
};

static int world_read(void *ctx, void *buf, size_t len, uint64_t offset)
{
	const struct world *w = ctx;

	memset(buf, 'a' + (int)offset, len);
	return w->read_result;
}

static int world_size(void *ctx, uint64_t *ret)
{
	const struct world *w = ctx;

	*ret = 100;
	return w->get_size_result;
}

static size_t world_fill(void *ctx)
{
	(void)ctx;
	return 12345;
}

static void world_close(void *ctx)
{
	((struct world *)ctx)->closed++;
}

static const struct mfill_source_ops good = {
	.struct_size = sizeof(good),
	.read = world_read,
	.get_size = world_size,
	.preferred_fill = world_fill,
	.close = world_close,
};

static void refuses(const struct mfill_source_ops *ops, int error)
{
	struct world w = { 0 };
	struct mfill_source *src = NULL;

	ck_assert_int_eq(mfill_source_new(ops, &w, &src), error);
	ck_assert_ptr_null(src);
	ck_assert_int_eq(w.closed, 0);
}

TEST(functions_become_a_source)
{
	struct world w = { 0 };
	struct mfill_source *src;
	char got[3] = "";

	ck_assert_int_eq(mfill_source_new(&good, &w, &src), 0);
	ck_assert_uint_eq(src->size, 100);
	ck_assert_uint_eq(src->preferred_fill, 12345);
	ck_assert(!mf_source_is_inline(src));
	ck_assert_int_eq(mf_source_read(src, got, 2, 3), 0);
	ck_assert_str_eq(got, "dd");
	mfill_source_put(src);
	ck_assert_int_eq(w.closed, 1);
}

TEST(close_comes_with_the_last_reference)
{
	struct world w = { 0 };
	struct mfill_source *src;

	ck_assert_int_eq(mfill_source_new(&good, &w, &src), 0);
	mf_source_get(src);
	mfill_source_put(src);
	ck_assert_int_eq(w.closed, 0);
	mfill_source_put(src);
	ck_assert_int_eq(w.closed, 1);
	mfill_source_put(NULL);
}

TEST(what_a_source_must_have_is_asked_for)
{
	struct mfill_source_ops ops = good;

	ops.read = NULL;
	refuses(&ops, -EINVAL);
	ops = good;
	ops.get_size = NULL;
	refuses(&ops, -EINVAL);
	ops = good;
	ops.flags = 1U << 31;
	refuses(&ops, -EINVAL);
	refuses(NULL, -EINVAL);
}

TEST(what_a_source_need_not_have_may_be_missing)
{
	struct mfill_source_ops ops = good;
	struct world w = { 0 };
	struct mfill_source *src;

	ops.close = NULL;
	ops.preferred_fill = NULL;
	ck_assert_int_eq(mfill_source_new(&ops, &w, &src), 0);
	ck_assert_uint_eq(src->preferred_fill, 0);
	mfill_source_put(src);
}

TEST(a_size_that_cannot_be_told_is_the_error)
{
	struct world w = { .get_size_result = -ENOTCONN };
	struct mfill_source *src;

	ck_assert_int_eq(mfill_source_new(&good, &w, &src), -ENOTCONN);
	w.get_size_result = 7;
	ck_assert_int_eq(mfill_source_new(&good, &w, &src), -EINVAL);
	ck_assert_int_eq(w.closed, 0);
}

TEST(a_struct_too_small_is_refused)
{
	struct mfill_source_ops ops = good;

	ops.struct_size = 0;
	refuses(&ops, -EINVAL);
	ops.struct_size = sizeof(ops) - 1;
	refuses(&ops, -EINVAL);
}

/* Somebody built against a later mfill.h. */
struct later_ops {
	struct mfill_source_ops ops;
	void *unheard_of;
};

TEST(a_larger_struct_is_fine_as_long_as_the_rest_is_zero)
{
	struct later_ops later = { .ops = good };
	struct world w = { 0 };
	struct mfill_source *src;

	later.ops.struct_size = sizeof(later);
	ck_assert_int_eq(mfill_source_new(&later.ops, &w, &src), 0);
	mfill_source_put(src);
	later.unheard_of = &w;
	refuses(&later.ops, -E2BIG);
}

TEST(a_read_that_gives_a_count_is_an_error)
{
	struct world w = { .read_result = 2 };
	struct mfill_source *src;
	char got[2];

	ck_assert_int_eq(mfill_source_new(&good, &w, &src), 0);
	ck_assert_int_eq(mf_source_read(src, got, 2, 0), -EIO);
	w.read_result = -ETIMEDOUT;
	ck_assert_int_eq(mf_source_read(src, got, 2, 0), -ETIMEDOUT);
	mfill_source_put(src);
}

static struct world faulty_world;

static int make_and_put(void)
{
	struct mfill_source *src;
	int r = mfill_source_new(&good, &faulty_world, &src);

	if (r == 0)
		mfill_source_put(src);
	return r;
}

TEST(making_a_source_survives_any_failure)
{
	ck_assert_uint_eq(FAULTS(ENOMEM, make_and_put), 1);
}
