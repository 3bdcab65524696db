/* SPDX-License-Identifier: MIT */
/*
 * test-fork.c - forks in the middle of things, which a comparison with the
 * kernel cannot show. tests/conform and tests/cli have the rest.
 */
#include "uffd/fork.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sync.h"
#include "harness/harness.h"
#include "harness/uffd.h"
#include "mfill.h"

#define PAGE  ((size_t)4096)
#define PAGES ((size_t)64)

static char *area;
static int uffd;

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

static int fill(int fd, char *page, int byte)
{
	static __thread char bytes[PAGE] __attribute__((aligned(PAGE)));
	struct uffdio_copy copy = {
		.dst = (uintptr_t)page,
		.src = (uintptr_t)bytes,
		.len = PAGE,
	};

	memset(bytes, byte, PAGE);
	return mfill_uffd_ioctl(fd, UFFDIO_COPY, &copy);
}

static void drop(char *page)
{
	struct uffdio_range range = { (uintptr_t)page, PAGE };
	struct uffdio_register back = {
		.range = range,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	madvise(page, PAGE, MADV_DONTNEED);
	(void)mfill_uffd_ioctl(uffd, UFFDIO_REGISTER, &back);
}

/* A thread that fills and drops pages all the time. */
static uint32_t stop;

static void *fill_all_the_time(void *arg)
{
	(void)arg;
	while (!mf_load_acquire(&stop)) {
		for (size_t i = 0; i < PAGES; i++)
			(void)fill(uffd, area + i * PAGE, 7);
		for (size_t i = 0; i < PAGES; i++)
			drop(area + i * PAGE);
	}
	return NULL;
}

/* In a child: each page is there whole, or it is zeros. */
static int look_for_halves(void)
{
	for (size_t i = 0; i < PAGES; i++) {
		const volatile char *page = area + i * PAGE;

		for (size_t j = 1; j < PAGE; j++)
			if (page[j] != page[0])
				return 1;
		area[i * PAGE] = 1;
	}
	return 0;
}

TEST_WITHIN(a_child_made_in_the_middle_of_a_fill_sees_no_half_page, 60)
{
	pthread_t thread;
	int status;

	start(0, MAP_PRIVATE);
	mf_store_release(&stop, 0U);
	pthread_create(&thread, NULL, fill_all_the_time, NULL);
	for (int i = 0; i < 200; i++) {
		pid_t child = mf_test_fork();

		if (child == 0)
			_exit(look_for_halves());
		waitpid(child, &status, 0);
		ck_assert_int_eq(status, 0);
	}
	mf_store_release(&stop, 1U);
	pthread_join(thread, NULL);
	end();
}

TEST(without_anything_registered_a_fork_tells_nobody)
{
	struct uffdio_range all;
	int status;
	pid_t child;

	start(UFFD_FEATURE_EVENT_FORK, MAP_PRIVATE);
	all = (struct uffdio_range){ (uintptr_t)area, PAGES * PAGE };
	ck_assert_int_eq(mfill_uffd_ioctl(uffd, UFFDIO_UNREGISTER, &all), 0);
	child = mf_test_fork();
	if (child == 0)
		_exit(0);
	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
	end();
}

/* Reads the message about a fork, and the child's messages then. */
static int child_uffd;
static uint32_t forks_read;
static uint32_t reads; /* the thread is past its start */

static void *read_forks(void *arg)
{
	struct pollfd wanted = { .fd = uffd, .events = POLLIN };
	struct uffd_msg message;

	mf_store_release(&reads, 1U);
	(void)arg;
	while (!mf_load_acquire(&stop)) {
		if (poll(&wanted, 1, 10) != 1 ||
		    mfill_uffd_read(uffd, &message, sizeof(message)) !=
			    sizeof(message))
			continue;
		child_uffd = (int)message.arg.fork.ufd;
		(void)mf_fetch_add(&forks_read, 1U);
	}
	return NULL;
}

/*
 * In its start a thread holds locks of a sanitizer's, which a child that
 * starts one, too, would wait for.
 */
static pthread_t start_reader(void)
{
	pthread_t thread;

	mf_store_release(&stop, 0U);
	mf_store_release(&forks_read, 0U);
	mf_store_release(&reads, 0U);
	pthread_create(&thread, NULL, read_forks, NULL);
	while (!mf_load_acquire(&reads))
		sched_yield();
	return thread;
}

static void stop_reader(pthread_t thread)
{
	mf_store_release(&stop, 1U);
	pthread_join(thread, NULL);
}

TEST(a_child_whose_descriptor_is_closed_reads_zeros)
{
	pthread_t reader;
	pid_t child;
	int status;

	start(UFFD_FEATURE_EVENT_FORK, MAP_PRIVATE);
	reader = start_reader();
	child = mf_test_fork();
	if (child == 0)
		_exit(area[5] + area[PAGE]);
	stop_reader(reader);
	ck_assert_uint_eq(mf_load_acquire(&forks_read), 1);
	usleep(20000); /* it waits for the page by now */
	ck_assert_int_eq(mfill_uffd_close(child_uffd), 0);
	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
	end();
}

TEST(a_child_that_is_gone_is_told_of)
{
	struct uffdio_range range;
	struct uffdio_zeropage zero;
	pthread_t reader;
	pid_t child;

	start(UFFD_FEATURE_EVENT_FORK, MAP_PRIVATE);
	reader = start_reader();
	child = mf_test_fork();
	if (child == 0)
		for (;;)
			pause();
	stop_reader(reader);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	range = (struct uffdio_range){ (uintptr_t)area, PAGE };
	zero = (struct uffdio_zeropage){ .range = range, .zeropage = 77 };
	ck_assert_int_eq(fill(child_uffd, area, 1), -ESRCH);
	ck_assert_int_eq(mfill_uffd_ioctl(child_uffd, UFFDIO_ZEROPAGE, &zero),
			 -ESRCH);
	ck_assert_int_eq(zero.zeropage, 77);
	ck_assert_int_eq(mfill_uffd_ioctl(child_uffd, UFFDIO_WAKE, &range), 0);
	ck_assert_int_eq(
		mfill_uffd_ioctl(child_uffd, UFFDIO_UNREGISTER, &range),
		-ENOMEM);
	ck_assert_int_eq(mfill_uffd_close(child_uffd), 0);
	end();
}

/* A child that touches one page after the other, each when it may. */
static void touch_when_told(int go)
{
	char byte;

	for (size_t i = 0; i < PAGES && read(go, &byte, 1) == 1; i++)
		(void)*(volatile char *)(area + i * PAGE);
	_exit(0);
}

TEST(what_is_unregistered_in_a_child_is_not_read_of)
{
	struct pollfd wanted = { .events = POLLIN };
	struct uffd_msg message;
	pthread_t reader;
	pid_t child;
	int go[2];

	ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
	start(UFFD_FEATURE_EVENT_FORK, MAP_PRIVATE);
	reader = start_reader();
	child = mf_test_fork();
	if (child == 0)
		touch_when_told(go[0]);
	stop_reader(reader);
	wanted.fd = child_uffd;
	for (size_t i = 0; i < PAGES; i++) {
		struct uffdio_range page = { (uintptr_t)area + i * PAGE, PAGE };

		ck_assert_int_eq(write(go[1], "", 1), 1);
		ck_assert_int_eq(poll(&wanted, 1, 5000), 1);
		ck_assert_int_eq(
			mfill_uffd_ioctl(child_uffd, UFFDIO_UNREGISTER, &page),
			0);
		ck_assert_int_eq(
			mfill_uffd_read(child_uffd, &message, sizeof(message)),
			-EAGAIN);
	}
	waitpid(child, NULL, 0);
	close(go[0]);
	close(go[1]);
	ck_assert_int_eq(mfill_uffd_close(child_uffd), 0);
	end();
}

/* Waits for its parent to fill a page, and the parent dies instead. */
static void die_before_a_child(int result)
{
	pthread_t reader;
	pid_t child;

	start(UFFD_FEATURE_EVENT_FORK, MAP_PRIVATE);
	reader = start_reader();
	child = mf_test_fork();
	if (child == 0) {
		char byte = area[5] == 0 ? 'y' : 'n';

		_exit(write(result, &byte, 1) != 1);
	}
	(void)reader;
	while (!mf_load_acquire(&forks_read))
		usleep(1000);
	usleep(20000);
	raise(SIGKILL);
}

TEST(a_child_whose_parent_dies_goes_on_with_zeros)
{
	int result[2];
	char byte = 0;
	pid_t parent;

	/* Where it cannot be had, this process is the one to say so. */
	start(UFFD_FEATURE_EVENT_FORK, MAP_PRIVATE);
	end();
	ck_assert_int_eq(pipe2(result, O_CLOEXEC), 0);
	parent = mf_test_fork();
	if (parent == 0)
		die_before_a_child(result[1]);
	close(result[1]);
	waitpid(parent, NULL, 0);
	ck_assert_int_eq(read(result[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'y');
	close(result[0]);
}

/* Whoever makes it, and however. */
TEST(a_child_of_a_raw_clone_reads_zeros)
{
	pid_t child;
	int status;

	start(UFFD_FEATURE_EVENT_FORK, MAP_PRIVATE);
	ck_assert_int_eq(fill(uffd, area, 9), 0);
	child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (child == 0)
		_exit(area[0] != 9 || area[PAGE] != 0);
	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
	end();
}

TEST(poison_stays_in_a_child)
{
	struct uffdio_zeropage args; /* the same as for poison */

	start(0, MAP_PRIVATE);
	args = (struct uffdio_zeropage){
		.range = { (uintptr_t)area, PAGE },
	};
	ck_assert_int_eq(mfill_uffd_ioctl(uffd, UFFDIO_POISON, &args), 0);
	ASSERT_DIES_BY(SIGBUS, (void)*(volatile char *)area);
	end();
}

static int open_one(void)
{
	int fd = mfill_uffd_open(O_CLOEXEC | UFFD_USER_MODE_ONLY);

	return fd < 0 ? fd : mfill_uffd_close(fd);
}

TEST(descriptors_are_not_used_up_by_forks)
{
	pthread_t reader;

	start(UFFD_FEATURE_EVENT_FORK, MAP_SHARED);
	reader = start_reader();
	for (unsigned i = 1; i <= 80; i++) {
		pid_t child = mf_test_fork();

		if (child == 0)
			_exit(0);
		waitpid(child, NULL, 0);
		while (mf_load_acquire(&forks_read) < i)
			usleep(100);
		ck_assert_int_eq(mfill_uffd_close(child_uffd), 0);
	}
	stop_reader(reader);
	ck_assert_int_eq(open_one(), 0);
	end();
}
