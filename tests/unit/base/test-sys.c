/* SPDX-License-Identifier: MIT */
/*
 * test-sys.c - system calls return results or -errno and leave errno alone.
 */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sync.h"
#include "harness/harness.h"

static int memfd_of(uint64_t size)
{
	int fd = mf_sys.memfd_create("test", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(mf_sys.ftruncate(fd, size), 0);
	return fd;
}

TEST(errors_come_back_negative_and_errno_stays)
{
	char byte;
	struct stat st;
	void *unused = &byte;

	errno = ENOTTY;
	ck_assert_int_eq(mf_sys.close(-1), -EBADF);
	ck_assert_int_eq(mf_sys.ftruncate(-1, 0), -EBADF);
	ck_assert_int_eq(mf_sys.fallocate(-1, 0, 0, 1), -EBADF);
	ck_assert_int_eq(mf_sys.fstat(-1, &st), -EBADF);
	ck_assert_int_eq(mf_sys.dup_above(-1, 0), -EBADF);
	ck_assert_int_eq(mf_sys.ioctl(-1, FIONREAD, NULL), -EBADF);
	ck_assert_int_eq(mf_sys.pread(-1, &byte, 1, 0), -EBADF);
	ck_assert_int_eq(mf_sys.pwrite(-1, &byte, 1, 0), -EBADF);
	ck_assert_int_eq(mf_sys.open("/nowhere/at/all", O_RDONLY, 0), -ENOENT);
	ck_assert_int_eq(mf_sys.memfd_create("x", ~0U), -EINVAL);
	ck_assert_int_eq(mf_sys.mprotect((void *)1, 4096, PROT_NONE), -EINVAL);
	ck_assert_int_eq(mf_sys.madvise((void *)1, 4096, MADV_NORMAL), -EINVAL);
	ck_assert_int_eq(mf_sys.munmap((void *)1, 4096), -EINVAL);
	ck_assert_int_eq(
		mf_sys.mmap(NULL, 1, PROT_NONE, MAP_PRIVATE, -1, 0, &unused),
		-EBADF);
	ck_assert_ptr_eq(unused, &byte);
	ck_assert_int_eq(errno, ENOTTY);
}

TEST(a_mapping_can_begin_beyond_four_gib)
{
	const uint64_t offset = 5ULL << 30;
	int fd = memfd_of(offset + 4096);
	void *page;

	ck_assert_int_eq(mf_sys.pwrite(fd, "far", 3, offset), 3);
	ck_assert_int_eq(mf_sys.mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd,
				     offset, &page),
			 0);
	ck_assert_mem_eq(page, "far", 3);
	ck_assert_int_eq(mf_sys.munmap(page, 4096), 0);
	ck_assert_int_eq(mf_sys.close(fd), 0);
}

TEST(files_beyond_four_gib_can_be_read_and_sized)
{
	const uint64_t offset = (5ULL << 30) + 1;
	int fd = memfd_of(offset + 3);
	struct stat st;
	char got[3];

	ck_assert_int_eq(mf_sys.pwrite(fd, "end", 3, offset), 3);
	ck_assert_int_eq(mf_sys.pread(fd, got, 3, offset), 3);
	ck_assert_mem_eq(got, "end", 3);
	ck_assert_int_eq(mf_sys.fstat(fd, &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, offset + 3);
	ck_assert_int_eq(mf_sys.fallocate(fd, 0, offset + 3, 2), 0);
	ck_assert_int_eq(mf_sys.fstat(fd, &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, offset + 5);
	ck_assert_int_eq(mf_sys.close(fd), 0);
}

TEST(a_duplicate_is_high_and_closes_on_exec)
{
	int fd = memfd_of(1);
	int copy = mf_sys.dup_above(fd, 700);

	ck_assert_int_ge(copy, 700);
	ck_assert_int_eq(fcntl(copy, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(mf_sys.close(copy), 0);
	ck_assert_int_eq(mf_sys.close(fd), 0);
}

static void *set_word(void *word)
{
	mf_store_release((uint32_t *)word, 1);
	mf_futex_wake(word, 1, MF_FUTEX_LOCAL);
	return NULL;
}

TEST(a_thread_runs)
{
	static uint32_t word;

	ck_assert_int_eq(mf_sys.thread_create(set_word, &word), 0);
	while (!mf_load_acquire(&word))
		mf_futex_wait(&word, 0, 0, MF_FUTEX_LOCAL);
}

TEST(the_alternate_stack_is_told)
{
	stack_t now;

	ck_assert_int_eq(mf_sys.sigaltstack(NULL, &now), 0);
	ck_assert_int_eq(mf_sys.sigaltstack((const stack_t *)1, NULL), -EFAULT);
}

/* A pread that gives at most three bytes, and -EINTR every other time. */
static int meagre_calls;

static ssize_t meagre_pread(int fd, void *buf, size_t len, uint64_t offset)
{
	(void)fd;
	if (meagre_calls++ % 2 == 0)
		return -EINTR;
	if (offset >= 10)
		return 0;
	len = len < 3 ? len : 3;
	memset(buf, 'a' + (int)offset, len);
	return (ssize_t)len;
}

TEST(pread_full_goes_on_after_short_reads_and_signals)
{
	char got[8];

	mf_sys.pread = meagre_pread;
	ck_assert_int_eq(mf_pread_full(0, got, 8, 1), 0);
	ck_assert_mem_eq(got, "bbbeeehh", 8);
}

TEST(pread_full_of_a_short_file_is_an_error)
{
	char got[8];

	mf_sys.pread = meagre_pread;
	ck_assert_int_eq(mf_pread_full(0, got, 8, 7), -EIO);
}

static char meagre_file[16];

static ssize_t meagre_pwrite(int fd, const void *buf, size_t len,
			     uint64_t offset)
{
	(void)fd;
	if (meagre_calls++ % 2 == 0)
		return -EINTR;
	if (offset >= sizeof(meagre_file))
		return 0;
	len = len < 3 ? len : 3;
	memcpy(meagre_file + offset, buf, len);
	return (ssize_t)len;
}

TEST(pwrite_full_goes_on_after_short_writes_and_signals)
{
	mf_sys.pwrite = meagre_pwrite;
	ck_assert_int_eq(mf_pwrite_full(0, "12345678", 8, 1), 0);
	ck_assert_mem_eq(meagre_file, "\00012345678", 9);
}

TEST(pwrite_full_that_gets_nowhere_is_an_error)
{
	mf_sys.pwrite = meagre_pwrite;
	ck_assert_int_eq(mf_pwrite_full(0, "12345678", 8, 13), -EIO);
}

TEST(full_reads_and_writes_hand_on_errors)
{
	char byte = 0;

	ck_assert_int_eq(mf_pread_full(-1, &byte, 1, 0), -EBADF);
	ck_assert_int_eq(mf_pwrite_full(-1, &byte, 1, 0), -EBADF);
}
