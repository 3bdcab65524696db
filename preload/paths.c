/* SPDX-License-Identifier: MIT */
/*
 * paths.c - what programs ask about a path, or want to do to it.
 *
 * Promise: a map can be neither removed nor replaced nor given other
 * attributes, and its name resolves to itself.
 * Context: any, but for realpath() without a buffer.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "base/syscall.h"
#include "preload/face.h"
#include "preload/serve.h"

/* As a file in a file system that is mounted read-only, or that holds it. */
static int refusal(const struct pl_map *map)
{
	return map->rw ? -EPERM : -EROFS;
}

long pl_serve_change(int dirfd, const char *path)
{
	struct pl_map *map = pl_map_by_path(dirfd, path);

	return map ? refusal(map) : PL_PASS;
}

long pl_serve_change_fd(int fd)
{
	struct pl_face face;

	return pl_face(fd, &face) ? refusal(face.map) : PL_PASS;
}

long pl_serve_make(int dirfd, const char *path)
{
	return pl_map_by_path(dirfd, path) ? -EEXIST : PL_PASS;
}

long pl_serve_rename(int from_dir, const char *from, int to_dir, const char *to)
{
	long r = pl_serve_change(from_dir, from);

	return r == PL_PASS ? pl_serve_change(to_dir, to) : r;
}

long pl_serve_link(int from_dir, const char *from, int to_dir, const char *to)
{
	if (pl_map_by_path(from_dir, from))
		return -EXDEV;
	return pl_serve_make(to_dir, to);
}

INTERPOSE(int, unlinkat, (int dirfd, const char *path, int flags))
{
	return (int)PL_UNLESS(pl_serve_change(dirfd, path),
			      NEXT(unlinkat)(dirfd, path, flags));
}

INTERPOSE(int, unlink, (const char *path))
{
	return (int)PL_UNLESS(pl_serve_change(AT_FDCWD, path),
			      NEXT(unlink)(path));
}

INTERPOSE(int, remove, (const char *path))
{
	return (int)PL_UNLESS(pl_serve_change(AT_FDCWD, path),
			      NEXT(remove)(path));
}

INTERPOSE(int, renameat,
	  (int from_dir, const char *from, int to_dir, const char *to))
{
	return (int)PL_UNLESS(pl_serve_rename(from_dir, from, to_dir, to),
			      NEXT(renameat)(from_dir, from, to_dir, to));
}

INTERPOSE(int, rename, (const char *from, const char *to))
{
	return (int)PL_UNLESS(pl_serve_rename(AT_FDCWD, from, AT_FDCWD, to),
			      NEXT(rename)(from, to));
}

INTERPOSE(int, renameat2,
	  (int from_dir, const char *from, int to_dir, const char *to,
	   unsigned flags))
{
	return (int)PL_UNLESS(
		pl_serve_rename(from_dir, from, to_dir, to),
		NEXT(renameat2)(from_dir, from, to_dir, to, flags));
}

INTERPOSE(int, linkat,
	  (int from_dir, const char *from, int to_dir, const char *to,
	   int flags))
{
	return (int)PL_UNLESS(pl_serve_link(from_dir, from, to_dir, to),
			      NEXT(linkat)(from_dir, from, to_dir, to, flags));
}

INTERPOSE(int, link, (const char *from, const char *to))
{
	return (int)PL_UNLESS(pl_serve_link(AT_FDCWD, from, AT_FDCWD, to),
			      NEXT(link)(from, to));
}

INTERPOSE(int, symlinkat, (const char *target, int dirfd, const char *path))
{
	return (int)PL_UNLESS(pl_serve_make(dirfd, path),
			      NEXT(symlinkat)(target, dirfd, path));
}

INTERPOSE(int, symlink, (const char *target, const char *path))
{
	return (int)PL_UNLESS(pl_serve_make(AT_FDCWD, path),
			      NEXT(symlink)(target, path));
}

