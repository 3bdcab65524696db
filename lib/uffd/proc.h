/* SPDX-License-Identifier: MIT */
/*
 * proc.h - what the kernel says of this process's memory.
 *
 * Context: open: not in a signal handler. The rest: any.
 */
#ifndef MF_UFFD_PROC_H
#define MF_UFFD_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Open what the rest needs, once in a process. -EOPNOTSUPP: this kernel or
 * this /proc cannot say it (Linux 6.15).
 */
int mf_proc_open(void);
/* The lowest of the descriptors it has from fd on, or -1. */
int mf_proc_next_fd(int fd);

enum mf_proc_page {
	MF_PROC_NONE,	 /* never touched, or dropped */
	MF_PROC_GUARD,	 /* a guard marker */
	MF_PROC_PRESENT, /* there, or swapped out */
};
/* What this process has at the page addr. */
enum mf_proc_page mf_proc_page(uintptr_t addr);
/* The page's file has it in memory, whether it is mapped or not. */
bool mf_proc_cached(uintptr_t addr);

enum mf_proc_kind {
	MF_PROC_OTHER,
	MF_PROC_PRIVATE, /* anonymous */
	MF_PROC_SHARED,	 /* anonymous or in memory only */
};
struct mf_proc_vma {
	uintptr_t start, end;
	int prot; /* PROT_* */
	enum mf_proc_kind kind;
	uint64_t inode, offset; /* of the file; offset of start */
};
/* The mapping at addr, or the next one above. -ENOENT: none. */
int mf_proc_vma(uintptr_t addr, struct mf_proc_vma *ret);

/* Write to memory whatever its protection is. All of it, or -errno. */
int mf_proc_write(uintptr_t addr, const void *bytes, size_t len);

#endif
