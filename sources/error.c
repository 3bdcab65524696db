/* SPDX-License-Identifier: MIT */
/*
 * error.c - a source that fails when it is told to.
 *
 * error:OPTIONS:SOURCE, with any of
 *
 *   rate=SHARE         that share of the reads, such as 0.01 or 1%
 *   at=OFFSET[+LEN]    reads that touch these bytes (LEN: 1)
 *   nth=N              the Nth read, counted from 1
 *   count=N            no more than N failures, then all is well
 *   errno=NAME         how they fail (EIO)
 *   seed=N             another choice of reads for rate=
 *
 * Of rate, at and nth any one is enough; with none of them each read fails.
 *
 * Promise: without a failure the bytes are those of the wrapped source.
 * Context: read: where the wrapped source's read may run.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/sync.h"
#include "base/sys.h"
#include "sources/wrap.h"

#define PPB 1000000000U

struct error_source {
	struct mf_wrap wrap; /* first: it frees the whole */
	bool choosy;	     /* not each read fails */
	uint32_t rate;	     /* in PPB */
	uint64_t at;
	uint64_t at_len;
	uint64_t nth;
	uint64_t max_failures;
	uint64_t seed;
	int error;
	uint64_t n_reads;    /* shared */
	uint64_t n_failures; /* shared */
};

static bool is_hit(const struct error_source *e, uint64_t n, size_t len,
		   uint64_t offset)
{
	if (!e->choosy)
		return true;
	if (e->nth && n + 1 == e->nth)
		return true;
	if (e->at_len && offset < e->at + e->at_len && e->at < offset + len)
		return true;
	return mf_wrap_random(e->seed, n) % PPB < e->rate;
}

static int error_read(void *ctx, void *buf, size_t len, uint64_t offset)
{
	struct error_source *e = ctx;
	uint64_t n = mf_fetch_add(&e->n_reads, 1);

	if (is_hit(e, n, len, offset) &&
	    mf_fetch_add(&e->n_failures, 1) < e->max_failures)
		return -e->error;
	return mf_source_read(e->wrap.inner, buf, len, offset);
}

static int parse_errno(const char *name, int *ret)
{
	for (int i = 1; i < 4096; i++) {
		const char *known = strerrorname_np(i);

		if (known && !strcmp(known, name)) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* OFFSET or OFFSET+LEN, whose end must not wrap. */
static int parse_at(struct error_source *e, char *value)
{
	char *plus = strchr(value, '+');
	uint64_t at;
	uint64_t len = 1;
	uint64_t end;
	int r;

	if (plus)
		*plus = '\0';
	r = mf_parse_size(value, &at);
	if (r == 0 && plus)
		r = mf_parse_size(plus + 1, &len);
	if (plus)
		*plus = '+';
	if (r < 0 || len == 0 || __builtin_add_overflow(at, len, &end))
		return -EINVAL;
	e->at = at;
	e->at_len = len;
	return 0;
}

static int set_option(struct error_source *e, struct mf_option *option)
{
	const char *key = option->key;
	char *value = option->value;
	int r;

	if (!strcmp(key, "errno"))
		return parse_errno(value, &e->error);
	if (!strcmp(key, "seed"))
		return mf_parse_u64(value, &e->seed);
	if (!strcmp(key, "count"))
		return mf_parse_u64(value, &e->max_failures);
	e->choosy = true;
	if (!strcmp(key, "rate"))
		return mf_parse_share(value, &e->rate);
	if (!strcmp(key, "at"))
		return parse_at(e, value);
	if (strcmp(key, "nth") != 0)
		return -EINVAL;
	r = mf_parse_u64(value, &e->nth);
	return r == 0 && e->nth == 0 ? -EINVAL : r;
}

static int set_options(struct error_source *e, const char **rest,
		       struct mf_why *why)
{
	struct mf_option option;
	int r;

	while ((r = mf_option_next(rest, &option, why)) > 0)
		if (set_option(e, &option) < 0)
			return mf_option_bad(&option,
					     "rate=, at=OFFSET[+LEN], nth=, "
					     "count=, errno=NAME, seed=",
					     why);
	return r;
}

static int error_open(const char *rest, struct mfill_source **ret,
		      struct mf_why *why)
{
	struct error_source *e = mf_sys.calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->error = EIO;
	e->max_failures = UINT64_MAX;
	r = set_options(e, &rest, why);
	if (r == 0)
		r = mf_wrap_open(&e->wrap, rest, error_read, ret, why);
	if (r < 0)
		free(e);
	return r;
}

const struct mf_source_driver mf_source_error = {
	.scheme = "error",
	.rest = MF_REST_WRAPS,
	.open = error_open,
};
