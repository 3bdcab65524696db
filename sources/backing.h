/* SPDX-License-Identifier: MIT */
/*
 * backing.h - the file that a source reads from.
 *
 * Promise: only what can be read at any offset and has a size is opened; all
 * else is refused with a sentence, and never waited for.
 * Context: open: not in a signal handler. Reading the descriptor by pread is
 * fine anywhere.
 */
#ifndef MF_SOURCES_BACKING_H
#define MF_SOURCES_BACKING_H

#include <stdint.h>

#include "sources/driver.h"

struct mf_backing {
	int fd;
	uint64_t size;
	int64_t mtime_ns; /* since 1970 */
};

/* path is named in the sentence. The caller closes ret->fd by mf_sys.close. */
int mf_backing_open(const char *path, struct mf_backing *ret,
		    struct mf_why *why);

#endif
