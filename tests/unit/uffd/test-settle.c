/* SPDX-License-Identifier: MIT */
/*
 * test-settle.c - memory that is registered while others use it.
 */
#include "uffd/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
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
#define PAGES  512
#define ROUNDS 60

static __thread sigjmp_buf way_out;

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(way_out, 1);
}

struct writer {
	pthread_t id;
	char *area;
	size_t done; /* pages written to */
};

/* For the first time each, until one is missing. */
static void *write_all(void *arg)
{
	struct writer *writer = arg;

	if (sigsetjmp(way_out, 1) != 0)
		return NULL;
	for (size_t i = 0; i < PAGES; i++) {
		/* Not through sync.h: it ends with a jump out of here. */
		*(volatile char *)&writer->area[i * PAGE] = (char)(i % 100 + 1);
		mf_store_release(&writer->done, i + 1);
	}
	return NULL;
}

static void register_it(int fd, char *area)
{
	mf_test_uffd_register(fd, area, PAGES * PAGE,
			      UFFDIO_REGISTER_MODE_MISSING);
}

/* The number of pages that were written to and are not as they were. */
static size_t lose(int type)
{
	struct writer writer = { .done = 0 };
	size_t lost = 0;
	char byte;
	int fd = mf_test_uffd_open(0, UFFD_FEATURE_SIGBUS);

	writer.area = mf_test_memory(PAGES * PAGE, type);
	ck_assert_int_eq(pthread_create(&writer.id, NULL, write_all, &writer),
			 0);
	while (mf_load_acquire(&writer.done) == 0)
		continue;
	register_it(fd, writer.area);
	pthread_join(writer.id, NULL);
	for (size_t i = 0; i < writer.done; i++)
		lost += mfill_copy_nofault(&byte, writer.area + i * PAGE, 1) ||
			byte != (char)(i % 100 + 1);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(writer.area, PAGES * PAGE);
	return lost;
}

static void check(int type)
{
	struct sigaction action = { .sa_handler = on_bus };

	sigaction(SIGBUS, &action, NULL);
	for (int i = 0; i < ROUNDS; i++)
		ck_assert_uint_eq(lose(type), 0);
}

TEST_WITHIN(what_is_written_to_private_memory_meanwhile_is_kept, 60)
{
	check(MAP_PRIVATE);
}

TEST_WITHIN(what_is_written_to_shared_memory_meanwhile_is_kept, 60)
{
	check(MAP_SHARED);
}

static int no_guards(void *addr, size_t len, int advice)
{
	(void)addr;
	(void)len;
	return advice == MADV_GUARD_INSTALL ? -EINVAL : 0;
}

TEST_WITHIN(what_is_written_meanwhile_is_kept_without_guards, 60)
{
	mf_sys.madvise = no_guards;
	check(MAP_PRIVATE);
}

#define HUGE ((size_t)2 << 20)

static struct mf_sys real;
static size_t small; /* bytes that are to get no huge pages */
static const char bytes[65536];

static int watched_madvise(void *addr, size_t len, int advice)
{
	if (advice == MADV_GUARD_INSTALL)
		return -EINVAL;
	if (advice == MADV_NOHUGEPAGE)
		small = len;
	return real.madvise(addr, len, advice);
}

static int copy(int fd, char *dst, const char *src)
{
	struct uffdio_copy args = {
		.dst = (uintptr_t)dst,
		.src = (uintptr_t)src,
		.len = PAGE,
	};

	return mfill_uffd_ioctl(fd, UFFDIO_COPY, &args);
}

/* One page is filled of memory that the program wants huge pages for. */
static void check_huge(int type)
{
	char *area = mf_test_memory(2 * HUGE, type);
	char *page = (char *)(((uintptr_t)area + HUGE - 1) & ~(HUGE - 1)), byte;
	int fd = mf_test_uffd_open(0, 0);

	(void)madvise(area, 2 * HUGE, MADV_HUGEPAGE);
	mf_test_uffd_register(fd, area, 2 * HUGE, UFFDIO_REGISTER_MODE_MISSING);
	ck_assert_int_eq(copy(fd, page, bytes), 0);
	mf_test_uffd_register(fd, area, 2 * HUGE, UFFDIO_REGISTER_MODE_MISSING);
	ck_assert_uint_eq(mfill_copy_nofault(&byte, page + PAGE, 1), 1);
	ck_assert_int_eq(copy(fd, page + PAGE, bytes), 0);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, 2 * HUGE);
}

TEST(what_a_huge_page_brings_along_is_missing)
{
	real = mf_sys;
	mf_sys.madvise = watched_madvise;
	check_huge(MAP_PRIVATE);
}

/* Whether the kernel would make one is a setting of the machine's. */
TEST(shared_memory_is_filled_through_small_pages)
{
	real = mf_sys;
	mf_sys.madvise = watched_madvise;
	check_huge(MAP_SHARED);
	ck_assert_uint_eq(small, 2 * HUGE);
}

/* Nobody told us of it. */
TEST(what_was_mapped_in_the_place_of_hidden_pages_is_kept)
{
	char *area = mf_test_memory(PAGES * PAGE, MAP_PRIVATE), byte;
	int fd;

	real = mf_sys;
	mf_sys.madvise = watched_madvise;
	fd = mf_test_uffd_open(0, 0);
	register_it(fd, area);
	ck_assert_ptr_ne(mmap(area + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 MAP_FAILED);
	area[3 * PAGE] = 9;
	register_it(fd, area);
	ck_assert_uint_eq(mfill_copy_nofault(&byte, area + 3 * PAGE, 1), 0);
	ck_assert_int_eq(byte, 9);
	ck_assert_uint_eq(mfill_copy_nofault(&byte, area + 2 * PAGE, 1), 1);
	ck_assert_uint_eq(mfill_copy_nofault(&byte, area + 4 * PAGE, 1), 1);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, PAGES * PAGE);
}
