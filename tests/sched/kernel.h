/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - the kernel that the explorer's threads run on.
 *
 * Promise: files, address spaces and robust mutexes behave as Linux has them,
 * as far as the engine uses them; each access to one is a point.
 *
 * A page of a file has two words: its first and its last. An address space has
 * 14 pages; page n is at address (n + 1) * 4096, where no real memory is. From
 * page MFX_WINDOW on they are the pages of the next process, as ptrace() and
 * process_vm_readv() see them: a fault there is the other process's.
 */
#ifndef MF_SCHED_KERNEL_H
#define MF_SCHED_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MFX_PAGE   4096U
#define MFX_PAGES  14U
#define MFX_WINDOW 8U

static inline uintptr_t mfx_address(unsigned page)
{
	return (page + 1) * (uintptr_t)MFX_PAGE;
}

static inline bool mfx_is_window(uintptr_t addr)
{
	return addr >= mfx_address(MFX_WINDOW) && addr < mfx_address(MFX_PAGES);
}

unsigned mfx_next_process(void);

static inline bool mfx_is_address(uintptr_t addr)
{
	return addr < (MFX_PAGES + 1) * MFX_PAGE;
}

/* In the process that runs: as mmap() of a file, hidden by a guard. */
void mfx_kernel_map(uintptr_t addr, int fd, uint64_t offset);
/* As MADV_GUARD_REMOVE of one page. */
void mfx_kernel_show(uintptr_t addr);

/*
 * The word at offset 0 or 4088 of a page, as a load instruction gets it. False:
 * a fault. *ret_entry: what was mapped there, to notice that it changed.
 */
bool mfx_kernel_load(uintptr_t addr, uint64_t *ret_value, uint64_t *ret_entry);
/* An eventfd, as the first descriptor: wait until it holds something. */
#define MFX_EVENT_FD 200
void mfx_kernel_poll(int fd);
/* No point. */
bool mfx_kernel_readable(int fd);

/* Whether the page may be touched now; no point. */
bool mfx_kernel_is_open(uintptr_t addr);

#endif
