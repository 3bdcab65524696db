/* SPDX-License-Identifier: MIT */
/*
 * file.c - the bytes of a regular file or a block device.
 *
 * Promise: a file that became shorter gives -EIO, never made-up bytes.
 * Context: read: inside SIGSEGV too. open, close: not there.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/sys.h"
#include "sources/backing.h"

static int file_read(void *ctx, void *buf, size_t len, uint64_t offset)
{
	const struct mf_backing *file = ctx;

	return mf_pread_full(file->fd, buf, len, offset);
}

static int file_get_size(void *ctx, uint64_t *ret_size)
{
	const struct mf_backing *file = ctx;

	*ret_size = file->size;
	return 0;
}

static void file_close(void *ctx)
{
	struct mf_backing *file = ctx;

	(void)mf_sys.close(file->fd);
	free(file);
}

static const struct mfill_source_ops file_ops = {
	.struct_size = sizeof(file_ops),
	.flags = MFILL_SOURCE_INLINE,
	.read = file_read,
	.get_size = file_get_size,
	.close = file_close,
};

static int file_open(const char *path, struct mfill_source **ret,
		     struct mf_why *why)
{
	struct mf_backing *file = mf_sys.calloc(1, sizeof(*file));
	int r;

	if (!file)
		return -ENOMEM;
	r = mf_backing_open(path, file, why);
	if (r < 0) {
		free(file);
		return r;
	}
	r = mfill_source_new(&file_ops, file, ret);
	if (r < 0)
		file_close(file);
	return r;
}

const struct mf_source_driver mf_source_file = {
	.scheme = "file",
	.rest = MF_REST_PATH,
	.open = file_open,
};
