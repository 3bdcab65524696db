/* SPDX-License-Identifier: MIT */
/*
 * test-fill.c - copies whose source is missing, too: in memory that somebody
 * else brings, or that nobody but the copying thread could.
 */
#include "uffd/fill.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sync.h"
#include "base/userfaultfd.h"
#include "harness/harness.h"
#include "mfill.h"
#include "uffd/uffd.h"

#define PAGE  ((size_t)sysconf(_SC_PAGESIZE))
#define PAGES 4

/* A userfaultfd that is told of faults inside calls, and memory of its own. */
struct served {
	int fd;
	char *area;
	pthread_t thread;
	uint32_t stop;
};

static char *map(size_t pages)
{
	char *area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(area, MAP_FAILED);
	return area;
}

static void open_served(struct served *served, int flags)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register args = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	mf_uffd_serve_system_calls();
	*served = (struct served){ .area = map(PAGES) };
	served->fd = mfill_uffd_open(O_CLOEXEC | O_NONBLOCK | flags);
	if (served->fd == -EOPNOTSUPP)
		SKIP("/proc");
	ck_assert_int_ge(served->fd, 0);
	args.range.start = (uintptr_t)served->area;
	args.range.len = PAGES * PAGE;
	ck_assert_int_eq(mfill_uffd_ioctl(served->fd, UFFDIO_API, &api), 0);
	ck_assert_int_eq(mfill_uffd_ioctl(served->fd, UFFDIO_REGISTER, &args),
			 0);
}

static void close_served(struct served *served)
{
	ck_assert_int_eq(mfill_uffd_close(served->fd), 0);
	munmap(served->area, PAGES * PAGE);
}

static int copy(int fd, void *dst, const void *src)
{
	struct uffdio_copy args = {
		.dst = (uintptr_t)dst,
		.src = (uintptr_t)src,
		.len = PAGE,
	};

	return mfill_uffd_ioctl(fd, UFFDIO_COPY, &args);
}

/* 0, or where a thread waits. */
static char *next_fault(int fd, int wait_ms)
{
	struct pollfd wanted = { .fd = fd, .events = POLLIN };
	struct uffd_msg message;

	(void)poll(&wanted, 1, wait_ms);
	if (mfill_uffd_read(fd, &message, sizeof(message)) < 0)
		return NULL;
	return (char *)(uintptr_t)message.arg.pagefault.address;
}

/* Fills whatever is asked for with nines. */
static void *serve(void *arg)
{
	static __thread char page[65536];
	struct served *served = arg;
	char *at;

	memset(page, 9, sizeof(page));
	while (!mf_load_acquire(&served->stop))
		if ((at = next_fault(served->fd, 20)))
			ck_assert_int_eq(copy(served->fd, at, page), 0);
	return NULL;
}

static void start_serving(struct served *served)
{
	ck_assert_int_eq(pthread_create(&served->thread, NULL, serve, served),
			 0);
}

static void stop_serving(struct served *served)
{
	mf_store_release(&served->stop, 1);
	pthread_join(served->thread, NULL);
}

TEST(a_source_in_the_same_range_is_waited_for)
{
	struct served one;

	open_served(&one, 0);
	start_serving(&one);
	ck_assert_int_eq(copy(one.fd, one.area, one.area + PAGE + 8), 0);
	ck_assert_int_eq(one.area[PAGE - 1], 9);
	stop_serving(&one);
	close_served(&one);
}

TEST(a_source_of_another_userfaultfd_is_waited_for)
{
	struct served from, to;

	open_served(&from, 0);
	open_served(&to, UFFD_USER_MODE_ONLY);
	start_serving(&from);
	ck_assert_int_eq(copy(to.fd, to.area, from.area), 0);
	ck_assert_int_eq(to.area[0], 9);
	stop_serving(&from);
	close_served(&from);
	close_served(&to);
}

TEST(a_source_that_is_served_only_for_the_program_is_an_error)
{
	struct served from, to;

	open_served(&from, UFFD_USER_MODE_ONLY);
	open_served(&to, 0);
	ck_assert_int_eq(copy(to.fd, to.area, from.area), -EFAULT);
	ck_assert_ptr_null(next_fault(from.fd, 0));
	close_served(&from);
	close_served(&to);
}

static void *touch(void *arg)
{
	return (void *)(uintptr_t) * (volatile char *)arg;
}

/* From then on this thread is the one that serves it. */
static void become_server(struct served *served)
{
	char *page = map(1), *last = served->area + (PAGES - 1) * PAGE;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, touch, last), 0);
	ck_assert_ptr_eq(next_fault(served->fd, 5000), last);
	ck_assert_int_eq(copy(served->fd, last, page), 0);
	pthread_join(thread, NULL);
	munmap(page, PAGE);
}

