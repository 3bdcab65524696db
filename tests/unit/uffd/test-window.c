/* SPDX-License-Identifier: MIT */
/*
 * test-window.c - pages are filled in order, and what that does to the others.
 */
#include "uffd/window.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/userfaultfd.h"
#include "harness/harness.h"
#include "harness/uffd.h"
#include "mfill.h"
#include "uffd/hide.h"

#define PAGE  mf_page_size()
#define PAGES 256

#define MISSING UFFDIO_REGISTER_MODE_MISSING
#define WP	UFFDIO_REGISTER_MODE_WP

static struct mf_sys real;
static unsigned protections, advices; /* calls */

static int counted_mprotect(void *addr, size_t len, int prot)
{
	protections++;
	return real.mprotect(addr, len, prot);
}

static int counted_madvise(void *addr, size_t len, int advice)
{
	advices++;
	return real.madvise(addr, len, advice);
}

static char *source;

static char *map(void)
{
	return mf_test_memory(PAGES * PAGE, MAP_PRIVATE);
}

static int open_and_register(char *area, uint64_t mode)
{
	int fd = mf_test_uffd_open(0, 0);

	mf_test_uffd_needs_guards();
	mf_test_uffd_register(fd, area, PAGES * PAGE, mode);
	source = map();
	memset(source, 7, PAGES * PAGE);
	return fd;
}

static void copy(int fd, char *dst, size_t n)
{
	struct uffdio_copy args = {
		.dst = (uintptr_t)dst,
		.src = (uintptr_t)source,
		.len = n * PAGE,
	};

	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_COPY, &args), 0);
}

/* n pages, one after the other. */
static void copy_in_order(int fd, char *dst, size_t n)
{
	for (size_t i = 0; i < n; i++)
		copy(fd, dst + i * PAGE, 1);
}

static bool is_missing(const char *page)
{
	char byte;

	return mfill_copy_nofault(&byte, page, 1) == 1;
}

static void close_and_unmap(int fd, char *area)
{
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, PAGES * PAGE);
	munmap(source, PAGES * PAGE);
}

/* Mappings of [area, area + PAGES * PAGE), as the kernel tells. */
static unsigned count_mappings(const char *area)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512];
	unsigned n = 0;

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 &&
		    start < (uintptr_t)area + PAGES * PAGE &&
		    end > (uintptr_t)area)
			n++;
	fclose(maps);
	return n;
}

TEST(pages_in_order_take_two_calls_each)
{
	char *area = map();
	int fd = open_and_register(area, MISSING);

	copy_in_order(fd, area, PAGES / 2);
	real = mf_sys;
	mf_sys.mprotect = counted_mprotect;
	mf_sys.madvise = counted_madvise;
	copy_in_order(fd, area + PAGES / 2 * PAGE, PAGES / 2);
	mf_sys = real;
	/* The other one is pwrite(). And those of two windows. */
	ck_assert_uint_le(protections, PAGES / 2 + 4);
	ck_assert_uint_le(advices, 4);
	for (size_t i = 0; i < PAGES; i++)
		ck_assert_int_eq(area[i * PAGE], 7);
	close_and_unmap(fd, area);
}

TEST(what_is_not_filled_yet_is_missing)
{
	char *area = map();
	int fd = open_and_register(area, MISSING);

	for (size_t i = 0; i < PAGES / 2; i++) {
		copy(fd, area + i * PAGE, 1);
		ck_assert(!is_missing(area + i * PAGE));
		for (size_t k = i + 1; k < i + 80; k++)
			ck_assert(is_missing(area + k * PAGE));
	}
	close_and_unmap(fd, area);
}

static void zero(int fd, char *dst)
{
	struct uffdio_zeropage args = {
		.range = { (uintptr_t)dst, PAGE },
	};

	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_ZEROPAGE, &args), 0);
}

