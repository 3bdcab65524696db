/* SPDX-License-Identifier: MIT */
/* test-fault.c - one touch, one fill, in every way a page can be wanted. */
#include "fault/fault.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "harness/harness.h"
#include "harness/needs.h"
#include "harness/pattern.h"

#define PAGE ((size_t)4096)

/* Every way to serve a map: backend × delivery. */
static struct mfill_map_options ways[] = {
	{ .backend = MFILL_BACKEND_GUARD, .delivery = MFILL_DELIVER_INLINE },
	{ .backend = MFILL_BACKEND_GUARD, .delivery = MFILL_DELIVER_THREAD },
	{ .backend = MFILL_BACKEND_MPROTECT, .delivery = MFILL_DELIVER_INLINE },
	{ .backend = MFILL_BACKEND_MPROTECT, .delivery = MFILL_DELIVER_THREAD },
	{ .backend = MFILL_BACKEND_UFFD, .delivery = MFILL_DELIVER_INLINE },
	{ .backend = MFILL_BACKEND_UFFD, .delivery = MFILL_DELIVER_THREAD },
};

static char *map_way(struct mf_pattern *pattern, size_t way, size_t fill_size)
{
	ways[way].struct_size = sizeof(ways[way]);
	ways[way].readahead = MFILL_READAHEAD_OFF;
	ways[way].fill_size = fill_size;
	return mf_pattern_map(pattern, &ways[way]);
}

#define FOR_WAYS(map, pattern, fill)                                 \
	for (size_t w_ = 0; w_ < sizeof(ways) / sizeof(*ways); w_++) \
		for (char *map = map_way(pattern, w_, fill); map; map = NULL)

TEST(every_page_is_whole_whatever_the_unit)
{
	static const size_t fills[] = { PAGE, 3 * PAGE, 16 * PAGE,
					1024 * PAGE };
	struct mf_pattern pattern = { .size = 100 * PAGE + 123,
				      .flags = MFILL_SOURCE_INLINE };
	static const char zeros[PAGE];

	for (size_t i = 0; i < 4; i++)
		FOR_WAYS(map, &pattern, fills[i])
		{
			ck_assert(mf_pattern_matches(map, 0,
						     (size_t)pattern.size));
			/* The rest of the last page, as behind a file's end */
			ck_assert_int_eq(
				memcmp(map + pattern.size, zeros, PAGE - 123),
				0);
			ck_assert_int_eq(mfill_unmap(map), 0);
		}
}

