/* SPDX-License-Identifier: MIT */
/*
 * names.c - prints what it finds in a directory, by all the ways there are.
 *
 * Promise: the output depends on names and sizes alone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SHOW(expression) \
	printf("%s: %lld\n", #expression, (long long)(expression))
#define SHOW_ERROR(expression)                                                \
	do {                                                                  \
		int failed_ = (expression) == -1;                             \
		printf("%s: %d %s\n", #expression, failed_, strerror(errno)); \
	} while (0)

static char *lines[200];
static size_t n_lines;

static void add(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(&lines[n_lines++], format, args) < 0)
		abort();
	va_end(args);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Directories have no order. */
static void print_sorted(const char *title)
{
	qsort(lines, n_lines, sizeof(*lines), compare);
	printf("%s:\n", title);
	for (size_t i = 0; i < n_lines; i++) {
		printf("  %s\n", lines[i]);
		free(lines[i]);
	}
	n_lines = 0;
}

static void add_entry(const struct dirent *entry)
{
	struct stat st;

	stat(entry->d_name, &st);
	add("%s %d %d", entry->d_name, entry->d_type,
	    st.st_ino == entry->d_ino);
}

/* Deprecated, and used all the same. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void entries(void)
{
	DIR *dir = opendir(".");
	struct dirent *entry, **list, one;
	int n, fd;

	for (int round = 0; round < 2; round++) {
		while ((entry = readdir(dir)) != NULL)
			add_entry(entry);
		print_sorted("readdir");
		rewinddir(dir);
	}
	while (readdir_r(dir, &one, &entry) == 0 && entry)
		add_entry(entry);
	print_sorted("readdir_r");
	closedir(dir);
	n = scandir(".", &list, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		printf("scandir %s\n", list[i]->d_name);
		free(list[i]);
	}
	free(list);
	fd = open(".", O_RDONLY | O_DIRECTORY);
	for (;;) {
		char buf[400];
		long len = syscall(SYS_getdents64, fd, buf, sizeof(buf));

		if (len <= 0)
			break;
		for (long at = 0; at < len;) {
			entry = (struct dirent *)(buf + at);
			add_entry(entry);
			at += entry->d_reclen;
		}
	}
	print_sorted("getdents64");
	close(fd);
}

static int on_entry(const char *path, const struct stat *st, int flag,
		    struct FTW *where)
{
	add("%s %lld %d %d %d", path,
	    S_ISREG(st->st_mode) ? (long long)st->st_size : -1, flag,
	    where->base, where->level);
	return 0;
}

static int on_ftw(const char *path, const struct stat *st, int flag)
{
	add("%s %d %d", path, S_ISREG(st->st_mode), flag);
	return 0;
}

static void walks(const char *path)
{
	char *roots[] = { (char *)"sub", (char *)path, NULL };
	FTSENT *entry;
	glob_t found;
	FTS *fts;

	nftw("sub", on_entry, 10, FTW_PHYS);
	print_sorted("nftw");
	nftw("sub", on_entry, 10, FTW_DEPTH);
	print_sorted("nftw, depth first");
	nftw(path, on_entry, 10, 0);
	print_sorted("nftw of a file");
	ftw("sub", on_ftw, 10);
	print_sorted("ftw");
	fts = fts_open(roots, FTS_PHYSICAL, NULL);
	while ((entry = fts_read(fts)) != NULL)
		add("%s %s %d %d %lld", entry->fts_path, entry->fts_name,
		    entry->fts_info, entry->fts_level,
		    S_ISREG(entry->fts_statp->st_mode)
			    ? (long long)entry->fts_statp->st_size
			    : -1);
	fts_close(fts);
	print_sorted("fts");
	glob("*[a-z]", 0, NULL, &found);
	glob("sub/b*", GLOB_APPEND | GLOB_MARK, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		printf("glob %s\n", found.gl_pathv[i]);
	globfree(&found);
}

static void print_stat(const char *how, int r, const struct stat *st)
{
	printf("%s: %d %o %lld %d %d\n", how, r, st->st_mode & S_IFMT,
	       (long long)st->st_size, (int)st->st_nlink,
	       (long long)st->st_blocks * 512 >= st->st_size);
}

static void status(const char *path)
{
	int fd = open(path, O_RDONLY), at = open("sub", O_PATH);
	struct stat st, first;
	struct statx stx;
	struct statvfs vfs;
	void *volatile none = NULL; /* as Rust asks whether statx() is there */

	print_stat("stat", stat(path, &first), &first);
	print_stat("lstat", lstat(path, &st), &st);
	SHOW(memcmp(&st, &first, offsetof(struct stat, st_atim)));
	print_stat("fstat", fstat(fd, &st), &st);
	SHOW(memcmp(&st, &first, offsetof(struct stat, st_atim)));
	SHOW(memcmp(&st.st_mtim, &first.st_mtim, sizeof(st.st_mtim)));
	print_stat("fstatat", fstatat(at, "big.txt", &st, 0), &st);
	print_stat("empty", fstatat(fd, "", &st, AT_EMPTY_PATH), &st);
	SHOW(memcmp(&st, &first, offsetof(struct stat, st_atim)));
	SHOW(syscall(SYS_newfstatat, AT_FDCWD, path, &st, 0));
	SHOW(st.st_ino == first.st_ino);
	SHOW(syscall(SYS_statx, AT_FDCWD, path, 0, STATX_ALL, &stx));
	SHOW(stx.stx_size);
	SHOW(syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, path, O_RDONLY)));
	SHOW(statx(AT_FDCWD, path, 0, STATX_ALL, &stx));
	SHOW(stx.stx_size);
	SHOW(stx.stx_ino == first.st_ino);
	SHOW(stx.stx_mtime.tv_sec == first.st_mtim.tv_sec);
	SHOW(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &stx));
	SHOW(stx.stx_size);
	SHOW_ERROR(statx(0, none, 0, STATX_ALL, none));
	SHOW(statvfs(path, &vfs));
	SHOW_ERROR(open(path, O_RDONLY | O_DIRECTORY));
	SHOW_ERROR(open(path, O_RDONLY | O_CREAT | O_EXCL, 0600));
	SHOW(openat(at, "big.txt", O_RDONLY | O_NOFOLLOW) > 0);
	SHOW(openat(at, "../data", O_RDONLY) > 0);
	SHOW(openat(at, "./../sub//./big.txt", O_RDONLY) > 0);
	SHOW(access(path, F_OK));
	SHOW(access(path, R_OK));
	SHOW_ERROR(access(path, X_OK));
	SHOW(faccessat(at, "big.txt", R_OK, AT_EACCESS));
	SHOW(euidaccess(path, R_OK));
}

static void rest(const char *path)
{
	char *full = realpath(path, NULL), buf[PATH_MAX], value[10];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	printf("realpath %s\n", strrchr(full, '/'));
	snprintf(buf, sizeof(buf), "/proc/self/fd/%d", fd);
	n = readlink(buf, value, sizeof(value));
	SHOW(n);
	SHOW(memcmp(value, full, (size_t)n));
	free(full);
	full = realpath(buf, NULL);
	printf("realpath %s\n", strrchr(full, '/'));
	SHOW_ERROR(readlink(path, buf, sizeof(buf)));
	SHOW_ERROR(getxattr(path, "user.nothing", value, sizeof(value)));
	SHOW_ERROR(fgetxattr(fd, "user.nothing", value, sizeof(value)));
	SHOW(listxattr(path, buf, sizeof(buf)));
	SHOW(flistxattr(fd, buf, sizeof(buf)));
	SHOW_ERROR(mkdir(path, 0700));
	SHOW_ERROR(symlink("x", path));
	SHOW_ERROR(mkfifo(path, 0700));
	free(full);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	entries();
	walks(argv[1]);
	status(argv[1]);
	rest(argv[1]);
	return 0;
}