INTERPOSE(int, mkdirat, (int dirfd, const char *path, mode_t mode))
{
	return (int)PL_UNLESS(pl_serve_make(dirfd, path),
			      NEXT(mkdirat)(dirfd, path, mode));
}

INTERPOSE(int, mkdir, (const char *path, mode_t mode))
{
	return (int)PL_UNLESS(pl_serve_make(AT_FDCWD, path),
			      NEXT(mkdir)(path, mode));
}

INTERPOSE(int, mknodat,
	  (int dirfd, const char *path, mode_t mode, dev_t device))
{
	return (int)PL_UNLESS(pl_serve_make(dirfd, path),
			      NEXT(mknodat)(dirfd, path, mode, device));
}

INTERPOSE(int, mknod, (const char *path, mode_t mode, dev_t device))
{
	return (int)PL_UNLESS(pl_serve_make(AT_FDCWD, path),
			      NEXT(mknod)(path, mode, device));
}

INTERPOSE(int, mkfifo, (const char *path, mode_t mode))
{
	return (int)PL_UNLESS(pl_serve_make(AT_FDCWD, path),
			      NEXT(mkfifo)(path, mode));
}

/* May it be read, written, run? */

long pl_serve_access(int dirfd, const char *path, int mode)
{
	struct pl_map *map = pl_map_by_path(dirfd, path);

	if (!map)
		return PL_PASS;
	if ((mode & W_OK) && !map->rw)
		return -EROFS;
	return mode & X_OK ? -EACCES : 0;
}

/* The kernel found nothing: perhaps a link that leads to a map. */
static int access_link(int dirfd, const char *path, int mode)
{
	int saved = errno;
	struct pl_map *map = NULL;

	if (errno == ENOENT)
		map = pl_map_by_link(dirfd, path);
	errno = saved;
	if (!map)
		return -1;
	return (int)pl_result(pl_serve_access(AT_FDCWD, map->path, mode));
}

#define ACCESS(dirfd, path, mode, next)                       \
	({                                                    \
		long r_ = pl_serve_access(dirfd, path, mode); \
		if (r_ != PL_PASS)                            \
			r_ = pl_result(r_);                   \
		else if ((r_ = (next)) < 0)                   \
			r_ = access_link(dirfd, path, mode);  \
		(int)r_;                                      \
	})

INTERPOSE(int, faccessat, (int dirfd, const char *path, int mode, int flags))
{
	return ACCESS(dirfd, path, mode,
		      NEXT(faccessat)(dirfd, path, mode, flags));
}

INTERPOSE(int, access, (const char *path, int mode))
{
	return ACCESS(AT_FDCWD, path, mode, NEXT(access)(path, mode));
}

INTERPOSE(int, euidaccess, (const char *path, int mode))
{
	return ACCESS(AT_FDCWD, path, mode, NEXT(euidaccess)(path, mode));
}
INTERPOSE_ALSO(eaccess, euidaccess);

/* Where does it lead? */

/* The map behind a magic link of /proc, or a link to one. */
static struct pl_map *behind(int dirfd, const char *path)
{
	struct stat st;

	if (mf_syscall(SYS_newfstatat, dirfd, (long)path, (long)&st, 0, 0, 0))
		return NULL;
	return pl_map_by_inode(st.st_dev, st.st_ino);
}

/* The kernel calls a face a deleted memfd; buf has n bytes of that. */
static long rename_face(int dirfd, const char *path, char *buf, size_t room,
			long n)
{
	static const char memfd[] = "/memfd:";
	size_t len = sizeof(memfd) - 1;
	struct pl_map *map;

	if (n < (long)len || memcmp(buf, memfd, len) != 0)
		return n;
	map = behind(dirfd, path);
	if (!map)
		return n;
	len = strlen(map->path);
	if (len > room)
		len = room;
	memcpy(buf, map->path, len);
	return (long)len;
}

long pl_serve_readlink(int dirfd, const char *path, char *buf, size_t room)
{
	long r;

	if (pl_map_by_path(dirfd, path))
		return -EINVAL;
	r = mf_syscall(SYS_readlinkat, dirfd, (long)path, (long)buf, (long)room,
		       0, 0);
	return rename_face(dirfd, path, buf, room, r);
}

