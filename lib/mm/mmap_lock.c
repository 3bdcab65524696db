/* SPDX-License-Identifier: MIT */
/*
 * mmap_lock.c - a fair lock in shared memory that survives its holders.
 *
 * Promise: see mmap_lock.h.
 * Context: any; asynchronous signals blocked from lock to unlock.
 *
 * Two words decide.
 *
 * The entry, one of mf_slot.hold[], written by its owner, but for the WAITED
 * bit, which a writer sets before it sleeps on the entry:
 *
 *	WANT WRITE WAITED phase(13) count(7) id(9)
 *
 *	id | count		reads, count times
 *	id | WANT | phase	waits to read since that phase (count too, when
 *				it reads already and takes the lock again)
 *	id | WRITE | WANT	queues to write
 *	id | WRITE		writes, or waits for readers to leave
 *
 * The writer word of the lock:
 *
 *	generation(17) ACTIVE WRITERS READERS slot+1(12)
 *
 *	slot		the one that writes or will write next; 0: nobody
 *	READERS		somebody waits to read, and may sleep on the word
 *	WRITERS		somebody queues behind, and may sleep on the word
 *	ACTIVE		MF_LOCK_PREFER_READER only: readers have left
 *
 * Rules:
 *
 * 1. The word names a slot only while that slot has a WRITE entry for the
 *    lock. So a slot that died, or was cleaned and used by somebody else, is
 *    found out, and its word taken over: owner_lives().
 * 2. phase changes only by the slot that the word names, and not between its
 *    look at the slots and its unlock.
 * 3. A writer waits for every entry that reads, and for every one that has
 *    been waiting to read since an older phase. The latter is what makes the
 *    lock phase-fair: the next writer finds the waiting readers of this phase
 *    before it, whether they have woken up or not.
 *
 * Why a reader and a writer cannot both get in: the reader stores its entry,
 * then loads the word; the writer stores the word, then loads the entries. All
 * four are sequentially consistent, so at least one sees the other.
 *
 * Why a reader that waited may go in without a look at the word:
 *
 *	1. it stored id | WANT | p and then saw phase == p;
 *	2. so whoever raised phase to p + 1 did it after that store;
 *	3. the next writer looks at the entries after it was named, which was
 *	   after phase became p + 1, and finds an entry of an older phase;
 *	4. rule 3: it waits until that entry is gone.
 *
 *    Had the phase moved between 1's store and its load, the next writer
 *    might have looked before the store: so the reader starts again.
 *
 * All sleeps end after mf_slot_patience_ns to look for deaths; nothing else needs time.
 */
#include "mm/mmap_lock.h"

#include <assert.h>

#include "base/lockrank.h"
#include "base/sync.h"

#define ID_MASK	    0x1ffU
#define COUNT_ONE   0x200U
#define COUNT_MASK  0xfe00U
#define PHASE_SHIFT 16
#define PHASE_MASK  0x1fff0000U
#define WAITED	    0x20000000U
#define WRITE	    0x40000000U
#define WANT	    0x80000000U

#define OWNER_MASK 0xfffU
#define READERS	   0x1000U
#define WRITERS	   0x2000U
#define ACTIVE	   0x4000U
#define GENERATION 0x8000U

#define TAKING 0x80000000U /* mf_mmap_lock.users: not made yet */

#define phase_bits(phase) (((phase) << PHASE_SHIFT) & PHASE_MASK)

/*
 * Entries
 */

static uint32_t *find_entry(struct mf_slot *slot, uint32_t want, uint32_t mask)
{
	for (int i = 0; i < MF_SLOT_HOLDS; i++) {
		if ((mf_load_relaxed(&slot->hold[i]) & mask) == want)
			return &slot->hold[i];
	}
	return NULL;
}

/* The entry with which the slot reads the lock, or waits to; else a free one. */
static uint32_t *search_reader_entry(struct mf_mmap_lock *lock,
				     struct mf_slot *slot)
{
	uint32_t *entry = find_entry(slot, lock->id, ID_MASK | WRITE);

	if (!entry)
		entry = find_entry(slot, 0, ID_MASK);
	assert(entry);
	return entry;
}

/* Nearly always the thread holds nothing. */
static inline uint32_t *reader_entry(struct mf_mmap_lock *lock,
				     struct mf_slot *slot)
{
	uint32_t held = 0;

