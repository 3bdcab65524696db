/* SPDX-License-Identifier: MIT */
/*
 * unpack.h - one frame, from the file to its bytes.
 *
 * Promise: as many bytes as the table says, and of the checksum it says, or
 * -EIO.
 * Context: any, signal handlers included.
 */
#ifndef MF_SOURCES_ZSTD_UNPACK_H
#define MF_SOURCES_ZSTD_UNPACK_H

#include "sources/zstd/frames.h"
#include "sources/zstd/pool.h"

/* to has room for mf_frame_out(frames, i) bytes. */
int mf_zunpack(int fd, const struct mf_frames *frames, size_t i,
	       struct mf_zctx *ctx, void *to);

#endif
