/* SPDX-License-Identifier: MIT */
/*
 * test-scan.c - the end of a frame is found as zstd itself finds it.
 */
#include "sources/zstd/scan.h"

#include <errno.h>

#include "unit/sources/zfile.h"

static char sentence[200];
static struct mf_why why = { sentence, sizeof(sentence) };

static int scan(const struct zfile *z, size_t len, uint64_t at,
		uint64_t max_blocks, struct mf_zscan *ret)
{
	struct scratch s = scratch_of(z->bytes, len);
	struct mf_backing file = { .fd = s.fd, .size = len };
	int r = mf_zscan_frame(&file, at, max_blocks, ret, &why);

	close(s.fd);
	return r;
}

/* Bytes of all kinds of blocks: raw, repeated, compressed. */
static void mixed(char *data, size_t len)
{
	struct mf_random random = { 1 };

	zfile_text(data, len);
	memset(data + len / 3, 'x', len / 3);
	for (size_t i = len - len / 4; i < len; i++)
		data[i] = (char)mf_random_next(&random);
}

TEST(the_end_is_where_zstd_sees_it)
{
	static char data[600000];
	struct mf_zscan frame;

	mixed(data, sizeof(data));
	for (int said = 0; said <= 1; said++) {
		struct zfile z = { 0 };

		zfile_frame(&z, data, sizeof(data), said);
		zfile_frame(&z, data, 10, said);
		ck_assert_int_eq(scan(&z, z.len, 0, UINT64_MAX, &frame), 0);
		ck_assert_uint_eq(frame.size, z.entry[0].in);
		ck_assert(!frame.skippable);
		ck_assert_int_eq(scan(&z, z.len, frame.size, 1, &frame), 0);
		ck_assert_uint_eq(frame.size, z.entry[1].in);
		zfile_free(&z);
	}
}

TEST(a_checksum_belongs_to_its_frame)
{
	char out[100];
	ZSTD_CCtx *cctx = ZSTD_createCCtx();
	struct zfile z = { 0 };
	struct mf_zscan frame;
	size_t n;

	ZSTD_CCtx_setParameter(cctx, ZSTD_c_checksumFlag, 1);
	n = ZSTD_compress2(cctx, out, sizeof(out), "abc", 3);
	ZSTD_freeCCtx(cctx);
	zfile_append(&z, out, n);
	zfile_frame(&z, "abc", 3, true);
	ck_assert_int_eq(scan(&z, z.len, 0, UINT64_MAX, &frame), 0);
	ck_assert_uint_eq(frame.size, n);
	ck_assert_int_eq(scan(&z, n - 1, 0, UINT64_MAX, &frame), -EBADMSG);
	zfile_free(&z);
}

TEST(skippable_frames_are_known_by_their_magic)
{
	struct zfile z = { 0 };
	struct mf_zscan frame;

	zfile_skippable(&z, 1000);
	zfile_skippable(&z, 0);
	for (uint8_t i = 0; i < 16; i++) {
		z.bytes[0] = 0x50 | i;
		ck_assert_int_eq(scan(&z, z.len, 0, 0, &frame), 0);
		ck_assert_uint_eq(frame.size, 1008);
		ck_assert(frame.skippable);
	}
	ck_assert_int_eq(scan(&z, z.len, 1008, 0, &frame), 0);
	ck_assert_uint_eq(frame.size, 8);
	z.bytes[0] = 0x60;
	ck_assert_int_eq(scan(&z, z.len, 0, 0, &frame), -EBADMSG);
	zfile_free(&z);
}

TEST(a_frame_cut_off_anywhere_is_said_to_be)
{
	static char data[2000];
	struct zfile z = { 0 };
	struct mf_zscan frame;

	mixed(data, sizeof(data));
	zfile_frame(&z, data, sizeof(data), true);
	for (size_t len = 4; len < z.len; len++) {
		ck_assert_int_eq(scan(&z, len, 0, UINT64_MAX, &frame),
				 -EBADMSG);
		ck_assert_ptr_nonnull(strstr(sentence, "cut off"));
	}
	ck_assert_int_eq(scan(&z, z.len, 0, UINT64_MAX, &frame), 0);
	zfile_free(&z);
	zfile_skippable(&z, 100);
	for (size_t len = 0; len < 108; len++)
		ck_assert_int_eq(scan(&z, len, 0, UINT64_MAX, &frame),
				 -EBADMSG);
	zfile_free(&z);
}

TEST(a_skippable_frame_that_claims_more_than_there_is_is_cut_off)
{
	struct zfile z = { 0 };
	struct mf_zscan frame;

	zfile_skippable(&z, 100);
	mf_put_le32(z.bytes + 4, UINT32_MAX);
	ck_assert_int_eq(scan(&z, z.len, 0, 0, &frame), -EBADMSG);
	zfile_free(&z);
}

TEST(who_wants_to_know_no_more_is_told_so)
{
	static char data[600000];
	struct zfile z = { 0 };
	struct mf_zscan frame;

	mixed(data, sizeof(data));
	zfile_frame(&z, data, sizeof(data), true);
	ck_assert_int_eq(scan(&z, z.len, 0, 2, &frame), -EFBIG);
	zfile_free(&z);
}

TEST(a_block_of_a_kind_that_does_not_exist_is_corrupt)
{
	struct zfile z = { 0 };
	struct mf_zscan frame;

	zfile_frame(&z, "abc", 3, true);
	/* magic, descriptor, size, then the first block */
	z.bytes[6] |= 6;
	ck_assert_int_eq(scan(&z, z.len, 0, UINT64_MAX, &frame), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(sentence, "no block at byte 6"));
	zfile_free(&z);
}
