/* SPDX-License-Identifier: MIT */
/*
 * pool.c - what a thread needs to decompress a frame, made ahead.
 *
 * A context is owned by whoever exchanged it out of its slot. There is no
 * lock, so a thread that is interrupted while it has one, and whose signal
 * handler needs one too, takes another.
 *
 * After fork() the child lacks the contexts that other threads had taken:
 * their memory stays mapped there until it execs, and it maps its own.
 *
 * Context: take and put: any, signal handlers included.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include "sources/zstd/pool.h"

#include <errno.h>
#include <sys/mman.h>
#include <zstd.h>

#include "base/sync.h"
#include "base/sys.h"

/* More than any vector instruction asks for. */
#define ALIGN 64U

static size_t align(size_t size)
{
	return (size + ALIGN - 1) / ALIGN * ALIGN;
}

/*
 * The context itself, zstd's state, and the two buffers in one mapping. What
 * of a buffer is never touched costs address space only. Not in core dumps.
 */
static int new_ctx(const struct mf_zpool *pool, struct mf_zctx **ret)
{
	size_t head = align(sizeof(struct mf_zctx));
	size_t state = align(ZSTD_estimateDCtxSize());
	size_t in = align(pool->in_size);
	size_t mapped = head + state + in + align(pool->out_size);
	struct mf_zctx *ctx;
	void *memory;
	int r = mf_sys.mmap(NULL, mapped, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &memory);

	if (r < 0)
		return r;
	(void)mf_sys.madvise(memory, mapped, MADV_DONTDUMP);
	ctx = memory;
	*ctx = (struct mf_zctx){
		.mapped = mapped,
		.zstd = ZSTD_initStaticDCtx((char *)memory + head, state),
		.in = (uint8_t *)memory + head + state,
		.out = (uint8_t *)memory + head + state + in,
		.cached = MF_NO_FRAME,
	};
	if (!ctx->zstd) {
		(void)mf_sys.munmap(memory, mapped);
		return -ENOMEM;
	}
	*ret = ctx;
	return 0;
}

static void free_ctx(struct mf_zctx *ctx)
{
	(void)mf_sys.munmap(ctx, ctx->mapped);
}

int mf_zpool_init(struct mf_zpool *pool, size_t in_size, size_t out_size)
{
	struct mf_zctx *ctx;
	int r;

	*pool = (struct mf_zpool){ .in_size = in_size, .out_size = out_size };
	r = new_ctx(pool, &ctx);
	if (r == 0)
		mf_zpool_put(pool, ctx);
	return r;
}

void mf_zpool_destroy(struct mf_zpool *pool)
{
	for (int i = 0; i < MF_ZPOOL_SLOTS; i++)
		if (pool->slot[i].ctx)
			free_ctx(pool->slot[i].ctx);
}

/* Empty slots are passed by without a write: others read that line. */
static struct mf_zctx *take_from(struct mf_zslot *slot)
{
	if (!mf_load_relaxed(&slot->ctx))
		return NULL;
	/* pairs with the exchange in mf_zpool_put() */
	return mf_xchg(&slot->ctx, NULL);
}

int mf_zpool_take(struct mf_zpool *pool, size_t frame, struct mf_zctx **ret)
{
	struct mf_zctx *ctx = NULL;

	for (int i = 0; !ctx && i < MF_ZPOOL_SLOTS; i++)
		if (mf_load_relaxed(&pool->slot[i].cached) == frame)
			ctx = take_from(&pool->slot[i]);
	for (int i = 0; !ctx && i < MF_ZPOOL_SLOTS; i++)
		ctx = take_from(&pool->slot[i]);
	if (!ctx)
		return new_ctx(pool, ret);
	*ret = ctx;
	return 0;
}

void mf_zpool_put(struct mf_zpool *pool, struct mf_zctx *ctx)
{
	for (int i = 0; i < MF_ZPOOL_SLOTS; i++) {
		struct mf_zslot *slot = &pool->slot[i];
		struct mf_zctx *none = NULL;
		size_t cached = ctx->cached;

		if (mf_load_relaxed(&slot->ctx) ||
		    !mf_cas(&slot->ctx, &none, ctx))
			continue;
		/*
		 * ctx is anybody's now. If somebody put another one here
		 * meanwhile the hint is wrong, which costs a frame
		 * decompressed twice and nothing else.
		 */
		mf_store_relaxed(&slot->cached, cached);
		return;
	}
	free_ctx(ctx);
}
