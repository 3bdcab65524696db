/* SPDX-License-Identifier: MIT */
/*
 * bytes.c - the content of a map, read and written without a view.
 *
 * Promise: see bytes.h.
 * Context: any.
 */
#include "preload/bytes.h"

#include <limits.h>

#include "base/sys.h"
#include "fault/signal.h"
#include "map/map.h"
#include "mm/uaccess.h"
#include "preload/size.h"

/* Filled and copied in pieces, so that what was filled is still in a cache. */
#define STEP ((size_t)1 << 20)

#define PAGE	 4096U /* or more: then some are foreseen in vain */
#define LINE	 64U
#define FORESEEN (16 * LINE)

/* What programs know of: a source's error has its own words elsewhere. */
static int io_error(int r)
{
	return r == -ENOMEM || r == -EFAULT || r == -EFBIG ? r : -EIO;
}

int pl_bytes_ready(const struct pl_face *face, uint64_t offset, size_t *len)
{
	int r = pl_map_ready(face->map);

	if (offset >= face->size)
		*len = 0;
	else if (*len > face->size - offset)
		*len = (size_t)(face->size - offset);
	if (r == 0)
		r = mf_store_require(face->map->store, offset, *len);
	if (r < 0) {
		/* What is good is not lost: the next call meets the error. */
		*len = (size_t)mf_store_filled(face->map->store, offset, *len);
		return *len ? 0 : io_error(r);
	}
	return 0;
}

/*
 * Returns the bytes not copied. Pages that are neighbours in the file are not
 * neighbours in memory, so the processor does not foresee the next one: it is
 * told, and has the address and the first lines by the time they are needed.
 * That is a third of the time.
 */
static size_t copy_pages(char *to, const char *from, size_t len)
{
	while (len > 0) {
		size_t step = PAGE - (uintptr_t)from % PAGE, left;

		if (step > len)
			step = len;
		for (size_t i = 0; i < FORESEEN; i += LINE)
			__builtin_prefetch(from + step + i);
		left = mf_copy_nofault(to, from, step);
		len -= step - left;
		if (left > 0)
			break;
		to += step;
		from += step;
	}
	return len;
}

/*
 * Out of the direct map: three times as fast as asking the kernel to read the
 * memfd, whose pages are small ones. A buffer that is not there is EFAULT.
 */
static ssize_t copy(struct mf_store *store, void *buf, size_t len,
		    uint64_t offset)
{
	const char *direct = mf_kmap_direct(&store->kmap);
	size_t left;

	if (!direct || mf_signal_install_once() < 0)
		return mf_sys.pread(store->fd, buf, len, offset);
	left = copy_pages(buf, direct + offset, len);
	return left == len && len > 0 ? -EFAULT : (ssize_t)(len - left);
}

ssize_t pl_bytes_read(const struct pl_face *face, void *buf, size_t len,
		      uint64_t offset)
{
	size_t done = 0;

	if (len > PL_IO_MAX)
		len = PL_IO_MAX;
	while (done < len) {
		size_t step = len - done < STEP ? len - done : STEP;
		ssize_t n = pl_bytes_ready(face, offset + done, &step);

		if (n == 0 && step > 0)
			n = copy(face->map->store, (char *)buf + done, step,
				 offset + done);
		if (n <= 0)
			return done > 0 ? (ssize_t)done : n;
		done += (size_t)n;
		if ((size_t)n < step)
			break;
	}
	return (ssize_t)done;
}

ssize_t pl_bytes_write(const struct pl_face *face, const void *buf, size_t len,
		       uint64_t offset)
{
	struct mf_store *store = face->map->store;
	size_t n = len < PL_IO_MAX ? len : PL_IO_MAX;
	int r = pl_map_ready(face->map);

	if (len == 0)
		return 0;
	if (offset >= store->length)
		return -EFBIG;
	if (n > store->length - offset)
		n = (size_t)(store->length - offset);
	/* The rest of a unit must not be fetched over what is written now. */
	if (r == 0)
		r = mf_store_require(store, offset, n);
	if (r == 0)
		r = mf_store_write(store, buf, n, offset);
	if (r == 0 && offset + n > face->size)
		r = pl_size_grow(face->map, offset + n);
	return r < 0 ? io_error(r) : (ssize_t)n;
}

ssize_t pl_iov_length(const struct iovec *iov, int n)
{
	size_t sum = 0;

	if (n < 0 || n > IOV_MAX)
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len > SSIZE_MAX - sum)
			return -EINVAL;
		sum += iov[i].iov_len;
	}
	return (ssize_t)(sum < PL_IO_MAX ? sum : PL_IO_MAX);
}

/* One call after the other, as long as each does all it was asked. */
static ssize_t each(const struct pl_face *face, const struct iovec *iov, int n,
		    uint64_t offset, bool writing)
{
	ssize_t done = pl_iov_length(iov, n);

	if (done < 0)
		return done;
	done = 0;
	for (int i = 0; i < n; i++) {
		ssize_t r = writing ? pl_bytes_write(face, iov[i].iov_base,
						     iov[i].iov_len,
						     offset + (uint64_t)done)
				    : pl_bytes_read(face, iov[i].iov_base,
						    iov[i].iov_len,
						    offset + (uint64_t)done);

		if (r < 0)
			return done > 0 ? done : r;
		done += r;
		if ((size_t)r < iov[i].iov_len)
			break;
	}
	return done;
}

ssize_t pl_bytes_readv(const struct pl_face *face, const struct iovec *iov,
		       int n, uint64_t offset)
{
	return each(face, iov, n, offset, false);
}

ssize_t pl_bytes_writev(const struct pl_face *face, const struct iovec *iov,
			int n, uint64_t offset)
{
	return each(face, iov, n, offset, true);
}
