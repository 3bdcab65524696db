/* SPDX-License-Identifier: MIT */
/*
 * quote.h - a path as a shell wants it, for commands told to people.
 *
 * Context: any.
 */
#ifndef MF_SOURCES_QUOTE_H
#define MF_SOURCES_QUOTE_H

#include <stddef.h>

struct mf_quoted {
	char text[1024];
};

/* path itself when it needs no quotes, or is too long for them. */
const char *mf_quote(const char *path, struct mf_quoted *storage);

#endif
