/* SPDX-License-Identifier: MIT */
/*
 * queue.c - who waits for a userfaultfd, and the messages about them.
 *
 * Promise: as in queue.h.
 * Context: as in queue.h; the lock is a leaf.
 *
 * The queue is the waiters themselves: there is no list of messages that could
 * hold one of a thread which is gone. The eventfd behind a descriptor is only
 * what poll() looks at: it holds 1 while there is a message, else nothing.
 *
 * All of it lies in memory that forked children share, so that a parent reads
 * what its child waits for. Anybody may be killed anywhere: the lock is the
 * slot of who has it, and a slot tells of its owner's death (mm/slot.h). A
 * waiter is whole before its state says that it is one.
 */
#include "uffd/queue.h"

#include <sys/mman.h>

#include "base/lockrank.h"
#include "base/spin.h"
#include "base/sys.h"
#include "mm/mm.h"

/* As many threads as a world has slots for. */
#define WAITERS_MAX MF_SLOTS
/* How soon a signal is noticed: they are blocked in the handler. */
#define SLICE_NS UINT64_C(5000000)

#define MANY 16 /* to wake up when nothing is held */

enum state { FREE, UNREAD, READ, WOKEN };

struct mf_waiter {
	uint32_t state; /* enum state; futex; changed under the lock */
	uint32_t owner;
	uint32_t slot; /* of the thread */
	uint32_t pid;  /* its process: a neighbour cannot die alone */
	int event;     /* in that process */
	bool is_event;
	uint32_t child; /* for a fork: the child's owner, and its eventfd */
	int child_event;
	uint64_t number; /* oldest first */
	uintptr_t addr;
	struct uffd_msg message;
};

struct place {
	uint32_t owner;	   /* lock; 0: nobody */
	uint32_t changing; /* events that nobody has read */
	uint32_t adopted;  /* a parent has a descriptor; futex */
	uint32_t readable; /* lock; what the eventfd is, or will be */
	/* lock; slot plus one of who read all messages; 0: none yet */
	uint32_t reader;
	uint32_t incarnation;  /* lock; of that slot */
	struct mf_spin reads;  /* who serves: for who waits for it */
	struct mf_spin faults; /* who waits: for who serves */
};

struct shared {
	uint32_t lock;	      /* slot plus one, and LOCK_WANTED; futex */
	uint32_t last;	      /* lock; how many owners there were */
	uint32_t n_waiters;   /* lock; used ones are below */
	uint64_t last_number; /* lock */
	struct place owners[MF_QUEUE_OWNERS];
	struct mf_waiter waiters[WAITERS_MAX];
};

#define LOCK_WANTED 0x80000000U

static struct shared *shared; /* set once; a child's is its parent's */

static struct place *place_of(uint32_t owner)
{
	return &shared->owners[owner % MF_QUEUE_OWNERS];
}

int mf_queue_start(void)
{
	void *memory;
	int r;

	if (shared)
		return 0;
	r = mf_sys.mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0,
			&memory);
	if (r == 0)
		shared = memory;
	return r;
}

/* True: the one who has the lock is gone, and it is free now. */
static bool freed_of_the_dead(uint32_t word)
{
	uint32_t owner = (word & ~LOCK_WANTED) - 1;

	return (word & ~LOCK_WANTED) && !mf_slot_alive(owner) &&
	       mf_cas(&shared->lock, &word, 0U);
}

static void lock(void)
{
	uint32_t mine, none = 0;

	mf_signals_block();
	mine = mf_slot_index(mf_slot_self()) + 1;
	while (!mf_cas(&shared->lock, &none, mine)) {
		uint32_t word = none;

		/* Who slept once cannot know whether others still do. */
		mine |= LOCK_WANTED;
		none = 0;
		if (word == 0)
			continue;
		if (!(word & LOCK_WANTED) &&
		    !mf_cas(&shared->lock, &word, word | LOCK_WANTED))
			continue;
		word |= LOCK_WANTED;
		if (mf_futex_wait(&shared->lock, word, mf_slot_patience_ns,
				  MF_FUTEX_SHARED) == -ETIMEDOUT)
			(void)freed_of_the_dead(word);
	}
	mf_rank_acquire(MF_RANK_POOL, "mf_queue");
	mf_tsan_acquire(&shared->lock);
}

static void unlock(void)
{
	mf_rank_release(MF_RANK_POOL);
	mf_tsan_release(&shared->lock);
	if (mf_xchg(&shared->lock, 0U) & LOCK_WANTED)
		mf_futex_wake(&shared->lock, 1, MF_FUTEX_SHARED);
	mf_signals_restore();
}

/* Owners */

