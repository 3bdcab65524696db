/* SPDX-License-Identifier: MIT */
/*
 * vet.h - may the sizes in a table be believed?
 *
 * A wrong size of one frame moves the bytes of all frames behind it, and no
 * later frame can tell. A table of mfill's own carries a seal; others do not,
 * and to look at all frames when a file is opened would take too long. So of
 * those the odd ones are looked at: a number that was damaged stands out,
 * because nearly all frames of nearly all files have one size.
 *
 * Promise: one damaged size in the table of a file of equal frames is found.
 * What remains is a table that lies about many frames, or in a file of
 * unequal ones.
 * Context: not in a signal handler.
 */
#ifndef MF_SOURCES_ZSTD_VET_H
#define MF_SOURCES_ZSTD_VET_H

#include "sources/backing.h"
#include "sources/zstd/frames.h"
#include "sources/zstd/pool.h"

/* -EBADMSG with a sentence that lacks the name, or what reading returned */
int mf_zvet(const struct mf_backing *file, const struct mf_frames *frames,
	    struct mf_zctx *ctx, struct mf_why *why);

#endif
