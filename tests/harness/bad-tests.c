/* SPDX-License-Identifier: MIT */
/*
 * bad-tests.c - tests that must fail, for test-harness.c to see them fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "harness/harness.h"

TEST(leaves_a_descriptor)
{
	ck_assert_int_ge(open("/dev/null", O_RDONLY), 0);
}

TEST(closes_what_is_not_its_own)
{
	close(0);
}

TEST(leaves_a_mapping)
{
	int fd = memfd_create("mfill-store", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	close(fd);
}

TEST_WITHIN(never_ends, 1)
{
	for (;;)
		pause();
}

TEST(ends_its_process)
{
	exit(0);
}

TEST(asserts_what_is_false)
{
	ck_assert_int_eq(1, 2);
}

TEST(is_killed)
{
	raise(SIGKILL);
}

TEST(expects_a_death_that_does_not_come)
{
	ASSERT_DIES_BY(SIGSEGV, (void)0);
}

TEST(expects_another_death)
{
	ASSERT_DIES_BY(SIGSEGV, abort());
}

static int leaks_when_dup_fails(void)
{
	int fd = mf_sys.open("/dev/null", O_RDONLY | O_CLOEXEC, 0);
	int copy;

	if (fd < 0)
		return fd;
	copy = mf_sys.dup_above(fd, 100);
	if (copy < 0)
		return copy;
	(void)mf_sys.close(copy);
	(void)mf_sys.close(fd);
	return 0;
}

TEST(faults_find_a_leak)
{
	FAULTS(EMFILE, leaks_when_dup_fails);
}

static int crashes_without_memory(void)
{
	char *memory = mf_sys.calloc(1, 100);

	if (!memory)
		raise(SIGSEGV);
	free(memory);
	return 0;
}

TEST(faults_find_a_crash)
{
	FAULTS(ENOMEM, crashes_without_memory);
}

static int always_fails(void)
{
	return -EINVAL;
}

TEST(faults_find_a_failure_without_cause)
{
	FAULTS(ENOMEM, always_fails);
}

static int fails_by_errno(void)
{
	return mf_sys.close(mf_sys.open("/", O_RDONLY | O_CLOEXEC, 0)) ? 1 : 0;
}

TEST(faults_find_a_strange_result)
{
	FAULTS(EIO, fails_by_errno);
}