TEST(a_page_is_read_once_however_often_it_is_touched)
{
	struct mf_pattern pattern = { .size = 64 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };

	FOR_WAYS(map, &pattern, 4 * PAGE)
	{
		struct mfill_stats stats;

		pattern.reads = 0;
		for (int i = 0; i < 3; i++)
			ck_assert(mf_pattern_matches(map, 0, 64 * PAGE));
		ck_assert_uint_eq(pattern.reads, 16);
		ck_assert_int_eq(mfill_stats(map, &stats, sizeof(stats)), 0);
		ck_assert_uint_eq(stats.fills, 16);
		ck_assert_uint_eq(stats.faults, 16);
		ck_assert_uint_eq(stats.filled_bytes, 64 * PAGE);
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

TEST(a_failed_source_is_a_SIGBUS_and_can_be_tried_again)
{
	struct mf_pattern pattern = { .size = 4 * PAGE,
				      .flags = MFILL_SOURCE_INLINE,
				      .error = -EIO };

	mf_test_needs_crashes();
	FOR_WAYS(map, &pattern, PAGE)
	{
		pattern.failures = 1000;
		ASSERT_DIES_BY(SIGBUS, *(volatile char *)(map + PAGE));
		ck_assert_int_eq(mfill_require(map, 4 * PAGE), -EIO);
		pattern.failures = 0;
		ck_assert(mf_pattern_matches(map, 0, 4 * PAGE));
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

static char *bus_addr;
static int bus_code;
static uint32_t *bus_failures;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	bus_addr = info->si_addr;
	bus_code = info->si_code;
	*bus_failures = 0; /* the next try works */
}

TEST(a_program_hears_of_a_failed_source_as_of_a_failed_disk)
{
	struct sigaction action = { .sa_sigaction = on_bus,
				    .sa_flags = SA_SIGINFO };
	static struct mf_pattern pattern = { .size = 4 * PAGE,
					     .flags = MFILL_SOURCE_INLINE,
					     .error = -EIO };

	ck_assert_int_eq(sigaction(SIGBUS, &action, NULL), 0);
	bus_failures = &pattern.failures;
	FOR_WAYS(map, &pattern, PAGE)
	{
		pattern.failures = 1;
		ck_assert(mf_pattern_matches(map + 2 * PAGE + 8, 2 * PAGE + 8,
					     8));
		ck_assert_ptr_eq(bus_addr, map + 2 * PAGE + 8);
		ck_assert_int_eq(bus_code, BUS_ADRERR);
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

TEST(writing_to_a_read_only_map_is_a_crash)
{
	struct mf_pattern pattern = { .size = 4 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };

	mf_test_needs_crashes();
	FOR_WAYS(map, &pattern, PAGE)
	{
		ASSERT_DIES_BY(SIGSEGV, *(volatile char *)map = 1);
		ck_assert(mf_pattern_matches(map, 0, PAGE));
		ASSERT_DIES_BY(SIGSEGV, *(volatile char *)map = 1);
		ASSERT_DIES_BY(SIGSEGV, ((void (*)(void))(uintptr_t)map)());
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

/* A source that reads another map: depth maps deep. */
static int read_other(void *arg, uint64_t offset, size_t len)
{
	return mf_pattern_matches((char *)arg + offset, offset, len) ? 0
								     : -EILSEQ;
}

TEST(a_source_may_read_another_map_ten_deep)
{
	for (size_t way = 0; way < 4; way++) {
		struct mf_pattern patterns[10] = { 0 };
		char *maps[10];

		for (int i = 0; i < 10; i++) {
			patterns[i].size = 4 * PAGE;
			patterns[i].flags = MFILL_SOURCE_INLINE;
			if (i > 0) {
				patterns[i].hook = read_other;
				patterns[i].arg = maps[i - 1];
			}
			maps[i] = map_way(&patterns[i], way, PAGE);
			if (!maps[i])
				return;
		}
		ck_assert(mf_pattern_matches(maps[9], 0, 4 * PAGE));
		for (int i = 0; i < 10; i++) {
			ck_assert_uint_eq(patterns[i].reads, 4);
			ck_assert_int_eq(mfill_unmap(maps[i]), 0);
		}
	}
}

TEST(a_source_that_reads_the_page_it_fills_is_refused)
{
	struct mf_pattern pattern = { .size = PAGE,
				      .flags = MFILL_SOURCE_INLINE,
				      .hook = read_other };

	mf_test_needs_crashes();
	FOR_WAYS(map, &pattern, PAGE)
	{
		pattern.arg = map;
		ASSERT_DIES_BY(SIGBUS, *(volatile char *)map);
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

struct many {
	char *map;
	size_t size;
	sem_t *start;
};

static void *read_all(void *arg)
{
	struct many *many = arg;
	bool right;

	sem_wait(many->start);
	right = mf_pattern_matches(many->map, 0, many->size);
	return right ? NULL : many;
}

TEST(threads_on_one_page_read_it_once)
{
	struct mf_pattern pattern = { .size = 64 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };

	FOR_WAYS(map, &pattern, PAGE)
	{
		sem_t start;
		struct many many = { map, 64 * PAGE, &start };
		pthread_t threads[8];
		void *wrong;

		pattern.reads = 0;
		sem_init(&start, 0, 0);
		for (int i = 0; i < 8; i++)
			pthread_create(&threads[i], NULL, read_all, &many);
		for (int i = 0; i < 8; i++)
			sem_post(&start);
		for (int i = 0; i < 8; i++) {
			pthread_join(threads[i], &wrong);
			ck_assert_ptr_null(wrong);
		}
		ck_assert_uint_eq(pattern.reads, 64);
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

static char *signal_map;
static volatile sig_atomic_t signal_right;

static void touch_in_handler(int sig)
{
	sigset_t faults;

	(void)sig;
	/* The thread sanitizer blocks every signal in every handler. */
	sigemptyset(&faults);
	sigaddset(&faults, SIGSEGV);
	sigaddset(&faults, SIGBUS);
	sigprocmask(SIG_UNBLOCK, &faults, NULL);
	signal_right = mf_pattern_matches(signal_map, 0, PAGE);
}

TEST(an_asynchronous_handler_may_touch_a_missing_page)
{
	struct mf_pattern pattern = { .size = 4 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };

	signal(SIGUSR1, touch_in_handler);
	FOR_WAYS(map, &pattern, PAGE)
	{
		signal_map = map;
		signal_right = 0;
		raise(SIGUSR1);
		ck_assert_int_eq(signal_right, 1);
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

/* Sends a signal to this thread from inside a fill. */
static int raise_inside(void *arg, uint64_t offset, size_t len)
{
	(void)arg;
	(void)offset;
	(void)len;
	raise(SIGUSR1);
	return signal_right ? -EILSEQ : 0; /* not yet: it is blocked here */
}

TEST(a_signal_during_a_fill_waits_for_its_end)
{
	struct mf_pattern other = { .size = PAGE,
				    .flags = MFILL_SOURCE_INLINE };
	struct mf_pattern pattern = { .size = PAGE,
				      .flags = MFILL_SOURCE_INLINE,
				      .hook = raise_inside };

	signal(SIGUSR1, touch_in_handler);
	signal_map = mf_pattern_map(&other, NULL);
	FOR_WAYS(map, &pattern, PAGE)
	{
		if (ways[w_].delivery == MFILL_DELIVER_THREAD) {
			ck_assert_int_eq(mfill_unmap(map), 0);
			continue;
		}
		signal_right = 0;
		ck_assert(mf_pattern_matches(map, 0, PAGE));
		ck_assert_int_eq(signal_right, 1);
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
	ck_assert_int_eq(mfill_unmap(signal_map), 0);
}

TEST(a_signal_during_a_fill_that_was_asked_for_waits_for_its_end)
{
	struct mf_pattern other = { .size = PAGE,
				    .flags = MFILL_SOURCE_INLINE };
	struct mf_pattern pattern = { .size = PAGE,
				      .flags = MFILL_SOURCE_INLINE,
				      .hook = raise_inside };
	char *map = mf_pattern_map(&pattern, NULL);

	signal(SIGUSR1, touch_in_handler);
	signal_map = mf_pattern_map(&other, NULL);
	ck_assert_int_eq(mfill_require(map, PAGE), 0);
	ck_assert_int_eq(signal_right, 1);
	ck_assert_int_eq(mfill_unmap(map), 0);
	ck_assert_int_eq(mfill_unmap(signal_map), 0);
}

TEST(errno_is_as_it_was)
{
	struct mf_pattern pattern = { .size = 4 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };

	FOR_WAYS(map, &pattern, PAGE)
	{
		errno = 4711;
		(void)*(volatile char *)map;
		ck_assert_int_eq(errno, 4711);
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

/* A function of its own: the child shares every local variable. */
__attribute__((noinline)) static pid_t vfork_and_touch(volatile char *page)
{
	static char *const argv[] = { (char *)"true", NULL };
	pid_t child = vfork();

	if (child == 0) {
		(void)*page;
		execv("/bin/true", argv);
		_exit(127);
	}
	return child;
}

TEST(the_parent_of_a_vfork_goes_on)
{
	struct mf_pattern pattern = { .size = 4 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };

	mf_test_needs_vfork();
	FOR_WAYS(map, &pattern, PAGE)
	{
		int status;
		pid_t child;

		(void)*(volatile char *)map;
		child = vfork_and_touch(map + PAGE);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_int_eq(status, 0);
		ck_assert(mf_pattern_matches(map, 0, 4 * PAGE));
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

TEST(a_child_made_behind_the_library_s_back_goes_on)
{
	struct mf_pattern pattern = { .size = 4 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };

	for (size_t way = 0; way < 4; way += 2) {
		char *map = map_way(&pattern, way, PAGE);
		int status;
		long child;

		if (!map)
			continue;
		(void)*(volatile char *)map;
		/* No fork handler runs. */
		child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		if (child == 0)
			_exit(mf_pattern_matches(map, 0, 4 * PAGE) ? 0 : 1);
		ck_assert_int_eq(waitpid((pid_t)child, &status, 0), child);
		ck_assert_int_eq(status, 0);
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

/* Two maps whose pages need each other. */
static uint32_t inside;

static int read_crosswise(void *arg, uint64_t offset, size_t len)
{
	char **other = arg;

	(void)len;
	/* Both threads have claimed their page before either goes on. */
	mf_fetch_add(&inside, 1);
	while (mf_load_seq_cst(&inside) < 2)
		;
	return mfill_require(*other + offset, PAGE);
}

static void *require_first(void *arg)
{
	return (void *)(intptr_t)mfill_require(arg, PAGE);
}

TEST(a_ring_of_waits_is_refused_and_not_slept_in)
{
	for (size_t way = 0; way < 4; way++) {
		char *maps[2] = { NULL, NULL };
		struct mf_pattern patterns[2] = {
			{ .size = PAGE,
			  .flags = MFILL_SOURCE_INLINE,
			  .hook = read_crosswise,
			  .arg = &maps[1] },
			{ .size = PAGE,
			  .flags = MFILL_SOURCE_INLINE,
			  .hook = read_crosswise,
			  .arg = &maps[0] },
		};
		pthread_t thread;
		void *theirs;
		int mine;

		inside = 0;
		for (int i = 0; i < 2; i++)
			maps[i] = map_way(&patterns[i], way, PAGE);
		if (!maps[0])
			continue;
		pthread_create(&thread, NULL, require_first, maps[0]);
		mine = mfill_require(maps[1], PAGE);
		pthread_join(thread, &theirs);
		/* Who closed the ring gave up, which let the other through. */
		ck_assert(mine == -EDEADLK || (intptr_t)theirs == -EDEADLK);
		for (int i = 0; i < 2; i++)
			ck_assert_int_eq(mfill_unmap(maps[i]), 0);
	}
}

static int die_inside(void *arg, uint64_t offset, size_t len)
{
	(void)arg;
	(void)offset;
	(void)len;
	raise(SIGKILL);
	return 0;
}

TEST(a_page_whose_filler_was_killed_is_filled_by_the_next)
{
	struct mf_pattern pattern = { .size = 4 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };

	mf_test_needs_threads_after_fork();
	FOR_WAYS(map, &pattern, PAGE)
	{
		pattern.hook = die_inside;
		ASSERT_DIES_BY(SIGKILL, *(volatile char *)map);
		pattern.hook = NULL;
		ck_assert(mf_pattern_matches(map, 0, 4 * PAGE));
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

static int unmap_inside(void *arg, uint64_t offset, size_t len)
{
	(void)offset;
	(void)len;
	return mfill_unmap(*(char **)arg);
}

TEST(a_map_unmapped_during_its_fill_is_a_foreign_fault)
{
	struct mf_pattern pattern = { .size = 4 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };

	mf_test_needs_crashes();
	FOR_WAYS(map, &pattern, PAGE)
	{
		pattern.hook = unmap_inside;
		pattern.arg = &map;
		ASSERT_DIES_BY(SIGSEGV, *(volatile char *)map);
		ck_assert_int_eq(mfill_require(map, PAGE), -EAGAIN);
		pattern.hook = NULL;
		ck_assert_int_eq(mfill_require(map, PAGE), -EINVAL);
	}
}
