/* SPDX-License-Identifier: MIT */
/*
 * reader.c - read the kernel's messages about faults, and serve them.
 *
 * Promise: 1. whoever reads messages reads all there are before it fills
 * anything; 2. a thread that fills leaves one behind that waits for messages,
 * so a source may touch a map that is served here; 3. a fault that cannot be
 * served now is tried again after a short while, for ever or until it fails;
 * 4. a child of fork() has threads of its own.
 * Context: a reader: normal context. A fault it causes itself is another's
 * message.
 *
 * All readers sleep in one epoll set, edge-triggered: one message wakes one of
 * them, and one that comes while none sleeps is seen by the next that would.
 * Who is woken moves all that the kernel has into our queue, takes one, wakes another
 * reader if there is more, and fills. A thread that sleeps in the kernel for a
 * page is woken by whatever shows that page, so a second fault of the same
 * page, parked because the first one is being served, needs no care: when it is
 * tried again its thread is gone long since.
 */
#include "fault/reader.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "backends/uffd.h"
#include "base/mutex.h"
#include "base/sys.h"
#include "base/syscall.h"
#include "fault/fault.h"
#include "fault/wait.h"

#define READERS_MAX 64
#define QUEUE	    256
#define PARKED_MAX  256
#define FD_MIN	    512

#define PARK_MS	  2   /* until a parked fault is tried again */
#define FAILED_MS 20  /* for how long a system call's failure is kept */
#define PATIENCE  500 /* tries while there is no memory */

struct parked {
	struct mf_uffd_message message;
	unsigned tries;
};

static struct {
	struct mf_mutex mutex;
	uint32_t epoch;	    /* mutex; the process that the rest is of */
	int epoll, event;   /* mutex; fixed while epoch is */
	unsigned n_readers; /* mutex */
	unsigned n_idle;    /* mutex; waiting for messages */
	/* Read from the kernel, oldest first. */
	struct parked queue[QUEUE];	  /* mutex */
	unsigned first, n_queued;	  /* mutex */
	struct parked parked[PARKED_MAX]; /* mutex */
	unsigned n_parked;		  /* mutex */
} readers;

static void *reader_main(void *arg);

static void lock(void)
{
	mf_signals_block();
	mf_mutex_lock(&readers.mutex, MF_RANK_POOL);
}

