/* SPDX-License-Identifier: MIT */
/*
 * test-move.c - pages that move while others use them.
 */
#include "uffd/move.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sync.h"
#include "base/sys.h"
#include "base/userfaultfd.h"
#include "harness/harness.h"
#include "harness/uffd.h"
#include "mfill.h"

#define PAGE   ((size_t)sysconf(_SC_PAGESIZE))
#define ROUNDS 300

static char *map(size_t pages)
{
	return mf_test_memory(pages * PAGE, MAP_PRIVATE);
}

static int open_and_register(char *area, size_t pages)
{
	int fd = mf_test_uffd_open(0, 0);

	mf_test_uffd_register(fd, area, pages * PAGE,
			      UFFDIO_REGISTER_MODE_MISSING);
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

/*
 * Forks before and after each call that a move makes, by another thread, while
 * the move waits. A child must find the page in one of the two places, and
 * both as they may be used.
 */
static struct {
	int (*mprotect)(void *addr, size_t len, int prot);
	int (*madvise)(void *addr, size_t len, int advice);
	uint64_t *dst, *src;
	uint32_t turn; /* odd: a fork is wanted */
	uint32_t bad, forks;
} middle;

#define CONTENT UINT64_C(0x1234567890abcdef)

static int look_in_child(void)
{
	bool at_dst = middle.dst[7] == CONTENT;
	bool at_src = middle.src[7] == CONTENT;

	if (at_dst == at_src || middle.dst[7] + middle.src[7] != CONTENT)
		return 1;
	middle.src[0] = middle.dst[0] = 1;
	return 0;
}

static void *fork_when_asked(void *arg)
{
	struct thread *t = arg;
	int status;

	while (!mf_load_acquire(&t->stop)) {
		pid_t child;

		if (mf_load_acquire(&middle.turn) % 2 == 0)
			continue;
		child = mf_test_fork();
		if (child == 0)
			_exit(look_in_child());
		waitpid(child, &status, 0);
		middle.bad += status != 0;
		middle.forks++;
		mf_fetch_add(&middle.turn, 1);
	}
	return NULL;
}

static void fork_now(void)
{
	uint32_t turn = mf_fetch_add(&middle.turn, 1) + 1;

	while (mf_load_acquire(&middle.turn) == turn)
		sched_yield();
}

static bool concerns_move(const void *addr)
{
	const void *src = middle.src, *dst = middle.dst;

	/* Not what the fork's own handlers do meanwhile. */
	return (addr == src || addr == dst) &&
	       mf_load_acquire(&middle.turn) % 2 == 0;
}

static int mprotect_and_fork(void *addr, size_t len, int prot)
{
	bool concerns = concerns_move(addr);
	int r;

	if (concerns)
		fork_now();
	r = middle.mprotect(addr, len, prot);
	if (concerns)
		fork_now();
	return r;
}

static int madvise_and_fork(void *addr, size_t len, int advice)
{
	bool concerns = concerns_move(addr);
	int r;

	if (concerns)
		fork_now();
	r = middle.madvise(addr, len, advice);
	if (concerns)
		fork_now();
	return r;
}

static void move_with_forks(int fd)
{
	struct thread t = { 0 };
	int r;

	ck_assert_int_eq(pthread_create(&t.id, NULL, fork_when_asked, &t), 0);
	middle.mprotect = mf_sys.mprotect;
	middle.madvise = mf_sys.madvise;
	mf_sys.mprotect = mprotect_and_fork;
	mf_sys.madvise = madvise_and_fork;
	r = move(fd, middle.dst, middle.src);
	mf_sys.mprotect = middle.mprotect;
	mf_sys.madvise = middle.madvise;
	mf_store_release(&t.stop, 1);
	pthread_join(t.id, NULL);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(middle.bad, 0);
	ck_assert_uint_gt(middle.forks, 6);
}

TEST_WITHIN(a_child_made_in_the_middle_of_a_move_has_the_page_in_one_place, 60)
{
	char *area = map(1), *from = map(1);
	int fd = open_and_register(area, 1);

	middle.dst = (void *)area;
	middle.src = (void *)from;
	middle.src[7] = CONTENT;
	move_with_forks(fd);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, PAGE);
	munmap(from, PAGE);
}

TEST_WITHIN(so_has_one_where_both_places_are_registered, 60)
{
	char *area = map(2);
	int fd;

	middle.dst = (void *)area;
	middle.src = (void *)(area + PAGE);
	middle.src[7] = CONTENT;
	fd = open_and_register(area, 2);
	move_with_forks(fd);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, 2 * PAGE);
}
