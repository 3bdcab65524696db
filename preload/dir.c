/* SPDX-License-Identifier: MIT */
/*
 * dir.c - maps in the listings of their directories.
 *
 * Promise: a directory lists each map in it once, as a regular file with the
 * inode that stat() tells, whether or not something of that name is there.
 * Context: as readdir(): not in a signal handler.
 */
#include "preload/dir.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/mutex.h"
#include "base/sys.h"
#include "base/syscall.h"
#include "preload/serve.h"

static bool is_in(const struct pl_map *map, const struct stat *folder)
{
	return map->folder_ino == folder->st_ino &&
	       map->folder_dev == folder->st_dev;
}

bool pl_folder_has_maps(const struct stat *folder)
{
	for (unsigned i = 0; i < pl_run.n_maps; i++)
		if (is_in(&pl_run.maps[i], folder))
			return true;
	return false;
}

/* Streams on directories that have maps; there are few. */
struct stream {
	DIR *dir;
	struct stream *next;
	unsigned at; /* the map to show next, behind the kernel's entries */
	struct dirent entry;
	bool shown[]; /* or in another directory: by map */
};

static struct stream *streams; /* streams_mutex; read without when NULL */
static struct mf_mutex streams_mutex;

static struct stream **find_place(DIR *dir)
{
	struct stream **place = &streams;

	while (*place && (*place)->dir != dir)
		place = &(*place)->next;
	return place;
}

static struct stream *find(DIR *dir)
{
	struct stream *found;

	if (!mf_load_relaxed(&streams))
		return NULL;
	mf_mutex_lock(&streams_mutex, MF_RANK_API);
	found = *find_place(dir);
	mf_mutex_unlock(&streams_mutex, MF_RANK_API);
	return found;
}

static void watch(DIR *dir, const struct stat *folder)
{
	struct stream *stream = calloc(1, sizeof(*stream) +
						  pl_run.n_maps * sizeof(bool));

	if (!stream)
		return;
	stream->dir = dir;
	for (unsigned i = 0; i < pl_run.n_maps; i++)
		stream->shown[i] = !is_in(&pl_run.maps[i], folder);
	mf_mutex_lock(&streams_mutex, MF_RANK_API);
	stream->next = streams;
	streams = stream;
	mf_mutex_unlock(&streams_mutex, MF_RANK_API);
}

static void forget(DIR *dir)
{
	struct stream **place, *stream;

	if (!mf_load_relaxed(&streams))
		return;
	mf_mutex_lock(&streams_mutex, MF_RANK_API);
	place = find_place(dir);
	stream = *place;
	if (stream)
		*place = stream->next;
	mf_mutex_unlock(&streams_mutex, MF_RANK_API);
	free(stream);
}

static DIR *opened(DIR *dir)
{
	struct stat folder;

	if (dir && pl_run.n_maps > 0 &&
	    mf_sys.fstat(dirfd(dir), &folder) == 0 &&
	    pl_folder_has_maps(&folder))
		watch(dir, &folder);
	return dir;
}

INTERPOSE(DIR *, opendir, (const char *path))
{
	return opened(NEXT(opendir)(path));
}

INTERPOSE(DIR *, fdopendir, (int fd))
{
	return opened(NEXT(fdopendir)(fd));
}

INTERPOSE(int, closedir, (DIR * dir))
{
	forget(dir);
	return NEXT(closedir)(dir);
}

/* An entry of the kernel's that a map stands in front of. */
static struct dirent *adapt(struct stream *stream, struct dirent *entry)
{
	for (unsigned i = 0; i < pl_run.n_maps; i++) {
		if (stream->shown[i] ||
		    strcmp(entry->d_name, pl_run.maps[i].base) != 0)
			continue;
		stream->shown[i] = true;
		entry->d_ino = pl_run.maps[i].stat.st_ino;
		entry->d_type = DT_REG;
	}
	return entry;
}

static struct dirent *next_extra(struct stream *stream)
{
	struct dirent *entry = &stream->entry;

	while (stream->at < pl_run.n_maps && stream->shown[stream->at])
		stream->at++;
	if (stream->at == pl_run.n_maps)
		return NULL;
	entry->d_ino = pl_run.maps[stream->at].stat.st_ino;
	entry->d_off = INT64_MAX;
	entry->d_reclen = sizeof(*entry);
	entry->d_type = DT_REG;
	(void)strncpy(entry->d_name, pl_run.maps[stream->at].base,
		      sizeof(entry->d_name) - 1);
	stream->at++;
	return entry;
}

INTERPOSE(struct dirent *, readdir64, (DIR * dir))
{
	struct stream *stream = find(dir);
	int saved = errno;
	struct dirent *entry;

	if (!stream)
		return NEXT(readdir64)(dir);
	errno = 0;
	entry = NEXT(readdir64)(dir);
	if (!entry && errno)
		return NULL;
	errno = saved;
	return entry ? adapt(stream, entry) : next_extra(stream);
}
INTERPOSE_ALSO(readdir, readdir64);

