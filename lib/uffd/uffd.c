/* SPDX-License-Identifier: MIT */
/*
 * uffd.c - userfaultfd(2) without the kernel's.
 *
 * Promise: errors, their order, and what is in the result fields are the
 * kernel's, but for what docs/uffd-differences.md lists.
 * Context: not in a signal handler.
 *
 * COPY is the path that mfill is named after. The kernel copies with page
 * faults off under its lock, and when that comes up short, copies the page
 * again without the lock, looks whether the destination is still what it was,
 * and puts the page in. Here the kernel's faults cannot be switched off, so
 * the second way is the only one: look, copy without a lock into a page of
 * ours, look again, put in.
 */
#include "uffd/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/sys.h"
#include "fault/signal.h"
#include "mm/buffer.h"
#include "uffd/queue.h"
#include "uffd/range.h"
#include "uffd/table.h"
#include "uffd/touch.h"

#define FEATURES                                             \
	(UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_SIGBUS |  \
	 UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_MINOR_SHMEM | \
	 UFFD_FEATURE_EXACT_ADDRESS | UFFD_FEATURE_POISON)
#define MODES	   (UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR)
#define COPY_TRIES 16
#define TASK_SIZE  ((uint64_t)1 << 47)

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

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
	if (r < 0)
		return r;
	fd = new_event(flags);
	if (fd < 0)
		return fd;
	mf_uffd_catch_faults();
	r = mf_uffd_add(fd, &uffd);
	if (r < 0)
		(void)mf_sys.close(fd);
	return r < 0 ? r : fd;
}

