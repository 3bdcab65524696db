/* SPDX-License-Identifier: MIT */
/*
 * attributes.c - mode, owner, times, extended attributes.
 *
 * Promise: those of a map are fixed, and it has no extended ones.
 * Context: any.
 */
#include <fcntl.h>

#include "preload/face.h"
#include "preload/serve.h"

INTERPOSE(int, fchmod, (int fd, mode_t mode))
{
	return (int)PL_UNLESS(pl_serve_change_fd(fd), NEXT(fchmod)(fd, mode));
}

INTERPOSE(int, fchmodat, (int dirfd, const char *path, mode_t mode, int flags))
{
	return (int)PL_UNLESS(pl_serve_change(dirfd, path),
			      NEXT(fchmodat)(dirfd, path, mode, flags));
}

INTERPOSE(int, chmod, (const char *path, mode_t mode))
{
	return (int)PL_UNLESS(pl_serve_change(AT_FDCWD, path),
			      NEXT(chmod)(path, mode));
}

INTERPOSE(int, fchown, (int fd, uid_t user, gid_t group))
{
	return (int)PL_UNLESS(pl_serve_change_fd(fd),
			      NEXT(fchown)(fd, user, group));
}

/* A descriptor may be meant, with an empty path or none. */
long pl_serve_change_at(int dirfd, const char *path, int flags)
{
	if (!path || (!*path && (flags & AT_EMPTY_PATH)))
		return pl_serve_change_fd(dirfd);
	return pl_serve_change(dirfd, path);
}

INTERPOSE(int, fchownat,
	  (int dirfd, const char *path, uid_t user, gid_t group, int flags))
{
	return (int)PL_UNLESS(pl_serve_change_at(dirfd, path, flags),
			      NEXT(fchownat)(dirfd, path, user, group, flags));
}

INTERPOSE(int, chown, (const char *path, uid_t user, gid_t group))
{
	return (int)PL_UNLESS(pl_serve_change(AT_FDCWD, path),
			      NEXT(chown)(path, user, group));
}

INTERPOSE(int, lchown, (const char *path, uid_t user, gid_t group))
{
	return (int)PL_UNLESS(pl_serve_change(AT_FDCWD, path),
			      NEXT(lchown)(path, user, group));
}

INTERPOSE(int, futimens, (int fd, const struct timespec times[2]))
{
	return (int)PL_UNLESS(pl_serve_change_fd(fd),
			      NEXT(futimens)(fd, times));
}

INTERPOSE(int, futimes, (int fd, const struct timeval times[2]))
{
	return (int)PL_UNLESS(pl_serve_change_fd(fd), NEXT(futimes)(fd, times));
}

INTERPOSE(int, utimensat,
	  (int dirfd, const char *path, const struct timespec times[2],
	   int flags))
{
	return (int)PL_UNLESS(pl_serve_change_at(dirfd, path, flags),
			      NEXT(utimensat)(dirfd, path, times, flags));
}

INTERPOSE(int, futimesat,
	  (int dirfd, const char *path, const struct timeval times[2]))
{
	return (int)PL_UNLESS(pl_serve_change_at(dirfd, path, 0),
			      NEXT(futimesat)(dirfd, path, times));
}

INTERPOSE(int, utime, (const char *path, const struct utimbuf *times))
{
	return (int)PL_UNLESS(pl_serve_change(AT_FDCWD, path),
			      NEXT(utime)(path, times));
}

INTERPOSE(int, utimes, (const char *path, const struct timeval times[2]))
{
	return (int)PL_UNLESS(pl_serve_change(AT_FDCWD, path),
			      NEXT(utimes)(path, times));
}

INTERPOSE(int, lutimes, (const char *path, const struct timeval times[2]))
{
	return (int)PL_UNLESS(pl_serve_change(AT_FDCWD, path),
			      NEXT(lutimes)(path, times));
}

/* Extended attributes */

long pl_serve_xattr(const char *path, long answer)
{
	return pl_map_by_path(AT_FDCWD, path) ? answer : PL_PASS;
}

long pl_serve_xattr_fd(int fd, long answer)
{
	struct pl_face face;

	return pl_face(fd, &face) ? answer : PL_PASS;
}

INTERPOSE(ssize_t, getxattr,
	  (const char *path, const char *name, void *value, size_t size))
{
	return PL_UNLESS(pl_serve_xattr(path, -ENODATA),
			 NEXT(getxattr)(path, name, value, size));
}

INTERPOSE(ssize_t, lgetxattr,
	  (const char *path, const char *name, void *value, size_t size))
{
	return PL_UNLESS(pl_serve_xattr(path, -ENODATA),
			 NEXT(lgetxattr)(path, name, value, size));
}

INTERPOSE(ssize_t, fgetxattr,
	  (int fd, const char *name, void *value, size_t size))
{
	return PL_UNLESS(pl_serve_xattr_fd(fd, -ENODATA),
			 NEXT(fgetxattr)(fd, name, value, size));
}

INTERPOSE(ssize_t, listxattr, (const char *path, char *list, size_t size))
{
	return PL_UNLESS(pl_serve_xattr(path, 0),
			 NEXT(listxattr)(path, list, size));
}

INTERPOSE(ssize_t, llistxattr, (const char *path, char *list, size_t size))
{
	return PL_UNLESS(pl_serve_xattr(path, 0),
			 NEXT(llistxattr)(path, list, size));
}

INTERPOSE(ssize_t, flistxattr, (int fd, char *list, size_t size))
{
	return PL_UNLESS(pl_serve_xattr_fd(fd, 0),
			 NEXT(flistxattr)(fd, list, size));
}

INTERPOSE(int, setxattr,
	  (const char *path, const char *name, const void *value, size_t size,
	   int flags))
{
	return (int)PL_UNLESS(pl_serve_change(AT_FDCWD, path),
			      NEXT(setxattr)(path, name, value, size, flags));
}

INTERPOSE(int, lsetxattr,
	  (const char *path, const char *name, const void *value, size_t size,
	   int flags))
{
	return (int)PL_UNLESS(pl_serve_change(AT_FDCWD, path),
			      NEXT(lsetxattr)(path, name, value, size, flags));
}

INTERPOSE(int, fsetxattr,
	  (int fd, const char *name, const void *value, size_t size, int flags))
{
	return (int)PL_UNLESS(pl_serve_change_fd(fd),
			      NEXT(fsetxattr)(fd, name, value, size, flags));
}

INTERPOSE(int, removexattr, (const char *path, const char *name))
{
	return (int)PL_UNLESS(pl_serve_change(AT_FDCWD, path),
			      NEXT(removexattr)(path, name));
}

INTERPOSE(int, lremovexattr, (const char *path, const char *name))
{
	return (int)PL_UNLESS(pl_serve_change(AT_FDCWD, path),
			      NEXT(lremovexattr)(path, name));
}

INTERPOSE(int, fremovexattr, (int fd, const char *name))
{
	return (int)PL_UNLESS(pl_serve_change_fd(fd),
			      NEXT(fremovexattr)(fd, name));
}
