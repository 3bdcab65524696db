/* SPDX-License-Identifier: MIT */
/*
 * thread.h - start a thread of our own.
 *
 * Promise: the thread runs when the call returns; so a caller that forks next
 * finds it past its start, in which it may hold locks that no fork handler
 * knows of: a sanitizer's, for one, and the child would wait for them for ever.
 * Context: not in a signal handler, no lock held.
 */
#ifndef MF_BASE_THREAD_H
#define MF_BASE_THREAD_H

/* Detached. 0, or -errno. */
int mf_thread_start(void *(*fn)(void *arg), void *arg);

#endif
