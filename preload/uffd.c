/* SPDX-License-Identifier: MIT */
/*
 * uffd.c - userfaultfd for a program that asks the kernel for it.
 *
 * Promise: as in uffd.h.
 * Context: as in uffd.h.
 */
#include "preload/uffd.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/sys.h"
#include "base/syscall.h"
#include "base/userfaultfd.h"
#include "mm/uaccess.h"
#include "preload/serve.h"
#include "uffd/table.h"
#include "uffd/uffd.h"

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

#define DEVICE "/dev/userfaultfd"

uint8_t pl_fd_kinds[PL_FD_KINDS];
static unsigned fds_end; /* those of a kind are below; only grows */

/* -EMFILE: a number that the table has no place for. */
static int set_kind(int fd, enum pl_fd_kind kind)
{
	unsigned old = mf_load_relaxed(&fds_end), end = (unsigned)fd + 1;

	if ((unsigned)fd >= PL_FD_KINDS)
		return -EMFILE;
	while (kind != PL_FD_PLAIN && old < end && !mf_cas(&fds_end, &old, end))
		;
	mf_store_release(&pl_fd_kinds[fd], (uint8_t)kind);
	return 0;
}

/* A child has its parent's descriptors, and they show the parent. */
static void in_child(void)
{
	unsigned end = mf_load_relaxed(&fds_end);

	for (unsigned fd = 0; fd < end; fd++)
		if (pl_fd_kinds[fd] == PL_FD_PAGEMAP)
			pl_fd_kinds[fd] = PL_FD_PLAIN;
}

void pl_uffd_start(void)
{
	(void)pthread_atfork(NULL, NULL, in_child);
	mf_uffd_serve_system_calls();
}

long pl_uffd_new(int flags)
{
	int fd, r;

	if (!pl_run.uffd)
		return PL_PASS;
	fd = mf_uffd_open(flags);
	r = fd < 0 ? fd : set_kind(fd, PL_FD_UFFD);
	if (r == 0)
		return fd;
	if (fd >= 0)
		(void)mf_uffd_close(fd);
	return r;
}

/* Open for reading and writing, and neither does anything. */
static long open_device(int flags)
{
	int fd = mf_sys.open("/dev/null", flags & ~(O_CREAT | O_TRUNC), 0);
	int r = fd < 0 ? fd : set_kind(fd, PL_FD_DEVICE);

	if (r < 0 && fd >= 0)
		(void)mf_sys.close(fd);
	return r < 0 ? r : fd;
}

long pl_uffd_open(int dirfd, const char *path, int flags)
{
	(void)dirfd; /* nobody names a device from where he is */
	if (!pl_run.uffd || !path || strcmp(path, DEVICE) != 0)
		return PL_PASS;
	return open_device(flags);
}

long pl_uffd_ioctl(int fd, unsigned long request, void *arg)
{
	switch (pl_fd_kind(fd)) {
	case PL_FD_UFFD:
		return mf_uffd_ioctl(fd, request, arg);
	case PL_FD_DEVICE:
		return request == USERFAULTFD_IOC_NEW
			       ? pl_uffd_new((int)(intptr_t)arg)
			       : -EINVAL;
	default:
		return PL_PASS;
	}
}

/* Some of them bring a descriptor along. */
static long note_children(const char *messages, long len)
{
	struct uffd_msg message;

	for (long at = 0; at < len; at += (long)sizeof(message)) {
		if (mf_copy_nofault(&message, messages + at, sizeof(message)))
			break;
		if (message.event == UFFD_EVENT_FORK)
			(void)set_kind((int)message.arg.fork.ufd, PL_FD_UFFD);
	}
	return len;
}

long pl_uffd_read(int fd, void *buf, size_t len)
{
	switch (pl_fd_kind(fd)) {
	case PL_FD_UFFD:
		return note_children(buf, mf_uffd_read_messages(fd, buf, len));
	case PL_FD_DEVICE:
		return -EINVAL;
	case PL_FD_PAGEMAP:
		return pl_pagemap_read(fd, buf, len);
	default:
		return PL_PASS;
	}
}

void pl_uffd_opened(int fd, const char *path)
{
	if (pl_pagemap_is(fd, path))
		(void)set_kind(fd, PL_FD_PAGEMAP);
}

