/* SPDX-License-Identifier: MIT */
/*
 * ioctl.c - the operations: what they take, and what they answer.
 *
 * Promise: errors, their order, and what is in the result fields are the
 * kernel's, but for what docs/uffd-differences.md lists.
 * Context: not in a signal handler.
 */
#include "uffd/uffd.h"

#include <errno.h>

#include "base/userfaultfd.h"
#include "fault/fault.h"
#include "uffd/fill.h"
#include "uffd/move.h"
#include "uffd/protect.h"
#include "uffd/queue.h"
#include "uffd/remote.h"
#include "uffd/table.h"
#include "uffd/touch.h"

#define FEATURES                                                         \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_MISSING_SHMEM |   \
	 UFFD_FEATURE_SIGBUS | UFFD_FEATURE_THREAD_ID |                  \
	 UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_EXACT_ADDRESS |         \
	 UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_WP_UNPOPULATED | \
	 UFFD_FEATURE_POISON | UFFD_FEATURE_WP_ASYNC |                   \
	 UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |            \
	 UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP |          \
	 UFFD_FEATURE_MOVE)
#define MODES                                                     \
	(UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP | \
	 UFFDIO_REGISTER_MODE_MINOR)
#define TASK_SIZE ((uint64_t)1 << 47)

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
	if (start % mf_page_size() || len % mf_page_size() || len == 0 ||
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
	if (api.features & UFFD_FEATURE_WP_ASYNC)
		api.features |= UFFD_FEATURE_WP_UNPOPULATED;
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
		r = mf_range_register(uffd->owner, uffd->features,
				      (uintptr_t)args.range.start,
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
	struct mf_uffd_fill fill = { .owner = uffd->owner };
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
	fill.wp = args.mode & UFFDIO_COPY_MODE_WP;
	done = mf_uffd_fill(&fill, args.dst, args.len);
	return finish(uffd, done, args.dst, args.len,
		      !(args.mode & UFFDIO_COPY_MODE_DONTWAKE), &arg->copy);
}

static int do_fill(const struct mf_uffd *uffd, void *arg, mf_put_fn *put,
		   uint64_t modes)
{
	/* The three others look the same: a range, a mode, the result. */
	struct uffdio_zeropage args;
	struct mf_uffd_fill fill = { .put = put, .owner = uffd->owner };
	int r = get_arg(&args, arg, sizeof(args) - sizeof(args.zeropage));

	if (r < 0)
		return r;
	r = check_range(args.range.start, args.range.len);
	if (r < 0)
		return r;
	if (args.mode & ~modes)
		return -EINVAL;
	fill.wp = args.mode & UFFDIO_CONTINUE_MODE_WP;
	return finish(uffd,
		      mf_uffd_fill(&fill, args.range.start, args.range.len),
		      args.range.start, args.range.len, !(args.mode & 1),
		      &((struct uffdio_zeropage *)arg)->zeropage);
}

static int do_writeprotect(const struct mf_uffd *uffd,
			   struct uffdio_writeprotect *arg)
{
	const uint64_t wp = UFFDIO_WRITEPROTECT_MODE_WP;
	const uint64_t dontwake = UFFDIO_WRITEPROTECT_MODE_DONTWAKE;
	struct uffdio_writeprotect args;
	int r = get_arg(&args, arg, sizeof(args));

	if (r == 0)
		r = check_range(args.range.start, args.range.len);
	if (r < 0)
		return r;
	if (args.mode & ~(wp | dontwake) || args.mode == (wp | dontwake))
		return -EINVAL;
	r = mf_protect((uintptr_t)args.range.start, (size_t)args.range.len,
		       args.mode & wp);
	if (r == 0 && args.mode == 0)
		mf_queue_wake(uffd->owner, (uintptr_t)args.range.start,
			      (size_t)args.range.len);
	return r;
}

static int do_move(const struct mf_uffd *uffd, struct uffdio_move *arg)
{
	const uint64_t modes = UFFDIO_MOVE_MODE_DONTWAKE |
			       UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES;
	struct uffdio_move args;
	int64_t done;
	int r = get_arg(&args, arg, sizeof(args) - sizeof(args.move));

	if (r == 0)
		r = check_range(args.dst, args.len);
	if (r == 0)
		r = check_range(args.src, args.len);
	if (r < 0)
		return r;
	if (args.mode & ~modes)
		return -EINVAL;
	done = mf_move(uffd->owner, args.dst, args.src, args.len, args.mode);
	return finish(uffd, done, args.dst, args.len,
		      !(args.mode & UFFDIO_MOVE_MODE_DONTWAKE), &arg->move);
}

/* An event is unread: nothing is even looked at. */
static int refuse(unsigned long request, char *arg)
{
	const int64_t result = -EAGAIN;

	/* What it answers is the last of a structure; protection has none. */
	if (request == UFFDIO_WRITEPROTECT)
		return -EAGAIN;
	return put_arg(arg + _IOC_SIZE(request) - sizeof(result), &result,
		       sizeof(result)) < 0
		       ? -EFAULT
		       : -EAGAIN;
}

static bool changes_pages(unsigned long request)
{
	return request == UFFDIO_COPY || request == UFFDIO_ZEROPAGE ||
	       request == UFFDIO_CONTINUE || request == UFFDIO_POISON ||
	       request == UFFDIO_WRITEPROTECT || request == UFFDIO_MOVE;
}

int mf_uffd_serve(struct mf_uffd *uffd, unsigned long request, void *arg)
{
	if (request == UFFDIO_API)
		return do_api(uffd, arg);
	if (!uffd->ready)
		return -EINVAL;
	if (changes_pages(request) && mf_queue_is_changing(uffd->owner))
		return refuse(request, arg);
	switch (request) {
	case UFFDIO_REGISTER:
		return do_register(uffd, arg);
	case UFFDIO_UNREGISTER:
		return do_unregister(uffd, arg);
	case UFFDIO_WAKE:
		return do_wake(uffd, arg);
	case UFFDIO_COPY:
		return do_copy(uffd, arg);
	case UFFDIO_ZEROPAGE:
		return do_fill(uffd, arg, mf_put_zero, 1);
	case UFFDIO_CONTINUE:
		return do_fill(uffd, arg, mf_put_continue, 3);
	case UFFDIO_MOVE:
		return do_move(uffd, arg);
	case UFFDIO_WRITEPROTECT:
		return do_writeprotect(uffd, arg);
	case UFFDIO_POISON:
		return do_fill(uffd, arg, mf_put_poison, 1);
	default:
		return -EINVAL;
	}
}

/*
 * Signals are blocked once, for all the locks below: else that would be a third
 * of the system calls of a copy.
 */
int mf_uffd_ioctl(int fd, unsigned long request, void *arg)
{
	struct mf_uffd uffd;
	bool remote = false;
	int r = -EBADF;

	mf_signals_block();
	if (mf_uffd_get(fd, &uffd)) {
		/* It is ready since before it was born. */
		remote = uffd.remote && request != UFFDIO_API;
		r = remote ? 0 : mf_uffd_serve(&uffd, request, arg);
	}
	mf_signals_restore();
	if (!remote)
		return r;
	/* Moves are only within one process. */
	return request == UFFDIO_MOVE
		       ? -EINVAL
		       : mf_remote_ioctl(uffd.owner, request, arg);
}
