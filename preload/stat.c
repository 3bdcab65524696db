/* SPDX-License-Identifier: MIT */
/*
 * stat.c - the stat family.
 *
 * Promise: stat, lstat, fstat and statx say the same of a map in every
 * process: a regular file with its size, its blocks and a fixed inode.
 * Context: any.
 */
#include <sys/sysmacros.h>

#include "base/sys.h"
#include "base/syscall.h"
#include "preload/face.h"
#include "preload/serve.h"

/* What stat() says; the size is the face's, which all processes share. */
static void describe(const struct pl_map *map, struct stat *st)
{
	uint64_t size = map->size;
	struct stat now;

	if (map->rw && mf_sys.fstat(map->face_fd, &now) == 0)
		size = (uint64_t)now.st_size;
	*st = map->stat;
	st->st_size = (off_t)size;
	/* As if it was on a disk, without a hole: cp leaves out holes. */
	st->st_blocks = (blkcnt_t)((size + 4095) / 4096 * 8);
}

static void describe_x(const struct pl_map *map, struct statx *stx)
{
	struct stat st;

	describe(map, &st);
	stx->stx_mask |= STATX_BASIC_STATS;
	stx->stx_blksize = (uint32_t)st.st_blksize;
	stx->stx_attributes = 0;
	stx->stx_nlink = (uint32_t)st.st_nlink;
	stx->stx_uid = st.st_uid;
	stx->stx_gid = st.st_gid;
	stx->stx_mode = (uint16_t)st.st_mode;
	stx->stx_ino = st.st_ino;
	stx->stx_size = (uint64_t)st.st_size;
	stx->stx_blocks = (uint64_t)st.st_blocks;
	stx->stx_atime.tv_sec = stx->stx_ctime.tv_sec = st.st_mtim.tv_sec;
	stx->stx_atime.tv_nsec = (uint32_t)st.st_mtim.tv_nsec;
	stx->stx_ctime.tv_nsec = (uint32_t)st.st_mtim.tv_nsec;
	stx->stx_mtime = stx->stx_ctime;
	stx->stx_dev_major = major(st.st_dev);
	stx->stx_dev_minor = minor(st.st_dev);
}

/*
 * The kernel was asked, and said r: is what it found a face, or is the path a
 * link to a map?
 */
static struct pl_map *behind_link(int dirfd, const char *path, int flags,
				  long r)
{
	if (r != -ENOENT || !path || (flags & AT_SYMLINK_NOFOLLOW))
		return NULL;
	return pl_map_by_link(dirfd, path);
}

static struct pl_map *behind(int dirfd, const char *path, int flags, long r,
			     const struct stat *st)
{
	if (r == 0)
		return pl_map_by_inode(st->st_dev, st->st_ino);
	return behind_link(dirfd, path, flags, r);
}

static struct pl_map *behind_x(int dirfd, const char *path, int flags, long r,
			       const struct statx *stx)
{
	if (r == 0)
		return pl_map_by_inode(
			makedev(stx->stx_dev_major, stx->stx_dev_minor),
			stx->stx_ino);
	return behind_link(dirfd, path, flags, r);
}

static long finish(struct pl_map *map, struct stat *st)
{
	if (!st)
		return -EFAULT;
	describe(map, st);
	return 0;
}

static long finish_x(struct pl_map *map, struct statx *stx)
{
	if (!stx)
		return -EFAULT;
	describe_x(map, stx);
	return 0;
}

long pl_serve_stat(int dirfd, const char *path, struct stat *st, int flags)
{
	struct pl_map *map = pl_map_by_path(dirfd, path);
	long r = 0;

	if (!map) {
		r = mf_syscall(SYS_newfstatat, dirfd, (long)path, (long)st,
			       flags, 0, 0);
		map = behind(dirfd, path, flags, r, st);
	}
	return map ? finish(map, st) : r;
}

