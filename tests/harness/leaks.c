/* SPDX-License-Identifier: MIT */
/*
 * leaks.c - read what this process holds open out of /proc/self.
 *
 * Context: not in a signal handler.
 */
#include "harness/leaks.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Permanent by design: shared by all threads until the process ends. */
static bool is_permanent(const char *name)
{
	return strstr(name, "/memfd:mfill-world") != NULL;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

/* What backends/channel.c and uffd/proc.c have, with high numbers. */
static bool is_permanent_fd(int fd, const char *name)
{
	if (fd >= 512 && strncmp(name, "/proc/", 6) == 0 &&
	    (ends_with(name, "/pagemap") || ends_with(name, "/mem") ||
	     ends_with(name, "/maps")))
		return true;
	return is_permanent(name) ||
	       (fd >= 512 && strcmp(name, "anon_inode:[userfaultfd]") == 0);
}

static void fd_name(int fd, char *ret_name, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, ret_name, size - 1);
	ret_name[n < 0 ? 0 : n] = '\0';
}

static void take_fds(struct mf_holdings *ret)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	char name[PATH_MAX];

	if (!dir)
		abort();
	while ((entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || fd == dirfd(dir) ||
		    fd >= MF_HOLDINGS_FDS)
			continue;
		fd_name(fd, name, sizeof(name));
		ret->fds[fd] = !is_permanent_fd(fd, name);
	}
	closedir(dir);
}

static void take_mappings(struct mf_holdings *ret)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[PATH_MAX];

	if (!maps)
		abort();
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "/memfd:mfill") && !is_permanent(line))
			ret->mappings++;
	fclose(maps);
}

void mf_holdings_take(struct mf_holdings *ret)
{
	memset(ret, 0, sizeof(*ret));
	take_fds(ret);
	take_mappings(ret);
}

static bool same_now(const struct mf_holdings *before, char *why,
		     size_t why_size)
{
	struct mf_holdings now;
	char name[128];
	int fd;

	mf_holdings_take(&now);
	for (fd = 0; fd < MF_HOLDINGS_FDS; fd++) {
		if (now.fds[fd] == before->fds[fd])
			continue;
		fd_name(fd, name, sizeof(name));
		snprintf(why, why_size, "%s descriptor %d %s",
			 now.fds[fd] ? "left open:"
				     : "closed, but not its own:",
			 fd, name);
		return false;
	}
	if (now.mappings != before->mappings) {
		snprintf(why, why_size,
			 "%d mappings of mfill's before, %d after",
			 before->mappings, now.mappings);
		return false;
	}
	return true;
}

/* A handler thread may be about to drop what was unmapped meanwhile. */
bool mf_holdings_same(const struct mf_holdings *before, char *why,
		      size_t why_size)
{
	for (int i = 0; i < 20; i++) {
		if (same_now(before, why, why_size))
			return true;
		usleep(5000);
	}
	return false;
}
