/* SPDX-License-Identifier: MIT */
/*
 * uffd.c - pages hidden by the kernel's userfaultfd.
 *
 * Promise: one mapping whatever the pattern of touches; a page that fails is
 * an error and never zeros, in a child process, too.
 * Context: as in mm/region.h and backends/uffd.h.
 *
 * There are two channels in a process: one with the SIGBUS feature for views
 * that are filled by the faulting thread, one with messages for views that
 * have handler threads. A view is registered with one of them for missing
 * pages and for pages that the store has and the view does not map (MINOR), so
 * whatever else fills the store, the view shows no page before open().
 *
 * open() is UFFDIO_CONTINUE: it maps what the store has, for private views
 * too, where the first write then copies, as it does with the other backends.
 * Where all of a unit lies in a shared view UFFDIO_COPY does both at once: the
 * page is in the store and mapped. That saves two system calls.
 */
#include "backends/uffd.h"

#include <errno.h>
#include <sys/mman.h>

#include "backends/backend.h"
#include "backends/uffd-parts.h"
#include "base/cleanup.h"
#include "base/mutex.h"
#include "base/sys.h"
#include "base/userfaultfd.h"

/* How often the kernel may ask us to try again before we ask the caller. */
#define TRIES 16

static struct mf_mutex mutex;

/* This thread wakes who waits when it has done with a message. */
static __thread bool is_reader;

void mf_uffd_lock(void)
{
	mf_signals_block();
	mf_mutex_lock(&mutex, MF_RANK_CHUNK);
}

