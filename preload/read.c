/* SPDX-License-Identifier: MIT */
/*
 * read.c - the read family.
 *
 * Promise: a map reads like a file of that content; other descriptors are
 * read as if this library was not here, with the buffer filled before.
 * Context: any.
 */
#include "base/syscall.h"
#include "preload/bytes.h"
#include "preload/call.h"
#include "preload/seek.h"
#include "preload/serve.h"
#include "preload/touch.h"
#include "preload/uffd.h"

long pl_serve_read(int fd, void *buf, size_t len)
{
	struct pl_face face;
	uint64_t start;
	ssize_t n;
	long r = pl_face_to_read(fd, &face);

	if (r < 0)
		return r;
	if (len > PL_IO_MAX)
		len = PL_IO_MAX;
	r = pl_offset_take(fd, len, &start);
	if (r < 0)
		return r;
	n = pl_bytes_read(&face, buf, len, start);
	pl_offset_return(fd, n < 0 ? len : len - (size_t)n);
	return n;
}

long pl_serve_pread(int fd, void *buf, size_t len, off_t offset)
{
	struct pl_face face;
	long r = pl_face_to_read(fd, &face);

	if (r == 0 && offset < 0)
		r = -EINVAL;
	if (r < 0)
		return r;
	return pl_bytes_read(&face, buf, len, (uint64_t)offset);
}

long pl_serve_readv(int fd, const struct iovec *iov, int n)
{
	struct pl_face face;
	uint64_t start;
	ssize_t len, done;
	long r = pl_face_to_read(fd, &face);

	if (r < 0)
		return r;
	len = pl_iov_length(iov, n);
	if (len < 0)
		return len;
	r = pl_offset_take(fd, (size_t)len, &start);
	if (r < 0)
		return r;
	done = pl_bytes_readv(&face, iov, n, start);
	pl_offset_return(fd, (size_t)(done < 0 ? len : len - done));
	return done;
}

long pl_serve_preadv(int fd, const struct iovec *iov, int n, off_t offset)
{
	struct pl_face face;
	long r;

	/* preadv2() with -1 is readv() */
	if (offset == -1)
		return pl_serve_readv(fd, iov, n);
	r = pl_face_to_read(fd, &face);
	if (r == 0 && offset < 0)
		r = -EINVAL;
	if (r < 0)
		return r;
	return pl_bytes_readv(&face, iov, n, (uint64_t)offset);
}

/* Into memory of ours, which is touched, libc's call would only be caught. */
static ssize_t next_read(int fd, void *buf, size_t len)
{
	const unsigned long args[6] = { PL_LONGS(fd, buf, len) };

	return pl_in_arena(buf) ? pl_result(pl_call(SYS_read, args))
				: NEXT(read)(fd, buf, len);
}

static ssize_t next_pread(int fd, void *buf, size_t len, off_t offset)
{
	const unsigned long args[6] = { PL_LONGS(fd, buf, len, offset) };

	return pl_in_arena(buf) ? pl_result(pl_call(SYS_pread64, args))
				: NEXT(pread64)(fd, buf, len, offset);
}

INTERPOSE(ssize_t, read, (int fd, void *buf, size_t len))
{
	if (pl_touch(buf, len, true) < 0)
		return pl_result(-EFAULT);
	return PL_UNLESS(pl_uffd_read(fd, buf, len),
			 PL_EITHER(fd, EBADF, pl_serve_read(fd, buf, len),
				   next_read(fd, buf, len)));
}
INTERPOSE_ALSO(__read, read);

INTERPOSE(ssize_t, pread64, (int fd, void *buf, size_t len, off_t offset))
{
	if (pl_touch(buf, len, true) < 0)
		return pl_result(-EFAULT);
	return PL_UNLESS(pl_uffd_pread(fd, buf, len, offset),
			 PL_EITHER(fd, EBADF,
				   pl_serve_pread(fd, buf, len, offset),
				   next_pread(fd, buf, len, offset)));
}
INTERPOSE_ALSO(pread, pread64);
INTERPOSE_ALSO(__pread64, pread64);

/* With _FORTIFY_SOURCE; libc ends a program whose buffer is too small. */
INTERPOSE(ssize_t, __read_chk, (int fd, void *buf, size_t len, size_t room))
{
	return len > room ? NEXT(__read_chk)(fd, buf, len, room)
			  : pl_libc_read(fd, buf, len);
}

INTERPOSE(ssize_t, __pread64_chk,
	  (int fd, void *buf, size_t len, off_t offset, size_t room))
{
	return len > room ? NEXT(__pread64_chk)(fd, buf, len, offset, room)
			  : pl_libc_pread64(fd, buf, len, offset);
}
INTERPOSE_ALSO(__pread_chk, __pread64_chk);

INTERPOSE(ssize_t, readv, (int fd, const struct iovec *iov, int n))
{
	if (n > 0 && pl_touch_iov(iov, (size_t)n, true) < 0)
		return pl_result(-EFAULT);
	return PL_UNLESS(
		pl_uffd_readv(fd, iov, n),
		PL_EITHER(fd, EBADF, pl_serve_readv(fd, iov, n),
			  PL_NEXT_ARRAY(readv, SYS_readv, fd, iov, n)));
}

INTERPOSE(ssize_t, preadv64,
	  (int fd, const struct iovec *iov, int n, off_t offset))
{
	if (n > 0 && pl_touch_iov(iov, (size_t)n, true) < 0)
		return pl_result(-EFAULT);
	if (offset == -1)
		return pl_result(-EINVAL);
	return PL_EITHER(
		fd, EBADF, pl_serve_preadv(fd, iov, n, offset),
		PL_NEXT_ARRAY(preadv64, SYS_preadv, fd, iov, n, offset));
}
INTERPOSE_ALSO(preadv, preadv64);

INTERPOSE(ssize_t, preadv64v2,
	  (int fd, const struct iovec *iov, int n, off_t offset, int flags))
{
	if (n > 0 && pl_touch_iov(iov, (size_t)n, true) < 0)
		return pl_result(-EFAULT);
	return PL_EITHER(fd, EBADF, pl_serve_preadv(fd, iov, n, offset),
			 NEXT(preadv64v2)(fd, iov, n, offset, flags));
}
INTERPOSE_ALSO(preadv2, preadv64v2);

/* The kernel may read ahead only what can be read. */
long pl_serve_readahead(int fd)
{
	struct pl_face face;

	return pl_face_to_read(fd, &face);
}

INTERPOSE(ssize_t, readahead, (int fd, off_t offset, size_t len))
{
	return PL_UNLESS(pl_serve_readahead(fd),
			 NEXT(readahead)(fd, offset, len));
}
