/* SPDX-License-Identifier: MIT */
/*
 * test-change.c - mappings that change while others look, which a comparison
 * with the kernel cannot show.
 */
#include "uffd/change.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sync.h"
#include "base/userfaultfd.h"
#include "harness/harness.h"
#include "harness/uffd.h"
#include "mfill.h"

#define PAGE  ((size_t)4096)
#define PAGES ((size_t)16)

static char *area;
static int uffd;
static uint32_t stop;

static void start(uint64_t features, int type)
{
	uffd = mf_test_uffd_open(O_NONBLOCK, features);
	area = mf_test_memory(PAGES * PAGE, type);
	mf_test_uffd_register(uffd, area, PAGES * PAGE,
			      UFFDIO_REGISTER_MODE_MISSING);
}

static void end(void)
{
	ck_assert_int_eq(mfill_uffd_close(uffd), 0);
	munmap(area, PAGES * PAGE);
}

static int fill(uintptr_t page, int byte)
{
	static __thread char bytes[PAGE] __attribute__((aligned(PAGE)));
	struct uffdio_copy copy = {
		.dst = page & ~(uintptr_t)(PAGE - 1),
		.src = (uintptr_t)bytes,
		.len = PAGE,
	};

	memset(bytes, byte, PAGE);
	return mfill_uffd_ioctl(uffd, UFFDIO_COPY, &copy);
}

static void *serve(void *arg)
{
	struct pollfd wanted = { .fd = uffd, .events = POLLIN };
	struct uffd_msg message;

	(void)arg;
	while (!mf_load_acquire(&stop)) {
		struct uffdio_range range = { .len = PAGE };

		if (poll(&wanted, 1, 10) != 1 ||
		    mfill_uffd_read(uffd, &message, sizeof(message)) !=
			    sizeof(message) ||
		    message.event != UFFD_EVENT_PAGEFAULT)
			continue;
		range.start = message.arg.pagefault.address;
		if (fill((uintptr_t)range.start, 7) == -EEXIST)
			(void)mfill_uffd_ioctl(uffd, UFFDIO_WAKE, &range);
	}
	return NULL;
}

/* How often it saw something that nobody has put there. */
static void *look(void *arg)
{
	intptr_t wrong = 0;

	(void)arg;
	while (!mf_load_acquire(&stop))
		for (size_t i = 0; i < PAGES * PAGE; i += PAGE)
			wrong += *(volatile char *)(area + i) != 7;
	return (void *)wrong;
}

static void drop_while_others_look(int type, int advice)
{
	pthread_t handler, looker;
	void *wrong;

	start(0, type);
	mf_store_release(&stop, 0U);
	pthread_create(&handler, NULL, serve, NULL);
	pthread_create(&looker, NULL, look, NULL);
	/* In its place would be zeros for as long as all of it takes. */
	for (int i = 0; i < 2000; i++) {
		ck_assert_int_eq(mf_uffd_madvise(area, PAGES * PAGE, advice),
				 0);
		for (size_t at = 0; at < PAGES; at++)
			(void)fill((uintptr_t)(area + at * PAGE), 7);
	}
	usleep(20000); /* so that who looks does not wait for a page */
	mf_store_release(&stop, 1U);
	pthread_join(looker, &wrong);
	pthread_join(handler, NULL);
	ck_assert_ptr_eq(wrong, NULL);
	end();
}

TEST(nobody_sees_the_zeros_of_a_dropped_page)
{
	drop_while_others_look(MAP_PRIVATE, MADV_DONTNEED);
}

TEST(nobody_sees_the_zeros_of_a_hole_in_a_file)
{
	drop_while_others_look(MAP_SHARED, MADV_REMOVE);
}

/* What cannot be dropped is still there, and to be seen. */
static void refuse(int type, int advice)
{
	start(0, type);
	for (size_t i = 0; i < PAGES; i++)
		ck_assert_int_eq(fill((uintptr_t)area + i * PAGE, 5), 0);
	/* Sanitizers take mlock() for done. */
	if (syscall(SYS_mlock, area, PAGES * PAGE) < 0)
		SKIP("memory that may be locked");
	ck_assert_int_eq(mf_uffd_madvise(area, PAGES * PAGE, advice), -EINVAL);
	for (size_t i = 0; i < PAGES; i++)
		ck_assert_int_eq(area[i * PAGE], 5);
	syscall(SYS_munlock, area, PAGES * PAGE);
	end();
}

TEST(a_drop_that_is_refused_loses_nothing)
{
	refuse(MAP_PRIVATE, MADV_DONTNEED);
}

TEST(a_hole_that_is_refused_loses_nothing)
{
	refuse(MAP_PRIVATE, MADV_REMOVE);
}

TEST(a_shared_drop_that_is_refused_loses_nothing)
{
	refuse(MAP_SHARED, MADV_DONTNEED);
}

/* Ranges that are alike again are one, so that they do not run out. */
TEST(protection_to_and_fro_uses_up_no_ranges)
{
	struct uffdio_register all = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	const int both = PROT_READ | PROT_WRITE;
	const size_t many = 3000;

	start(0, MAP_PRIVATE);
	munmap(area, PAGES * PAGE);
	area = mmap(NULL, many * PAGE, both, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	all.range = (struct uffdio_range){ (uintptr_t)area, many * PAGE };
	ck_assert_int_eq(mfill_uffd_ioctl(uffd, UFFDIO_REGISTER, &all), 0);
	for (size_t i = 1; i < many; i += 2) {
		char *page = area + i * PAGE;

		ck_assert_int_eq(mf_uffd_mprotect(page, PAGE, PROT_READ), 0);
		ck_assert_int_eq(mf_uffd_mprotect(page, PAGE, both), 0);
	}
	munmap(area + PAGES * PAGE, (many - PAGES) * PAGE);
	end();
}

TEST(what_is_far_away_is_not_touched)
{
	char *other = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	void *got;

	start(0, MAP_PRIVATE);
	ck_assert_int_eq(mf_uffd_munmap(other, PAGE), -ENOENT);
	ck_assert_int_eq(mf_uffd_madvise(other, PAGE, MADV_DONTNEED), -ENOENT);
	ck_assert_int_eq(mf_uffd_mprotect(other, PAGE, PROT_NONE), -ENOENT);
	ck_assert_int_eq(mf_uffd_mremap(other, PAGE, 2 * PAGE, 0, NULL, &got),
			 -ENOENT);
	ck_assert_int_eq(munmap(other, PAGE), 0);
	end();
}
