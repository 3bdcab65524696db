/* SPDX-License-Identifier: MIT */
/*
 * backend.c - the lists of backends, best first.
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
#include "backends/uffd.h"
#include "base/check.h"
#include "base/cleanup.h"
#include "base/sys.h"

/*
 * Measured by bench/backends.c and bench/uffd.c. A fault that is filled by the
 * faulting thread is as quick on both where units have 64 KiB, and with guards
 * there is no keeper to be made in each child of a fork(). With handler threads
 * userfaultfd takes half the time when these run on the same processor, and
 * several times as long when they do not; but where the kernel lets us, system
 * calls wait for pages, and that counts for more.
 */
static const struct mf_backend *const best_alone[] = {
	&mf_backend_guard,
	&mf_backend_uffd,
	&mf_backend_mprotect,
};
static const struct mf_backend *const best_for_calls[] = {
	&mf_backend_uffd,
	&mf_backend_guard,
	&mf_backend_mprotect,
};
#define N_BACKENDS (sizeof(best_alone) / sizeof(best_alone[0]))

/* That says nothing about the backend: there was no way to try it. */
static bool could_not_try(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

static int try(const struct mf_backend *backend, int delivery)
{
	int r = backend->probe();

	if (r == 0 && backend == &mf_backend_uffd &&
	    delivery == MFILL_DELIVER_THREAD)
		r = mf_uffd_probe_messages(NULL);
	return r;
}

static bool serves_system_calls(void)
{
	bool kernel = false;

	return mf_uffd_probe_messages(&kernel) == 0 && kernel;
}

int mf_backend_choose(int id, int delivery, const struct mf_backend **ret)
{
	const struct mf_backend *const *backends = best_alone;

	/* Who looks for locks held over a touch must see the touch. */
	if (delivery == MFILL_DELIVER_THREAD && !mf_check &&
	    id == MFILL_BACKEND_AUTO && serves_system_calls())
		backends = best_for_calls;
	for (size_t i = 0; i < N_BACKENDS; i++) {
		int r;

		if (id != MFILL_BACKEND_AUTO && id != backends[i]->id)
			continue;
		r = try(backends[i], delivery);
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
