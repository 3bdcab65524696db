/* SPDX-License-Identifier: MIT */
/*
 * uffd-copy.c - what does UFFDIO_COPY of a page that is there cost, next to the
 * kernel's?
 *
 * Nobody waits, nobody faults: one page after the other, or in any order, from
 * one source page into a registered range. With a touch after it, since what is
 * not mapped yet costs then. Between the two stands what the system calls cost
 * that cannot be spared.
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

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif

enum who { KERNEL, RAW, MFILL };

struct what {
	enum who who;
	int type; /* MAP_PRIVATE or MAP_SHARED */
	bool shuffled, touch;
	uint32_t run; /* pages in one call */
};

/*
 * By hand: what nobody without a userfaultfd of the kernel's can do without,
 * where each page is to be missing until it is there as a whole. No locks, no
 * table of what is registered, no look at the source.
 */
#define WINDOW 64 /* pages in order that lose access at once */

static char *raw_alias; /* of shared memory */
static int raw_mem;

static void raw_must(int r, const char *what)
{
	bench_must(r < 0 ? -errno : 0, what);
}

static void raw_prepare(const struct what *what, char *area)
{
	size_t size = PAGES * BENCH_PAGE;

	raw_mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	raw_must(raw_mem, "/proc/self/mem");
	if (what->type == MAP_SHARED)
		raw_alias = mremap(area, 0, size, MREMAP_MAYMOVE);
	bench_must(raw_alias == MAP_FAILED ? -errno : 0, "mremap");
	raw_must(madvise(area, size, MADV_GUARD_INSTALL), "guard markers");
}

/* Bytes go in while nobody has access, and there is no marker. */
static void raw_private(const struct what *what, char *dst, uint64_t at,
			const char *src, size_t len)
{
	size_t closed = what->shuffled || what->run > 1 ? len
							: WINDOW * BENCH_PAGE;

	if (at % closed == 0) {
		raw_must(mprotect(dst, closed, PROT_NONE), "mprotect");
		raw_must(madvise(dst, closed, MADV_GUARD_REMOVE), "madvise");
	}
	raw_must(pwrite(raw_mem, src, len, (off_t)(uintptr_t)dst) ==
				 (ssize_t)len
			 ? 0
			 : -1,
		 "/proc/self/mem");
	raw_must(mprotect(dst, len, PROT_READ | PROT_WRITE), "mprotect");
}

/* Somebody else may have put it into the file: that is not written over. */
static void raw_shared(char *dst, uint64_t at, const char *src, size_t len)
{
	unsigned char cached[16];

	raw_must(mincore(raw_alias + at, len, cached), "mincore");
	bench_must(cached[0] & 1 ? -EEXIST : 0, "mincore");
	raw_must(madvise(raw_alias + at, len, MADV_POPULATE_WRITE), "madvise");
	memcpy(raw_alias + at, src, len);
	raw_must(madvise(dst, len, MADV_GUARD_REMOVE), "madvise");
}

/* With a userfaultfd */

static int call(const struct what *what, int fd, unsigned long request,
		void *arg)
{
	if (what->who == MFILL)
		return mfill_uffd_ioctl(fd, request, arg);
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static int open_and_register(const struct what *what, char *area)
{
	int flags = O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY, fd;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register args = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	fd = what->who == KERNEL ? (int)syscall(SYS_userfaultfd, flags)
				 : mfill_uffd_open(flags);
	bench_must(fd < 0 ? -EPERM : 0, "userfaultfd");
	args.range.start = (uintptr_t)area;
	args.range.len = (uint64_t)PAGES * BENCH_PAGE;
	bench_must(call(what, fd, UFFDIO_API, &api), "UFFDIO_API");
	bench_must(call(what, fd, UFFDIO_REGISTER, &args), "UFFDIO_REGISTER");
	return fd;
}

/* The page at offset at. */
static void copy(const struct what *what, int fd, char *area, uint64_t at,
		 const char *src)
{
	size_t len = what->run * BENCH_PAGE;
	struct uffdio_copy args = {
		.dst = (uintptr_t)area + at,
		.src = (uintptr_t)src,
		.len = len,
	};

	if (what->who != RAW)
		bench_must(call(what, fd, UFFDIO_COPY, &args), "UFFDIO_COPY");
	else if (what->type == MAP_PRIVATE)
		raw_private(what, area + at, at, src, len);
	else
		raw_shared(area + at, at, src, len);
}

/* ns for a page */
static double copy_all(const void *arg)
{
	const struct what *what = arg;
	uint32_t *order = bench_shuffled(PAGES / what->run);
	char *area = mmap(NULL, PAGES * BENCH_PAGE, PROT_READ | PROT_WRITE,
			  what->type | MAP_ANONYMOUS, -1, 0);
	char *bytes = mmap(NULL, what->run * BENCH_PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start;
	int fd = -1;

	if (what->who == RAW)
		raw_prepare(what, area);
	else
		fd = open_and_register(what, area);
	memset(bytes, 1, what->run * BENCH_PAGE);
	start = bench_now();
	for (uint32_t i = 0; i < PAGES / what->run; i++) {
		uint64_t at = (uint64_t)(what->shuffled ? order[i] : i) *
			      what->run * BENCH_PAGE;

		copy(what, fd, area, at, bytes);
		if (what->touch)
			(void)*(volatile char *)(area + at);
	}
	return (double)(bench_now() - start) / PAGES;
}

#define ROWS(type)                                                             \
	static const struct what type##_what[] = {                             \
		{ KERNEL, MAP_##type, false, false, 1 },                       \
		{ RAW, MAP_##type, false, false, 1 },                          \
		{ MFILL, MAP_##type, false, false, 1 },                        \
		{ KERNEL, MAP_##type, true, true, 1 },                         \
		{ RAW, MAP_##type, true, true, 1 },                            \
		{ MFILL, MAP_##type, true, true, 1 },                          \
		{ KERNEL, MAP_##type, false, false, 16 },                      \
		{ RAW, MAP_##type, false, false, 16 },                         \
		{ MFILL, MAP_##type, false, false, 16 },                       \
	};                                                                     \
	static const struct bench_row type##_rows[] = {                        \
		{ "in order: kernel", copy_all, &type##_what[0], -1, 0 },      \
		{ "in order: system calls alone", copy_all, &type##_what[1],   \
		  0, 0 },                                                      \
		{ "in order: mfill", copy_all, &type##_what[2], 0, 2 },        \
		{ "any order, touched: kernel", copy_all, &type##_what[3], -1, \
		  0 },                                                         \
		{ "any order, touched: system calls alone", copy_all,          \
		  &type##_what[4], 3, 0 },                                     \
		{ "any order, touched: mfill", copy_all, &type##_what[5], 3,   \
		  2 },                                                         \
		{ "16 pages: kernel", copy_all, &type##_what[6], -1, 0 },      \
		{ "16 pages: system calls alone", copy_all, &type##_what[7],   \
		  6, 0 },                                                      \
		{ "16 pages: mfill", copy_all, &type##_what[8], 6, 2 },        \
	}

ROWS(PRIVATE);
ROWS(SHARED);

int main(void)
{
	bench_table("UFFDIO_COPY of a page that is there, private memory", "ns",
		    PRIVATE_rows, 9);
	bench_table("UFFDIO_COPY of a page that is there, shared memory", "ns",
		    SHARED_rows, 9);
	return 0;
}
