/* SPDX-License-Identifier: MIT */
/*
 * sys.c - the table of system calls and its real entries.
 *
 * Context: any, except calloc and thread_create.
 */
#include "base/sys.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "base/sigaction.h"
#include "base/syscall.h"
#include "base/thread.h"

/* Registers of the ABI that a 64-bit file offset takes. */
#if __SIZEOF_LONG__ == 8
#define OFFSET_ARGS(offset) (long)(offset), 0
#else
#define OFFSET_ARGS(offset) (long)(uint32_t)(offset), (long)((offset) >> 32)
#endif

#ifdef __SANITIZE_THREAD__
/* Through libc, so that tsan forgets who used these addresses before. */
static int sys_mmap(void *addr, size_t len, int prot, int flags, int fd,
		    uint64_t offset, void **ret_addr)
{
	int saved = errno, r = 0;
	void *ret = mmap(addr, len, prot, flags, fd, (off_t)offset);

	if (ret == MAP_FAILED)
		r = -errno;
	else
		*ret_addr = ret;
	errno = saved;
	return r;
}
#else
static int sys_mmap(void *addr, size_t len, int prot, int flags, int fd,
		    uint64_t offset, void **ret_addr)
{
#ifdef SYS_mmap2
	/* Counts in 4 KiB whatever the page size. */
	long ret = mf_syscall(SYS_mmap2, (long)addr, (long)len, prot, flags, fd,
			      (long)(offset >> 12));
#else
	long ret = mf_syscall(SYS_mmap, (long)addr, (long)len, prot, flags, fd,
			      (long)offset);
#endif

	if ((unsigned long)ret > -4096UL)
		return (int)ret;
	*ret_addr = (void *)ret;
	return 0;
}
#endif

static int sys_munmap(void *addr, size_t len)
{
	return (int)mf_syscall(SYS_munmap, (long)addr, (long)len, 0, 0, 0, 0);
}

static int sys_mprotect(void *addr, size_t len, int prot)
{
	return (int)mf_syscall(SYS_mprotect, (long)addr, (long)len, prot, 0, 0,
			       0);
}

static int sys_madvise(void *addr, size_t len, int advice)
{
	return (int)mf_syscall(SYS_madvise, (long)addr, (long)len, advice, 0, 0,
			       0);
}

static int sys_memfd_create(const char *name, unsigned flags)
{
	return (int)mf_syscall(SYS_memfd_create, (long)name, (long)flags, 0, 0,
			       0, 0);
}

static int sys_ftruncate(int fd, uint64_t size)
{
#ifdef SYS_ftruncate64
	return (int)mf_syscall(SYS_ftruncate64, fd, OFFSET_ARGS(size), 0, 0, 0);
#else
	return (int)mf_syscall(SYS_ftruncate, fd, (long)size, 0, 0, 0, 0);
#endif
}

static int sys_seal(int fd, int seals)
{
	return (int)mf_syscall(SYS_fcntl, fd, F_ADD_SEALS, seals, 0, 0, 0);
}

static int sys_fallocate(int fd, int mode, uint64_t offset, uint64_t len)
{
#if __SIZEOF_LONG__ == 8
	return (int)mf_syscall(SYS_fallocate, fd, mode, (long)offset, (long)len,
			       0, 0);
#else
	return (int)mf_syscall(SYS_fallocate, fd, mode, OFFSET_ARGS(offset),
			       OFFSET_ARGS(len));
#endif
}

static int sys_open(const char *path, int flags, mode_t mode)
{
#if __SIZEOF_LONG__ == 4
	flags |= O_LARGEFILE;
#endif
	return (int)mf_syscall(SYS_openat, AT_FDCWD, (long)path, flags,
			       (long)mode, 0, 0);
}

static int sys_close(int fd)
{
	return (int)mf_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}

static int sys_dup_above(int fd, int min)
{
#ifdef SYS_fcntl64
	return (int)mf_syscall(SYS_fcntl64, fd, F_DUPFD_CLOEXEC, min, 0, 0, 0);
#else
	return (int)mf_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, min, 0, 0, 0);
#endif
}

#ifndef SYS_close_range
#define SYS_close_range 436 /* everywhere; Linux 5.9 */
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2
#endif

