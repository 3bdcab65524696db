/* SPDX-License-Identifier: MIT */
/*
 * test-sideindex.c - an index is of this file as it is, or refused.
 */
#include "sources/zstd/sideindex.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "sources/zstd/entries.h"
#include "unit/sources/zfile.h"

#define FRAMES	   5
#define FRAME_SIZE 40000

static char text[FRAMES * FRAME_SIZE];
static char dir[] = "/tmp/mfill-test-XXXXXX";
static char path[64], index_path[64];
static struct zfile zfile;

static void write_file(const char *name, const void *bytes, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static struct mf_backing open_file(void)
{
	struct mf_backing file;

	ck_assert_int_eq(mf_backing_open(path, &file, &(struct mf_why){ 0 }),
			 0);
	return file;
}

/* What mfill index does. */
static struct mf_entries index_of(const struct mf_backing *file)
{
	struct mf_entries entries;
	struct mf_identity identity;

	ck_assert_int_eq(mf_entries_init(&entries, MF_SIDEINDEX_HEADER, true),
			 0);
	for (size_t i = 0; i < zfile.n; i++)
		ck_assert_int_eq(mf_entries_add(&entries, zfile.entry[i].in,
						zfile.entry[i].out,
						zfile.entry[i].checksum),
				 0);
	ck_assert_int_eq(mf_identity_read(file, &identity), 0);
	mf_sideindex_seal(entries.bytes, (uint32_t)entries.n, &identity);
	return entries;
}

/* Too large for the head and the tail to be all of it. */
static void begin(void)
{
	struct mf_random random = { 1 };
	struct mf_backing file;
	struct mf_entries entries;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file.zst", dir);
	snprintf(index_path, sizeof(index_path), "%s/file.zst.idx", dir);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)mf_random_next(&random);
	for (size_t i = 0; i < FRAMES; i++)
		zfile_frame(&zfile, text + i * FRAME_SIZE, FRAME_SIZE, false);
	write_file(path, zfile.bytes, zfile.len);
	file = open_file();
	entries = index_of(&file);
	write_file(index_path, entries.bytes,
		   (size_t)mf_sideindex_size(entries.n));
	mf_entries_free(&entries);
	close(file.fd);
}

static void end(void)
{
	unlink(path);
	unlink(index_path);
	rmdir(dir);
	zfile_free(&zfile);
}

static void loads(int result, const char *words)
{
	char sentence[300] = "";
	struct mf_why why = { sentence, sizeof(sentence) };
	struct mf_backing file = open_file();
	struct mf_frames f;
	int r = mf_sideindex_load(path, &file, &f, &why);

	ck_assert_msg(r == result, "%d: %s", r, sentence);
	ck_assert_msg(strstr(sentence, words) != NULL, "%s", sentence);
	if (r == 0) {
		ck_assert(f.sealed);
		ck_assert_uint_eq(mf_frames_size(&f), sizeof(text));
		mf_frames_free(&f);
	}
	close(file.fd);
}

TEST(an_index_that_was_written_is_read)
{
	begin();
	loads(0, "");
	end();
}

TEST(without_an_index_there_is_none)
{
	begin();
	unlink(index_path);
	loads(-ENOENT, "");
	end();
}

TEST(another_size_of_the_file_is_noticed)
{
	begin();
	ck_assert_int_eq(truncate(path, (off_t)zfile.len - 1), 0);
	loads(-ESTALE, "make it anew");
	end();
}

static void change_byte(size_t at)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	struct stat st;
	struct timespec times[2];

	ck_assert_int_eq(fstat(fd, &st), 0);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	ck_assert_int_eq(pwrite(fd, "\xff", 1, (off_t)at), 1);
	ck_assert_int_eq(futimens(fd, times), 0);
	close(fd);
}

TEST(another_beginning_is_noticed)
{
	begin();
	change_byte(10);
	loads(-ESTALE, "mfill index --force");
	end();
}

TEST(another_end_is_noticed)
{
	begin();
	change_byte(zfile.len - 10);
	loads(-ESTALE, "file.zst changed");
	end();
}

TEST(another_time_alone_is_fine)
{
	static const struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

	begin();
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	loads(0, "");
	end();
}

TEST(another_time_and_no_frame_where_one_was_is_noticed)
{
	static const struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

	begin();
	change_byte(zfile.entry[0].in + zfile.entry[1].in);
	loads(0, "");
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	loads(-ESTALE, "");
	end();
}

TEST(no_bit_of_an_index_can_change_unseen)
{
	struct mf_backing file;
	struct mf_entries entries;
	struct mf_identity id;
	struct mf_frames f;
	char sentence[100];
	struct mf_why why = { sentence, sizeof(sentence) };
	size_t len;

	begin();
	file = open_file();
	entries = index_of(&file);
	len = (size_t)mf_sideindex_size(entries.n);
	ck_assert_int_eq(mf_sideindex_parse(entries.bytes, len, &id, &f, &why),
			 0);
	mf_frames_free(&f);
	for (size_t bit = 0; bit < len * 8; bit++) {
		entries.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
		*sentence = '\0';
		ck_assert_int_eq(
			mf_sideindex_parse(entries.bytes, len, &id, &f, &why),
			-EBADMSG);
		ck_assert_str_ne(sentence, "");
		entries.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	for (size_t n = 0; n < len; n++)
		ck_assert_int_eq(
			mf_sideindex_parse(entries.bytes, n, &id, &f, &why),
			-EBADMSG);
	mf_entries_free(&entries);
	close(file.fd);
	end();
}

TEST(an_index_of_a_later_version_is_refused_by_name)
{
	uint8_t bytes[56] = "MFILLIDX";
	char sentence[100] = "";
	struct mf_why why = { sentence, sizeof(sentence) };
	struct mf_identity id = { 0 };
	struct mf_frames f;

	mf_sideindex_seal(bytes, 0, &id);
	ck_assert_int_eq(mf_sideindex_parse(bytes, 56, &id, &f, &why), 0);
	mf_frames_free(&f);
	bytes[8] = 2;
	ck_assert_int_eq(mf_sideindex_parse(bytes, 56, &id, &f, &why),
			 -EBADMSG);
	ck_assert_ptr_nonnull(strstr(sentence, "version 2"));
}

static int load_and_free(void)
{
	struct mf_why why = { NULL, 0 };
	struct mf_backing file;
	struct mf_frames f;
	int r = mf_backing_open(path, &file, &why);

	if (r < 0)
		return r;
	r = mf_sideindex_load(path, &file, &f, &why);
	if (r == 0)
		mf_frames_free(&f);
	(void)mf_sys.close(file.fd);
	return r;
}

TEST_WITHIN(loading_survives_any_failure, 60)
{
	begin();
	ck_assert_uint_gt(FAULTS(ENOMEM, load_and_free), 10);
	FAULTS(EIO, load_and_free);
	end();
}