#define READLINK(dirfd, path, buf, room, next)                        \
	({                                                            \
		ssize_t n_;                                           \
		if (pl_map_by_path(dirfd, path))                      \
			n_ = pl_result(-EINVAL);                      \
		else if ((n_ = (next)) >= 0)                          \
			n_ = rename_face(dirfd, path, buf, room, n_); \
		n_;                                                   \
	})

INTERPOSE(ssize_t, readlinkat,
	  (int dirfd, const char *path, char *buf, size_t room))
{
	return READLINK(dirfd, path, buf, room,
			NEXT(readlinkat)(dirfd, path, buf, room));
}

INTERPOSE(ssize_t, readlink, (const char *path, char *buf, size_t room))
{
	return READLINK(AT_FDCWD, path, buf, room,
			NEXT(readlink)(path, buf, room));
}

/* With _FORTIFY_SOURCE; libc ends a program whose buffer is too small. */
INTERPOSE(ssize_t, __readlink_chk,
	  (const char *path, char *buf, size_t len, size_t room))
{
	return len > room ? NEXT(__readlink_chk)(path, buf, len, room)
			  : pl_libc_readlink(path, buf, len);
}

INTERPOSE(ssize_t, __readlinkat_chk,
	  (int dirfd, const char *path, char *buf, size_t len, size_t room))
{
	return len > room ? NEXT(__readlinkat_chk)(dirfd, path, buf, len, room)
			  : pl_libc_readlinkat(dirfd, path, buf, len);
}

static char *copy_path(const struct pl_map *map, char *resolved)
{
	return resolved ? strcpy(resolved, map->path) : strdup(map->path);
}

INTERPOSE(char *, realpath, (const char *path, char *resolved))
{
	struct pl_map *map = pl_map_by_path(AT_FDCWD, path);
	char *ret = map ? copy_path(map, resolved)
			: NEXT(realpath)(path, resolved);

	if (ret || errno != ENOENT || !path)
		return ret;
	map = pl_map_by_link(AT_FDCWD, path);
	if (!map)
		map = behind(AT_FDCWD, path);
	return map ? copy_path(map, resolved) : NULL;
}

INTERPOSE(char *, canonicalize_file_name, (const char *path))
{
	return pl_libc_realpath(path, NULL);
}

INTERPOSE(char *, __realpath_chk,
	  (const char *path, char *resolved, size_t room))
{
	return room < PATH_MAX ? NEXT(__realpath_chk)(path, resolved, room)
			       : pl_libc_realpath(path, resolved);
}

/* What is asked of the file system: that of the face. */

INTERPOSE(int, statfs64, (const char *path, struct statfs *st))
{
	struct pl_map *map = pl_map_by_path(AT_FDCWD, path);
	char face[PL_FD_PATH_MAX];

	if (map)
		pl_fd_path(map->face_fd, face);
	return NEXT(statfs64)(map ? face : path, st);
}
INTERPOSE_ALSO(statfs, statfs64);
INTERPOSE_ALSO(__statfs, statfs64);

INTERPOSE(int, statvfs64, (const char *path, struct statvfs *st))
{
	struct pl_map *map = pl_map_by_path(AT_FDCWD, path);
	char face[PL_FD_PATH_MAX];

	if (map)
		pl_fd_path(map->face_fd, face);
	return NEXT(statvfs64)(map ? face : path, st);
}
INTERPOSE_ALSO(statvfs, statvfs64);

INTERPOSE(int, inotify_add_watch, (int fd, const char *path, uint32_t mask))
{
	struct pl_map *map = pl_map_by_path(AT_FDCWD, path);
	char face[PL_FD_PATH_MAX];

	if (map)
		pl_fd_path(map->face_fd, face);
	return NEXT(inotify_add_watch)(fd, map ? face : path, mask);
}
