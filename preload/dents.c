/* SPDX-License-Identifier: MIT */
/*
 * dents.c - getdents64(), for those who read directories without libc.
 *
 * Promise: as dir.c, with no memory of what was listed before: maps that
 * nothing stands behind come with the first entries.
 * Context: any.
 */
#include <string.h>

#include "base/sys.h"
#include "base/syscall.h"
#include "preload/dir.h"
#include "preload/serve.h"

/* Of a record, up to and with the NUL, as the kernel aligns them. */
static size_t record_size(const char *name)
{
	size_t len = offsetof(struct dirent, d_name) + strlen(name) + 1;

	return (len + 7) / 8 * 8;
}

/* Nothing of that name is in the directory: nobody else will list it. */
static bool is_extra(int fd, const struct pl_map *map, const struct stat *at)
{
	struct stat st;

	return map->folder_ino == at->st_ino && map->folder_dev == at->st_dev &&
	       mf_syscall(SYS_newfstatat, fd, (long)map->base, (long)&st,
			  AT_SYMLINK_NOFOLLOW, 0, 0) == -ENOENT;
}

static size_t room_for_extras(int fd, const struct stat *folder)
{
	size_t room = 0;

	for (unsigned i = 0; i < pl_run.n_maps; i++)
		if (is_extra(fd, &pl_run.maps[i], folder))
			room += record_size(pl_run.maps[i].base);
	return room;
}

static void adapt(char *buf, size_t len, const struct stat *folder)
{
	for (size_t at = 0; at < len;) {
		struct dirent *entry = (struct dirent *)(buf + at);

		for (unsigned i = 0; i < pl_run.n_maps; i++) {
			const struct pl_map *map = &pl_run.maps[i];

			if (map->folder_ino != folder->st_ino ||
			    map->folder_dev != folder->st_dev ||
			    strcmp(entry->d_name, map->base) != 0)
				continue;
			entry->d_ino = map->stat.st_ino;
			entry->d_type = DT_REG;
		}
		at += entry->d_reclen;
	}
}

/* off: where a later call would go on after them. */
static size_t add_extras(int fd, char *buf, const struct stat *folder,
			 off_t off)
{
	size_t len = 0;

	for (unsigned i = 0; i < pl_run.n_maps; i++) {
		const struct pl_map *map = &pl_run.maps[i];
		struct dirent *entry = (struct dirent *)(buf + len);

		if (!is_extra(fd, map, folder))
			continue;
		entry->d_ino = map->stat.st_ino;
		entry->d_off = off;
		entry->d_reclen = (unsigned short)record_size(map->base);
		entry->d_type = DT_REG;
		strcpy(entry->d_name, map->base);
		len += entry->d_reclen;
	}
	return len;
}

long pl_serve_getdents(int fd, void *buf, size_t len)
{
	struct stat folder;
	size_t room = 0;
	long at, n;

	if (pl_run.n_maps == 0 || mf_sys.fstat(fd, &folder) < 0 ||
	    !pl_folder_has_maps(&folder))
		return PL_PASS;
	at = mf_syscall(SYS_lseek, fd, 0, SEEK_CUR, 0, 0, 0);
	if (at == 0)
		room = room_for_extras(fd, &folder);
	if (len <= room)
		return -EINVAL;
	n = mf_syscall(SYS_getdents64, fd, (long)buf, (long)(len - room), 0, 0,
		       0);
	if (n <= 0)
		return n;
	adapt(buf, (size_t)n, &folder);
	if (at != 0)
		return n;
	at = mf_syscall(SYS_lseek, fd, 0, SEEK_CUR, 0, 0, 0);
	return n + (long)add_extras(fd, (char *)buf + n, &folder, at);
}

INTERPOSE(ssize_t, getdents64, (int fd, void *buf, size_t len))
{
	return PL_UNLESS(pl_serve_getdents(fd, buf, len),
			 NEXT(getdents64)(fd, buf, len));
}
