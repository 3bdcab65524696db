/* SPDX-License-Identifier: MIT */
/*
 * thread.c - handler threads and the queue in front of them.
 *
 * Promise: 1. faults before prefetches; 2. while a fault is queued, some
 * worker is awake or being made; 3. a child of fork() has workers of its own.
 * Context: start and everything a worker does: normal context. fault,
 * prefetch and readahead: any.
 *
 * A request for a fault lives in the frame of the thread that waits for it.
 * Prefetches are copied into a fixed array: what does not fit is dropped.
 */
#include "fault/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "base/mutex.h"
#include "base/spin.h"
#include "base/sys.h"
#include "base/syscall.h"
#include "fault/cycle.h"
#include "fault/fault.h"
#include "fault/wait.h"

/* More only stand in for workers that wait for a page. */
#define WORKERS_WANTED 4
#define WORKERS_MAX    64
#define PREFETCH_MAX   64
/* How long all may wait before somebody asks whether it is for ever. */
#define PATIENCE_NS UINT64_C(20000000)
#define AHEAD_MAX   (UINT64_C(4) << 20)

struct request {
	struct request *next;
	struct mf_slot *waiter;
	struct mf_region *region;
	uint64_t generation;
	uint32_t unit;
	int result;
	uint32_t done; /* futex; enum */
};

/* LOOK: all workers wait, so see whether it is for ever. */
enum { PENDING, DONE, LOOK };

struct prefetch {
	struct mf_region *region; /* a reference; NULL: free */
	uint64_t generation;
	uint32_t next, last;
};

static struct {
	struct mf_mutex mutex;
	uint32_t epoch;	       /* mutex; the process that the rest is of */
	struct request *first; /* mutex */
	struct request **tail; /* mutex */
	struct prefetch prefetches[PREFETCH_MAX]; /* mutex */
	unsigned n_prefetches;			  /* mutex */
	unsigned n_workers;			  /* mutex */
	unsigned n_idle;			  /* mutex; waiting for work */
	unsigned n_waiting;		      /* mutex; waiting for a page */
	struct mf_slot *waiting[WORKERS_MAX]; /* mutex; these */
	uint32_t work;			      /* futex; counts requests */
	uint32_t n_looking;	/* for work, before they sleep; or fewer */
	struct mf_spin faults;	/* where they are: for workers */
	struct mf_spin workers; /* for who waits at a fault */
} pool;

static __thread bool is_worker;

static void *worker_main(void *arg);

static void pool_lock(void)
{
	mf_signals_block();
	mf_mutex_lock(&pool.mutex, MF_RANK_POOL);
	if (pool.epoch == mf_fork_generation())
		return;
	/* The parent's threads are not here, nor are those who wait for them */
	pool.epoch = mf_fork_generation();
	pool.first = NULL;
	pool.tail = &pool.first;
	for (int i = 0; i < PREFETCH_MAX; i++)
		pool.prefetches[i].region = NULL;
	pool.n_prefetches = 0;
	pool.n_workers = pool.n_idle = pool.n_waiting = 0;
	pool.n_looking = 0;
	for (int i = 0; i < WORKERS_MAX; i++)
		pool.waiting[i] = NULL;
}

static void pool_unlock(void)
{
	mf_mutex_unlock(&pool.mutex, MF_RANK_POOL);
	mf_signals_restore();
}

bool mf_pool_is_worker(void)
{
	return is_worker;
}

/*
 * Under the lock, in normal context: whether one more worker should be. One is
 * always left for the next fault, which cannot make any: what a source waits
 * for may be held by a thread that is at a fault.
 */
static bool wants_worker(void)
{
	unsigned awake = pool.n_workers - pool.n_waiting;

	return pool.n_idle == 0 && pool.n_workers < WORKERS_MAX &&
	       awake < WORKERS_WANTED;
}

