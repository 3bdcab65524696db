/* SPDX-License-Identifier: MIT */
/*
 * syscall.c - syscall(), by which Rust, Node and others go around libc.
 *
 * Promise: a map is the same to who calls the kernel by number.
 * Context: any, signal handlers and vfork() children included.
 */
#include <linux/openat2.h>

#include "preload/bytes.h"
#include "preload/calls.h"
#include "preload/face.h"
#include "preload/filter.h"
#include "preload/serve.h"
#include "preload/signals.h"
#include "preload/uffd.h"

static long serve_open(long number, const long a[6], int dirfd,
		       const char *path, int flags)
{
	long r = pl_serve_openat(dirfd, path, flags);

	if (r != PL_PASS)
		return r;
	r = pl_syscall(number, (const unsigned long *)a);
	return pl_serve_opened(dirfd, path, flags, r);
}

static long serve_openat2(const long a[6])
{
	const struct open_how *how = (const struct open_how *)a[2];

	if (!how || (size_t)a[3] < sizeof(*how))
		return PL_PASS;
	return serve_open(SYS_openat2, a, (int)a[0], (const char *)a[1],
			  (int)how->flags);
}

static long serve_faccessat(const long a[6])
{
	return pl_serve_access((int)a[0], (const char *)a[1], (int)a[2]);
}

/* Descriptors: bytes in and out. */
static long serve_bytes(long number, const long a[6])
{
	int fd = (int)a[0];
	void *buf = (void *)a[1];
	const struct iovec *iov = buf;

	switch (number) {
	case SYS_read:
		return pl_serve_read(fd, buf, (size_t)a[2]);
	case SYS_pread64:
		return pl_serve_pread(fd, buf, (size_t)a[2], a[3]);
	case SYS_readv:
		return pl_serve_readv(fd, iov, (int)a[2]);
	case SYS_preadv:
	case SYS_preadv2:
		return pl_serve_preadv(fd, iov, (int)a[2], a[3]);
	case SYS_write:
		return pl_serve_write(fd, buf, (size_t)a[2]);
	case SYS_pwrite64:
		return pl_serve_pwrite(fd, buf, (size_t)a[2], a[3]);
	case SYS_writev:
		return pl_serve_writev(fd, iov, (int)a[2]);
	case SYS_pwritev:
	case SYS_pwritev2:
		return pl_serve_pwritev(fd, iov, (int)a[2], a[3]);
	case SYS_readahead:
		return pl_serve_readahead(fd);
	case SYS_sendfile:
		return pl_serve_sendfile(fd, (int)a[1], (off_t *)a[2],
					 (size_t)a[3]);
	case SYS_copy_file_range:
		return pl_serve_copy(fd, (off_t *)a[1], (int)a[2],
				     (off_t *)a[3], (size_t)a[4],
				     (unsigned)a[5]);
	case SYS_splice:
		return pl_serve_splice(fd, (off_t *)a[1], (int)a[2],
				       (off_t *)a[3], (size_t)a[4],
				       (unsigned)a[5]);
	default:
		return PL_PASS;
	}
}

/* Descriptors: what else there is to them. */
static long serve_fd(long number, const long a[6])
{
	int fd = (int)a[0];

	switch (number) {
	case SYS_lseek:
		return pl_serve_lseek(fd, a[1], (int)a[2]);
	case SYS_fstat:
		return pl_serve_stat(fd, "", (struct stat *)a[1],
				     AT_EMPTY_PATH);
	case SYS_fcntl:
		return pl_serve_fcntl(fd, (int)a[1], a[2]);
	case SYS_close:
		return pl_serve_close(fd);
	case SYS_close_range:
		return pl_serve_close_range((unsigned)a[0], (unsigned)a[1],
					    (int)a[2]);
#ifdef SYS_dup2
	case SYS_dup2:
#endif
	case SYS_dup3:
		return pl_serve_dup_to(fd, (int)a[1],
				       number == SYS_dup3 ? (int)a[2] : 0);
	case SYS_ftruncate:
		return pl_serve_ftruncate(fd, a[1]);
	case SYS_fallocate:
		return pl_serve_fallocate(fd, (int)a[1], a[2], a[3]);
	case SYS_fchmod:
	case SYS_fchown:
	case SYS_fsetxattr:
	case SYS_fremovexattr:
		return pl_serve_change_fd(fd);
	case SYS_fgetxattr:
		return pl_serve_xattr_fd(fd, -ENODATA);
	case SYS_flistxattr:
		return pl_serve_xattr_fd(fd, 0);
	case SYS_getdents64:
		return pl_serve_getdents(fd, (void *)a[1], (size_t)a[2]);
	default:
		return PL_PASS;
	}
}

long pl_serve_memory(long number, const long a[6])
{
	void *addr = (void *)a[0];
	size_t len = (size_t)a[1];

	switch (number) {
	case SYS_mmap:
		return pl_serve_mmap(addr, len, (int)a[2], (int)a[3], (int)a[4],
				     a[5]);
	case SYS_munmap:
		return pl_serve_munmap(addr, len);
	case SYS_mremap:
		return pl_serve_mremap(addr, len, (size_t)a[2], (int)a[3],
				       (void *)a[4]);
	case SYS_mprotect:
		return pl_serve_mprotect(addr, len, (int)a[2]);
	case SYS_madvise:
		return pl_serve_madvise(addr, len, (int)a[2]);
	default:
		return PL_PASS;
	}
}

