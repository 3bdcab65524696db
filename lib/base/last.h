/* SPDX-License-Identifier: MIT */
/*
 * last.h - a process ends with its last thread, as if ours were not there.
 *
 * Promise: where the main thread has ended and the process has not, as after
 * pthread_exit(), it ends a moment after the program's last thread, in libc's
 * way: exit(0). While there is a thread of the program's, or where /proc is
 * not mounted, it does not.
 * Context: normal, no lock held.
 *
 * For libc each thread counts, and it calls exit() in the last one, which
 * would never come.
 */
#ifndef MF_BASE_LAST_H
#define MF_BASE_LAST_H

/* In a new thread of ours, before anything else: it does not count. */
void mf_last_mark_thread(void);

/* There is a thread of ours. */
void mf_last_have_threads(void);

#endif
