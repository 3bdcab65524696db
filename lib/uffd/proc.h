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

/* Pages asked about at once: what fits on any stack. */
#define MF_PROC_PAGES 128

/*
 * Open what the rest needs, once in a process. -EOPNOTSUPP: there is no /proc,
 * or it does not tell.
 */
int mf_proc_open(void);
/* The lowest of the descriptors it has from fd on, or -1. */
int mf_proc_next_fd(int fd);

/* A word of the kernel's for a page of this process. */
#define MF_PROC_EXCLUSIVE (UINT64_C(1) << 56) /* no other process has it */
#define MF_PROC_GUARD	  (UINT64_C(1) << 58) /* Linux 6.15 */
#define MF_PROC_SWAP	  (UINT64_C(1) << 62)
#define MF_PROC_PRESENT	  (UINT64_C(1) << 63)

/* n (at most MF_PROC_PAGES) words, of the pages from start on. */
void mf_proc_pages(uintptr_t start, size_t n, uint64_t *ret_words);

/* There, or swapped out. A guard marker counts, too. */
static inline bool mf_proc_has(uint64_t word)
{
	return word & (MF_PROC_PRESENT | MF_PROC_SWAP);
}

bool mf_proc_present(uintptr_t addr);
/* The page's file has it in memory, whether it is mapped or not. */
bool mf_proc_cached(uintptr_t addr);
/* The same of n pages: bit 0 of a byte each. */
void mf_proc_cached_pages(uintptr_t start, size_t n, unsigned char *ret_bytes);

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

/* Read and write memory whatever its protection is. All of it, or -errno. */
int mf_proc_read(uintptr_t addr, void *bytes, size_t len);
int mf_proc_write(uintptr_t addr, const void *bytes, size_t len);

#endif
