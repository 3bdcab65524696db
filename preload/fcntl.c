/* SPDX-License-Identifier: MIT */
/*
 * fcntl.c - fcntl(), and locks above all.
 *
 * Promise: a face shows the flags of the open() that made it; locks on a map
 * keep processes apart as on any file.
 * Context: any.
 */
#include <stdarg.h>

#include "base/syscall.h"
#include "preload/face.h"
#include "preload/serve.h"
#include "preload/uffd.h"

static long kernel_fcntl(int fd, int command, long argument)
{
	return mf_syscall(SYS_fcntl, fd, command, argument, 0, 0, 0);
}

/* The flags of a face as the program gave them. */
static long shown_flags(int fd, long flags)
{
	struct pl_face face;

	if (flags < 0 || (flags & O_ACCMODE) != O_WRONLY || !pl_face(fd, &face))
		return flags;
	return (flags & ~(long)(O_ACCMODE | O_SYNC)) |
	       pl_face_access((int)flags);
}

static int check_mode(int fd, const struct pl_face *face, short type)
{
	long flags = kernel_fcntl(fd, F_GETFL, 0);
	int access = face->map->rw ? pl_face_access((int)flags) : O_RDONLY;

	if (flags < 0)
		return (int)flags;
	if ((type == F_RDLCK && access == O_WRONLY) ||
	    (type == F_WRLCK && access == O_RDONLY))
		return -EBADF;
	return 0;
}

/* By way of whoever comes next: to wait for a lock can be cancelled. */
static long ask(int fd, int command, struct flock *lock)
{
	int saved = errno;
	long r = NEXT(fcntl64)(fd, command, lock);

	if (r < 0)
		r = -errno;
	errno = saved;
	return r;
}

/*
 * A lock of the process: it belongs to process and inode, so any descriptor
 * of the face is as good as another, and ours may read and write. And as with
 * any file, the program loses it when it closes one of its own.
 */
static long lock_process(int fd, const struct pl_face *face, int command,
			 struct flock *given)
{
	struct flock lock = *given;
	long r;

	if (lock.l_whence == SEEK_CUR) {
		r = mf_syscall(SYS_lseek, fd, 0, SEEK_CUR, 0, 0, 0);
		if (r < 0)
			return r;
		lock.l_start += r;
		lock.l_whence = SEEK_SET;
	}
	r = ask(face->map->face_fd, command, &lock);
	if (r == 0 && command == F_GETLK)
		*given = lock;
	return r;
}

/*
 * A lock of the open file. A face is not open for reading, so the kernel
 * would refuse a read lock. Where nobody can write, nobody is kept out by it;
 * elsewhere a write lock keeps out more than it should, but nobody less.
 */
static long lock_open_file(int fd, const struct pl_face *face, int command,
			   struct flock *given)
{
	struct flock lock = *given;

	if (command != F_OFD_GETLK && lock.l_type == F_RDLCK) {
		if (!face->map->rw)
			return lock.l_pid == 0 ? 0 : -EINVAL;
		lock.l_type = F_WRLCK;
	}
	return ask(fd, command, command == F_OFD_GETLK ? given : &lock);
}

static long lock(int fd, const struct pl_face *face, int command,
		 struct flock *given)
{
	int r = 0;

	if (!given)
		return -EFAULT;
	if (command != F_GETLK && command != F_OFD_GETLK)
		r = check_mode(fd, face, given->l_type);
	if (r < 0)
		return r;
	if (command == F_GETLK || command == F_SETLK || command == F_SETLKW)
		return lock_process(fd, face, command, given);
	return lock_open_file(fd, face, command, given);
}

long pl_serve_fcntl(int fd, int command, long argument)
{
	struct pl_face face;

	long r;

	switch (command) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		if (pl_fd_kind(fd) == PL_FD_PLAIN)
			return PL_PASS;
		r = kernel_fcntl(fd, command, argument);
		pl_uffd_copied(fd, r);
		return r;
	case F_GETFL:
		r = kernel_fcntl(fd, F_GETFL, 0);
		/* Underneath it can be written to. */
		if (r >= 0 && pl_fd_kind(fd) == PL_FD_UFFD)
			return r & ~O_ACCMODE;
		return shown_flags(fd, r);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		if (!pl_face(fd, &face))
			return PL_PASS;
		return lock(fd, &face, command, (struct flock *)argument);
	case F_ADD_SEALS:
	case F_GET_SEALS:
		/* Of a memfd only; the file is none. */
		return pl_face(fd, &face) ? -EINVAL : PL_PASS;
	default:
		return PL_PASS;
	}
}

INTERPOSE(int, fcntl64, (int fd, int command, ...))
{
	va_list args;
	long argument, r;

	va_start(args, command);
	argument = va_arg(args, long);
	va_end(args);
	r = pl_serve_fcntl(fd, command, argument);
	return r == PL_PASS ? NEXT(fcntl64)(fd, command, argument)
			    : (int)pl_result(r);
}
INTERPOSE_ALSO(fcntl, fcntl64);
INTERPOSE_ALSO(__fcntl, fcntl64);
