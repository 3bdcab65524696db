/* SPDX-License-Identifier: MIT */
/*
 * zfile.h - zstd files for tests, right ones and wrong ones.
 *
 * Frames are put one behind the other; each is noted in a list of entries,
 * which a test may falsify before it is written as a seek table.
 *
 * Context: a TEST() body.
 */
#ifndef MF_TESTS_ZFILE_H
#define MF_TESTS_ZFILE_H

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "unit/sources/scratch.h"
#include "sources/zstd/frames.h"
#include "sources/zstd/hash.h"
#include "sources/zstd/seektable.h"

#define ZFILE_ENTRIES 2048

struct zfile {
	uint8_t *bytes;
	size_t len;
	size_t n;
	struct {
		uint32_t in, out, checksum;
	} entry[ZFILE_ENTRIES];
};

static inline void zfile_append(struct zfile *z, const void *bytes, size_t len)
{
	z->bytes = realloc(z->bytes, z->len + len + 1);
	ck_assert_ptr_nonnull(z->bytes);
	memcpy(z->bytes + z->len, bytes, len);
	z->len += len;
}

static inline void zfile_free(struct zfile *z)
{
	free(z->bytes);
	*z = (struct zfile){ 0 };
}

/* said: tell the content's size in the frame's header. */
static inline void zfile_frame(struct zfile *z, const void *data, size_t len,
			       bool said)
{
	size_t room = ZSTD_compressBound(len);
	ZSTD_CCtx *cctx = ZSTD_createCCtx();
	uint8_t *out = malloc(room);
	size_t n;

	ck_assert(cctx && out && z->n < ZFILE_ENTRIES);
	ZSTD_CCtx_setParameter(cctx, ZSTD_c_contentSizeFlag, said);
	n = ZSTD_compress2(cctx, out, room, data, len);
	ck_assert_uint_eq(ZSTD_isError(n), 0);
	zfile_append(z, out, n);
	z->entry[z->n].in = (uint32_t)n;
	z->entry[z->n].out = (uint32_t)len;
	z->entry[z->n].checksum = (uint32_t)mf_hash64(data, len);
	z->n++;
	ZSTD_freeCCtx(cctx);
	free(out);
}

/* A frame without content, as pzstd and others put between. */
static inline void zfile_skippable(struct zfile *z, uint32_t len)
{
	uint8_t *frame = calloc(1, len + 8U);

	ck_assert_ptr_nonnull(frame);
	mf_put_le32(frame, 0x184D2A50U);
	mf_put_le32(frame + 4, len);
	memset(frame + 8, 0xa5, len);
	zfile_append(z, frame, len + 8U);
	z->entry[z->n].in = len + 8U;
	z->entry[z->n].out = 0;
	z->n++;
	free(frame);
}

static inline void zfile_table(struct zfile *z, bool checksums)
{
	size_t entry_size = checksums ? 12 : 8;
	uint8_t table[8 + 12 * ZFILE_ENTRIES + 9];
	size_t len = 8 + z->n * entry_size + 9;
	uint8_t *end = table + len - 9;

	mf_put_le32(table, MF_SEEKTABLE_MAGIC);
	mf_put_le32(table + 4, (uint32_t)len - 8);
	for (size_t i = 0; i < z->n; i++) {
		uint8_t *entry = table + 8 + i * entry_size;

		mf_put_le32(entry, z->entry[i].in);
		mf_put_le32(entry + 4, z->entry[i].out);
		if (checksums)
			mf_put_le32(entry + 8, z->entry[i].checksum);
	}
	mf_put_le32(end, (uint32_t)z->n);
	end[4] = checksums ? 0x80 : 0;
	mf_put_le32(end + 5, MF_SEEKTABLE_END_MAGIC);
	zfile_append(z, table, len);
}

/* Text that compresses, and tells where it comes from. */
static inline void zfile_text(char *data, size_t len)
{
	for (size_t i = 0; i < len; i += 16) {
		char line[32];

		snprintf(line, sizeof(line), "line %10zu\n", i);
		memcpy(data + i, line, len - i < 16 ? len - i : 16);
	}
}

/* data as frames of frame_size, with a table. */
static inline struct zfile zfile_of(const char *data, size_t len,
				    size_t frame_size, bool checksums)
{
	struct zfile z = { 0 };

	for (size_t at = 0; at < len; at += frame_size)
		zfile_frame(&z, data + at,
			    len - at < frame_size ? len - at : frame_size,
			    true);
	zfile_table(&z, checksums);
	return z;
}

#endif
