/* SPDX-License-Identifier: MIT */
/*
 * reach.h - whether the preload library gets into a program.
 *
 * Promise: what is said to be out of reach is; what cannot be looked into is
 * taken to be in reach.
 * Context: any.
 */
#ifndef MF_RUN_REACH_H
#define MF_RUN_REACH_H

enum mf_reach {
	MF_REACH_YES,
	MF_REACH_STATIC,     /* no dynamic linker, so nothing is preloaded */
	MF_REACH_MACHINE,    /* for another machine, or in 32 bits */
	MF_REACH_LIBC,	     /* another C library than ours */
	MF_REACH_PRIVILEGED, /* it gains privileges: preloading is refused */
};

/*
 * The program at path, or the interpreter of the script there, whose path is
 * then in interpreter: "" when path itself is the program.
 */
enum mf_reach mf_reach(const char *path, char interpreter[256]);

/* How a sentence goes on that begins with the program's name. */
const char *mf_reach_says(enum mf_reach reach);

#endif
