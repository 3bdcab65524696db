/* SPDX-License-Identifier: MIT */
/*
 * name.c - any text as the name of a source, and as a number.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/sys.h"
#include "fuzz/fuzz.h"
#include "mm/source.h"
#include "sources/quote.h"

static int fd = -1;

/* Every path leads to one small file: what a name means must not depend on
 * the machine. */
static int open_small(const char *path, int flags, mode_t mode)
{
	(void)path, (void)flags, (void)mode;
	return dup(fd);
}

static void try_name(const char *name)
{
	char why[100], buf[10];
	struct mfill_source *src;
	int r = mfill_source_open_why(name, &src, why, sizeof(why));

	MUST(r <= 0);
	MUST((r < 0) == (*why != '\0'));
	if (r < 0)
		return;
	MUST(!strncmp(name, "file:", 5) || !strncmp(name, "error:", 6) ||
	     !strncmp(name, "delay:", 6));
	/* Not delay:, which may take an hour. */
	if (!strstr(name, "delay:") && src->size >= 10)
		(void)mf_source_read(src, buf, sizeof(buf), src->size - 10);
	mfill_source_put(src);
}

static void try_numbers(const char *text)
{
	uint64_t a = 7, b = 7;
	uint32_t share = 7;

	MUST(mf_parse_u64(text, &a) == 0 || a == 7);
	MUST(mf_parse_size(text, &b) == 0 || b == 7);
	MUST(mf_parse_share(text, &share) == 0 ? share <= 1000000000
					       : share == 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_quoted quoted;
	char *text;

	if (fd < 0) {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		MUST(fd >= 0 && write(fd, "0123456789abcdef", 16) == 16);
	}
	mf_sys.open = open_small;
	text = malloc(size + 1);
	MUST(text);
	memcpy(text, data, size);
	text[size] = '\0';
	try_name(text);
	try_numbers(text);
	MUST(strlen(mf_quote(text, &quoted)) >= strlen(text));
	free(text);
	return 0;
}
