/* SPDX-License-Identifier: MIT */
/*
 * source.h - what somebody means by the SOURCE of a command.
 */
#ifndef MF_CLI_SOURCE_H
#define MF_CLI_SOURCE_H

#include <limits.h>

#include "mfill.h"

/* A name that says all: SCHEME:REST. */
struct mf_uri {
	char text[PATH_MAX + 256];
};

/*
 * SCHEME:REST, or the path of a file that exists, which is file:PATH. The
 * path of a zstd file alone is refused: its bytes or its content?
 *
 * Says what went wrong; -errno. ret_uri may be NULL.
 */
int mf_cli_source_open(const char *name, struct mfill_source **ret,
		       struct mf_uri *ret_uri);

#endif