	for (int i = 0; i < MF_SLOT_HOLDS; i++)
		held |= mf_load_relaxed(&slot->hold[i]);
	return held ? search_reader_entry(lock, slot) : &slot->hold[0];
}

/* A writer that sleeps on the entry looks at what it has become. */
static void set_entry(uint32_t *entry, uint32_t value)
{
	if (mf_xchg(entry, value) & WAITED)
		mf_futex_wake(entry, INT_MAX, MF_FUTEX_SHARED);
}

/* Whether a writer has to wait for the entry: rule 3. */
static bool blocks_writer(struct mf_mmap_lock *lock, uint32_t entry)
{
	if ((entry & (ID_MASK | WRITE)) != lock->id)
		return false;
	if (entry & COUNT_MASK)
		return true;
	return (entry & PHASE_MASK) !=
	       phase_bits(mf_load_relaxed(&lock->phase));
}

/*
 * The writer word
 */

/* Whether the named slot is alive and knows that it is named: rule 1. */
static bool owner_lives(struct mf_mmap_lock *lock, uint32_t word)
{
	uint32_t index = (word & OWNER_MASK) - 1;

	return mf_slot_alive(index) &&
	       find_entry(mf_world_slot(mf_world(), index), lock->id | WRITE,
			  ID_MASK | WRITE);
}

/*
 * Name a slot, or nobody. False: the word has changed. The generation keeps a
 * word seen twice from having been another in between: who found the owner of
 * the first dead must not take the second from a live one.
 */
static bool name_owner(struct mf_mmap_lock *lock, uint32_t *word,
		       uint32_t owner, uint32_t flags)
{
	uint32_t next = (*word & ~(GENERATION - 1)) + GENERATION;

	return mf_cas(&lock->writer, word, next | flags | owner);
}

/*
 * The writer that has queued longest, as the word names it; 0: none. It may
 * still be dead when it is named: then it is taken over.
 */
static uint32_t next_writer(struct mf_mmap_lock *lock)
{
	uint32_t n = mf_world_slots(mf_world());
	uint32_t best = 0;
	uint32_t best_ticket = 0;

	if (!mf_load_seq_cst(&lock->queued))
		return 0; /* raised before an entry is there to be found */
	for (uint32_t i = 0; i < n; i++) {
		struct mf_slot *slot = mf_world_slot(mf_world(), i);
		uint32_t ticket;

		if (!find_entry(slot, lock->id | WRITE | WANT,
				ID_MASK | WRITE | WANT) ||
		    !mf_slot_alive(i))
			continue;
		ticket = mf_load_relaxed(&slot->ticket);
		if (best && (int32_t)(ticket - best_ticket) >= 0)
			continue;
		best = i + 1;
		best_ticket = ticket;
	}
	return best;
}

/*
 * Hand the lock on. The caller is named by the word and lets nobody down by
 * leaving: either it unlocks, or it has taken over from a dead one.
 *
 *	1. phase first: readers that waited are let in, and from here on the
 *	   next writer has to wait for them;
 *	2. then the word. A writer that queues after our look at the slots sees
 *	   the word change, since sleeping on it needs the old value;
 *	3. then wake. Killed before that, sleepers wake by themselves.
 *
 * All sleep on the word. Readers cannot sleep on the phase: one that comes
 * between 1 and 2 finds the new phase and the old word, and would fall asleep
 * after 3 on a phase that changes no more.
 *
 * With MF_LOCK_PREFER_WRITER the phase ends only when no writer is left.
 */
static void hand_on(struct mf_mmap_lock *lock)
{
	uint32_t word = mf_load_relaxed(&lock->writer);
	uint32_t heir = next_writer(lock);

	if (!heir || !(lock->policy & MF_LOCK_PREFER_WRITER))
		mf_fetch_add(&lock->phase, 1);
	while (!name_owner(lock, &word, heir, 0))
		;
	if (word & (READERS | WRITERS))
		mf_futex_wake(&lock->writer, INT_MAX, MF_FUTEX_SHARED);
}

/*
 * A reader found that the writer before it is dead. Act as a writer just long
 * enough to hand on; what the dead one changed stays marked as such.
 */
