/* SPDX-License-Identifier: MIT */
/*
 * tree.c - walks through directories inside of libc: nftw(), ftw(), fts.
 *
 * Promise: a walk sees each map once, in its directory or as its root.
 * Context: not in a signal handler.
 *
 * libc reads the directories itself, where we are not asked. So whenever it
 * shows a directory to the program, the maps in it are shown after it (or,
 * depth first, before it).
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "base/syscall.h"
#include "preload/dir.h"

/* Nothing else of that name is there, which libc would find. */
static bool is_extra(const struct pl_map *map, const struct stat *folder)
{
	struct stat st;

	return map->folder_ino == folder->st_ino &&
	       map->folder_dev == folder->st_dev &&
	       mf_syscall(SYS_newfstatat, AT_FDCWD, (long)map->path, (long)&st,
			  AT_SYMLINK_NOFOLLOW, 0, 0) < 0;
}

/* nftw() */

/* The walks under way in this thread, one inside the other. */
struct walk {
	__nftw_func_t fn;
	bool actions; /* FTW_ACTIONRETVAL */
	struct walk *outer;
};

static __thread struct walk *walk;

/* Ends the walk, or goes on. */
static bool ends(int r)
{
	return walk->actions ? r == FTW_STOP : r != 0;
}

static int show_map(const struct pl_map *map, const char *folder, int level)
{
	struct FTW where = { .base = (int)strlen(folder) + 1, .level = level };
	char path[PATH_MAX];
	struct stat st;

	if ((size_t)where.base + strlen(map->base) >= sizeof(path))
		return 0;
	strcpy(stpcpy(stpcpy(path, folder), "/"), map->base);
	if (stat(map->path, &st) < 0)
		return 0;
	return walk->fn(path, &st, FTW_F, &where);
}

static int show_maps(const char *path, const struct stat *st, int level)
{
	for (unsigned i = 0; i < pl_run.n_maps; i++) {
		int r = 0;

		if (is_extra(&pl_run.maps[i], st))
			r = show_map(&pl_run.maps[i], path, level + 1);
		if (ends(r))
			return r;
	}
	return 0;
}

static int on_entry(const char *path, const struct stat *st, int flag,
		    struct FTW *where)
{
	struct pl_map *map = pl_map_by_path(AT_FDCWD, path);
	struct stat ours;
	int r = 0;

	if (map && stat(map->path, &ours) == 0)
		return walk->fn(path, &ours, FTW_F, where);
	if (flag == FTW_DP)
		r = show_maps(path, st, where->level);
	if (ends(r))
		return r;
	r = walk->fn(path, st, flag, where);
	/* With actions anything but "go on" also leaves this directory out. */
	return flag == FTW_D && r == 0 ? show_maps(path, st, where->level) : r;
}

static int walk_map(const struct pl_map *map, const char *path,
		    __nftw_func_t fn)
{
	const char *slash = strrchr(path, '/');
	struct FTW where = { .base = slash ? (int)(slash + 1 - path) : 0 };
	struct stat st;

	return stat(map->path, &st) < 0 ? -1 : fn(path, &st, FTW_F, &where);
}

INTERPOSE(int, nftw64,
	  (const char *path, __nftw_func_t fn, int descriptors, int flags))
{
	struct walk mine = { fn, flags & FTW_ACTIONRETVAL, walk };
	struct pl_map *map = pl_map_by_path(AT_FDCWD, path);
	int r;

	if (map)
		return walk_map(map, path, fn);
	if (pl_run.n_maps == 0)
		return NEXT(nftw64)(path, fn, descriptors, flags);
	walk = &mine;
	r = NEXT(nftw64)(path, on_entry, descriptors, flags);
	walk = mine.outer;
	return r;
}
INTERPOSE_ALSO(nftw, nftw64);

/* ftw() is nftw() with fewer arguments and fewer flags. */

static __thread __ftw_func_t ftw_fn;

static int on_ftw(const char *path, const struct stat *st, int flag,
		  struct FTW *where)
{
	(void)where;
	return ftw_fn(path, st, flag == FTW_SLN ? FTW_NS : flag);
}

INTERPOSE(int, ftw64, (const char *path, __ftw_func_t fn, int descriptors))
{
	__ftw_func_t outer = ftw_fn;
	int r;

	ftw_fn = fn;
	r = pl_libc_nftw64(path, on_ftw, descriptors, 0);
	ftw_fn = outer;
	return r;
}
INTERPOSE_ALSO(ftw, ftw64);

