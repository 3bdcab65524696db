/* SPDX-License-Identifier: MIT */
/*
 * test-cycle.c - two processes that serve each other's faults in a ring.
 *
 * The source of each of two maps reads the other map. Both are shared by two
 * processes, of which each touches one: so each fills what it touches, and for
 * that waits for what the other fills.
 */
#include "fault/cycle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/harness.h"
#include "harness/needs.h"
#include "mfill.h"

#define SECOND 1000000000ULL

static char *maps[2];
static struct mfill_source *sources[2];

/* Who has begun to fill which map: both wait for each other's beginning. */
static struct {
	uint32_t begun[2];
	uint32_t alone; /* one has been killed: do not wait for it */
} * shared;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static int read_other(void *ctx, void *buf, size_t len, uint64_t offset)
{
	size_t mine = (size_t)((struct mfill_source **)ctx - sources);
	uint64_t start = now();
	int r;

	(void)buf;
	(void)len;
	mf_store_release(&shared->begun[mine], 1);
	while (!mf_load_acquire(&shared->begun[1 - mine]) &&
	       !mf_load_acquire(&shared->alone) && now() - start < SECOND / 20)
		;
	r = mfill_require(maps[1 - mine] + offset, 1);
	return r < 0 ? r : -EIO;
}

static int get_size(void *ctx, uint64_t *ret_size)
{
	(void)ctx;
	*ret_size = 4096;
	return 0;
}

static void make_ring(int backend, int delivery)
{
	struct mfill_source_ops ops = {
		.struct_size = sizeof(ops),
		.flags = MFILL_SOURCE_INLINE,
		.read = read_other,
		.get_size = get_size,
	};
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.backend = backend,
		.delivery = delivery,
		.readahead = MFILL_READAHEAD_OFF,
	};

	if (delivery == MFILL_DELIVER_THREAD)
		mf_test_needs_threads_after_fork();
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(shared != MAP_FAILED);
	for (int i = 0; i < 2; i++) {
		int r = mfill_source_new(&ops, &sources[i], &sources[i]);

		ck_assert_int_eq(r, 0);
		r = mfill_map(sources[i], 0, 4096, &options, (void **)&maps[i]);
		if (r == -EOPNOTSUPP)
			SKIP("a backend that works here");
		ck_assert_int_eq(r, 0);
	}
}

static void undo_ring(void)
{
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(mfill_unmap(maps[i]), 0);
		mfill_source_put(sources[i]);
	}
	(void)munmap(shared, 4096);
}

/* A child that touches or requires map i, with stderr in a pipe or nowhere. */
static pid_t start(int i, bool touch, int err)
{
	pid_t pid = mf_test_fork();

	if (pid != 0)
		return pid;
	if (err >= 0)
		(void)dup2(err, 2);
	alarm(20); /* a hang is a death by SIGALRM */
	if (touch)
		_exit(*(volatile char *)maps[i] ? 1 : 2);
	_exit(mfill_require(maps[i], 1) == -EDEADLK ? 0 : 3);
}

