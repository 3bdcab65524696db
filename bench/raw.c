/* SPDX-License-Identifier: MIT */
/*
 * raw.c - faults served by hand.
 */
#include "bench/raw.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/bench.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif

static struct raw map;
static char *view;
static int memfd;
/* As the source would: warm, one per thread. */
static __thread char buffer[64 * 1024] __attribute__((aligned(4096)));

static void on_fault(int sig, siginfo_t *info, void *context)
{
	size_t offset = ((char *)info->si_addr - view) & ~(map.unit - 1);
	char *unit = view + offset;

	(void)sig;
	(void)context;
	if (!map.no_copy)
		bench_read(NULL, buffer, map.unit, offset);
	if (pwrite(memfd, buffer, map.unit, (off_t)offset) != (ssize_t)map.unit)
		_exit(1);
	if (map.mprotect ? mprotect(unit, map.unit, PROT_READ)
			 : madvise(unit, map.unit, MADV_GUARD_REMOVE))
		_exit(1);
}

char *raw_map(const struct raw *raw)
{
	struct sigaction action = { .sa_sigaction = on_fault,
				    .sa_flags = SA_SIGINFO };

	map = *raw;
	memset(buffer, 1, sizeof(buffer));
	memfd = memfd_create("raw", MFD_CLOEXEC);
	bench_must(memfd < 0 ? -errno : 0, "memfd_create");
	bench_must(ftruncate(memfd, (off_t)map.size) < 0 ? -errno : 0,
		   "ftruncate");
	view = mmap(NULL, map.size, map.mprotect ? PROT_NONE : PROT_READ,
		    MAP_SHARED, memfd, 0);
	bench_must(view == MAP_FAILED ? -errno : 0, "mmap");
	if (!map.mprotect)
		bench_must(madvise(view, map.size, MADV_GUARD_INSTALL) < 0
				   ? -errno
				   : 0,
			   "MADV_GUARD_INSTALL");
	sigaction(SIGSEGV, &action, NULL);
	return view;
}
