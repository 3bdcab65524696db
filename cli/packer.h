/* SPDX-License-Identifier: MIT */
/*
 * packer.h - make a zstd file of many frames with a table of them.
 *
 * Promise: the file is the same whatever the number of threads. Memory is
 * bounded: some batches of 1 MiB or one frame each, whichever is more, and
 * 12 bytes per frame of the whole.
 */
#ifndef MF_CLI_PACKER_H
#define MF_CLI_PACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/output.h"
#include "cli/progress.h"

struct mf_packing {
	size_t frame_size;
	int level;
	unsigned threads;
	bool checksums;
	int in_fd;
	const char *in_name;
	struct mf_output *out;
	struct mf_progress *progress;
	/* results */
	uint64_t in_bytes;
	uint64_t out_bytes;
	uint64_t frames;
};

/* Says what went wrong; -errno. */
int mf_pack(struct mf_packing *packing);

#endif
