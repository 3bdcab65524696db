/* SPDX-License-Identifier: MIT */
/*
 * test-delay.c - a source takes its time, and no less.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "mm/source.h"
#include "unit/sources/scratch.h"

static struct mfill_source *with(const char *options)
{
	struct scratch file = scratch_of("0123456789", 10);
	struct mfill_source *src;
	char rest[200];

	snprintf(rest, sizeof(rest), "%s:file:%s", options, file.path);
	src = must_open("delay", rest);
	close(file.fd);
	return src;
}

/* How long a read took, in microseconds. */
static long us_of_a_read(struct mfill_source *src)
{
	struct timespec a, b;
	char got[2];

	clock_gettime(CLOCK_MONOTONIC, &a);
	ck_assert_int_eq(mf_source_read(src, got, 2, 3), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ck_assert_mem_eq(got, "34", 2);
	return (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000;
}

TEST(a_read_takes_as_long_as_was_asked)
{
	struct mfill_source *src = with("ms=20,us=500");

	ck_assert_int_ge(us_of_a_read(src), 20500);
	ck_assert(mf_source_is_inline(src));
	mfill_source_put(src);
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(signals_do_not_shorten_it)
{
	struct mfill_source *src = with("ms=40");
	struct sigaction sa = { .sa_handler = nothing };
	struct itimerval often = { { 0, 3000 }, { 0, 3000 } };

	ck_assert_int_eq(sigaction(SIGALRM, &sa, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	ck_assert_int_ge(us_of_a_read(src), 40000);
	memset(&often, 0, sizeof(often));
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	mfill_source_put(src);
}

TEST(jitter_makes_reads_differ_but_not_by_more_than_asked)
{
	struct mfill_source *src = with("ms=10,jitter=50%,seed=3");
	long least = 1000000, most = 0;

	for (int i = 0; i < 20; i++) {
		long us = us_of_a_read(src);

		ck_assert_int_ge(us, 5000);
		least = us < least ? us : least;
		most = us > most ? us : most;
	}
	ck_assert_int_lt(least, 9000);
	ck_assert_int_gt(most, 11000);
	mfill_source_put(src);
}

TEST(without_options_there_is_no_delay)
{
	struct mfill_source *src = with("");
	long least = 1000000;

	for (int i = 0; i < 20; i++) {
		long us = us_of_a_read(src);

		least = us < least ? us : least;
	}
	ck_assert_int_lt(least, 1000);
	mfill_source_put(src);
}

TEST(wrong_options_are_named)
{
	must_refuse("delay", "s=1:file:x", -EINVAL, "s=1");
	must_refuse("delay", "ms=:file:x", -EINVAL, "ms=");
	must_refuse("delay", "ms=-1:file:x", -EINVAL, "ms=-1");
	must_refuse("delay", "ms=3600001:file:x", -EINVAL, "hour");
	must_refuse("delay", "ms=3600000,us=1:file:x", -EINVAL, "hour");
	must_refuse("delay", "jitter=101%:file:x", -EINVAL, "jitter=101%");
	must_refuse("delay", "ms=1", -EINVAL, "colon");
}
