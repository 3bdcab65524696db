/* SPDX-License-Identifier: MIT */
/*
 * pagemap.c - /proc/self/pagemap, as it is without us.
 *
 * Promise: a page that is write-protected by a userfaultfd of ours says so,
 * and none says how it is hidden.
 * Context: not in a signal handler, but for what is not such a file.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/syscall.h"
#include "preload/face.h"
#include "preload/uffd.h"
#include "uffd/pagemap.h"
#include "uffd/touch.h"

#define ENTRY sizeof(uint64_t)

bool pl_pagemap_named(const char *path)
{
	static const char name[] = "pagemap";
	size_t len = pl_run.uffd && path ? strlen(path) : 0;

	return len >= sizeof(name) - 1 &&
	       strcmp(path + len - (sizeof(name) - 1), name) == 0;
}

/* Where the descriptor leads: "/proc/PID/pagemap", with our number. */
static bool is_own(int fd)
{
	char link[PL_FD_PATH_MAX], target[64], *end;
	long n;

	pl_fd_path(fd, link);
	n = mf_syscall(SYS_readlinkat, AT_FDCWD, (long)link, (long)target,
		       sizeof(target) - 1, 0, 0);
	if (n <= 0)
		return false;
	target[n] = '\0';
	if (strncmp(target, "/proc/", 6) != 0)
		return false;
	return strtol(target + 6, &end, 10) ==
		       mf_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0) &&
	       (strcmp(end, "/pagemap") == 0 || strncmp(end, "/task/", 6) == 0);
}

bool pl_pagemap_is(int fd, const char *path)
{
	return pl_pagemap_named(path) && is_own(fd);
}

static void correct(char *bytes, size_t len, uint64_t offset)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), word;

	/* The kernel gives out whole ones only. */
	for (size_t at = 0; at + ENTRY <= len; at += ENTRY) {
		memcpy(&word, bytes + at, ENTRY);
		word = mf_uffd_pagemap_word(
			(uintptr_t)((offset + at) / ENTRY * page), word);
		memcpy(bytes + at, &word, ENTRY);
	}
}

long pl_pagemap_pread(int fd, void *buf, size_t len, uint64_t offset)
{
	long n = mf_syscall(SYS_pread64, fd, (long)buf, (long)len, (long)offset,
			    0, 0);

	if (n > 0 && mf_uffd_has_ranges())
		correct(buf, (size_t)n, offset);
	return n;
}

long pl_pagemap_read(int fd, void *buf, size_t len)
{
	long at = mf_syscall(SYS_lseek, fd, 0, SEEK_CUR, 0, 0, 0);
	long n = mf_syscall(SYS_read, fd, (long)buf, (long)len, 0, 0, 0);

	if (n > 0 && at >= 0 && mf_uffd_has_ranges())
		correct(buf, (size_t)n, (uint64_t)at);
	return n;
}
