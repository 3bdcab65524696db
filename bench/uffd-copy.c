/* SPDX-License-Identifier: MIT */
/*
 * uffd-copy.c - what does UFFDIO_COPY of a page that is there cost, next to the
 * kernel's?
 *
 * Nobody waits, nobody faults: one page after the other, or in any order, from
 * one source page into a registered range. With a touch after it, since what is
 * not mapped yet costs then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/userfaultfd.h"
#include "bench/bench.h"
#include "mfill.h"

#define PAGES 8192

struct what {
	bool kernel;
	int type; /* MAP_PRIVATE or MAP_SHARED */
	bool shuffled, touch;
	uint32_t run; /* pages in one call */
};

static int call(const struct what *what, int fd, unsigned long request,
		void *arg)
{
	if (!what->kernel)
		return mfill_uffd_ioctl(fd, request, arg);
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static char *prepare(const struct what *what, int *ret_fd)
{
	int flags = O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register args = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *area = mmap(NULL, PAGES * BENCH_PAGE, PROT_READ | PROT_WRITE,
			  what->type | MAP_ANONYMOUS, -1, 0);

	*ret_fd = what->kernel ? (int)syscall(SYS_userfaultfd, flags)
			       : mfill_uffd_open(flags);
	bench_must(*ret_fd < 0 ? -EPERM : 0, "userfaultfd");
	args.range.start = (uintptr_t)area;
	args.range.len = (uint64_t)PAGES * BENCH_PAGE;
	bench_must(call(what, *ret_fd, UFFDIO_API, &api), "UFFDIO_API");
	bench_must(call(what, *ret_fd, UFFDIO_REGISTER, &args),
		   "UFFDIO_REGISTER");
	return area;
}

/* ns for a page */
static double copy_all(const void *arg)
{
	const struct what *what = arg;
	uint32_t *order = bench_shuffled(PAGES / what->run);
	int fd;
	char *area = prepare(what, &fd);
	char *bytes = mmap(NULL, what->run * BENCH_PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start;

	memset(bytes, 1, what->run * BENCH_PAGE);
	start = bench_now();
	for (uint32_t i = 0; i < PAGES / what->run; i++) {
		uint64_t at = (uint64_t)(what->shuffled ? order[i] : i) *
			      what->run * BENCH_PAGE;
		struct uffdio_copy args = {
			.dst = (uintptr_t)area + at,
			.src = (uintptr_t)bytes,
			.len = what->run * BENCH_PAGE,
		};

		bench_must(call(what, fd, UFFDIO_COPY, &args), "UFFDIO_COPY");
		if (what->touch)
			(void)*(volatile char *)(area + at);
	}
	return (double)(bench_now() - start) / PAGES;
}

#define P MAP_PRIVATE
#define S MAP_SHARED

int main(void)
{
	static const struct what all[] = {
		{ true, P, false, false, 1 },  { false, P, false, false, 1 },
		{ true, P, true, true, 1 },    { false, P, true, true, 1 },
		{ true, S, false, false, 1 },  { false, S, false, false, 1 },
		{ true, S, true, true, 1 },    { false, S, true, true, 1 },
		{ true, P, false, false, 16 }, { false, P, false, false, 16 },
		{ true, S, false, false, 16 }, { false, S, false, false, 16 },
	};
	static const struct bench_row rows[] = {
		{ "private: kernel", copy_all, &all[0], -1, 0 },
		{ "private: mfill", copy_all, &all[1], 0, 2 },
		{ "private, any order, touched: kernel", copy_all, &all[2], -1,
		  0 },
		{ "private, any order, touched: mfill", copy_all, &all[3], 2,
		  2 },
		{ "shared: kernel", copy_all, &all[4], -1, 0 },
		{ "shared: mfill", copy_all, &all[5], 4, 2 },
		{ "shared, any order, touched: kernel", copy_all, &all[6], -1,
		  0 },
		{ "shared, any order, touched: mfill", copy_all, &all[7], 6,
		  2 },
		{ "private, 16 pages: kernel", copy_all, &all[8], -1, 0 },
		{ "private, 16 pages: mfill", copy_all, &all[9], 8, 2 },
		{ "shared, 16 pages: kernel", copy_all, &all[10], -1, 0 },
		{ "shared, 16 pages: mfill", copy_all, &all[11], 10, 2 },
	};

	bench_table("UFFDIO_COPY of a page that is there", "ns", rows,
		    sizeof(rows) / sizeof(rows[0]));
	return 0;
}
