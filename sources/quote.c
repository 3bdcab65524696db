/* SPDX-License-Identifier: MIT */
/*
 * quote.c - a path as a shell wants it, for commands told to people.
 *
 * Context: any.
 */
#include "sources/quote.h"

#include <string.h>

static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789_./+,:@%=-";

const char *mf_quote(const char *path, struct mf_quoted *storage)
{
	char *to = storage->text;
	/* One character becomes four at most; then a quote and the end. */
	const char *limit = to + sizeof(storage->text) - 6;

	if (path[strspn(path, plain)] == '\0' && *path != '\0')
		return path;
	*to++ = '\'';
	for (const char *from = path; *from; from++) {
		if (to >= limit)
			return path;
		if (*from == '\'') {
			memcpy(to, "'\\''", 4);
			to += 4;
		} else {
			*to++ = *from;
		}
	}
	memcpy(to, "'", 2);
	return storage->text;
}
