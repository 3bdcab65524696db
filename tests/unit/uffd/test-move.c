/* SPDX-License-Identifier: MIT */
/*
 * test-move.c - pages that move while others use them.
 */
#include "uffd/move.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sync.h"
#include "base/userfaultfd.h"
#include "harness/harness.h"
#include "mfill.h"

#define PAGE   ((size_t)sysconf(_SC_PAGESIZE))
#define ROUNDS 300

static char *map(size_t pages)
{
	char *area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(area, MAP_FAILED);
	return area;
}

static int open_and_register(char *area, size_t pages)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register args = {
		.range = { (uintptr_t)area, pages * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = mfill_uffd_open(O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd == -EOPNOTSUPP)
		SKIP("/proc");
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_API, &api), 0);
	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_REGISTER, &args), 0);
	return fd;
}

static int move(int fd, void *dst, void *src)
{
	struct uffdio_move args = {
		.dst = (uintptr_t)dst,
		.src = (uintptr_t)src,
		.len = PAGE,
	};

	return mfill_uffd_ioctl(fd, UFFDIO_MOVE, &args);
}

static void *next_fault(int fd)
{
	struct uffd_msg message;

	ck_assert_int_eq(mfill_uffd_read(fd, &message, sizeof(message)),
			 sizeof(message));
	return (void *)(uintptr_t)message.arg.pagefault.address;
}

struct thread {
	pthread_t id;
	uint64_t *words;
	uint64_t done; /* what it has done: its own until it sleeps */
	uint32_t stop;
	bool torn;
};

static void *count_up(void *arg)
{
	struct thread *t = arg;

	while (!mf_load_acquire(&t->stop)) {
		mf_fetch_add(&t->words[0], 1);
		mf_store_release(&t->done, t->done + 1);
	}
	return NULL;
}

/* A page that leaves while it is written to has all that was written. */
TEST_WITHIN(no_write_to_a_page_that_moves_is_lost, 60)
{
	for (int i = 0; i < ROUNDS; i++) {
		char *area = map(2);
		uint64_t *there = (void *)(area + PAGE);
		struct uffdio_zeropage zero = {
			.range = { (uintptr_t)area, PAGE },
		};
		struct thread t = { .words = (void *)area };
		int fd;

		t.words[0] = 0;
		fd = open_and_register(area, 2);
		ck_assert_int_eq(pthread_create(&t.id, NULL, count_up, &t), 0);
		while (mf_load_acquire(&t.done) < 10)
			continue;
		ck_assert_int_eq(move(fd, there, area), 0);
		ck_assert_ptr_eq(next_fault(fd), area);
		ck_assert_uint_eq(there[0], mf_load_acquire(&t.done));
		mf_store_release(&t.stop, 1);
		ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_ZEROPAGE, &zero),
				 0);
		pthread_join(t.id, NULL);
		ck_assert_int_eq(mfill_uffd_close(fd), 0);
		munmap(area, 2 * PAGE);
	}
}

/*
 * Copies without faults do not wait for the page, so they look at it all the
 * time; a word that is not as the rest is half a page.
 */
static void *look_at_all(void *arg)
{
	static __thread uint64_t seen[65536 / 8];
	struct thread *t = arg;
	size_t n = PAGE / sizeof(seen[0]);

	for (size_t page = 0; page < ROUNDS; page++) {
		mf_store_release(&t->done, page);
		while (mfill_copy_nofault(seen, t->words + page * n, PAGE))
			continue;
		for (size_t i = 0; i < n; i++)
			t->torn |= seen[i] != page + 1;
	}
	return NULL;
}

/* From one page outside, which is written to anew each time. */
TEST_WITHIN(nobody_sees_half_of_a_page_that_arrives, 60)
{
	char *area = map(ROUNDS);
	uint64_t *source = (void *)map(1);
	int fd = open_and_register(area, ROUNDS);
	struct thread t[2] = { 0 };

	for (int i = 0; i < 2; i++) {
		t[i].words = (void *)area;
		ck_assert_int_eq(
			pthread_create(&t[i].id, NULL, look_at_all, &t[i]), 0);
	}
	for (uint64_t page = 0; page < ROUNDS; page++) {
		for (size_t i = 0; i < PAGE / sizeof(source[0]); i++)
			source[i] = page + 1;
		while (mf_load_acquire(&t[0].done) < page &&
		       mf_load_acquire(&t[1].done) < page)
			continue;
		ck_assert_int_eq(move(fd, area + page * PAGE, source), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i].id, NULL);
		ck_assert(!t[i].torn);
	}
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, ROUNDS * PAGE);
	munmap(source, PAGE);
}