static int end_of(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void refused_by_require(int backend, int delivery)
{
	uint64_t start_time;
	pid_t pids[2];
	int err = open("/dev/null", O_WRONLY | O_CLOEXEC);

	make_ring(backend, delivery);
	start_time = now();
	for (int i = 0; i < 2; i++)
		pids[i] = start(i, false, err);
	for (int i = 0; i < 2; i++) {
		int status = end_of(pids[i]);

		ck_assert(WIFEXITED(status));
		ck_assert_int_eq(WEXITSTATUS(status), 0);
	}
	ck_assert_uint_lt(now() - start_time, SECOND);
	(void)close(err);
	undo_ring();
}

static void refused_by_touch(int backend, int delivery, char *out, size_t size,
			     pid_t ret_pids[2])
{
	int fds[2];
	size_t n = 0;
	ssize_t got;

	mf_test_needs_crashes();
	make_ring(backend, delivery);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	for (int i = 0; i < 2; i++)
		ret_pids[i] = start(i, true, fds[1]);
	(void)close(fds[1]);
	for (int i = 0; i < 2; i++) {
		int status = end_of(ret_pids[i]);

		ck_assert(WIFSIGNALED(status));
		ck_assert_int_eq(WTERMSIG(status), SIGBUS);
	}
	while (n < size - 1 && (got = read(fds[0], out + n, size - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	(void)close(fds[0]);
	undo_ring();
}

static void check_story(const char *story, const pid_t pids[2])
{
	char word[40];

	ck_assert_msg(strstr(story, "a wait without end is refused"), "%s",
		      story);
	for (int i = 0; i < 2; i++) {
		(void)snprintf(word, sizeof(word), "of process %d", pids[i]);
		ck_assert_msg(strstr(story, word), "%s not in: %s", word,
			      story);
	}
	ck_assert_ptr_nonnull(strstr(story, "waits for unit 0 of map "));
	/* Unless both were refused, each by itself, before they could tell. */
	ck_assert_msg(
		strstr(story, "; that one waits for unit 0 of") ||
			strstr(strstr(story, "is refused") + 1, "is refused"),
		"%s", story);
}

TEST_WITHIN(a_ring_of_two_processes_is_refused_inline, 30)
{
	refused_by_require(MFILL_BACKEND_AUTO, MFILL_DELIVER_INLINE);
}

TEST_WITHIN(a_ring_of_two_processes_is_refused_to_handler_threads, 30)
{
	refused_by_require(MFILL_BACKEND_AUTO, MFILL_DELIVER_THREAD);
}

TEST_WITHIN(a_touch_in_a_ring_is_sigbus_and_tells_who_waits_for_whom, 30)
{
	char story[8192];
	pid_t pids[2];

	refused_by_touch(MFILL_BACKEND_AUTO, MFILL_DELIVER_INLINE, story,
			 sizeof(story), pids);
	check_story(story, pids);
}

TEST_WITHIN(a_ring_of_handler_threads_is_told_as_well, 30)
{
	char story[8192];
	pid_t pids[2];

	refused_by_touch(MFILL_BACKEND_AUTO, MFILL_DELIVER_THREAD, story,
			 sizeof(story), pids);
	check_story(story, pids);
}

TEST_WITHIN(a_ring_on_userfaultfd_is_refused_and_told, 30)
{
	static const int ways[] = { MFILL_DELIVER_INLINE,
				    MFILL_DELIVER_THREAD };
	char story[8192];
	pid_t pids[2];

	for (int i = 0; i < 2; i++) {
		refused_by_require(MFILL_BACKEND_UFFD, ways[i]);
		refused_by_touch(MFILL_BACKEND_UFFD, ways[i], story,
				 sizeof(story), pids);
		check_story(story, pids);
	}
}

/* One ring, in which one member may be killed at any moment. */
static void ring_with_a_death(struct mf_random *random, int err)
{
	pid_t pids[2];
	int victim = (int)mf_random_below(random, 4);

	memset(shared, 0, sizeof(*shared));
	for (int i = 0; i < 2; i++)
		pids[i] = start(i, mf_random_below(random, 2), err);
	if (victim < 2) {
		struct timespec wait = { .tv_nsec = (long)mf_random_below(
						 random, 1500000) };

		(void)nanosleep(&wait, NULL);
		(void)kill(pids[victim], SIGKILL);
		mf_store_release(&shared->alone, 1);
	}
	for (int i = 0; i < 2; i++) {
		int status = end_of(pids[i]);

		ck_assert_msg(
			!WIFSIGNALED(status) || WTERMSIG(status) == SIGBUS ||
				(i == victim && WTERMSIG(status) == SIGKILL),
			"a member ends by signal %d", WTERMSIG(status));
	}
}

static void many_rings(int backend, int delivery)
{
	const char *wanted = getenv("MF_RINGS");
	int n = wanted ? atoi(wanted) : 100;
	struct mf_random random = { mf_test_seed() };
	int err;

	mf_test_needs_crashes();
	err = open("/dev/null", O_WRONLY | O_CLOEXEC);
	make_ring(backend, delivery);
	for (int i = 0; i < n; i++)
		ring_with_a_death(&random, err);
	(void)close(err);
	undo_ring();
}

TEST_WITHIN(rings_whose_members_are_killed_never_hang, 120)
{
	many_rings(MFILL_BACKEND_AUTO, MFILL_DELIVER_INLINE);
}

TEST_WITHIN(rings_of_handler_threads_whose_members_are_killed_never_hang, 120)
{
	many_rings(MFILL_BACKEND_AUTO, MFILL_DELIVER_THREAD);
}

TEST_WITHIN(rings_on_userfaultfd_whose_members_are_killed_never_hang, 120)
{
	many_rings(MFILL_BACKEND_UFFD, MFILL_DELIVER_INLINE);
	many_rings(MFILL_BACKEND_UFFD, MFILL_DELIVER_THREAD);
}
