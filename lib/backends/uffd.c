/* SPDX-License-Identifier: MIT */
/*
 * uffd.c - pages hidden by the kernel's userfaultfd.
 *
 * Promise: one mapping whatever the pattern of touches; a page that fails is
 * an error and never zeros, in a child process, too.
 * Context: as in mm/region.h and backends/uffd.h.
 *
 * There are two descriptors in a process: one with the SIGBUS feature for
 * views that are filled by the faulting thread, one with messages for views
 * that have handler threads. A view is registered with one of them for missing
 * pages and for pages that the store has and the view does not map (MINOR), so
 * whatever else fills the store, the view shows no page before open().
 *
 * open() is UFFDIO_CONTINUE: it maps what the store has, for private views
 * too, where the first write then copies, as it does with the other backends.
 * Where all of a unit lies in a shared view UFFDIO_COPY does both at once: the
 * page is in the store and mapped. That saves two system calls.
 *
 * A child of fork() inherits mappings, but no registration: a missing page
 * would read as zeros. So views are MADV_DONTFORK, and a child, however it is
 * made, finds nothing where they were. After fork() a child's fork handler
 * maps and registers them again, before anything of the program runs. What the
 * program wrote to a private view has to be inherited, so around fork() these
 * are MADV_DOFORK. A child of a raw clone() gets its shared views back on the
 * first touch of any, and errors for the rest; what it maps before that may
 * lie where a view was.
 */
#include "backends/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "backends/backend.h"
#include "base/cleanup.h"
#include "base/mutex.h"
#include "base/sys.h"
#include "base/userfaultfd.h"

/* Out of the way of programs that count their descriptors. */
#define UFFD_MIN 512
/* How often the kernel may ask us to try again before we ask the caller. */
#define TRIES	   16
#define FAILED_MAX 64

#define FEATURES_BOTH	(UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM)
#define FEATURES_INLINE (FEATURES_BOTH | UFFD_FEATURE_SIGBUS)
#define FEATURES_MESSAGE \
	(FEATURES_BOTH | UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_POISON)

/* A descriptor of this process's. */
struct channel {
	uint32_t epoch; /* the process it is of; uffd_mutex */
	int fd;		/* uffd_mutex; fixed while epoch is */
};

static struct mf_mutex uffd_mutex;
static struct channel channel_inline = { .fd = -EBADF };
static struct channel channel_message = { .fd = -EBADF };
static bool serves_kernel; /* uffd_mutex; of channel_message */

/* The process in which all views are registered; 0: there never was one. */
static uint32_t ready_epoch;
/* The process that fork() made and not a raw clone(), and the other kind. */
static uint32_t forked_epoch, raw_epoch;
/* fork() calls under way. uffd_mutex */
static unsigned n_forking;

/* Pages that failed, and whose next touch is therefore an error. */
static struct {
	uintptr_t addr; /* uffd_mutex; 0: none */
	uint64_t generation;
	uint64_t time;
} failed[FAILED_MAX];
static uint32_t n_failed; /* changed under uffd_mutex */

/* This thread wakes who waits when it has done with a message. */
static __thread bool is_reader;

static void lock(void)
{
	mf_signals_block();
	mf_mutex_lock(&uffd_mutex, MF_RANK_CHUNK);
}

static void unlock(void)
{
	mf_mutex_unlock(&uffd_mutex, MF_RANK_CHUNK);
	mf_signals_restore();
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* The descriptors */

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
	int flags = O_CLOEXEC | O_NONBLOCK;
	int fd = mf_sys.userfaultfd(flags);

	if (fd < 0)
		fd = open_device(flags);
	*ret_kernel = fd >= 0;
	if (fd < 0)
		fd = mf_sys.userfaultfd(flags | UFFD_USER_MODE_ONLY);
	return fd;
}

