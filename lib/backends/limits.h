/* SPDX-License-Identifier: MIT */
/*
 * limits.h - how many mappings the kernel lets a process have.
 *
 * Context: mf_max_map_count: any; the first call of a process not in a signal
 * handler.
 */
#ifndef MF_BACKENDS_LIMITS_H
#define MF_BACKENDS_LIMITS_H

/* vm.max_map_count, or the kernel's default where that cannot be read. */
long mf_max_map_count(void);

#endif
