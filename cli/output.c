/* SPDX-License-Identifier: MIT */
/*
 * output.c - a file that appears whole or not at all.
 *
 * The bytes go to a file of another name in the same directory, which gets
 * its right name when all are on the disk.
 */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cmd.h"

static const int deadly[] = { SIGHUP,  SIGINT,	SIGQUIT, SIGTERM,
			      SIGPIPE, SIGXCPU, SIGXFSZ };

#define N_DEADLY (sizeof(deadly) / sizeof(deadly[0]))

/* What the signal handler removes; set while the signals are blocked. */
static const char *to_remove;

static void remove_and_die(int sig)
{
	if (to_remove)
		(void)unlink(to_remove);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void block_deadly(sigset_t *ret_before)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < N_DEADLY; i++)
		sigaddset(&set, deadly[i]);
	sigprocmask(SIG_BLOCK, &set, ret_before);
}

/* A signal that somebody had ignored (nohup) stays ignored. */
static void catch_deadly(void)
{
	struct sigaction action = { .sa_handler = remove_and_die };
	struct sigaction before;

	for (size_t i = 0; i < N_DEADLY; i++) {
		sigaction(deadly[i], NULL, &before);
		if (before.sa_handler == SIG_DFL)
			sigaction(deadly[i], &action, NULL);
	}
}

static int make_temp(struct mf_output *out)
{
	char copy[PATH_MAX];
	sigset_t before;
	int n;

	snprintf(copy, sizeof(copy), "%s", out->path);
	n = snprintf(out->temp, sizeof(out->temp), "%s/.mfill-XXXXXX",
		     dirname(copy));
	if (n < 0 || (size_t)n >= sizeof(out->temp)) {
		out->temp[0] = '\0';
		return -ENAMETOOLONG;
	}
	block_deadly(&before);
	out->fd = mkostemp(out->temp, O_CLOEXEC);
	n = out->fd < 0 ? -errno : 0;
	if (n == 0)
		to_remove = out->temp;
	else
		out->temp[0] = '\0';
	sigprocmask(SIG_SETMASK, &before, NULL);
	return n;
}

/* What is there may be replaced when that was asked for, and it is a file. */
static int check_path(const struct mf_output *out)
{
	struct stat st;

	if (lstat(out->path, &st) < 0)
		return 0;
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) {
		mf_say("%s: exists and is no regular file", out->path);
		return -EEXIST;
	}
	if (!out->force) {
		mf_say("%s: exists already; --force replaces it", out->path);
		return -EEXIST;
	}
	return 0;
}

int mf_output_open(struct mf_output *out, const char *path, bool force)
{
	int r;

	*out = (struct mf_output){ .fd = -1, .force = force, .path = path };
	if (!strcmp(path, "-")) {
		if (isatty(STDOUT_FILENO)) {
			mf_say("compressed data is not written to a terminal");
			return -ENOTTY;
		}
		out->fd = STDOUT_FILENO;
		return 0;
	}
	r = check_path(out);
	if (r < 0)
		return r;
	catch_deadly();
	r = strlen(path) < PATH_MAX ? make_temp(out) : -ENAMETOOLONG;
	if (r < 0)
		mf_say("%s: cannot be made: %s", path, strerror(-r));
	return r;
}

int mf_output_write(struct mf_output *out, const void *data, size_t len)
{
	const char *from = data;

	while (len > 0) {
		ssize_t n = write(out->fd, from, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int error = errno;

			if (error != EPIPE)
				mf_say("%s: cannot be written: %s", out->path,
				       strerror(error));
			return -error;
		}
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

static int rename_temp(const struct mf_output *out)
{
	struct stat st;

	if (out->force)
		return rename(out->temp, out->path) < 0 ? -errno : 0;
	if (renameat2(AT_FDCWD, out->temp, AT_FDCWD, out->path,
		      RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system that cannot do both at once: nearly as good. */
	if (lstat(out->path, &st) == 0)
		return -EEXIST;
	return rename(out->temp, out->path) < 0 ? -errno : 0;
}

/* The new name is on the disk when the directory is. */
static void sync_directory(const struct mf_output *out)
{
	char copy[PATH_MAX];
	int fd;

	snprintf(copy, sizeof(copy), "%s", out->path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	(void)close(fd);
}

static int publish(struct mf_output *out, mode_t mode)
{
	sigset_t before;
	int r;

	if (fchmod(out->fd, mode) < 0 || fsync(out->fd) < 0)
		return -errno;
	block_deadly(&before);
	r = rename_temp(out);
	if (r == 0) {
		to_remove = NULL;
		out->temp[0] = '\0';
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		sync_directory(out);
	return r;
}

int mf_output_commit(struct mf_output *out, mode_t mode)
{
	int r = 0;

	if (out->temp[0])
		r = publish(out, mode);
	if (r < 0)
		mf_say("%s: cannot be finished: %s", out->path, strerror(-r));
	mf_output_abandon(out);
	return r;
}

void mf_output_abandon(struct mf_output *out)
{
	if (out->temp[0])
		(void)unlink(out->temp);
	out->temp[0] = '\0';
	to_remove = NULL;
	if (out->fd > STDOUT_FILENO)
		(void)close(out->fd);
	out->fd = -1;
}
