/* SPDX-License-Identifier: MIT */
/*
 * files.c - the maps of a run: files that are not there.
 *
 * Promise: a map hides nothing, and can be read from the start: what cannot
 * work is refused before the command runs.
 */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/run.h"
#include "sources/driver.h"

/* Behind the last part of the source's name: ":rw", or ":ro" for ":ro:rw". */
static bool cut_suffix(char *text, const char *suffix)
{
	size_t len = strlen(text), n = strlen(suffix);

	if (len <= n || strcmp(text + len - n, suffix) != 0)
		return false;
	text[len - n] = '\0';
	return true;
}

/* The directory that the file is to be seen in, and its name there. */
static int place(struct mf_run_file *file)
{
	char copy[PATH_MAX], folder[PATH_MAX];
	const char *base = strrchr(file->shown, '/');
	struct stat st;
	int n;

	base = base ? base + 1 : file->shown;
	if (strlen(file->shown) >= sizeof(copy))
		return -ENAMETOOLONG;
	if (!*base || !strcmp(base, ".") || !strcmp(base, "..")) {
		mf_say("--map %s: names a directory; a map is a file",
		       file->shown);
		return -EISDIR;
	}
	strcpy(copy, file->shown);
	if (!realpath(dirname(copy), folder) || stat(folder, &st) < 0 ||
	    (!S_ISDIR(st.st_mode) && (errno = ENOTDIR))) {
		int error = errno;

		strcpy(copy, file->shown);
		mf_say("--map %s: the directory %s: %s", file->shown,
		       dirname(copy), strerror(error));
		return -error;
	}
	file->folder_dev = st.st_dev;
	file->folder_ino = st.st_ino;
	n = snprintf(file->path, sizeof(file->path), "%s/%s",
		     strcmp(folder, "/") ? folder : "", base);
	return (size_t)n < sizeof(file->path) ? 0 : -ENAMETOOLONG;
}

/* Programs that mfill does not reach would see what is there. */
static int refuse_to_hide(const struct mf_run *run,
			  const struct mf_run_file *file)
{
	struct stat st;

	if (lstat(file->path, &st) == 0) {
		mf_say("--map %s: is there already%s; a map hides nothing, so "
		       "move it away or map another name",
		       file->shown,
		       S_ISDIR(st.st_mode)   ? ", as a directory"
		       : S_ISREG(st.st_mode) ? ", as a real file"
					     : "");
		return -EEXIST;
	}
	for (unsigned i = 0; i < run->n_files; i++) {
		if (strcmp(run->files[i]->path, file->path) != 0)
			continue;
		mf_say("--map %s: is mapped twice", file->shown);
		return -EEXIST;
	}
	return 0;
}

/*
 * Programs open the source again, wherever they are by then; the time of the
 * file that it reads from becomes the map's.
 */
static int settle_source(struct mf_run_file *file, const char *name)
{
	char folder[PATH_MAX];
	struct stat st;
	const char *path;
	struct mf_uri uri;
	int n;

	if (mf_cli_source_open(name, &file->source, &uri) < 0)
		return -EINVAL;
	path = mf_source_path(uri.text);
	if (path && stat(path, &st) == 0)
		file->mtime_ns = st.st_mtim.tv_sec * INT64_C(1000000000) +
				 st.st_mtim.tv_nsec;
	if (!path || *path == '/') {
		file->uri = uri;
		return 0;
	}
	if (!getcwd(folder, sizeof(folder)))
		return -errno;
	n = snprintf(file->uri.text, sizeof(file->uri.text), "%.*s%s/%s",
		     (int)(path - uri.text), uri.text, folder, path);
	return (size_t)n < sizeof(file->uri.text) ? 0 : -ENAMETOOLONG;
}

static int fill_in(struct mf_run *run, struct mf_run_file *file, char *text)
{
	char *equals = strchr(text, '=');
	int r;

	if (!equals || equals == text || !equals[1]) {
		mf_say("--map %s: is not PATH=SOURCE", text);
		return -EINVAL;
	}
	*equals = '\0';
	file->shown = text;
	file->rw = cut_suffix(equals + 1, ":rw");
	if (!file->rw)
		(void)cut_suffix(equals + 1, ":ro");
	r = place(file);
	if (r == -ENAMETOOLONG)
		mf_say("--map %s: %s", file->shown, strerror(ENAMETOOLONG));
	if (r == 0)
		r = refuse_to_hide(run, file);
	if (r == 0)
		r = settle_source(file, equals + 1);
	if (r == 0)
		file->size = file->source->size;
	return r;
}

int mf_run_add(struct mf_run *run, char *text)
{
	struct mf_run_file *file;
	int r;

	if (run->n_files == MF_RUN_MAPS) {
		mf_say("--map %s: more than %d maps", text, MF_RUN_MAPS);
		return -E2BIG;
	}
	file = calloc(1, sizeof(*file));
	if (!file) {
		mf_say("%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	file->face_fd = -1;
	run->files[run->n_files] = file;
	r = fill_in(run, file, text);
	if (r == 0)
		run->n_files++;
	return r;
}
