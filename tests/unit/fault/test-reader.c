/* SPDX-License-Identifier: MIT */
/*
 * test-reader.c - handler threads for faults that the kernel tells of.
 */
#include "fault/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "backends/backend.h"
#include "backends/uffd.h"
#include "base/sync.h"
#include "base/sys.h"
#include "base/userfaultfd.h"
#include "fault/fault.h"
#include "harness/harness.h"
#include "harness/needs.h"
#include "harness/pattern.h"

#define PAGE ((size_t)4096)
#define MS   1000000ULL

static char *map_with(struct mf_pattern *pattern, unsigned flags)
{
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.flags = flags,
		.backend = MFILL_BACKEND_UFFD,
		.delivery = MFILL_DELIVER_THREAD,
		.fill_size = PAGE,
		.readahead = MFILL_READAHEAD_OFF,
	};
	char *map = mf_pattern_map(pattern, &options);

	if (!map)
		SKIP("userfaultfd with POISON (Linux 6.6)");
	return map;
}

static char *map_of(struct mf_pattern *pattern)
{
	return map_with(pattern, 0);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 * MS + (uint64_t)ts.tv_nsec;
}

/* A thread that reads len bytes at an offset of a map. */
struct toucher {
	pthread_t thread;
	char *map;
	size_t at, len;
	bool right;
};

static void *touch(void *arg)
{
	struct toucher *t = arg;

	t->right = mf_pattern_matches(t->map + t->at, t->at, t->len);
	return NULL;
}

static void start(struct toucher *t, char *map, size_t at, size_t len)
{
	*t = (struct toucher){ .map = map, .at = at, .len = len };
	ck_assert_int_eq(pthread_create(&t->thread, NULL, touch, t), 0);
}

static void finish(struct toucher *t)
{
	ck_assert_int_eq(pthread_join(t->thread, NULL), 0);
	ck_assert(t->right);
}

static int sleep_50_ms(void *arg, uint64_t offset, size_t len)
{
	(void)arg;
	(void)offset;
	(void)len;
	usleep(50000);
	return 0;
}

