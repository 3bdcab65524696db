/* SPDX-License-Identifier: MIT */
/*
 * reach.c - whether the preload library gets into a program.
 *
 * Context: any: no malloc, no stdio.
 */
#include "run/reach.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "base/syscall.h"

#if defined(__x86_64__) && defined(__LP64__)
#define MACHINE EM_X86_64
#define LOADER	"ld-linux-x86-64.so.2"
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#define LOADER	"ld-linux-aarch64.so.1"
#else
#define MACHINE EM_NONE
#define LOADER	"ld-linux.so.2"
#endif

/* The kernel's limit: a script may name a script, and so on. */
#define SCRIPTS_MAX 4
/* More program headers than that no linker makes. */
#define HEADERS_MAX 64

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The dynamic linker would run in secure mode, which ignores LD_PRELOAD. */
static bool gains_privileges(int fd, const struct stat *st)
{
	long uid = mf_syscall(SYS_getuid, 0, 0, 0, 0, 0, 0);
	long gid = mf_syscall(SYS_getgid, 0, 0, 0, 0, 0, 0);
	char caps[64];

	/* A promise of this process that no program it starts gains any. */
	if (mf_syscall(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0, 0) == 1)
		return false;
	if ((st->st_mode & S_ISUID) && (long)st->st_uid != uid)
		return true;
	if ((st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	    (long)st->st_gid != gid)
		return true;
	/* Root has them already. */
	return uid != 0 &&
	       mf_syscall(SYS_fgetxattr, fd, (long)"security.capability",
			  (long)caps, sizeof(caps), 0, 0) > 0;
}

/* The path of the dynamic linker, or "" when the file names none. */
static int read_loader(int fd, const Elf64_Ehdr *header, char *ret, size_t size)
{
	for (unsigned i = 0; i < header->e_phnum && i < HEADERS_MAX; i++) {
		uint64_t at = header->e_phoff + i * sizeof(Elf64_Phdr);
		Elf64_Phdr program;
		ssize_t n = mf_sys.pread(fd, &program, sizeof(program), at);

		if (n != sizeof(program))
			return -EIO;
		if (program.p_type != PT_INTERP)
			continue;
		n = mf_sys.pread(fd, ret, size - 1, program.p_offset);
		if (n < 0)
			return (int)n;
		ret[n] = '\0';
		return 0;
	}
	*ret = '\0';
	return 0;
}

static enum mf_reach reach_elf(int fd, const Elf64_Ehdr *header,
			       const char *path)
{
	char loader[256];

	if (header->e_ident[EI_CLASS] != ELFCLASS64 ||
	    header->e_machine != MACHINE ||
	    header->e_phentsize != sizeof(Elf64_Phdr))
		return MF_REACH_MACHINE;
	if (read_loader(fd, header, loader, sizeof(loader)) < 0)
		return MF_REACH_YES;
	if (!*loader) /* the dynamic linker itself, called by name, is fine */
		return strcmp(last_part(path), LOADER) ? MF_REACH_STATIC
						       : MF_REACH_YES;
	return strcmp(last_part(loader), LOADER) ? MF_REACH_LIBC : MF_REACH_YES;
}

/* "#! /bin/sh -e": the word behind the two characters. */
static bool read_interpreter(const char *start, size_t n, char ret[256])
{
	const char *from = start + 2, *end = start + n;
	size_t len = 0;

	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	while (from + len < end && !strchr(" \t\r\n", from[len]) && len < 255)
		len++;
	memcpy(ret, from, len);
	ret[len] = '\0';
	return len > 0;
}

/* One file. True: it is a script, and its interpreter is to be looked at. */
static bool look(const char *path, enum mf_reach *ret, char interpreter[256])
{
	union {
		Elf64_Ehdr elf;
		char text[256];
	} start;
	_cleanup_close_ int fd = mf_sys.open(path, O_RDONLY | O_CLOEXEC, 0);
	struct stat st;
	ssize_t n;

	*ret = MF_REACH_YES;
	if (fd < 0 || mf_sys.fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	n = mf_sys.pread(fd, &start, sizeof(start), 0);
	if (n > 2 && start.text[0] == '#' && start.text[1] == '!')
		return read_interpreter(start.text, (size_t)n, interpreter);
	if (n < (ssize_t)sizeof(start.elf) ||
	    memcmp(start.elf.e_ident, ELFMAG, SELFMAG) != 0)
		return false;
	*ret = reach_elf(fd, &start.elf, path);
	if (*ret == MF_REACH_YES && gains_privileges(fd, &st))
		*ret = MF_REACH_PRIVILEGED;
	return false;
}

enum mf_reach mf_reach(const char *path, char interpreter[256])
{
	enum mf_reach reach;

	*interpreter = '\0';
	for (int i = 0; look(path, &reach, interpreter); i++) {
		if (i == SCRIPTS_MAX)
			return MF_REACH_YES; /* the kernel will refuse it */
		path = interpreter;
	}
	return reach;
}

const char *mf_reach_says(enum mf_reach reach)
{
	switch (reach) {
	case MF_REACH_STATIC:
		return "is statically linked, and maps can only be shown to "
		       "programs that use the C library of the system";
	case MF_REACH_MACHINE:
		return "is made for another kind of machine than mfill, so it "
		       "does not see the maps";
	case MF_REACH_LIBC:
		return "uses another C library than mfill, so it does not see "
		       "the maps";
	case MF_REACH_PRIVILEGED:
		return "runs with privileges of its own (set-user-ID or "
		       "capabilities), so it does not see the maps";
	default:
		return "sees the maps";
	}
}
