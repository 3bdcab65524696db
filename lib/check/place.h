/* SPDX-License-Identifier: MIT */
/*
 * place.h - what an address is called in every process: a file and an address
 * in it.
 *
 * Promise: two processes that have the same thing call it the same.
 * Context: any, signal handlers included. The first time something lies where
 * nobody has looked yet, /proc/self/maps is read: no malloc, no lock of the
 * dynamic linker's.
 */
#ifndef MF_CHECK_PLACE_H
#define MF_CHECK_PLACE_H

#include "check/table.h"

/*
 * Where an address of code, or of something static, lies. Module 0 when that
 * is in no file, or cannot be found out.
 */
mf_check_site mf_check_place(struct mf_check_table *table, uintptr_t addr);
/* The same for data: no module that nobody has seen yet is looked for. */
mf_check_site mf_check_place_known(uintptr_t addr);

/* A number for an address in shared memory; 0: it is not. Always slow. */
uint64_t mf_check_place_shared(uintptr_t addr);

#endif
