/* SPDX-License-Identifier: MIT */
/*
 * which.c - what to execute, and what to put into it.
 *
 * Promise: a command that cannot be found, cannot be executed or cannot be
 * reached is told so in one sentence before anything runs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/run.h"
#include "run/reach.h"

/* As the shell has it. */
#define EXIT_CANNOT_EXECUTE 126
#define EXIT_NOT_FOUND	    127

static int try_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return access(path, X_OK) < 0 ? -errno : 0;
}

/* As execvp() does: a file that may not be executed is passed over. */
static int search(const char *name, char ret[PATH_MAX])
{
	const char *path = getenv("PATH");
	int found = -ENOENT;

	path = path ? path : "/bin:/usr/bin";
	for (;;) {
		size_t len = strcspn(path, ":");
		int n = snprintf(ret, PATH_MAX, "%.*s%s%s", (int)len, path,
				 len ? "/" : "./", name);
		int r = (size_t)n < PATH_MAX ? try_program(ret) : -ENOENT;

		if (r == 0)
			return 0;
		if (r == -EACCES)
			found = r;
		if (!path[len])
			return found;
		path += len + 1;
	}
}

static int find(struct mf_run *run)
{
	const char *name = run->command[0];

	if (!strchr(name, '/'))
		return search(name, run->program);
	if (strlen(name) >= sizeof(run->program))
		return -ENAMETOOLONG;
	strcpy(run->program, name);
	return try_program(name);
}

int mf_run_find_command(struct mf_run *run)
{
	char interpreter[256];
	enum mf_reach reach;
	int r = *run->command[0] ? find(run) : -ENOENT;

	if (r < 0) {
		mf_say("%s: %s", run->command[0],
		       r == -ENOENT && !strchr(run->command[0], '/')
			       ? "command not found"
			       : strerror(-r));
		return r == -ENOENT || r == -ENOTDIR ? EXIT_NOT_FOUND
						     : EXIT_CANNOT_EXECUTE;
	}
	reach = mf_reach(run->program, interpreter);
	if (reach == MF_REACH_YES || (run->n_files == 0 && !run->check))
		return 0;
	if (run->n_files == 0) {
		mf_say("%s cannot be checked: nothing of mfill's gets into %s",
		       run->command[0],
		       *interpreter ? interpreter : "that program");
		return MF_EXIT_FAILED;
	}
	if (*interpreter)
		mf_say("%s: its interpreter %s %s", run->command[0],
		       interpreter, mf_reach_says(reach));
	else
		mf_say("%s %s", run->command[0], mf_reach_says(reach));
	return MF_EXIT_FAILED;
}

/* From where the command itself is: in a build tree, or installed. */
static const char *const places[] = {
	"../preload/",
	LIBDIR_FROM_BINDIR "/mfill/",
};

static const char *library_name(bool check)
{
	return check ? "libmfill-doctor.so" : "libmfill-preload.so";
}

int mf_run_library(bool check, char ret_path[PATH_MAX])
{
	char self[PATH_MAX], path[2 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(*places); i++) {
		slash[1] = '\0';
		snprintf(path, sizeof(path), "%s%s%s", self, places[i],
			 library_name(check));
		if (realpath(path, ret_path) && access(ret_path, R_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

int mf_run_find_library(struct mf_run *run)
{
	if (mf_run_library(run->check, run->library) < 0) {
		mf_say("%s is not where it was installed to; programs cannot "
		       "be %s without it",
		       library_name(run->check),
		       run->check ? "checked" : "shown maps");
		return -ENOENT;
	}
	/* LD_PRELOAD has no way to write these. */
	if (strpbrk(run->library, " :")) {
		mf_say("%s: has a space or a colon in its path, which the "
		       "dynamic linker takes for two files",
		       run->library);
		return -EINVAL;
	}
	return 0;
}
