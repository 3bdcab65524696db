/* SPDX-License-Identifier: MIT */
/*
 * sys.h - the system calls mfill makes, behind one table.
 *
 * Promise: every call returns a result or -errno and leaves errno alone.
 * Context: any, signal handlers included, except where a line says otherwise.
 *
 * Tests swap entries to make a facility disappear or a call fail (FAULTS() in
 * tests/harness). Nobody else writes to the table.
 */
#ifndef MF_BASE_SYS_H
#define MF_BASE_SYS_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

struct mf_sys {
	/* On failure *ret_addr is untouched. offset counts in bytes. */
	int (*mmap)(void *addr, size_t len, int prot, int flags, int fd,
		    uint64_t offset, void **ret_addr);
	int (*munmap)(void *addr, size_t len);
	int (*mprotect)(void *addr, size_t len, int prot);
	int (*madvise)(void *addr, size_t len, int advice);
	int (*memfd_create)(const char *name, unsigned flags);
	int (*ftruncate)(int fd, uint64_t size);
	/* Add F_SEAL_* to a memfd. */
	int (*seal)(int fd, int seals);
	int (*fallocate)(int fd, int mode, uint64_t offset, uint64_t len);
	int (*open)(const char *path, int flags, mode_t mode);
	int (*close)(int fd);
	/* Return a file descriptor >= min, close-on-exec. */
	int (*dup_above)(int fd, int min);
	/* From now on this thread has descriptors of its own, and only fd. */
	int (*keep_only)(int fd);
	int (*fstat)(int fd, struct stat *st);
	int (*ioctl)(int fd, unsigned long request, void *arg);
	ssize_t (*pread)(int fd, void *buf, size_t len, uint64_t offset);
	ssize_t (*pwrite)(int fd, const void *buf, size_t len, uint64_t offset);
	/* May wait, where the descriptor is not non-blocking. */
	ssize_t (*read)(int fd, void *buf, size_t len);
	ssize_t (*write)(int fd, const void *buf, size_t len);
	int (*userfaultfd)(int flags);
	/* Non-blocking, close-on-exec. */
	int (*eventfd)(void);
	int (*sigaltstack)(const stack_t *ss, stack_t *old);
	int (*sigaction)(int sig, const struct sigaction *act,
			 struct sigaction *old);
	/* Not in a signal handler: they allocate. */
	void *(*calloc)(size_t n, size_t size);
	int (*thread_create)(void *(*fn)(void *), void *arg); /* thread.h */
};

extern struct mf_sys mf_sys;

/* Read or write all len bytes; a short file gives -EIO. EINTR is retried. */
int mf_pread_full(int fd, void *buf, size_t len, uint64_t offset);
int mf_pwrite_full(int fd, const void *buf, size_t len, uint64_t offset);

#endif