/* Paths below a directory. */
static long serve_at(long number, const long a[6])
{
	int dirfd = (int)a[0];
	const char *path = (const char *)a[1];

	switch (number) {
	case SYS_openat:
		return serve_open(number, a, dirfd, path, (int)a[2]);
	case SYS_openat2:
		return serve_openat2(a);
	case SYS_newfstatat:
		return pl_serve_stat(dirfd, path, (struct stat *)a[2],
				     (int)a[3]);
	case SYS_statx:
		return pl_serve_statx(dirfd, path, (int)a[2], (unsigned)a[3],
				      (struct statx *)a[4]);
	case SYS_faccessat:
#ifdef SYS_faccessat2
	case SYS_faccessat2:
#endif
		return serve_faccessat(a);
	case SYS_readlinkat:
		return pl_serve_readlink(dirfd, path, (char *)a[2],
					 (size_t)a[3]);
	case SYS_unlinkat:
	case SYS_fchmodat:
		return pl_serve_change(dirfd, path);
	case SYS_fchownat:
		return pl_serve_change_at(dirfd, path, (int)a[4]);
	case SYS_utimensat:
		return pl_serve_change_at(dirfd, path, (int)a[3]);
	case SYS_mkdirat:
	case SYS_mknodat:
		return pl_serve_make(dirfd, path);
	case SYS_symlinkat:
		return pl_serve_make((int)a[1], (const char *)a[2]);
#ifdef SYS_renameat
	case SYS_renameat:
#endif
	case SYS_renameat2:
		return pl_serve_rename(dirfd, path, (int)a[2],
				       (const char *)a[3]);
	case SYS_linkat:
		return pl_serve_link(dirfd, path, (int)a[2],
				     (const char *)a[3]);
	default:
		return PL_PASS;
	}
}

/* Paths from where we are; processors that came late have only a few. */
static long serve_path(long number, const long a[6])
{
	const char *path = (const char *)a[0];

	switch (number) {
	case SYS_truncate:
		return pl_serve_truncate(path, a[1]);
	case SYS_getxattr:
	case SYS_lgetxattr:
		return pl_serve_xattr(path, -ENODATA);
	case SYS_listxattr:
	case SYS_llistxattr:
		return pl_serve_xattr(path, 0);
	case SYS_setxattr:
	case SYS_lsetxattr:
	case SYS_removexattr:
	case SYS_lremovexattr:
		return pl_serve_change(AT_FDCWD, path);
#ifdef SYS_open
	case SYS_open:
		return serve_open(number, a, AT_FDCWD, path, (int)a[1]);
	case SYS_creat:
		return serve_open(number, a, AT_FDCWD, path,
				  O_CREAT | O_WRONLY | O_TRUNC);
	case SYS_stat:
		return pl_serve_stat(AT_FDCWD, path, (struct stat *)a[1], 0);
	case SYS_lstat:
		return pl_serve_stat(AT_FDCWD, path, (struct stat *)a[1],
				     AT_SYMLINK_NOFOLLOW);
	case SYS_access:
		return pl_serve_access(AT_FDCWD, path, (int)a[1]);
	case SYS_readlink:
		return pl_serve_readlink(AT_FDCWD, path, (char *)a[1],
					 (size_t)a[2]);
	case SYS_unlink:
	case SYS_chmod:
	case SYS_chown:
	case SYS_lchown:
	case SYS_utime:
	case SYS_utimes:
		return pl_serve_change(AT_FDCWD, path);
	case SYS_mkdir:
	case SYS_mknod:
		return pl_serve_make(AT_FDCWD, path);
	case SYS_symlink:
		return pl_serve_make(AT_FDCWD, (const char *)a[1]);
	case SYS_rename:
		return pl_serve_rename(AT_FDCWD, path, AT_FDCWD,
				       (const char *)a[1]);
	case SYS_link:
		return pl_serve_link(AT_FDCWD, path, AT_FDCWD,
				     (const char *)a[1]);
#endif
	default:
		return PL_PASS;
	}
}

/* Numbers are of one kind each, and most calls are none of them. */
long pl_serve(long number, const long arguments[6])
{
	long r;

	if (pl_run.uffd && (r = pl_uffd_serve(number, arguments)) != PL_PASS)
		return r;
	if (pl_run.n_maps == 0)
		return PL_PASS;
	r = serve_bytes(number, arguments);
	if (r == PL_PASS)
		r = serve_fd(number, arguments);
	if (r == PL_PASS)
		r = serve_at(number, arguments);
	if (r == PL_PASS)
		r = pl_serve_memory(number, arguments);
	if (r == PL_PASS)
		r = serve_path(number, arguments);
	return r;
}

static long serve_signals(long number, const long a[6])
{
	const unsigned long *args = (const unsigned long *)a;

	switch (number) {
	case SYS_rt_sigaction:
		return pl_raw_sigaction(args);
	case SYS_rt_sigprocmask:
		return pl_raw_sigprocmask(args);
	default:
		return PL_PASS;
	}
}

/*
 * All arguments are passed on, as libc does, whether they are there or not:
 * the first six of a function are in registers, the last one on the stack.
 */
INTERPOSE(long, syscall,
	  (long number, long a, long b, long c, long d, long e, long f))
{
	long arguments[6] = { a, b, c, d, e, f };
	long r = pl_call_touch(number, (const unsigned long *)arguments);

	if (r == 0)
		r = serve_signals(number, arguments);
	if (r == PL_PASS)
		r = pl_serve(number, arguments);
	if (r == PL_PASS)
		r = pl_syscall(number, (const unsigned long *)arguments);
	return pl_result(r);
}
