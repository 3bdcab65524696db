/* SPDX-License-Identifier: MIT */
/*
 * sanitizers.c - programs that were built with a sanitizer.
 *
 * Promise: gcc's address sanitizer starts although it is not the first library
 * in the process. It may well be the second: what we replace is replaced by it
 * as well, and calls ours next.
 * And the thread sanitizer reports nothing of ours.
 * Context: the sanitizer's start, before libc's.
 */
#include <dlfcn.h>
#include <stddef.h>

#include "preload/catch.h"
#include "preload/preload.h"

PL_EXPORT const char *__asan_default_options(void);

PL_EXPORT const char *__tsan_default_suppressions(void);

/* What ASAN_OPTIONS says comes after this, and a program's own before. */
const char *__asan_default_options(void)
{
	return "verify_asan_link_order=0";
}

/* Between processes, or by system calls: what orders us it does not see. */
const char *__tsan_default_suppressions(void)
{
	return "called_from_lib:libmfill-preload.so\n";
}

void pl_sanitizers_start(void)
{
	static const char *const names[] = { "__tsan_init", "__msan_init" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		void (*start)(void) = (void (*)(void))dlsym(RTLD_DEFAULT,
							    names[i]);

		if (start)
			start();
	}
}
