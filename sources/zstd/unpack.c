/* SPDX-License-Identifier: MIT */
/*
 * unpack.c - one frame, from the file to its bytes.
 *
 * Context: any, signal handlers included.
 */
#include "sources/zstd/unpack.h"

#include <errno.h>
#include <zstd.h>

#include "base/sys.h"
#include "sources/zstd/hash.h"

/*
 * The compressed bytes are read, not mapped: a mapped file that becomes
 * shorter raises SIGBUS, and here we may be in a signal handler already.
 */
int mf_zunpack(int fd, const struct mf_frames *frames, size_t i,
	       struct mf_zctx *ctx, void *to)
{
	size_t in = mf_frame_in(frames, i);
	size_t out = mf_frame_out(frames, i);
	int r = mf_pread_full(fd, ctx->in, in, frames->frame[i].at);

	if (r < 0)
		return r;
	/* An error is a number larger than any frame. */
	if (ZSTD_decompressDCtx(ctx->zstd, to, out, ctx->in, in) != out)
		return -EIO;
	if (frames->checksum &&
	    frames->checksum[i] != (uint32_t)mf_hash64(to, out))
		return -EIO;
	return 0;
}
