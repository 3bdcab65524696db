/* SPDX-License-Identifier: MIT */
/*
 * face.c - descriptors that stand for a map.
 *
 * Promise: see face.h.
 * Context: any.
 */
#include "preload/face.h"

#include <string.h>

#include "base/sys.h"
#include "base/syscall.h"
#include "preload/size.h"

unsigned char pl_hints[PL_HINTS];

bool pl_face(int fd, struct pl_face *ret)
{
	struct stat st;
	struct pl_map *map;

	if (fd < 0 || pl_run.n_maps == 0 ||
	    mf_syscall(SYS_fstat, fd, (long)&st, 0, 0, 0, 0) < 0)
		return false;
	map = pl_map_by_inode(st.st_dev, st.st_ino);
	pl_hint(fd, map);
	if (!map)
		return false;
	ret->map = map;
	ret->size = (uint64_t)st.st_size;
	return true;
}

/*
 * A face is always O_WRONLY. What the program may do is in the two bits of
 * O_SYNC, which no fcntl() changes and which dup(), fork() and exec keep.
 */
int pl_face_access(int face_flags)
{
	switch (face_flags & O_SYNC) {
	case O_SYNC:
		return O_WRONLY;
	case O_DSYNC:
		return O_RDWR;
	default:
		return O_RDONLY;
	}
}

int pl_face_flags(const struct pl_map *map, int flags)
{
	int keep = O_CLOEXEC | O_APPEND | O_NONBLOCK;
	int ours = O_WRONLY | (flags & keep);

	if (flags & O_PATH)
		return O_PATH | (flags & O_CLOEXEC);
	if (map->rw && (flags & O_ACCMODE) == O_RDWR)
		ours |= O_DSYNC;
	else if (map->rw && (flags & O_ACCMODE) == O_WRONLY)
		ours |= O_SYNC;
	return ours;
}

static int refused(const struct pl_map *map, int flags)
{
	bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);

	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	if (writes && !map->rw && !(flags & O_PATH))
		return -EROFS;
	return 0;
}

/* Digits of n before end. */
static char *digits(unsigned n, char *end)
{
	do
		*--end = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	return end;
}

void pl_fd_path(int fd, char path[PL_FD_PATH_MAX])
{
	char number[12] = "";
	const char *start = digits((unsigned)fd, number + sizeof(number) - 1);

	strcpy(stpcpy(path, "/proc/self/fd/"), start);
}

long pl_face_open(struct pl_map *map, int flags)
{
	char path[PL_FD_PATH_MAX];
	int r = refused(map, flags);
	long fd;

	if (r == 0)
		r = pl_map_ready(map);
	if (r < 0)
		return r;
	pl_fd_path(map->face_fd, path);
	fd = mf_syscall(SYS_openat, AT_FDCWD, (long)path,
			pl_face_flags(map, flags), 0, 0, 0);
	if (fd < 0)
		return fd;
	pl_hint((int)fd, true);
	if ((flags & O_TRUNC) && !(flags & O_PATH))
		r = pl_size_set(map, 0);
	if (r == 0)
		return fd;
	(void)mf_sys.close((int)fd);
	return r;
}

static long check(int fd, struct pl_face *ret, int unwanted)
{
	long flags;

	if (!pl_face(fd, ret))
		return PL_PASS;
	/* Nobody can have opened the others for writing. */
	if (!ret->map->rw)
		return unwanted == O_WRONLY ? 0 : -EBADF;
	flags = mf_syscall(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);
	if (flags < 0)
		return flags;
	return pl_face_access((int)flags) == unwanted ? -EBADF : 0;
}

long pl_face_to_read(int fd, struct pl_face *ret)
{
	return check(fd, ret, O_WRONLY);
}

long pl_face_to_write(int fd, struct pl_face *ret)
{
	return check(fd, ret, O_RDONLY);
}
