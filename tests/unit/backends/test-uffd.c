/* SPDX-License-Identifier: MIT */
/*
 * test-uffd.c - the kernel's userfaultfd as a backend: what it does that the
 * others do not, and every answer the kernel may give.
 */
#include "backends/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/backend.h"
#include "base/sync.h"
#include "base/sys.h"
#include "base/userfaultfd.h"
#include "harness/harness.h"
#include "harness/needs.h"
#include "harness/pattern.h"

#define PAGE ((size_t)4096)

static char *map_with(struct mf_pattern *pattern, int delivery, unsigned flags,
		      size_t fill_size)
{
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.flags = flags,
		.backend = MFILL_BACKEND_UFFD,
		.delivery = delivery,
		.fill_size = fill_size,
		.readahead = MFILL_READAHEAD_OFF,
	};
	char *map = mf_pattern_map(pattern, &options);

	if (!map)
		SKIP("userfaultfd (%s)", delivery == MFILL_DELIVER_THREAD
						 ? "with POISON, Linux 6.6"
						 : "with SIGBUS");
	return map;
}

#define INLINE MFILL_DELIVER_INLINE
#define THREAD MFILL_DELIVER_THREAD

TEST(a_system_call_waits_for_a_handler_thread)
{
	struct mf_pattern pattern = { .size = 16 * PAGE };
	char *map = map_with(&pattern, THREAD, 0, PAGE);
	char got[2 * PAGE];
	int ends[2];

	if (!mf_uffd_serves_kernel())
		SKIP("userfaultfd for faults of the kernel");
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], map + PAGE, 2 * PAGE), 2 * PAGE);
	ck_assert_int_eq(read(ends[0], got, 2 * PAGE), 2 * PAGE);
	ck_assert(mf_pattern_matches(got, PAGE, 2 * PAGE));
	close(ends[0]);
	close(ends[1]);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(a_system_call_gets_EFAULT_for_a_page_that_fails_and_later_the_page)
{
	struct mf_pattern pattern = { .size = 4 * PAGE, .error = -EIO };
	char *map = map_with(&pattern, THREAD, 0, PAGE);
	ssize_t n = -1;
	int ends[2];

	if (!mf_uffd_serves_kernel())
		SKIP("userfaultfd for faults of the kernel");
	ck_assert_int_eq(pipe(ends), 0);
	pattern.failures = 1;
	ck_assert_int_eq(write(ends[1], map, 8), -1);
	ck_assert_int_eq(errno, EFAULT);
	for (int i = 0; i < 100 && n < 0; i++) {
		usleep(10000);
		n = write(ends[1], map, 8);
	}
	ck_assert_int_eq(n, 8);
	ck_assert(mf_pattern_matches(map, 0, 4 * PAGE));
	close(ends[0]);
	close(ends[1]);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(a_page_that_failed_fills_when_it_is_required)
{
	struct mf_pattern pattern = { .size = 4 * PAGE, .error = -EIO };
	char *map = map_with(&pattern, THREAD, MFILL_MAP_WRITE, PAGE);
	int ends[2];

	if (!mf_uffd_serves_kernel())
		SKIP("userfaultfd for faults of the kernel");
	ck_assert_int_eq(pipe(ends), 0);
	pattern.failures = 1;
	ck_assert_int_eq(write(ends[1], map, 8), -1);
	close(ends[0]);
	close(ends[1]);
	ck_assert_int_eq(mfill_require(map, PAGE), 0);
	map[0] = 'w';
	/* When the failure would have been forgiven, what is written stays. */
	usleep(50000);
	ck_assert_int_eq(map[0], 'w');
	ck_assert(mf_pattern_matches(map + PAGE, PAGE, 3 * PAGE));
	ck_assert_int_eq(mfill_unmap(map), 0);
}

static long raw_fork(void)
{
	long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (child == 0)
		mf_tsan_trust_thread(); /* it does not know of this child */
	return child;
}

static void await(long child, int *ret_status)
{
	ck_assert_int_ge(child, 0);
	ck_assert_int_eq(waitpid((pid_t)child, ret_status, 0), child);
}

static void raw_exit(int status)
{
	(void)syscall(SYS_exit_group, status);
}

TEST(a_child_of_a_raw_clone_reads_the_same_bytes)
{
	struct mf_pattern pattern = { .size = 16 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };
	char *map = map_with(&pattern, INLINE, 0, 2 * PAGE);
	long child;
	int status;

	ck_assert(mf_pattern_matches(map, 0, 4 * PAGE));
	child = raw_fork();
	if (child == 0)
		raw_exit(!mf_pattern_matches(map, 0, 10 * PAGE));
	await(child, &status);
	ck_assert_int_eq(status, 0);
	ck_assert(mf_pattern_matches(map, 0, 16 * PAGE));
	ck_assert_int_eq(mfill_unmap(map), 0);
}

/* Neither zeros nor for ever. */
TEST(a_child_of_a_raw_clone_gets_an_error_for_what_it_cannot_have)
{
	struct mf_pattern pattern = { .size = 16 * PAGE };
	char *written = map_with(&pattern, THREAD, MFILL_MAP_WRITE, PAGE);
	char *served = map_with(&pattern, THREAD, 0, PAGE);
	char *const maps[] = { written, served };
	int status;

	written[0] = 1;
	for (int i = 0; i < 2; i++) {
		long child = raw_fork();

		if (child == 0)
			raw_exit(*(volatile char *)(maps[i] + PAGE) == 0);
		await(child, &status);
		ck_assert(WIFSIGNALED(status));
		ck_assert_int_eq(WTERMSIG(status), SIGBUS);
	}
	ck_assert_int_eq(mfill_unmap(written), 0);
	ck_assert_int_eq(mfill_unmap(served), 0);
}

/* A raw child may have mapped something where the view is not. */
TEST(a_child_of_a_raw_clone_keeps_what_it_mapped_there)
{
	struct mf_pattern pattern = { .size = 16 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };
	char *map = map_with(&pattern, INLINE, 0, PAGE);
	char *other = map_with(&pattern, INLINE, 0, PAGE);
	long child;
	int status;

	child = raw_fork();
	if (child == 0) {
		char *mine = mmap(map, PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS |
					  MAP_FIXED_NOREPLACE,
				  -1, 0);

		if (mine != map)
			raw_exit(2);
		mine[0] = 7;
		if (!mf_pattern_matches(other, 0, 4 * PAGE))
			raw_exit(3);
		raw_exit(mine[0] != 7 || mine[1] != 0);
	}
	await(child, &status);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(mfill_unmap(map), 0);
	ck_assert_int_eq(mfill_unmap(other), 0);
}

static char *handler_map;
static int handler_saw;

static void touch_in_child(void)
{
	handler_saw = mf_pattern_matches(handler_map + PAGE, PAGE, PAGE);
}

TEST(a_fork_handler_of_the_program_sees_the_bytes_and_what_was_written)
{
	static const int ways[] = { INLINE, THREAD };

	pthread_atfork(NULL, NULL, touch_in_child);
	for (int i = 0; i < 2; i++) {
		struct mf_pattern pattern = { .size = 16 * PAGE,
					      .flags = MFILL_SOURCE_INLINE };
		pid_t child;
		int status;

		handler_map = map_with(&pattern, ways[i], MFILL_MAP_WRITE,
				       PAGE);
		handler_map[5] = 'w';
		child = fork();
		if (child == 0)
			_exit(!handler_saw || handler_map[5] != 'w' ||
			      !mf_pattern_matches(handler_map + 2 * PAGE,
						  2 * PAGE, 14 * PAGE));
		await(child, &status);
		ck_assert_int_eq(status, 0);
		ck_assert(mf_pattern_matches(handler_map + PAGE, PAGE,
					     15 * PAGE));
		ck_assert_int_eq(handler_map[5], 'w');
		ck_assert_int_eq(mfill_unmap(handler_map), 0);
	}
}

/* In a child threads are made, and what they need fits where views were. */
static int (*real_thread_create)(void *(*fn)(void *), void *arg);

static int thread_create_with_memory(void *(*fn)(void *), void *arg)
{
	for (int i = 0; i < 64; i++)
		(void)mmap(NULL, 1 << 20, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return real_thread_create(fn, arg);
}

TEST(a_child_has_its_views_before_its_threads_have_memory)
{
	struct mf_pattern pattern = { .size = 64 << 20,
				      .flags = MFILL_SOURCE_INLINE };
	char *inline_map = map_with(&pattern, INLINE, 0, PAGE);
	char *thread_map = map_with(&pattern, THREAD, 0, PAGE);

	mf_test_needs_threads_after_fork();
	real_thread_create = mf_sys.thread_create;
	mf_sys.thread_create = thread_create_with_memory;
	for (int i = 0; i < 2; i++)
		ASSERT_EXITS_WITH(0, {
			for (size_t at = 0; at < pattern.size; at += 1 << 20)
				if (!mf_pattern_matches(inline_map + at, at,
							8) ||
				    !mf_pattern_matches(thread_map + at, at, 8))
					_exit(1);
		});
	mf_sys.thread_create = real_thread_create;
	ck_assert_int_eq(mfill_unmap(inline_map), 0);
	ck_assert_int_eq(mfill_unmap(thread_map), 0);
}

static int refuse_userfaultfd(int flags)
{
	(void)flags;
	return -EPERM;
}

static int no_device(const char *path, int flags, mode_t mode)
{
	(void)path;
	(void)flags;
	(void)mode;
	return -ENOENT;
}

TEST(a_child_that_may_not_use_userfaultfd_gets_an_error_and_no_zeros)
{
	struct mf_pattern pattern = { .size = 16 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };
	static const unsigned flags[] = { 0, MFILL_MAP_WRITE };
	struct mf_sys real = mf_sys;

	for (int i = 0; i < 2; i++) {
		char *map = map_with(&pattern, INLINE, flags[i], PAGE);

		mf_sys.userfaultfd = refuse_userfaultfd;
		mf_sys.open = no_device;
		ASSERT_DIES_BY(SIGBUS, *(volatile char *)(map + PAGE));
		mf_sys = real;
		/* What is refused now may be granted later. */
		ASSERT_EXITS_WITH(
			0, { _exit(!mf_pattern_matches(map, 0, 16 * PAGE)); });
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

/* The kernel's answers, one after the other. */
static struct {
	unsigned long request;
	int results[8];
	unsigned n, at;
	bool partial; /* do the first page first */
} script;
static int (*real_ioctl)(int fd, unsigned long request, void *arg);

static int scripted_ioctl(int fd, unsigned long request, void *arg)
{
	int r;

	if (request != script.request || script.at == script.n)
		return real_ioctl(fd, request, arg);
	r = script.results[script.at++];
	if (request == UFFDIO_CONTINUE) {
		struct uffdio_continue *c = arg;
		struct uffdio_continue first = *c;

		c->mapped = r;
		if (script.partial) {
			first.range.len = PAGE;
			if (real_ioctl(fd, request, &first) == 0)
				c->mapped = PAGE;
		}
	} else {
		struct uffdio_copy *c = arg;
		struct uffdio_copy first = *c;

		c->copy = r;
		if (script.partial) {
			first.len = PAGE;
			if (real_ioctl(fd, request, &first) == 0)
				c->copy = PAGE;
		}
	}
	return r;
}

static int require_after(unsigned long request, int result, unsigned n,
			 bool partial, int delivery)
{
	struct mf_pattern pattern = { .size = 16 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };
	/* CONTINUE is what private views are opened with. */
	char *map = map_with(&pattern, delivery,
			     request == UFFDIO_COPY ? 0 : MFILL_MAP_WRITE,
			     4 * PAGE);
	int r;

	script.request = request;
	script.n = n;
	script.at = 0;
	script.partial = partial;
	for (unsigned i = 0; i < n; i++)
		script.results[i] = result;
	real_ioctl = mf_sys.ioctl;
	mf_sys.ioctl = scripted_ioctl;
	r = mfill_require(map, 16 * PAGE);
	mf_sys.ioctl = real_ioctl;
	ck_assert_uint_eq(script.at, n);
	if (r == 0)
		ck_assert(mf_pattern_matches(map, 0, 16 * PAGE));
	ck_assert_int_eq(mfill_unmap(map), 0);
	return r;
}

TEST(every_answer_of_the_kernel_is_understood)
{
	static const unsigned long requests[] = { UFFDIO_COPY,
						  UFFDIO_CONTINUE };

	for (int i = 0; i < 4; i++) {
		unsigned long request = requests[i % 2];
		int way = i < 2 ? INLINE : THREAD;

		/* Part is done; nothing is done, because something changes */
		ck_assert_int_eq(require_after(request, -EAGAIN, 3, true, way),
				 0);
		ck_assert_int_eq(require_after(request, -EAGAIN, 5, false, way),
				 0);
		/* In the store already; mapped already */
		ck_assert_int_eq(require_after(request, -EEXIST, 1, false, way),
				 0);
	}
	/* What COPY cannot do, the slower way can, or says why not. */
	ck_assert_int_eq(require_after(UFFDIO_COPY, -ENOENT, 1, false, INLINE),
			 0);
	ck_assert_int_eq(require_after(UFFDIO_COPY, -ESRCH, 1, false, INLINE),
			 0);
	ck_assert_int_eq(
		require_after(UFFDIO_CONTINUE, -ENOENT, 1, false, INLINE),
		-EFAULT);
	ck_assert_int_eq(
		require_after(UFFDIO_CONTINUE, -ENOMEM, 2, false, INLINE),
		-ENOMEM);
	ck_assert_int_eq(
		require_after(UFFDIO_CONTINUE, -ESRCH, 1, false, INLINE),
		-ESRCH);
}

static int always_again(int fd, unsigned long request, void *arg)
{
	return request == UFFDIO_CONTINUE ? -EAGAIN
					  : real_ioctl(fd, request, arg);
}

TEST(a_kernel_that_says_try_again_for_ever_is_not_asked_for_ever)
{
	struct mf_pattern pattern = { .size = 16 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };
	char *map = map_with(&pattern, INLINE, MFILL_MAP_WRITE, PAGE);

	real_ioctl = mf_sys.ioctl;
	mf_sys.ioctl = always_again;
	ck_assert_int_eq(mfill_require(map, PAGE), -EAGAIN);
	mf_sys.ioctl = real_ioctl;
	ck_assert_int_eq(mfill_require(map, PAGE), 0);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(the_device_does_where_the_system_call_is_refused)
{
	struct mf_pattern pattern = { .size = 4 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };
	struct mf_sys real = mf_sys;
	char *map;

	if (access("/dev/userfaultfd", R_OK | W_OK) != 0)
		SKIP("/dev/userfaultfd");
	mf_sys.userfaultfd = refuse_userfaultfd;
	map = map_with(&pattern, INLINE, 0, PAGE);
	ck_assert(mf_pattern_matches(map, 0, 4 * PAGE));
	ck_assert_int_eq(mfill_unmap(map), 0);
	map = map_with(&pattern, THREAD, 0, PAGE);
	ck_assert(mf_uffd_serves_kernel());
	ck_assert(mf_pattern_matches(map, 0, 4 * PAGE));
	mf_sys = real;
	ck_assert_int_eq(mfill_unmap(map), 0);
}

static int only_for_users(int flags)
{
	return flags & UFFD_USER_MODE_ONLY
		       ? (int)syscall(SYS_userfaultfd, flags)
		       : -EPERM;
}

TEST(user_mode_only_is_enough_outside_system_calls)
{
	struct mf_pattern pattern = { .size = 4 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };
	struct mf_sys real = mf_sys;
	char *map;

	mf_sys.userfaultfd = only_for_users;
	mf_sys.open = no_device;
	map = map_with(&pattern, THREAD, 0, PAGE);
	ck_assert(!mf_uffd_serves_kernel());
	ck_assert_int_eq(syscall(SYS_write, 1, map, 0), 0);
	ck_assert(mf_pattern_matches(map, 0, 4 * PAGE));
	mf_sys = real;
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(where_every_way_is_refused_the_backend_is)
{
	struct mf_pattern pattern = { .size = 4 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.backend = MFILL_BACKEND_UFFD,
	};
	struct mfill_source *source = mf_pattern_open(&pattern);
	struct mf_sys real = mf_sys;
	void *map;

	mf_sys.userfaultfd = refuse_userfaultfd;
	mf_sys.open = no_device;
	for (int i = INLINE; i <= THREAD; i++) {
		options.delivery = i;
		ck_assert_int_eq(mfill_map(source, 0, 4 * PAGE, &options, &map),
				 -EOPNOTSUPP);
	}
	mf_sys = real;
	mfill_source_put(source);
}

/* mfill_copy_nofault() promises it, and the kernel would wait. */
TEST(a_copy_without_faults_fills_nothing_and_waits_for_nothing)
{
	struct mf_pattern pattern = { .size = 4 * PAGE };
	char *map = map_with(&pattern, THREAD, 0, PAGE);
	char got[4 * PAGE];

	ck_assert_uint_eq(mfill_copy_nofault(got, map, PAGE), PAGE);
	ck_assert_uint_eq(pattern.reads, 0);
	ck_assert_int_eq(mfill_require(map, PAGE), 0);
	ck_assert_uint_eq(mfill_copy_nofault(got, map, 3 * PAGE), 2 * PAGE);
	ck_assert(mf_pattern_matches(got, 0, PAGE));
	ck_assert_uint_eq(pattern.reads, 1);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

struct deep {
	char *map; /* of the level below */
};

static int read_below(void *arg, uint64_t offset, size_t len)
{
	struct deep *deep = arg;

	return mf_pattern_matches(deep->map + offset, offset, len) ? 0 : -EIO;
}

TEST(a_source_may_read_another_served_map_ten_deep)
{
	struct mf_pattern pattern[10];
	struct deep deep[10];

	for (int i = 0; i < 10; i++) {
		pattern[i] = (struct mf_pattern){ .size = 4 * PAGE };
		if (i > 0) {
			pattern[i].hook = read_below;
			pattern[i].arg = &deep[i - 1];
		}
		deep[i].map = map_with(&pattern[i], THREAD, 0, PAGE);
	}
	ck_assert(mf_pattern_matches(deep[9].map, 0, 4 * PAGE));
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(mfill_unmap(deep[i].map), 0);
}

static sig_atomic_t n_bus;

static void skip_page(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	n_bus++;
	_exit(42);
}

TEST(maps_that_need_each_other_get_an_error_and_do_not_hang)
{
	struct mf_pattern a = { .size = PAGE }, b = { .size = PAGE };
	struct deep at_a, at_b;
	struct sigaction action = { .sa_sigaction = skip_page,
				    .sa_flags = SA_SIGINFO };

	a.hook = b.hook = read_below;
	a.arg = &at_b;
	b.arg = &at_a;
	sigaction(SIGBUS, &action, NULL);
	at_a.map = map_with(&a, THREAD, 0, PAGE);
	at_b.map = map_with(&b, THREAD, 0, PAGE);
	ASSERT_EXITS_WITH(42, { (void)*(volatile char *)at_a.map; });
	ck_assert_int_eq(mfill_unmap(at_a.map), 0);
	ck_assert_int_eq(mfill_unmap(at_b.map), 0);
}

struct toucher {
	pthread_t thread;
	char *map;
	unsigned seed;
	bool right;
};

static void *touch_all(void *arg)
{
	struct toucher *t = arg;

	t->right = true;
	for (size_t i = 0; i < 256 && t->right; i++) {
		size_t at = (i * 7 + t->seed * 61) % 256 * PAGE;

		t->right = mf_pattern_matches(t->map + at, at, PAGE);
	}
	return NULL;
}

TEST(many_threads_at_once_get_all_pages)
{
	struct mf_pattern pattern = { .size = 256 * PAGE };

	for (int round = 0; round < 4; round++) {
		char *map = map_with(&pattern, THREAD, 0, (round + 1) * PAGE);
		struct toucher t[8];

		for (unsigned i = 0; i < 8; i++) {
			t[i] = (struct toucher){ .map = map, .seed = i };
			ck_assert_int_eq(pthread_create(&t[i].thread, NULL,
							touch_all, &t[i]),
					 0);
		}
		for (int i = 0; i < 8; i++) {
			pthread_join(t[i].thread, NULL);
			ck_assert(t[i].right);
		}
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

static sigjmp_buf way_out;

static void *touch_first(void *arg)
{
	struct toucher *t = arg;

	if (sigsetjmp(way_out, 1) == 0)
		(void)*(volatile unsigned char *)t->map;
	return NULL;
}

static void leave(int sig)
{
	(void)sig;
	siglongjmp(way_out, 1);
}

static int unmap_hook(void *arg, uint64_t offset, size_t len)
{
	(void)offset;
	(void)len;
	return mfill_unmap(((struct toucher *)arg)->map);
}

/* The kernel wakes nobody when a mapping goes: we have to. */
TEST(who_waits_for_a_page_that_is_unmapped_is_woken)
{
	struct mf_pattern pattern = { .size = 16 * PAGE };
	struct toucher t = { .map = NULL };

	ck_assert_ptr_ne(signal(SIGSEGV, leave), SIG_ERR);
	pattern.hook = unmap_hook;
	pattern.arg = &t;
	t.map = map_with(&pattern, THREAD, 0, PAGE);
	ck_assert_int_eq(pthread_create(&t.thread, NULL, touch_first, &t), 0);
	ck_assert_int_eq(pthread_join(t.thread, NULL), 0);
}

static int set_up_and_touch(void)
{
	struct mf_pattern pattern = { .size = 4 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };
	struct mfill_source *source;
	int r = mf_pattern_try_open(&pattern, &source);

	if (r < 0)
		return r;
	for (int i = 0; i < 2 && r == 0; i++) {
		struct mfill_map_options options = {
			.struct_size = sizeof(options),
			.backend = MFILL_BACKEND_UFFD,
			.delivery = i ? THREAD : INLINE,
			.readahead = MFILL_READAHEAD_OFF,
		};
		void *map;

		r = mfill_map(source, 0, 4 * PAGE, &options, &map);
		if (r < 0)
			break;
		r = mfill_require(map, PAGE);
		while (mfill_unmap(map) == -ENOMEM)
			continue;
	}
	mfill_source_put(source);
	return r;
}

TEST_WITHIN(whatever_fails_while_it_is_set_up_leaves_nothing, 60)
{
	if (mf_backend_uffd.probe() < 0)
		SKIP("userfaultfd");
	ck_assert_uint_gt(FAULTS(ENOMEM, set_up_and_touch), 10);
}
