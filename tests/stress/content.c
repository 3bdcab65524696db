/* SPDX-License-Identifier: MIT */
/*
 * content.c - compute what a source holds.
 *
 * Context: see content.h.
 */
#include "stress/content.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sync.h"

static uint32_t alive, reads;

static int read_content(void *ctx, void *buf, size_t len, uint64_t offset)
{
	const struct content *content = ctx;
	uint64_t word;
	size_t i;

	if (content->fails && mf_fetch_add(&reads, 1) % content->fails == 0)
		return -EIO;
	/* A fault inside a fault, when that map is not filled there. */
	if (content->through) {
		memcpy(buf, content->through + offset, len);
		return 0;
	}
	for (i = 0; i < len; i += sizeof(word)) {
		word = content_word(content->seed, offset + i);
		memcpy((char *)buf + i, &word,
		       len - i < sizeof(word) ? len - i : sizeof(word));
	}
	return 0;
}

static int size_of_content(void *ctx, uint64_t *ret_size)
{
	*ret_size = ((struct content *)ctx)->size;
	return 0;
}

static void close_content(void *ctx)
{
	mf_fetch_sub(&alive, 1);
	free(ctx);
}

struct mfill_source *content_source(const struct content *content)
{
	const struct mfill_source_ops ops = {
		.struct_size = sizeof(ops),
		.flags = content->is_inline ? MFILL_SOURCE_INLINE : 0,
		.read = read_content,
		.get_size = size_of_content,
		.close = close_content,
	};
	struct content *copy = malloc(sizeof(*copy));
	struct mfill_source *source;

	ck_assert_ptr_nonnull(copy);
	*copy = *content;
	ck_assert_int_eq(mfill_source_new(&ops, copy, &source), 0);
	mf_fetch_add(&alive, 1);
	return source;
}

uint32_t content_alive(void)
{
	return mf_load_seq_cst(&alive);
}
