/* SPDX-License-Identifier: MIT */
/*
 * test-uffd.c - userfaultfd without the kernel's: what a comparison with the
 * kernel cannot show. tests/conform has that.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/sync.h"
#include "base/sys.h"
#include "base/userfaultfd.h"
#include "harness/harness.h"
#include "harness/needs.h"
#include "harness/pattern.h"
#include "harness/uffd.h"
#include "mfill.h"

#define PAGE ((size_t)4096)

static int open_with(int flags, uint64_t features)
{
	return mf_test_uffd_open(flags, features);
}

static char *area_of(size_t pages, int type)
{
	return mf_test_memory(pages * PAGE, type);
}

static int register_it(int fd, void *area, size_t pages)
{
	struct uffdio_register args = {
		.range = { (uintptr_t)area, pages * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	return mfill_uffd_ioctl(fd, UFFDIO_REGISTER, &args);
}

static int copy_to(int fd, void *dst, const void *src, size_t pages,
		   int64_t *ret_copy)
{
	struct uffdio_copy args = {
		.dst = (uintptr_t)dst,
		.src = (uintptr_t)src,
		.len = pages * PAGE,
	};
	int r = mfill_uffd_ioctl(fd, UFFDIO_COPY, &args);

	*ret_copy = args.copy;
	return r;
}

struct touch {
	pthread_t thread;
	volatile uint64_t *words;
	size_t n; /* pages */
	bool torn;
};

/* All words of a page that is whole are the same. */
static void *touch_all(void *arg)
{
	struct touch *t = arg;

	for (size_t i = 0; i < t->n; i++) {
		volatile uint64_t *words = t->words + i * PAGE / 8;

		for (size_t j = 0; j < PAGE / 8; j++)
			t->torn |= words[PAGE / 8 - 1 - j] != i + 1;
	}
	return NULL;
}

/* Serve n pages, whichever is asked for. */
static void serve(int fd, char *area, size_t n)
{
	static uint64_t page[PAGE / 8];

	while (n > 0) {
		struct uffd_msg message;
		uintptr_t at;
		int64_t copied;
		int r;

		ck_assert_int_eq(mfill_uffd_read(fd, &message, sizeof(message)),
				 sizeof(message));
		at = (uintptr_t)message.arg.pagefault.address;
		for (size_t i = 0; i < PAGE / 8; i++)
			page[i] = (at - (uintptr_t)area) / PAGE + 1;
		r = copy_to(fd, (void *)at, page, 1, &copied);
		ck_assert(r == 0 || r == -EEXIST);
		n -= r == 0;
	}
}

TEST(a_reader_never_sees_half_a_page)
{
	static const int types[] = { MAP_PRIVATE, MAP_SHARED };

	for (int i = 0; i < 2; i++) {
		int fd = open_with(0, 0); /* a read that waits */
		char *area = area_of(200, types[i]);
		struct touch t[3];

		ck_assert_int_eq(register_it(fd, area, 200), 0);
		for (int j = 0; j < 3; j++) {
			t[j] = (struct touch){ .words = (void *)area,
					       .n = 200 };
			pthread_create(&t[j].thread, NULL, touch_all, &t[j]);
		}
		serve(fd, area, 200);
		for (int j = 0; j < 3; j++) {
			pthread_join(t[j].thread, NULL);
			ck_assert(!t[j].torn);
		}
		ck_assert_int_eq(mfill_uffd_close(fd), 0);
		munmap(area, 200 * PAGE);
	}
}

static uint32_t n_signals;

static void count(int sig)
{
	(void)sig;
	mf_fetch_add(&n_signals, 1);
}

TEST(a_waiting_thread_runs_its_handlers_and_asks_again)
{
	int fd = open_with(O_NONBLOCK, UFFD_FEATURE_THREAD_ID);
	uint64_t *area = (void *)area_of(1, MAP_PRIVATE);
	struct touch t = { .words = area, .n = 1 };
	struct pollfd wanted = { .fd = fd, .events = POLLIN };
	struct uffd_msg first, second;

	signal(SIGUSR1, count);
	ck_assert_int_eq(register_it(fd, area, 1), 0);
	pthread_create(&t.thread, NULL, touch_all, &t);
	ck_assert_int_eq(poll(&wanted, 1, 5000), 1);
	ck_assert_int_eq(mfill_uffd_read(fd, &first, sizeof(first)),
			 sizeof(first));
	ck_assert_int_eq(poll(&wanted, 1, 0), 0);
	pthread_kill(t.thread, SIGUSR1);
	ck_assert_int_eq(poll(&wanted, 1, 5000), 1);
	ck_assert_uint_eq(mf_load_acquire(&n_signals), 1);
	ck_assert_int_eq(mfill_uffd_read(fd, &second, sizeof(second)),
			 sizeof(second));
	ck_assert_uint_ne(first.arg.pagefault.feat.ptid, 0);
	ck_assert_mem_eq(&first, &second, sizeof(first));
	/* And close lets it go. */
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	pthread_join(t.thread, NULL);
	munmap(area, PAGE);
}

