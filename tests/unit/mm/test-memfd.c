/* SPDX-License-Identifier: MIT */
/*
 * test-memfd.c - memory that other processes can map, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/sys.h"
#include "harness/harness.h"
#include "mm/memfd.h"

TEST(has_its_size_and_reads_as_zeros)
{
	int fd = mf_memfd_new("test", 8192);
	char buf[8192] = "x";

	ck_assert_int_ge(fd, 512);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(pread(fd, buf, sizeof(buf), 0), 8192);
	for (size_t i = 0; i < sizeof(buf); i++)
		ck_assert_int_eq(buf[i], 0);
	ck_assert_int_eq(mf_sys.close(fd), 0);
}

TEST(cannot_be_made_smaller_or_larger)
{
	int fd = mf_memfd_new("test", 8192);

	ck_assert_int_eq(mf_sys.ftruncate(fd, 4096), -EPERM);
	ck_assert_int_eq(mf_sys.ftruncate(fd, 12288), -EPERM);
	ck_assert_int_eq(mf_sys.close(fd), 0);
}

TEST(stays_low_where_the_limit_on_descriptors_is)
{
	struct rlimit limit = { 100, 100 };
	int fd;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	fd = mf_memfd_new("test", 4096);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_lt(fd, 100);
	ck_assert_int_eq(mf_sys.close(fd), 0);
}

static int make_one(void)
{
	int fd = mf_memfd_new("test", 4096);

	if (fd >= 0)
		(void)mf_sys.close(fd);
	return fd < 0 ? fd : 0;
}

TEST(survives_failing_calls)
{
	ck_assert_uint_eq(FAULTS(ENOMEM, make_one), 6);
}
