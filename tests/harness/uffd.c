/* SPDX-License-Identifier: MIT */
/*
 * uffd.c - memory that is registered with a userfaultfd of ours.
 *
 * Context: see uffd.h.
 */
#include "harness/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "harness/harness.h"
#include "mfill.h"
#include "uffd/hide.h"

char *mf_test_memory(size_t len, int type)
{
	char *area = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  type | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(area, MAP_FAILED);
	return area;
}

int mf_test_uffd_open(int flags, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = mfill_uffd_open(flags | O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd == -EOPNOTSUPP)
		SKIP("/proc");
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_API, &api), 0);
	return fd;
}

void mf_test_uffd_register(int fd, const void *area, size_t len, uint64_t mode)
{
	struct uffdio_register args = {
		.range = { (uintptr_t)area, len },
		.mode = mode,
	};

	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_REGISTER, &args), 0);
}

void mf_test_uffd_needs_guards(void)
{
	if (mf_hide_best(false) != &mf_hide_guard)
		SKIP("guard markers (Linux 6.13)");
}
