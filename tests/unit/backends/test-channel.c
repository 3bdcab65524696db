/* SPDX-License-Identifier: MIT */
/*
 * test-channel.c - programs that close descriptors which they did not open.
 *
 * Were a userfaultfd of mfill's closed with them, what is not filled would
 * read as zeros.
 */
#include "backends/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/backend.h"
#include "backends/uffd.h"
#include "base/sync.h"
#include "base/sys.h"
#include "base/userfaultfd.h"
#include "harness/harness.h"
#include "harness/needs.h"
#include "harness/pattern.h"

#define PAGE ((size_t)4096)
#define SIZE (64 * PAGE)

static const int ways[] = { MFILL_DELIVER_INLINE, MFILL_DELIVER_THREAD };

static char *map_with(struct mf_pattern *pattern, int delivery, unsigned flags)
{
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.flags = flags,
		.backend = MFILL_BACKEND_UFFD,
		.delivery = delivery,
		.fill_size = PAGE,
		.readahead = MFILL_READAHEAD_OFF,
	};

	return mf_pattern_map(pattern, &options);
}

static void needs(int delivery)
{
	mf_test_needs_threads_after_fork();
	if (mf_backend_uffd.probe() < 0)
		SKIP("userfaultfd with SIGBUS");
	if (delivery == MFILL_DELIVER_THREAD && mf_uffd_probe_messages(NULL) < 0)
		SKIP("userfaultfd with POISON (Linux 6.6)");
}

/* A child that does that, and exits with 0 or says where it went wrong. */
#define CHILD(...)                                                      \
	do {                                                            \
		int status_;                                            \
		pid_t child_ = mf_test_fork();                          \
                                                                        \
		if (child_ == 0) {                                      \
			alarm(20);                                      \
			__VA_ARGS__                                     \
			_exit(0);                                       \
		}                                                       \
		ck_assert_int_eq(waitpid(child_, &status_, 0), child_); \
		ck_assert_msg(status_ == 0, "a child ends by %x",       \
			      (unsigned)status_);                       \
	} while (0)

#define MUST(condition)                        \
	do {                                   \
		if (!(condition))              \
			_exit(__LINE__ & 127); \
	} while (0)

static void close_all(void)
{
	if (syscall(SYS_close_range, 3, ~0U, 0) == 0)
		return;
	for (int fd = 3; fd < 4096; fd++)
		(void)close(fd);
}

/* A file of the program's for each number up to there. */
static void take_numbers(int file, int last)
{
	struct rlimit limit = { (rlim_t)last + 1, (rlim_t)last + 1 };

	(void)setrlimit(RLIMIT_NOFILE, &limit);
	while (dup(file) >= 0)
		;
}

TEST_WITHIN(what_is_not_filled_is_there_when_all_descriptors_are_closed, 60)
{
	for (int i = 0; i < 2; i++) {
		struct mf_pattern pattern = { .size = SIZE,
					      .flags = MFILL_SOURCE_INLINE };

		needs(ways[i]);
		CHILD({
			char *map = map_with(&pattern, ways[i], 0);

			MUST(mf_pattern_matches(map, 0, PAGE));
			close_all();
			MUST(mf_pattern_matches(map, 0, SIZE));
			MUST(mfill_unmap(map) == 0);
		});
	}
}

/* It cannot map what has no descriptor any more, or another's. */
TEST_WITHIN(a_child_of_a_program_that_closed_all_gets_an_error_and_no_zeros, 60)
{
	struct mf_pattern pattern = { .size = SIZE,
				      .flags = MFILL_SOURCE_INLINE };

	mf_test_needs_crashes();
	needs(MFILL_DELIVER_INLINE);
	for (int reused = 0; reused < 2; reused++)
		CHILD({
			char *map = map_with(&pattern, MFILL_DELIVER_INLINE, 0);
			int status;
			pid_t child;

			close_all();
			if (reused) {
				int fd = memfd_create("zeros", 0);

				MUST(ftruncate(fd, SIZE) == 0);
				take_numbers(fd, 600);
			}
			child = fork();
			if (child == 0)
				_exit(*(volatile char *)map == 0);
			MUST(waitpid(child, &status, 0) == child);
			MUST(WIFSIGNALED(status));
			MUST(mf_pattern_matches(map, 0, SIZE));
		});
}

/* Its bytes go into the memfd first, and that is closed. */
TEST_WITHIN(a_private_map_is_an_error_then_and_no_zeros, 60)
{
	mf_test_needs_crashes();
	for (int i = 0; i < 2; i++) {
		struct mf_pattern pattern = { .size = SIZE,
					      .flags = MFILL_SOURCE_INLINE };

		needs(ways[i]);
		CHILD({
			char *map = map_with(&pattern, ways[i],
					     MFILL_MAP_WRITE);
			int status;
			pid_t child;

			map[0] = 'w';
			close_all();
			MUST(map[0] == 'w');
			MUST(mfill_require(map + PAGE, PAGE) == -EBADF);
			child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
			if (child == 0)
				_exit(*(volatile char *)(map + PAGE) == 0);
			MUST(waitpid(child, &status, 0) == child);
			MUST(WIFSIGNALED(status));
		});
	}
}

TEST_WITHIN(the_number_of_ours_may_become_any_file_of_the_program, 60)
{
	for (int i = 0; i < 2; i++) {
		struct mf_pattern pattern = { .size = SIZE,
					      .flags = MFILL_SOURCE_INLINE };

		needs(ways[i]);
		CHILD({
			char *map = map_with(&pattern, ways[i], 0);
			char got[8];
			int ends[2];

			MUST(mf_pattern_matches(map, 0, PAGE));
			close_all();
			MUST(pipe(ends) == 0);
			MUST(write(ends[1], "precious", 8) == 8);
			take_numbers(ends[0], 600);
			MUST(mf_pattern_matches(map, 0, SIZE));
			MUST(read(ends[0], got, 8) == 8);
		});
	}
}

