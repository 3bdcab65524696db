/* SPDX-License-Identifier: MIT */
/*
 * test-harness.c - a test that must fail does fail.
 */
#include "harness/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sync.h"
#include "base/sys.h"
#include "base/userfaultfd.h"

/* Run one test of bad-tests.c and return what it printed. */
static const char *output_of(const char *test, int *ret_status)
{
	static char output[8192];
	char command[4096];
	FILE *pipe;
	size_t n;

	snprintf(command, sizeof(command), "%s %s 2>/dev/null", BAD_TESTS,
		 test);
	pipe = popen(command, "re");
	ck_assert_ptr_nonnull(pipe);
	n = fread(output, 1, sizeof(output) - 1, pipe);
	output[n] = '\0';
	*ret_status = WEXITSTATUS(pclose(pipe));
	return output;
}

static void assert_fails_saying(const char *test, const char *words)
{
	char first[128];
	int status;
	const char *output = output_of(test, &status);

	snprintf(first, sizeof(first), "1..1\nnot ok 1 - %s\n", test);
	ck_assert_int_eq(status, 1);
	ck_assert_msg(strncmp(output, first, strlen(first)) == 0, "%s", output);
	ck_assert_msg(strstr(output, words) != NULL, "no '%s' in: %s", words,
		      output);
}

TEST(a_descriptor_left_open_is_noticed)
{
	assert_fails_saying("leaves_a_descriptor", "left open: descriptor");
}

TEST(closing_what_is_not_its_own_is_noticed)
{
	assert_fails_saying("closes_what_is_not_its_own",
			    "closed, but not its own: descriptor 0");
}

TEST(a_mapping_left_behind_is_noticed)
{
	assert_fails_saying("leaves_a_mapping",
			    "0 mappings of mfill's before, 1 after");
}

TEST_WITHIN(a_test_that_hangs_is_ended, 20)
{
	assert_fails_saying("never_ends", "timeout");
}

TEST(a_test_that_exits_has_not_passed)
{
	assert_fails_saying("ends_its_process", "ended its process early");
}

TEST(a_false_assertion_says_where)
{
	assert_fails_saying("asserts_what_is_false", "bad-tests.c:");
	assert_fails_saying("asserts_what_is_false", "1 == 2");
}

TEST(a_killed_test_says_the_signal)
{
	assert_fails_saying("is_killed", "signal 9");
}

TEST(a_survivor_of_a_death_test_is_noticed)
{
	assert_fails_saying("expects_a_death_that_does_not_come",
			    "should die by signal 11, but exited with 0");
}

TEST(another_death_is_told_from_the_right_one)
{
	assert_fails_saying("expects_another_death",
			    "should die by signal 11, but died by signal 6");
}

TEST(faults_finds_a_leak_on_an_error_path)
{
	assert_fails_saying("faults_find_a_leak", "call 2 (dup_above): left");
}

TEST(faults_finds_a_crash_on_an_error_path)
{
	assert_fails_saying("faults_find_a_crash",
			    "call 1 (calloc): died by signal 11");
}

TEST(faults_wants_success_when_nothing_failed)
{
	assert_fails_saying("faults_find_a_failure_without_cause",
			    "failed although no call did");
}

TEST(faults_wants_negative_errors)
{
	assert_fails_saying("faults_find_a_strange_result",
			    "something else than 0 or -errno");
}

TEST(no_such_test_is_a_failure)
{
	int status;

	ck_assert_str_eq(output_of("no_such_test_anywhere", &status), "1..0\n");
	ck_assert_int_eq(status, 1);
}

TEST(dies_by_sees_the_signal)
{
	ASSERT_DIES_BY(SIGTERM, raise(SIGTERM));
	ASSERT_DIES_BY(SIGSEGV, raise(SIGSEGV));
}

TEST(exits_with_sees_the_status)
{
	ASSERT_EXITS_WITH(3, _exit(3));
}

