/* SPDX-License-Identifier: MIT */
/*
 * test-proc.c - what the kernel says of memory, asked in the new way and in
 * the old one.
 */
#include "uffd/proc.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "harness/harness.h"
#include "harness/needs.h"

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))

static int no_queries(int fd, unsigned long request, void *arg)
{
	(void)fd;
	(void)request;
	(void)arg;
	return -ENOTTY;
}

static void *map(int prot, int flags, int fd, off_t offset)
{
	/* Between two pages that nothing joins with. */
	char *room = mmap(NULL, 5 * PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *at = mmap(room + PAGE, 3 * PAGE, prot, flags | MAP_FIXED, fd,
			offset);

	ck_assert_ptr_eq(at, room + PAGE);
	return at;
}

static void check_mappings(void)
{
	int fd = memfd_create("proc", MFD_CLOEXEC);
	struct mf_proc_vma vma;
	uintptr_t at;

	ck_assert_int_eq(ftruncate(fd, (off_t)(8 * PAGE)), 0);
	at = (uintptr_t)map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	ck_assert_int_eq(mf_proc_vma(at + PAGE, &vma), 0);
	ck_assert_uint_eq(vma.start, at);
	ck_assert_uint_eq(vma.end, at + 3 * PAGE);
	ck_assert_int_eq(vma.prot, PROT_READ | PROT_EXEC);
	ck_assert_int_eq(vma.kind, MF_PROC_PRIVATE);
	ck_assert_int_eq(mprotect((void *)at, PAGE, PROT_NONE), 0);
	ck_assert_int_eq(mf_proc_vma(at, &vma), 0);
	ck_assert_int_eq(vma.prot, PROT_NONE);
	ck_assert_uint_eq(vma.end, at + PAGE);
	at = (uintptr_t)map(PROT_WRITE | PROT_READ, MAP_SHARED, fd,
			    (off_t)(2 * PAGE));
	ck_assert_int_eq(mf_proc_vma(at, &vma), 0);
	ck_assert_uint_eq(vma.start, at);
	ck_assert_int_eq(vma.kind, MF_PROC_SHARED);
	ck_assert_uint_eq(vma.offset, 2 * PAGE);
	ck_assert_uint_ne(vma.inode, 0);
	at = (uintptr_t)map(PROT_READ, MAP_PRIVATE, fd, 0);
	ck_assert_int_eq(mf_proc_vma(at, &vma), 0);
	ck_assert_int_eq(vma.kind, MF_PROC_OTHER);
	/* What is next, where nothing is. */
	ck_assert_int_eq(munmap((void *)at, PAGE), 0);
	ck_assert_int_eq(mf_proc_vma(at, &vma), 0);
	ck_assert_uint_eq(vma.start, at + PAGE);
	ck_assert_int_eq(mf_proc_vma(UINTPTR_MAX & ~(PAGE - 1), &vma), -ENOENT);
	close(fd);
}

TEST(mappings_are_told_as_they_are)
{
	mf_test_needs_maps();
	ck_assert_int_eq(mf_proc_open(), 0);
	check_mappings();
}

TEST(mappings_are_told_as_they_are_on_old_kernels)
{
	struct mf_sys real = mf_sys;

	mf_sys.ioctl = no_queries;
	mf_test_needs_maps();
	ck_assert_int_eq(mf_proc_open(), 0);
	check_mappings();
	mf_sys = real;
}

TEST(pages_are_told_as_they_are)
{
	char *area = map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			 0);
	char *other = mremap(area, 0, 3 * PAGE, MREMAP_MAYMOVE);
	unsigned char cached[3];
	uint64_t words[3];

	mf_test_needs_maps();
	ck_assert_int_eq(mf_proc_open(), 0);
	other[PAGE] = 1;
	area[2 * PAGE] = 1;
	mf_proc_pages((uintptr_t)area, 3, words);
	ck_assert(!mf_proc_has(words[0]));
	ck_assert(!mf_proc_has(words[1]));
	ck_assert(mf_proc_has(words[2]));
	mf_proc_cached_pages((uintptr_t)area, 3, cached);
	ck_assert_int_eq(cached[0] & 1, 0);
	ck_assert_int_eq(cached[1] & 1, 1);
	ck_assert(mf_proc_cached((uintptr_t)area + 2 * PAGE));
	ck_assert(!mf_proc_present((uintptr_t)area + PAGE));
}

TEST(memory_without_access_is_read_and_written)
{
	char *area = map(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char back[4] = "";

	mf_test_needs_maps();
	ck_assert_int_eq(mf_proc_open(), 0);
	ck_assert_int_eq(mf_proc_write((uintptr_t)area, "abc", 4), 0);
	ck_assert_int_eq(mf_proc_read((uintptr_t)area, back, 4), 0);
	ck_assert_str_eq(back, "abc");
	ck_assert_int_eq(munmap(area, PAGE), 0);
	ck_assert_int_eq(mf_proc_write((uintptr_t)area, "abc", 4), -EIO);
}
