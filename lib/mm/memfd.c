/* SPDX-License-Identifier: MIT */
/*
 * memfd.c - memory that other processes can map, too.
 *
 * Context: any.
 */
#include "mm/memfd.h"

#include <linux/memfd.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/sys.h"

/* Where a shell or a select() loop does not look. */
#define FD_MIN 512

int mf_fd_move_up(int fd)
{
	int up = mf_sys.dup_above(fd, FD_MIN);

	/* The limit may be lower than that: then it stays where it is. */
	if (up < 0)
		return fd;
	(void)mf_sys.close(fd);
	return up;
}

int mf_memfd_new(const char *name, uint64_t size)
{
	_cleanup_close_ int fd = mf_sys.memfd_create(
		name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return fd;
	fd = mf_fd_move_up(fd);
	r = mf_sys.ftruncate(fd, size);
	if (r == 0)
		r = mf_sys.seal(fd, F_SEAL_SHRINK | F_SEAL_GROW);
	return r < 0 ? r : TAKE_FD(fd);
}
