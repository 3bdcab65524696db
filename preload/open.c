/* SPDX-License-Identifier: MIT */
/*
 * open.c - the open family.
 *
 * Promise: the path of a map opens as a face, by whatever name the program
 * calls it; and no program ever holds a face that could be read as zeros.
 * Context: any.
 */
#include "base/sys.h"
#include "preload/face.h"
#include "preload/serve.h"

long pl_serve_openat(int dirfd, const char *path, int flags)
{
	struct pl_map *map = pl_map_by_path(dirfd, path);

	/*
	 * Where a link leads nowhere, O_CREAT makes a file there: before that
	 * see whether it leads to a map.
	 */
	if (!map && (flags & (O_CREAT | O_EXCL | O_NOFOLLOW)) == O_CREAT)
		map = pl_map_by_link(dirfd, path);
	return map ? pl_face_open(map, flags) : PL_PASS;
}

/* The kernel found nothing: a link may lead to a map. */
static long open_link(int dirfd, const char *path, int flags)
{
	struct pl_map *map = NULL;

	if (!(flags & O_NOFOLLOW))
		map = pl_map_by_link(dirfd, path);
	return map ? pl_face_open(map, flags) : -ENOENT;
}

/*
 * Somebody opened /proc/self/fd/3, /dev/stdin or a link to one of them, and
 * behind it was a face: the kernel made it readable, and empty. Close it
 * unread, and give out one that is not.
 */
long pl_serve_opened(int fd, int flags)
{
	struct pl_face face;

	if (!pl_face(fd, &face) || (flags & O_PATH))
		return fd;
	(void)mf_sys.close(fd);
	return pl_face_open(face.map, flags);
}

static int open_at(int dirfd, const char *path, int flags, mode_t mode)
{
	int saved = errno;
	long r = pl_serve_openat(dirfd, path, flags);

	if (r == PL_PASS) {
		r = NEXT(openat64)(dirfd, path, flags, mode);
		if (r >= 0)
			r = pl_serve_opened((int)r, flags);
		else if (errno != ENOENT)
			return -1;
		else
			r = open_link(dirfd, path, flags);
	}
	if (r >= 0)
		errno = saved;
	return (int)pl_result(r);
}

/* The mode is there or not: what is there instead is not looked at. */
INTERPOSE(int, open64, (const char *path, int flags, mode_t mode))
{
	return open_at(AT_FDCWD, path, flags, mode);
}
INTERPOSE_ALSO(open, open64);
INTERPOSE_ALSO(__open, open64);
INTERPOSE_ALSO(__open64, open64);

INTERPOSE(int, openat64, (int dirfd, const char *path, int flags, mode_t mode))
{
	return open_at(dirfd, path, flags, mode);
}
INTERPOSE_ALSO(openat, openat64);

INTERPOSE(int, creat64, (const char *path, mode_t mode))
{
	return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
INTERPOSE_ALSO(creat, creat64);

/* With _FORTIFY_SOURCE. */
INTERPOSE(int, __open64_2, (const char *path, int flags))
{
	return open_at(AT_FDCWD, path, flags, 0);
}
INTERPOSE_ALSO(__open_2, __open64_2);

INTERPOSE(int, __openat64_2, (int dirfd, const char *path, int flags))
{
	return open_at(dirfd, path, flags, 0);
}
INTERPOSE_ALSO(__openat_2, __openat64_2);
