/* SPDX-License-Identifier: MIT */
/*
 * test-vet.c - a wrong size in a table stands out.
 */
#include "sources/zstd/vet.h"

#include <errno.h>

#include "base/sys.h"
#include "unit/sources/zfile.h"

static char text[200000];
static int preads;
static struct mf_sys real;

static ssize_t counting_pread(int fd, void *buf, size_t len, uint64_t offset)
{
	preads++;
	return real.pread(fd, buf, len, offset);
}

/* Vets the table as z has it; frees z. */
static int vet(struct zfile *z)
{
	char sentence[200] = "";
	struct mf_why why = { sentence, sizeof(sentence) };
	struct mf_backing file;
	struct mf_frames f;
	struct mf_zpool pool;
	struct mf_zctx *ctx;
	struct scratch s;
	int r;

	zfile_table(z, true);
	s = scratch_of(z->bytes, z->len);
	file = (struct mf_backing){ .fd = s.fd, .size = z->len };
	ck_assert_int_eq(mf_seektable_read(&file, &f, &why), 0);
	ck_assert_int_eq(mf_zpool_init(&pool, f.max_in, f.max_out), 0);
	ck_assert_int_eq(mf_zpool_take(&pool, 0, &ctx), 0);
	real = mf_sys;
	mf_sys.pread = counting_pread;
	preads = 0;
	r = mf_zvet(&file, &f, ctx, &why);
	mf_sys = real;
	ck_assert_int_eq(r != 0, *sentence != '\0');
	mf_zpool_put(&pool, ctx);
	mf_zpool_destroy(&pool);
	mf_frames_free(&f);
	zfile_free(z);
	close(s.fd);
	return r;
}

static struct zfile equal_frames(size_t n, size_t size, bool said)
{
	struct zfile z = { 0 };

	zfile_text(text, sizeof(text));
	for (size_t i = 0; i < n; i++)
		zfile_frame(&z, text + i * size, size, said);
	return z;
}

TEST(of_equal_frames_only_the_first_and_the_last_are_looked_at)
{
	struct zfile z = equal_frames(200, 100, true);

	ck_assert_int_eq(vet(&z), 0);
	ck_assert_int_eq(preads, 2);
}

TEST(the_odd_one_is_looked_at)
{
	struct zfile z = equal_frames(200, 100, true);

	z.entry[70].out++;
	ck_assert_int_eq(vet(&z), -EBADMSG);
}

TEST(a_frame_that_really_is_odd_is_fine)
{
	struct zfile z = equal_frames(50, 100, true);

	zfile_frame(&z, text, 99, true);
	zfile_frame(&z, text, 0, true);
	zfile_skippable(&z, 5);
	for (int i = 0; i < 50; i++)
		zfile_frame(&z, text, 100, true);
	ck_assert_int_eq(vet(&z), 0);
}

TEST(frames_that_do_not_tell_their_size_are_unpacked)
{
	struct zfile z = equal_frames(20, 100, false);

	z.entry[7].out--;
	ck_assert_int_eq(vet(&z), -EBADMSG);
	z = equal_frames(20, 100, false);
	ck_assert_int_eq(vet(&z), 0);
}

TEST(all_sizes_wrong_alike_are_found)
{
	struct zfile z = equal_frames(20, 100, true);

	for (size_t i = 0; i < z.n; i++)
		z.entry[i].out++;
	ck_assert_int_eq(vet(&z), -EBADMSG);
}

TEST(one_or_no_frame_is_no_problem)
{
	struct zfile z = equal_frames(1, 100, true);

	ck_assert_int_eq(vet(&z), 0);
	z = equal_frames(0, 100, true);
	ck_assert_int_eq(vet(&z), 0);
	z = equal_frames(1, 100, true);
	z.entry[0].out = 101;
	ck_assert_int_eq(vet(&z), -EBADMSG);
}

/* Frames of records, each as long as its record. */
TEST(a_file_of_unequal_frames_is_not_read_whole)
{
	struct zfile z = { 0 };

	zfile_text(text, sizeof(text));
	for (size_t i = 0; i < 200; i++)
		zfile_frame(&z, text, 100 + i, false);
	ck_assert_int_eq(vet(&z), 0);
	/* a header each, and 64 unpacked */
	ck_assert_int_le(preads, 200 + 64);
}

TEST(of_very_many_unequal_frames_not_all_are_looked_at)
{
	struct zfile z = { 0 };

	zfile_text(text, sizeof(text));
	for (size_t i = 0; i < 1500; i++)
		zfile_frame(&z, text, 100 + i, true);
	ck_assert_int_eq(vet(&z), 0);
	ck_assert_int_eq(preads, 1024 + 1);
	for (size_t i = 0; i < 1500; i++)
		zfile_frame(&z, text, 100 + i, true);
	z.entry[1499].out++;
	ck_assert_int_eq(vet(&z), -EBADMSG);
}
