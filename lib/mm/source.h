/* SPDX-License-Identifier: MIT */
/*
 * source.h - where bytes come from, as the engine sees it.
 *
 * Promise: a source gives all of the bytes asked for, or an error; never made
 * up ones.
 * Context: get, read and the inline functions: wherever the source's flags
 * allow read(). put: not in a signal handler, because of close().
 */
#ifndef MF_MM_SOURCE_H
#define MF_MM_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mfill.h"

/* Most bytes filled at once: each thread that fills has memory for that. */
#define MF_FILL_MAX (UINT64_C(64) << 20)

struct mfill_source {
	uint32_t refs;
	uint64_t size;
	size_t preferred_fill; /* 0: no wish */
	struct mfill_source_ops ops;
	void *ctx;
};

struct mfill_source *mf_source_get(struct mfill_source *src);

static inline bool mf_source_is_inline(const struct mfill_source *src)
{
	return src->ops.flags & MFILL_SOURCE_INLINE;
}

/*
 * Bytes to fill at once: those asked for, or those the source likes best, in
 * whole pages. A source without a wish gets usual.
 */
uint64_t mf_source_fill_size(const struct mfill_source *src, uint64_t asked,
			     uint64_t usual);

/*
 * Read all of [offset, offset + len). Beyond the size is -EIO. A positive
 * result of the source's read() is a bug in it and counts as -EIO.
 */
int mf_source_read(struct mfill_source *src, void *buf, size_t len,
		   uint64_t offset);

#endif
