/* SPDX-License-Identifier: MIT */
/*
 * test-unpack.c - a frame gives what the table says, or an error.
 */
#include "sources/zstd/unpack.h"

#include <errno.h>

#include "base/sys.h"
#include "unit/sources/zfile.h"

static char got[100];

/* The result for the first frame of z. */
static int unpack(struct zfile *z, bool checksums)
{
	struct mf_why why = { NULL, 0 };
	struct mf_backing file;
	struct mf_frames f;
	struct mf_zpool pool;
	struct mf_zctx *ctx;
	struct scratch s;
	int r;

	zfile_table(z, checksums);
	s = scratch_of(z->bytes, z->len);
	file = (struct mf_backing){ .fd = s.fd, .size = z->len };
	ck_assert_int_eq(mf_seektable_read(&file, &f, &why), 0);
	ck_assert_int_eq(mf_zpool_init(&pool, f.max_in, f.max_out), 0);
	ck_assert_int_eq(mf_zpool_take(&pool, 0, &ctx), 0);
	memset(got, 'x', sizeof(got));
	r = mf_zunpack(s.fd, &f, 0, ctx, got);
	mf_zpool_put(&pool, ctx);
	mf_zpool_destroy(&pool);
	mf_frames_free(&f);
	zfile_free(z);
	close(s.fd);
	return r;
}

static struct zfile hello(void)
{
	struct zfile z = { 0 };

	zfile_frame(&z, "hello", 5, true);
	return z;
}

TEST(a_frame_gives_its_bytes_and_no_more)
{
	struct zfile z = hello();

	ck_assert_int_eq(unpack(&z, true), 0);
	ck_assert_mem_eq(got, "hellox", 6);
}

TEST(a_frame_of_another_size_is_an_error)
{
	struct zfile z = hello();

	z.entry[0].out = 4;
	ck_assert_int_eq(unpack(&z, false), -EIO);
	/* Nothing is written beyond what the table gave room for. */
	ck_assert_int_eq(got[4], 'x');
	z = hello();
	z.entry[0].out = 6;
	ck_assert_int_eq(unpack(&z, false), -EIO);
}

TEST(a_frame_of_another_checksum_is_an_error)
{
	struct zfile z = hello();

	z.entry[0].checksum++;
	ck_assert_int_eq(unpack(&z, true), -EIO);
	z = hello();
	z.entry[0].checksum++;
	ck_assert_int_eq(unpack(&z, false), 0);
}

TEST(a_frame_cut_off_is_an_error)
{
	struct zfile z = hello();

	z.len -= 1;
	z.entry[0].in -= 1;
	ck_assert_int_eq(unpack(&z, true), -EIO);
}

TEST(one_entry_may_stand_for_two_frames)
{
	struct zfile z = hello();

	zfile_frame(&z, " world", 6, true);
	z.entry[0].in += z.entry[1].in;
	z.entry[0].out = 11;
	z.entry[0].checksum = (uint32_t)mf_hash64("hello world", 11);
	z.n = 1;
	ck_assert_int_eq(unpack(&z, true), 0);
	ck_assert_mem_eq(got, "hello worldx", 12);
}

/* The format of zstd 0.5, which would be unpacked by means of malloc. */
TEST(frames_of_ancient_zstd_are_an_error)
{
	struct zfile z = hello();

	memcpy(z.bytes, "\x25\xb5\x2f\xfd", 4);
	ck_assert_int_eq(unpack(&z, false), -EIO);
}
