/* SPDX-License-Identifier: MIT */
/*
 * needs.h - what not every kernel has, and emulators have not at all.
 *
 * Promise: each function tries it out, and skips the test by name where it
 * does not work.
 * Context: a TEST() body, before it makes threads.
 */
#ifndef MF_HARNESS_NEEDS_H
#define MF_HARNESS_NEEDS_H

#include <stdbool.h>

/* Markers that hide a page of a memfd. qemu-user takes the advice for good. */
void mf_test_needs_guards(void);
/* That a dead thread's mutex says so. */
void mf_test_needs_robust_mutexes(void);
bool mf_test_has_robust_mutexes(void);
/* A vfork() whose child writes to our memory; in qemu-user it is fork(). */
void mf_test_needs_vfork(void);
/*
 * A crash that is handed back to the kernel as it came. qemu-user takes a
 * signal like this for a bug of its own.
 */
void mf_test_needs_crashes(void);
/* Threads in a child whose parent has threads. Some qemu-user ends there. */
void mf_test_needs_threads_after_fork(void);
/* A process with the threads that it made, and no others, in /proc. */
void mf_test_needs_own_threads_only(void);
/* MADV_DONTDUMP, and smaps to see it. qemu-user keeps the advice to itself. */
void mf_test_needs_dontdump(void);
/*
 * A terabyte of free addresses, which thread sanitizer leaves only where it is
 * lucky, mapped without a loop over its pages, as qemu-user does.
 */
void mf_test_needs_a_terabyte(void);
/*
 * /proc/self/maps as it is when it is read. With qemu-user it stays as it was
 * when it was opened.
 */
void mf_test_needs_maps(void);
/* Memory that is empty in a child made without fork(). */
void mf_test_needs_wipe_on_fork(void);

#endif
