/* SPDX-License-Identifier: MIT */
/*
 * die.h - end the process with a sentence about a bug of ours.
 *
 * Promise: the sentence is on stderr before abort().
 * Context: any, signal handlers included.
 */
#ifndef MF_BASE_DIE_H
#define MF_BASE_DIE_H

/* Prints "mfill: where: what" and aborts. */
_Noreturn void mf_die(const char *where, const char *what);

#endif
