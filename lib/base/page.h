/* SPDX-License-Identifier: MIT */
/*
 * page.h - how large a page is.
 *
 * Context: any.
 */
#ifndef MF_BASE_PAGE_H
#define MF_BASE_PAGE_H

#include <stddef.h>
#include <unistd.h>

/* Where there is one size only, nobody divides by a variable. */
static inline size_t mf_page_size(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return 4096;
#else
	return (size_t)sysconf(_SC_PAGESIZE);
#endif
}

#endif