long pl_serve_statx(int dirfd, const char *path, int flags, unsigned mask,
		    struct statx *stx)
{
	struct pl_map *map = pl_map_by_path(dirfd, path);
	long r = 0;

	if (!map) {
		r = mf_syscall(SYS_statx, dirfd, (long)path, flags, mask,
			       (long)stx, 0);
		map = behind_x(dirfd, path, flags, r, stx);
	}
	return map ? finish_x(map, stx) : r;
}

/* Looking behind may have set errno, although all went well. */
static int result(int saved, long r)
{
	if (r == 0)
		errno = saved;
	return (int)pl_result(r);
}

/* Each name goes on to its own: who comes next may have one call another. */
#define STAT(dirfd, path, st, flags, next)                         \
	({                                                         \
		int saved_ = errno;                                \
		struct pl_map *map_ = pl_map_by_path(dirfd, path); \
		long r_ = 0;                                       \
		if (!map_) {                                       \
			r_ = (next) < 0 ? -errno : 0;              \
			map_ = behind(dirfd, path, flags, r_, st); \
		}                                                  \
		result(saved_, map_ ? finish(map_, st) : r_);      \
	})

INTERPOSE(int, stat64, (const char *path, struct stat *st))
{
	return STAT(AT_FDCWD, path, st, 0, NEXT(stat64)(path, st));
}
INTERPOSE_ALSO(stat, stat64);

INTERPOSE(int, lstat64, (const char *path, struct stat *st))
{
	return STAT(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW,
		    NEXT(lstat64)(path, st));
}
INTERPOSE_ALSO(lstat, lstat64);

INTERPOSE(int, fstatat64,
	  (int dirfd, const char *path, struct stat *st, int flags))
{
	return STAT(dirfd, path, st, flags,
		    NEXT(fstatat64)(dirfd, path, st, flags));
}
INTERPOSE_ALSO(fstatat, fstatat64);

static int finish_fd(int r, struct stat *st)
{
	struct pl_map *map = NULL;

	if (r == 0)
		map = pl_map_by_inode(st->st_dev, st->st_ino);
	if (map)
		describe(map, st);
	return r;
}

INTERPOSE(int, fstat64, (int fd, struct stat *st))
{
	return finish_fd(NEXT(fstat64)(fd, st), st);
}
INTERPOSE_ALSO(fstat, fstat64);

INTERPOSE(int, statx,
	  (int dirfd, const char *path, int flags, unsigned mask,
	   struct statx *stx))
{
	struct pl_map *map = pl_map_by_path(dirfd, path);
	int saved = errno;
	long r = 0;

	if (!map) {
		r = NEXT(statx)(dirfd, path, flags, mask, stx) < 0 ? -errno : 0;
		map = behind_x(dirfd, path, flags, r, stx);
	}
	return result(saved, map ? finish_x(map, stx) : r);
}

/* What programs built with a glibc before 2.33 call. */
INTERPOSE(int, __xstat64, (int version, const char *path, struct stat *st))
{
	return STAT(AT_FDCWD, path, st, 0, NEXT(__xstat64)(version, path, st));
}
INTERPOSE_ALSO(__xstat, __xstat64);

INTERPOSE(int, __lxstat64, (int version, const char *path, struct stat *st))
{
	return STAT(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW,
		    NEXT(__lxstat64)(version, path, st));
}
INTERPOSE_ALSO(__lxstat, __lxstat64);

INTERPOSE(int, __fxstat64, (int version, int fd, struct stat *st))
{
	return finish_fd(NEXT(__fxstat64)(version, fd, st), st);
}
INTERPOSE_ALSO(__fxstat, __fxstat64);

INTERPOSE(int, __fxstatat64,
	  (int version, int dirfd, const char *path, struct stat *st,
	   int flags))
{
	return STAT(dirfd, path, st, flags,
		    NEXT(__fxstatat64)(version, dirfd, path, st, flags));
}
INTERPOSE_ALSO(__fxstatat, __fxstatat64);