/* fts: the program pulls entries, so what is to be shown next is kept. */

struct tail {
	FTS *fts;
	FTSENT *folder; /* shown last, its maps come next; or NULL */
	unsigned at;	/* the map to look at next */
	FTSENT *entry;	/* ours, shown last */
	struct stat st;
	struct tail *next;
};

static __thread struct tail *tails;

static struct tail **find_tail(FTS *fts)
{
	struct tail **place = &tails;

	while (*place && (*place)->fts != fts)
		place = &(*place)->next;
	return place;
}

static struct tail *get_tail(FTS *fts)
{
	struct tail *tail = *find_tail(fts);

	if (tail)
		return tail;
	tail = calloc(1, sizeof(*tail));
	if (tail) {
		tail->fts = fts;
		tail->next = tails;
		tails = tail;
	}
	return tail;
}

/* An entry for a map in the folder, as fts would make one. */
static FTSENT *make_entry(struct tail *tail, const struct pl_map *map)
{
	FTSENT *folder = tail->folder;
	size_t name = strlen(map->base), len = folder->fts_pathlen;
	FTSENT *entry = calloc(1, sizeof(*entry) + name + len + 1 + name + 1);
	char *path;

	if (!entry || stat(map->path, &tail->st) < 0) {
		free(entry);
		return NULL;
	}
	memcpy(entry->fts_name, map->base, name + 1);
	path = entry->fts_name + name + 1;
	memcpy(path, folder->fts_path, len);
	path[len] = '/';
	memcpy(path + len + 1, map->base, name + 1);
	entry->fts_parent = folder;
	entry->fts_path = path;
	/* Good wherever fts has gone to. */
	entry->fts_accpath = (char *)map->path;
	entry->fts_pathlen = (unsigned short)(len + 1 + name);
	entry->fts_namelen = (unsigned short)name;
	entry->fts_ino = tail->st.st_ino;
	entry->fts_dev = tail->st.st_dev;
	entry->fts_nlink = 1;
	entry->fts_level = (short)(folder->fts_level + 1);
	entry->fts_info = FTS_F;
	entry->fts_instr = 3; /* FTS_NOINSTR, which the header hides */
	entry->fts_statp = &tail->st;
	return entry;
}

static FTSENT *next_map(struct tail *tail)
{
	struct stat folder;

	/* The program may have said to skip it, since it was shown. */
	if (!tail->folder || tail->folder->fts_instr == FTS_SKIP ||
	    !tail->folder->fts_statp)
		return NULL;
	folder = *tail->folder->fts_statp;
	while (tail->at < pl_run.n_maps) {
		const struct pl_map *map = &pl_run.maps[tail->at++];
		FTSENT *entry = is_extra(map, &folder) ? make_entry(tail, map)
						       : NULL;

		if (entry)
			return entry;
	}
	return NULL;
}

/* The root of a walk is a map, and libc did not find it. */
static void adapt_root(FTSENT *entry)
{
	struct pl_map *map = NULL;

	if (entry->fts_info == FTS_NS)
		map = pl_map_by_path(AT_FDCWD, entry->fts_path);
	if (!map || stat(map->path, entry->fts_statp) < 0)
		return;
	entry->fts_info = FTS_F;
	entry->fts_errno = 0;
	entry->fts_ino = entry->fts_statp->st_ino;
	entry->fts_dev = entry->fts_statp->st_dev;
	entry->fts_nlink = 1;
}

INTERPOSE(FTSENT *, fts64_read, (FTS * fts))
{
	struct tail *tail = pl_run.n_maps > 0 ? get_tail(fts) : NULL;
	FTSENT *entry;

	if (!tail)
		return NEXT(fts64_read)(fts);
	free(tail->entry);
	tail->entry = next_map(tail);
	if (tail->entry)
		return tail->entry;
	tail->folder = NULL;
	entry = NEXT(fts64_read)(fts);
	if (entry && entry->fts_info == FTS_D)
		tail->folder = entry;
	else if (entry)
		adapt_root(entry);
	tail->at = 0;
	return entry;
}
INTERPOSE_ALSO(fts_read, fts64_read);

INTERPOSE(int, fts64_close, (FTS * fts))
{
	struct tail **place = find_tail(fts), *tail = *place;

	if (tail) {
		*place = tail->next;
		free(tail->entry);
		free(tail);
	}
	return NEXT(fts64_close)(fts);
}
INTERPOSE_ALSO(fts_close, fts64_close);
