/* SPDX-License-Identifier: MIT */
/*
 * preload.h - what the parts of the preload library know of the run.
 *
 * Promise: what pl_run holds is fixed once this process has joined, and the
 * same in its forked children.
 * Context: says each function.
 */
#ifndef MF_PRELOAD_PRELOAD_H
#define MF_PRELOAD_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "mm/page.h"

/* What libc would find is found here first. Nothing else is exported. */
#define PL_EXPORT __attribute__((visibility("default")))

struct pl_map {
	const char *path;  /* absolute */
	const char *base;  /* the last part of it */
	const char *shown; /* as the user wrote it, for messages */
	const char *uri;   /* of the source */
	uint64_t folder_dev, folder_ino;
	/*
	 * What stat() says of it. Device and inode are the face's: every
	 * descriptor of the map has them, whoever opened it.
	 */
	struct stat stat;
	uint64_t size;
	bool rw; /* writable; all of the run sees what is written */
	/*
	 * The face: to be opened anew, O_WRONLY, through /proc/self/fd for
	 * each open() of the map, so that each has an offset of its own.
	 */
	int face_fd;
	struct mf_store *store; /* its source: pl_map_ready() */
};

struct pl_run {
	unsigned n_maps; /* 0: not in a run, or not joined */
	struct pl_map *maps;
	bool quiet;   /* MF_RUN_QUIET */
	bool uffd;    /* MF_RUN_UFFD */
	int filter;   /* enum mf_run_filter */
	int backend;  /* enum mfill_backend, as the user asked */
	int delivery; /* enum mfill_delivery */
	/* What a program needs in its environment to join: "NAME=VALUE". */
	const char *env_run;
	const char *library; /* to be the first in LD_PRELOAD */
};

extern struct pl_run pl_run;

/*
 * Join the run that the environment names, once. Before main(), and cheap
 * later on. Interposed functions call it first: other libraries' constructors
 * may run before ours. Any context after the first time.
 */
void pl_join(void);

/*
 * The map that a path names, or NULL. By the identity of its directory, so
 * links to directories, dots and chroot() make no difference. Any context.
 */
struct pl_map *pl_map_by_path(int dirfd, const char *path);
/*
 * The same when the last part of the path may be a symbolic link, or one to
 * another one: for after the kernel has said ENOENT. Any context.
 */
struct pl_map *pl_map_by_link(int dirfd, const char *path);
/* The map whose face the descriptor is, or NULL. Any context. */
struct pl_map *pl_map_by_fd(int fd);
struct pl_map *pl_map_by_inode(uint64_t dev, uint64_t ino);

/*
 * Make sure that the map's bytes can be had in this process: opens its source
 * when that was not done. 0, or -EIO after a sentence on stderr. Not in a
 * signal handler the first time.
 */
int pl_map_ready(struct pl_map *map);

/* A descriptor of ours, which the program must not close. Any context. */
bool pl_owns_fd(int fd);
/*
 * The lowest descriptor of ours from fd on, or -1: to close a range of
 * descriptors in pieces around ours. Any context.
 */
int pl_next_fd(int fd);

/*
 * locks.c: have the checker write into the table behind fd. Only where that
 * part is: else NULL.
 */
__attribute__((weak)) void pl_check_start(int fd);

/* Once joined: give the program streams on what a shell opened for it. */
void pl_stdio_start(void);

/*
 * One line on stderr: the parts up to NULL, and a newline. Not when the user
 * said --quiet. Any context.
 */
void pl_say(const char *part, ...) __attribute__((sentinel));

#endif
