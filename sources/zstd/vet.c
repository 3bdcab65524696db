/* SPDX-License-Identifier: MIT */
/*
 * vet.c - may the sizes in a table be believed?
 *
 * Context: not in a signal handler.
 */
#include "sources/zstd/vet.h"

#include <errno.h>
#include <zstd.h>

#include "base/sys.h"
#include "sources/zstd/unpack.h"

/* Frames to look at: by their header, or, where that is silent, inside. */
#define MAX_LOOKS   1024
#define MAX_UNPACKS 64

/* The size that more than half of the frames have, if there is one. */
static size_t usual_size(const struct mf_frames *frames)
{
	size_t usual = 0;
	size_t votes = 0;

	/* Boyer and Moore: unlike sizes take each other out. */
	for (size_t i = 0; i < frames->n; i++) {
		size_t out = mf_frame_out(frames, i);

		if (votes == 0)
			usual = out;
		if (out == usual)
			votes++;
		else
			votes--;
	}
	return usual;
}

/* What the frame's own header says; a number no frame has when it does not. */
static int said_size(const struct mf_backing *file,
		     const struct mf_frames *frames, size_t i,
		     unsigned long long *ret)
{
	uint8_t head[18]; /* the longest header there is */
	size_t in = mf_frame_in(frames, i);
	size_t n = in < sizeof(head) ? in : sizeof(head);
	int r = mf_pread_full(file->fd, head, n, frames->frame[i].at);

	if (r == 0)
		*ret = ZSTD_getFrameContentSize(head, n);
	return r;
}

static int vet_frame(const struct mf_backing *file,
		     const struct mf_frames *frames, size_t i,
		     struct mf_zctx *ctx, int *unpacks, struct mf_why *why)
{
	size_t out = mf_frame_out(frames, i);
	unsigned long long said = 0;
	int r;

	if (out == 0)
		return 0;
	r = said_size(file, frames, i, &said);
	if (r < 0 || said == out)
		return r;
	if (++*unpacks > MAX_UNPACKS)
		return 0;
	r = mf_zunpack(file->fd, frames, i, ctx, ctx->out);
	if (r == -EIO) {
		mf_why(why,
		       "frame %zu does not give the %zu bytes that its "
		       "seek table says, or is corrupt",
		       i, out);
		return -EBADMSG;
	}
	return r;
}

int mf_zvet(const struct mf_backing *file, const struct mf_frames *frames,
	    struct mf_zctx *ctx, struct mf_why *why)
{
	size_t usual = usual_size(frames);
	int looks = 0;
	int unpacks = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < frames->n; i++) {
		if (i > 0 && i < frames->n - 1 &&
		    mf_frame_out(frames, i) == usual)
			continue;
		/* The last one is nearly always odd, and has its turn. */
		if (++looks > MAX_LOOKS && i < frames->n - 1)
			i = frames->n - 1;
		r = vet_frame(file, frames, i, ctx, &unpacks, why);
	}
	return r;
}
