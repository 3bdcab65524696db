/* SPDX-License-Identifier: MIT */
/*
 * pool.h - what a thread needs to decompress a frame, made ahead.
 *
 * Promise: two threads never have the same context; taking one waits for
 * nobody, allocates from nobody's heap, and maps memory only when all that
 * there are are in use.
 * Context: take and put: any, signal handlers included. init and destroy:
 * not there.
 */
#ifndef MF_SOURCES_ZSTD_POOL_H
#define MF_SOURCES_ZSTD_POOL_H

#include <stddef.h>
#include <stdint.h>

#define MF_ZPOOL_SLOTS 32

/* No frame has this number. */
#define MF_NO_FRAME SIZE_MAX

/* One thread's, from take to put. */
struct mf_zctx {
	size_t mapped;
	struct ZSTD_DCtx_s *zstd;
	uint8_t *in;   /* room for the largest compressed frame */
	uint8_t *out;  /* room for the largest frame … */
	size_t cached; /* … and the number of the one that is there */
};

struct mf_zpool {
	size_t in_size;
	size_t out_size;
	struct mf_zslot {
		struct mf_zctx *ctx; /* NULL: in use, or none yet */
		size_t cached;	     /* ctx->cached, to choose by: a hint */
	} slot[MF_ZPOOL_SLOTS];	     /* shared */
};

/* Maps the first context, so that the first fault need not. */
int mf_zpool_init(struct mf_zpool *pool, size_t in_size, size_t out_size);
void mf_zpool_destroy(struct mf_zpool *pool);

/* Prefers a context whose cached frame is this one. */
int mf_zpool_take(struct mf_zpool *pool, size_t frame, struct mf_zctx **ret);
void mf_zpool_put(struct mf_zpool *pool, struct mf_zctx *ctx);

#endif