void mf_uffd_unlock(void)
{
	mf_mutex_unlock(&mutex, MF_RANK_CHUNK);
	mf_signals_restore();
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Registration */

bool mf_uffd_is_ours(const struct mf_region *region)
{
	return region->view->backend == &mf_backend_uffd;
}

static bool has_messages(const struct mf_view *view)
{
	return view->delivery == MFILL_DELIVER_THREAD;
}

struct mf_channel *mf_uffd_channel(const struct mf_view *view)
{
	return has_messages(view) ? &mf_channel_message : &mf_channel_inline;
}

int mf_uffd_register(const struct mf_view *view, uintptr_t start, size_t len)
{
	struct mf_channel *channel = mf_uffd_channel(view);
	struct uffdio_register request = {
		.range = { start, len },
		.mode = UFFDIO_REGISTER_MODE_MISSING |
			UFFDIO_REGISTER_MODE_MINOR,
	};
	int r = -EOPNOTSUPP;

	if (mf_channel_is_open(channel))
		r = mf_channel_ioctl(channel, UFFDIO_REGISTER, &request);
	if (r == 0)
		r = mf_sys.mprotect((void *)start, len, view->prot);
	return r;
}

static int uffd_reserve(struct mf_view *view, const struct mf_view *like)
{
	int r;

	if (like)
		return 0; /* the range is registered already */
	mf_uffd_enter(mf_mm_self(), mf_slot_self());
	if (mf_uffd_is_raw())
		return -EOPNOTSUPP; /* this child may not have it */
	r = mf_channel_open(mf_uffd_channel(view));
	if (r < 0)
		return r;
	mf_uffd_lock();
	r = mf_uffd_begin(view);
	if (r == 0)
		r = mf_uffd_register(view, view->start, view->len);
	mf_uffd_unlock();
	return r == -EINVAL || r == -EPERM ? -EOPNOTSUPP : r;
}

static void uffd_release(struct mf_view *view)
{
	(void)view; /* what was registered went with the mapping */
}

static int uffd_protect(struct mf_region *region)
{
	int prot = region->view->prot;

	/* Pages that are open are opened again when they are touched. */
	if (mf_uffd_is_raw())
		prot = PROT_NONE;
	return mf_sys.mprotect((void *)region->start, region->len, prot);
}

/* Filling */

/* What the kernel's answer to a fill means for the pages from start on. */
struct progress {
	uintptr_t at;
	size_t left;
	unsigned tries;
};

/*
 * 0: go on. The kernel stops at the first page that it cannot do, and says
 * how far it came (EAGAIN and a positive count); -EAGAIN and no count means
 * that the mappings or the page tables were changing. Everything else is
 * about the page at p->at.
 */
static int account(struct progress *p, int r, int64_t done)
{
	if (r == 0)
		done = (int64_t)p->left;
	if (done > 0) {
		p->at += (size_t)done;
		p->left -= (size_t)done;
		return 0;
	}
	if (r == -EAGAIN && ++p->tries < TRIES)
		return 0;
	/* Not mapped or not registered: somebody else's doing. */
	return r == -ENOENT ? -EFAULT : r;
}

/* Map what the store has. A page that is mapped already is no error. */
static int show(struct mf_channel *channel, uintptr_t start, size_t len,
		bool wake)
{
	struct progress p = { start, len, 0 };
	int r = 0;

	while (p.left > 0 && r == 0) {
		struct uffdio_continue request = {
			.range = { p.at, p.left },
			.mode = wake ? 0 : UFFDIO_CONTINUE_MODE_DONTWAKE,
		};

		r = mf_channel_ioctl(channel, UFFDIO_CONTINUE, &request);
		r = account(&p, r, request.mapped);
		if (r != -EEXIST)
			continue;
		/* Who saw it missing may sleep all the same. */
		if (wake)
			mf_uffd_wake(p.at, page_size());
		r = account(&p, -EAGAIN, (int64_t)page_size());
	}
	return r;
}

static int copy(struct mf_channel *channel, uintptr_t start, size_t len,
		const char *buf, bool wake)
{
	struct progress p = { start, len, 0 };
	int r = 0;

	while (p.left > 0 && r == 0) {
		struct uffdio_copy request = {
			.dst = p.at,
			.src = (uintptr_t)buf + (p.at - start),
			.len = p.left,
			.mode = wake ? 0 : UFFDIO_COPY_MODE_DONTWAKE,
		};

		r = mf_channel_ioctl(channel, UFFDIO_COPY, &request);
		r = account(&p, r, request.copy);
	}
	return r;
}

/*
 * A page that failed has a marker, and a record of it. Both change under the
 * lock, as does what is shown: or a page that somebody has written to by now
 * could be dropped as one that failed.
 */
static int uffd_open(struct mf_region *region, uintptr_t start, size_t len)
{
	struct mf_channel *channel = mf_uffd_channel(region->view);
	int r = mf_uffd_is_ready() ? 0 : mf_uffd_revive();

	if (r < 0)
		return r;
	if (mf_uffd_is_raw())
		return mf_sys.mprotect((void *)start, len, region->view->prot);
	if (!has_messages(region->view))
		return show(channel, start, len, false);
	mf_uffd_lock();
	mf_uffd_clear_failed(start, len);
	r = show(channel, start, len, !is_reader);
	mf_uffd_unlock();
	return r;
}

static int uffd_copy(struct mf_region *region, uintptr_t start, size_t len,
		     const void *buf)
{
	struct mf_channel *channel = mf_uffd_channel(region->view);
	int r;

	if (!region->view->shared || !mf_uffd_is_ready() || mf_uffd_is_raw())
		return -EOPNOTSUPP;
	if (!has_messages(region->view))
		return copy(channel, start, len, buf, false);
	mf_uffd_lock();
	mf_uffd_clear_failed(start, len);
	r = copy(channel, start, len, buf, !is_reader);
	mf_uffd_unlock();
	return r;
}

/* Messages */

int mf_uffd_listen(void)
{
	return mf_channel_open(&mf_channel_message);
}

void mf_uffd_wake_by_hand(void)
{
	is_reader = true;
}

unsigned mf_uffd_read(struct mf_uffd_message ret[MF_UFFD_MESSAGES])
{
	struct uffd_msg messages[MF_UFFD_MESSAGES];
	unsigned count = 0;
	ssize_t got = mf_channel_read(&mf_channel_message, messages,
				      sizeof(messages));

	for (ssize_t i = 0; i < got / (ssize_t)sizeof(messages[0]); i++) {
		/* No events were asked for; newer kinds are nobody's. */
		if (messages[i].event != UFFD_EVENT_PAGEFAULT)
			continue;
		ret[count].addr = (uintptr_t)messages[i].arg.pagefault.address &
				  ~(page_size() - 1);
		ret[count].tid = messages[i].arg.pagefault.feat.ptid;
		count++;
	}
	return count;
}

void mf_uffd_hand_over(void)
{
	mf_channel_look_each_time();
}

void mf_uffd_handed_over(void)
{
	mf_channel_look_now(&mf_channel_message);
}

bool mf_uffd_serves_kernel(void)
{
	return mf_channel_serves_kernel(&mf_channel_message);
}

void mf_uffd_wake(uintptr_t start, size_t len)
{
	struct uffdio_range range = { start, len };

	(void)mf_channel_ioctl(&mf_channel_message, UFFDIO_WAKE, &range);
}

enum mf_uffd_bus mf_uffd_bus(const struct mf_view *view)
{
	if (view->backend != &mf_backend_uffd || mf_uffd_is_raw())
		return MF_UFFD_FOREIGN;
	return has_messages(view) ? MF_UFFD_FAILED : MF_UFFD_FAULT;
}

bool mf_uffd_waits(const struct mf_view *view)
{
	return view->backend == &mf_backend_uffd && has_messages(view) &&
	       !mf_uffd_is_raw();
}

bool mf_uffd_may_wait(void)
{
	return mf_channel_is_open(&mf_channel_message);
}

/* Trying it out */

/* Register a page and let a system call see that it is hidden, and shown. */
static int try_page(int fd, char *page, int store)
{
	struct uffdio_register request = {
		.range = { (uintptr_t)page, page_size() },
		.mode = UFFDIO_REGISTER_MODE_MISSING |
			UFFDIO_REGISTER_MODE_MINOR,
	};
	struct uffdio_continue minor = { .range = request.range };
	ssize_t n;
	int r = mf_sys.ioctl(fd, UFFDIO_REGISTER, &request);

	if (r < 0)
		return r;
	if (mf_sys.pwrite(store, page, 1, 0) != -EFAULT)
		return -EOPNOTSUPP;
	n = mf_sys.pwrite(store, "", 1, 0);
	r = n < 0 ? (int)n : mf_sys.ioctl(fd, UFFDIO_CONTINUE, &minor);
	if (r < 0)
		return r;
	n = mf_sys.pwrite(store, page, 1, 0);
	return n < 0 ? (int)n : 0;
}

static int uffd_probe(void)
{
	_cleanup_close_ int store = mf_sys.memfd_create("mfill-probe", 1);
	size_t size = page_size();
	bool kernel;
	_cleanup_close_ int fd = mf_channel_try(&mf_channel_inline, &kernel);
	void *page;
	int r;

	if (fd < 0)
		return fd;
	if (store < 0)
		return store;
	r = mf_sys.ftruncate(store, size);
	if (r == 0)
		r = mf_sys.mmap(NULL, size, PROT_READ, MAP_SHARED, store, 0,
				&page);
	if (r < 0)
		return r;
	r = try_page(fd, page, store);
	(void)mf_sys.munmap(page, size);
	return r;
}

int mf_uffd_probe_messages(bool *ret_kernel)
{
	bool kernel;
	_cleanup_close_ int fd = mf_channel_try(&mf_channel_message, &kernel);

	if (ret_kernel)
		*ret_kernel = kernel;
	return fd < 0 ? fd : 0;
}

const struct mf_backend mf_backend_uffd = {
	.name = "uffd",
	.id = MFILL_BACKEND_UFFD,
	.reserve = uffd_reserve,
	.release = uffd_release,
	.open = uffd_open,
	.copy = uffd_copy,
	.protect = uffd_protect,
	.probe = uffd_probe,
};
