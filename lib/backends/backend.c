/* SPDX-License-Identifier: MIT */
/*
 * backend.c - the list of backends, best first.
 *
 * Context: not in a signal handler.
 */
#include "backends/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/limits.h"
#include "base/cleanup.h"
#include "base/sys.h"

static const struct mf_backend *const backends[] = {
	&mf_backend_guard,
	&mf_backend_uffd,
	&mf_backend_mprotect,
};

/* That says nothing about the backend: there was no way to try it. */
static bool could_not_try(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

int mf_backend_choose(int id, const struct mf_backend **ret)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		int r;

		if (id != MFILL_BACKEND_AUTO && id != backends[i]->id)
			continue;
		r = backends[i]->probe();
		if (r == 0)
			*ret = backends[i];
		if (r == 0 || could_not_try(r))
			return r;
		if (id != MFILL_BACKEND_AUTO)
			return -EOPNOTSUPP;
	}
	return id == MFILL_BACKEND_AUTO ? -EOPNOTSUPP : -EINVAL;
}

int mf_backend_try(int prot, int (*trial)(char *page, size_t size, int fd))
{
	_cleanup_close_ int fd = mf_sys.memfd_create("mfill-probe", 1);
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page;
	int r;

	if (fd < 0)
		return fd;
	r = mf_sys.ftruncate(fd, size);
	if (r == 0)
		r = mf_sys.mmap(NULL, size, prot, MAP_SHARED, fd, 0, &page);
	if (r < 0)
		return r;
	r = trial(page, size, fd);
	(void)mf_sys.munmap(page, size);
	return r;
}

long mf_max_map_count(void)
{
	static long count; /* the same whoever reads it, so no lock */
	long known = __atomic_load_n(&count, __ATOMIC_RELAXED);
	_cleanup_close_ int fd = -EBADF;
	char text[32];
	ssize_t n = 0;

	if (known)
		return known;
	fd = mf_sys.open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC, 0);
	if (fd >= 0)
		n = mf_sys.pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	known = strtol(text, NULL, 10);
	if (known <= 0)
		known = 65530; /* DEFAULT_MAX_MAP_COUNT in Linux */
	__atomic_store_n(&count, known, __ATOMIC_RELAXED);
	return known;
}
