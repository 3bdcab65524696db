/* SPDX-License-Identifier: MIT */
/*
 * callback.c - a source made out of somebody's functions.
 *
 * Promise: a caller built against another mfill.h is served rightly or
 * refused; functions it does not know are never called.
 * Context: not in a signal handler.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/sys.h"
#include "mm/source.h"

/* The first release's struct ends here, and no caller's may be shorter. */
#define OPS_SIZE_0_1 sizeof(struct mfill_source_ops)

static bool all_zero(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

/* Take as much of the caller's struct as both sides know. */
static int copy_ops(const struct mfill_source_ops *ops,
		    struct mfill_source_ops *ret)
{
	size_t size = ops->struct_size;
	size_t known = size < sizeof(*ret) ? size : sizeof(*ret);

	if (size < OPS_SIZE_0_1)
		return -EINVAL;
	if (!all_zero((const unsigned char *)ops + known, size - known))
		return -E2BIG;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, ops, known);
	if (!ret->read || !ret->get_size || (ret->flags & ~MFILL_SOURCE_INLINE))
		return -EINVAL;
	return 0;
}

int mfill_source_new(const struct mfill_source_ops *ops, void *ctx,
		     struct mfill_source **ret)
{
	struct mfill_source_ops mine;
	struct mfill_source *src;
	uint64_t size;
	int r;

	if (!ops || !ret)
		return -EINVAL;
	r = copy_ops(ops, &mine);
	if (r < 0)
		return r;
	r = mine.get_size(ctx, &size);
	if (r)
		return r < 0 ? r : -EINVAL;
	src = mf_sys.calloc(1, sizeof(*src));
	if (!src)
		return -ENOMEM;
	src->refs = 1;
	src->size = size;
	src->preferred_fill = mine.preferred_fill ? mine.preferred_fill(ctx)
						  : 0;
	src->ops = mine;
	src->ctx = ctx;
	*ret = src;
	return 0;
}