TEST(epoll_waits_for_messages_too)
{
	int fd = open_with(O_NONBLOCK, 0);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN };
	uint64_t *area = (void *)area_of(1, MAP_PRIVATE);
	struct touch t = { .words = area, .n = 1 };

	ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	ck_assert_int_eq(register_it(fd, area, 1), 0);
	ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 0);
	pthread_create(&t.thread, NULL, touch_all, &t);
	ck_assert_int_eq(epoll_wait(epoll, &event, 1, 5000), 1);
	serve(fd, (char *)area, 1);
	pthread_join(t.thread, NULL);
	ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 0);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	close(epoll);
	munmap(area, PAGE);
}

TEST(what_is_not_there_is_refused_as_by_a_kernel_that_lacks_it)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd;

	ck_assert_int_eq(mfill_uffd_open(O_CLOEXEC), -EPERM);
	ck_assert_int_eq(mfill_uffd_open(UFFD_USER_MODE_ONLY | 2), -EINVAL);
	fd = mfill_uffd_open(O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (fd == -EOPNOTSUPP)
		SKIP("/proc");
	api.features = UFFD_FEATURE_MISSING_HUGETLBFS;
	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_API, &api), -EINVAL);
	api = (struct uffdio_api){ .api = UFFD_API };
	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_API, &api), 0);
	ck_assert_int_eq(mfill_uffd_ioctl(fd, _IO(0xAA, 0x3e), &api), -EINVAL);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	ck_assert_int_eq(mfill_uffd_close(fd), -EBADF);
	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_API, &api), -EBADF);
	ck_assert_int_eq(mfill_uffd_read(fd, &api, sizeof(api)), -EBADF);
}

TEST(a_copy_fills_the_map_it_comes_from)
{
	struct mf_pattern pattern = { .size = 16 * PAGE };
	char *map = mf_pattern_map(&pattern, NULL);
	int fd = open_with(0, 0);
	char *area = area_of(16, MAP_PRIVATE);
	int64_t copied;

	ck_assert_int_eq(register_it(fd, area, 16), 0);
	ck_assert_int_eq(copy_to(fd, area, map, 16, &copied), 0);
	ck_assert_int_eq(copied, 16 * PAGE);
	ck_assert(mf_pattern_matches(area, 0, 16 * PAGE));
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	ck_assert_int_eq(mfill_unmap(map), 0);
	munmap(area, 16 * PAGE);
}

struct meddle {
	int fd;
	char *area;
	bool again;
};

/* While the copy waits for its source, the destination goes. */
static int meddle(void *arg, uint64_t offset, size_t len)
{
	struct meddle *m = arg;
	struct uffdio_range range = { (uintptr_t)m->area, 4 * PAGE };
	int r = 0;

	(void)len;
	if (offset < PAGE)
		return 0;
	r = mfill_uffd_ioctl(m->fd, UFFDIO_UNREGISTER, &range);
	if (r == 0 && m->again)
		r = register_it(m->fd, m->area, 4);
	return r;
}

TEST(a_destination_that_changes_during_the_copy_is_not_filled)
{
	for (int again = 0; again < 2; again++) {
		struct meddle m = { .again = again };
		struct mf_pattern pattern = { .size = 4 * PAGE,
					      .hook = meddle,
					      .arg = &m };
		char *map = mf_pattern_map(&pattern, NULL);
		int64_t copied;

		m.fd = open_with(0, 0);
		m.area = area_of(4, MAP_PRIVATE);
		ck_assert_int_eq(register_it(m.fd, m.area, 4), 0);
		/* One page is done; then nothing is where it was. */
		ck_assert_int_eq(copy_to(m.fd, m.area, map, 2, &copied),
				 -EAGAIN);
		ck_assert_int_eq(copied, PAGE);
		if (!again)
			ck_assert_int_eq(m.area[PAGE], 0);
		pattern.hook = NULL;
		ck_assert_int_eq(copy_to(m.fd, m.area + PAGE, map + 2 * PAGE, 1,
					 &copied),
				 again ? 0 : -ENOENT);
		ck_assert_int_eq(mfill_uffd_close(m.fd), 0);
		ck_assert_int_eq(mfill_unmap(map), 0);
		munmap(m.area, 4 * PAGE);
	}
}

