/* SPDX-License-Identifier: MIT */
/*
 * reader.c - read the kernel's messages about faults, and serve them.
 *
 * Promise: 1. whoever reads messages reads all there are before anything is
 * filled; 2. while a thread fills, another can read messages, so a source may
 * touch a map that is served here; 3. a fault that cannot be served now is
 * tried again after a short while; 4. when all threads wait for faults that
 * only they could serve, one of these is refused; 5. a child of fork() has
 * threads of its own.
 * Context: a reader: normal context. A fault it causes itself is another's
 * message.
 *
 * One reader is in front: it sleeps in read(), and nobody else reads. When a
 * fill is quick the front does it by itself, as a program with one handler
 * thread would, since to wake another thread costs as much as the fill. One of
 * the others looks every now and then whether it came back, and takes its
 * place if not. Where fills are slow and there are several to do at once, or
 * where the front was found stuck a short while ago, it hands over before it
 * fills.
 *
 * A thread that sleeps in the kernel for a page is woken by whatever shows that
 * page, so a second fault of the same page, parked because the first one is
 * being served, needs no care: when it is tried again its thread is gone long
 * since.
 */
#include "fault/reader.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "backends/uffd.h"
#include "base/mutex.h"
#include "base/sys.h"
#include "fault/cycle.h"
#include "fault/fault.h"
#include "fault/wait.h"

#define READERS_MAX 64
/* One that reads, and one that looks after what is parked. */
#define FREE_LEAST 2
#define QUEUE	   512
#define PARKED_MAX 256

#define MS		  UINT64_C(1000000)
#define TICK_NS		  (1 * MS) /* until a front that is stuck is noticed */
#define PARK_NS		  (2 * MS) /* until a parked fault is tried again */
#define FAILED_NS	  (20 * MS) /* how long a system call's failure is kept */
#define EAGER_NS	  (10 * MS) /* how long one that was stuck is remembered */
#define SLOW_NS		  20000 /* a fill that is worth waking a thread for */
#define BACK_OFF_FIRST_NS (MS / 16)
#define BACK_OFF_NS	  (10 * MS) /* between looks where read() cannot wait */
#define TICKS_IDLE	  16	    /* without a fault, until nobody looks */
#define PATIENCE	  500	    /* tries while there is no memory */

struct parked {
	struct mf_uffd_message message;
	unsigned tries;
	bool put_off; /* and its thread said to wait for nobody known */
};

/* In the frame of its thread. */
struct reader {
	struct mf_slot *me;
	struct mf_mm *mm;
	uint32_t turn;	   /* what it fills in front; 0: nothing */
	unsigned idle;	   /* ticks without a fault */
	uint64_t back_off; /* ns */
};