static int open_channel(uint64_t features, bool *ret_kernel)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	_cleanup_close_ int fd = open_any(ret_kernel);
	int r;

	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return fd;
	if (fd < 0)
		return -EOPNOTSUPP;
	r = mf_sys.ioctl(fd, UFFDIO_API, &api);
	if (r < 0)
		return r == -EINVAL ? -EOPNOTSUPP : r;
	r = mf_sys.dup_above(fd, UFFD_MIN);
	/* EINVAL: a process with that many descriptors is not allowed. */
	return r == -EINVAL ? TAKE_FD(fd) : r;
}

/* Under the mutex: the parent's descriptor would act on the parent. */
static void drop_parents(struct channel *channel)
{
	if (channel->epoch == mf_fork_generation())
		return;
	if (channel->epoch)
		(void)mf_sys.close(channel->fd);
	channel->epoch = 0;
	channel->fd = -EBADF;
}

/* Under the mutex: this process's descriptor, or -errno. */
static int channel_fd(struct channel *channel)
{
	uint32_t epoch = mf_fork_generation();
	bool kernel;
	int fd;

	if (channel->epoch == epoch)
		return channel->fd;
	drop_parents(channel);
	fd = open_channel(channel == &channel_inline ? FEATURES_INLINE
						     : FEATURES_MESSAGE,
			  &kernel);
	if (fd < 0)
		return fd;
	if (channel == &channel_message)
		serves_kernel = kernel;
	channel->fd = fd;
	mf_store_relaxed(&channel->epoch, epoch);
	return fd;
}

/*
 * In a child of a raw clone() no thread of ours reads messages, and a fault
 * would wait for ever. SIGBUS and an error is what is left there.
 */
static bool is_inline(const struct mf_view *view)
{
	return view->delivery != MFILL_DELIVER_THREAD ||
	       mf_load_relaxed(&raw_epoch) == mf_fork_generation();
}

/* Under the mutex, or the view is registered: the descriptor is open. */
static int view_fd(const struct mf_view *view)
{
	return is_inline(view) ? channel_inline.fd : channel_message.fd;
}

/* Registration */

static bool is_ready(void)
{
	/* pairs with the release in set_ready(): the descriptors are there */
	return mf_load_acquire(&ready_epoch) == mf_fork_generation();
}

static void set_ready(void)
{
	mf_store_release(&ready_epoch, mf_fork_generation());
}

/* Under the mutex: from here on no page of the range shows by itself. */
static int register_range(const struct mf_view *view, uintptr_t start,
			  size_t len)
{
	struct uffdio_register request = {
		.range = { start, len },
		.mode = UFFDIO_REGISTER_MODE_MISSING |
			UFFDIO_REGISTER_MODE_MINOR,
	};
	int r = channel_fd(is_inline(view) ? &channel_inline
					   : &channel_message);

	if (r >= 0)
		r = mf_sys.ioctl(r, UFFDIO_REGISTER, &request);
	if (r == 0)
		r = mf_sys.mprotect((void *)start, len, view->prot);
	return r;
}

/* Under the mutex: what a child finds of the region. */
static int inherit(const struct mf_view *view, uintptr_t start, size_t len,
		   bool forking)
{
	int advice = forking && !view->shared ? MADV_DOFORK : MADV_DONTFORK;

	return mf_sys.madvise((void *)start, len, advice);
}

static bool is_ours(const struct mf_region *region)
{
	return region->view->backend == &mf_backend_uffd;
}

/*
 * Under the mutex and the read lock: in a child, have the region back. Not
 * over what somebody has mapped there meanwhile.
 */
static int revive_region(const struct mf_region *region, bool raw)
{
	const struct mf_view *view = region->view;
	void *start = (void *)region->start;
	int r = 0;

	if (!view->shared && raw)
		return -EFAULT;
	if (view->shared)
		r = mf_sys.mmap(
			start, region->len, PROT_NONE,
			MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
			view->store->fd,
			mf_region_offset(region, region->start), &start);
	/* A retry: the first one came no further than this. */
	if (r == -EEXIST && !raw)
		r = 0;
	if (r < 0)
		return r;
	r = inherit(view, region->start, region->len, false);
	if (r == 0)
		r = register_range(view, region->start, region->len);
	/* Never zeros: closed, until somebody touches it and we try again. */
	if (r < 0)
		(void)mf_sys.mprotect(start, region->len, PROT_NONE);
	return r;
}