TEST(pages_in_any_order_cost_no_mappings)
{
	int fd = open_with(0, 0);
	char *area = area_of(4096, MAP_PRIVATE);
	static char page[PAGE];
	int64_t copied;
	long before = 0, after = 0;
	int c;
	FILE *maps = fopen("/proc/self/maps", "re");

	ck_assert_int_eq(register_it(fd, area, 4096), 0);
	mf_test_uffd_needs_guards();
	while ((c = getc(maps)) != EOF)
		before += c == '\n';
	fclose(maps);
	for (size_t i = 0; i < 4096; i += 2)
		ck_assert_int_eq(copy_to(fd, area + i * PAGE, page, 1, &copied),
				 0);
	maps = fopen("/proc/self/maps", "re");
	while ((c = getc(maps)) != EOF)
		after += c == '\n';
	fclose(maps);
	ck_assert_int_le(after, before + 8);
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, 4096 * PAGE);
}

static int set_up(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	static char page[PAGE];
	void *private = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *shared = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = mfill_uffd_open(O_CLOEXEC | UFFD_USER_MODE_ONLY);
	int64_t copied;
	int r = fd;

	if (r >= 0)
		r = mfill_uffd_ioctl(fd, UFFDIO_API, &api);
	if (r == 0)
		r = register_it(fd, private, 4);
	if (r == 0)
		r = register_it(fd, shared, 4);
	if (r == 0)
		r = copy_to(fd, private, page, 1, &copied);
	if (r == 0)
		r = copy_to(fd, shared, page, 1, &copied);
	if (fd >= 0)
		(void)mfill_uffd_close(fd);
	munmap(private, 4 * PAGE);
	munmap(shared, 4 * PAGE);
	return r;
}

TEST_WITHIN(whatever_fails_while_it_is_set_up_leaves_nothing, 60)
{
	int fd = mfill_uffd_open(O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd == -EOPNOTSUPP)
		SKIP("/proc");
	(void)mfill_uffd_close(fd);
	ck_assert_uint_gt(FAULTS(ENOMEM, set_up), 10);
}

struct reader {
	pthread_t thread;
	volatile char *area;
	uint32_t stop;
};

static void *read_on(void *arg)
{
	struct reader *reader = arg;

	while (!mf_load_acquire(&reader->stop))
		for (size_t i = 0; i < 4; i++)
			(void)reader->area[i * PAGE];
	return NULL;
}

/* The handler comes to look when what the fault was about is no more. */
TEST(a_fault_that_comes_late_is_no_crash)
{
	static const int types[] = { MAP_PRIVATE, MAP_SHARED };

	for (int i = 0; i < 2; i++) {
		int fd = open_with(O_NONBLOCK, 0);
		char *area = area_of(4, types[i]);
		struct reader reader = { .area = area };
		struct uffdio_range range = { (uintptr_t)area, 4 * PAGE };

		pthread_create(&reader.thread, NULL, read_on, &reader);
		for (int round = 0; round < 2000; round++) {
			madvise(area, 4 * PAGE,
				i ? MADV_REMOVE : MADV_DONTNEED);
			ck_assert_int_eq(register_it(fd, area, 4), 0);
			ck_assert_int_eq(
				mfill_uffd_ioctl(fd, UFFDIO_UNREGISTER, &range),
				0);
		}
		mf_store_release(&reader.stop, 1);
		pthread_join(reader.thread, NULL);
		ck_assert_int_eq(mfill_uffd_close(fd), 0);
		munmap(area, 4 * PAGE);
	}
}

/* Registered in the child that dies: it is no more in a child of who did it. */
static void touch_own_guard(bool unregister)
{
	int fd = open_with(O_NONBLOCK, 0);
	volatile char *area = area_of(2, MAP_PRIVATE);
	char page[PAGE] = "x";
	struct uffdio_range range = { (uintptr_t)area, 2 * PAGE };
	int64_t copied;

	ck_assert_int_eq(register_it(fd, (void *)area, 2), 0);
	ck_assert_int_eq(copy_to(fd, (void *)area, page, 1, &copied), 0);
	ck_assert_int_eq(madvise((void *)area, PAGE, MADV_GUARD_INSTALL), 0);
	if (unregister)
		ck_assert_int_eq(
			mfill_uffd_ioctl(fd, UFFDIO_UNREGISTER, &range), 0);
	(void)area[0];
}

TEST(a_guard_of_the_program_s_own_stays_a_crash)
{
	mf_test_needs_guards();
	mf_test_needs_crashes();
	(void)mfill_uffd_close(open_with(O_NONBLOCK, 0));
	ASSERT_DIES_BY(SIGSEGV, touch_own_guard(false));
	ASSERT_DIES_BY(SIGSEGV, touch_own_guard(true));
}