static struct {
	struct mf_mutex mutex;
	uint32_t epoch;	      /* mutex; the process that the rest is of */
	unsigned n_readers;   /* mutex; running or being made */
	unsigned n_serving;   /* mutex */
	unsigned n_resting;   /* mutex */
	uint32_t n_busy;      /* of those who serve: their fault still waits */
	uint32_t bell;	      /* futex; for those who rest */
	struct reader *front; /* mutex */
	bool has_ticker;      /* mutex; one who rests looks at the clock */
	bool no_more;	      /* mutex; threads cannot be made now */
	uint32_t turn;	      /* mutex; counts what the front fills itself */
	uint32_t front_turn;  /* which of these it is at; 0: none */
	uint64_t eager_until; /* mutex */
	uint32_t last_tid;    /* mutex; whose fault came last */
	uint64_t last_ns;     /* mutex; what one took, now and then */
	struct mf_slot *serving[READERS_MAX]; /* mutex; NULL: free */
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

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Under the lock: somebody who rests is to look what there is to do. */
static void ring(void)
{
	mf_fetch_add(&readers.bell, 1);
	if (readers.n_resting > 0)
		mf_futex_wake(&readers.bell, 1, MF_FUTEX_LOCAL);
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
		readers.no_more = true;
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

/* Under the lock: the parent's threads are not here. */
static void forget_parent(void)
{
	uint32_t epoch = mf_fork_generation();

	if (readers.epoch == epoch)
		return;
	readers.n_readers = readers.n_serving = readers.n_resting = 0;
	readers.n_busy = 0;
	readers.front = NULL;
	readers.has_ticker = readers.no_more = false;
	readers.front_turn = 0;
	for (int i = 0; i < READERS_MAX; i++)
		readers.serving[i] = NULL;
	readers.n_queued = readers.n_parked = 0;
	readers.epoch = epoch;
}

int mf_reader_start(void)
{
	int r = mf_uffd_listen();

	while (r == 0) {
		bool enough;

		lock();
		forget_parent();
		enough = readers.n_readers > FREE_LEAST;
		if (!enough)
			readers.n_readers++;
		unlock();
		if (enough)
			break;
		r = add_reader();
	}
	return r;
}

/* Under the lock. A fault without room faults again, and is a new message. */
static void enqueue(struct parked fault)
{
	if (readers.n_queued < QUEUE)
		readers.queue[(readers.first + readers.n_queued++) % QUEUE] =
			fault;
	else
		mf_uffd_wake(fault.message.addr, page_size());
}

static struct parked dequeue(void)
{
	struct parked fault = readers.queue[readers.first];

	readers.first = (readers.first + 1) % QUEUE;
	readers.n_queued--;
	return fault;
}

static void park(struct parked fault)
{
	if (readers.n_parked < PARKED_MAX)
		readers.parked[readers.n_parked++] = fault;
	else
		mf_uffd_wake(fault.message.addr, page_size());
}

/* Parked faults are faults again. */
static void unpark(void)
{
	while (readers.n_parked > 0)
		enqueue(readers.parked[--readers.n_parked]);
}

/* In front: wait for messages and queue them. */
static void read_messages(struct reader *self)
{
	struct mf_uffd_message messages[MF_UFFD_MESSAGES];
	unsigned n = mf_uffd_read(messages);

	if (n == 0) {
		uint32_t seen = mf_load_relaxed(&readers.bell);

		(void)mf_futex_wait(&readers.bell, seen, self->back_off,
				    MF_FUTEX_LOCAL);
		if (self->back_off < BACK_OFF_NS)
			self->back_off *= 2;
		return;
	}
	self->back_off = BACK_OFF_FIRST_NS;
	lock();
	for (unsigned i = 0; i < n; i++)
		enqueue((struct parked){ .message = messages[i] });
	if (mf_load_relaxed(&readers.n_busy) > 0)
		readers.eager_until = now_ns() + EAGER_NS;
	unlock();
}

/* From here on who waited may run, and be back at once. */
static void before_wake(struct reader *self)
{
	uint32_t turn = self->turn;

	if (turn)
		(void)mf_cas(&readers.front_turn, &turn, 0);
	self->turn = 0;
	mf_fetch_sub(&readers.n_busy, 1);
}

static int serve_region(struct reader *self, struct mf_region *region,
			uint64_t generation, struct mf_slot *waiter,
			const struct mf_uffd_message *message)
{
	uint64_t page = mf_page_ref(region->view->store,
				    mf_region_unit(region, message->addr));
	int r;

	/*
	 * It may be filling another page, whose bytes come from here: then a
	 * ring is seen by whoever would close it.
	 */
	if (waiter) {
		mf_wait_publish(waiter, page);
		mf_wait_set_owner(waiter, page, self->me);
	}
	r = mf_fault_message(self->mm, self->me, region, generation,
			     message->addr, waiter);
	if (waiter && r != -EBUSY)
		mf_wait_stand_down(waiter, page);
	return r;
}

static void park_later(struct parked fault)
{
	lock();
	park(fault);
	unlock();
}

static void serve(struct reader *self, struct parked *fault)
{
	const struct mf_uffd_message *message = &fault->message;
	uintptr_t start = message->addr;
	size_t len = page_size();
	uint64_t generation;
	struct mf_region *region = mf_mm_get(self->mm, self->me, start,
					     &generation);
	struct mf_slot *waiter = mf_slot_of_thread(self->me, message->tid);
	int r = -ENOENT;

	if (waiter && fault->put_off)
		mf_wait_stand_down(waiter, MF_WAIT_QUEUED);
	fault->put_off = false;
	if (region && mf_uffd_waits(region->view)) {
		r = serve_region(self, region, generation, waiter, message);
		start = mf_region_of_unit(region, mf_region_unit(region, start),
					  &len);
	}
	/* Before anybody is woken who unmaps it and wants it gone then. */
	mf_region_put(region);
	mf_mm_reap();
	before_wake(self);
	if (r == -EBUSY || (r == -ENOMEM && ++fault->tries < PATIENCE))
		park_later(*fault);
	else if (r == 0 || r == -ENOENT || r == -EAGAIN)
		/* It is there, or not what it was, and faults again if so. */
		mf_uffd_wake(start, len);
	else
		mf_uffd_fail(self->mm, self->me, message->addr, now_ns());
}

/*
 * Under the lock: whether this thread may fill something, and others are left
 * that read and look after the rest. -EAGAIN: not without one more.
 */
static int may_serve(void)
{
	if (readers.n_readers - readers.n_serving > FREE_LEAST)
		return 0;
	if (readers.n_readers < READERS_MAX && !readers.no_more)
		return -EAGAIN;
	return -EBUSY;
}

/*
 * Under the lock, in front, with a fault taken: does somebody else read
 * meanwhile? If not, somebody is to look whether we come back.
 */
static void leave_behind(struct reader *self, const struct parked *fault)
{
	bool many = fault->message.tid != readers.last_tid;

	readers.last_tid = fault->message.tid;
	if (readers.n_queued > 0 || (many && readers.last_ns > SLOW_NS) ||
	    (readers.eager_until && now_ns() < readers.eager_until)) {
		readers.front = NULL;
		ring();
		mf_uffd_hand_over();
		return;
	}
	if (++readers.turn == 0)
		readers.turn++;
	self->turn = readers.turn;
	mf_store_relaxed(&readers.front_turn, self->turn);
	if (!readers.has_ticker)
		ring();
}

static void begin_serving(struct reader *self, struct parked *ret)
{
	*ret = dequeue();
	readers.n_serving++;
	mf_fetch_add(&readers.n_busy, 1);
	for (int i = 0; i < READERS_MAX; i++)
		if (!readers.serving[i]) {
			readers.serving[i] = self->me;
			break;
		}
	if (readers.front == self)
		leave_behind(self, ret);
	else if (readers.n_queued > 0)
		ring();
}

static void end_serving(struct reader *self, uint64_t took_ns)
{
	bool in_front;

	lock();
	readers.n_serving--;
	for (int i = 0; i < READERS_MAX; i++)
		if (readers.serving[i] == self->me)
			readers.serving[i] = NULL;
	if (took_ns)
		readers.last_ns = took_ns;
	readers.no_more = false;
	if (!readers.has_ticker && (readers.n_parked || mf_uffd_has_failed()))
		ring();
	in_front = readers.front == self;
	unlock();
	if (!in_front)
		mf_uffd_handed_over();
}

/*
 * Under the lock: each thread that fills waits for something that only one of
 * us could do, and one at least for this waiter.
 */
static bool all_stuck(const struct mf_slot *waiter)
{
	bool for_it = false;

	for (int i = 0; i < READERS_MAX; i++) {
		struct mf_slot *end;

		if (!readers.serving[i])
			continue;
		end = mf_wait_end(readers.serving[i]);
		if (!end)
			return false;
		for_it |= end == waiter;
	}
	return waiter && for_it;
}

/*
 * Under the lock: no thread can be spared for a fault, so it waits until there
 * is one. But when all of them wait for faults, one of these is refused: true.
 */
static bool put_off(const struct reader *self, struct parked *fault)
{
	struct mf_slot *waiter = mf_slot_of_thread(self->me,
						   fault->message.tid);

	if (waiter)
		mf_wait_publish(waiter, MF_WAIT_QUEUED);
	if (all_stuck(waiter)) {
		mf_wait_stand_down(waiter, MF_WAIT_QUEUED);
		return true;
	}
	fault->put_off = true;
	park(*fault);
	return false;
}

enum task { SERVE, REFUSE, READ, REST };

/* What this thread is to do next. */
static enum task choose(struct reader *self, struct parked *ret)
{
	enum task task;

	lock();
	while (readers.n_queued > 0) {
		int r = may_serve();

		if (r == 0) {
			begin_serving(self, ret);
			unlock();
			return SERVE;
		}
		if (r == -EAGAIN) {
			readers.n_readers++;
			unlock();
			(void)add_reader();
			lock();
			continue;
		}
		*ret = dequeue();
		if (put_off(self, ret)) {
			unlock();
			return REFUSE;
		}
	}
	task = !readers.front || readers.front == self ? READ : REST;
	if (task == READ)
		readers.front = self;
	unlock();
	return task;
}

/* Under the lock: until somebody must look at the clock; 0: not at all. */
static uint64_t until_tick(const struct reader *self)
{
	if (readers.has_ticker)
		return 0;
	if (mf_load_relaxed(&readers.front_turn) || self->idle < TICKS_IDLE)
		return TICK_NS;
	if (readers.n_parked > 0)
		return PARK_NS;
	return mf_uffd_has_failed() ? FAILED_NS : 0;
}

/* Under the lock: some time has passed, and then it was that turn. */
static void look_around(struct reader *self, uint32_t turn)
{
	self->idle = turn == readers.turn ? self->idle + 1 : 0;
	unpark();
	if (turn == readers.turn && mf_load_relaxed(&readers.front_turn)) {
		readers.front = NULL;
		mf_store_relaxed(&readers.front_turn, 0);
		readers.eager_until = now_ns() + EAGER_NS;
	}
}

/* Somebody else is in front. */
static void rest(struct reader *self)
{
	uint32_t seen, turn;
	uint64_t timeout;
	int r;

	lock();
	if (readers.n_queued > 0 || !readers.front) {
		unlock();
		return;
	}
	timeout = until_tick(self);
	readers.has_ticker |= timeout > 0;
	readers.n_resting++;
	seen = readers.bell;
	turn = readers.turn;
	unlock();
	r = mf_futex_wait(&readers.bell, seen, timeout, MF_FUTEX_LOCAL);
	lock();
	readers.n_resting--;
	if (timeout > 0)
		readers.has_ticker = false;
	if (r == -ETIMEDOUT)
		look_around(self, turn);
	else
		self->idle = 0;
	unlock();
	if (mf_uffd_has_failed())
		mf_uffd_forgive_before(self->mm, self->me,
				       now_ns() - FAILED_NS);
	mf_mm_reap();
}

static void refuse(struct reader *self, const struct parked *fault)
{
	struct mf_slot *waiter = mf_slot_of_thread(self->me,
						   fault->message.tid);

	if (waiter)
		mf_cycle_tell_stuck(waiter, READERS_MAX - FREE_LEAST);
	mf_uffd_fail(self->mm, self->me, fault->message.addr, now_ns());
}

static void do_next(struct reader *self)
{
	struct parked fault;
	uint64_t start;

	switch (choose(self, &fault)) {
	case SERVE:
		start = self->turn % 8 ? 0 : now_ns();
		serve(self, &fault);
		end_serving(self, start ? now_ns() - start : 0);
		break;
	case REFUSE:
		refuse(self, &fault);
		break;
	case READ:
		read_messages(self);
		break;
	case REST:
		rest(self);
		break;
	}
}

static void *reader_main(void *arg)
{
	struct reader self = {
		.me = mf_slot_self(),
		.mm = mf_mm_self(),
		.back_off = BACK_OFF_FIRST_NS,
	};

	/* For good: each lock would do it again, by two system calls. */
	mf_signals_block();
	mf_uffd_wake_by_hand();
	mf_tsan_trust_thread();
	(void)pthread_setname_np(pthread_self(), "mfill-uffd");
	while (self.me && self.mm)
		do_next(&self);
	lock();
	readers.n_readers--;
	unlock();
	return arg;
}
