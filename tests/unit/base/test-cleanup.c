/* SPDX-License-Identifier: MIT */
/*
 * test-cleanup.c - what goes out of scope is undone, unless it was taken.
 */
#include "base/cleanup.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include "harness/harness.h"

static int closed[4], n_closed;

static int note_close(int fd)
{
	closed[n_closed++] = fd;
	return 0;
}

TEST(a_descriptor_is_closed_through_the_table)
{
	mf_sys.close = note_close;
	{
		_cleanup_close_ int fd = 77;

		ck_assert_int_eq(fd, 77);
	}
	ck_assert_int_eq(n_closed, 1);
	ck_assert_int_eq(closed[0], 77);
}

TEST(what_is_no_descriptor_is_not_closed)
{
	mf_sys.close = note_close;
	{
		_cleanup_close_ int none = -1;
		_cleanup_close_ int error = -ENOENT;

		ck_assert_int_lt(none + error, 0);
	}
	ck_assert_int_eq(n_closed, 0);
}

TEST(a_taken_descriptor_stays_open)
{
	int kept;

	{
		_cleanup_close_ int fd = open("/dev/null", O_RDONLY);

		kept = TAKE_FD(fd);
		ck_assert_int_lt(fd, 0);
	}
	ck_assert_int_eq(close(kept), 0);
}

TEST(the_last_declared_is_closed_first)
{
	mf_sys.close = note_close;
	{
		_cleanup_close_ int first = 5;
		_cleanup_close_ int second = 6;

		ck_assert_int_eq(first + second, 11);
	}
	ck_assert_int_eq(closed[0], 6);
	ck_assert_int_eq(closed[1], 5);
}

TEST(memory_is_freed_or_taken)
{
	size_t before = mallinfo2().uordblks;
	char *kept;

	{
		_cleanup_free_ char *freed = mf_sys.calloc(1, 10000);
		_cleanup_free_ char *taken = mf_sys.calloc(1, 10000);
		_cleanup_free_ char *none = NULL;

		ck_assert_ptr_nonnull(freed);
		ck_assert_ptr_null(none);
		kept = TAKE_PTR(taken);
		ck_assert_ptr_null(taken);
	}
	kept[0] = 'x';
	free(kept);
	/*
	 * Less than either block more: malloc may keep a few bytes for itself.
	 * A sanitizer counts for itself, and says 0 here.
	 */
	ck_assert_uint_lt(mallinfo2().uordblks, before + 10000);
}