/* Whole messages into each of them, as the kernel has it. */
long pl_uffd_readv(int fd, const struct iovec *iov, int n)
{
	struct iovec piece;
	long done = 0, r = 0;

	if (pl_fd_kind(fd) == PL_FD_PLAIN)
		return PL_PASS;
	if (n < 0 || n > IOV_MAX)
		return -EINVAL;
	for (int i = 0; i < n && r >= 0; i++) {
		if (mf_copy_nofault(&piece, &iov[i], sizeof(piece)) > 0)
			r = -EFAULT;
		else if (piece.iov_len > 0)
			r = pl_uffd_read(fd, piece.iov_base, piece.iov_len);
		if (r > 0)
			done += r;
		if (r >= 0 && (size_t)r < piece.iov_len)
			break;
	}
	return done > 0 ? done : r;
}

long pl_uffd_write(int fd)
{
	return pl_fd_kind(fd) == PL_FD_UFFD ? -EBADF : PL_PASS;
}

long pl_uffd_pread(int fd, void *buf, size_t len, off_t offset)
{
	enum pl_fd_kind kind = pl_fd_kind(fd);

	if (kind == PL_FD_UFFD || kind == PL_FD_DEVICE)
		return -ESPIPE;
	return kind == PL_FD_PAGEMAP && offset >= 0
		       ? pl_pagemap_pread(fd, buf, len, (uint64_t)offset)
		       : PL_PASS;
}

long pl_uffd_serve(long number, const long a[6])
{
	int fd = (int)a[0];

	switch (number) {
	case SYS_userfaultfd:
		return pl_uffd_new(fd);
	case SYS_ioctl:
		return pl_uffd_ioctl(fd, (unsigned long)a[1], (void *)a[2]);
	case SYS_read:
		return pl_uffd_read(fd, (void *)a[1], (size_t)a[2]);
	case SYS_readv:
		return pl_uffd_readv(fd, (void *)a[1], (int)a[2]);
	case SYS_write:
	case SYS_writev:
		return pl_uffd_write(fd);
	case SYS_pread64:
		return pl_uffd_pread(fd, (void *)a[1], (size_t)a[2], a[3]);
	case SYS_openat:
		return pl_uffd_open(fd, (const char *)a[1], (int)a[2]);
#ifdef SYS_open
	case SYS_open:
		return pl_uffd_open(AT_FDCWD, (const char *)a[0], (int)a[1]);
#endif
	case SYS_dup:
		return pl_serve_dup(fd);
#ifdef SYS_dup2
	case SYS_dup2:
		return pl_serve_dup_to(fd, (int)a[1], 0);
#endif
	case SYS_dup3:
		return pl_serve_dup_to(fd, (int)a[1], (int)a[2]);
	case SYS_fcntl:
		return pl_serve_fcntl(fd, (int)a[1], a[2]);
	case SYS_close:
		return pl_serve_close(fd);
	case SYS_close_range:
		return pl_serve_close_range((unsigned)a[0], (unsigned)a[1],
					    (int)a[2]);
	case SYS_mmap:
	case SYS_munmap:
	case SYS_mremap:
	case SYS_mprotect:
	case SYS_madvise:
		return pl_serve_memory(number, a);
	default:
		return PL_PASS;
	}
}

long pl_uffd_close(int fd)
{
	enum pl_fd_kind kind = pl_fd_kind(fd);
	int r;

	if (kind == PL_FD_PLAIN)
		return PL_PASS;
	(void)set_kind(fd, PL_FD_PLAIN);
	if (kind != PL_FD_UFFD)
		return PL_PASS;
	r = mf_uffd_close(fd);
	/* It was the parent's: this process has but the number. */
	return r == -EBADF ? PL_PASS : r;
}

void pl_uffd_close_range(unsigned first, unsigned last)
{
	unsigned end = mf_load_relaxed(&fds_end);

	for (unsigned fd = first; fd <= last && fd < end; fd++)
		if (pl_uffd_close((int)fd) == PL_PASS)
			(void)set_kind((int)fd, PL_FD_PLAIN);
}

void pl_uffd_replace(int to)
{
	enum pl_fd_kind kind = pl_fd_kind(to);

	if (kind == PL_FD_UFFD)
		(void)mf_uffd_forget(to);
	if (kind != PL_FD_PLAIN)
		(void)set_kind(to, PL_FD_PLAIN);
}

void pl_uffd_copied(int from, long to)
{
	enum pl_fd_kind kind = pl_fd_kind(from);

	if (kind == PL_FD_PLAIN || to < 0 || to == from)
		return;
	if (kind == PL_FD_UFFD && mf_uffd_copied(from, (int)to) < 0)
		return;
	(void)set_kind((int)to, kind);
}