/* Under the read lock. What fails is tried again at the next touch. */
static int revive(void)
{
	struct mf_region_table *table = mf_mm_self()->table;
	uint32_t epoch = mf_fork_generation();
	bool raw = mf_load_relaxed(&forked_epoch) != epoch;
	int r = 0;

	lock();
	if (raw)
		mf_store_relaxed(&raw_epoch, epoch);
	if (!is_ready()) {
		n_forking = 0;
		drop_parents(&channel_inline);
		drop_parents(&channel_message);
		for (size_t i = 0; table && i < table->n && r == 0; i++) {
			if (is_ours(table->regions[i]))
				r = revive_region(table->regions[i], raw);
			if (raw)
				r = 0; /* a touch of it is an error */
		}
		if (r == 0)
			set_ready();
	}
	unlock();
	return r;
}

void mf_uffd_enter(struct mf_mm *mm, struct mf_slot *me)
{
	if (is_ready() || !mf_load_relaxed(&ready_epoch))
		return;
	mf_mm_read_lock(mm, me);
	(void)revive();
	mf_mm_read_unlock(mm, me);
}

static void each_private(bool forking)
{
	struct mf_region_table *table = mf_mm_self()->table;

	for (size_t i = 0; table && i < table->n; i++) {
		const struct mf_region *region = table->regions[i];

		if (is_ours(region) && !region->view->shared)
			(void)inherit(region->view, region->start, region->len,
				      forking);
	}
}

/* +1: a fork() begins; -1: it is over, in the parent. */
static void count_fork(int change)
{
	struct mf_slot *me;
	struct mf_mm *mm;

	if (!mf_load_relaxed(&ready_epoch))
		return;
	me = mf_slot_self();
	mm = mf_mm_self();
	if (!me || !mm)
		return;
	mf_mm_read_lock(mm, me);
	lock();
	n_forking += (unsigned)change;
	if (n_forking == (change > 0 ? 1 : 0))
		each_private(change > 0);
	unlock();
	mf_mm_read_unlock(mm, me);
}

static void before_fork(void)
{
	count_fork(1);
}

static void after_fork(void)
{
	count_fork(-1);
}

static void in_child(void)
{
	struct mf_slot *me;
	struct mf_mm *mm;

	if (!mf_load_relaxed(&ready_epoch))
		return;
	mf_store_relaxed(&forked_epoch, mf_fork_generation());
	me = mf_slot_self();
	mm = mf_mm_self();
	if (!me || !mm)
		return;
	mf_uffd_enter(mm, me);
}

/* Early, so that ours is the first to run in a child. */
__attribute__((constructor)) static void handle_forks(void)
{
	(void)pthread_atfork(before_fork, after_fork, in_child);
}

static int reserve_locked(struct mf_view *view)
{
	int r = inherit(view, view->start, view->len, n_forking > 0);

	/* Nothing is here that we would have to have back. */
	if (r == 0 && !mf_load_relaxed(&ready_epoch))
		set_ready();
	if (r == 0)
		r = register_range(view, view->start, view->len);
	return r;
}

static int uffd_reserve(struct mf_view *view, const struct mf_view *like)
{
	int r = 0;

	if (like)
		return 0; /* the range is registered already */
	mf_uffd_enter(mf_mm_self(), mf_slot_self());
	if (mf_load_relaxed(&ready_epoch) && !is_ready())
		r = -EOPNOTSUPP; /* this child may not have it */
	if (r == 0 && is_inline(view) && view->delivery == MFILL_DELIVER_THREAD)
		r = -EOPNOTSUPP;
	lock();
	if (r == 0)
		r = reserve_locked(view);
	unlock();
	return r == -EINVAL || r == -EPERM ? -EOPNOTSUPP : r;
}

