/* SPDX-License-Identifier: MIT */
/*
 * test-put.c - pages are put in while others look at them.
 */
#include "uffd/put.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sync.h"
#include "base/sys.h"
#include "base/userfaultfd.h"
#include "harness/harness.h"
#include "harness/uffd.h"
#include "mfill.h"

#define PAGE   ((size_t)sysconf(_SC_PAGESIZE))
#define ROUNDS 512
#define RUN    8

static struct mf_sys real;

static int no_guards(void *addr, size_t len, int advice)
{
	return advice == MADV_GUARD_INSTALL || advice == MADV_GUARD_REMOVE
		       ? -EINVAL
		       : real.madvise(addr, len, advice);
}

static void force_mprotect(void)
{
	real = mf_sys;
	mf_sys.madvise = no_guards;
}

static char *map(size_t pages, int type)
{
	return mf_test_memory(pages * PAGE, type);
}

static int open_and_register(char *area, size_t pages, uint64_t mode)
{
	int fd = mf_test_uffd_open(0, UFFD_FEATURE_SIGBUS);

	mf_test_uffd_register(fd, area, pages * PAGE, mode);
	return fd;
}

static int copy(int fd, char *dst, const void *src, size_t n)
{
	struct uffdio_copy args = {
		.dst = (uintptr_t)dst,
		.src = (uintptr_t)src,
		.len = n * PAGE,
	};

	return mfill_uffd_ioctl(fd, UFFDIO_COPY, &args);
}

struct looker {
	pthread_t id;
	uint64_t *words;
	uint64_t page; /* it looks at that one now */
	bool torn;
};

/* Copies without faults look all the time, and do not wait. */
static void *look_at_all(void *arg)
{
	static __thread uint64_t seen[65536 / 8];
	struct looker *looker = arg;
	size_t n = PAGE / sizeof(seen[0]);

	for (size_t page = 0; page < ROUNDS; page++) {
		mf_store_release(&looker->page, page);
		while (mfill_copy_nofault(seen, looker->words + page * n, PAGE))
			continue;
		for (size_t i = 0; i < n; i++)
			looker->torn |= seen[i] != page + 1;
	}
	return NULL;
}

static void fill_words(uint64_t *words, uint64_t first, size_t n)
{
	for (size_t i = 0; i < n * PAGE / sizeof(*words); i++)
		words[i] = first + i / (PAGE / sizeof(*words));
}

/* n pages in one call. */
static void check_wholeness(int type, size_t n, uint64_t mode)
{
	char *area = map(ROUNDS, type);
	uint64_t *source = (void *)map(n, MAP_PRIVATE);
	int fd = open_and_register(area, ROUNDS, mode);
	struct looker lookers[2] = { 0 };

	for (int i = 0; i < 2; i++) {
		lookers[i].words = (void *)area;
		ck_assert_int_eq(pthread_create(&lookers[i].id, NULL,
						look_at_all, &lookers[i]),
				 0);
	}
	for (uint64_t page = 0; page < ROUNDS; page += n) {
		fill_words(source, page + 1, n);
		while (mf_load_acquire(&lookers[0].page) < page &&
		       mf_load_acquire(&lookers[1].page) < page)
			continue;
		ck_assert_int_eq(copy(fd, area + page * PAGE, source, n), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(lookers[i].id, NULL);
		ck_assert(!lookers[i].torn);
	}
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, ROUNDS * PAGE);
	munmap(source, n * PAGE);
}

static void check_all_wholeness(void)
{
	for (size_t n = 1; n <= RUN; n += RUN - 1) {
		check_wholeness(MAP_PRIVATE, n, UFFDIO_REGISTER_MODE_MISSING);
		check_wholeness(MAP_SHARED, n, UFFDIO_REGISTER_MODE_MISSING);
	}
}

TEST_WITHIN(nobody_sees_half_of_a_page, 60)
{
	check_all_wholeness();
}

TEST_WITHIN(nobody_sees_half_of_a_page_without_guards, 60)
{
	force_mprotect();
	check_all_wholeness();
}

