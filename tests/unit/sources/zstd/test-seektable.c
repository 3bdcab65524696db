/* SPDX-License-Identifier: MIT */
/*
 * test-seektable.c - the table at the end of a file, right ones and others.
 */
#include "sources/zstd/seektable.h"

#include <errno.h>

#include "unit/sources/zfile.h"

static char sentence[200];
static struct mf_why why = { sentence, sizeof(sentence) };

static int read_table(const struct zfile *z, struct mf_frames *ret)
{
	struct scratch s = scratch_of(z->bytes, z->len);
	struct mf_backing file = { .fd = s.fd, .size = z->len };
	int r;

	*sentence = '\0';
	r = mf_seektable_read(&file, ret, &why);
	close(s.fd);
	return r;
}

static void refuses(struct zfile *z, const char *words)
{
	struct mf_frames f;

	ck_assert_int_eq(read_table(z, &f), -EBADMSG);
	ck_assert_msg(strstr(sentence, words) != NULL, "%s", sentence);
	zfile_free(z);
}

static struct zfile two_frames(void)
{
	struct zfile z = { 0 };

	zfile_frame(&z, "hello", 5, true);
	zfile_frame(&z, "world!", 6, true);
	return z;
}

TEST(a_table_is_read_with_and_without_checksums)
{
	for (int checksums = 0; checksums <= 1; checksums++) {
		struct zfile z = two_frames();
		struct mf_frames f;

		zfile_table(&z, checksums);
		ck_assert_int_eq(read_table(&z, &f), 0);
		ck_assert_uint_eq(f.n, 2);
		ck_assert_uint_eq(mf_frames_size(&f), 11);
		ck_assert(!f.sealed);
		ck_assert_int_eq(f.checksum != NULL, checksums);
		mf_frames_free(&f);
		zfile_free(&z);
	}
}

TEST(a_file_without_a_table_is_no_error_of_a_table)
{
	struct zfile z = two_frames();
	struct mf_frames f;

	ck_assert_int_eq(read_table(&z, &f), -ENODATA);
	z.len = 5;
	ck_assert_int_eq(read_table(&z, &f), -ENODATA);
	ck_assert_str_eq(sentence, "");
	zfile_free(&z);
}

TEST(more_entries_than_fit_are_refused)
{
	static const uint32_t n[] = { 3,	 100,	     0x8000000,
				      0x8000001, 0x20000000, UINT32_MAX };

	for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++) {
		struct zfile z = two_frames();

		zfile_table(&z, false);
		mf_put_le32(z.bytes + z.len - 9, n[i]);
		refuses(&z, n[i] == 3 ? "does not begin where"
				      : "more than the file can hold");
	}
}

/* A file of holes costs nothing, but its table would. */
TEST(more_entries_than_the_format_allows_are_refused)
{
	uint8_t end[9] = { 1, 0, 0, 8, 0, 0xb1, 0xea, 0x92, 0x8f };
	struct scratch s = scratch_of("", 0);
	struct mf_backing file = { .fd = s.fd, .size = 2U << 30 };
	struct mf_frames f;

	ck_assert_int_eq(pwrite(s.fd, end, 9, (2LL << 30) - 9), 9);
	ck_assert_int_eq(mf_seektable_read(&file, &f, &why), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(sentence, "134217729 frames"));
	close(s.fd);
}

TEST(a_header_that_does_not_fit_the_footer_is_refused)
{
	struct zfile z = two_frames();
	size_t data = z.len;

	zfile_table(&z, false);
	z.bytes[data + 4]++;
	refuses(&z, "does not begin where");
	z = two_frames();
	zfile_table(&z, false);
	z.bytes[data] ^= 0x10;
	refuses(&z, "does not begin where");
}

TEST(flags_of_another_format_are_refused)
{
	for (int bit = 2; bit < 7; bit++) {
		struct zfile z = two_frames();

		zfile_table(&z, false);
		z.bytes[z.len - 5] |= (uint8_t)(1U << bit);
		refuses(&z, "flags");
	}
}

TEST(the_two_unused_flags_mean_nothing)
{
	struct zfile z = two_frames();
	struct mf_frames f;

	zfile_table(&z, false);
	z.bytes[z.len - 5] |= 3;
	ck_assert_int_eq(read_table(&z, &f), 0);
	mf_frames_free(&f);
	zfile_free(&z);
}

TEST(a_table_for_more_or_less_than_the_file_is_refused)
{
	struct zfile z = two_frames();

	z.entry[1].in++;
	zfile_table(&z, true);
	refuses(&z, "bytes");
	z = two_frames();
	zfile_append(&z, "gap", 3);
	zfile_table(&z, true);
	refuses(&z, "bytes");
}

/* As mfill pack makes it. */
static struct zfile sealed_file(bool checksums)
{
	struct zfile z = two_frames();
	struct mf_entries entries;
	uint8_t seal[MF_SEAL_SIZE];
	size_t len;

	ck_assert_int_eq(
		mf_entries_init(&entries, MF_SEEKTABLE_HEADER, checksums), 0);
	for (size_t i = 0; i < z.n; i++)
		ck_assert_int_eq(mf_entries_add(&entries, z.entry[i].in,
						z.entry[i].out,
						z.entry[i].checksum),
				 0);
	ck_assert_int_eq(mf_seektable_finish(&entries, seal, &len), 0);
	zfile_append(&z, seal, sizeof(seal));
	zfile_append(&z, entries.bytes, len);
	mf_entries_free(&entries);
	return z;
}

TEST(a_table_that_was_written_is_read_and_has_its_seal)
{
	for (int checksums = 0; checksums <= 1; checksums++) {
		struct zfile z = sealed_file(checksums);
		struct mf_frames f;

		ck_assert_int_eq(read_table(&z, &f), 0);
		ck_assert(f.sealed);
		ck_assert_uint_eq(f.n, 3);
		ck_assert_uint_eq(mf_frames_size(&f), 11);
		mf_frames_free(&f);
		zfile_free(&z);
	}
}

/* From the seal on; what is before is the frames'. */
TEST(no_bit_of_a_sealed_table_can_change_unseen)
{
	struct zfile z = sealed_file(true);
	size_t from = z.entry[0].in + z.entry[1].in;
	struct mf_frames f;

	for (size_t bit = from * 8; bit < z.len * 8; bit++) {
		int r;

		z.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
		r = read_table(&z, &f);
		/* A damaged seal is none; the table itself is right then. */
		if (r == 0) {
			ck_assert(!f.sealed);
			ck_assert_uint_lt(bit / 8, from + MF_SEAL_SIZE - 8);
			ck_assert_uint_eq(mf_frames_size(&f), 11);
			mf_frames_free(&f);
		}
		z.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	zfile_free(&z);
}
