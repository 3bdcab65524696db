/* SPDX-License-Identifier: MIT */
/*
 * channel.c - a userfaultfd of this process, which the program cannot close.
 *
 * Promise: as in channel.h.
 * Context: as in channel.h.
 *
 * Were the last descriptor closed, the kernel would give up all registrations,
 * and what is not filled would read as zeros. So a keeper has one, too, and
 * does for others what they cannot do by themselves any more. A userfaultfd
 * has an inode of its own, by which a number is known to be still ours.
 */
#include "backends/channel.h"

#include <errno.h>
#include <fcntl.h>

#include "backends/keeper.h"
#include "base/cleanup.h"
#include "base/forkgen.h"
#include "base/sys.h"
#include "base/userfaultfd.h"

/* Out of the way of programs that count their descriptors. */
#define FD_MIN 512

#define FEATURES_BOTH (UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM)

/* The state of a channel: the process it is of, and one of these. */
enum { CLOSED, OPENING, OPEN, STATE_BITS = 2, STATE_MASK = 3 };

struct mf_channel {
	uint64_t features;
	uint32_t state; /* futex */
	int fd;		/* fixed while the channel is open, as all below */
	dev_t dev;
	ino_t ino;
	bool serves_kernel;
	bool wanted; /* here or in an ancestor */
	bool lost;   /* the number was found to be another's */
	struct mf_keeper keeper;
};

struct mf_channel mf_channel_inline = {
	.features = FEATURES_BOTH | UFFD_FEATURE_SIGBUS,
};
struct mf_channel mf_channel_message = {
	.features = FEATURES_BOTH | UFFD_FEATURE_THREAD_ID |
		    UFFD_FEATURE_POISON,
};

static uint32_t mine(uint32_t state)
{
	return mf_fork_generation() << STATE_BITS | state;
}

bool mf_channel_is_open(const struct mf_channel *channel)
{
	/* pairs with the store in mf_channel_open(): the rest is there */
	return mf_load_acquire(&channel->state) == mine(OPEN);
}

bool mf_channel_serves_kernel(const struct mf_channel *channel)
{
	return mf_channel_is_open(channel) && channel->serves_kernel;
}

static int open_device(int flags)
{
	_cleanup_close_ int device = mf_sys.open("/dev/userfaultfd",
						 O_RDWR | O_CLOEXEC, 0);

	if (device < 0)
		return device;
	return mf_sys.ioctl(device, USERFAULTFD_IOC_NEW, (void *)(long)flags);
}

/*
 * Whichever way works. Only the first two can serve a fault inside a system
 * call; for the SIGBUS feature that makes no difference.
 */
static int open_any(bool *ret_kernel)
{
	int flags = O_CLOEXEC;
	int fd = mf_sys.userfaultfd(flags);

	if (fd < 0)
		fd = open_device(flags);
	*ret_kernel = fd >= 0;
	if (fd < 0)
		fd = mf_sys.userfaultfd(flags | UFFD_USER_MODE_ONLY);
	return fd;
}

static int open_fd(const struct mf_channel *channel, bool *ret_kernel)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = channel->features };
	_cleanup_close_ int fd = open_any(ret_kernel);
	int r;

	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return fd;
	if (fd < 0)
		return -EOPNOTSUPP;
	r = mf_sys.ioctl(fd, UFFDIO_API, &api);
	if (r < 0)
		return r == -EINVAL ? -EOPNOTSUPP : r;
	r = mf_sys.dup_above(fd, FD_MIN);
	/* EINVAL: a process with that many descriptors is not allowed. */
	return r == -EINVAL ? TAKE_FD(fd) : r;
}

int mf_channel_try(const struct mf_channel *channel, bool *ret_kernel)
{
	return open_fd(channel, ret_kernel);
}

static bool has_number(const struct mf_channel *channel)
{
	struct stat st;

	return mf_sys.fstat(channel->fd, &st) == 0 &&
	       st.st_ino == channel->ino && st.st_dev == channel->dev;
}

static int open_kept(struct mf_channel *channel)
{
	_cleanup_close_ int fd = open_fd(channel, &channel->serves_kernel);
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	r = mf_sys.fstat(fd, &st);
	if (r == 0)
		r = mf_keeper_start(&channel->keeper, fd);
	/* Without close_range() there can be no keeper. */
	if (r == -ENOSYS || r == -EPERM || r == -EINVAL)
		return -EOPNOTSUPP;
	if (r < 0)
		return r;
	channel->dev = st.st_dev;
	channel->ino = st.st_ino;
	channel->fd = TAKE_FD(fd);
	channel->lost = false;
	return 0;
}

