/* SPDX-License-Identifier: MIT */
/*
 * output.h - a file that appears whole or not at all.
 *
 * Promise: until commit nothing is to be seen under the path, or what was
 * there before; after it, all of the new. Nothing is left behind when the
 * program gives up or is told to end by a signal it can catch.
 * Context: one at a time, main thread.
 */
#ifndef MF_CLI_OUTPUT_H
#define MF_CLI_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct mf_output {
	int fd;
	bool force; /* replace what is there */
	const char *path;
	char temp[PATH_MAX]; /* where the bytes are meanwhile; "": nowhere */
};

/*
 * All of these say what went wrong and return -errno. path "-" is standard
 * output, where bytes appear as they are written.
 */
int mf_output_open(struct mf_output *out, const char *path, bool force);
int mf_output_write(struct mf_output *out, const void *data, size_t len);
int mf_output_commit(struct mf_output *out, mode_t mode);

/* Also after a commit, when it does nothing. */
void mf_output_abandon(struct mf_output *out);

#endif
