/* SPDX-License-Identifier: MIT */
/*
 * remote.c - a child's userfaultfd, driven by its parent.
 *
 * Promise: as in remote.h.
 * Context: as in remote.h.
 */
#include "uffd/remote.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/userfaultfd.h"
#include "fault/fault.h"
#include "uffd/queue.h"

/* Bytes of one request: a COPY of more is several. As large as a page may be. */
#define ROOM	 (64U << 10)
#define ARG_MAX_ 64

enum state { IDLE, ASKED, BEGUN, DONE };

struct channel {
	union {
		struct {
			uint32_t busy;	/* a parent's thread is at it; futex */
			uint32_t state; /* enum state; futex */
			uint32_t owner; /* whose it is */
			uint32_t agent; /* its slot, plus one; 0: none yet */
			int result;
			uint64_t request;
			char arg[ARG_MAX_] __attribute__((aligned(8)));
		};
		char room[ROOM]; /* what follows begins with a page */
	};
	char bytes[ROOM];
	/* In the child nobody may read this: where a source comes to its end. */
	char end[ROOM];
};

static struct channel *channels; /* set once; MF_QUEUE_OWNERS, shared */

int mf_remote_start(void)
{
	void *memory;
	int r;

	if (channels)
		return 0;
	r = mf_sys.mmap(NULL, MF_QUEUE_OWNERS * sizeof(*channels),
			PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0,
			&memory);
	if (r == 0)
		channels = memory;
	return r;
}

static struct channel *channel_of(uint32_t owner)
{
	return &channels[owner % MF_QUEUE_OWNERS];
}

static void set_state(struct channel *channel, uint32_t state)
{
	mf_store_seq_cst(&channel->state, state);
	mf_futex_wake(&channel->state, INT_MAX, MF_FUTEX_SHARED);
}

/* The child's side */

struct agent {
	uint32_t owner;
	pid_t parent;
	mf_remote_serve_fn *serve;
};

static void serve_one(const struct agent *agent, struct channel *channel)
{
	/*
	 * 1. The program's thread gets its page, ends, and this process with
	 *    it. 2. The parent, who has no answer yet, takes the child for gone.
	 * So it has to know that this was begun. (To wake that thread later is
	 * no way out: what was unregistered would still be read of.)
	 */
	mf_store_seq_cst(&channel->state, BEGUN);
	channel->result = agent->serve(agent->owner, channel->request,
				       channel->arg);
	set_state(channel, DONE);
}

static void *run_agent(void *arg)
{
	struct agent agent = *(struct agent *)arg;
	struct channel *channel = channel_of(agent.owner);
	bool closed = false;

	mf_signals_block();
	(void)pthread_setname_np(pthread_self(), "mfill-agent");
	mf_store_seq_cst(&channel->agent, mf_slot_index(mf_slot_self()) + 1);
	mf_futex_wake(&channel->agent, INT_MAX, MF_FUTEX_SHARED);
	while (!closed) {
		uint32_t state = mf_load_seq_cst(&channel->state);

		if (state == ASKED) {
			closed = channel->request == MF_REMOTE_CLOSE;
			serve_one(&agent, channel);
		} else if (getppid() != agent.parent ||
			   !mf_queue_is_open(agent.owner)) {
			(void)agent.serve(agent.owner, MF_REMOTE_CLOSE, NULL);
			closed = true;
		} else {
			(void)mf_futex_wait(&channel->state, state,
					    10 * mf_slot_patience_ns,
					    MF_FUTEX_SHARED);
		}
	}
	mf_signals_restore();
	return NULL;
}

int mf_remote_serve(uint32_t owner, pid_t parent, mf_remote_serve_fn *serve)
{
	struct channel *channel = channel_of(owner);
	struct agent agent = { owner, parent, serve };
	uint32_t none;
	int r;

	mf_store_relaxed(&channel->busy, 0U);
	mf_store_relaxed(&channel->agent, 0U);
	mf_store_relaxed(&channel->owner, owner);
	mf_store_seq_cst(&channel->state, IDLE);
	r = mf_sys.mprotect(channel->end, sizeof(channel->end), PROT_NONE);
	if (r < 0)
		return r;
	/* The program's signals are for its threads; faults are the agent's. */
	mf_signals_block();
	r = mf_sys.thread_create(run_agent, &agent);
	mf_signals_restore();
	while (r == 0 && (none = mf_load_seq_cst(&channel->agent)) == 0)
		(void)mf_futex_wait(&channel->agent, none, 0, MF_FUTEX_SHARED);
	return r;
}

/* The parent's side */

static void enter(struct channel *channel)
{
	uint32_t none = 0;

	while (!mf_cas(&channel->busy, &none, 1U)) {
		(void)mf_futex_wait(&channel->busy, 1, 0, MF_FUTEX_LOCAL);
		none = 0;
	}
}

static void leave(struct channel *channel)
{
	mf_store_seq_cst(&channel->busy, 0U);
	mf_futex_wake(&channel->busy, 1, MF_FUTEX_LOCAL);
}

/* Where the fills have how much there is to fill. */
static uint64_t wanted_len(const struct channel *channel)
{
	const struct uffdio_copy *copy = (const void *)channel->arg;
	const struct uffdio_zeropage *others = (const void *)channel->arg;

	return channel->request == UFFDIO_COPY ? copy->len : others->range.len;
}

/*
 * The child ended while it was done. The kernel would have done it: it keeps
 * the memory until then. Nobody is left to see the difference.
 */
