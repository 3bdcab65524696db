/* SPDX-License-Identifier: MIT */
/*
 * scan.h - where a frame ends, told without decompressing it.
 *
 * Promise: only headers are read: 18 bytes of the frame, 3 of each block.
 * Context: not in a signal handler.
 */
#ifndef MF_SOURCES_ZSTD_SCAN_H
#define MF_SOURCES_ZSTD_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "sources/backing.h"

struct mf_zscan {
	uint64_t size;	/* bytes it takes in the file */
	bool skippable; /* holds no bytes of the content */
};

/*
 * Look at the frame that begins at byte `at` of the file.
 *
 * -EBADMSG  with a sentence: no zstd frame, or cut off, or corrupt
 * -EFBIG    it goes on for more than max_blocks blocks: no sentence
 * or what reading the file returned
 */
int mf_zscan_frame(const struct mf_backing *file, uint64_t at,
		   uint64_t max_blocks, struct mf_zscan *ret,
		   struct mf_why *why);

/* The four bytes that a frame of either kind starts with. */
bool mf_zscan_is_start(uint32_t magic);

#endif