static void bury_writer(struct mf_mmap_lock *lock, struct mf_slot *me,
			uint32_t word)
{
	uint32_t *entry = find_entry(me, 0, ID_MASK);

	if (!entry)
		return; /* holds four locks: somebody else will see to it */
	set_entry(entry, lock->id | WRITE);
	if (name_owner(lock, &word, mf_slot_index(me) + 1,
		       word & (READERS | WRITERS)))
		hand_on(lock);
	set_entry(entry, 0);
}

/*
 * Reading
 */

static bool may_read(struct mf_mmap_lock *lock, uint32_t word)
{
	if (!(word & OWNER_MASK))
		return true;
	return (lock->policy & MF_LOCK_PREFER_READER) && !(word & ACTIVE);
}

/*
 * Until phase is no longer the one of our entry: true, we are in. False:
 * nobody is in the way any more, so try again from the start.
 */
static bool wait_phase(struct mf_mmap_lock *lock, struct mf_slot *me,
		       uint32_t phase)
{
	for (;;) {
		uint32_t word = mf_load_seq_cst(&lock->writer);

		/*
		 * In this order: whoever ends the phase after our look changes
		 * the word after that, so that we do not fall asleep.
		 */
		if (mf_load_seq_cst(&lock->phase) != phase)
			return true;
		if (may_read(lock, word))
			return false;
		if (!(word & READERS) &&
		    !mf_cas(&lock->writer, &word, word | READERS))
			continue;
		if (mf_futex_wait(&lock->writer, word | READERS,
				  mf_slot_patience_ns,
				  MF_FUTEX_SHARED) != -ETIMEDOUT)
			continue;
		word = mf_load_seq_cst(&lock->writer);
		if ((word & OWNER_MASK) && !owner_lives(lock, word))
			bury_writer(lock, me, word);
	}
}

/* Apart, so that the way without waiting saves no registers. */
__attribute__((noinline)) static void read_lock_slow(struct mf_mmap_lock *lock,
						     struct mf_slot *me,
						     uint32_t *entry,
						     uint32_t held)
{
	for (;;) {
		uint32_t phase = mf_load_seq_cst(&lock->phase);

		set_entry(entry, held | WANT | phase_bits(phase));
		if (mf_load_seq_cst(&lock->phase) == phase &&
		    wait_phase(lock, me, phase)) {
			set_entry(entry, held + COUNT_ONE);
			return;
		}
		set_entry(entry, held + COUNT_ONE);
		if (may_read(lock, mf_load_seq_cst(&lock->writer)))
			return;
	}
}

/* What the entry says we hold already, without the marks of others. */
static uint32_t held_so_far(struct mf_mmap_lock *lock, uint32_t *entry)
{
	return lock->id | (mf_load_relaxed(entry) & COUNT_MASK);
}

/*
 * Publish one more read. A writer may be setting WAITED at the same time, so
 * an entry that is in use is only ever added to.
 */
static inline bool try_read(struct mf_mmap_lock *lock, uint32_t *entry,
			    uint32_t held)
{
	if (held & COUNT_MASK) {
		mf_fetch_add(entry, COUNT_ONE);
		if (lock->policy & MF_LOCK_RECURSIVE)
			return true;
	} else {
		(void)mf_xchg(entry, held + COUNT_ONE);
	}
	return may_read(lock, mf_load_seq_cst(&lock->writer));
}

void mf_mmap_read_lock(struct mf_mmap_lock *lock, struct mf_slot *me)
{
	uint32_t *entry = reader_entry(lock, me);
	uint32_t held = held_so_far(lock, entry);

	if (!(held & COUNT_MASK) || !(lock->policy & MF_LOCK_RECURSIVE))
		mf_rank_acquire(MF_RANK_MMAP, "mf_mmap_read_lock");
	if (!try_read(lock, entry, held))
		read_lock_slow(lock, me, entry, held);
}

bool mf_mmap_read_trylock(struct mf_mmap_lock *lock, struct mf_slot *me)
{
	uint32_t *entry = reader_entry(lock, me);
	uint32_t held = held_so_far(lock, entry);

	if (!try_read(lock, entry, held)) {
		set_entry(entry, held & COUNT_MASK ? held : 0);
		return false;
	}
	if (!(held & COUNT_MASK) || !(lock->policy & MF_LOCK_RECURSIVE))
		mf_rank_acquire(MF_RANK_MMAP, "mf_mmap_read_trylock");
	return true;
}