TEST_WITHIN(slow_fills_run_side_by_side, 30)
{
	struct mf_pattern pattern = { .size = 40 * PAGE, .hook = sleep_50_ms };
	struct toucher t[8];
	uint64_t begin = now();
	char *map = map_of(&pattern);

	for (size_t i = 0; i < 8; i++)
		start(&t[i], map, i * 5 * PAGE, 5 * PAGE);
	for (int i = 0; i < 8; i++)
		finish(&t[i]);
	/* One after the other they would take two seconds. */
	ck_assert_uint_lt(now() - begin, 1200 * MS);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

static uint32_t second_is_there;

static int first_waits_for_second(void *arg, uint64_t offset, size_t len)
{
	(void)arg;
	(void)len;
	if (offset > 0)
		mf_store_release(&second_is_there, 1);
	while (offset == 0 && !mf_load_acquire(&second_is_there))
		usleep(100);
	return 0;
}

TEST(a_source_may_wait_for_another_fault_to_be_served)
{
	struct mf_pattern pattern = { .size = 2 * PAGE,
				      .hook = first_waits_for_second };
	struct toucher first, second;
	char *map = map_of(&pattern);
	uint64_t begin;

	start(&first, map, 0, PAGE);
	usleep(20000);
	begin = now();
	start(&second, map, PAGE, PAGE);
	finish(&first);
	finish(&second);
	ck_assert_uint_lt(now() - begin, 1000 * MS);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

static uint32_t page_0_reads;

static int slow_once(void *arg, uint64_t offset, size_t len)
{
	(void)arg;
	(void)offset;
	(void)len;
	mf_fetch_add(&page_0_reads, 1);
	usleep(30000);
	return 0;
}

TEST(threads_that_wait_for_the_same_page_get_it_from_one_fill)
{
	struct mf_pattern pattern = { .size = PAGE, .hook = slow_once };
	struct toucher t[8];
	struct mfill_stats stats;
	char *map = map_of(&pattern);

	for (int i = 0; i < 8; i++)
		start(&t[i], map, 0, PAGE);
	for (int i = 0; i < 8; i++)
		finish(&t[i]);
	ck_assert_uint_eq(page_0_reads, 1);
	ck_assert_int_eq(mfill_stats(map, &stats, sizeof(stats)), 0);
	ck_assert_uint_eq(stats.fills, 1);
	ck_assert_uint_gt(stats.waits, 0);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

/* What a newer kernel may say, here about a page that nobody touches. */
static char *untouched;
static ssize_t (*real_read)(int fd, void *buf, size_t len);

static ssize_t read_more(int fd, void *buf, size_t len)
{
	struct uffd_msg *messages = buf;
	ssize_t n = real_read(fd, messages + 1, len - sizeof(*messages));

	if (n < 0)
		return n;
	memset(messages, 0xff, sizeof(*messages));
	messages[0].arg.pagefault.address = (uintptr_t)untouched;
	for (size_t i = 1; i <= (size_t)n / sizeof(*messages); i++)
		messages[i].arg.pagefault.flags |= 0xffffffffffffff00U;
	return n + (ssize_t)sizeof(*messages);
}

TEST(messages_and_bits_that_nobody_knows_yet_are_ignored)
{
	struct mf_pattern pattern = { .size = 16 * PAGE };
	char *map;

	real_read = mf_sys.read;
	mf_sys.read = read_more;
	map = map_of(&pattern);
	untouched = map + 15 * PAGE;
	ck_assert(mf_pattern_matches(map, 0, 15 * PAGE));
	ck_assert_uint_eq(pattern.reads, 15);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

/* The kernel's answers to requests, a few times; then its real ones. */
static struct {
	unsigned long request;
	int result;
	bool after; /* do it first, waking nobody */
	uint32_t times;
} answer;
static int (*real_ioctl)(int fd, unsigned long request, void *arg);

static int answering_ioctl(int fd, unsigned long request, void *arg)
{
	uint32_t left = mf_load_relaxed(&answer.times);

	if (request != answer.request || !left ||
	    !mf_cas(&answer.times, &left, left - 1))
		return real_ioctl(fd, request, arg);
	if (answer.after && request == UFFDIO_COPY) {
		struct uffdio_copy copy = *(struct uffdio_copy *)arg;

		copy.mode |= UFFDIO_COPY_MODE_DONTWAKE;
		(void)real_ioctl(fd, request, &copy);
	}
	if (request == UFFDIO_COPY)
		((struct uffdio_copy *)arg)->copy = answer.result;
	if (request == UFFDIO_CONTINUE)
		((struct uffdio_continue *)arg)->mapped = answer.result;
	return answer.result;
}

static char *map_answering(struct mf_pattern *pattern, unsigned long request,
			   int result, uint32_t times, bool after)
{
	/* CONTINUE is what private views are opened with. */
	char *map = map_with(pattern,
			     request == UFFDIO_COPY ? 0 : MFILL_MAP_WRITE);

	answer.request = request;
	answer.result = result;
	answer.times = times;
	answer.after = after;
	real_ioctl = mf_sys.ioctl;
	mf_sys.ioctl = answering_ioctl;
	return map;
}

static void bytes_come_after(unsigned long request, int result, uint32_t times,
			     bool after)
{
	struct mf_pattern pattern = { .size = 4 * PAGE };
	char *map = map_answering(&pattern, request, result, times, after);

	ck_assert(mf_pattern_matches(map, 0, 4 * PAGE));
	mf_sys.ioctl = real_ioctl;
	ck_assert_uint_eq(answer.times, 0);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(who_sleeps_for_a_page_that_is_there_already_is_woken)
{
	bytes_come_after(UFFDIO_COPY, -EEXIST, 1, true);
}

TEST(who_sleeps_while_the_kernel_says_try_again_gets_the_page)
{
	bytes_come_after(UFFDIO_COPY, -EAGAIN, 50, false);
	bytes_come_after(UFFDIO_COPY, -EAGAIN, 1, true);
}

/* Parked, and tried again on a timer, since nothing else would. */
TEST(who_sleeps_while_there_is_no_memory_gets_the_page_later)
{
	bytes_come_after(UFFDIO_CONTINUE, -ENOMEM, 6, false);
}

/* COPY does two things at once, and there is another way to do them. */
TEST(who_sleeps_for_what_copy_cannot_do_gets_the_page)
{
	bytes_come_after(UFFDIO_COPY, -ESRCH, 1, false);
	bytes_come_after(UFFDIO_COPY, -ENOENT, 1, false);
	bytes_come_after(UFFDIO_COPY, -ENOMEM, 1, false);
}

static void on_bus(int sig)
{
	(void)sig;
	_exit(42);
}

TEST(who_sleeps_for_what_the_kernel_cannot_do_gets_an_error)
{
	static const int results[] = { -ESRCH, -ENOENT, -EFAULT };

	mf_test_needs_threads_after_fork();
	if (mf_uffd_probe_messages(NULL) < 0)
		SKIP("userfaultfd with POISON (Linux 6.6)");
	for (int i = 0; i < 3; i++) {
		struct mf_pattern pattern = { .size = PAGE };

		ASSERT_EXITS_WITH(42, {
			char *map = map_answering(&pattern, UFFDIO_CONTINUE,
						  results[i], 1000, false);

			(void)signal(SIGBUS, on_bus);
			(void)*(volatile char *)map;
		});
	}
}

/* What a handler thread touches in the middle of a fill. */
static struct {
	char *map;
	int out; /* another pipe than who waits writes to: it is locked */
	uint32_t seen;
} inner;

static int write_own_page(void *arg, uint64_t offset, size_t len)
{
	(void)arg;
	(void)offset;
	(void)len;
	errno = 0;
	(void)!write(inner.out, inner.map, 8);
	mf_store_release(&inner.seen, (uint32_t)errno);
	return -EIO;
}

/* A pipe in place of stderr; what was written to it so far. */
static void catch_stderr(int ends[2])
{
	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(ends[1], 2), 2);
}

TEST(a_handler_that_waits_for_its_own_page_is_refused_and_told)
{
	struct mf_pattern pattern = { .size = PAGE, .hook = write_own_page };
	int ends[2], data[2], more[2];
	char story[2048];
	ssize_t n;

	mf_test_needs_threads_after_fork();
	if (mf_uffd_listen() < 0 || !mf_uffd_serves_kernel())
		SKIP("userfaultfd for faults of the kernel (Linux 6.6)");
	ASSERT_EXITS_WITH(42, {
		uint64_t begin = now();

		catch_stderr(ends);
		ck_assert_int_eq(pipe(data), 0);
		ck_assert_int_eq(pipe(more), 0);
		inner.out = more[1];
		inner.map = map_of(&pattern);
		/* Both get an error: the handler, then who wanted the page. */
		if (write(data[1], inner.map, 8) >= 0 || errno != EFAULT)
			_exit(1);
		while (!mf_load_acquire(&inner.seen))
			usleep(1000);
		if (inner.seen != EFAULT)
			_exit(2);
		if (now() - begin > 1000 * MS)
			_exit(3);
		n = read(ends[0], story, sizeof(story) - 1);
		story[n > 0 ? n : 0] = '\0';
		_exit(strstr(story, "a wait without end is refused") ? 42 : 4);
	});
}

/* Who fills before a system call does, and does not wait for the touch. */
TEST(a_fault_that_is_only_asked_for_is_served_or_refused)
{
	struct mf_pattern pattern = { .size = 4 * PAGE, .error = -EIO };
	char *map = map_of(&pattern);

	ck_assert_int_eq(mf_fault((uintptr_t)map + PAGE, MF_ACCESS_READ), 0);
	ck_assert_uint_eq(pattern.reads, 1);
	ck_assert(mf_pattern_matches(map + PAGE, PAGE, PAGE));
	pattern.failures = 1;
	ck_assert_int_eq(mf_fault((uintptr_t)map, MF_ACCESS_READ), -EIO);
	ck_assert_int_eq(mf_fault((uintptr_t)map, MF_ACCESS_READ), 0);
	ck_assert(mf_pattern_matches(map, 0, 4 * PAGE));
	ck_assert_int_eq(mfill_unmap(map), 0);
}

#define DEEP 100

static struct deep {
	struct mf_pattern pattern;
	char *map;
} deep[DEEP];

static int touch_below(void *arg, uint64_t offset, size_t len)
{
	struct deep *mine = arg;

	(void)offset;
	(void)len;
	return mf_pattern_matches(mine[-1].map, 0, PAGE) ? 0 : -EIO;
}

static void stack_maps(int n)
{
	for (int i = 0; i < n; i++) {
		deep[i].pattern = (struct mf_pattern){
			.size = PAGE,
			.hook = i > 0 ? touch_below : NULL,
			.arg = &deep[i],
		};
		deep[i].map = map_of(&deep[i].pattern);
	}
}

TEST_WITHIN(a_source_may_wait_for_another_sixty_deep, 30)
{
	stack_maps(60);
	ck_assert(mf_pattern_matches(deep[59].map, 0, PAGE));
	for (int i = 0; i < 60; i++)
		ck_assert_int_eq(mfill_unmap(deep[i].map), 0);
}

/* All of them wait, and only they could serve what they wait for. */
TEST_WITHIN(when_all_handlers_wait_for_each_other_one_is_refused, 30)
{
	mf_test_needs_threads_after_fork();
	if (mf_uffd_probe_messages(NULL) < 0)
		SKIP("userfaultfd with POISON (Linux 6.6)");
	ASSERT_EXITS_WITH(42, {
		(void)signal(SIGBUS, on_bus);
		alarm(20);
		stack_maps(DEEP);
		(void)*(volatile char *)deep[DEEP - 1].map;
	});
}
