/* SPDX-License-Identifier: MIT */
/*
 * wrap.c - what sources that change another source have in common.
 *
 * Context: mf_wrap_random: any. The rest: not in a signal handler.
 */
#include "sources/wrap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Each level costs stack, of which a read in a signal handler has little. */
#define MAX_DEPTH 8

static int wrap_get_size(void *ctx, uint64_t *ret_size)
{
	const struct mf_wrap *wrap = ctx;

	return mfill_source_size(wrap->inner, ret_size);
}

static size_t wrap_preferred_fill(void *ctx)
{
	const struct mf_wrap *wrap = ctx;

	return wrap->inner->preferred_fill;
}

static void wrap_close(void *ctx)
{
	struct mf_wrap *wrap = ctx;

	mfill_source_put(wrap->inner);
	free(wrap);
}

static unsigned depth_of(const struct mfill_source *src)
{
	const struct mf_wrap *wrap = src->ctx;

	return src->ops.close == wrap_close ? wrap->depth : 0;
}

/* Copy a string without a NUL byte; false when it does not fit. */
static bool copy_text(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size)
		return false;
	memcpy(to, from, len);
	to[len] = '\0';
	return true;
}

int mf_option_next(const char **rest, struct mf_option *ret, struct mf_why *why)
{
	const char *text = *rest;
	size_t len = strcspn(text, ",:");
	size_t key_len = strcspn(text, "=,:");

	if (len == 0 && text[0] == ':') {
		*rest = text + 1;
		return 0;
	}
	if (!text[len]) {
		mf_why(why,
		       "%s: behind the options a colon and the source to "
		       "wrap are missing",
		       text);
		return -EINVAL;
	}
	if (key_len >= len ||
	    !copy_text(ret->key, sizeof(ret->key), text, key_len) ||
	    !copy_text(ret->value, sizeof(ret->value), text + key_len + 1,
		       len - key_len - 1)) {
		mf_why(why, "%.*s: an option is written KEY=VALUE", (int)len,
		       text);
		return -EINVAL;
	}
	/* Leave the colon: it tells the next call that this was the last. */
	*rest = text + len + (text[len] == ',');
	return 1;
}

int mf_option_bad(const struct mf_option *option, const char *known,
		  struct mf_why *why)
{
	mf_why(why, "%s=%s: no such option or value; there are %s", option->key,
	       option->value, known);
	return -EINVAL;
}

int mf_wrap_open(struct mf_wrap *wrap, const char *uri,
		 int (*read)(void *ctx, void *buf, size_t len, uint64_t offset),
		 struct mfill_source **ret, struct mf_why *why)
{
	struct mfill_source_ops ops = {
		.struct_size = sizeof(ops),
		.read = read,
		.get_size = wrap_get_size,
		.preferred_fill = wrap_preferred_fill,
		.close = wrap_close,
	};
	int r = mf_source_open(uri, &wrap->inner, why);

	if (r < 0)
		return r;
	ops.flags = wrap->inner->ops.flags & MFILL_SOURCE_INLINE;
	wrap->depth = depth_of(wrap->inner) + 1;
	if (wrap->depth > MAX_DEPTH) {
		mf_why(why, "%s: more than %d wrappers around a source", uri,
		       MAX_DEPTH);
		r = -EINVAL;
	} else {
		r = mfill_source_new(&ops, wrap, ret);
	}
	if (r < 0)
		mfill_source_put(wrap->inner);
	return r;
}

/* splitmix64: good enough to choose who fails, and has no state to share. */
uint64_t mf_wrap_random(uint64_t seed, uint64_t n)
{
	uint64_t x = seed + (n + 1) * 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}