uint32_t mf_queue_open(void)
{
	uint32_t owner = 0;

	lock();
	for (uint32_t i = 0; i < MF_QUEUE_OWNERS && !owner; i++) {
		if (shared->owners[i].owner)
			continue;
		/* Its place is what remains of it. */
		owner = ++shared->last * MF_QUEUE_OWNERS + i;
		shared->owners[i].owner = owner;
		shared->owners[i].changing = 0;
		shared->owners[i].adopted = 0;
		mf_store_relaxed(&shared->owners[i].readable, 0U);
		shared->owners[i].reader = 0;
	}
	unlock();
	return owner;
}

bool mf_queue_is_open(uint32_t owner)
{
	return mf_load_seq_cst(&place_of(owner)->owner) == owner;
}

void mf_queue_close(uint32_t owner)
{
	lock();
	if (mf_queue_is_open(owner))
		mf_store_seq_cst(&place_of(owner)->owner, 0U);
	unlock();
	mf_queue_wake(owner, 0, SIZE_MAX);
}

static void set_adopted(uint32_t owner)
{
	uint32_t *word = &place_of(owner)->adopted;

	mf_store_seq_cst(word, 1U);
	mf_futex_wake(word, INT_MAX, MF_FUTEX_SHARED);
}

bool mf_queue_wait_for_adoption(uint32_t owner, pid_t parent)
{
	uint32_t *word = &place_of(owner)->adopted;

	while (mf_queue_is_open(owner) && !mf_load_seq_cst(word)) {
		if (mf_syscall(SYS_getppid, 0, 0, 0, 0, 0, 0) != parent)
			return false;
		(void)mf_futex_wait(word, 0, mf_slot_patience_ns,
				    MF_FUTEX_SHARED);
	}
	return mf_queue_is_open(owner);
}

static uint32_t *changing(uint32_t owner)
{
	return &place_of(owner)->changing;
}

void mf_queue_begin_change(uint32_t owner)
{
	(void)mf_fetch_add(changing(owner), 1U);
}

void mf_queue_end_change(uint32_t owner)
{
	lock();
	if (mf_queue_is_open(owner))
		(void)mf_fetch_sub(changing(owner), 1U);
	unlock();
}

bool mf_queue_is_changing(uint32_t owner)
{
	return mf_load_seq_cst(changing(owner)) > 0;
}

/* Waiters */

static uint32_t own_pid(void)
{
	return mf_slot_self()->pid;
}

/* Under the lock: it waits, and lives. */
static bool is_unread(const struct mf_waiter *waiter, uint32_t owner,
		      uint32_t pid)
{
	return waiter->state == UNREAD && waiter->owner == owner &&
	       (waiter->pid == pid || mf_slot_alive(waiter->slot));
}

/*
 * Under the lock: poll() sees whether there is a message. The descriptor may
 * be a blocking one, so it is read only when it holds something: should we die
 * between the two lines, it holds too much and not too little.
 */
static void set_readable(uint32_t owner, int event, bool wanted)
{
	uint32_t *readable = &place_of(owner)->readable;
	uint64_t count = 1;

	if (!mf_queue_is_open(owner) || *readable == wanted)
		return;
	if (wanted)
		(void)mf_sys.write(event, &count, sizeof(count));
	mf_store_relaxed(readable, (uint32_t)wanted);
	mf_barrier();
	if (!wanted)
		(void)mf_sys.read(event, &count, sizeof(count));
}

static void update_event(uint32_t owner, int event)
{
	uint32_t pid = own_pid();
	bool found = false;

	for (unsigned i = 0; i < shared->n_waiters && !found; i++)
		found = is_unread(&shared->waiters[i], owner, pid);
	set_readable(owner, event, found);
}

/* Under the lock: a place that nobody uses; what the dead have is nobody's. */
static struct mf_waiter *free_place(void)
{
	for (unsigned i = 0; i < shared->n_waiters; i++)
		if (shared->waiters[i].state == FREE)
			return &shared->waiters[i];
	if (shared->n_waiters < WAITERS_MAX)
		return &shared->waiters[shared->n_waiters++];
	for (unsigned i = 0; i < shared->n_waiters; i++)
		if (!mf_slot_alive(shared->waiters[i].slot))
			return &shared->waiters[i];
	return NULL;
}

static struct mf_waiter *add(const struct mf_waiter *from)
{
	struct mf_waiter *waiter;

	lock();
	waiter = free_place();
	if (waiter) {
		mf_store_seq_cst(&waiter->state, FREE);
		*waiter = *from;
		waiter->slot = mf_slot_index(mf_slot_self());
		waiter->pid = own_pid();
		waiter->number = ++shared->last_number;
		mf_store_seq_cst(&waiter->state, mf_queue_is_open(from->owner)
							 ? UNREAD
							 : WOKEN);
		mf_spin_here(&place_of(from->owner)->faults);
		set_readable(from->owner, from->event, true);
	}
	unlock();
	return waiter;
}

