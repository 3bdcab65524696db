/* SPDX-License-Identifier: MIT */
/*
 * delay.c - a source that takes its time, as a network would.
 *
 * delay:OPTIONS:SOURCE, with any of
 *
 *   ms=N us=N          each read takes that much longer, added up
 *   jitter=SHARE       by so much more or less at random, such as 20%
 *   seed=N             another row of random numbers
 *
 * Promise: a read never returns before its delay is over, whatever signals
 * arrive; the bytes are those of the wrapped source.
 * Context: read: where the wrapped source's read may run.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"
#include "base/sync.h"
#include "base/sys.h"
#include "sources/wrap.h"

#define PPB	 1000000000U
#define NS_PER_S 1000000000U
/* An hour: more is a mistake, and keeps the arithmetic small. */
#define MAX_NS (3600ULL * NS_PER_S)

struct delay_source {
	struct mf_wrap wrap; /* first: it frees the whole */
	uint64_t ns;
	uint32_t jitter; /* in PPB */
	uint64_t seed;
	uint64_t n_reads; /* shared */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Sleep on a word that nobody wakes, again after each signal. */
static void sleep_until(uint64_t deadline)
{
	uint32_t never = 0;
	uint64_t now;

	while ((now = now_ns()) < deadline)
		(void)mf_futex_wait(&never, 0, deadline - now, MF_FUTEX_LOCAL);
}

static uint64_t delay_of(const struct delay_source *d, uint64_t n)
{
	/* Microseconds times PPB fit in 64 bits; nanoseconds would not. */
	uint64_t span = d->ns / 1000 * d->jitter / (PPB / 1000);

	if (span == 0)
		return d->ns;
	return d->ns - span + mf_wrap_random(d->seed, n) % (2 * span + 1);
}

static int delay_read(void *ctx, void *buf, size_t len, uint64_t offset)
{
	struct delay_source *d = ctx;
	uint64_t n = mf_fetch_add(&d->n_reads, 1);

	sleep_until(now_ns() + delay_of(d, n));
	return mf_source_read(d->wrap.inner, buf, len, offset);
}

static int add_delay(struct delay_source *d, const char *value, uint64_t unit)
{
	uint64_t n;
	int r = mf_parse_u64(value, &n);

	if (r < 0)
		return r;
	if (n > (MAX_NS - d->ns) / unit)
		return -ERANGE;
	d->ns += n * unit;
	return 0;
}

static int set_option(struct delay_source *d, const struct mf_option *option)
{
	if (!strcmp(option->key, "ms"))
		return add_delay(d, option->value, 1000000);
	if (!strcmp(option->key, "us"))
		return add_delay(d, option->value, 1000);
	if (!strcmp(option->key, "jitter"))
		return mf_parse_share(option->value, &d->jitter);
	if (!strcmp(option->key, "seed"))
		return mf_parse_u64(option->value, &d->seed);
	return -EINVAL;
}

static int set_options(struct delay_source *d, const char **rest,
		       struct mf_why *why)
{
	struct mf_option option;
	int r;

	while ((r = mf_option_next(rest, &option, why)) > 0)
		if (set_option(d, &option) < 0)
			return mf_option_bad(&option,
					     "ms=, us= (an hour at most), "
					     "jitter=, seed=",
					     why);
	return r;
}

static int delay_open(const char *rest, struct mfill_source **ret,
		      struct mf_why *why)
{
	struct delay_source *d = mf_sys.calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	r = set_options(d, &rest, why);
	if (r == 0)
		r = mf_wrap_open(&d->wrap, rest, delay_read, ret, why);
	if (r < 0)
		free(d);
	return r;
}

const struct mf_source_driver mf_source_delay = {
	.scheme = "delay",
	.rest = MF_REST_WRAPS,
	.open = delay_open,
};