TEST(a_world_is_no_leak)
{
	int fd = memfd_create("mfill-world", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
}

TEST(a_given_seed_is_used)
{
	uint64_t seed = mf_test_seed();

	ck_assert_uint_eq(seed, mf_test_seed());
}

TEST(the_same_seed_gives_the_same_numbers)
{
	struct mf_random a = { 42 }, b = { 42 };

	ck_assert_uint_eq(mf_random_next(&a), mf_random_next(&b));
	ck_assert_uint_ne(mf_random_next(&a), mf_random_next(&a));
	ck_assert_uint_lt(mf_random_below(&a, 10), 10);
}

struct keeping {
	int fd, result;
	uint32_t done;
};

static void *keep_only(void *arg)
{
	struct keeping *keeping = arg;

	keeping->result = mf_sys.keep_only(keeping->fd);
	mf_store_release(&keeping->done, 1);
	return NULL;
}

/* In a thread, which is not seen to have less than the others. */
static int keeps_only(int fd)
{
	struct keeping keeping = { .fd = fd };
	int r = mf_sys.thread_create(keep_only, &keeping);

	while (r == 0 && !mf_load_acquire(&keeping.done))
		usleep(100);
	return r < 0 ? r : keeping.result;
}

static int waits_for_nothing(void)
{
	uint64_t one = 1;
	int event = mf_sys.eventfd();
	int r = event;

	if (r >= 0)
		r = (int)mf_sys.write(event, &one, sizeof(one));
	if (r >= 0)
		r = (int)mf_sys.read(event, &one, sizeof(one));
	if (event >= 0)
		(void)mf_sys.close(event);
	return r;
}

static int opens_userfaultfd(void)
{
	int fd = mf_sys.userfaultfd(UFFD_USER_MODE_ONLY);

	(void)mf_sys.close(fd);
	/* Called, both of them, and that is what counts. */
	return fd == -EPERM || fd == -ENOSYS ? 0 : fd;
}

/* One of everything, in the order of the table. */
static int calls_everything(void)
{
	void *memory = NULL;
	char byte = 0;
	struct stat st;
	struct sigaction action;
	stack_t stack;
	int fd = -1, copy = -1, waiting, r;

	r = mf_sys.mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0, &memory);
	if (r < 0)
		return r;
	r = mf_sys.mprotect(memory, 4096, PROT_READ | PROT_WRITE);
	if (r < 0)
		goto unmap;
	r = mf_sys.madvise(memory, 4096, MADV_NORMAL);
	if (r < 0)
		goto unmap;
	r = fd = mf_sys.memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r < 0)
		goto unmap;
	r = mf_sys.ftruncate(fd, 4096);
	if (r < 0)
		goto close;
	r = mf_sys.fallocate(fd, 0, 0, 4096);
	if (r < 0)
		goto close;
	r = mf_sys.seal(fd, F_SEAL_SHRINK);
	if (r < 0)
		goto close;
	r = copy = mf_sys.dup_above(fd, 50);
	if (r < 0)
		goto close;
	(void)mf_sys.close(copy);
	r = copy = mf_sys.open("/dev/null", O_RDONLY | O_CLOEXEC, 0);
	if (r < 0)
		goto close;
	(void)mf_sys.close(copy);
	r = mf_sys.fstat(fd, &st);
	if (r < 0)
		goto close;
	r = mf_sys.ioctl(fd, FIONREAD, &waiting);
	if (r < 0)
		goto close;
	r = opens_userfaultfd();
	if (r < 0)
		goto close;
	r = waits_for_nothing();
	if (r < 0)
		goto close;
	r = (int)mf_sys.pwrite(fd, &byte, 1, 0);
	if (r < 0)
		goto close;
	r = (int)mf_sys.pread(fd, &byte, 1, 0);
	if (r < 0)
		goto close;
	r = mf_sys.sigaction(SIGUSR1, NULL, &action);
	if (r < 0)
		goto close;
	r = mf_sys.sigaltstack(NULL, &stack);
	if (r < 0)
		goto close;
	free(mf_sys.calloc(1, 1));
	r = keeps_only(fd);
close:
	(void)mf_sys.close(fd);
unmap:
	(void)mf_sys.munmap(memory, 4096);
	return r < 0 ? r : 0;
}

TEST_WITHIN(faults_sees_every_call, 60)
{
	/* Each entry, and close five times instead of once. */
	ck_assert_uint_eq(FAULTS(ENOMEM, calls_everything),
			  sizeof(struct mf_sys) / sizeof(void *) + 4);
}