struct mf_waiter *mf_queue_add(uint32_t owner, int event, uintptr_t addr,
			       const struct uffd_msg *message)
{
	const struct mf_waiter waiter = { .owner = owner,
					  .event = event,
					  .addr = addr,
					  .message = *message };

	return add(&waiter);
}

void mf_queue_remove(struct mf_waiter *waiter)
{
	bool unread;

	lock();
	unread = waiter->state == UNREAD;
	mf_store_seq_cst(&waiter->state, FREE);
	if (unread)
		update_event(waiter->owner, waiter->event);
	unlock();
}

/* A signal is there for this thread that mask lets through. */
static bool has_signal(const sigset_t *mask)
{
	uint64_t pending = 0, blocked;

	__builtin_memcpy(&blocked, mask, sizeof(blocked));
	(void)mf_syscall(SYS_rt_sigpending, (long)&pending, sizeof(pending), 0,
			 0, 0, 0);
	return pending & ~blocked;
}

void mf_queue_wait(struct mf_waiter *waiter, const sigset_t *mask)
{
	struct mf_spin *reads = &place_of(waiter->owner)->reads;
	uint64_t patience = mf_spin_patience(reads);

	if (patience)
		mf_spin(reads, patience, MF_SPIN_UNTIL, &waiter->state, WOKEN);
	for (;;) {
		uint32_t state = mf_load_seq_cst(&waiter->state);

		if (state == WOKEN)
			break;
		if (mf_futex_wait(&waiter->state, state, SLICE_NS,
				  MF_FUTEX_SHARED) == -ETIMEDOUT &&
		    has_signal(mask))
			break;
	}
	mf_queue_remove(waiter);
}

/*
 * Under the lock. An event's actor waits for no address: only for a close, and
 * not any more when its message was read, whoever comes first.
 */
static bool is_woken_by(const struct mf_waiter *waiter, uint32_t owner,
			uintptr_t start, size_t len)
{
	if (waiter->state == FREE || waiter->state == WOKEN ||
	    (owner && waiter->owner != owner))
		return false;
	if (waiter->is_event)
		return waiter->state == UNREAD &&
		       !mf_queue_is_open(waiter->owner);
	return waiter->addr - start < len;
}

void mf_queue_wake(uint32_t owner, uintptr_t start, size_t len)
{
	struct mf_waiter *woken[MANY];
	unsigned n = 0;

	lock();
	for (unsigned i = 0; i < shared->n_waiters; i++) {
		struct mf_waiter *waiter = &shared->waiters[i];
		bool unread = waiter->state == UNREAD;

		if (!is_woken_by(waiter, owner, start, len))
			continue;
		mf_store_seq_cst(&waiter->state, WOKEN);
		/* In another process the descriptor is that one's to clear. */
		if (unread && waiter->pid == own_pid())
			update_event(waiter->owner, waiter->event);
		if (n == MANY)
			mf_futex_wake(&waiter->state, 1, MF_FUTEX_SHARED);
		else
			woken[n++] = waiter;
	}
	unlock();
	/* Who wakes up wants the lock. */
	for (unsigned i = 0; i < n; i++)
		mf_futex_wake(&woken[i]->state, 1, MF_FUTEX_SHARED);
}

int mf_queue_event(uint32_t owner, int event, const struct uffd_msg *message,
		   uint32_t child, int child_event)
{
	const struct mf_waiter wanted = { .owner = owner,
					  .event = event,
					  .is_event = true,
					  .child = child,
					  .child_event = child_event,
					  .message = *message };
	struct mf_waiter *waiter = add(&wanted);
	uint32_t state;

	if (!waiter)
		return -ENOMEM;
	while ((state = mf_load_seq_cst(&waiter->state)) == UNREAD)
		(void)mf_futex_wait(&waiter->state, state, 0, MF_FUTEX_SHARED);
	mf_queue_end_change(owner);
	mf_queue_remove(waiter);
	return state == READ ? 0 : -ECANCELED;
}

/* Under the lock: what is to be read next, or NULL. */
static struct mf_waiter *oldest(uint32_t owner)
{
	struct mf_waiter *found = NULL;
	uint32_t pid = own_pid();

	for (unsigned i = 0; i < shared->n_waiters; i++) {
		struct mf_waiter *waiter = &shared->waiters[i];

		if (!is_unread(waiter, owner, pid))
			continue;
		if (!found || waiter->is_event < found->is_event ||
		    (waiter->is_event == found->is_event &&
		     waiter->number < found->number))
			found = waiter;
	}
	return found;
}

