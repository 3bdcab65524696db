/* SPDX-License-Identifier: MIT */
/*
 * open.c - the open family.
 *
 * Promise: the path of a map opens as a face, by whatever name the program
 * calls it; and no program ever holds a face that could be read as zeros.
 * Context: any.
 */
#include "base/sys.h"
#include "base/syscall.h"
#include "preload/face.h"
#include "preload/serve.h"
#include "preload/uffd.h"

long pl_serve_openat(int dirfd, const char *path, int flags)
{
	struct pl_map *map = pl_map_by_path(dirfd, path);
	long r = pl_uffd_open(dirfd, path, flags);

	if (r != PL_PASS)
		return r;
	/*
	 * Where a link leads nowhere, O_CREAT makes a file there: before that
	 * see whether it leads to a map.
	 */
	if (!map && (flags & (O_CREAT | O_EXCL | O_NOFOLLOW)) == O_CREAT)
		map = pl_map_by_link(dirfd, path);
	return map ? pl_face_open(map, flags) : PL_PASS;
}

/*
 * The kernel said no to a path that may lead to a map all the same: by a
 * link, or through /proc to a face, which is not for reading.
 */
static long open_behind(int dirfd, const char *path, int flags, int error)
{
	struct pl_map *map = NULL;
	struct stat st;

	if (flags & O_NOFOLLOW)
		return -error;
	if (error == ENOENT)
		map = pl_map_by_link(dirfd, path);
	else if (mf_syscall(SYS_newfstatat, dirfd, (long)path, (long)&st, 0, 0,
			    0) == 0)
		map = pl_map_by_inode(st.st_dev, st.st_ino);
	return map ? pl_face_open(map, flags) : -error;
}

/*
 * root opened /proc/self/fd/3, /dev/stdin or a link to one of them, and
 * behind it was a face: the kernel made it readable, and empty. Close it
 * unread, and give out one that is not.
 */
static long open_again(int fd, int flags)
{
	struct pl_face face;

	if (!pl_face(fd, &face) || (flags & O_PATH))
		return fd;
	(void)mf_sys.close(fd);
	return pl_face_open(face.map, flags);
}

long pl_serve_opened(int dirfd, const char *path, int flags, long r)
{
	if (r >= 0) {
		pl_uffd_opened((int)r, path);
		return open_again((int)r, flags);
	}
	if (r == -ENOENT || r == -EACCES)
		return open_behind(dirfd, path, flags, (int)-r);
	return r;
}

/* Each name goes on to its own: who comes next may have one call another. */
#define OPEN(dirfd, path, flags, next)                              \
	({                                                          \
		int saved_ = errno;                                 \
		long r_ = pl_serve_openat(dirfd, path, flags);      \
		if (r_ == PL_PASS) {                                \
			r_ = (next);                                \
			r_ = pl_serve_opened(dirfd, path, flags,    \
					     r_ < 0 ? -errno : r_); \
		}                                                   \
		if (r_ >= 0)                                        \
			errno = saved_;                             \
		(int)pl_result(r_);                                 \
	})

/* The mode is there or not: what is there instead is not looked at. */
INTERPOSE(int, open, (const char *path, int flags, mode_t mode))
{
	return OPEN(AT_FDCWD, path, flags, NEXT(open)(path, flags, mode));
}
INTERPOSE_ALSO(__open, open);

INTERPOSE(int, open64, (const char *path, int flags, mode_t mode))
{
	return OPEN(AT_FDCWD, path, flags, NEXT(open64)(path, flags, mode));
}
INTERPOSE_ALSO(__open64, open64);

INTERPOSE(int, openat, (int dirfd, const char *path, int flags, mode_t mode))
{
	return OPEN(dirfd, path, flags, NEXT(openat)(dirfd, path, flags, mode));
}

INTERPOSE(int, openat64, (int dirfd, const char *path, int flags, mode_t mode))
{
	return OPEN(dirfd, path, flags,
		    NEXT(openat64)(dirfd, path, flags, mode));
}

INTERPOSE(int, creat64, (const char *path, mode_t mode))
{
	return OPEN(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC,
		    NEXT(creat64)(path, mode));
}
INTERPOSE_ALSO(creat, creat64);

/* With _FORTIFY_SOURCE. */
INTERPOSE(int, __open_2, (const char *path, int flags))
{
	return OPEN(AT_FDCWD, path, flags, NEXT(__open_2)(path, flags));
}

INTERPOSE(int, __open64_2, (const char *path, int flags))
{
	return OPEN(AT_FDCWD, path, flags, NEXT(__open64_2)(path, flags));
}

INTERPOSE(int, __openat_2, (int dirfd, const char *path, int flags))
{
	return OPEN(dirfd, path, flags, NEXT(__openat_2)(dirfd, path, flags));
}

INTERPOSE(int, __openat64_2, (int dirfd, const char *path, int flags))
{
	return OPEN(dirfd, path, flags, NEXT(__openat64_2)(dirfd, path, flags));
}
