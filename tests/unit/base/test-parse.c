/* SPDX-License-Identifier: MIT */
/*
 * test-parse.c - numbers are read whole and right, or not at all.
 */
#include "base/parse.h"

#include <errno.h>

#include "harness/harness.h"

static void size_is(const char *text, uint64_t value)
{
	uint64_t got = 42;

	ck_assert_msg(mf_parse_size(text, &got) == 0, "%s", text);
	ck_assert_msg(got == value, "%s: %llu", text, (unsigned long long)got);
}

static void size_fails(const char *text, int error)
{
	uint64_t got = 42;
	int r = mf_parse_size(text, &got);

	ck_assert_msg(r == error, "%s: %d", text, r);
	ck_assert_uint_eq(got, 42);
}

TEST(sizes_have_units_of_1024)
{
	size_is("0", 0);
	size_is("4096", 4096);
	size_is("64K", 65536);
	size_is("64k", 65536);
	size_is("64KiB", 65536);
	size_is("64KB", 65536);
	size_is("7B", 7);
	size_is("3M", 3U << 20);
	size_is("1G", 1U << 30);
	size_is("2T", 2ULL << 40);
	size_is("5P", 5ULL << 50);
	size_is("15E", 15ULL << 60);
	size_is("18446744073709551615", UINT64_MAX);
}

TEST(sizes_that_are_none_are_refused)
{
	size_fails("", -EINVAL);
	size_fails("K", -EINVAL);
	size_fails("-1", -EINVAL);
	size_fails("+1", -EINVAL);
	size_fails(" 1", -EINVAL);
	size_fails("1 ", -EINVAL);
	size_fails("1.5K", -EINVAL);
	size_fails("1X", -EINVAL);
	size_fails("1Ki", -EINVAL);
	size_fails("1iB", -EINVAL);
	size_fails("1KBB", -EINVAL);
	size_fails("0x10", -EINVAL);
}

TEST(sizes_that_wrap_are_refused)
{
	size_fails("18446744073709551616", -ERANGE);
	size_fails("16E", -ERANGE);
	size_fails("99999999999999999999999999", -ERANGE);
}

TEST(plain_numbers_have_no_units)
{
	uint64_t got = 42;

	ck_assert_int_eq(mf_parse_u64("4K", &got), -EINVAL);
	ck_assert_int_eq(mf_parse_u64("", &got), -EINVAL);
	ck_assert_uint_eq(got, 42);
	ck_assert_int_eq(mf_parse_u64("12", &got), 0);
	ck_assert_uint_eq(got, 12);
}

static void share_is(const char *text, uint32_t ppb)
{
	uint32_t got = 42;

	ck_assert_msg(mf_parse_share(text, &got) == 0, "%s", text);
	ck_assert_msg(got == ppb, "%s: %u", text, got);
}

static void share_fails(const char *text)
{
	uint32_t got = 42;

	ck_assert_msg(mf_parse_share(text, &got) < 0, "%s", text);
	ck_assert_uint_eq(got, 42);
}

TEST(shares_are_fractions_or_per_cent)
{
	share_is("0", 0);
	share_is("1", 1000000000);
	share_is("0.01", 10000000);
	share_is("1%", 10000000);
	share_is("0.5%", 5000000);
	share_is("100%", 1000000000);
	share_is("0.0000000019999", 1);
}

TEST(shares_beyond_all_are_refused)
{
	share_fails("1.1");
	share_fails("2");
	share_fails("101%");
	share_fails("");
	share_fails("-1");
	share_fails("1%%");
	share_fails(".5");
	share_fails("99999999999999999999");
}