int mf_channel_open(struct mf_channel *channel)
{
	uint32_t state = mf_load_acquire(&channel->state);
	int r;

	for (;;) {
		if (state == mine(OPEN))
			return 0;
		if (state == mine(OPENING))
			(void)mf_futex_wait(&channel->state, state, 0,
					    MF_FUTEX_LOCAL);
		else if (mf_cas(&channel->state, &state, mine(OPENING)))
			break;
		state = mf_load_acquire(&channel->state);
	}
	if ((state & STATE_MASK) == OPEN && has_number(channel))
		(void)mf_sys.close(channel->fd);
	r = open_kept(channel);
	channel->wanted |= r == 0;
	mf_store_seq_cst(&channel->state, r < 0 ? CLOSED : mine(OPEN));
	mf_futex_wake(&channel->state, INT_MAX, MF_FUTEX_LOCAL);
	return r;
}

void mf_channel_reopen(struct mf_channel *channel)
{
	if (channel->wanted)
		(void)mf_channel_open(channel);
}

void mf_channel_forget(struct mf_channel *channel)
{
	uint32_t state = mf_load_acquire(&channel->state);

	if ((state & STATE_MASK) != OPEN || state == mine(OPEN))
		return;
	if (has_number(channel))
		(void)mf_sys.close(channel->fd);
	mf_store_seq_cst(&channel->state, CLOSED);
}

/*
 * Set while this thread may believe that the number is the channel's: from one
 * look at it to the next. What goes wrong in between is put right then.
 */
static __thread bool believes;

struct call {
	unsigned long request;
	void *arg;
	size_t len;
};

static long do_ioctl(int fd, void *arg)
{
	const struct call *call = arg;

	return mf_sys.ioctl(fd, call->request, call->arg);
}

/* A keeper must not wait; nobody else reads from here on. */
static long do_read(int fd, void *arg)
{
	const struct call *call = arg;

	(void)mf_syscall(SYS_fcntl, fd, F_SETFL, O_NONBLOCK, 0, 0, 0);
	return mf_sys.read(fd, call->arg, call->len);
}

int mf_channel_ioctl(struct mf_channel *channel, unsigned long request,
		     void *arg)
{
	struct call call = { .request = request, .arg = arg };
	int r = -EBADF;

	if (believes || has_number(channel))
		r = mf_sys.ioctl(channel->fd, request, arg);
	/* Closed already, or since we looked; or another file by now. */
	if (r == -EBADF || r == -ENOTTY)
		r = (int)mf_keeper_do(&channel->keeper, do_ioctl, &call);
	return r;
}

static int wake(struct mf_channel *channel, uint64_t start, uint64_t end)
{
	struct uffdio_range range = { start, end - start };
	struct call call = { .request = UFFDIO_WAKE, .arg = &range };

	return (int)mf_keeper_do(&channel->keeper, do_ioctl, &call);
}

/*
 * Who believed in the number may have woken nobody, so wake everybody: who
 * needs it not faults again. The last addresses are never mapped, and whether
 * the kernel takes a range with them depends on the processor.
 */
static void lose(struct mf_channel *channel)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (mf_load_relaxed(&channel->lost))
		return;
	mf_store_relaxed(&channel->lost, true);
	for (uint64_t at = page; at && at <= UINTPTR_MAX / 2 + 1; at *= 2)
		if (wake(channel, at, 2 * at) < 0)
			(void)wake(channel, at, 2 * at - 2 * page);
}

ssize_t mf_channel_read(struct mf_channel *channel, void *buf, size_t len)
{
	struct call call = { .arg = buf, .len = len };
	ssize_t n = -EBADF;

	believes = has_number(channel);
	if (believes)
		n = mf_sys.read(channel->fd, buf, len);
	else
		lose(channel);
	if (n == -EBADF)
		n = mf_keeper_do(&channel->keeper, do_read, &call);
	return n;
}

void mf_channel_look_each_time(void)
{
	believes = false;
}

void mf_channel_look_now(struct mf_channel *channel)
{
	if (believes && !has_number(channel))
		lose(channel);
	believes = false;
}