TEST(pages_of_a_window_are_filled_in_any_order)
{
	char *area = map(), *window;
	int fd = open_and_register(area, MISSING);

	copy_in_order(fd, area, mf_window_after + 1);
	window = area + (mf_window_after + 1) * PAGE;
	copy(fd, window + 4 * PAGE, 1);
	copy(fd, window + 8 * PAGE, 4);
	zero(fd, window + 2 * PAGE);
	ck_assert(!is_missing(window + 4 * PAGE));
	ck_assert_int_eq(window[11 * PAGE], 7);
	ck_assert_int_eq(window[2 * PAGE], 0);
	ck_assert(is_missing(window + 3 * PAGE));
	ck_assert(is_missing(window + 5 * PAGE));
	ck_assert(is_missing(window + 12 * PAGE));
	copy_in_order(fd, window, 2);
	copy(fd, window + 3 * PAGE, 1);
	ck_assert_int_eq(window[3 * PAGE], 7);
	close_and_unmap(fd, area);
}

/* Below a marker nobody would find it again. */
TEST(that_there_is_no_access_ends_with_the_window)
{
	struct uffdio_writeprotect args = { .mode = 1 };
	char *area = map();
	int fd = open_and_register(area, MISSING | WP);

	copy_in_order(fd, area, mf_window_after + 1);
	args.range.start = (uintptr_t)area;
	args.range.len = PAGES * PAGE;
	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_WRITEPROTECT, &args), 0);
	for (size_t i = mf_window_after + 1; i < PAGES; i++) {
		ck_assert(is_missing(area + i * PAGE));
		zero(fd, area + i * PAGE);
		ck_assert(!is_missing(area + i * PAGE));
	}
	close_and_unmap(fd, area);
}

TEST(few_mappings_whatever_is_begun)
{
	char *area = map();
	int fd = open_and_register(area, MISSING);
	unsigned step = 8;

	for (size_t i = 0; i < PAGES; i += step)
		copy_in_order(fd, area + i * PAGE, mf_window_after + 1);
	/* Eight windows have no access, and what is between them has. */
	ck_assert_uint_le(count_mappings(area), 17);
	for (size_t i = 0; i < PAGES; i += step)
		ck_assert(is_missing(area + (i + step - 1) * PAGE));
	close_and_unmap(fd, area);
}

TEST(nothing_is_left_of_a_window_when_ranges_change)
{
	char *area = map();
	int fd = open_and_register(area, MISSING), other;

	copy_in_order(fd, area, mf_window_after + 1);
	ck_assert_uint_gt(count_mappings(area), 1);
	other = open_and_register(map(), MISSING);
	ck_assert_uint_eq(count_mappings(area), 1);
	ck_assert(is_missing(area + (mf_window_after + 1) * PAGE));
	copy_in_order(fd, area + (mf_window_after + 1) * PAGE, 2);
	ck_assert_int_eq(mfill_uffd_close(other), 0);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	ck_assert_uint_eq(count_mappings(area), 1);
	ck_assert_int_eq(area[(mf_window_after + 3) * PAGE], 0);
}

/* Nobody told us of it. */
TEST(a_window_does_not_reach_into_another_mapping)
{
	char *area = map(), *theirs = area + 10 * PAGE;
	int fd = open_and_register(area, MISSING);

	ck_assert_ptr_eq(mmap(theirs, PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 theirs);
	copy_in_order(fd, area, mf_window_after + 1);
	ck_assert(!is_missing(theirs));
	ck_assert(is_missing(theirs - PAGE));
	ck_assert(is_missing(theirs + PAGE));
	close_and_unmap(fd, area);
}

TEST(what_was_mapped_into_a_window_is_left_alone)
{
	char *area = map(), *theirs;
	int fd = open_and_register(area, MISSING);

	copy_in_order(fd, area, mf_window_after + 1);
	theirs = area + (mf_window_after + 1) * PAGE;
	ck_assert_ptr_eq(mmap(theirs, 4 * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 theirs);
	theirs[0] = 9;
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	ck_assert_int_eq(theirs[0], 9);
	munmap(area, PAGES * PAGE);
	munmap(source, PAGES * PAGE);
}

TEST(a_child_without_a_registration_reads_zeros_in_a_window)
{
	char *area = map();
	int fd = open_and_register(area, MISSING), status;
	pid_t child;

	copy_in_order(fd, area, mf_window_after + 1);
	child = fork();
	if (child == 0) {
		for (size_t i = 0; i < PAGES; i++)
			if (area[i * PAGE] != (i <= mf_window_after ? 7 : 0))
				_exit(1);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert(is_missing(area + (mf_window_after + 1) * PAGE));
	close_and_unmap(fd, area);
}
