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

static int open_path(const char *path, struct mfill_source **ret,
		     struct mf_uri *ret_uri, char *why, size_t why_size)
{
	struct mf_quoted quoted;
	int n = snprintf(ret_uri->text, sizeof(ret_uri->text), "file:%s", path);

	if (n < 0 || (size_t)n >= sizeof(ret_uri->text))
		return -ENAMETOOLONG;
	if (is_zstd(path)) {
		snprintf(why, why_size,
			 "%s: is a zstd file; say zstd:%s for its content, or "
			 "file:%s for its own bytes",
			 path, mf_quote(path, &quoted),
			 mf_quote(path, &quoted));
		return -EINVAL;
	}
	return mfill_source_open_why(ret_uri->text, ret, why, why_size);
}

static int open_name(const char *name, struct mfill_source **ret,
		     struct mf_uri *ret_uri, char *why, size_t why_size)
{
	int n = snprintf(ret_uri->text, sizeof(ret_uri->text), "%s", name);
	int r = mfill_source_open_why(name, ret, why, why_size);

	if (r == 0 && (size_t)n >= sizeof(ret_uri->text)) {
		mfill_source_put(*ret);
		return -ENAMETOOLONG;
	}
	if ((r != -EINVAL || strchr(name, ':')) && r != -EPROTONOSUPPORT)
		return r;
	if (access(name, F_OK) == 0)
		return open_path(name, ret, ret_uri, why, why_size);
	if (!strchr(name, ':'))
		snprintf(why, why_size, "%s: %s", name, strerror(errno));
	return r;
}

int mf_cli_source_open(const char *name, struct mfill_source **ret,
		       struct mf_uri *ret_uri)
{
	char why[1024] = "";
	struct mf_uri uri;
	int r = open_name(name, ret, &uri, why, sizeof(why));

	if (r < 0)
		mf_say("%s", *why ? why : strerror(-r));
	else if (ret_uri)
		*ret_uri = uri;
	return r;
}
