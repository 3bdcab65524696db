/* SPDX-License-Identifier: MIT */
/*
 * serve.h - system calls on maps, answered.
 *
 * Promise: each takes what the system call takes and returns what the kernel
 * would: a result, -errno, or PL_PASS when no map is concerned.
 * Context: any, signal handlers and vfork() children included.
 *
 * The wrappers of libc's functions call these, and syscall(), and the handler
 * of calls that the filter has trapped.
 */
#ifndef MF_PRELOAD_SERVE_H
#define MF_PRELOAD_SERVE_H

#include <sys/types.h>
#include <sys/uio.h>

#include "preload/interpose.h"

/* Any of them, by its number. */
long pl_serve(long number, const long arguments[6]);
/* The part of them that is about mappings; syscall.c, too. */
long pl_serve_memory(long number, const long arguments[6]);

/* open.c */
long pl_serve_openat(int dirfd, const char *path, int flags);
/* r is what the kernel said: it may have found a face, by way of /proc. */
long pl_serve_opened(int dirfd, const char *path, int flags, long r);
/* read.c, write.c; offset -1: the descriptor's own */
long pl_serve_read(int fd, void *buf, size_t len);
long pl_serve_pread(int fd, void *buf, size_t len, off_t offset);
long pl_serve_readv(int fd, const struct iovec *iov, int n);
long pl_serve_preadv(int fd, const struct iovec *iov, int n, off_t offset);
long pl_serve_write(int fd, const void *buf, size_t len);
long pl_serve_pwrite(int fd, const void *buf, size_t len, off_t offset);
long pl_serve_writev(int fd, const struct iovec *iov, int n);
long pl_serve_readahead(int fd);
long pl_serve_pwritev(int fd, const struct iovec *iov, int n, off_t offset);
/* size.c */
long pl_serve_truncate(const char *path, off_t length);
long pl_serve_ftruncate(int fd, off_t length);
long pl_serve_fallocate(int fd, int mode, off_t offset, off_t len);
/* seek.c */
long pl_serve_lseek(int fd, off_t offset, int whence);
/* stat.c; flags: AT_* */
long pl_serve_stat(int dirfd, const char *path, struct stat *st, int flags);
long pl_serve_statx(int dirfd, const char *path, int flags, unsigned mask,
		    struct statx *stx);
/* fcntl.c */
long pl_serve_fcntl(int fd, int command, long argument);
/* copy.c */
long pl_serve_copy(int in, off_t *in_offset, int out, off_t *out_offset,
		   size_t len, unsigned flags);
long pl_serve_sendfile(int out, int in, off_t *offset, size_t len);
long pl_serve_splice(int in, off_t *in_offset, int out, off_t *out_offset,
		     size_t len, unsigned flags);
/* close.c */
long pl_serve_close(int fd);
long pl_serve_close_range(unsigned first, unsigned last, int flags);
long pl_serve_dup(int from);
long pl_serve_dup_to(int from, int to, int flags);
/* views.c */
long pl_serve_mmap(void *addr, size_t len, int prot, int flags, int fd,
		   off_t offset);
long pl_serve_munmap(void *addr, size_t len);
long pl_serve_mremap(void *old_addr, size_t old_len, size_t new_len, int flags,
		     void *new_addr);
long pl_serve_mprotect(void *addr, size_t len, int prot);
long pl_serve_madvise(void *addr, size_t len, int advice);
/* paths.c */
long pl_serve_access(int dirfd, const char *path, int mode);
long pl_serve_change(int dirfd, const char *path);
long pl_serve_change_fd(int fd);
long pl_serve_make(int dirfd, const char *path);
long pl_serve_rename(int from_dir, const char *from, int to_dir,
		     const char *to);
long pl_serve_link(int from_dir, const char *from, int to_dir, const char *to);
long pl_serve_readlink(int dirfd, const char *path, char *buf, size_t len);
/* attributes.c */
long pl_serve_change_at(int dirfd, const char *path, int flags);
long pl_serve_xattr(const char *path, long answer);
long pl_serve_xattr_fd(int fd, long answer);
/* dents.c */
long pl_serve_getdents(int fd, void *buf, size_t len);

#endif
