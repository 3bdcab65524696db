/* SPDX-License-Identifier: MIT */
/*
 * seek.c - lseek(), and the one offset of a descriptor.
 *
 * Promise: see seek.h.
 * Context: any.
 */
#include "preload/seek.h"

#include "base/syscall.h"
#include "preload/serve.h"

/*
 * Take first and read then: the kernel adds in one step, so of two readers
 * each gets its own part. Reading first and moving then would be two.
 */
int pl_offset_take(int fd, size_t len, uint64_t *ret_start)
{
	long end = mf_syscall(SYS_lseek, fd, (long)len, SEEK_CUR, 0, 0, 0);

	if (end < 0)
		return (int)end;
	*ret_start = (uint64_t)end - len;
	return 0;
}

void pl_offset_return(int fd, size_t len)
{
	if (len > 0)
		(void)mf_syscall(SYS_lseek, fd, -(long)len, SEEK_CUR, 0, 0, 0);
}

/*
 * A face is one large hole for the kernel, and cp would copy none of it. The
 * file has no hole but the one behind its end.
 */
long pl_serve_lseek(int fd, off_t offset, int whence)
{
	struct pl_face face;

	if ((whence != SEEK_DATA && whence != SEEK_HOLE) || !pl_face(fd, &face))
		return PL_PASS;
	if (offset < 0 || (uint64_t)offset >= face.size)
		return -ENXIO;
	if (whence == SEEK_HOLE)
		offset = (off_t)face.size;
	return mf_syscall(SYS_lseek, fd, offset, SEEK_SET, 0, 0, 0);
}

INTERPOSE(off_t, lseek64, (int fd, off_t offset, int whence))
{
	long r = pl_serve_lseek(fd, offset, whence);

	return r == PL_PASS ? NEXT(lseek64)(fd, offset, whence) : pl_result(r);
}
INTERPOSE_ALSO(lseek, lseek64);
INTERPOSE_ALSO(__lseek, lseek64);
INTERPOSE_ALSO(llseek, lseek64);
