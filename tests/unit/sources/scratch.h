/* SPDX-License-Identifier: MIT */
/*
 * scratch.h - files for a test, gone when its process is.
 *
 * Context: a TEST() body.
 */
#ifndef MF_TESTS_SCRATCH_H
#define MF_TESTS_SCRATCH_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/harness.h"
#include "mfill.h"

/* A file without a name, and a path that opens it again. */
struct scratch {
	int fd;
	char path[32];
};

static inline struct scratch scratch_of(const void *bytes, size_t len)
{
	struct scratch s = { .fd = memfd_create("scratch", MFD_CLOEXEC) };

	ck_assert_int_ge(s.fd, 0);
	ck_assert_int_eq(pwrite(s.fd, bytes, len, 0), (ssize_t)len);
	snprintf(s.path, sizeof(s.path), "/proc/self/fd/%d", s.fd);
	return s;
}

/* SCHEME:PATH must open. */
static inline struct mfill_source *must_open(const char *scheme,
					     const char *path)
{
	char uri[256], why[512];
	struct mfill_source *src = NULL;
	int r;

	snprintf(uri, sizeof(uri), "%s:%s", scheme, path);
	r = mfill_source_open_why(uri, &src, why, sizeof(why));
	ck_assert_msg(r == 0, "%s: %d: %s", uri, r, why);
	return src;
}

/* SCHEME:PATH must fail like that, with these words in one sentence. */
static inline void must_refuse(const char *scheme, const char *path, int error,
			       const char *words)
{
	char uri[256], why[512];
	struct mfill_source *src = NULL;
	int r;

	snprintf(uri, sizeof(uri), "%s:%s", scheme, path);
	r = mfill_source_open_why(uri, &src, why, sizeof(why));
	ck_assert_msg(r == error, "%s: %d, not %d: %s", uri, r, error, why);
	ck_assert_ptr_null(src);
	ck_assert_msg(strstr(why, words) != NULL, "no '%s' in: %s", words, why);
	ck_assert_msg(!strchr(why, '\n'), "more than one line: %s", why);
}

#endif
