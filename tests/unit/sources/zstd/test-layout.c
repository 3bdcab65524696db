/* SPDX-License-Identifier: MIT */
/*
 * test-layout.c - a file that cannot be served is refused with what helps.
 */
#include "sources/zstd/layout.h"

#include <errno.h>

#include "base/sys.h"
#include "unit/sources/zfile.h"

static struct scratch s;

static int layout(const char *name, char *sentence, size_t size)
{
	struct mf_why why = { sentence, size };
	struct mf_backing file;
	struct mf_frames f;
	int r = mf_backing_open(s.path, &file, &why);

	if (r < 0)
		return r;
	r = mf_zlayout_read(name, &file, &f, &why);
	if (r == 0)
		mf_frames_free(&f);
	(void)mf_sys.close(file.fd);
	return r;
}

static void refuses(struct zfile *z, int error, const char *words)
{
	char sentence[500] = "";
	int r;

	s = scratch_of(z->bytes, z->len);
	r = layout("/nowhere/da ta.zst", sentence, sizeof(sentence));
	ck_assert_msg(r == error, "%d: %s", r, sentence);
	ck_assert_msg(strstr(sentence, words) != NULL, "%s", sentence);
	zfile_free(z);
	close(s.fd);
}

TEST(one_frame_is_to_be_repacked)
{
	struct zfile z = { 0 };

	zfile_frame(&z, "abc", 3, true);
	zfile_skippable(&z, 3);
	refuses(&z, -EBADMSG,
		"zstd -dc '/nowhere/da ta.zst' | mfill pack - "
		"'/nowhere/da ta.seekable.zst'");
}

/* Its end is not looked for to the end. */
TEST(one_frame_without_end_is_to_be_repacked)
{
	struct zfile z = { 0 };
	static const uint8_t raw_block_of_1[4] = { 1 << 3, 0, 0, 'x' };

	zfile_frame(&z, "abc", 3, false);
	z.len -= 3 + 3;
	for (int i = 0; i < 5000; i++)
		zfile_append(&z, raw_block_of_1, 4);
	refuses(&z, -EBADMSG, "repack it");
}

TEST(many_frames_are_to_be_indexed)
{
	struct zfile z = { 0 };

	zfile_skippable(&z, 3);
	zfile_frame(&z, "abc", 3, true);
	zfile_frame(&z, "abc", 3, true);
	refuses(&z, -EBADMSG, "mfill index '/nowhere/da ta.zst'");
}

TEST(a_frame_too_large_is_to_be_repacked)
{
	struct zfile z = { 0 };

	zfile_frame(&z, "abc", 3, true);
	z.entry[0].out = UINT32_MAX;
	zfile_table(&z, true);
	refuses(&z, -EFBIG, "larger than 64 MiB (4294967295 bytes made of");
}

TEST(something_else_is_said_to_be)
{
	struct zfile z = { 0 };

	zfile_append(&z, "ab", 2);
	refuses(&z, -EBADMSG, "61 62 00 00");
	refuses(&z, -EBADMSG, "is empty");
	zfile_append(&z, "\x28\xb5\x2f\xfd\x20", 5);
	refuses(&z, -EBADMSG, "cut off");
}

TEST(a_table_before_something_else_is_no_help)
{
	struct zfile z = { 0 };

	zfile_append(&z, "not zstd", 8);
	z.entry[0].in = 8;
	z.entry[0].out = 100;
	z.n = 1;
	zfile_table(&z, true);
	refuses(&z, -EBADMSG, "no zstd file");
}

static int try_two_frames(void)
{
	char sentence[100] = "";
	int r = layout(s.path, sentence, sizeof(sentence));

	/* Refused it must be; the sentence is what can fail. */
	if (r == 0 || !*sentence)
		return 1;
	return 0;
}

TEST_WITHIN(explaining_survives_any_failure, 60)
{
	struct zfile z = { 0 };

	zfile_frame(&z, "abc", 3, true);
	zfile_frame(&z, "abc", 3, true);
	s = scratch_of(z.bytes, z.len);
	FAULTS(EIO, try_two_frames);
	FAULTS(ENOMEM, try_two_frames);
	zfile_free(&z);
	close(s.fd);
}
