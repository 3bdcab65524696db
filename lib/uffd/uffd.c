/* SPDX-License-Identifier: MIT */
/*
 * uffd.c - userfaultfd(2) without the kernel's: open, read, close.
 *
 * Promise: a descriptor is readable while there is a message; whoever waits
 * for a page goes on when the last one is closed.
 * Context: not in a signal handler.
 */
#include "uffd/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/sys.h"
#include "fault/signal.h"
#include "uffd/fork.h"
#include "uffd/lookout.h"
#include "uffd/proc.h"
#include "uffd/range.h"
#include "uffd/remote.h"
#include "uffd/table.h"
#include "uffd/touch.h"

/* Open and close */

/* An eventfd with these flags. */
static int new_event(int flags)
{
	int fd = mf_sys.eventfd(), r = 0;

	if (fd < 0)
		return fd;
	if (!(flags & O_CLOEXEC) && fcntl(fd, F_SETFD, 0) < 0)
		r = -errno;
	if (r == 0 && !(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, 0) < 0)
		r = -errno;
	if (r < 0)
		(void)mf_sys.close(fd);
	return r < 0 ? r : fd;
}

static bool serves_system_calls;

void mf_uffd_serve_system_calls(void)
{
	serves_system_calls = true;
}

/* Nobody can reach it any more. */
static void release(const struct mf_uffd *uffd)
{
	if (uffd->remote)
		(void)mf_remote_close(uffd->owner);
	else
		mf_range_drop(uffd->owner);
	mf_queue_close(uffd->owner);
	(void)mf_sys.close(uffd->event);
}

/* What a parent asks for, in the child. */
static int serve_parent(uint32_t owner, unsigned long request, void *arg)
{
	struct mf_uffd uffd;

	if (request == MF_REMOTE_CLOSE) {
		if (mf_uffd_drop_owner(owner, &uffd))
			release(&uffd);
		return 0;
	}
	return mf_uffd_get_owner(owner, &uffd)
		       ? mf_uffd_serve(&uffd, request, arg)
		       : -EINVAL;
}

int mf_uffd_open(int flags)
{
	struct mf_uffd uffd = { .flags = flags };
	int fd, r;

	/* As for who may not: only faults of the program itself. */
	if (!(flags & UFFD_USER_MODE_ONLY) && !serves_system_calls)
		return -EPERM;
	if (flags & ~(O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY))
		return -EINVAL;
	r = mf_signal_install();
	if (r == 0)
		r = mf_ranges_start();
	if (r == 0)
		r = mf_queue_start();
	if (r == 0)
		r = mf_uffd_watch_forks();
	if (r < 0)
		return r;
	fd = new_event(flags);
	if (fd < 0)
		return fd;
	mf_uffd_catch_faults();
	mf_uffd_serve_parent = serve_parent;
	r = mf_uffd_add(fd, &uffd);
	if (r < 0)
		(void)mf_sys.close(fd);
	return r < 0 ? r : fd;
}

int mf_uffd_next_fd(int fd)
{
	int event = mf_uffd_next_event(fd), proc = mf_proc_next_fd(fd);

	return event < 0 || (proc >= 0 && proc < event) ? proc : event;
}

int mf_uffd_forget(int fd)
{
	struct mf_uffd last;
	int r = mf_uffd_remove(fd, &last);

	if (r > 0)
		release(&last);
	return r < 0 ? r : 0;
}

int mf_uffd_close(int fd)
{
	int r = mf_uffd_forget(fd);

	return r < 0 ? r : mf_sys.close(fd);
}

#define MESSAGES_MAX 16 /* of one read */

/* Signals are blocked once for all that is locked in here. */
static int read_some(int fd, struct uffd_msg *ret, size_t len)
{
	size_t n = len / sizeof(*ret);
	struct mf_uffd uffd;
	int r = -EINVAL;

	mf_signals_block();
	if (!mf_uffd_get(fd, &uffd))
		r = -EBADF;
	else if (uffd.ready && n > 0)
		r = mf_queue_read(uffd.owner, uffd.event, ret,
				  n < MESSAGES_MAX ? (unsigned)n : MESSAGES_MAX,
				  &mf_uffd_adoption);
	mf_signals_restore();
	return r;
}

ssize_t mf_uffd_read_messages(int fd, void *buf, size_t len)
{
	struct uffd_msg messages[MESSAGES_MAX];
	int n;

	while ((n = read_some(fd, messages, len)) == 0) {
		if (fcntl(fd, F_GETFL) & O_NONBLOCK)
			return -EAGAIN;
		if (mf_lookout_poll(fd) < 0)
			return -errno;
	}
	if (n < 0)
		return n;
	if (mf_fault_copy(buf, messages, (size_t)n * sizeof(messages[0])) > 0)
		return -EFAULT;
	return n * (ssize_t)sizeof(messages[0]);
}
