/* SPDX-License-Identifier: MIT */
/*
 * reader.h - handler threads for faults that the kernel tells of by messages.
 *
 * Promise: the kernel's queue is emptied before anything is filled, and while
 * one thread fills, another waits for the next message; each message ends in a
 * page or an error.
 * Context: not in a signal handler.
 */
#ifndef MF_FAULT_READER_H
#define MF_FAULT_READER_H

/* Have handler threads. -EOPNOTSUPP: no messages here. */
int mf_reader_start(void);

#endif
