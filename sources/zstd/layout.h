/* SPDX-License-Identifier: MIT */
/*
 * layout.h - find out where the frames of a zstd file are.
 *
 * Promise: a file whose frames cannot be reached one by one is refused with
 * the command that helps.
 * Context: not in a signal handler.
 */
#ifndef MF_SOURCES_ZSTD_LAYOUT_H
#define MF_SOURCES_ZSTD_LAYOUT_H

#include "sources/backing.h"
#include "sources/zstd/frames.h"

/*
 * By the table in the file, or else by the index beside it.
 *
 * -EBADMSG  no zstd file, no table, or a wrong one
 * -EFBIG    a frame is larger than can be served
 * -ESTALE   the index was made for other contents
 * or what reading returned, each with a sentence.
 */
int mf_zlayout_read(const char *path, const struct mf_backing *file,
		    struct mf_frames *ret, struct mf_why *why);

/* The command that makes a file with a table out of this one. */
void mf_zlayout_repack(const char *path, const char *reason,
		       struct mf_why *why);

#endif
