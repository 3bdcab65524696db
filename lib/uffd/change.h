/* SPDX-License-Identifier: MIT */
/*
 * change.h - the program changes mappings in which something is registered.
 *
 * Promise: what the kernel makes of registrations, protections and messages
 * then; no page that was dropped is ever seen as zeros where its touch is to
 * be announced. An event blocks who caused it until it is read.
 * Context: not in a signal handler, no lock held.
 *
 * Each makes the system call of that name, and says what that says. -ENOENT
 * (which none of them returns): nothing is registered there, and nothing was
 * done.
 */
#ifndef MF_UFFD_CHANGE_H
#define MF_UFFD_CHANGE_H

#include <stddef.h>
#include <stdint.h>

int mf_uffd_munmap(void *addr, size_t len);
/* With MAP_FIXED only. */
int mf_uffd_mmap(void *addr, size_t len, int prot, int flags, int fd,
		 uint64_t offset, void **ret_addr);
int mf_uffd_mprotect(void *addr, size_t len, int prot);
int mf_uffd_madvise(void *addr, size_t len, int advice);
int mf_uffd_mremap(void *old_addr, size_t old_len, size_t new_len, int flags,
		   void *new_addr, void **ret_addr);
/*
 * Before a part of a file in memory loses its pages: [offset, offset + len) of
 * what fd is, whoever has it mapped.
 */
void mf_uffd_punch(int fd, uint64_t offset, uint64_t len);

#endif
