/* SPDX-License-Identifier: MIT */
/*
 * source.c - what somebody means by the SOURCE of a command.
 */
#include "cli/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "sources/quote.h"

static bool is_zstd(const char *path)
{
	static const char magic[4] = "\x28\xb5\x2f\xfd";
	char start[4];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool is;

	if (fd < 0)
		return false;
	is = pread(fd, start, sizeof(start), 0) == sizeof(start) &&
	     !memcmp(start, magic, sizeof(magic));
	(void)close(fd);
	return is;
}

static int open_path(const char *path, struct mfill_source **ret, char *why,
		     size_t why_size)
{
	char uri[PATH_MAX + 8];
	struct mf_quoted quoted;

	if (is_zstd(path)) {
		snprintf(why, why_size,
			 "%s: is a zstd file; say zstd:%s for its content, or "
			 "file:%s for its own bytes",
			 path, mf_quote(path, &quoted),
			 mf_quote(path, &quoted));
		return -EINVAL;
	}
	snprintf(uri, sizeof(uri), "file:%s", path);
	return mfill_source_open_why(uri, ret, why, why_size);
}

int mf_cli_source_open(const char *name, struct mfill_source **ret)
{
	char why[1024] = "";
	int r = mfill_source_open_why(name, ret, why, sizeof(why));

	if ((r == -EINVAL && !strchr(name, ':')) || r == -EPROTONOSUPPORT) {
		if (access(name, F_OK) == 0)
			r = open_path(name, ret, why, sizeof(why));
		else if (!strchr(name, ':'))
			snprintf(why, sizeof(why), "%s: %s", name,
				 strerror(errno));
	}
	if (r < 0)
		mf_say("%s", *why ? why : strerror(-r));
	return r;
}
