/* SPDX-License-Identifier: MIT */
/*
 * zstd.c - the content of a zstd file, any part of it at any time.
 *
 * Needs a file of many frames and a table of them: in the file, as zstd's
 * seekable format has it (mfill pack makes such files), or beside it (mfill
 * index).
 *
 * Promise: each frame gives as many bytes as its table says, and bytes of the
 * right checksum where there is one, or -EIO.
 * Context: read: inside SIGSEGV too, by any number of threads. open, close:
 * not there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "sources/zstd/layout.h"
#include "sources/zstd/unpack.h"
#include "sources/zstd/vet.h"

struct zstd_source {
	struct mf_backing file;
	struct mf_frames frames;
	struct mf_zpool pool;
};

/*
 * Part of a frame: unpack it to the side and keep it, for who reads on from
 * here, so that small reads in a row do not unpack it again and again.
 */
static int read_part(const struct zstd_source *z, struct mf_zctx *ctx,
		     size_t frame, void *buf, size_t len, size_t skip)
{
	if (ctx->cached != frame) {
		int r;

		ctx->cached = MF_NO_FRAME;
		r = mf_zunpack(z->file.fd, &z->frames, frame, ctx, ctx->out);
		if (r < 0)
			return r;
		ctx->cached = frame;
	}
	memcpy(buf, ctx->out + skip, len);
	return 0;
}

static int read_with(const struct zstd_source *z, struct mf_zctx *ctx,
		     size_t frame, char *to, size_t len, uint64_t offset)
{
	while (len > 0) {
		size_t out = mf_frame_out(&z->frames, frame);
		size_t skip = (size_t)(offset - z->frames.frame[frame].start);
		size_t n = out - skip < len ? out - skip : len;
		int r = 0;

		/* Nothing to get from an empty or a skippable frame. */
		if (n == out && n > 0 && ctx->cached != frame)
			r = mf_zunpack(z->file.fd, &z->frames, frame, ctx, to);
		else if (n > 0)
			r = read_part(z, ctx, frame, to, n, skip);
		if (r < 0)
			return r;
		to += n;
		len -= n;
		offset += n;
		frame++;
	}
	return 0;
}

static int zstd_read(void *ctx, void *buf, size_t len, uint64_t offset)
{
	struct zstd_source *z = ctx;
	struct mf_zctx *mine;
	size_t frame;
	int r;

	if (len == 0)
		return 0;
	frame = mf_frames_find(&z->frames, offset);
	r = mf_zpool_take(&z->pool, frame, &mine);
	if (r < 0)
		return r;
	r = read_with(z, mine, frame, buf, len, offset);
	mf_zpool_put(&z->pool, mine);
	return r;
}

static int zstd_get_size(void *ctx, uint64_t *ret_size)
{
	const struct zstd_source *z = ctx;

	*ret_size = mf_frames_size(&z->frames);
	return 0;
}

static size_t zstd_preferred_fill(void *ctx)
{
	const struct zstd_source *z = ctx;

	return mf_frames_preferred(&z->frames, (size_t)sysconf(_SC_PAGESIZE));
}

/* Also for one that is only half made: all of it comes from calloc. */
static void zstd_close(void *ctx)
{
	struct zstd_source *z = ctx;

	mf_zpool_destroy(&z->pool);
	mf_frames_free(&z->frames);
	(void)mf_sys.close(z->file.fd);
	free(z);
}

static const struct mfill_source_ops zstd_ops = {
	.struct_size = sizeof(zstd_ops),
	.flags = MFILL_SOURCE_INLINE,
	.read = zstd_read,
	.get_size = zstd_get_size,
	.preferred_fill = zstd_preferred_fill,
	.close = zstd_close,
};

static int vet(struct zstd_source *z, const char *path, struct mf_why *why)
{
	char text[128] = "";
	struct mf_why inner = { text, sizeof(text) };
	struct mf_zctx *ctx;
	int r;

	if (z->frames.sealed)
		return 0;
	r = mf_zpool_take(&z->pool, MF_NO_FRAME, &ctx);
	if (r < 0)
		return r;
	r = mf_zvet(&z->file, &z->frames, ctx, &inner);
	mf_zpool_put(&z->pool, ctx);
	if (r < 0)
		mf_why(why, "%s: %s", path, *text ? text : strerrordesc_np(-r));
	return r;
}

static int set_up(struct zstd_source *z, const char *path,
		  struct mfill_source **ret, struct mf_why *why)
{
	int r = mf_zlayout_read(path, &z->file, &z->frames, why);

	if (r == 0)
		r = mf_zpool_init(&z->pool, z->frames.max_in,
				  z->frames.max_out);
	if (r == 0)
		r = vet(z, path, why);
	if (r == 0)
		r = mfill_source_new(&zstd_ops, z, ret);
	return r;
}

static int zstd_open(const char *path, struct mfill_source **ret,
		     struct mf_why *why)
{
	struct zstd_source *z = mf_sys.calloc(1, sizeof(*z));
	int r;

	if (!z)
		return -ENOMEM;
	r = mf_backing_open(path, &z->file, why);
	if (r < 0) {
		free(z);
		return r;
	}
	r = set_up(z, path, ret, why);
	if (r < 0)
		zstd_close(z);
	return r;
}

const struct mf_source_driver mf_source_zstd = {
	.scheme = "zstd",
	.rest = MF_REST_PATH,
	.open = zstd_open,
};
