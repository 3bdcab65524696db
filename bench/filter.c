/* SPDX-License-Identifier: MIT */
/*
 * filter.c - what does a seccomp filter cost a system call that it lets
 * through, and what one that it catches?
 */
#include "bench/bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "preload/catch.h"

#define CALLS 200000

/* One call, many times. */
struct call {
	const char *name;
	long nr;
	long args[6];
};

static double time_of(const struct call *call)
{
	const long *args = call->args;
	uint64_t start = bench_now();

	for (int i = 0; i < CALLS; i++)
		(void)mf_syscall(call->nr, args[0], args[1], args[2], args[3],
				 args[4], args[5]);
	return (double)(bench_now() - start) / CALLS;
}

static double plain(const void *arg)
{
	return time_of(arg);
}

static double more_when_filtered(const void *arg)
{
	double before;

	pl_catch_start(PL_FILTER_OFF);
	(void)time_of(arg); /* warm */
	before = time_of(arg);
	bench_must(pl_filter_install(PL_FILTER_ARENA), "filter");
	return time_of(arg) - before;
}

/* A write from a page of a view, filled and open. */
static double from_view(const struct call *call, enum pl_filter filter)
{
	struct mfill_source *source = bench_source(BENCH_PAGE);
	struct call from_there = *call;
	void *addr;

	pl_catch_start(PL_FILTER_OFF);
	bench_must(pl_filter_install(filter), "filter");
	bench_must(mfill_map(source, 0, BENCH_PAGE, NULL, &addr), "mfill_map");
	bench_must(mfill_require(addr, 1), "mfill_require");
	from_there.args[1] = (long)addr;
	return time_of(&from_there);
}

static double uncaught(const void *arg)
{
	return from_view(arg, PL_FILTER_OFF);
}

static double caught(const void *arg)
{
	return from_view(arg, PL_FILTER_ARENA);
}

int main(void)
{
	static char buf[256];
	static struct iovec iov = { buf, 1 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	const struct call write_one = { "write",
					SYS_write,
					{ null, (long)buf, 1 } };
	const struct call calls[] = {
		{ "getppid", SYS_getppid, { 0 } },
		{ "read", SYS_read, { zero, (long)buf, 1 } },
		write_one,
		{ "writev", SYS_writev, { null, (long)&iov, 1 } },
		{ "recvfrom", SYS_recvfrom, { -1, (long)buf, 1 } },
		{ "fstat",
		  SYS_newfstatat,
		  { null, (long)"", (long)buf, AT_EMPTY_PATH } },
	};

	puts("a system call that the filter lets through");
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		char name[64];

		bench_value(calls[i].name, bench_median(plain, &calls[i]), "ns",
			    0);
		snprintf(name, sizeof(name), "%s: more with the filter",
			 calls[i].name);
		bench_value(name, bench_median(more_when_filtered, &calls[i]),
			    "ns", 80);
	}
	puts("\na write from memory of a map");
	bench_value("not caught", bench_median(uncaught, &write_one), "ns", 0);
	bench_value("caught", bench_median(caught, &write_one), "ns", 0);
	return 0;
}