static void uffd_release(struct mf_view *view)
{
	(void)view; /* what was registered went with the mapping */
}

static int uffd_protect(struct mf_region *region)
{
	return mf_sys.mprotect((void *)region->start, region->len,
			       region->view->prot);
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
static int show(int fd, uintptr_t start, size_t len, bool wake)
{
	struct progress p = { start, len, 0 };
	int r = 0;

	while (p.left > 0 && r == 0) {
		struct uffdio_continue request = {
			.range = { p.at, p.left },
			.mode = wake ? 0 : UFFDIO_CONTINUE_MODE_DONTWAKE,
		};

		r = mf_sys.ioctl(fd, UFFDIO_CONTINUE, &request);
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

static int copy(int fd, uintptr_t start, size_t len, const char *buf, bool wake)
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

		r = mf_sys.ioctl(fd, UFFDIO_COPY, &request);
		r = account(&p, r, request.copy);
	}
	return r;
}

/* Under the mutex: the page is missing, and no longer an error. */
static void clear_failed(int i)
{
	(void)mf_sys.madvise((void *)failed[i].addr, page_size(),
			     MADV_DONTNEED);
	failed[i].addr = 0;
	mf_store_relaxed(&n_failed, n_failed - 1);
}

static void clear_failed_in(uintptr_t start, size_t len)
{
	for (int i = 0; i < FAILED_MAX && n_failed > 0; i++)
		if (failed[i].addr && failed[i].addr - start < len)
			clear_failed(i);
}

/*
 * A page that failed has a marker, and a record of it. Both change under the
 * mutex, as does what is shown: or a page that somebody has written to by now
 * could be dropped as one that failed.
 */
static int uffd_open(struct mf_region *region, uintptr_t start, size_t len)
{
	int r = is_ready() ? 0 : revive();

	if (r < 0)
		return r;
	if (is_inline(region->view))
		return show(view_fd(region->view), start, len, false);
	lock();
	clear_failed_in(start, len);
	r = show(view_fd(region->view), start, len, !is_reader);
	unlock();
	return r;
}

static int uffd_copy(struct mf_region *region, uintptr_t start, size_t len,
		     const void *buf)
{
	int r;

	if (!region->view->shared || !is_ready())
		return -EOPNOTSUPP;
	if (is_inline(region->view))
		return copy(view_fd(region->view), start, len, buf, false);
	lock();
	clear_failed_in(start, len);
	r = copy(view_fd(region->view), start, len, buf, !is_reader);
	unlock();
	return r;
}

/* Messages and failures */

int mf_uffd_message_fd(void)
{
	int r;

	lock();
	r = channel_fd(&channel_message);
	unlock();
	return r;
}

void mf_uffd_wake_by_hand(void)
{
	is_reader = true;
}

unsigned mf_uffd_read(struct mf_uffd_message *ret, unsigned n)
{
	struct uffd_msg messages[16];
	unsigned count = 0;
	ssize_t got;

	if (n > 16)
		n = 16;
	got = mf_sys.read(channel_message.fd, messages,
			  n * sizeof(messages[0]));
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

bool mf_uffd_serves_kernel(void)
{
	bool kernel;

	lock();
	kernel = channel_fd(&channel_message) >= 0 && serves_kernel;
	unlock();
	return kernel;
}

void mf_uffd_wake(uintptr_t start, size_t len)
{
	struct uffdio_range range = { start, len };

	(void)mf_sys.ioctl(channel_message.fd, UFFDIO_WAKE, &range);
}

/* Under the mutex and the read lock. */
static void forgive(struct mf_mm *mm, int i)
{
	struct mf_region *region = mf_mm_find(mm, failed[i].addr);

	if (region && region->generation == failed[i].generation) {
		clear_failed(i);
		return;
	}
	/* Gone, and somebody else may be there. */
	failed[i].addr = 0;
	mf_store_relaxed(&n_failed, n_failed - 1);
}

/* A free record; the oldest must make room. */
static int free_record(struct mf_mm *mm)
{
	int oldest = 0;

	for (int i = 0; i < FAILED_MAX; i++) {
		if (!failed[i].addr)
			return i;
		if (failed[i].time < failed[oldest].time)
			oldest = i;
	}
	forgive(mm, oldest);
	return oldest;
}

static void fail_locked(struct mf_mm *mm, const struct mf_region *region,
			uintptr_t addr, uint64_t now_ns)
{
	struct uffdio_poison request = { .range = { addr, page_size() } };
	int i, r;

	r = mf_sys.ioctl(channel_message.fd, UFFDIO_POISON, &request);
	if (r < 0) {
		/* It is there, or failed already; or try it all again. */
		mf_uffd_wake(addr, page_size());
		return;
	}
	i = free_record(mm);
	failed[i].addr = addr;
	failed[i].generation = region->generation;
	failed[i].time = now_ns;
	mf_store_relaxed(&n_failed, n_failed + 1);
}

void mf_uffd_fail(struct mf_mm *mm, struct mf_slot *me, uintptr_t addr,
		  uint64_t now_ns)
{
	struct mf_region *region;

	mf_mm_read_lock(mm, me);
	lock();
	region = mf_mm_find(mm, addr);
	if (region && is_ours(region))
		fail_locked(mm, region, addr, now_ns);
	else
		mf_uffd_wake(addr, page_size());
	unlock();
	mf_mm_read_unlock(mm, me);
}

void mf_uffd_forgive(struct mf_mm *mm, struct mf_slot *me, uintptr_t addr)
{
	addr &= ~(page_size() - 1);
	mf_mm_read_lock(mm, me);
	lock();
	for (int i = 0; i < FAILED_MAX; i++)
		if (failed[i].addr == addr)
			forgive(mm, i);
	unlock();
	mf_mm_read_unlock(mm, me);
}

void mf_uffd_forgive_before(struct mf_mm *mm, struct mf_slot *me,
			    uint64_t time_ns)
{
	mf_mm_read_lock(mm, me);
	lock();
	for (int i = 0; i < FAILED_MAX; i++)
		if (failed[i].addr && failed[i].time < time_ns)
			forgive(mm, i);
	unlock();
	mf_mm_read_unlock(mm, me);
}

bool mf_uffd_has_failed(void)
{
	return mf_load_relaxed(&n_failed) > 0;
}

enum mf_uffd_bus mf_uffd_bus(const struct mf_view *view)
{
	if (view->backend != &mf_backend_uffd)
		return MF_UFFD_FOREIGN;
	return is_inline(view) ? MF_UFFD_FAULT : MF_UFFD_FAILED;
}

bool mf_uffd_waits(const struct mf_view *view)
{
	return view->backend == &mf_backend_uffd && !is_inline(view);
}

bool mf_uffd_may_wait(void)
{
	return mf_load_relaxed(&channel_message.epoch) != 0;
}

/* Register a page and let a system call see that it is hidden, and shown. */
static int try_page(int fd, char *page, int store)
{
	struct uffdio_register request = {
		.range = { (uintptr_t)page, page_size() },
		.mode = UFFDIO_REGISTER_MODE_MISSING |
			UFFDIO_REGISTER_MODE_MINOR,
	};
	ssize_t n;
	int r = mf_sys.ioctl(fd, UFFDIO_REGISTER, &request);

	if (r < 0)
		return r;
	if (mf_sys.pwrite(store, page, 1, 0) != -EFAULT)
		return -EOPNOTSUPP;
	n = mf_sys.pwrite(store, "", 1, 0);
	r = n < 0 ? (int)n : show(fd, (uintptr_t)page, page_size(), false);
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
	_cleanup_close_ int fd = open_channel(FEATURES_INLINE, &kernel);
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

int mf_uffd_probe_messages(void)
{
	bool kernel;
	_cleanup_close_ int fd = open_channel(FEATURES_MESSAGE, &kernel);

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
