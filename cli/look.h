/* SPDX-License-Identifier: MIT */
/*
 * look.h - read what mfill keeps in the memory of another process.
 *
 * Promise: the other process notices nothing, and is not stopped; what is
 * read may be old when it has been read.
 */
#ifndef MF_CLI_LOOK_H
#define MF_CLI_LOOK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "check/table.h"
#include "cli/symbols.h"
#include "mm/slot.h"
#include "run/table.h"

/* A program may be in a run, and use libmfill by itself as well. */
#define MF_LOOK_WORLDS 4

struct mf_mapping {
	uint64_t start, end, offset;
	bool shared, writable;
	char path[400];
};

struct mf_look {
	pid_t pid;
	int mem_fd;
	size_t n_mappings;
	struct mf_mapping *mappings;
	unsigned n_worlds;
	struct mf_world *worlds[MF_LOOK_WORLDS];
	struct mf_check_table *checked; /* NULL: locks are not checked */
	struct mf_run_table *table;	/* NULL: not in a run */
};

/* -errno after a sentence. */
int mf_look_open(pid_t pid, struct mf_look *ret);
void mf_look_close(struct mf_look *look);
/* Read the worlds and the checker's table once more. */
int mf_look_again(struct mf_look *look);

bool mf_look_read(const struct mf_look *look, uint64_t addr, void *buf,
		  size_t len);
/* What the program calls an address; a number when it has no name for it. */
const char *mf_look_name(const struct mf_look *look, uint64_t addr, bool code,
			 struct mf_place_name *storage);
/* The map of the run with that store, as the user wrote it; NULL: none. */
const char *mf_look_map(const struct mf_look *look, uint32_t store);

#endif