/* 1: one was made. */
static int add_worker_if_wanted(void)
{
	bool wanted;
	int r;

	pool_lock();
	wanted = wants_worker();
	if (wanted)
		pool.n_workers++;
	pool_unlock();
	if (!wanted)
		return 0;
	/* A new thread inherits the mask: ours take no signals. */
	mf_signals_block();
	r = mf_sys.thread_create(worker_main, NULL);
	mf_signals_restore();
	if (r < 0) {
		pool_lock();
		pool.n_workers--;
		pool_unlock();
	}
	return r < 0 ? r : 1;
}

static void restart_in_child(void)
{
	if (pool.n_workers > 0)
		(void)mf_pool_start();
}

static void at_fork_once(void)
{
	(void)pthread_atfork(NULL, NULL, restart_in_child);
}

int mf_pool_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int r;

	pthread_once(&once, at_fork_once);
	r = add_worker_if_wanted();
	return r < 0 ? r : 0;
}

static bool take_one(uint32_t *count)
{
	uint32_t n = mf_load_seq_cst(count);

	while (n > 0)
		if (mf_cas(count, &n, n - 1))
			return true;
	return false;
}

/*
 * Each wakes one worker, or takes one of those who look: that one is not there
 * for the next.
 */
static void announce_work(void)
{
	mf_fetch_add(&pool.work, 1);
	if (!take_one(&pool.n_looking))
		mf_futex_wake(&pool.work, 1, MF_FUTEX_LOCAL);
}

/* Under the lock. */
static struct request *take_request(void)
{
	struct request *request = pool.first;

	if (request) {
		pool.first = request->next;
		if (!pool.first)
			pool.tail = &pool.first;
	}
	return request;
}

/* Under the lock: one unit, with a reference on its region. */
static bool take_prefetch(struct prefetch *ret)
{
	for (int i = 0; i < PREFETCH_MAX; i++) {
		struct prefetch *prefetch = &pool.prefetches[i];

		if (!prefetch->region)
			continue;
		*ret = *prefetch;
		if (prefetch->next < prefetch->last) {
			prefetch->next++;
			(void)mf_region_get(ret->region);
		} else {
			prefetch->region = NULL; /* its reference is ret's */
			pool.n_prefetches--;
		}
		return true;
	}
	return false;
}

void mf_pool_forget(void)
{
	struct mf_region *gone[PREFETCH_MAX];
	unsigned n = 0;

	pool_lock();
	for (int i = 0; i < PREFETCH_MAX; i++) {
		struct prefetch *prefetch = &pool.prefetches[i];

		/* Set under the mmap_lock; a stale look only keeps it. */
		if (!prefetch->region ||
		    mf_load_relaxed(&prefetch->region->generation))
			continue;
		gone[n++] = prefetch->region;
		prefetch->region = NULL;
		pool.n_prefetches--;
	}
	pool_unlock();
	while (n > 0)
		mf_region_put(gone[--n]);
}

static void serve_request(struct mf_slot *me, struct request *request)
{
	struct mf_store *store = request->region->view->store;
	int result;

	mf_spin_here(&pool.workers);
	mf_wait_set_owner(request->waiter, mf_page_ref(store, request->unit),
			  me);
	result = mf_fault_unit(mf_mm_self(), me, store, request->region,
			       request->generation, request->unit, false);
	/* The frame was that of another request, which its thread ended. */
	mf_tsan_acquire(&pool.work);
	request->result = result;
	mf_tsan_release(&pool.work);
	/*
	 * From the store on, the waiter may return and its frame be gone, so
	 * the wake-up is for an address that may be anything: that is allowed.
	 */
	mf_store_seq_cst(&request->done, DONE);
	mf_futex_wake(&request->done, 1, MF_FUTEX_LOCAL);
}

static void serve_prefetch(struct mf_slot *me, const struct prefetch *prefetch)
{
	(void)mf_fault_unit(mf_mm_self(), me, prefetch->region->view->store,
			    prefetch->region, prefetch->generation,
			    prefetch->next, true);
	mf_region_put(prefetch->region);
	mf_mm_reap();
}