TEST(who_would_wait_for_himself_is_told)
{
	struct served one;

	open_served(&one, 0);
	become_server(&one);
	ck_assert_int_eq(copy(one.fd, one.area, one.area + PAGE), -EDEADLK);
	ck_assert_ptr_null(next_fault(one.fd, 0));
	close_served(&one);
}

struct half {
	struct served mine;
	const struct served *other;
	int result;
};

static pthread_barrier_t both_serve;

/* When the other one gives up, it serves what this one waits for. */
static void *copy_from_the_other(void *arg)
{
	struct half *half = arg;
	char *at, *page = map(1);

	become_server(&half->mine);
	pthread_barrier_wait(&both_serve);
	half->result = copy(half->mine.fd, half->mine.area, half->other->area);
	while (half->result == -EDEADLK &&
	       !(at = next_fault(half->mine.fd, 100)))
		continue;
	if (half->result == -EDEADLK)
		ck_assert_int_eq(copy(half->mine.fd, at, page), 0);
	munmap(page, PAGE);
	return NULL;
}

/* One is told, whichever closes the ring; the other one goes on. */
TEST(two_who_would_wait_for_each_other_do_not)
{
	struct half halves[2];
	pthread_t threads[2];

	pthread_barrier_init(&both_serve, NULL, 2);
	for (int i = 0; i < 2; i++) {
		halves[i].other = &halves[!i].mine;
		open_served(&halves[i].mine, 0);
	}
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
						copy_from_the_other,
						&halves[i]),
				 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(halves[0].result + halves[1].result, -EDEADLK);
	for (int i = 0; i < 2; i++)
		close_served(&halves[i].mine);
}

struct copier {
	struct served *from, *to;
	int result;
};

static void *copy_across(void *arg)
{
	struct copier *copier = arg;

	copier->result = copy(copier->to->fd, copier->to->area,
			      copier->from->area);
	return NULL;
}

static uint32_t n_signals;

static void count(int sig)
{
	(void)sig;
	mf_fetch_add(&n_signals, 1);
}

/* No lock: ranges can be registered. No signal is kept from it. */
TEST(nothing_is_held_while_a_source_is_waited_for)
{
	struct served from, to, third;
	struct copier copier = { &from, &to, 1 };
	char *page = map(1);
	pthread_t thread;
	char *at;

	signal(SIGUSR1, count);
	open_served(&from, 0);
	open_served(&to, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, copy_across, &copier),
			 0);
	ck_assert_ptr_eq(next_fault(from.fd, 5000), from.area);
	open_served(&third, 0);
	close_served(&third);
	pthread_kill(thread, SIGUSR1);
	for (int i = 0; i < 500 && !mf_load_acquire(&n_signals); i++)
		usleep(10000);
	ck_assert_uint_eq(mf_load_acquire(&n_signals), 1);
	at = next_fault(from.fd, 5000); /* it asks again */
	ck_assert_ptr_eq(at, from.area);
	ck_assert_int_eq(copy(from.fd, at, page), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(copier.result, 0);
	close_served(&from);
	close_served(&to);
	munmap(page, PAGE);
}

static void *serve_real(void *arg)
{
	struct served *served = arg;
	struct pollfd wanted = { .fd = served->fd, .events = POLLIN };
	struct uffdio_copy args = { .src = (uintptr_t)map(1), .len = PAGE };
	struct uffd_msg message;

	(void)poll(&wanted, 1, 5000);
	if (read(served->fd, &message, sizeof(message)) < 0)
		return NULL;
	*(char *)(uintptr_t)args.src = 7;
	args.dst = message.arg.pagefault.address;
	return (void *)(intptr_t)ioctl(served->fd, UFFDIO_COPY, &args);
}

TEST(a_source_of_the_kernel_s_userfaultfd_is_waited_for)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register args = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct served real = { .area = map(1) }, to;
	pthread_t thread;

	/* Where the kernel copies for us, it is the one that waits. */
	real.fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (real.fd < 0)
		SKIP("the kernel's userfaultfd, also for its own faults");
	args.range.start = (uintptr_t)real.area;
	args.range.len = PAGE;
	ck_assert_int_eq(ioctl(real.fd, UFFDIO_API, &api), 0);
	ck_assert_int_eq(ioctl(real.fd, UFFDIO_REGISTER, &args), 0);
	open_served(&to, UFFD_USER_MODE_ONLY);
	ck_assert_int_eq(pthread_create(&thread, NULL, serve_real, &real), 0);
	ck_assert_int_eq(copy(to.fd, to.area, real.area), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(to.area[0], 7);
	close(real.fd);
	close_served(&to);
	munmap(real.area, PAGE);
}