static void unlock(void)
{
	mf_mutex_unlock(&readers.mutex, MF_RANK_POOL);
	mf_signals_restore();
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* Under the lock: a descriptor where a program does not expect one. */
static int move_up(int fd)
{
	int r = fd < 0 ? fd : mf_sys.dup_above(fd, FD_MIN);

	/* EINVAL: a process with that many descriptors is not allowed. */
	if (fd < 0 || r == -EINVAL)
		return fd;
	(void)mf_sys.close(fd);
	return r;
}

/* Under the lock: what the readers of this process sleep in. */
static int set_up(int uffd)
{
	int epoll = move_up(mf_sys.epoll_create());
	int event = epoll < 0 ? epoll : move_up(mf_sys.eventfd());
	int r = event;

	if (r >= 0)
		r = mf_sys.epoll_add(epoll, uffd, EPOLLIN | EPOLLET);
	if (r == 0)
		r = mf_sys.epoll_add(epoll, event, EPOLLIN | EPOLLET);
	if (r < 0) {
		if (event >= 0)
			(void)mf_sys.close(event);
		if (epoll >= 0)
			(void)mf_sys.close(epoll);
		return r;
	}
	/* The parent's: its threads are not here. */
	if (readers.epoch) {
		(void)mf_sys.close(readers.epoll);
		(void)mf_sys.close(readers.event);
	}
	readers.epoll = epoll;
	readers.event = event;
	readers.n_readers = readers.n_idle = 0;
	readers.n_queued = readers.n_parked = 0;
	readers.epoch = mf_fork_generation();
	return 0;
}

/* One more thread, counted already. */
static int add_reader(void)
{
	int r;

	/* A new thread inherits the mask: ours take no signals. */
	mf_signals_block();
	r = mf_sys.thread_create(reader_main, NULL);
	mf_signals_restore();
	if (r < 0) {
		lock();
		readers.n_readers--;
		unlock();
	}
	return r;
}

static void restart_in_child(void)
{
	if (readers.epoch)
		(void)mf_reader_start();
}

/*
 * Early, or a child's fork handler that touches a map would wait for threads
 * which are made by the next one.
 */
__attribute__((constructor)) static void handle_forks(void)
{
	(void)pthread_atfork(NULL, NULL, restart_in_child);
}

int mf_reader_start(void)
{
	int uffd = mf_uffd_message_fd();
	bool wanted = false;
	int r = 0;

	if (uffd < 0)
		return uffd;
	lock();
	if (readers.epoch != mf_fork_generation())
		r = set_up(uffd);
	if (r == 0 && readers.n_readers == 0) {
		wanted = true;
		readers.n_readers++;
	}
	unlock();
	return wanted ? add_reader() : r;
}

/* Under the lock: all that the kernel has, as far as there is room. */
static void drain(void)
{
	struct mf_uffd_message messages[16];
	unsigned n, room;

	do {
		room = QUEUE - readers.n_queued;
		if (room > 16)
			room = 16;
		n = room ? mf_uffd_read(messages, room) : 0;
		for (unsigned i = 0; i < n; i++)
			readers.queue[(readers.first + readers.n_queued++) %
				      QUEUE] =
				(struct parked){ .message = messages[i] };
	} while (n == 16);
}

/* Under the lock: parked faults are faults again. */
static void unpark(void)
{
	while (readers.n_parked > 0 && readers.n_queued < QUEUE)
		readers.queue[(readers.first + readers.n_queued++) % QUEUE] =
			readers.parked[--readers.n_parked];
}

static void park(struct parked *fault)
{
	lock();
	if (readers.n_parked < PARKED_MAX)
		readers.parked[readers.n_parked++] = *fault;
	else /* it faults again, and is a new message */
		mf_uffd_wake(fault->message.addr,
			     (size_t)sysconf(_SC_PAGESIZE));
	unlock();
}

/*
 * Take a fault, and see to it that somebody else looks after the next one
 * before this thread is lost in a source.
 */
static bool take(struct parked *ret)
{
	uint64_t one = 1;
	bool spawn = false;

	lock();
	if (readers.n_queued == 0) {
		unlock();
		return false;
	}
	*ret = readers.queue[readers.first];
	readers.first = (readers.first + 1) % QUEUE;
	/* There may be more in the kernel, and no edge any more. */
	if (readers.n_queued-- == QUEUE)
		drain();
	if (readers.n_idle == 0 && readers.n_readers < READERS_MAX) {
		readers.n_readers++;
		spawn = true;
	} else if (readers.n_queued > 0 && readers.n_idle > 0) {
		(void)mf_sys.write(readers.event, &one, sizeof(one));
	}
	unlock();
	if (spawn)
		(void)add_reader();
	return true;
}

/* The slot of a thread of this process, or NULL. */
static struct mf_slot *slot_of(uint32_t tid)
{
	struct mf_world *world = mf_world();
	uint32_t n = mf_world_slots(world);

	for (uint32_t i = 0; i < n; i++) {
		struct mf_slot *slot = mf_world_slot(world, i);

		if (mf_load_relaxed(&slot->tid) == tid &&
		    mf_load_relaxed(&slot->pid) == (uint32_t)getpid())
			return slot;
	}
	return NULL;
}

static int serve_region(struct mf_mm *mm, struct mf_slot *me,
			struct mf_region *region, uint64_t generation,
			const struct mf_uffd_message *message)
{
	struct mf_slot *waiter = slot_of(message->tid);
	uint64_t page = mf_page_ref(region->view->store,
				    mf_region_unit(region, message->addr));
	int r;

	/*
	 * It may be filling another page, whose bytes come from here: then a
	 * ring is seen by whoever would close it.
	 */
	if (waiter) {
		mf_wait_publish(waiter, page);
		mf_wait_set_owner(waiter, page, me);
	}
	r = mf_fault_message(mm, me, region, generation, message->addr, waiter);
	if (waiter && r != -EBUSY)
		mf_wait_stand_down(waiter, page);
	return r;
}

static void serve(struct mf_mm *mm, struct mf_slot *me, struct parked *fault)
{
	const struct mf_uffd_message *message = &fault->message;
	uintptr_t start = message->addr;
	size_t len = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t generation;
	struct mf_region *region = mf_mm_get(mm, me, start, &generation);
	int r = -ENOENT;

	if (region && mf_uffd_waits(region->view)) {
		r = serve_region(mm, me, region, generation, message);
		start = mf_region_of_unit(region, mf_region_unit(region, start),
					  &len);
	}
	/* Before anybody is woken who unmaps it and wants it gone then. */
	mf_region_put(region);
	mf_mm_reap();
	if (r == -EBUSY || (r == -ENOMEM && ++fault->tries < PATIENCE))
		park(fault);
	else if (r == 0 || r == -ENOENT || r == -EAGAIN)
		/* It is there, or not what it was, and faults again if so. */
		mf_uffd_wake(start, len);
	else
		mf_uffd_fail(mm, me, message->addr, now_ns());
}

/* Until there is a message, or time for what is parked. */
static void wait_for_messages(struct mf_mm *mm, struct mf_slot *me)
{
	struct epoll_event event;
	int timeout = -1;

	lock();
	readers.n_idle++;
	if (readers.n_parked > 0)
		timeout = PARK_MS;
	else if (mf_uffd_has_failed())
		timeout = FAILED_MS;
	unlock();
	(void)mf_syscall(SYS_epoll_pwait, readers.epoll, (long)&event, 1,
			 timeout, 0, 8);
	lock();
	readers.n_idle--;
	drain();
	if (timeout == PARK_MS)
		unpark();
	unlock();
	if (mf_uffd_has_failed())
		mf_uffd_forgive_before(mm, me, now_ns() - FAILED_MS * 1000000U);
	mf_mm_reap();
}

static void *reader_main(void *arg)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();

	/* For good: each lock would do it again, by two system calls. */
	mf_signals_block();
	mf_uffd_wake_by_hand();
	mf_tsan_trust_thread();
	(void)pthread_setname_np(pthread_self(), "mfill-uffd");
	lock();
	drain();
	unlock();
	while (me && mm) {
		struct parked fault;

		if (take(&fault))
			serve(mm, me, &fault);
		else
			wait_for_messages(mm, me);
	}
	lock();
	readers.n_readers--;
	unlock();
	return arg;
}
