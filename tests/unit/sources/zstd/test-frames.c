/* SPDX-License-Identifier: MIT */
/*
 * test-frames.c - tables that add up are taken, others refused.
 */
#include "sources/zstd/frames.h"

#include <errno.h>
#include <string.h>

#include "harness/harness.h"

static char sentence[200];
static struct mf_why why = { sentence, sizeof(sentence) };

/* Entries of 8 bytes out of pairs of numbers. */
static int parse(const uint32_t (*pair)[2], size_t n, uint64_t data_size,
		 struct mf_frames *ret)
{
	uint8_t entries[8 * 100];

	for (size_t i = 0; i < n; i++) {
		mf_put_le32(entries + 8 * i, pair[i][0]);
		mf_put_le32(entries + 8 * i + 4, pair[i][1]);
	}
	return mf_frames_parse(entries, n, false, data_size, ret, &why);
}

TEST(offsets_are_the_sums_of_what_is_before)
{
	static const uint32_t pair[][2] = { { 10, 100 }, { 20, 0 }, { 5, 50 } };
	struct mf_frames f;

	ck_assert_int_eq(parse(pair, 3, 35, &f), 0);
	ck_assert_uint_eq(mf_frames_size(&f), 150);
	ck_assert_uint_eq(f.frame[2].at, 30);
	ck_assert_uint_eq(f.frame[2].start, 100);
	ck_assert_uint_eq(mf_frame_in(&f, 1), 20);
	ck_assert_uint_eq(mf_frame_out(&f, 2), 50);
	ck_assert_uint_eq(f.max_in, 10);
	ck_assert_uint_eq(f.max_out, 100);
	ck_assert_ptr_null(f.checksum);
	mf_frames_free(&f);
}

TEST(a_byte_is_found_in_the_frame_that_has_it)
{
	static const uint32_t pair[][2] = { { 9, 0 },  { 10, 100 }, { 20, 0 },
					    { 20, 0 }, { 5, 50 },   { 5, 1 },
					    { 9, 0 } };
	struct mf_frames f;

	ck_assert_int_eq(parse(pair, 7, 78, &f), 0);
	ck_assert_uint_eq(mf_frames_find(&f, 0), 1);
	ck_assert_uint_eq(mf_frames_find(&f, 99), 1);
	ck_assert_uint_eq(mf_frames_find(&f, 100), 4);
	ck_assert_uint_eq(mf_frames_find(&f, 149), 4);
	ck_assert_uint_eq(mf_frames_find(&f, 150), 5);
	mf_frames_free(&f);
}

TEST(checksums_are_kept)
{
	uint8_t entry[12];
	struct mf_frames f;

	mf_put_le32(entry, 7);
	mf_put_le32(entry + 4, 8);
	mf_put_le32(entry + 8, 0xdeadbeef);
	ck_assert_int_eq(mf_frames_parse(entry, 1, true, 7, &f, &why), 0);
	ck_assert_uint_eq(f.checksum[0], 0xdeadbeef);
	mf_frames_free(&f);
}

TEST(a_table_must_account_for_all_of_the_file)
{
	static const uint32_t pair[][2] = { { 10, 100 }, { 20, 50 } };
	struct mf_frames f;

	ck_assert_int_eq(parse(pair, 2, 29, &f), -EBADMSG);
	ck_assert_int_eq(parse(pair, 2, 31, &f), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(sentence, "30 bytes"));
	ck_assert_int_eq(parse(pair, 0, 1, &f), -EBADMSG);
	ck_assert_int_eq(parse(pair, 0, 0, &f), 0);
	ck_assert_uint_eq(mf_frames_size(&f), 0);
	mf_frames_free(&f);
}

TEST(sizes_near_the_end_of_a_number_do_not_wrap)
{
	static const uint32_t pair[][2] = { { UINT32_MAX, 0 },
					    { UINT32_MAX, 0 },
					    { 2, 0 } };
	struct mf_frames f;

	/* In 32 bits they would add up to nothing. */
	ck_assert_int_eq(parse(pair, 3, 0, &f), -EBADMSG);
	ck_assert_int_eq(parse(pair, 3, 2ULL * UINT32_MAX + 2, &f), 0);
	ck_assert_uint_eq(f.max_in, 0);
	mf_frames_free(&f);
}

TEST(a_frame_too_large_to_serve_is_refused)
{
	static const uint32_t most[][2] = { { 10, MF_FRAME_MAX } };
	static const uint32_t out[][2] = { { 10, MF_FRAME_MAX + 1 } };
	static const uint32_t in[][2] = { { MF_FRAME_MAX_IN + 1, 1 } };
	struct mf_frames f;

	ck_assert_int_eq(parse(out, 1, 10, &f), -EFBIG);
	ck_assert_int_eq(parse(in, 1, MF_FRAME_MAX_IN + 1, &f), -EFBIG);
	ck_assert_int_eq(parse(most, 1, 10, &f), 0);
	mf_frames_free(&f);
}

TEST(bytes_out_of_nothing_are_refused)
{
	static const uint32_t pair[][2] = { { 10, 100 }, { 0, 1 } };
	struct mf_frames f;

	ck_assert_int_eq(parse(pair, 2, 10, &f), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(sentence, "made of nothing"));
}

static size_t preferred(const uint32_t (*pair)[2], size_t n)
{
	struct mf_frames f;
	uint64_t sum = 0;
	size_t size;

	for (size_t i = 0; i < n; i++)
		sum += pair[i][0];
	ck_assert_int_eq(parse(pair, n, sum, &f), 0);
	size = mf_frames_preferred(&f, 4096);
	mf_frames_free(&f);
	return size;
}

TEST(equal_frames_of_whole_pages_are_read_as_they_are)
{
	static const uint32_t equal[][2] = { { 1, 65536 }, { 1, 65536 },
					     { 9, 0 },	   { 1, 65536 },
					     { 1, 10 },	   { 9, 0 } };
	static const uint32_t large[][2] = { { 1, 8U << 20 }, { 1, 8U << 20 } };

	ck_assert_uint_eq(preferred(equal, 6), 65536);
	ck_assert_uint_eq(preferred(large, 2), 8U << 20);
}

TEST(unequal_frames_are_read_by_whole_pages)
{
	static const uint32_t odd[][2] = { { 1, 60000 }, { 1, 60000 } };
	static const uint32_t late[][2] = { { 1, 16384 },
					    { 1, 10 },
					    { 1, 16384 } };
	static const uint32_t grows[][2] = { { 1, 4096 }, { 1, 8192 } };
	static const uint32_t large[][2] = { { 1, 8U << 20 }, { 1, 9U << 20 } };
	static const uint32_t none[][2] = { { 9, 0 } };

	ck_assert_uint_eq(preferred(odd, 2), 61440);
	ck_assert_uint_eq(preferred(late, 3), 12288);
	ck_assert_uint_eq(preferred(grows, 2), 8192);
	ck_assert_uint_eq(preferred(large, 2), 1U << 20);
	ck_assert_uint_eq(preferred(none, 1), 0);
}

static int parse_some(void)
{
	uint8_t entries[24] = { 1 };
	struct mf_frames f;
	int r = mf_frames_parse(entries, 2, true, 1, &f, &why);

	if (r == 0)
		mf_frames_free(&f);
	return r;
}

TEST(a_lack_of_memory_is_an_error)
{
	ck_assert_uint_eq(FAULTS(ENOMEM, parse_some), 2);
}
