/* SPDX-License-Identifier: MIT */
/*
 * size.c - the size of a map that can be written to.
 *
 * Promise: see size.h.
 * Context: any.
 */
#include "preload/size.h"

#include "base/sys.h"
#include "base/syscall.h"
#include "mm/mm.h"
#include "preload/serve.h"
#include "preload/touch.h"
#include "uffd/change.h"

/*
 * A lock of an open file, on one that nobody else has: it keeps out threads
 * and processes alike, and goes with its holder, however that one dies. On
 * the store: to close a descriptor of the face would end the locks that the
 * program has there.
 */
static int take_lock(const struct pl_map *map)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PL_FD_PATH_MAX];
	long fd, r;

	pl_fd_path(map->store->fd, path);
	fd = mf_syscall(SYS_openat, AT_FDCWD, (long)path, O_WRONLY | O_CLOEXEC,
			0, 0, 0);
	if (fd < 0)
		return (int)fd;
	do
		r = mf_syscall(SYS_fcntl, fd, F_OFD_SETLKW, (long)&all, 0, 0,
			       0);
	while (r == -EINTR);
	if (r == 0)
		return (int)fd;
	(void)mf_sys.close((int)fd);
	return (int)r;
}

int pl_size_lock(const struct pl_map *map, uint64_t *ret_size)
{
	struct stat st;
	int fd, r;

	mf_signals_block();
	fd = take_lock(map);
	r = fd < 0 ? fd : mf_sys.fstat(map->face_fd, &st);
	if (r < 0) {
		pl_size_unlock(fd);
		return r;
	}
	*ret_size = (uint64_t)st.st_size;
	return fd;
}

void pl_size_unlock(int lock)
{
	if (lock >= 0)
		(void)mf_sys.close(lock);
	mf_signals_restore();
}

/*
 * What is behind the new end is zeros from now on, in what is filled already
 * and in what is filled later.
 */
static int cut(const struct pl_map *map, uint64_t from, uint64_t to)
{
	mf_store_limit(map->store, from);
	return mf_sys.fallocate(map->store->fd,
				FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				from, to - from);
}

static int set_size(const struct pl_map *map, uint64_t size, bool may_shrink)
{
	uint64_t now;
	int lock, r = 0;

	if (size > map->store->length)
		return -EFBIG;
	lock = pl_size_lock(map, &now);
	if (lock < 0)
		return lock;
	if (size < now && may_shrink)
		r = cut(map, size, now);
	if (r == 0 && (size > now || may_shrink))
		r = mf_sys.ftruncate(map->face_fd, size);
	pl_size_unlock(lock);
	return r;
}

int pl_size_grow(const struct pl_map *map, uint64_t end)
{
	return set_size(map, end, false);
}

int pl_size_set(const struct pl_map *map, uint64_t size)
{
	return set_size(map, size, true);
}

static long truncate_map(const struct pl_map *map, off_t length)
{
	if (length < 0)
		return -EINVAL;
	return map->rw ? pl_size_set(map, (uint64_t)length) : -EROFS;
}

long pl_serve_truncate(const char *path, off_t length)
{
	struct pl_map *map = pl_map_by_path(AT_FDCWD, path);

	return map ? truncate_map(map, length) : PL_PASS;
}

long pl_serve_ftruncate(int fd, off_t length)
{
	struct pl_face face;
	long r = pl_face_to_write(fd, &face);

	/* Of a descriptor for reading the kernel says that, not EBADF. */
	if (r == -EBADF)
		return -EINVAL;
	return r < 0 ? r : truncate_map(face.map, length);
}

/* Room in a map costs nothing and cannot run out: only the size may change. */
long pl_serve_fallocate(int fd, int mode, off_t offset, off_t len)
{
	struct pl_face face;
	long r = pl_face_to_write(fd, &face);

	if ((mode & FALLOC_FL_PUNCH_HOLE) && mf_uffd_has_ranges() &&
	    offset >= 0 && len > 0)
		mf_uffd_punch(fd, (uint64_t)offset, (uint64_t)len);
	if (r < 0)
		return r;
	if (offset < 0 || len <= 0)
		return -EINVAL;
	if (mode & ~FALLOC_FL_KEEP_SIZE)
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_KEEP_SIZE) ||
	    (uint64_t)offset + (uint64_t)len <= face.size)
		return 0;
	return pl_size_grow(face.map, (uint64_t)offset + (uint64_t)len);
}

INTERPOSE(int, ftruncate64, (int fd, off_t length))
{
	return (int)PL_UNLESS(pl_serve_ftruncate(fd, length),
			      NEXT(ftruncate64)(fd, length));
}
INTERPOSE_ALSO(ftruncate, ftruncate64);

INTERPOSE(int, truncate64, (const char *path, off_t length))
{
	return (int)PL_UNLESS(pl_serve_truncate(path, length),
			      NEXT(truncate64)(path, length));
}
INTERPOSE_ALSO(truncate, truncate64);

INTERPOSE(int, fallocate64, (int fd, int mode, off_t offset, off_t len))
{
	return (int)PL_UNLESS(pl_serve_fallocate(fd, mode, offset, len),
			      NEXT(fallocate64)(fd, mode, offset, len));
}
INTERPOSE_ALSO(fallocate, fallocate64);

/* It returns its error instead of setting errno. */
INTERPOSE(int, posix_fallocate64, (int fd, off_t offset, off_t len))
{
	long r = pl_serve_fallocate(fd, 0, offset, len);

	return r == PL_PASS ? NEXT(posix_fallocate64)(fd, offset, len)
			    : (int)-r;
}
INTERPOSE_ALSO(posix_fallocate, posix_fallocate64);