/* Under the lock. To a thread at a fault it makes no difference: it sleeps on. */
static void set_read(struct mf_waiter *waiter)
{
	mf_store_seq_cst(&waiter->state, READ);
	if (waiter->is_event)
		mf_futex_wake(&waiter->state, 1, MF_FUTEX_SHARED);
}

/* Who serves */

#define MANY_READERS UINT32_MAX

static uint32_t incarnation_of(uint32_t slot)
{
	return mf_load_relaxed(&mf_world_slot(mf_world(), slot)->incarnation);
}

/* Whose faults this thread has served. */
static __thread uint32_t serves;

/* Under the lock. */
static void note_reader(uint32_t owner)
{
	uint32_t *reader = &place_of(owner)->reader;
	uint32_t *incarnation = &place_of(owner)->incarnation;
	uint32_t me = mf_slot_index(mf_slot_self());

	mf_spin_here(&place_of(owner)->reads);
	serves = owner;
	if (*reader == 0) {
		*reader = me + 1;
		*incarnation = incarnation_of(me);
	} else if (*reader != me + 1 || *incarnation != incarnation_of(me)) {
		*reader = MANY_READERS;
	}
}

uint64_t mf_queue_patience(void)
{
	if (!serves || !mf_queue_is_open(serves) ||
	    mf_load_relaxed(&place_of(serves)->readable))
		return 0;
	return mf_spin_patience(&place_of(serves)->faults);
}

void mf_queue_look_out(uint64_t patience_ns)
{
	struct place *place = place_of(serves);

	mf_spin(&place->faults, patience_ns, MF_SPIN_WHILE, &place->readable,
		0);
}

/* Under the lock: whose fault or event that thread waits for; 0: nobody's. */
static uint32_t waits_for(uint32_t slot)
{
	for (unsigned i = 0; i < shared->n_waiters; i++) {
		const struct mf_waiter *waiter = &shared->waiters[i];

		if ((waiter->state == UNREAD || waiter->state == READ) &&
		    waiter->slot == slot)
			return waiter->owner;
	}
	return 0;
}

/*
 * Two who would wait for each other have both said that they wait before they
 * look here, and look under one lock: so the later one sees it.
 */
bool mf_queue_is_ring(uint32_t owner)
{
	uint32_t me = mf_slot_index(mf_slot_self());
	bool ring = false;

	lock();
	for (unsigned i = 0; i < MF_QUEUE_OWNERS && owner && !ring; i++) {
		uint32_t reader = place_of(owner)->reader;
		uint32_t slot = reader - 1;

		if (reader == 0 || reader == MANY_READERS ||
		    place_of(owner)->incarnation != incarnation_of(slot))
			break;
		ring = slot == me;
		owner = waits_for(slot);
	}
	unlock();
	return ring;
}

/*
 * Messages up to the first that tells of a fork, whose descriptor has to be
 * made with nothing held. ret_fork: that waiter as it was seen, or not.
 */
static unsigned read_some(uint32_t owner, int event, struct uffd_msg *ret,
			  unsigned n, struct mf_waiter *ret_fork,
			  struct mf_waiter **ret_place)
{
	struct mf_waiter *waiter;
	unsigned count = 0;

	*ret_place = NULL;
	lock();
	while (count < n && !*ret_place && (waiter = oldest(owner))) {
		if (waiter->is_event && waiter->child) {
			*ret_fork = *waiter;
			*ret_place = waiter;
			continue;
		}
		ret[count++] = waiter->message;
		set_read(waiter);
	}
	if (count > 0)
		note_reader(owner);
	update_event(owner, event);
	unlock();
	return count;
}

/* Another reader may have been faster. */
static bool take_fork(struct mf_waiter *place, const struct mf_waiter *seen,
		      int event)
{
	bool same;

	lock();
	same = place->state == UNREAD && place->number == seen->number;
	if (same) {
		set_adopted(seen->child);
		set_read(place);
	}
	update_event(seen->owner, event);
	unlock();
	return same;
}

int mf_queue_read(uint32_t owner, int event, struct uffd_msg *ret, unsigned n,
		  const struct mf_queue_adoption *adoption)
{
	struct mf_waiter seen, *place;
	unsigned count = read_some(owner, event, ret, n, &seen, &place);
	int fd;

	if (!place || count > 0)
		return (int)count;
	fd = adoption->adopt(seen.child, seen.child_event);
	if (fd < 0)
		return fd;
	ret[0] = seen.message;
	ret[0].arg.fork.ufd = (uint32_t)fd;
	if (take_fork(place, &seen, event))
		return 1;
	adoption->give_up(fd);
	return 0;
}
