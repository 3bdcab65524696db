/* SPDX-License-Identifier: MIT */
/*
 * uffd.h - userfaultfd for a program that asks the kernel for it.
 *
 * Promise: with `mfill run --uffd`, a descriptor of ours is to the program
 * what the kernel's would be, under whatever number it has come to have; a
 * program of a run without it is not touched.
 * Context: not in a signal handler, but for what is not a descriptor of ours.
 *
 * What a number stands for is kept in a table. A face (face.h) can be told by
 * its inode, but what poll() takes for a userfaultfd has none of its own.
 */
#ifndef MF_PRELOAD_UFFD_H
#define MF_PRELOAD_UFFD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/sync.h"
#include "preload/interpose.h"

enum pl_fd_kind {
	PL_FD_PLAIN,
	PL_FD_UFFD,
	PL_FD_DEVICE,  /* stands for /dev/userfaultfd */
	PL_FD_PAGEMAP, /* of this process */
};

#define PL_FD_KINDS 65536
extern uint8_t pl_fd_kinds[PL_FD_KINDS];

static inline enum pl_fd_kind pl_fd_kind(int fd)
{
	return (unsigned)fd < PL_FD_KINDS
		       ? (enum pl_fd_kind)mf_load_relaxed(&pl_fd_kinds[fd])
		       : PL_FD_PLAIN;
}

/* The run was asked for it. */
void pl_uffd_start(void);

/* Each answers a system call, or says PL_PASS. */
long pl_uffd_new(int flags);
long pl_uffd_open(int dirfd, const char *path, int flags);
long pl_uffd_ioctl(int fd, unsigned long request, void *arg);
long pl_uffd_read(int fd, void *buf, size_t len);
long pl_uffd_readv(int fd, const struct iovec *iov, int n);
long pl_uffd_write(int fd);
long pl_uffd_pread(int fd, void *buf, size_t len, off_t offset);
/* Any of them, by its number; what a libc function answers, too. */
long pl_uffd_serve(long number, const long arguments[6]);
/* What was opened is the pagemap of this process; reads of such a file. */
bool pl_pagemap_is(int fd, const char *path);
/* A name that it may have: a quick no. */
bool pl_pagemap_named(const char *path);
long pl_pagemap_pread(int fd, void *buf, size_t len, uint64_t offset);
long pl_pagemap_read(int fd, void *buf, size_t len);
/* The kernel opened it: it may need a second look. */
void pl_uffd_opened(int fd, const char *path);
/* The program closes it: PL_PASS, when the kernel shall. */
long pl_uffd_close(int fd);
/* So does it here: all from first to last, but for those in pieces around. */
void pl_uffd_close_range(unsigned first, unsigned last);
/*
 * The number to is about to become another descriptor; it is, and of the same
 * file as from.
 */
void pl_uffd_replace(int to);
void pl_uffd_copied(int from, long to);

#endif