/* A shared page beyond the end of its file cannot be had. */
TEST(a_file_that_ends_is_an_error_after_what_it_has)
{
	int memfd = memfd_create("put", MFD_CLOEXEC), fd;
	struct uffdio_copy args = { .len = 8 * PAGE };
	char *area, *source = map(8, MAP_PRIVATE);

	ck_assert_int_eq(ftruncate(memfd, (off_t)(3 * PAGE)), 0);
	area = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd,
		    0);
	fd = open_and_register(area, 8, UFFDIO_REGISTER_MODE_MISSING);
	args.dst = (uintptr_t)area;
	args.src = (uintptr_t)source;
	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_COPY, &args), -EAGAIN);
	ck_assert_int_eq((int)args.copy, (int)(3 * PAGE));
	ck_assert_int_eq(copy(fd, area + 3 * PAGE, source, 1), -EFAULT);
	ck_assert_int_eq(copy(fd, area + 3 * PAGE, source, 2), -EFAULT);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, 8 * PAGE);
	munmap(source, 8 * PAGE);
	close(memfd);
}

TEST(a_page_that_was_dropped_unseen_is_filled_all_the_same)
{
	char *area = map(2, MAP_PRIVATE), *source = map(1, MAP_PRIVATE);
	int fd = open_and_register(area, 2, UFFDIO_REGISTER_MODE_MISSING);

	source[5] = 5;
	ck_assert_int_eq(copy(fd, area, source, 1), 0);
	ck_assert_int_eq(copy(fd, area, source, 1), -EEXIST);
	madvise(area, PAGE, MADV_DONTNEED);
	source[5] = 6;
	ck_assert_int_eq(copy(fd, area, source, 1), 0);
	ck_assert_int_eq(area[5], 6);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, 2 * PAGE);
	munmap(source, PAGE);
}

static ssize_t no_pwrite(int fd, const void *buf, size_t len, uint64_t offset)
{
	(void)fd;
	(void)buf;
	(void)len;
	(void)offset;
	return -EIO;
}

static unsigned populated; /* pages, in one call each */

static int no_populate(void *addr, size_t len, int advice)
{
	if (advice != MADV_POPULATE_WRITE)
		return real.madvise(addr, len, advice);
	populated = (unsigned)(len / PAGE);
	return -EINVAL;
}

TEST(shared_pages_are_made_by_one_call_or_by_the_copy)
{
	char *area = map(8, MAP_SHARED), *source = map(8, MAP_PRIVATE);
	int fd = open_and_register(area, 8, UFFDIO_REGISTER_MODE_MISSING);

	memset(source, 5, 8 * PAGE);
	real = mf_sys;
	mf_sys.madvise = no_populate;
	ck_assert_int_eq(copy(fd, area, source, 7), 0);
	ck_assert_uint_eq(populated, 7);
	ck_assert_int_eq(copy(fd, area + 7 * PAGE, source, 1), 0);
	ck_assert_uint_eq(populated, 1);
	mf_sys = real;
	ck_assert_int_eq(memcmp(area, source, 8 * PAGE), 0);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, 8 * PAGE);
	munmap(source, 8 * PAGE);
}

/* Not a page of zeros, nor half of one. */
TEST(a_page_that_could_not_be_written_stays_missing)
{
	char *area = map(8, MAP_PRIVATE), *source = map(8, MAP_PRIVATE), byte;
	int fd = open_and_register(area, 8, UFFDIO_REGISTER_MODE_MISSING);

	real = mf_sys;
	mf_sys.pwrite = no_pwrite;
	ck_assert_int_eq(copy(fd, area, source, 1), -EIO);
	ck_assert_int_eq(copy(fd, area, source, 8), -EIO);
	mf_sys = real;
	ck_assert_uint_eq(mfill_copy_nofault(&byte, area, 1), 1);
	ck_assert_uint_eq(mfill_copy_nofault(&byte, area + 7 * PAGE, 1), 1);
	ck_assert_int_eq(copy(fd, area, source, 8), 0);
	ck_assert_uint_eq(mfill_copy_nofault(&byte, area, 1), 0);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, 8 * PAGE);
	munmap(source, 8 * PAGE);
}