void mf_mmap_read_unlock(struct mf_mmap_lock *lock, struct mf_slot *me)
{
	uint32_t *entry = find_entry(me, lock->id, ID_MASK | WRITE);
	uint32_t count;

	assert(entry);
	count = mf_load_relaxed(entry) & COUNT_MASK;
	if (count > COUNT_ONE) {
		mf_fetch_sub(entry, COUNT_ONE);
		return;
	}
	set_entry(entry, 0);
	mf_rank_release(MF_RANK_MMAP);
}

/*
 * Writing
 */

/*
 * Until the word names us. Who is named by hand_on() need not have woken up
 * for it: the word alone says so.
 */
static void queue(struct mf_mmap_lock *lock, struct mf_slot *me,
		  uint32_t *entry)
{
	uint32_t my_name = mf_slot_index(me) + 1;
	uint32_t word;

	mf_store_relaxed(&me->ticket, mf_fetch_add(&lock->ticket, 1) + 1);
	mf_fetch_add(&lock->queued, 1);
	set_entry(entry, lock->id | WRITE | WANT);
	for (;;) {
		word = mf_load_seq_cst(&lock->writer);
		if ((word & OWNER_MASK) == my_name)
			break;
		if (!(word & OWNER_MASK)) {
			if (name_owner(lock, &word, my_name, 0))
				break;
			continue;
		}
		if (!(word & WRITERS) &&
		    !mf_cas(&lock->writer, &word, word | WRITERS))
			continue;
		if (mf_futex_wait(&lock->writer, word | WRITERS,
				  mf_slot_patience_ns,
				  MF_FUTEX_SHARED) != -ETIMEDOUT)
			continue;
		word = mf_load_seq_cst(&lock->writer);
		if ((word & OWNER_MASK) && !owner_lives(lock, word) &&
		    name_owner(lock, &word, my_name,
			       word & (READERS | WRITERS)))
			break;
	}
	set_entry(entry, lock->id | WRITE);
	mf_fetch_sub(&lock->queued, 1);
}

/* Until the entry does not block us; its owner may die meanwhile. */
static void wait_entry(struct mf_mmap_lock *lock, uint32_t index,
		       uint32_t *entry)
{
	for (;;) {
		uint32_t value = mf_load_seq_cst(entry);

		for (int i = 0; i < MF_SPINS && blocks_writer(lock, value);
		     i++) {
			mf_relax();
			value = mf_load_seq_cst(entry);
		}
		if (!blocks_writer(lock, value))
			return;
		if (!(value & WAITED) && !mf_cas(entry, &value, value | WAITED))
			continue;
		if (mf_futex_wait(entry, value | WAITED, mf_slot_patience_ns,
				  MF_FUTEX_SHARED) == -ETIMEDOUT)
			(void)mf_slot_alive(index); /* a dead one is cleared */
	}
}

/* One look at all slots; wait: until each has left. True: none reads. */
static bool readers_gone(struct mf_mmap_lock *lock, bool wait)
{
	struct mf_world *world = mf_world();
	uint32_t n = mf_world_slots(world);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t *hold = mf_world_slot(world, i)->hold;

		for (int k = 0; k < MF_SLOT_HOLDS; k++) {
			if (!blocks_writer(lock, mf_load_seq_cst(&hold[k])))
				continue;
			if (!wait)
				return false;
			wait_entry(lock, i, &hold[k]);
		}
	}
	return true;
}

/*
 * Where readers do not wait for a queued writer, more of them may have come
 * in behind our back while we looked. So close the door, look again, and open
 * it when there was somebody: those who found it closed are let in by a new
 * phase, since nobody may be made to wait for a reader that waits for him.
 */
static void wait_for_a_gap(struct mf_mmap_lock *lock)
{
	for (;;) {
		uint32_t word;

		(void)readers_gone(lock, true);
		mf_fetch_or(&lock->writer, ACTIVE);
		if (readers_gone(lock, false))
			return;
		word = mf_fetch_and(&lock->writer, ~(ACTIVE | READERS));
		mf_fetch_add(&lock->phase, 1);
		if (word & READERS)
			mf_futex_wake(&lock->writer, INT_MAX, MF_FUTEX_SHARED);
	}
}

