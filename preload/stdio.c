/* SPDX-License-Identifier: MIT */
/*
 * stdio.c - streams on maps.
 *
 * Promise: a stream on a map has the same content and offset as its
 * descriptor, which fileno() tells as for any stream.
 * Context: as fopen(): not in a signal handler.
 *
 * libc reads for its streams inside of itself, where we are not asked. So a
 * stream on a map is one of fopencookie(): its buffer is libc's, and what
 * fills the buffer is ours. It keeps no offset of its own.
 */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "preload/face.h"
#include "preload/serve.h"
#include "preload/stream.h"
#include "preload/uffd.h"

/* The cookie is the descriptor. */
static int fd_of(void *cookie)
{
	return (int)(intptr_t)cookie;
}

static ssize_t on_read(void *cookie, char *buf, size_t len)
{
	return read(fd_of(cookie), buf, len);
}

static ssize_t on_write(void *cookie, const char *buf, size_t len)
{
	ssize_t n = write(fd_of(cookie), buf, len);

	return n < 0 ? 0 : n; /* how fopencookie() is told of an error */
}

static int on_seek(void *cookie, off_t *offset, int whence)
{
	off_t at = lseek(fd_of(cookie), *offset, whence);

	if (at < 0)
		return -1;
	*offset = at;
	return 0;
}

static int on_close(void *cookie)
{
	return close(fd_of(cookie));
}

/* libc keeps the table of a stream's functions right behind it. */
static const void *table_of(const FILE *stream)
{
	return *(const void *const *)(stream + 1);
}

static const void *our_table; /* that of fopencookie() */

static FILE *make_stream(int fd, const char *mode)
{
	static const cookie_io_functions_t functions = {
		.read = on_read,
		.write = on_write,
		.seek = on_seek,
		.close = on_close,
	};
	FILE *stream = fopencookie((void *)(intptr_t)fd, mode, functions);

	if (!stream)
		return NULL;
	/* For fileno(); the functions of such a stream make no use of it. */
	stream->_fileno = fd;
	mf_store_relaxed(&our_table, table_of(stream));
	return stream;
}

/* Others of fopencookie() have no number. */
bool pl_stream_is_ours(const FILE *stream)
{
	return stream->_fileno >= 0 &&
	       table_of(stream) == mf_load_relaxed(&our_table);
}

/* -1: not a mode. */
static int flags_of(const char *mode)
{
	int flags, extra = 0;

	switch (*mode) {
	case 'r':
		flags = O_RDONLY;
		break;
	case 'w':
		flags = O_WRONLY;
		extra = O_CREAT | O_TRUNC;
		break;
	case 'a':
		flags = O_WRONLY;
		extra = O_CREAT | O_APPEND;
		break;
	default:
		return -1;
	}
	for (mode++; *mode && *mode != ','; mode++) {
		if (*mode == '+')
			flags = O_RDWR;
		else if (*mode == 'x')
			extra |= O_EXCL;
		else if (*mode == 'e')
			extra |= O_CLOEXEC;
	}
	return flags | extra;
}

/* The mode without what fopencookie() does not know. */
static void plain_mode(const char *mode, char plain[4])
{
	size_t n = 1;

	plain[0] = *mode;
	if (strcspn(mode, "+") < strcspn(mode, ","))
		plain[n++] = '+';
	plain[n] = '\0';
}

/* A face for the path, or PL_PASS: opened by libc, it will be right. */
static long open_map(const char *path, const char *mode)
{
	int flags = flags_of(mode), fd;
	struct pl_face face;
	struct stat st;

	if (flags < 0 || (pl_run.n_maps == 0 && !pl_run.uffd) ||
	    stat(path, &st) < 0 ||
	    (!pl_map_by_inode(st.st_dev, st.st_ino) && !pl_pagemap_named(path)))
		return PL_PASS;
	fd = open(path, flags, 0666);
	if (fd < 0 || pl_face(fd, &face) || pl_fd_kind(fd) == PL_FD_PAGEMAP)
		return fd;
	/* It was replaced meanwhile. */
	(void)close(fd);
	return PL_PASS;
}

static FILE *stream_on(int fd, const char *mode)
{
	char plain[4];
	FILE *stream;

	plain_mode(mode, plain);
	stream = make_stream(fd, plain);
	if (!stream)
		(void)close(fd);
	return stream;
}

INTERPOSE(FILE *, fopen64, (const char *path, const char *mode))
{
	long fd = open_map(path, mode);

	if (fd == PL_PASS)
		return NEXT(fopen64)(path, mode);
	return fd < 0 ? NULL : stream_on((int)fd, mode);
}
INTERPOSE_ALSO(fopen, fopen64);

INTERPOSE(FILE *, fdopen, (int fd, const char *mode))
{
	struct pl_face face;
	char plain[4];

	if (flags_of(mode) < 0 || !pl_face(fd, &face))
		return NEXT(fdopen)(fd, mode);
	plain_mode(mode, plain);
	return make_stream(fd, plain);
}

/*
 * A stream cannot become one of fopencookie(): there is a new one, with the
 * descriptor's number. Those three that everybody knows by name are replaced.
 * The old one may be in use by its pointer; it reads a face, which fails.
 */
static FILE *replace(FILE *old, int fd, const char *mode)
{
	int number = fileno(old);
	FILE *stream;

	(void)fflush(old);
	if (number >= 0 && number != fd) {
		if (dup2(fd, number) < 0) {
			(void)close(fd);
			return NULL;
		}
		(void)close(fd);
		fd = number;
	}
	stream = stream_on(fd, mode);
	if (stream && old == stdin)
		stdin = stream;
	else if (stream && old == stdout)
		stdout = stream;
	else if (stream && old == stderr)
		stderr = stream;
	return stream;
}

INTERPOSE(FILE *, freopen64, (const char *path, const char *mode, FILE *old))
{
	long fd = path ? open_map(path, mode) : PL_PASS;

	if (fd == PL_PASS)
		return NEXT(freopen64)(path, mode, old);
	if (fd < 0) {
		int saved = errno;

		(void)fclose(old);
		errno = saved;
		return NULL;
	}
	return replace(old, (int)fd, mode);
}
INTERPOSE_ALSO(freopen, freopen64);

/*
 * A shell may have opened a map as our standard input or output. After the
 * run was joined; before anybody has a pointer to these streams.
 */
void pl_stdio_start(void)
{
	struct pl_face face;
	FILE *stream;

	if (pl_face(0, &face)) {
		stream = make_stream(0, "r");
		if (stream)
			stdin = stream;
	}
	if (pl_face(1, &face)) {
		stream = make_stream(1, "w");
		if (stream)
			stdout = stream;
	}
	if (pl_face(2, &face)) {
		stream = make_stream(2, "w");
		if (stream) {
			setvbuf(stream, NULL, _IONBF, 0);
			stderr = stream;
		}
	}
}