/* Who was taken in its last moment finds the number changed and goes on. */
static void look_for_work(uint32_t seen)
{
	uint64_t patience = mf_spin_patience(&pool.faults);

	if (!patience)
		return;
	mf_fetch_add(&pool.n_looking, 1);
	mf_spin(&pool.faults, patience, MF_SPIN_WHILE, &pool.work, seen);
	(void)take_one(&pool.n_looking);
}

static void wait_for_work(uint32_t seen)
{
	look_for_work(seen);
	(void)mf_futex_wait(&pool.work, seen, 0, MF_FUTEX_LOCAL);
	pool_lock();
	pool.n_idle--;
	pool_unlock();
}

static void work_once(struct mf_slot *me)
{
	struct prefetch prefetch = { .region = NULL };
	struct request *request;
	uint32_t seen = mf_load_seq_cst(&pool.work);

	pool_lock();
	request = take_request();
	if (!request && !take_prefetch(&prefetch))
		pool.n_idle++;
	pool_unlock();
	if (!request && !prefetch.region) {
		/* A request that came since changed the number: no sleep. */
		wait_for_work(seen);
		return;
	}
	(void)add_worker_if_wanted();
	if (request)
		serve_request(me, request);
	else
		serve_prefetch(me, &prefetch);
}

static void *worker_main(void *arg)
{
	struct mf_slot *me = mf_slot_self();

	is_worker = true;
	(void)pthread_setname_np(pthread_self(), "mfill");
	while (me)
		work_once(me);
	pool_lock();
	pool.n_workers--;
	pool_unlock();
	return arg;
}

/* Under the lock: no worker can take a request, and none can be made. */
static bool all_wait(void)
{
	return pool.n_waiting > 0 && pool.n_waiting == pool.n_workers;
}

/*
 * Under the lock: each worker waits for something that only a worker could do,
 * and one at least for this thread.
 */
static bool all_stuck(const struct mf_slot *me)
{
	bool for_me = false;

	for (int i = 0; i < WORKERS_MAX; i++) {
		struct mf_slot *end;

		if (!pool.waiting[i])
			continue;
		end = mf_wait_end(pool.waiting[i]);
		if (!end)
			return false;
		for_me |= end == me;
	}
	return for_me && all_wait();
}

/* Under the lock: false: a worker has it. */
static bool take_back(struct request *request)
{
	struct request **at = &pool.first;

	while (*at && *at != request)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = request->next;
	if (!*at)
		pool.tail = at;
	return true;
}

/* All workers have been waiting for a while: for ever? */
static bool refuse(struct request *request)
{
	bool refused;

	pool_lock();
	refused = all_stuck(request->waiter) && take_back(request);
	pool_unlock();
	if (refused)
		mf_cycle_tell_stuck(request->waiter, WORKERS_MAX);
	return refused;
}

/*
 * Wait for the worker. It looks for rings, and this thread only sleeps; but
 * when all workers wait there is none who could, and who waits last says so.
 */
static int await(struct mf_slot *me, struct request *request, bool alone)
{
	uint64_t patience = mf_spin_patience(&pool.workers);
	int result = 0;

	if (patience)
		mf_spin(&pool.workers, patience, MF_SPIN_WHILE, &request->done,
			PENDING);
	while (result == 0) {
		uint32_t word = mf_load_seq_cst(&request->done);
		int r;

		if (word == DONE)
			break;
		if (word == LOOK) {
			alone = true;
			(void)mf_cas(&request->done, &word, PENDING);
			continue;
		}
		r = mf_futex_wait(&request->done, PENDING,
				  alone ? PATIENCE_NS : 0, MF_FUTEX_LOCAL);
		if (r == -ETIMEDOUT && refuse(request))
			result = -EDEADLK;
	}
	mf_wait_clear(me);
	return result ? result : request->result;
}