/* By close_range() alone, for unshare() is refused in containers. */
static int sys_keep_only(int fd)
{
	long r = mf_syscall(SYS_close_range, fd + 1L, UINT32_MAX,
			    CLOSE_RANGE_UNSHARE, 0, 0, 0);

	if (r == 0 && fd > 0)
		r = mf_syscall(SYS_close_range, 0, fd - 1L, 0, 0, 0, 0);
	return (int)r;
}

/* By statx: the same struct on every processor, and no libc function. */
static int sys_fstat(int fd, struct stat *st)
{
	struct statx stx;
	long r = mf_syscall(SYS_statx, fd, (long)"", AT_EMPTY_PATH,
			    STATX_BASIC_STATS, (long)&stx, 0);

	if (r < 0)
		return (int)r;
	*st = (struct stat){
		.st_dev = makedev(stx.stx_dev_major, stx.stx_dev_minor),
		.st_rdev = makedev(stx.stx_rdev_major, stx.stx_rdev_minor),
		.st_ino = stx.stx_ino,
		.st_mode = stx.stx_mode,
		.st_nlink = stx.stx_nlink,
		.st_uid = stx.stx_uid,
		.st_gid = stx.stx_gid,
		.st_size = (off_t)stx.stx_size,
		.st_blksize = (blksize_t)stx.stx_blksize,
		.st_blocks = (blkcnt_t)stx.stx_blocks,
		.st_mtim = { stx.stx_mtime.tv_sec, stx.stx_mtime.tv_nsec },
		.st_ctim = { stx.stx_ctime.tv_sec, stx.stx_ctime.tv_nsec },
	};
	return 0;
}

static int sys_ioctl(int fd, unsigned long request, void *arg)
{
	return (int)mf_syscall(SYS_ioctl, fd, (long)request, (long)arg, 0, 0,
			       0);
}

static ssize_t sys_pread(int fd, void *buf, size_t len, uint64_t offset)
{
	return mf_syscall(SYS_pread64, fd, (long)buf, (long)len,
			  OFFSET_ARGS(offset), 0);
}

static ssize_t sys_pwrite(int fd, const void *buf, size_t len, uint64_t offset)
{
	return mf_syscall(SYS_pwrite64, fd, (long)buf, (long)len,
			  OFFSET_ARGS(offset), 0);
}

static ssize_t sys_read(int fd, void *buf, size_t len)
{
	return mf_syscall(SYS_read, fd, (long)buf, (long)len, 0, 0, 0);
}

static ssize_t sys_write(int fd, const void *buf, size_t len)
{
	return mf_syscall(SYS_write, fd, (long)buf, (long)len, 0, 0, 0);
}

static int sys_userfaultfd(int flags)
{
	return (int)mf_syscall(SYS_userfaultfd, flags, 0, 0, 0, 0, 0);
}

static int sys_eventfd(void)
{
	return (int)mf_syscall(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK, 0,
			       0, 0, 0);
}

static int sys_sigaltstack(const stack_t *ss, stack_t *old)
{
	return (int)mf_syscall(SYS_sigaltstack, (long)ss, (long)old, 0, 0, 0,
			       0);
}

struct mf_sys mf_sys = {
	.mmap = sys_mmap,
	.munmap = sys_munmap,
	.mprotect = sys_mprotect,
	.madvise = sys_madvise,
	.memfd_create = sys_memfd_create,
	.ftruncate = sys_ftruncate,
	.seal = sys_seal,
	.fallocate = sys_fallocate,
	.open = sys_open,
	.close = sys_close,
	.dup_above = sys_dup_above,
	.keep_only = sys_keep_only,
	.fstat = sys_fstat,
	.ioctl = sys_ioctl,
	.pread = sys_pread,
	.pwrite = sys_pwrite,
	.read = sys_read,
	.write = sys_write,
	.userfaultfd = sys_userfaultfd,
	.eventfd = sys_eventfd,
	.sigaltstack = sys_sigaltstack,
	.sigaction = mf_raw_sigaction,
	.calloc = calloc,
	.thread_create = mf_thread_start,
};

int mf_pread_full(int fd, void *buf, size_t len, uint64_t offset)
{
	char *to = buf;

	while (len > 0) {
		ssize_t n = mf_sys.pread(fd, to, len, offset);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EIO; /* the file has become shorter */
		to += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int mf_pwrite_full(int fd, const void *buf, size_t len, uint64_t offset)
{
	const char *from = buf;

	while (len > 0) {
		ssize_t n = mf_sys.pwrite(fd, from, len, offset);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EIO;
		from += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}
