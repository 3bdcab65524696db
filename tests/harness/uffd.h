/* SPDX-License-Identifier: MIT */
/*
 * uffd.h - memory that is registered with a userfaultfd of ours.
 *
 * Promise: what is returned works; the test is skipped by name where it cannot.
 * Context: a TEST() body.
 */
#ifndef MF_HARNESS_UFFD_H
#define MF_HARNESS_UFFD_H

#include <stddef.h>
#include <stdint.h>

#include "base/userfaultfd.h"

/* Anonymous, to be read and written. type: MAP_PRIVATE or MAP_SHARED. */
char *mf_test_memory(size_t len, int type);

/* For user mode, close-on-exec; UFFDIO_API is done. flags: more of them. */
int mf_test_uffd_open(int flags, uint64_t features);
void mf_test_uffd_register(int fd, const void *area, size_t len, uint64_t mode);

/* After it was opened: private pages are hidden by markers. */
void mf_test_uffd_needs_guards(void);

#endif
