/* SPDX-License-Identifier: MIT */
/*
 * index.c - mfill index: a table of frames beside a zstd file without one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "cli/cmd.h"
#include "cli/indexer.h"
#include "cli/output.h"
#include "sources/zstd/seektable.h"
#include "sources/zstd/sideindex.h"

struct arguments {
	const char *path;
	bool force;
	bool quiet;
};

static const struct argp_option options[] = {
	{ "force", 'f', NULL, 0, "Replace FILE.zst.idx, whatever it is", 0 },
	{ "quiet", 'q', NULL, 0, "Show no progress and no result", 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'f':
		a->force = true;
		break;
	case 'q':
		a->quiet = true;
		break;
	case ARGP_KEY_ARG:
		if (state->arg_num > 0)
			argp_error(state, "more than one FILE.zst");
		else
			a->path = value;
		break;
	case ARGP_KEY_END:
		if (state->arg_num < 1)
			argp_error(state, "FILE.zst is needed");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "FILE.zst",
	.doc = "Make FILE.zst.idx, a table of the frames in FILE.zst.\v"
	       "For files of several frames that have no such table inside, "
	       "as pzstd writes them. With the index beside it the file can "
	       "be read as zstd:FILE.zst.",
};

/* An index of ours may always be made anew: nothing is lost. */
static bool is_index(const char *path)
{
	char magic[8];
	int fd = mf_sys.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	bool is;

	if (fd < 0)
		return false;
	is = mf_pread_full(fd, magic, sizeof(magic), 0) == 0 &&
	     !memcmp(magic, MF_SIDEINDEX_MAGIC, sizeof(magic));
	(void)mf_sys.close(fd);
	return is;
}

static mode_t mode_of(const struct mf_backing *file)
{
	struct stat st;

	return mf_sys.fstat(file->fd, &st) < 0 ? 0644 : st.st_mode & 0666;
}

static int write_index(struct mf_indexing *x, const struct mf_identity *was,
		       bool force)
{
	char path[PATH_MAX];
	struct mf_output out;
	size_t len = (size_t)mf_sideindex_size(x->entries.n);
	int n = snprintf(path, sizeof(path), "%s" MF_SIDEINDEX_SUFFIX, x->path);
	int r;

	if (n < 0 || (size_t)n >= sizeof(path)) {
		mf_say("%s: %s", x->path, strerror(ENAMETOOLONG));
		return -ENAMETOOLONG;
	}
	mf_sideindex_seal(x->entries.bytes, (uint32_t)x->entries.n, was);
	r = mf_output_open(&out, path, force || is_index(path));
	if (r < 0)
		return r;
	r = mf_output_write(&out, x->entries.bytes, len);
	if (r == 0)
		return mf_output_commit(&out, mode_of(&x->file));
	mf_output_abandon(&out);
	return r;
}

/* Is it still what it was before it was read? */
static int check_unchanged(const struct mf_indexing *x,
			   const struct mf_identity *was)
{
	char text[256] = "";
	struct mf_why why = { text, sizeof(text) };
	struct mf_identity is;
	struct mf_backing now;
	int r = mf_backing_open(x->path, &now, &why);

	if (r == 0) {
		r = mf_identity_read(&now, &is);
		(void)mf_sys.close(now.fd);
	}
	if (r == 0 && memcmp(&is, was, sizeof(is)) != 0) {
		mf_say("%s: changed while it was read", x->path);
		return -ESTALE;
	}
	if (r < 0)
		mf_say("%s", *text ? text : strerror(-r));
	return r;
}

static void show_result(const struct mf_indexing *x, bool quiet)
{
	struct mf_human bytes;

	if (!quiet && isatty(STDERR_FILENO))
		mf_say("%s" MF_SIDEINDEX_SUFFIX ": %llu frames of together %s",
		       x->path, (unsigned long long)x->frames,
		       mf_human(x->bytes, &bytes));
}

static int make_index(struct mf_indexing *x, const struct arguments *a)
{
	struct mf_identity was;
	int r = mf_identity_read(&x->file, &was);

	if (r == 0)
		r = mf_entries_init(&x->entries, MF_SIDEINDEX_HEADER, true);
	if (r < 0) {
		mf_say("%s: %s", a->path, strerror(-r));
		return r;
	}
	mf_progress_begin(&x->progress, x->file.size, a->quiet);
	r = mf_index_frames(x);
	mf_progress_end(&x->progress);
	if (r == 0)
		r = check_unchanged(x, &was);
	if (r == 0)
		r = write_index(x, &was, a->force);
	mf_entries_free(&x->entries);
	if (r == 0)
		show_result(x, a->quiet);
	return r;
}

static int index_file(const struct arguments *a)
{
	char text[256] = "";
	struct mf_why why = { text, sizeof(text) };
	struct mf_indexing x = { .path = a->path };
	struct mf_frames frames;
	int r = mf_backing_open(a->path, &x.file, &why);

	if (r == 0 && x.file.size == 0) {
		(void)snprintf(text, sizeof(text), "%s: is empty", a->path);
		(void)mf_sys.close(x.file.fd);
		r = -EBADMSG;
	}
	if (r < 0) {
		mf_say("%s", text);
		return r;
	}
	why.size = 0;
	if (mf_seektable_read(&x.file, &frames, &why) == 0) {
		mf_frames_free(&frames);
		mf_say("%s: has a table of its frames and needs no index",
		       a->path);
	} else {
		r = make_index(&x, a);
	}
	(void)mf_sys.close(x.file.fd);
	return r;
}

static int run(int argc, char **argv)
{
	struct arguments a = { 0 };

	if (argp_parse(&argp, argc, argv, 0, NULL, &a))
		return MF_EXIT_FAILED;
	return index_file(&a) < 0 ? MF_EXIT_FAILED : 0;
}

const struct mf_command mf_cmd_index = {
	.name = "index",
	.summary = "note where the frames of a zstd file are",
	.run = run,
};
