/* SPDX-License-Identifier: MIT */
/*
 * map.c - which map a path or a descriptor stands for.
 *
 * Promise: as in preload.h.
 * Context: any, but for the first pl_map_ready() of a map.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/mutex.h"
#include "base/sync.h"
#include "base/sys.h"
#include "base/syscall.h"
#include "preload/preload.h"
#include "uffd/uffd.h"

/* As the kernel: so many links, then it is a circle. */
#define LINKS_MAX 40

/* Guards the first opening of sources. */
static struct mf_mutex ready_mutex;

/* statx() is the one call that is the same on all machines. */
static bool is_folder_of(const struct pl_map *map, int dirfd, const char *path)
{
	struct statx stx;
	long r = mf_syscall(SYS_statx, dirfd, (long)path, 0, STATX_INO,
			    (long)&stx, 0);

	return r == 0 && stx.stx_ino == map->folder_ino &&
	       makedev(stx.stx_dev_major, stx.stx_dev_minor) == map->folder_dev;
}

struct pl_map *pl_map_by_path(int dirfd, const char *path)
{
	const char *slash, *base;
	char folder[PATH_MAX];

	/* Nearly always this loop is all: no map has such a name. */
	if (!path || pl_run.n_maps == 0)
		return NULL;
	slash = strrchr(path, '/');
	base = slash ? slash + 1 : path;
	for (unsigned i = 0; i < pl_run.n_maps; i++) {
		struct pl_map *map = &pl_run.maps[i];
		size_t len = (size_t)(base - path);

		if (strcmp(base, map->base) != 0 || len >= sizeof(folder) - 2)
			continue;
		memcpy(folder, path, len);
		/* "" is where we are, "/" the root, "a/" as good as "a" */
		strcpy(folder + len, ".");
		if (is_folder_of(map, dirfd, folder))
			return map;
	}
	return NULL;
}

/* Where the link at path leads, or false: no link, or too long. */
static bool follow(int dirfd, const char *path, char to[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash + 1 - path) : 0;
	char target[PATH_MAX];
	long n = mf_syscall(SYS_readlinkat, dirfd, (long)path, (long)target,
			    sizeof(target), 0, 0);

	if (n <= 0 || n == sizeof(target))
		return false;
	if (target[0] == '/')
		len = 0;
	if (len + (size_t)n >= PATH_MAX)
		return false;
	memmove(to, path, len);
	memcpy(to + len, target, (size_t)n);
	to[len + (size_t)n] = '\0';
	return true;
}

struct pl_map *pl_map_by_link(int dirfd, const char *path)
{
	struct pl_map *map = pl_map_by_path(dirfd, path);
	char at[PATH_MAX];

	if (!path || pl_run.n_maps == 0)
		return NULL;
	for (int i = 0; !map && i < LINKS_MAX; i++) {
		if (!follow(dirfd, path, at))
			return NULL;
		path = at;
		map = pl_map_by_path(dirfd, path);
	}
	return map;
}

struct pl_map *pl_map_by_inode(uint64_t dev, uint64_t ino)
{
	for (unsigned i = 0; i < pl_run.n_maps; i++)
		if (pl_run.maps[i].stat.st_ino == ino &&
		    pl_run.maps[i].stat.st_dev == dev)
			return &pl_run.maps[i];
	return NULL;
}

struct pl_map *pl_map_by_fd(int fd)
{
	struct stat st;

	if (fd < 0 || pl_run.n_maps == 0 || mf_sys.fstat(fd, &st) < 0)
		return NULL;
	return pl_map_by_inode(st.st_dev, st.st_ino);
}

/* In place of printf, which is not for signal handlers. */
static const char *print_u64(uint64_t n, char room[24])
{
	char *at = room + 23;

	*at = '\0';
	do
		*--at = (char)('0' + n % 10);
	while (n /= 10);
	return at;
}

/*
 * The program gets SIGBUS or EIO next, and has no idea why. What it tries
 * again at once is not told again.
 */
static void source_failed(const struct mf_store *store, uint64_t offset,
			  int error)
{
	static uint64_t last;
	uint64_t place = (uint64_t)store->id << 48 ^ offset;
	char room[24];

	if (mf_xchg(&last, place) == place)
		return;
	for (unsigned i = 0; i < pl_run.n_maps; i++)
		if (pl_run.maps[i].store == store)
			pl_say(pl_run.maps[i].shown, ": cannot read ",
			       pl_run.maps[i].uri, " at offset ",
			       print_u64(offset, room), ": ",
			       strerrordesc_np(-error), NULL);
}

static int open_source(struct pl_map *map)
{
	struct mfill_source *source;
	char why[512];
	int r = mfill_source_open_why(map->uri, &source, why, sizeof(why));

	if (r < 0) {
		pl_say(map->shown, ": ", why, NULL);
		return -EIO;
	}
	map->store->failed = source_failed;
	(void)mf_store_set_source(map->store, source);
	mfill_source_put(source);
	return 0;
}

int pl_map_ready(struct pl_map *map)
{
	int r = 0;

	if (mf_load_acquire(&map->store->source))
		return 0;
	mf_mutex_lock(&ready_mutex, MF_RANK_API);
	if (!mf_load_relaxed(&map->store->source))
		r = open_source(map);
	mf_mutex_unlock(&ready_mutex, MF_RANK_API);
	return r;
}

int pl_next_fd(int fd)
{
	int next = pl_run.uffd ? mf_uffd_next_fd(fd) : -1;

	for (unsigned i = 0; i < pl_run.n_maps; i++) {
		const struct pl_map *map = &pl_run.maps[i];
		int ours[] = { map->face_fd, map->store->fd };

		for (int k = 0; k < 2; k++)
			if (ours[k] >= fd && (next < 0 || ours[k] < next))
				next = ours[k];
	}
	return next;
}

bool pl_owns_fd(int fd)
{
	return fd >= 0 && pl_next_fd(fd) == fd;
}
