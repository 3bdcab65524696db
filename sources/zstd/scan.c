/* SPDX-License-Identifier: MIT */
/*
 * scan.c - where a frame ends, told without decompressing it.
 *
 * RFC 8878, sections 3.1.1 and 3.1.2. libzstd has this too, but wants the
 * whole frame in memory for it.
 *
 * Context: not in a signal handler.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include "sources/zstd/scan.h"

#include <errno.h>
#include <zstd.h>

#include "base/sys.h"
#include "sources/zstd/frames.h"

#define BLOCK_HEADER 3U
#define CHECKSUM     4U
enum block_type { BLOCK_RAW, BLOCK_RLE, BLOCK_COMPRESSED, BLOCK_RESERVED };

static bool is_skippable(uint32_t magic)
{
	return (magic & ZSTD_MAGIC_SKIPPABLE_MASK) ==
	       ZSTD_MAGIC_SKIPPABLE_START;
}

bool mf_zscan_is_start(uint32_t magic)
{
	return magic == ZSTD_MAGICNUMBER || is_skippable(magic);
}

static int cut_off(uint64_t at, struct mf_why *why)
{
	mf_why(why, "cut off: the frame at byte %llu has no end",
	       (unsigned long long)at);
	return -EBADMSG;
}

/* Add up the blocks from *end on, and move *end behind the last one. */
static int pass_blocks(const struct mf_backing *file, uint64_t at,
		       uint64_t max_blocks, uint64_t *end, struct mf_why *why)
{
	uint32_t block = 0;

	for (uint64_t n = 0; !(block & 1); n++) {
		uint8_t bytes[BLOCK_HEADER + 1] = { 0 };
		uint32_t type;
		int r;

		if (n == max_blocks)
			return -EFBIG;
		if (*end + BLOCK_HEADER > file->size)
			return cut_off(at, why);
		r = mf_pread_full(file->fd, bytes, BLOCK_HEADER, *end);
		if (r < 0)
			return r;
		block = mf_le32(bytes);
		type = block >> 1 & 3;
		if (type == BLOCK_RESERVED) {
			mf_why(why, "corrupt: no block at byte %llu",
			       (unsigned long long)*end);
			return -EBADMSG;
		}
		*end += BLOCK_HEADER + (type == BLOCK_RLE ? 1 : block >> 3);
	}
	return 0;
}

static int scan_data(const struct mf_backing *file, uint64_t at,
		     const uint8_t *bytes, size_t n, uint64_t max_blocks,
		     uint64_t *ret_end, struct mf_why *why)
{
	ZSTD_frameHeader header;
	size_t missing = ZSTD_getFrameHeader(&header, bytes, n);
	uint64_t end;
	int r;

	if (ZSTD_isError(missing)) {
		mf_why(why, "corrupt: the header of the frame at byte %llu: %s",
		       (unsigned long long)at, ZSTD_getErrorName(missing));
		return -EBADMSG;
	}
	if (missing > 0)
		return cut_off(at, why);
	end = at + header.headerSize;
	r = pass_blocks(file, at, max_blocks, &end, why);
	if (r < 0)
		return r;
	*ret_end = end + (header.checksumFlag ? CHECKSUM : 0);
	return 0;
}

int mf_zscan_frame(const struct mf_backing *file, uint64_t at,
		   uint64_t max_blocks, struct mf_zscan *ret,
		   struct mf_why *why)
{
	uint8_t bytes[ZSTD_FRAMEHEADERSIZE_MAX] = { 0 };
	uint64_t left = file->size - at;
	size_t n = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
	bool skippable;
	uint64_t end;
	int r = mf_pread_full(file->fd, bytes, n, at);

	if (r < 0)
		return r;
	if (n < 4 || !mf_zscan_is_start(mf_le32(bytes))) {
		mf_why(why, "no zstd frame at byte %llu",
		       (unsigned long long)at);
		return -EBADMSG;
	}
	skippable = is_skippable(mf_le32(bytes));
	end = at + 8 + mf_le32(bytes + 4);
	if (!skippable)
		r = scan_data(file, at, bytes, n, max_blocks, &end, why);
	if (r < 0)
		return r;
	if (end > file->size || n < 8)
		return cut_off(at, why);
	*ret = (struct mf_zscan){ .size = end - at, .skippable = skippable };
	return 0;
}
