/* SPDX-License-Identifier: MIT */
/*
 * next.h - the functions that would be called if this library were not here.
 *
 * Promise: NEXT(read) is the read() of whoever comes after us, nearly always
 * libc's own: a cancellation point where that is one. A function that nobody
 * has fails with ENOSYS.
 * Context: any once our constructor ran; before that not in a signal handler.
 */
#ifndef MF_PRELOAD_NEXT_H
#define MF_PRELOAD_NEXT_H

#include <dirent.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <utime.h>
#include <wchar.h>

#include "preload/next-calls.h"

typedef posix_spawn_file_actions_t pl_actions;

/* clang-format off */
#define PL_NEXT_LIST(X) \
	X(int, open, (const char *, int, ...)) \
	X(int, open64, (const char *, int, ...)) \
	X(int, openat, (int, const char *, int, ...)) \
	X(int, openat64, (int, const char *, int, ...)) \
	X(int, creat64, (const char *, mode_t)) \
	X(int, __open_2, (const char *, int)) \
	X(int, __open64_2, (const char *, int)) \
	X(int, __openat_2, (int, const char *, int)) \
	X(int, __openat64_2, (int, const char *, int)) \
	X(int, close, (int)) \
	X(int, close_range, (unsigned, unsigned, int)) \
	X(int, dup, (int)) \
	X(int, dup2, (int, int)) \
	X(int, dup3, (int, int, int)) \
	X(ssize_t, read, (int, void *, size_t)) \
	X(ssize_t, __read_chk, (int, void *, size_t, size_t)) \
	X(ssize_t, pread64, (int, void *, size_t, off_t)) \
	X(ssize_t, __pread64_chk, (int, void *, size_t, off_t, size_t)) \
	X(ssize_t, readv, (int, const struct iovec *, int)) \
	X(ssize_t, preadv64, (int, const struct iovec *, int, off_t)) \
	X(ssize_t, preadv64v2, (int, const struct iovec *, int, off_t, int)) \
	X(ssize_t, write, (int, const void *, size_t)) \
	X(ssize_t, pwrite64, (int, const void *, size_t, off_t)) \
	X(ssize_t, writev, (int, const struct iovec *, int)) \
	X(ssize_t, pwritev64, (int, const struct iovec *, int, off_t)) \
	X(ssize_t, pwritev64v2, (int, const struct iovec *, int, off_t, int)) \
	X(off_t, lseek64, (int, off_t, int)) \
	X(int, stat64, (const char *, struct stat *)) \
	X(int, lstat64, (const char *, struct stat *)) \
	X(int, fstat64, (int, struct stat *)) \
	X(int, fstatat64, (int, const char *, struct stat *, int)) \
	X(int, __xstat64, (int, const char *, struct stat *)) \
	X(int, __lxstat64, (int, const char *, struct stat *)) \
	X(int, __fxstat64, (int, int, struct stat *)) \
	X(int, __fxstatat64, \
	  (int, int, const char *, struct stat *, int)) \
	X(int, statx, (int, const char *, int, unsigned, struct statx *)) \
	X(int, statfs64, (const char *, struct statfs *)) \
	X(int, statvfs64, (const char *, struct statvfs *)) \
	X(int, access, (const char *, int)) \
	X(int, faccessat, (int, const char *, int, int)) \
	X(int, euidaccess, (const char *, int)) \
	X(int, fcntl64, (int, int, ...)) \
	X(ssize_t, readahead, (int, off_t, size_t)) \
	X(int, fallocate64, (int, int, off_t, off_t)) \
	X(int, posix_fallocate64, (int, off_t, off_t)) \
	X(void *, mmap64, (void *, size_t, int, int, int, off_t)) \
	X(int, munmap, (void *, size_t)) \
	X(void *, mremap, (void *, size_t, size_t, int, ...)) \
	X(int, mprotect, (void *, size_t, int)) \
	X(int, pkey_mprotect, (void *, size_t, int, int)) \
	X(int, madvise, (void *, size_t, int)) \
	X(int, mlock, (const void *, size_t)) \
	X(int, mlock2, (const void *, size_t, unsigned)) \
	X(ssize_t, copy_file_range, \
	  (int, off_t *, int, off_t *, size_t, unsigned)) \
	X(ssize_t, sendfile64, (int, int, off_t *, size_t)) \
	X(ssize_t, splice, (int, off_t *, int, off_t *, size_t, unsigned)) \
	X(ssize_t, vmsplice, (int, const struct iovec *, size_t, unsigned)) \
	X(int, ftruncate64, (int, off_t)) \
	X(int, truncate64, (const char *, off_t)) \
	X(int, unlink, (const char *)) \
	X(int, unlinkat, (int, const char *, int)) \
	X(int, remove, (const char *)) \
	X(int, rename, (const char *, const char *)) \
	X(int, renameat, (int, const char *, int, const char *)) \
	X(int, renameat2, (int, const char *, int, const char *, unsigned)) \
	X(int, link, (const char *, const char *)) \
	X(int, linkat, (int, const char *, int, const char *, int)) \
	X(int, symlink, (const char *, const char *)) \
	X(int, symlinkat, (const char *, int, const char *)) \
	X(int, mkdir, (const char *, mode_t)) \
	X(int, mkdirat, (int, const char *, mode_t)) \
	X(int, mkfifo, (const char *, mode_t)) \
	X(int, mknod, (const char *, mode_t, dev_t)) \
	X(int, mknodat, (int, const char *, mode_t, dev_t)) \
	X(int, chmod, (const char *, mode_t)) \
	X(int, fchmod, (int, mode_t)) \
	X(int, fchmodat, (int, const char *, mode_t, int)) \
	X(int, chown, (const char *, uid_t, gid_t)) \
	X(int, lchown, (const char *, uid_t, gid_t)) \
	X(int, fchown, (int, uid_t, gid_t)) \
	X(int, fchownat, (int, const char *, uid_t, gid_t, int)) \
	X(int, futimens, (int, const struct timespec *)) \
	X(int, futimes, (int, const struct timeval *)) \
	X(int, utimensat, \
	  (int, const char *, const struct timespec *, int)) \
	X(int, futimesat, (int, const char *, const struct timeval *)) \
	X(int, utime, (const char *, const struct utimbuf *)) \
	X(int, utimes, (const char *, const struct timeval *)) \
	X(int, lutimes, (const char *, const struct timeval *)) \
	X(ssize_t, readlink, (const char *, char *, size_t)) \
	X(ssize_t, readlinkat, (int, const char *, char *, size_t)) \
	X(ssize_t, __readlink_chk, (const char *, char *, size_t, size_t)) \
	X(ssize_t, __readlinkat_chk, \
	  (int, const char *, char *, size_t, size_t)) \
	X(char *, realpath, (const char *, char *)) \
	X(char *, __realpath_chk, (const char *, char *, size_t)) \
	X(ssize_t, getxattr, (const char *, const char *, void *, size_t)) \
	X(ssize_t, lgetxattr, (const char *, const char *, void *, size_t)) \
	X(ssize_t, fgetxattr, (int, const char *, void *, size_t)) \
	X(ssize_t, listxattr, (const char *, char *, size_t)) \
	X(ssize_t, llistxattr, (const char *, char *, size_t)) \
	X(ssize_t, flistxattr, (int, char *, size_t)) \
	X(int, setxattr, \
	  (const char *, const char *, const void *, size_t, int)) \
	X(int, lsetxattr, \
	  (const char *, const char *, const void *, size_t, int)) \
	X(int, fsetxattr, (int, const char *, const void *, size_t, int)) \
	X(int, removexattr, (const char *, const char *)) \
	X(int, lremovexattr, (const char *, const char *)) \
	X(int, fremovexattr, (int, const char *)) \
	X(int, inotify_add_watch, (int, const char *, uint32_t)) \
	X(DIR *, opendir, (const char *)) \
	X(DIR *, fdopendir, (int)) \
	X(int, closedir, (DIR *)) \
	X(struct dirent *, readdir64, (DIR *)) \
	X(void, rewinddir, (DIR *)) \
	X(void, seekdir, (DIR *, long)) \
	X(ssize_t, getdents64, (int, void *, size_t)) \
	X(int, scandirat64, \
	  (int, const char *, struct dirent ***, \
	   int (*)(const struct dirent *), \
	   int (*)(const struct dirent **, const struct dirent **))) \
	X(int, nftw64, (const char *, __nftw_func_t, int, int)) \
	X(FTSENT *, fts64_read, (FTS *)) \
	X(int, fts64_close, (FTS *)) \
	X(int, glob64, \
	  (const char *, int, int (*)(const char *, int), glob_t *)) \
	X(FILE *, fopen64, (const char *, const char *)) \
	X(FILE *, freopen64, (const char *, const char *, FILE *)) \
	X(FILE *, fdopen, (int, const char *)) \
	X(wint_t, fgetwc, (FILE *)) \
	X(wint_t, fgetwc_unlocked, (FILE *)) \
	X(wchar_t *, fgetws, (wchar_t *, int, FILE *)) \
	X(wchar_t *, __fgetws_chk, (wchar_t *, size_t, int, FILE *)) \
	X(wint_t, ungetwc, (wint_t, FILE *)) \
	X(int, fwide, (FILE *, int)) \
	X(int, execve, (const char *, char *const[], char *const[])) \
	X(int, execvpe, (const char *, char *const[], char *const[])) \
	X(int, fexecve, (int, char *const[], char *const[])) \
	X(int, execveat, \
	  (int, const char *, char *const[], char *const[], int)) \
	X(int, posix_spawn, \
	  (pid_t *, const char *, const pl_actions *, \
	   const posix_spawnattr_t *, char *const[], char *const[])) \
	X(int, posix_spawnp, \
	  (pid_t *, const char *, const pl_actions *, \
	   const posix_spawnattr_t *, char *const[], char *const[])) \
	X(int, posix_spawn_file_actions_addopen, \
	  (pl_actions *, int, const char *, int, mode_t))
/* clang-format on */

struct pl_next {
#define PL_NEXT_FIELD(type, name, arguments) type(*name) arguments;
	PL_NEXT_LIST(PL_NEXT_FIELD)
	PL_NEXT_CALLS(PL_NEXT_FIELD)
#undef PL_NEXT_FIELD
};

extern struct pl_next pl_next;
extern bool pl_next_found;

/* Look them all up, once. */
void pl_next_find(void);

static inline const struct pl_next *pl_next_table(void)
{
	if (__builtin_expect(!pl_next_found, 0))
		pl_next_find();
	return &pl_next;
}

#define NEXT(name) (pl_next_table()->name)

#endif
