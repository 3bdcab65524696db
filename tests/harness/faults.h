/* SPDX-License-Identifier: MIT */
/*
 * faults.h - make the n-th system call fail, for every n.
 *
 * Promise: each run is a fresh process in which the n-th call through mf_sys
 * fails, n = 1, 2, 3 … until a run meets no failure; all of that twice, once
 * with one failure and once with it and all later calls failing.
 * Context: a TEST() body.
 */
#ifndef MF_HARNESS_FAULTS_H
#define MF_HARNESS_FAULTS_H

/*
 * setup() makes something and takes it down again; it returns 0, also when it
 * found a way around the failure, or -errno. A run fails the test when it
 * dies, leaves a descriptor or a mapping of mfill's behind, returns anything
 * else, or fails although no call did.
 *
 * error: what failing calls return, such as ENOMEM (calloc: NULL). Calls that
 * give something back (close, munmap) do so, and then say that they failed.
 *
 * Returns how many calls setup() makes when none fails.
 */
#define FAULTS(error, setup) \
	mf_faults((error), (setup), #setup, __FILE__, __LINE__)

unsigned mf_faults(int error, int (*setup)(void), const char *name,
		   const char *file, int line);

#endif
