/* SPDX-License-Identifier: MIT */
/*
 * pattern.c - a source whose every byte is known.
 *
 * Context: as in pattern.h.
 */
#include "harness/pattern.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/sync.h"

uint64_t mf_pattern_word(uint64_t offset)
{
	/* Odd times odd is odd: never zero. */
	return (offset / 8 * 2 + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static unsigned char byte_at(uint64_t offset)
{
	uint64_t word = mf_pattern_word(offset / 8 * 8);

	return ((unsigned char *)&word)[offset % 8];
}

void mf_pattern_fill(void *memory, uint64_t offset, size_t len)
{
	unsigned char *to = memory;

	for (size_t i = 0; i < len; i++)
		to[i] = byte_at(offset + i);
}

bool mf_pattern_matches(const void *memory, uint64_t offset, size_t len)
{
	const volatile unsigned char *at = memory;

	for (size_t i = 0; i < len; i++)
		if (at[i] != byte_at(offset + i))
			return false;
	return true;
}

static int pattern_read(void *ctx, void *buf, size_t len, uint64_t offset)
{
	struct mf_pattern *pattern = ctx;
	uint32_t left = mf_load_relaxed(&pattern->failures);
	int r = 0;

	mf_add_relaxed(&pattern->reads, 1);
	if (pattern->hook)
		r = pattern->hook(pattern->arg, offset, len);
	while (left > 0 && !mf_cas(&pattern->failures, &left, left - 1))
		;
	if (left > 0)
		return pattern->error;
	if (r == 0)
		mf_pattern_fill(buf, offset, len);
	return r;
}

static int pattern_size(void *ctx, uint64_t *ret_size)
{
	*ret_size = ((struct mf_pattern *)ctx)->size;
	return 0;
}

static size_t pattern_preferred(void *ctx)
{
	return ((struct mf_pattern *)ctx)->preferred;
}

static void pattern_close(void *ctx)
{
	mf_add_relaxed(&((struct mf_pattern *)ctx)->closed, 1);
}

int mf_pattern_try_open(struct mf_pattern *pattern, struct mfill_source **ret)
{
	struct mfill_source_ops ops = {
		.struct_size = sizeof(ops),
		.flags = pattern->flags,
		.read = pattern_read,
		.get_size = pattern_size,
		.preferred_fill = pattern_preferred,
		.close = pattern_close,
	};

	return mfill_source_new(&ops, pattern, ret);
}

struct mfill_source *mf_pattern_open(struct mf_pattern *pattern)
{
	struct mfill_source *source;

	ck_assert_int_eq(mf_pattern_try_open(pattern, &source), 0);
	return source;
}

char *mf_pattern_map(struct mf_pattern *pattern,
		     const struct mfill_map_options *options)
{
	struct mfill_map_options defaults = {
		.struct_size = sizeof(defaults),
		.readahead = MFILL_READAHEAD_OFF,
	};
	struct mfill_source *source = mf_pattern_open(pattern);
	void *addr = NULL;
	int r = mfill_map(source, 0, (size_t)pattern->size,
			  options ? options : &defaults, &addr);

	mfill_source_put(source);
	if (r != -EOPNOTSUPP)
		ck_assert_int_eq(r, 0);
	return addr;
}