/* Nobody can reach it any more. */
static void release(const struct mf_uffd *uffd)
{
	mf_range_drop(uffd->owner);
	mf_queue_close(uffd->owner);
	(void)mf_sys.close(uffd->event);
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

static int read_some(const struct mf_uffd *uffd, struct uffd_msg *ret,
		     size_t len)
{
	size_t n = len / sizeof(*ret);

	return mf_queue_read(uffd->owner, uffd->event, ret,
			     n < MESSAGES_MAX ? (unsigned)n : MESSAGES_MAX,
			     NULL);
}

ssize_t mf_uffd_read_messages(int fd, void *buf, size_t len)
{
	struct pollfd wanted = { .fd = fd, .events = POLLIN };
	struct uffd_msg messages[MESSAGES_MAX];
	struct mf_uffd uffd;
	int n;

	if (!mf_uffd_get(fd, &uffd))
		return -EBADF;
	if (!uffd.ready || len < sizeof(messages[0]))
		return -EINVAL;
	while ((n = read_some(&uffd, messages, len)) == 0) {
		if (fcntl(fd, F_GETFL) & O_NONBLOCK)
			return -EAGAIN;
		if (poll(&wanted, 1, -1) < 0)
			return -errno;
		if (!mf_uffd_get(fd, &uffd))
			return -EBADF;
	}
	if (n < 0)
		return n;
	if (mf_fault_copy(buf, messages, (size_t)n * sizeof(messages[0])) > 0)
		return -EFAULT;
	return n * (ssize_t)sizeof(messages[0]);
}

/* The operations */

static int get_arg(void *to, const void *arg, size_t size)
{
	return mf_fault_copy(to, arg, size) ? -EFAULT : 0;
}

static int put_arg(void *arg, const void *from, size_t size)
{
	return mf_fault_copy(arg, from, size) ? -EFAULT : 0;
}

static int check_range(uint64_t start, uint64_t len)
{
	if (start % page_size() || len % page_size() || len == 0 ||
	    start >= TASK_SIZE || len > TASK_SIZE - start)
		return -EINVAL;
	return 0;
}

static int do_api(struct mf_uffd *uffd, struct uffdio_api *arg)
{
	static const struct uffdio_api none;
	struct uffdio_api api;
	int r = get_arg(&api, arg, sizeof(api));

	if (r < 0)
		return r;
	if (api.api != UFFD_API || api.features & ~(uint64_t)FEATURES ||
	    uffd->ready)
		return put_arg(arg, &none, sizeof(none)) ?: -EINVAL;
	mf_uffd_set_ready(uffd->owner, api.features);
	api.features = FEATURES;
	api.ioctls = 1ULL << _UFFDIO_REGISTER | 1ULL << _UFFDIO_UNREGISTER |
		     1ULL << _UFFDIO_API;
	return put_arg(arg, &api, sizeof(api));
}

static int do_register(const struct mf_uffd *uffd, struct uffdio_register *arg)
{
	struct uffdio_register args;
	uint64_t ioctls;
	/* What it answers is not read. */
	int r = get_arg(&args, arg, sizeof(args) - sizeof(args.ioctls));

	if (r < 0)
		return r;
	if (args.mode == 0 || args.mode & ~MODES)
		return -EINVAL;
	r = check_range(args.range.start, args.range.len);
	if (r == 0)
		mf_uffd_widen_hull(
			(uintptr_t)args.range.start,
			(uintptr_t)(args.range.start + args.range.len));
	if (r == 0)
		r = mf_range_register(uffd->owner, (uintptr_t)args.range.start,
				      (size_t)args.range.len, args.mode,
				      &ioctls);
	if (r < 0)
		return r;
	return put_arg(&arg->ioctls, &ioctls, sizeof(ioctls));
}

static int do_unregister(const struct mf_uffd *uffd, struct uffdio_range *arg)
{
	struct uffdio_range args;
	int r = get_arg(&args, arg, sizeof(args));

	if (r == 0)
		r = check_range(args.start, args.len);
	if (r == 0)
		r = mf_range_unregister(uffd->owner, (uintptr_t)args.start,
					(size_t)args.len);
	if (r == 0)
		mf_queue_wake(uffd->owner, (uintptr_t)args.start,
			      (size_t)args.len);
	return r;
}

static int do_wake(const struct mf_uffd *uffd, struct uffdio_range *arg)
{
	struct uffdio_range args;
	int r = get_arg(&args, arg, sizeof(args));

	if (r == 0)
		r = check_range(args.start, args.len);
	if (r == 0)
		mf_queue_wake(uffd->owner, (uintptr_t)args.start,
			      (size_t)args.len);
	return r;
}

/* A fill of several pages. */
struct fill {
	struct mf_mm *mm;
	struct mf_slot *me;
	int (*put)(struct mf_range *range, uintptr_t addr); /* or copy */
	uint64_t src;
	void *page; /* of ours, for copies; else NULL */
};

/*
 * The page at src into ours, with no lock held: it may be missing itself. What
 * waits for a userfaultfd of ours cannot be served here, as the kernel cannot
 * where it serves only faults of programs.
 */
static int copy_in(const struct fill *fill, uint64_t src)
{
	for (int i = 0; i < COPY_TRIES; i++) {
		size_t left = mf_fault_copy(fill->page, (void *)(uintptr_t)src,
					    page_size());
		int r;

		if (left == 0)
			return 0;
		r = mf_fault((uintptr_t)src + page_size() - left,
			     MF_ACCESS_READ);
		if (r < 0 && r != -EAGAIN)
			return -EFAULT;
	}
	return -EAGAIN;
}

static int fill_page(const struct fill *fill, uintptr_t addr, uint64_t src)
{
	uint64_t generation = 0;
	struct mf_range *range;
	int r = 0;

	mf_mm_read_lock(fill->mm, fill->me);
	range = mf_range_find(addr);
	if (range)
		generation = range->generation;
	mf_mm_read_unlock(fill->mm, fill->me);
	if (!range)
		return -ENOENT;
	if (fill->page)
		r = copy_in(fill, src);
	if (r < 0)
		return r;
	/* That took its time: is it the same? */
	mf_mm_read_lock(fill->mm, fill->me);
	range = mf_range_find(addr);
	if (!range)
		r = -ENOENT;
	else if (range->generation != generation)
		r = -EAGAIN;
	else if (fill->page)
		r = mf_range_put(range, addr, fill->page);
	else
		r = fill->put(range, addr);
	mf_mm_read_unlock(fill->mm, fill->me);
	return r;
}

/* Bytes done, or -errno when none are. */
static int64_t fill_range(struct fill *fill, uint64_t start, uint64_t len)
{
	uint64_t done = 0;
	bool has;
	int r = 0;

	fill->mm = mf_mm_self();
	fill->me = mf_slot_self();
	if (!fill->mm || !fill->me)
		return -ENOMEM;
	mf_mm_read_lock(fill->mm, fill->me);
	has = mf_range_has((uintptr_t)start, (size_t)len);
	mf_mm_read_unlock(fill->mm, fill->me);
	if (!has)
		return -ENOENT;
	for (; done < len && r == 0; done += page_size()) {
		r = fill_page(fill, (uintptr_t)(start + done),
			      fill->src + done);
		if (r < 0)
			break;
	}
	return done ? (int64_t)done : r;
}

/* Store the result, wake who waits for what is done, and say how it went. */
static int finish(const struct mf_uffd *uffd, int64_t done, uint64_t start,
		  uint64_t len, bool wake, void *result)
{
	if (put_arg(result, &done, sizeof(done)) < 0)
		return -EFAULT;
	if (done < 0)
		return (int)done;
	if (wake)
		mf_queue_wake(uffd->owner, (uintptr_t)start, (size_t)done);
	return (uint64_t)done == len ? 0 : -EAGAIN;
}

static int do_copy(const struct mf_uffd *uffd, struct uffdio_copy *arg)
{
	struct mf_slot *me = mf_slot_self();
	struct fill fill = { .page = NULL };
	struct uffdio_copy args;
	int64_t done;
	int r = get_arg(&args, arg, sizeof(args) - sizeof(args.copy));

	if (r < 0)
		return r;
	r = check_range(args.dst, args.len);
	if (r < 0)
		return r;
	if (args.src >= TASK_SIZE || args.len > TASK_SIZE - args.src ||
	    args.mode & ~(UFFDIO_COPY_MODE_DONTWAKE | UFFDIO_COPY_MODE_WP))
		return -EINVAL;
	fill.src = args.src;
	mf_signals_block();
	fill.page = mf_buffer_get(me, page_size());
	if (!fill.page)
		done = -ENOMEM;
	else if (args.mode & UFFDIO_COPY_MODE_WP)
		done = -EINVAL; /* nothing is registered for that */
	else
		done = fill_range(&fill, args.dst, args.len);
	if (fill.page)
		mf_buffer_put(me, fill.page);
	mf_signals_restore();
	return finish(uffd, done, args.dst, args.len,
		      !(args.mode & UFFDIO_COPY_MODE_DONTWAKE), &arg->copy);
}

static int do_fill(const struct mf_uffd *uffd, void *arg,
		   int (*put)(struct mf_range *range, uintptr_t addr),
		   uint64_t modes)
{
	/* The three others look the same: a range, a mode, the result. */
	struct uffdio_zeropage args;
	struct fill fill = { .put = put };
	int r = get_arg(&args, arg, sizeof(args) - sizeof(args.zeropage));

	if (r < 0)
		return r;
	r = check_range(args.range.start, args.range.len);
	if (r < 0)
		return r;
	if (args.mode & ~modes)
		return -EINVAL;
	return finish(uffd, fill_range(&fill, args.range.start, args.range.len),
		      args.range.start, args.range.len, !(args.mode & 1),
		      &((struct uffdio_zeropage *)arg)->zeropage);
}

int mf_uffd_ioctl(int fd, unsigned long request, void *arg)
{
	struct mf_uffd uffd;

	if (!mf_uffd_get(fd, &uffd))
		return -EBADF;
	if (request == UFFDIO_API)
		return do_api(&uffd, arg);
	if (!uffd.ready)
		return -EINVAL;
	switch (request) {
	case UFFDIO_REGISTER:
		return do_register(&uffd, arg);
	case UFFDIO_UNREGISTER:
		return do_unregister(&uffd, arg);
	case UFFDIO_WAKE:
		return do_wake(&uffd, arg);
	case UFFDIO_COPY:
		return do_copy(&uffd, arg);
	case UFFDIO_ZEROPAGE:
		return do_fill(&uffd, arg, mf_range_zero, 1);
	case UFFDIO_CONTINUE:
		return do_fill(&uffd, arg, mf_range_continue, 1);
	case UFFDIO_POISON:
		return do_fill(&uffd, arg, mf_range_poison, 1);
	default:
		return -EINVAL;
	}
}
