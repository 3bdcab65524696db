/* SPDX-License-Identifier: MIT */
/*
 * 01-hello.c - map a source, print its first line.
 *
 *     01-hello file:/etc/passwd
 */
#include <mfill.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct mfill_source *source;
	char why[256];
	uint64_t size;
	char *end;
	void *text;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: %s SOURCE\n", argv[0]);
		return 2;
	}
	r = mfill_source_open_why(argv[1], &source, why, sizeof(why));
	if (r < 0) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	mfill_source_size(source, &size);
	r = mfill_map(source, 0, size, NULL, &text);
	mfill_source_put(source); /* the map keeps it as long as it needs */
	if (r < 0) {
		fprintf(stderr, "cannot map %s: %s\n", argv[1], strerror(-r));
		return 1;
	}

	/* Nothing is read before it is touched; here, up to the first line. */
	end = memchr(text, '\n', size);
	printf("%.*s\n", (int)(end ? end - (char *)text : (long)size),
	       (char *)text);

	mfill_unmap(text);
	return 0;
}
