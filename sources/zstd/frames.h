/* SPDX-License-Identifier: MIT */
/*
 * frames.h - which frames a zstd file consists of, and where they are.
 *
 * Promise: what a table says is believed only if it adds up: the compressed
 * sizes to the whole file, and no frame larger than can be served.
 * Context: find: any. The rest: not in a signal handler.
 */
#ifndef MF_SOURCES_ZSTD_FRAMES_H
#define MF_SOURCES_ZSTD_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sources/driver.h"

/*
 * The most a frame may decompress to: one read of one byte costs so much
 * memory and time. What it may be compressed to leaves room for frames of
 * data that cannot be compressed, and for skippable frames between.
 */
#define MF_FRAME_MAX	(64U << 20)
#define MF_FRAME_MAX_IN (MF_FRAME_MAX + (1U << 20))

/* The format's own limit on entries in a table. */
#define MF_FRAMES_MAX 0x8000000U

struct mf_frame {
	uint64_t start; /* in the decompressed bytes */
	uint64_t at;	/* in the file */
};

struct mf_frames {
	size_t n;
	struct mf_frame *frame; /* n + 1 of them; the last is the end */
	uint32_t *checksum;	/* n, low half of XXH64; NULL: none known */
	size_t max_in;		/* the largest frame that holds bytes … */
	size_t max_out;		/* … and what the largest one gives */
	bool sealed;		/* a checksum says that this is right */
};

/*
 * Take n entries as the seekable format has them: compressed size,
 * decompressed size and, if checksums, the checksum; each 4 bytes, low byte
 * first. Together they are data_size bytes of the file.
 *
 * -EBADMSG or, for a frame too large, -EFBIG with a sentence; -ENOMEM.
 */
int mf_frames_parse(const uint8_t *entries, size_t n, bool checksums,
		    uint64_t data_size, struct mf_frames *ret,
		    struct mf_why *why);

void mf_frames_free(struct mf_frames *frames);

/* The frame that holds the byte at offset, which is below the size. */
size_t mf_frames_find(const struct mf_frames *frames, uint64_t offset);

static inline uint64_t mf_frames_size(const struct mf_frames *frames)
{
	return frames->frame[frames->n].start;
}

/* What frame i takes in the file, and what comes out of it. */
static inline size_t mf_frame_in(const struct mf_frames *frames, size_t i)
{
	return (size_t)(frames->frame[i + 1].at - frames->frame[i].at);
}

static inline size_t mf_frame_out(const struct mf_frames *frames, size_t i)
{
	return (size_t)(frames->frame[i + 1].start - frames->frame[i].start);
}

/*
 * Bytes that are best read at once: the size of a frame when all are alike
 * and made of whole pages, else about an average frame, in whole pages.
 */
size_t mf_frames_preferred(const struct mf_frames *frames, size_t page_size);

/* Low byte first, as everything in these files is. */
static inline uint32_t mf_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static inline uint64_t mf_le64(const uint8_t *p)
{
	return (uint64_t)mf_le32(p + 4) << 32 | mf_le32(p);
}

static inline void mf_put_le32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static inline void mf_put_le64(uint8_t *p, uint64_t v)
{
	mf_put_le32(p, (uint32_t)v);
	mf_put_le32(p + 4, (uint32_t)(v >> 32));
}

#endif