TEST_WITHIN(the_number_of_ours_may_become_a_userfaultfd_of_the_program, 60)
{
	for (int i = 0; i < 2; i++) {
		struct mf_pattern pattern = { .size = SIZE,
					      .flags = MFILL_SOURCE_INLINE };

		needs(ways[i]);
		CHILD({
			char *map = map_with(&pattern, ways[i], 0);
			struct uffdio_api api = { .api = UFFD_API };
			int fd;

			MUST(mf_pattern_matches(map, 0, PAGE));
			close_all();
			fd = mf_sys.userfaultfd(O_NONBLOCK |
						UFFD_USER_MODE_ONLY);
			MUST(fd >= 0 &&
			     mf_sys.ioctl(fd, UFFDIO_API, &api) == 0);
			take_numbers(fd, 600);
			MUST(mf_pattern_matches(map, 0, SIZE));
		});
	}
}

static int close_in_source(void *arg, uint64_t offset, size_t len)
{
	uint32_t *kind = arg;
	struct uffdio_api api = { .api = UFFD_API };
	int fd;

	(void)len;
	if (offset != PAGE)
		return 0;
	close_all();
	fd = *kind == 0 ? -1
	     : *kind == 1
		     ? open("/dev/null", O_RDWR)
		     : mf_sys.userfaultfd(O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (*kind == 2)
		(void)mf_sys.ioctl(fd, UFFDIO_API, &api);
	if (*kind)
		take_numbers(fd, 600);
	return 0;
}

/* Who serves the fault has looked at the number before. */
TEST_WITHIN(that_may_happen_while_a_page_is_filled, 60)
{
	for (uint32_t kind = 0; kind < 3; kind++)
		for (int i = 0; i < 2; i++) {
			struct mf_pattern pattern = {
				.size = SIZE,
				.flags = MFILL_SOURCE_INLINE,
				.hook = close_in_source,
				.arg = &kind,
			};

			needs(ways[i]);
			CHILD({
				char *map = map_with(&pattern, ways[i], 0);

				MUST(mf_pattern_matches(map, 0, SIZE));
			});
		}
}

static void *read_part(void *arg)
{
	char **part = arg;

	/* Threads may have descriptor tables of their own. */
	(void)syscall(SYS_close_range, 3, ~0U, 2 /* CLOSE_RANGE_UNSHARE */);
	*part = mf_pattern_matches(*part, SIZE / 2, SIZE / 2) ? *part : NULL;
	return NULL;
}

TEST_WITHIN(a_thread_that_has_closed_them_for_itself_sees_the_bytes, 60)
{
	for (int i = 0; i < 2; i++) {
		struct mf_pattern pattern = { .size = SIZE,
					      .flags = MFILL_SOURCE_INLINE };

		needs(ways[i]);
		CHILD({
			char *map = map_with(&pattern, ways[i], 0);
			char *part = map + SIZE / 2;
			pthread_t thread;

			MUST(pthread_create(&thread, NULL, read_part, &part) ==
			     0);
			MUST(pthread_join(thread, NULL) == 0);
			MUST(part);
			MUST(mf_pattern_matches(map, 0, SIZE));
		});
	}
}

static int no_keeping(int fd)
{
	(void)fd;
	return -ENOSYS;
}

TEST(where_a_descriptor_cannot_be_kept_the_backend_is_refused)
{
	struct mf_pattern pattern = { .size = SIZE,
				      .flags = MFILL_SOURCE_INLINE };
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.backend = MFILL_BACKEND_UFFD,
	};
	struct mf_sys real = mf_sys;

	mf_sys.keep_only = no_keeping;
	for (int i = 0; i < 2; i++) {
		options.delivery = ways[i];
		ck_assert_ptr_null(mf_pattern_map(&pattern, &options));
	}
	mf_sys = real;
}

static uint32_t n_files(void)
{
	uint32_t n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* A pipe whose writer has closed it ends, whatever a keeper inherited. */
TEST(a_keeper_holds_nothing_of_the_program)
{
	struct mf_pattern pattern = { .size = SIZE,
				      .flags = MFILL_SOURCE_INLINE };
	uint32_t before;
	int ends[2];
	char c, *map;

	needs(MFILL_DELIVER_INLINE);
	ck_assert_int_eq(pipe(ends), 0);
	before = n_files();
	map = map_with(&pattern, MFILL_DELIVER_INLINE, 0);
	ck_assert_uint_le(n_files(), before + 3);
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], &c, 1), 0);
	close(ends[0]);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

/* libc asks each thread to change, by a signal. */
TEST_WITHIN(a_program_with_threads_of_ours_may_change_its_user, 20)
{
	static const int backends[] = { MFILL_BACKEND_UFFD,
					MFILL_BACKEND_AUTO };

	for (int i = 0; i < 2; i++) {
		struct mf_pattern pattern = { .size = SIZE };
		struct mfill_map_options options = {
			.struct_size = sizeof(options),
			.backend = backends[i],
			.delivery = MFILL_DELIVER_THREAD,
		};

		mf_test_needs_threads_after_fork();
		CHILD({
			char *map = mf_pattern_map(&pattern, &options);

			if (map)
				MUST(mf_pattern_matches(map, 0, PAGE));
			MUST(setuid(getuid()) == 0);
			if (map)
				MUST(mf_pattern_matches(map, 0, SIZE));
		});
	}
}
