/* SPDX-License-Identifier: MIT */
/*
 * copy.c - calls that move bytes from one descriptor to another.
 *
 * Promise: what comes out of a map is filled before the kernel takes it out
 * of the store, and is never more than the file has.
 * Context: any.
 */
#include "preload/bytes.h"
#include "preload/seek.h"
#include "preload/serve.h"
#include "preload/touch.h"

/* Filled and moved in pieces, so that the first bytes go out early. */
#define STEP ((size_t)1 << 20)

/* A map to read from, at an offset of the caller's or at its own. */
struct from {
	struct pl_face face;
	int fd;
	off_t *given; /* NULL: its own, of which all was taken */
	off_t at;
	size_t taken;
};

/* 0, -errno, or PL_PASS: no map. */
static long from_open(struct from *from, int fd, off_t *given, size_t len)
{
	uint64_t start;
	long r = pl_face_to_read(fd, &from->face);

	if (r < 0)
		return r;
	from->fd = fd;
	from->given = given;
	from->taken = len;
	if (given) {
		from->at = *given;
		return from->at < 0 ? -EINVAL : 0;
	}
	r = pl_offset_take(fd, len, &start);
	from->at = (off_t)start;
	return r;
}

/* What the call returns, once so many bytes are moved. */
static long from_close(struct from *from, size_t done, long r)
{
	if (!from->given)
		pl_offset_return(from->fd, from->taken - done);
	else
		*from->given = from->at;
	return done > 0 ? (long)done : r;
}

/* One piece; from->at goes on. */
typedef long move_fn(struct from *from, int out, off_t *out_offset, size_t len,
		     unsigned flags);

static long move(struct from *from, int out, off_t *out_offset, size_t len,
		 unsigned flags, move_fn *piece)
{
	size_t done = 0;
	long r = 0;

	while (done < len) {
		size_t n = len - done < STEP ? len - done : STEP;

		r = pl_bytes_ready(&from->face, (uint64_t)from->at, &n);
		if (r < 0 || n == 0)
			break;
		r = piece(from, out, out_offset, n, flags);
		if (r <= 0)
			break;
		done += (size_t)r;
		if ((size_t)r < n)
			break;
	}
	return from_close(from, done, r);
}

/* What a function of libc returned, as the system call would have. */
static long raw(int saved, long r)
{
	if (r < 0)
		r = -errno;
	errno = saved;
	return r;
}

static long send_piece(struct from *from, int out, off_t *out_offset,
		       size_t len, unsigned flags)
{
	(void)out_offset;
	(void)flags;
	return raw(errno, NEXT(sendfile64)(out, from->face.map->store->fd,
					   &from->at, len));
}

long pl_serve_sendfile(int out, int in, off_t *offset, size_t len)
{
	struct from from;
	long r;

	if (len > PL_IO_MAX)
		len = PL_IO_MAX;
	r = from_open(&from, in, offset, len);
	return r < 0 ? r : move(&from, out, NULL, len, 0, send_piece);
}

INTERPOSE(ssize_t, sendfile64, (int out, int in, off_t *offset, size_t len))
{
	return PL_UNLESS(pl_serve_sendfile(out, in, offset, len),
			 NEXT(sendfile64)(out, in, offset, len));
}
INTERPOSE_ALSO(sendfile, sendfile64);

/* The kernel does not copy from a memfd to another file system. */
static long copy_piece(struct from *from, int out, off_t *out_offset,
		       size_t len, unsigned flags)
{
	const char *direct = mf_kmap_direct(&from->face.map->store->kmap);
	long n;

	(void)flags;
	if (!direct)
		return -EXDEV;
	n = out_offset
		    ? NEXT(pwrite64)(out, direct + from->at, len, *out_offset)
		    : NEXT(write)(out, direct + from->at, len);
	n = raw(errno, n);
	if (n > 0) {
		from->at += n;
		if (out_offset)
			*out_offset += n;
	}
	return n;
}

long pl_serve_copy(int in, off_t *in_offset, int out, off_t *out_offset,
		   size_t len, unsigned flags)
{
	struct from from;
	long r;

	if (len > PL_IO_MAX)
		len = PL_IO_MAX;
	r = from_open(&from, in, in_offset, len);
	if (r < 0)
		return r;
	return flags ? from_close(&from, 0, -EINVAL)
		     : move(&from, out, out_offset, len, 0, copy_piece);
}

INTERPOSE(ssize_t, copy_file_range,
	  (int in, off_t *in_offset, int out, off_t *out_offset, size_t len,
	   unsigned flags))
{
	return PL_UNLESS(
		pl_serve_copy(in, in_offset, out, out_offset, len, flags),
		NEXT(copy_file_range)(in, in_offset, out, out_offset, len,
				      flags));
}

static long splice_piece(struct from *from, int out, off_t *out_offset,
			 size_t len, unsigned flags)
{
	return raw(errno, NEXT(splice)(from->face.map->store->fd, &from->at,
				       out, out_offset, len, flags));
}

/* Into a pipe, which takes what it has room for: one piece. */
long pl_serve_splice(int in, off_t *in_offset, int out, off_t *out_offset,
		     size_t len, unsigned flags)
{
	struct from from;
	long r;

	if (len > STEP)
		len = STEP;
	r = from_open(&from, in, in_offset, len);
	return r < 0 ? r
		     : move(&from, out, out_offset, len, flags, splice_piece);
}

INTERPOSE(ssize_t, splice,
	  (int in, off_t *in_offset, int out, off_t *out_offset, size_t len,
	   unsigned flags))
{
	return PL_UNLESS(
		pl_serve_splice(in, in_offset, out, out_offset, len, flags),
		NEXT(splice)(in, in_offset, out, out_offset, len, flags));
}

INTERPOSE(ssize_t, vmsplice,
	  (int fd, const struct iovec *iov, size_t n, unsigned flags))
{
	(void)pl_touch_iov(iov, n, false);
	return NEXT(vmsplice)(fd, iov, n, flags);
}
