/* SPDX-License-Identifier: MIT */
/*
 * next.c - find the functions that this library replaces.
 *
 * Promise: see next.h.
 * Context: before main(), or the first call of another library's constructor.
 */
#include "preload/next.h"

#include <dlfcn.h>
#include <errno.h>

struct pl_next pl_next;
bool pl_next_found;

static const struct {
	const char *name;
	void **function;
} functions[] = {
#define PL_NEXT_ROW(type, name, arguments) { #name, (void **)&pl_next.name },
	PL_NEXT_LIST(PL_NEXT_ROW) PL_NEXT_CALLS(PL_NEXT_ROW)
#undef PL_NEXT_ROW
};

/* Stands in for what this libc does not have. */
static long missing(void)
{
	errno = ENOSYS;
	return -1;
}

/* Several threads may do this at once: each stores the same. */
void pl_next_find(void)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		void *found = dlsym(RTLD_NEXT, functions[i].name);

		*functions[i].function = found ? found : (void *)missing;
	}
	__atomic_store_n(&pl_next_found, true, __ATOMIC_RELEASE);
}

__attribute__((constructor)) static void find_early(void)
{
	pl_next_find();
}