static int answer_for_the_dead(struct channel *channel)
{
	size_t size = _IOC_SIZE(channel->request);
	int64_t len = (int64_t)wanted_len(channel);

	if (channel->request == UFFDIO_COPY ||
	    channel->request == UFFDIO_ZEROPAGE ||
	    channel->request == UFFDIO_CONTINUE ||
	    channel->request == UFFDIO_POISON)
		memcpy(channel->arg + size - sizeof(len), &len, sizeof(len));
	return 0;
}

/* -ESRCH: there is nobody who could do it. */
static int ask(struct channel *channel, uint32_t owner, unsigned long request)
{
	uint32_t agent = mf_load_seq_cst(&channel->agent), state;

	if (channel->owner != owner || !agent || !mf_slot_alive(agent - 1))
		return -ESRCH;
	channel->request = request;
	set_state(channel, ASKED);
	while ((state = mf_load_seq_cst(&channel->state)) != DONE) {
		if (mf_futex_wait(&channel->state, state, mf_slot_patience_ns,
				  MF_FUTEX_SHARED) != -ETIMEDOUT ||
		    mf_slot_alive(agent - 1))
			continue;
		/* It cannot change any more. */
		state = mf_load_seq_cst(&channel->state);
		if (state != DONE)
			return state == BEGUN ? answer_for_the_dead(channel)
					      : -ESRCH;
	}
	mf_store_seq_cst(&channel->state, IDLE);
	return channel->result;
}

/* With nothing held: it may have to be filled, or waited for. Whole pages. */
static size_t bring(char *to, uint64_t from, size_t len)
{
	size_t have = 0;

	for (;;) {
		int r;

		have = len - mf_fault_copy(to + have,
					   (void *)(uintptr_t)(from + have),
					   len - have);
		if (have == len)
			return len;
		r = mf_fault((uintptr_t)from + have, MF_ACCESS_READ);
		if (r < 0 && r != -EAGAIN)
			return have & ~((size_t)sysconf(_SC_PAGESIZE) - 1);
	}
}

/*
 * Ask for all that is left, so that it is looked at as a whole; what there is
 * of it lies before where the source comes to its end. How much that was.
 */
static int copy_piece(struct channel *channel, uint32_t owner,
		      const struct uffdio_copy *args, uint64_t done,
		      size_t *ret_have)
{
	struct uffdio_copy *copy = (struct uffdio_copy *)channel->arg;
	uint64_t left = args->len - done;
	size_t have = bring(channel->bytes, args->src + done,
			    left < ROOM ? (size_t)left : ROOM);
	char *start = channel->bytes;

	if (have < left) {
		start = channel->end - have;
		memmove(start, channel->bytes, have);
	}
	*copy = *args;
	copy->dst += done;
	copy->src = (uintptr_t)start;
	copy->len = left;
	*ret_have = have;
	return ask(channel, owner, UFFDIO_COPY);
}

static int copy(struct channel *channel, uint32_t owner,
		struct uffdio_copy *args)
{
	const struct uffdio_copy *copy = (const void *)channel->arg;
	uint64_t done = 0, before;
	size_t have = 0;
	int r = 0;

	do {
		before = done;
		r = copy_piece(channel, owner, args, done, &have);
		if (r == 0 || (r == -EAGAIN && copy->copy > 0))
			done += (uint64_t)copy->copy;
	} while (have > 0 && done - before == have && done < args->len);
	if (done == 0 && r != -ESRCH)
		args->copy = copy->copy;
	else if (done > 0)
		args->copy = (int64_t)done;
	return done > 0 && done < args->len ? -EAGAIN : r;
}

/* What the kernel says of an address space that is no more. */
static int without_child(unsigned long request)
{
	if (request == UFFDIO_WAKE)
		return 0;
	return request == UFFDIO_REGISTER || request == UFFDIO_UNREGISTER
		       ? -ENOMEM
		       : -ESRCH;
}

/* A COPY that is refused in any case needs no bytes. */
static bool has_bytes(unsigned long request, const char *arg)
{
	const struct uffdio_copy *args = (const void *)arg;

	return request == UFFDIO_COPY && args->len > 0 &&
	       args->len % (uint64_t)sysconf(_SC_PAGESIZE) == 0;
}

int mf_remote_ioctl(uint32_t owner, unsigned long request, void *arg)
{
	struct channel *channel = channel_of(owner);
	size_t size = _IOC_SIZE(request);
	char mine[ARG_MAX_] __attribute__((aligned(8)));
	int r;

	if (size > ARG_MAX_)
		return -EINVAL;
	if (mf_fault_copy(mine, arg, size) > 0)
		return -EFAULT;
	enter(channel);
	if (has_bytes(request, mine)) {
		r = copy(channel, owner, (struct uffdio_copy *)mine);
	} else {
		memcpy(channel->arg, mine, size);
		r = ask(channel, owner, request);
		memcpy(mine, channel->arg, size);
	}
	leave(channel);
	if (r == -ESRCH)
		return without_child(request);
	return mf_fault_copy(arg, mine, size) > 0 ? -EFAULT : r;
}

int mf_remote_close(uint32_t owner)
{
	struct channel *channel = channel_of(owner);
	int r;

	enter(channel);
	r = ask(channel, owner, MF_REMOTE_CLOSE);
	leave(channel);
	return r == -ESRCH ? 0 : r;
}