INTERPOSE(int, readdir64_r,
	  (DIR * dir, struct dirent *room, struct dirent **ret))
{
	int saved = errno;
	struct dirent *entry;
	int r;

	errno = 0;
	entry = pl_libc_readdir64(dir);
	r = errno;
	errno = saved;
	*ret = entry ? memcpy(room, entry, entry->d_reclen) : NULL;
	return entry ? 0 : r;
}
INTERPOSE_ALSO(readdir_r, readdir64_r);

/* Behind what the kernel lists come ours: again, if it starts again. */
static void start_again(DIR *dir)
{
	struct stream *stream = find(dir);

	if (stream)
		stream->at = 0;
}

INTERPOSE(void, rewinddir, (DIR * dir))
{
	start_again(dir);
	NEXT(rewinddir)(dir);
}

INTERPOSE(void, seekdir, (DIR * dir, long place))
{
	start_again(dir);
	NEXT(seekdir)(dir, place);
}

/* scandir() reads directories inside of libc: so this one reads itself. */

typedef int dir_filter(const struct dirent *entry);
typedef int dir_order(const struct dirent **a, const struct dirent **b);

struct listing {
	struct dirent **entries;
	size_t n;
};

static void listing_free(struct listing *listing)
{
	while (listing->n > 0)
		free(listing->entries[--listing->n]);
	free(listing->entries);
}

static int listing_add(struct listing *listing, const struct dirent *entry)
{
	struct dirent **more = reallocarray(listing->entries, listing->n + 1,
					    sizeof(*more));

	if (!more)
		return -ENOMEM;
	listing->entries = more;
	more[listing->n] = malloc(entry->d_reclen);
	if (!more[listing->n])
		return -ENOMEM;
	memcpy(more[listing->n++], entry, entry->d_reclen);
	return 0;
}

static int list(DIR *dir, struct dirent ***ret, dir_filter *filter,
		dir_order *order)
{
	struct listing listing = { NULL, 0 };
	struct dirent *entry;
	int r = 0;

	errno = 0;
	while (r == 0 && (entry = pl_libc_readdir64(dir)) != NULL)
		if (!filter || filter(entry))
			r = listing_add(&listing, entry);
	if (r == 0)
		r = -errno;
	if (r < 0) {
		listing_free(&listing);
		return r;
	}
	if (order && listing.n > 0)
		qsort(listing.entries, listing.n, sizeof(*listing.entries),
		      (int (*)(const void *, const void *))order);
	*ret = listing.entries;
	return (int)listing.n;
}

static int scan(int dirfd, const char *path, struct dirent ***ret,
		dir_filter *filter, dir_order *order)
{
	int saved = errno, r;
	int fd = NEXT(openat64)(dirfd, path,
				O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : pl_libc_fdopendir(fd);

	if (!dir)
		return -1;
	r = list(dir, ret, filter, order);
	(void)pl_libc_closedir(dir);
	errno = saved;
	return (int)pl_result(r);
}

INTERPOSE(int, scandirat64,
	  (int dirfd, const char *path, struct dirent ***ret,
	   dir_filter *filter, dir_order *order))
{
	struct stat folder;

	if (mf_syscall(SYS_newfstatat, dirfd, (long)path, (long)&folder, 0, 0,
		       0) == 0 &&
	    pl_folder_has_maps(&folder))
		return scan(dirfd, path, ret, filter, order);
	return NEXT(scandirat64)(dirfd, path, ret, filter, order);
}
INTERPOSE_ALSO(scandirat, scandirat64);

INTERPOSE(int, scandir64,
	  (const char *path, struct dirent ***ret, dir_filter *filter,
	   dir_order *order))
{
	return pl_libc_scandirat64(AT_FDCWD, path, ret, filter, order);
}
INTERPOSE_ALSO(scandir, scandir64);

/* glob() lets its caller say how directories are read. */

static void *glob_opendir(const char *path)
{
	return pl_libc_opendir(path);
}

static struct dirent *glob_readdir(void *dir)
{
	return pl_libc_readdir64(dir);
}

static void glob_closedir(void *dir)
{
	(void)pl_libc_closedir(dir);
}

INTERPOSE(int, glob64,
	  (const char *pattern, int flags,
	   int (*on_error)(const char *path, int error), glob_t *ret))
{
	int r;

	if (pl_run.n_maps == 0 || (flags & GLOB_ALTDIRFUNC))
		return NEXT(glob64)(pattern, flags, on_error, ret);
	ret->gl_opendir = glob_opendir;
	ret->gl_readdir = glob_readdir;
	ret->gl_closedir = glob_closedir;
	ret->gl_stat = stat;
	ret->gl_lstat = lstat;
	r = NEXT(glob64)(pattern, flags | GLOB_ALTDIRFUNC, on_error, ret);
	ret->gl_flags &= ~GLOB_ALTDIRFUNC;
	return r;
}
INTERPOSE_ALSO(glob, glob64);
