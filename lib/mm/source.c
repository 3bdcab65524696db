/* SPDX-License-Identifier: MIT */
/*
 * source.c - count a source's users and read it.
 *
 * Context: put: not in a signal handler. The rest: as the source allows.
 */
#include "mm/source.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/lockrank.h"
#include "base/sync.h"

struct mfill_source *mf_source_get(struct mfill_source *src)
{
	mf_fetch_add(&src->refs, 1);
	return src;
}

void mfill_source_put(struct mfill_source *src)
{
	if (!src || mf_fetch_sub(&src->refs, 1) != 1)
		return;
	if (src->ops.close)
		src->ops.close(src->ctx);
	free(src);
}

uint64_t mf_source_fill_size(const struct mfill_source *src, uint64_t asked,
			     uint64_t usual)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t fill = asked ? asked : src->preferred_fill;

	if (fill == 0)
		fill = usual;
	fill = (fill + page - 1) / page * page;
	return fill < MF_FILL_MAX ? fill : MF_FILL_MAX;
}

int mf_source_read(struct mfill_source *src, void *buf, size_t len,
		   uint64_t offset)
{
	int r;

	mf_might_fault("a source's read()");
	if (offset > src->size || len > src->size - offset)
		return -EIO;
	r = src->ops.read(src->ctx, buf, len, offset);
	return r > 0 ? -EIO : r;
}
