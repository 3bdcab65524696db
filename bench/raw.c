/* SPDX-License-Identifier: MIT */
/*
 * raw.c - faults served by hand.
 */
#include "bench/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
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

static int uffd;

static void copy_unit(char *unit, bool wake)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)unit,
		.src = (uintptr_t)buffer,
		.len = map.unit,
		.mode = wake ? 0 : UFFDIO_COPY_MODE_DONTWAKE,
	};

	bench_read(NULL, buffer, map.unit, (uint64_t)(unit - view));
	if (ioctl(uffd, UFFDIO_COPY, &copy) < 0)
		_exit(1);
}

static char *unit_of(uintptr_t addr)
{
	return view + (((char *)addr - view) & ~(map.unit - 1));
}

static void on_bus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	copy_unit(unit_of((uintptr_t)info->si_addr), false);
}

static void *poll_thread(void *arg)
{
	struct pollfd wanted = { .fd = uffd, .events = POLLIN };
	struct uffd_msg message;

	memset(buffer, 1, sizeof(buffer));
	while (poll(&wanted, 1, -1) > 0) {
		if (read(uffd, &message, sizeof(message)) !=
		    (ssize_t)sizeof(message))
			continue;
		copy_unit(unit_of((uintptr_t)message.arg.pagefault.address),
			  true);
	}
	return arg;
}

static char *raw_uffd(void)
{
	struct sigaction action = { .sa_sigaction = on_bus,
				    .sa_flags = SA_SIGINFO };
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	pthread_t thread;

	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | 1);
	bench_must(uffd < 0 ? -errno : 0, "userfaultfd");
	api.features = UFFD_FEATURE_MISSING_SHMEM |
		       (map.sigbus ? UFFD_FEATURE_SIGBUS : 0);
	bench_must(ioctl(uffd, UFFDIO_API, &api) < 0 ? -errno : 0, "API");
	view = mmap(NULL, map.size, PROT_READ, MAP_SHARED, memfd, 0);
	bench_must(view == MAP_FAILED ? -errno : 0, "mmap");
	range.range.start = (uintptr_t)view;
	range.range.len = map.size;
	bench_must(ioctl(uffd, UFFDIO_REGISTER, &range) < 0 ? -errno : 0,
		   "REGISTER");
	if (map.sigbus)
		sigaction(SIGBUS, &action, NULL);
	else
		pthread_create(&thread, NULL, poll_thread, NULL);
	return view;
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
	if (map.sigbus || map.poll)
		return raw_uffd();
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
