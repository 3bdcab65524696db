/* SPDX-License-Identifier: MIT */
/*
 * table.h - what `mfill run` tells the programs of a run.
 *
 * Promise: two builds that disagree about any of this notice it.
 *
 * The run is named by one environment variable: where the broker listens, and
 * a token that proves that somebody told. A program connects, says hello, and
 * gets one answer with descriptors: the world, this table, and for each map
 * its store and its face.
 *
 * A face stands for the file: an empty memfd of the right size, whose device
 * and inode are what programs see of it, in each process and under whatever
 * number. It holds no bytes. What a program gets from open() is opened for
 * writing only, and sealed, so that a read which nobody intercepted fails.
 */
#ifndef MF_RUN_TABLE_H
#define MF_RUN_TABLE_H

#include <stdint.h>

#include "mm/page.h"

/* NAME:TOKEN; the name is that of an abstract socket. */
#define MF_RUN_ENV   "MFILL_RUN"
#define MF_RUN_MAGIC 0x6d6672756e303031ULL /* "mfrun001" */
#define MF_RUN_NAME  32			   /* bytes in each of the two */

/* Two descriptors for each must fit one message (253, SCM_MAX_FD). */
#define MF_RUN_MAPS 100

struct mf_run_hello {
	uint64_t magic;
	char token[MF_RUN_NAME];
};

struct mf_run_answer {
	uint64_t magic;
	/* With the answer: world, table, store, face, …, the checker's. */
	uint32_t n_fds;
	uint32_t reserved;
};

/* A string: offset from the start of the table. */
typedef uint32_t mf_run_text;

struct mf_run_map {
	mf_run_text path;  /* absolute */
	mf_run_text shown; /* as the user wrote it */
	mf_run_text uri;   /* of the source; names in it are absolute */
	uint32_t flags;	   /* MF_RUN_MAP_* */
	/* Path is the last part of its name in this directory. */
	uint64_t folder_dev, folder_ino;
	uint64_t face_dev, face_ino;
	uint64_t size;
	uint32_t mode, uid, gid, block;
	int64_t mtime_ns;
	struct mf_store_description store;
};

/* Writes stay in the run and are gone with it. */
#define MF_RUN_MAP_RW 0x1U

struct mf_run_table {
	uint64_t magic;
	uint32_t size; /* of the whole table, strings included */
	uint32_t n_maps;
	uint32_t flags; /* MF_RUN_* */
	int32_t backend;
	int32_t delivery;
	uint32_t filter;     /* enum mf_run_filter */
	mf_run_text library; /* absolute path of the preload library */
	struct mf_run_map maps[];
};

#define MF_RUN_QUIET 0x1U /* do not name sources that fail */
#define MF_RUN_UFFD  0x2U /* programs get a userfaultfd of ours */
/* The last descriptor is that of the checker's table: check/table.h. */
#define MF_RUN_CHECK 0x4U

/* Which system calls the seccomp filter catches: preload/filter.h. */
enum mf_run_filter {
	MF_RUN_FILTER_BUFFERS,
	MF_RUN_FILTER_ALL,
	MF_RUN_FILTER_NONE,
};

static inline const char *mf_run_text_at(const struct mf_run_table *table,
					 mf_run_text at)
{
	return (const char *)table + at;
}

#endif
