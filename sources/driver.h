/* SPDX-License-Identifier: MIT */
/*
 * driver.h - what a built-in source is: one file here, one row in driver.c.
 *
 * Promise: a source that cannot be opened leaves nothing behind and one
 * sentence that says why.
 * Context: not in a signal handler.
 */
#ifndef MF_SOURCES_DRIVER_H
#define MF_SOURCES_DRIVER_H

#include <stddef.h>

#include "mm/source.h"

/* One sentence about what went wrong, for whoever opened the source. */
struct mf_why {
	char *text;
	size_t size;
};

__attribute__((format(printf, 2, 3))) void mf_why(struct mf_why *why,
						  const char *format, ...);

/* What follows the scheme. */
enum mf_source_rest {
	MF_REST_OPAQUE,
	MF_REST_PATH,  /* of a file */
	MF_REST_WRAPS, /* options, a colon, and the name of another source */
};

struct mf_source_driver {
	const char *scheme; /* without the colon */
	enum mf_source_rest rest;
	/* rest: the URI after the first colon. why: never NULL. */
	int (*open)(const char *rest, struct mfill_source **ret,
		    struct mf_why *why);
};

extern const struct mf_source_driver mf_source_file;
extern const struct mf_source_driver mf_source_zstd;
extern const struct mf_source_driver mf_source_error;
extern const struct mf_source_driver mf_source_delay;

/* As mfill_source_open_why(): for wrappers, which open another. */
int mf_source_open(const char *uri, struct mfill_source **ret,
		   struct mf_why *why);

/* Where the path of a file is in the name of a source; NULL: there is none. */
const char *mf_source_path(const char *uri);

#endif
