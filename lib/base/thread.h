/* SPDX-License-Identifier: MIT */
/*
 * thread.h - start a thread of our own.
 *
 * Promise: the thread runs when the call returns; and whoever forks meanwhile
 * waits until it does. In its start a thread may hold locks that no fork
 * handler knows of, a sanitizer's, for one, and a child that starts a thread,
 * too, would wait for them for ever.
 * Context: not in a signal handler, no lock held.
 */
#ifndef MF_BASE_THREAD_H
#define MF_BASE_THREAD_H

/* Detached. 0, or -errno. */
int mf_thread_start(void *(*fn)(void *arg), void *arg);

#endif
