/* SPDX-License-Identifier: MIT */
/*
 * bytes.h - the content of a map, read and written without a view.
 *
 * Promise: bytes that were read are the source's, or what this run wrote; a
 * source that fails gives -EIO, never zeros.
 * Context: any, signal handlers included.
 */
#ifndef MF_PRELOAD_BYTES_H
#define MF_PRELOAD_BYTES_H

#include <sys/uio.h>

#include "preload/face.h"

/* As Linux: no call moves more. */
#define PL_IO_MAX ((size_t)0x7ffff000)

/*
 * At most len bytes from offset, as pread() would: less only at the end of
 * the file, where the buffer ends, or before what cannot be read.
 */
ssize_t pl_bytes_read(const struct pl_face *face, void *buf, size_t len,
		      uint64_t offset);
ssize_t pl_bytes_write(const struct pl_face *face, const void *buf, size_t len,
		       uint64_t offset);
ssize_t pl_bytes_readv(const struct pl_face *face, const struct iovec *iov,
		       int n, uint64_t offset);
ssize_t pl_bytes_writev(const struct pl_face *face, const struct iovec *iov,
			int n, uint64_t offset);
/*
 * Have [offset, offset + *len) filled, for the kernel to read it from the
 * store's descriptor; *len is cut to what there is.
 */
int pl_bytes_ready(const struct pl_face *face, uint64_t offset, size_t *len);

/* The sum of the lengths, or -EINVAL, as the kernel counts. */
ssize_t pl_iov_length(const struct iovec *iov, int n);

#endif
