/* SPDX-License-Identifier: MIT */
/*
 * write.c - the write family.
 *
 * Promise: a map that is not writable is never changed; one that is keeps
 * what was written for all of the run. What is written from a view is filled
 * before.
 * Context: any.
 */
#include "base/sys.h"
#include "base/syscall.h"
#include "preload/bytes.h"
#include "preload/call.h"
#include "preload/seek.h"
#include "preload/serve.h"
#include "preload/size.h"
#include "preload/touch.h"
#include "preload/uffd.h"

long pl_serve_write(int fd, const void *buf, size_t len)
{
	struct iovec iov = { (void *)buf, len };

	return pl_serve_writev(fd, &iov, 1);
}

long pl_serve_pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	struct pl_face face;
	long r = pl_face_to_write(fd, &face);

	if (r == 0 && offset < 0)
		r = -EINVAL;
	if (r < 0)
		return r;
	return pl_bytes_write(&face, buf, len, (uint64_t)offset);
}

/* Behind the end, wherever that is when the others are kept out. */
static ssize_t append(const struct pl_face *face, int fd,
		      const struct iovec *iov, int n)
{
	struct pl_face now = *face;
	int lock = pl_size_lock(face->map, &now.size);
	uint64_t end;
	ssize_t done;

	if (lock < 0)
		return lock;
	end = now.size;
	/* It grows at the end of this, while the lock is held. */
	now.size = UINT64_MAX;
	done = pl_bytes_writev(&now, iov, n, end);
	if (done > 0) {
		end += (uint64_t)done;
		if (mf_sys.ftruncate(face->map->face_fd, end) < 0)
			done = -EIO;
	}
	pl_size_unlock(lock);
	(void)mf_syscall(SYS_lseek, fd, (long)end, SEEK_SET, 0, 0, 0);
	return done;
}

long pl_serve_writev(int fd, const struct iovec *iov, int n)
{
	struct pl_face face;
	uint64_t start;
	ssize_t len, done;
	long r = pl_face_to_write(fd, &face);

	if (r < 0)
		return r;
	len = pl_iov_length(iov, n);
	r = mf_syscall(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);
	if (len < 0 || r < 0)
		return len < 0 ? len : r;
	if (r & O_APPEND)
		return append(&face, fd, iov, n);
	r = pl_offset_take(fd, (size_t)len, &start);
	if (r < 0)
		return r;
	done = pl_bytes_writev(&face, iov, n, start);
	pl_offset_return(fd, (size_t)(done < 0 ? len : len - done));
	return done;
}

long pl_serve_pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
	struct pl_face face;
	long r;

	/* pwritev2() with -1 is writev() */
	if (offset == -1)
		return pl_serve_writev(fd, iov, n);
	r = pl_face_to_write(fd, &face);
	if (r == 0 && offset < 0)
		r = -EINVAL;
	if (r < 0)
		return r;
	return pl_bytes_writev(&face, iov, n, (uint64_t)offset);
}

/* From memory of ours, which is touched, libc's call would only be caught. */
static ssize_t next_write(int fd, const void *buf, size_t len)
{
	const unsigned long args[6] = { PL_LONGS(fd, buf, len) };

	return pl_in_arena(buf) ? pl_result(pl_call(SYS_write, args))
				: NEXT(write)(fd, buf, len);
}

static ssize_t next_pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	const unsigned long args[6] = { PL_LONGS(fd, buf, len, offset) };

	return pl_in_arena(buf) ? pl_result(pl_call(SYS_pwrite64, args))
				: NEXT(pwrite64)(fd, buf, len, offset);
}

/* The kernel refuses to write a sealed memfd with EPERM. */
INTERPOSE(ssize_t, write, (int fd, const void *buf, size_t len))
{
	(void)pl_touch(buf, len, false);
	return PL_UNLESS(pl_uffd_write(fd),
			 PL_EITHER(fd, EPERM, pl_serve_write(fd, buf, len),
				   next_write(fd, buf, len)));
}
INTERPOSE_ALSO(__write, write);

INTERPOSE(ssize_t, pwrite64,
	  (int fd, const void *buf, size_t len, off_t offset))
{
	(void)pl_touch(buf, len, false);
	return PL_EITHER(fd, EPERM, pl_serve_pwrite(fd, buf, len, offset),
			 next_pwrite(fd, buf, len, offset));
}
INTERPOSE_ALSO(pwrite, pwrite64);
INTERPOSE_ALSO(__pwrite64, pwrite64);

INTERPOSE(ssize_t, writev, (int fd, const struct iovec *iov, int n))
{
	if (n > 0)
		(void)pl_touch_iov(iov, (size_t)n, false);
	return PL_UNLESS(
		pl_uffd_write(fd),
		PL_EITHER(fd, EPERM, pl_serve_writev(fd, iov, n),
			  PL_NEXT_ARRAY(writev, SYS_writev, fd, iov, n)));
}

INTERPOSE(ssize_t, pwritev64,
	  (int fd, const struct iovec *iov, int n, off_t offset))
{
	if (n > 0)
		(void)pl_touch_iov(iov, (size_t)n, false);
	if (offset == -1)
		return pl_result(-EINVAL);
	return PL_EITHER(
		fd, EPERM, pl_serve_pwritev(fd, iov, n, offset),
		PL_NEXT_ARRAY(pwritev64, SYS_pwritev, fd, iov, n, offset));
}
INTERPOSE_ALSO(pwritev, pwritev64);

INTERPOSE(ssize_t, pwritev64v2,
	  (int fd, const struct iovec *iov, int n, off_t offset, int flags))
{
	if (n > 0)
		(void)pl_touch_iov(iov, (size_t)n, false);
	return PL_EITHER(fd, EPERM, pl_serve_pwritev(fd, iov, n, offset),
			 NEXT(pwritev64v2)(fd, iov, n, offset, flags));
}
INTERPOSE_ALSO(pwritev2, pwritev64v2);
