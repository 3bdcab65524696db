/* SPDX-License-Identifier: MIT */
/*
 * sideindex.h - a table of frames kept beside a zstd file that has none.
 *
 * FILE.zst.idx, described in mfill-index(5); all numbers low byte first:
 *
 *    0   8 bytes  "MFILLIDX"
 *    8   4 bytes  version: 1
 *   12   4 bytes  number of entries n
 *   16   8 bytes  size of the zstd file
 *   24   8 bytes  its time of last change, in ns since 1970
 *   32   8 bytes  XXH64 of its first 64 KiB (of all of it when shorter)
 *   40   8 bytes  XXH64 of its last 64 KiB (of all of it when shorter)
 *   48  12*n      entries with checksums, see mf_frames_parse()
 *        8 bytes  XXH64 of all before
 *
 * Promise: an index of another file, or of this file before it changed, is
 * refused or does no harm: each frame is checked when it is read.
 * Context: not in a signal handler.
 */
#ifndef MF_SOURCES_ZSTD_SIDEINDEX_H
#define MF_SOURCES_ZSTD_SIDEINDEX_H

#include "sources/backing.h"
#include "sources/zstd/frames.h"

#define MF_SIDEINDEX_SUFFIX ".idx"
#define MF_SIDEINDEX_MAGIC  "MFILLIDX"
#define MF_SIDEINDEX_HEADER 48U
#define MF_SIDEINDEX_ENTRY  12U
#define MF_SIDEINDEX_FOOTER 8U

/* What tells one file from another. */
struct mf_identity {
	uint64_t size;
	int64_t mtime_ns;
	uint64_t head;
	uint64_t tail;
};

int mf_identity_read(const struct mf_backing *file, struct mf_identity *ret);

/* Bytes of an index with n entries. */
static inline uint64_t mf_sideindex_size(uint64_t n)
{
	return MF_SIDEINDEX_HEADER + n * MF_SIDEINDEX_ENTRY +
	       MF_SIDEINDEX_FOOTER;
}

/* Put header and footer around n entries that are at bytes + HEADER. */
void mf_sideindex_seal(uint8_t *bytes, uint32_t n,
		       const struct mf_identity *identity);

/* -EBADMSG or -EFBIG with a sentence that lacks the name; -ENOMEM */
int mf_sideindex_parse(const uint8_t *bytes, size_t len,
		       struct mf_identity *ret_identity,
		       struct mf_frames *ret_frames, struct mf_why *why);

/*
 * Load the index of the file at path. Sentences are whole, with the names.
 *
 * -ENOENT  there is none
 * -ESTALE  it was made for other contents
 * -EBADMSG it is corrupt
 * or what reading returned
 */
int mf_sideindex_load(const char *path, const struct mf_backing *file,
		      struct mf_frames *ret, struct mf_why *why);

#endif
