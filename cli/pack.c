/* SPDX-License-Identifier: MIT */
/*
 * pack.c - mfill pack: compress a file so that any part can be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "cli/cmd.h"
#include "cli/packer.h"
#include "sources/quote.h"
#include "sources/zstd/frames.h"

#define MAX_THREADS 256

struct arguments {
	struct mf_packing packing;
	const char *in;
	const char *out;
	bool force;
	bool quiet;
};

enum { OPT_NO_CHECKSUM = 0x100 };

static const struct argp_option options[] = {
	{ "frame-size", 's', "SIZE", 0,
	  "Bytes per frame, the least that is ever unpacked (64K)", 0 },
	{ "level", 'l', "N", 0, "Compression level of zstd (3)", 0 },
	{ "threads", 'T', "N", 0,
	  "Threads that compress (0: one per processor)", 0 },
	{ "checksum", 'C', NULL, 0,
	  "Have a checksum of each frame, compared when it is read (default)",
	  0 },
	{ "no-checksum", OPT_NO_CHECKSUM, NULL, 0, "Have none", 0 },
	{ "force", 'f', NULL, 0, "Replace OUT if it exists", 0 },
	{ "quiet", 'q', NULL, 0, "Show no progress and no result", 0 },
	{ 0 },
};

static void set_level(struct arguments *a, const char *value,
		      struct argp_state *state)
{
	a->packing.level = (int)mf_arg_number(
		state, "--level", value, ZSTD_minCLevel(), ZSTD_maxCLevel());
}

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 's':
		a->packing.frame_size = (size_t)mf_arg_size(
			state, "--frame-size", value, 1024, MF_FRAME_MAX);
		break;
	case 'l':
		set_level(a, value, state);
		break;
	case 'T':
		a->packing.threads = (unsigned)mf_arg_number(
			state, "--threads", value, 0, MAX_THREADS);
		break;
	case 'C':
		a->packing.checksums = true;
		break;
	case OPT_NO_CHECKSUM:
		a->packing.checksums = false;
		break;
	case 'f':
		a->force = true;
		break;
	case 'q':
		a->quiet = true;
		break;
	case ARGP_KEY_ARG:
		if (state->arg_num > 1)
			argp_error(state, "more than IN and OUT.zst");
		else if (state->arg_num == 1)
			a->out = value;
		else
			a->in = value;
		break;
	case ARGP_KEY_END:
		if (state->arg_num < 2)
			argp_error(state, "IN and OUT.zst are needed");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "IN OUT.zst",
	.doc = "Compress IN so that any part of it can be read alone.\v"
	       "OUT.zst is a zstd file in the seekable format, which zstd "
	       "unpacks as any other. It appears whole or not at all. "
	       "- is standard input or output.",
};

static unsigned processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

static int open_input(const char *path, struct stat *st)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC)
				   : STDIN_FILENO;

	if (fd < 0 || fstat(fd, st) < 0) {
		int error = errno;

		mf_say("%s: cannot be opened: %s", path, strerror(error));
		return -error;
	}
	if (S_ISDIR(st->st_mode)) {
		mf_say("%s: is a directory", path);
		return -EISDIR;
	}
	return fd;
}

static int check_same(const struct arguments *a, const struct stat *in)
{
	struct stat out;

	if (stat(a->out, &out) == 0 && out.st_dev == in->st_dev &&
	    out.st_ino == in->st_ino && S_ISREG(in->st_mode)) {
		mf_say("%s and %s are the same file", a->in, a->out);
		return -EINVAL;
	}
	return 0;
}

/* To compress what is compressed is rarely meant. */
static void warn_of_zstd(const struct arguments *a, const struct stat *st)
{
	struct mf_quoted in, out;
	uint8_t magic[4];

	if (!S_ISREG(st->st_mode) ||
	    pread(a->packing.in_fd, magic, 4, 0) != 4 ||
	    mf_le32(magic) != ZSTD_MAGICNUMBER)
		return;
	mf_say("%s: is a zstd file already, and is packed as it is; to repack "
	       "its content: zstd -dc %s | mfill pack - %s",
	       a->in, mf_quote(a->in, &in), mf_quote(a->out, &out));
}

static void show_result(const struct arguments *a)
{
	const struct mf_packing *p = &a->packing;
	struct mf_human in, out;

	if (a->quiet || !isatty(STDERR_FILENO))
		return;
	mf_say("%s: %s in %llu frames, packed to %s (%.1f %%)", a->out,
	       mf_human(p->in_bytes, &in), (unsigned long long)p->frames,
	       mf_human(p->out_bytes, &out),
	       p->in_bytes ? 100.0 * (double)p->out_bytes / (double)p->in_bytes
			   : 100.0);
}

static int pack_to(struct arguments *a, mode_t mode, uint64_t size)
{
	struct mf_output out;
	struct mf_progress progress;
	int r = mf_output_open(&out, a->out, a->force);

	if (r < 0)
		return r;
	a->packing.out = &out;
	a->packing.progress = &progress;
	mf_progress_begin(&progress, size, a->quiet);
	r = mf_pack(&a->packing);
	mf_progress_end(&progress);
	if (r == 0)
		r = mf_output_commit(&out, mode);
	else
		mf_output_abandon(&out);
	return r;
}

static int pack(struct arguments *a)
{
	struct stat st;
	mode_t mask = umask(0);
	mode_t mode = 0666 & ~mask;
	uint64_t size = 0;
	int r;

	umask(mask);
	a->packing.in_fd = open_input(a->in, &st);
	if (a->packing.in_fd < 0)
		return a->packing.in_fd;
	a->packing.in_name = a->in;
	r = check_same(a, &st);
	if (r < 0)
		return r;
	warn_of_zstd(a, &st);
	if (S_ISREG(st.st_mode)) {
		mode = st.st_mode & 0777;
		size = (uint64_t)st.st_size;
	}
	r = pack_to(a, mode, size);
	if (r == 0)
		show_result(a);
	return r;
}

static int run(int argc, char **argv)
{
	struct arguments a = { .packing = { .frame_size = 64U << 10,
					    .level = 3,
					    .checksums = true } };

	if (argp_parse(&argp, argc, argv, 0, NULL, &a))
		return MF_EXIT_FAILED;
	if (a.packing.threads == 0)
		a.packing.threads = processors();
	return pack(&a) < 0 ? MF_EXIT_FAILED : 0;
}

const struct mf_command mf_cmd_pack = {
	.name = "pack",
	.summary = "compress a file so that any part of it can be read alone",
	.run = run,
};
