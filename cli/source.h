/* SPDX-License-Identifier: MIT */
/*
 * source.h - what somebody means by the SOURCE of a command.
 */
#ifndef MF_CLI_SOURCE_H
#define MF_CLI_SOURCE_H

#include "mfill.h"

/*
 * SCHEME:REST, or the path of a file that exists, which is file:PATH. The
 * path of a zstd file alone is refused: its bytes or its content?
 *
 * Says what went wrong; -errno.
 */
int mf_cli_source_open(const char *name, struct mfill_source **ret);

#endif
