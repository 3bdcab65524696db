/* SPDX-License-Identifier: MIT */
/*
 * layout.c - find out where the frames of a zstd file are.
 *
 * Context: not in a signal handler.
 */
#include "sources/zstd/layout.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "sources/quote.h"
#include "sources/zstd/scan.h"
#include "sources/zstd/seektable.h"
#include "sources/zstd/sideindex.h"

/*
 * How far to look for the end of a frame, only to tell why a file is refused.
 * A frame of so many full blocks would be too large to serve anyway.
 */
#define MAX_BLOCKS 4096

void mf_zlayout_repack(const char *path, const char *reason, struct mf_why *why)
{
	char out[PATH_MAX + 16];
	size_t len = strlen(path);
	struct mf_quoted quoted_in;
	struct mf_quoted quoted_out;

	if (len > 4 && !strcmp(path + len - 4, ".zst"))
		len -= 4;
	(void)snprintf(out, sizeof(out), "%.*s.seekable.zst", (int)len, path);
	mf_why(why, "%s: %s; repack it: zstd -dc %s | mfill pack - %s", path,
	       reason, mf_quote(path, &quoted_in), mf_quote(out, &quoted_out));
}

static int not_zstd(const char *path, const struct mf_backing *file,
		    struct mf_why *why)
{
	uint8_t bytes[4] = { 0 };
	size_t n = file->size < 4 ? (size_t)file->size : 4;

	(void)mf_pread_full(file->fd, bytes, n, 0);
	mf_why(why,
	       "%s: no zstd file: it starts with the bytes "
	       "%02x %02x %02x %02x, not 28 b5 2f fd",
	       path, bytes[0], bytes[1], bytes[2], bytes[3]);
	return -EBADMSG;
}

/* There is no table: one frame, or several, or something else? */
static int explain(const char *path, const struct mf_backing *file,
		   struct mf_why *why)
{
	char text[128] = "";
	struct mf_why inner = { text, sizeof(text) };
	struct mf_quoted quoted;
	struct mf_zscan frame;
	int n = 0;

	for (uint64_t at = 0; at < file->size && n < 2; at += frame.size) {
		int r = mf_zscan_frame(file, at, MAX_BLOCKS, &frame, &inner);

		if (r == -EFBIG)
			break;
		if (r == -EBADMSG && at == 0 && !strncmp(text, "no ", 3))
			return not_zstd(path, file, why);
		if (r < 0) {
			mf_why(why, "%s: %s", path,
			       *text ? text : strerrordesc_np(-r));
			return r;
		}
		n += !frame.skippable;
	}
	if (n >= 2)
		mf_why(why,
		       "%s: has several frames but no seek table; make "
		       "an index of them: mfill index %s",
		       path, mf_quote(path, &quoted));
	else
		mf_zlayout_repack(path,
				  "is one zstd frame, so that reading any of "
				  "it would unpack it all",
				  why);
	return -EBADMSG;
}

static int read_table(const char *path, const struct mf_backing *file,
		      struct mf_frames *ret, struct mf_why *why)
{
	char text[128] = "";
	struct mf_why inner = { text, sizeof(text) };
	int r = mf_seektable_read(file, ret, &inner);

	if (r == -EFBIG)
		mf_zlayout_repack(path, text, why);
	else if (r < 0)
		mf_why(why, "%s: %s", path, *text ? text : strerrordesc_np(-r));
	return r;
}

/* A table that leads elsewhere at once is no table of this file. */
static int check_first(const char *path, const struct mf_backing *file,
		       const struct mf_frames *frames, struct mf_why *why)
{
	uint8_t magic[4];
	uint64_t at = frames->frame[0].at;
	int r;

	if (frames->n == 0 || mf_frame_in(frames, 0) < sizeof(magic))
		return 0;
	r = mf_pread_full(file->fd, magic, sizeof(magic), at);
	if (r < 0) {
		mf_why(why, "%s: %s", path, strerrordesc_np(-r));
		return r;
	}
	if (mf_zscan_is_start(mf_le32(magic)))
		return 0;
	return not_zstd(path, file, why);
}

static int find_table(const char *path, const struct mf_backing *file,
		      struct mf_frames *ret, struct mf_why *why)
{
	int r = read_table(path, file, ret, why);
	int r_index;

	if (r != -ENODATA && r != -EBADMSG)
		return r;
	r_index = mf_sideindex_load(path, file, ret, why);
	if (r_index != -ENOENT)
		return r_index;
	if (r == -ENODATA)
		return explain(path, file, why);
	/* Say again what is wrong with the table in the file. */
	return read_table(path, file, ret, why);
}

int mf_zlayout_read(const char *path, const struct mf_backing *file,
		    struct mf_frames *ret, struct mf_why *why)
{
	struct mf_frames frames;
	int r;

	if (file->size == 0) {
		mf_why(why, "%s: is empty, so no zstd file", path);
		return -EBADMSG;
	}
	r = find_table(path, file, &frames, why);
	if (r < 0)
		return r;
	r = check_first(path, file, &frames, why);
	if (r < 0) {
		mf_frames_free(&frames);
		return r;
	}
	*ret = frames;
	return 0;
}
