/* SPDX-License-Identifier: MIT */
/*
 * test-protect.c - when the kernel allows no more mappings, nothing is between
 * two states.
 */
#include "uffd/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/userfaultfd.h"
#include "harness/harness.h"
#include "harness/uffd.h"
#include "mfill.h"

#define PAGE  ((size_t)sysconf(_SC_PAGESIZE))
#define PAGES 16

static struct mf_sys real;
static int mappings_left; /* so many more calls of mprotect() succeed */
static bool guards;

static int scarce_mprotect(void *addr, size_t len, int prot)
{
	if (mappings_left-- <= 0)
		return -ENOMEM;
	return real.mprotect(addr, len, prot);
}

static int some_madvise(void *addr, size_t len, int advice)
{
	if (!guards && advice == MADV_GUARD_INSTALL)
		return -EINVAL;
	return real.madvise(addr, len, advice);
}

static char *map(int type)
{
	return mf_test_memory(PAGES * PAGE, type);
}

/* With mappings for as long as nobody says otherwise. */
static int open_and_register(char *area, bool with_guards)
{
	int fd;

	real = mf_sys;
	guards = with_guards;
	mappings_left = 1000000;
	mf_sys.mprotect = scarce_mprotect;
	mf_sys.madvise = some_madvise;
	fd = mf_test_uffd_open(0, 0);
	mf_test_uffd_register(fd, area, PAGES * PAGE,
			      UFFDIO_REGISTER_MODE_MISSING |
				      UFFDIO_REGISTER_MODE_WP);
	return fd;
}

static int copy(int fd, char *area, int page, const void *src, size_t n)
{
	struct uffdio_copy args = {
		.dst = (uintptr_t)area + (size_t)page * PAGE,
		.src = (uintptr_t)src,
		.len = n * PAGE,
	};

	return mfill_uffd_ioctl(fd, UFFDIO_COPY, &args);
}

static int protect(int fd, char *area, int page, size_t n, uint64_t mode)
{
	struct uffdio_writeprotect args = {
		.range = { (uintptr_t)area + (size_t)page * PAGE, n * PAGE },
		.mode = mode,
	};

	return mfill_uffd_ioctl(fd, UFFDIO_WRITEPROTECT, &args);
}

static bool is_writable(char *page)
{
	char byte = 1;

	return mfill_copy_nofault(page, &byte, 1) == 0;
}

/* What is marked is protected, and nothing else is. */
static void check_marks(char *area)
{
	for (int i = 0; i < PAGES; i++)
		ck_assert_int_ne(mf_uffd_is_wp((uintptr_t)area + i * PAGE),
				 is_writable(area + i * PAGE));
}

TEST(a_mark_that_cannot_be_is_none)
{
	char *area = map(MAP_PRIVATE), *source = map(MAP_PRIVATE);
	int fd = open_and_register(area, true);

	ck_assert_int_eq(copy(fd, area, 0, source, PAGES), 0);
	for (int left = 0; left < 3; left++) {
		mappings_left = 1000000;
		ck_assert_int_eq(protect(fd, area, 0, PAGES, 0), 0);
		ck_assert_int_eq(protect(fd, area, 4, 1, 1), 0);
		ck_assert_int_eq(protect(fd, area, 8, 1, 1), 0);
		mappings_left = left;
		/* It protects all of it as one, so one call is enough. */
		ck_assert_int_eq(protect(fd, area, 2, 9, 1),
				 left < 1 ? -ENOMEM : 0);
		mappings_left = left;
		ck_assert_int_eq(protect(fd, area, 6, 1, 0),
				 left < 1 ? -ENOMEM : 0);
		mappings_left = 1000000;
		check_marks(area);
	}
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, PAGES * PAGE);
	munmap(source, PAGES * PAGE);
}

/* It stays missing, whole, and can be had when there are mappings again. */
static void check_copy(int type, size_t n, bool with_guards)
{
	char *area = map(type), *source = map(MAP_PRIVATE), byte;
	int fd = open_and_register(area, with_guards);

	/* How often it changes depends on what hides it. */
	if (with_guards)
		mf_test_uffd_needs_guards();
	memset(source, 7, PAGES * PAGE);
	/* Closed, and not opened again. */
	mappings_left = with_guards ? 1 : 0;
	ck_assert_int_eq(copy(fd, area, 4, source, n), -ENOMEM);
	mappings_left = 1000000;
	ck_assert_uint_eq(mfill_copy_nofault(&byte, area + 4 * PAGE, 1), 1);
	ck_assert_int_eq(copy(fd, area, 4, source, n), 0);
	ck_assert_int_eq(area[4 * PAGE], 7);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, PAGES * PAGE);
	munmap(source, PAGES * PAGE);
	mf_sys = real;
}

TEST(a_page_that_cannot_be_shown_stays_missing)
{
	for (size_t n = 1; n <= 8; n += 7)
		check_copy(MAP_PRIVATE, n, true);
}

TEST(a_page_that_could_not_be_shown_can_be_had_as_zeros)
{
	char *area = map(MAP_PRIVATE), *source = map(MAP_PRIVATE), byte = 1;
	int fd = open_and_register(area, true);
	struct uffdio_zeropage args = { .range = { (uintptr_t)area, PAGE } };

	mf_test_uffd_needs_guards();
	mappings_left = 1;
	ck_assert_int_eq(copy(fd, area, 0, source, 1), -ENOMEM);
	mappings_left = 1000000;
	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_ZEROPAGE, &args), 0);
	ck_assert_uint_eq(mfill_copy_nofault(&byte, area, 1), 0);
	ck_assert_int_eq(byte, 0);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, PAGES * PAGE);
	munmap(source, PAGES * PAGE);
}

TEST(a_page_that_cannot_be_shown_without_guards_stays_missing)
{
	for (size_t n = 1; n <= 8; n += 7) {
		check_copy(MAP_PRIVATE, n, false);
		check_copy(MAP_SHARED, n, false);
	}
}