int mf_mmap_write_lock(struct mf_mmap_lock *lock, struct mf_slot *me)
{
	uint32_t *entry = find_entry(me, 0, ID_MASK);
	uint32_t word = mf_load_relaxed(&lock->writer);

	mf_rank_acquire(MF_RANK_MMAP, "mf_mmap_write_lock");
	assert(entry);
	(void)mf_xchg(entry, lock->id | WRITE); /* rule 1: before the word */
	if ((word & OWNER_MASK) ||
	    !name_owner(lock, &word, mf_slot_index(me) + 1, 0))
		queue(lock, me, entry);
	if (lock->policy & MF_LOCK_PREFER_READER)
		wait_for_a_gap(lock);
	else
		(void)readers_gone(lock, true);

	if (mf_load_relaxed(&lock->changing) == MF_LOCK_WHOLE) {
		mf_store_relaxed(&lock->changing, MF_LOCK_CHANGING);
		return 0;
	}
	mf_store_relaxed(&lock->changing, MF_LOCK_BROKEN);
	return -EOWNERDEAD;
}

void mf_mmap_lock_consistent(struct mf_mmap_lock *lock)
{
	mf_store_relaxed(&lock->changing, MF_LOCK_CHANGING);
}

void mf_mmap_write_unlock(struct mf_mmap_lock *lock, struct mf_slot *me)
{
	uint32_t *entry = find_entry(me, lock->id | WRITE, ID_MASK | WRITE);

	assert(entry);
	if (mf_load_relaxed(&lock->changing) == MF_LOCK_CHANGING)
		mf_store_relaxed(&lock->changing, MF_LOCK_WHOLE);
	hand_on(lock);
	set_entry(entry, 0); /* rule 1: after the word */
	mf_rank_release(MF_RANK_MMAP);
}

bool mf_mmap_lock_broken(struct mf_mmap_lock *lock)
{
	return mf_load_relaxed(&lock->changing) != MF_LOCK_WHOLE;
}

/*
 * Making and sharing
 */

static bool process_is_gone(uint32_t pid)
{
	return mf_syscall(SYS_kill, (long)pid, 0, 0, 0, 0, 0) == -ESRCH;
}

/*
 * A lock nobody uses is ours to give a policy. Nobody may share it before it
 * has one: two policies at once would exclude nobody.
 */
static bool take_unused(struct mf_mmap_lock *lock, uint32_t id, unsigned policy)
{
	uint32_t none = 0;

	if (!mf_cas(&lock->users, &none, TAKING))
		return false;
	lock->policy = policy;
	lock->id = id;
	/* A dead user's name in the word is taken over like any other. */
	mf_store_relaxed(&lock->changing, MF_LOCK_WHOLE);
	mf_store_release(&lock->users, 1); /* pairs with the one in share() */
	return true;
}

static bool share(struct mf_mmap_lock *lock, unsigned policy)
{
	uint32_t users = mf_load_acquire(&lock->users);

	while (users && !(users & TAKING) && lock->policy == policy) {
		if (mf_cas(&lock->users, &users, users + 1))
			return true;
	}
	return false;
}

/*
 * A process that was killed has not given back its lock. Its process id does
 * not say for certain that it is gone, which is why such a lock is shared and
 * not taken: should somebody use it after all, nothing breaks.
 */
struct mf_mmap_lock *mf_mmap_lock_new(struct mf_world *world, unsigned policy)
{
	uint32_t pid = (uint32_t)mf_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
	enum { UNUSED, GONE, ANY, PASSES };

	for (uint32_t i = 0; i < PASSES * MF_WORLD_LOCKS; i++) {
		uint32_t pass = i / MF_WORLD_LOCKS;
		uint32_t index = (pid + i) % MF_WORLD_LOCKS;
		struct mf_mmap_lock *lock = mf_world_lock(world, index);

		if (pass == GONE &&
		    !process_is_gone(mf_load_relaxed(&lock->pid)))
			continue;
		if (pass == UNUSED ? !take_unused(lock, index + 1, policy)
				   : !share(lock, policy))
			continue;
		mf_store_relaxed(&lock->pid, pid);
		return lock;
	}
	return NULL;
}

void mf_mmap_lock_put(struct mf_mmap_lock *lock)
{
	if (lock)
		mf_fetch_sub(&lock->users, 1);
}
