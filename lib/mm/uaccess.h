/* SPDX-License-Identifier: MIT */
/*
 * uaccess.h - touch memory without taking a fault.
 *
 * Promise: a copy either succeeds or says how much is missing; it never
 * raises a signal and never starts a fill.
 * Context: any, signal handlers included.
 */
#ifndef MF_MM_UACCESS_H
#define MF_MM_UACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Copy and return the bytes NOT copied; exact at a page border. Needs the
 * fault handlers of lib/fault installed.
 */
size_t mf_copy_nofault(void *dst, const void *src, size_t len);

/*
 * Given the instruction a fault happened at: whether it is one of the copies
 * above, and where to go on instead.
 */
bool mf_uaccess_fixup(uintptr_t ip, uintptr_t *ret_ip);

/*
 * From here to the matching enable no fault of this thread reaches a source.
 * Nests. A touch of a missing page outside mf_copy_nofault() is then a bug,
 * and handled as a fault that is not ours.
 */
void mf_pagefault_disable(void);
void mf_pagefault_enable(void);
bool mf_pagefault_disabled(void);

#endif
