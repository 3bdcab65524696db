/* SPDX-License-Identifier: MIT */
/*
 * indexer.h - find the frames of a zstd file and note them in an index.
 *
 * Promise: each frame is unpacked once, so its size and checksum are known
 * and not merely told.
 */
#ifndef MF_CLI_INDEXER_H
#define MF_CLI_INDEXER_H

#include <stdint.h>

#include "cli/progress.h"
#include "sources/backing.h"
#include "sources/zstd/entries.h"

struct mf_indexing {
	const char *path;
	struct mf_backing file;
	struct mf_entries entries;
	struct mf_progress progress;
	uint64_t frames; /* that hold bytes */
	uint64_t bytes;	 /* in them */
};

/* Fills entries, from indexing->file. Says what went wrong; -errno. */
int mf_index_frames(struct mf_indexing *indexing);

#endif
