/* SPDX-License-Identifier: MIT */
/*
 * indexer.c - find the frames of a zstd file and note them in an index.
 */
#include "cli/indexer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/sys.h"
#include "cli/cmd.h"
#include "sources/zstd/hash.h"
#include "sources/zstd/layout.h"
#include "sources/zstd/scan.h"

/* What unpacking needs; malloc gives pages that cost nothing untouched. */
struct room {
	ZSTD_DCtx *zstd;
	uint8_t *in;
	uint8_t *out;
};

static int advise(const struct mf_indexing *x, const char *reason, int error)
{
	char text[1024];
	struct mf_why why = { text, sizeof(text) };

	mf_zlayout_repack(x->path, reason, &why);
	mf_say("%s", text);
	return error;
}

static int too_large(const struct mf_indexing *x)
{
	return advise(x, "has a frame larger than 64 MiB", -EFBIG);
}

static int unpack(const struct mf_indexing *x, const struct room *room,
		  uint64_t at, size_t in, size_t *ret_out)
{
	size_t out;
	int r = mf_pread_full(x->file.fd, room->in, in, at);

	if (r < 0) {
		mf_say("%s: cannot be read: %s", x->path, strerror(-r));
		return r;
	}
	out = ZSTD_decompressDCtx(room->zstd, room->out, MF_FRAME_MAX, room->in,
				  in);
	if (ZSTD_getErrorCode(out) == ZSTD_error_dstSize_tooSmall)
		return too_large(x);
	if (ZSTD_isError(out)) {
		mf_say("%s: corrupt: the frame at byte %llu: %s", x->path,
		       (unsigned long long)at, ZSTD_getErrorName(out));
		return -EBADMSG;
	}
	*ret_out = out;
	return 0;
}

static int index_frame(struct mf_indexing *x, const struct room *room,
		       uint64_t at, uint64_t in, bool skippable)
{
	uint32_t checksum = 0;
	size_t out = 0;
	int r;

	if (in > UINT32_MAX || (!skippable && in > MF_FRAME_MAX_IN))
		return too_large(x);
	if (!skippable) {
		r = unpack(x, room, at, (size_t)in, &out);
		if (r < 0)
			return r;
		checksum = (uint32_t)mf_hash64(room->out, out);
	}
	x->frames += !skippable;
	x->bytes += out;
	r = mf_entries_add(&x->entries, (uint32_t)in, (uint32_t)out, checksum);
	if (r < 0)
		mf_say("%s: its index: %s", x->path, strerror(-r));
	return r;
}

static int index_all(struct mf_indexing *x, const struct room *room)
{
	char text[256] = "";
	struct mf_why why = { text, sizeof(text) };
	struct mf_zscan frame;

	for (uint64_t at = 0; at < x->file.size; at += frame.size) {
		int r = mf_zscan_frame(&x->file, at, UINT64_MAX, &frame, &why);

		if (r < 0) {
			mf_say("%s: %s", x->path, *text ? text : strerror(-r));
			return r;
		}
		r = index_frame(x, room, at, frame.size, frame.skippable);
		if (r < 0)
			return r;
		mf_progress_show(&x->progress, at);
	}
	if (x->frames == 1)
		return advise(x, "is one zstd frame, which no index can divide",
			      -EBADMSG);
	return 0;
}

int mf_index_frames(struct mf_indexing *indexing)
{
	struct room room = {
		.zstd = ZSTD_createDCtx(),
		.in = malloc(MF_FRAME_MAX_IN),
		.out = malloc(MF_FRAME_MAX),
	};
	int r = -ENOMEM;

	if (room.zstd && room.in && room.out)
		r = index_all(indexing, &room);
	else
		mf_say("%s: %s", indexing->path, strerror(ENOMEM));
	ZSTD_freeDCtx(room.zstd);
	free(room.in);
	free(room.out);
	return r;
}
