/* SPDX-License-Identifier: MIT */
/*
 * die.h - end the process with a sentence about a bug of ours.
 *
 * Promise: the sentence is said, as base/log.h says things, before abort().
 * Context: any, signal handlers included.
 */
#ifndef MF_BASE_DIE_H
#define MF_BASE_DIE_H

/* Says "where: what" and aborts. */
_Noreturn void mf_die(const char *where, const char *what);

#endif