int mf_pool_fault(struct mf_slot *me, struct mf_region *region,
		  uint64_t generation, uint32_t unit)
{
	struct request request = {
		.waiter = me,
		.region = region,
		.generation = generation,
		.unit = unit,
	};
	bool alone;

	mf_might_fault("a wait for a handler thread");
	mf_add_relaxed(&region->view->store->header->waits, 1);
	mf_wait_publish(me, mf_page_ref(region->view->store, unit));
	pool_lock();
	if (pool.n_workers == 0) {
		pool_unlock();
		mf_wait_clear(me);
		return -EOPNOTSUPP;
	}
	*pool.tail = &request;
	pool.tail = &request.next;
	alone = all_wait();
	pool_unlock();
	mf_spin_here(&pool.faults);
	announce_work();
	return await(me, &request, alone);
}

int mf_pool_prefetch(struct mf_region *region, uint64_t generation,
		     uint32_t first, uint32_t last)
{
	int r = -EAGAIN;

	pool_lock();
	for (int i = 0; i < PREFETCH_MAX && pool.n_workers > 0; i++) {
		if (pool.prefetches[i].region)
			continue;
		pool.prefetches[i] = (struct prefetch){
			.region = mf_region_get(region),
			.generation = generation,
			.next = first,
			.last = last,
		};
		pool.n_prefetches++;
		r = 0;
		break;
	}
	pool_unlock();
	if (r == 0)
		announce_work();
	return r;
}

/*
 * Two touches in a row make a sequential reader. What was asked for already
 * is not asked for again: ahead_to is where the last request ended.
 */
void mf_pool_readahead(struct mf_region *region, uint64_t generation,
		       uint32_t unit)
{
	struct mf_view *view = region->view;
	uint32_t end = mf_region_unit(region, region->start + region->len - 1);
	uint32_t next = mf_load_relaxed(&view->next_unit);
	uint32_t ahead_to = mf_load_relaxed(&view->ahead_to);
	uint64_t window = view->readahead / view->store->unit;
	uint32_t last = end;

	mf_store_relaxed(&view->next_unit, unit + 1);
	if (window == 0 || unit >= end)
		return;
	/* Not where the last one ended, nor where we have read ahead to. */
	if (unit != next && (unit < next || unit > ahead_to)) {
		mf_store_relaxed(&view->ahead_to, unit);
		return;
	}
	/* Half of the window is still to come: early enough. */
	if (ahead_to > unit + window / 2)
		return;
	if (end - unit > window)
		last = unit + (uint32_t)window;
	if (ahead_to < unit)
		ahead_to = unit;
	if (ahead_to < last &&
	    mf_pool_prefetch(region, generation, ahead_to + 1, last) == 0)
		mf_store_relaxed(&view->ahead_to, last);
}

/* Under the lock: one entry that holds what becomes to. */
static void mark_waiting(const struct mf_slot *what, struct mf_slot *to)
{
	for (int i = 0; i < WORKERS_MAX; i++)
		if (pool.waiting[i] == what) {
			pool.waiting[i] = to;
			return;
		}
}

/*
 * A worker that sleeps serves nobody: another takes its place meanwhile. When
 * there can be no other, those who wait for a worker must look for themselves.
 */
void mf_pool_will_wait(void)
{
	if (!is_worker)
		return;
	pool_lock();
	pool.n_waiting++;
	mark_waiting(NULL, mf_slot_self());
	pool_unlock();
	(void)add_worker_if_wanted();
	pool_lock();
	for (struct request *at = pool.first; at && all_wait(); at = at->next) {
		mf_store_seq_cst(&at->done, LOOK); /* nobody has taken it */
		mf_futex_wake(&at->done, 1, MF_FUTEX_LOCAL);
	}
	pool_unlock();
}

void mf_pool_waited(void)
{
	if (!is_worker)
		return;
	pool_lock();
	pool.n_waiting--;
	mark_waiting(mf_slot_self(), NULL);
	pool_unlock();
}
