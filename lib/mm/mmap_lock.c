/* SPDX-License-Identifier: MIT */
/*
 * mmap_lock.c - a fair lock in shared memory that survives its holders.
 *
 * Promise: see mmap_lock.h.
 * Context: any; asynchronous signals blocked from lock to unlock.
 *
 * Two words decide.
 *
 * The entry, one of mf_slot.hold[]:
 *
 *	WANT WRITE WAITED count(7) id(9)
 *
 *	id | count		reads, count times
 *	id | WANT		waits to read (with a count when it reads
 *				already and takes the lock once more)
 *	id | WRITE | WANT	queues to write
 *	id | WRITE		writes, or waits for readers to leave
 *
 * The writer word of the lock, on which all sleep but a writer that waits for
 * one reader:
 *
 *	generation(18) ACTIVE SLEEPERS slot+1(12)
 *
 *	slot		the one that writes or will write next; 0: nobody
 *	SLEEPERS	somebody may sleep on the word
 *	ACTIVE		MF_LOCK_PREFER_READER only: readers have left
 *
 * Rules:
 *
 * 1. The word names a slot only while that slot has a WRITE entry for the
 *    lock. So a slot that died, or was cleaned and used by somebody else, is
 *    found out, and its word taken over: owner_lives().
 * 2. Each change of who is named changes the generation, so who sleeps on the
 *    word after looking at something else sleeps only as long as it holds.
 * 3. An entry is changed by its owner, with two exceptions. A writer sets
 *    WAITED before it sleeps on the entry. And who is named by the word and
 *    is done, or has taken over, makes a count of each WANT: it lets in all
 *    who wait to read, before it names the next one. That makes the lock
 *    phase-fair: the next writer finds them inside, awake or not.
 *
 * Why a reader and a writer cannot both get in: the reader stores its entry,
 * then loads the word; the writer stores the word, then loads the entries. All
 * four are sequentially consistent, so at least one sees the other. A reader
 * that was let in need not look: its entry counts before the next writer is
 * named.
 *
 * Why a reader does not wait for ever: once its WANT is stored, whoever is
 * named then finds it when he is done. So one writer goes before it, or two:
 * one may have looked at its entry just before, and a second one come when
 * the word was free for a moment.
 *
 * All sleeps end after mf_slot_patience_ns to look for deaths; nothing else
 * needs time.
 */
#include "mm/mmap_lock.h"

#include <assert.h>

#include "base/lockrank.h"
#include "base/sync.h"

#define ID_MASK	   0x1ffU
#define COUNT_ONE  0x200U
#define COUNT_MASK 0xfe00U
#define WAITED	   0x20000000U
#define WRITE	   0x40000000U
#define WANT	   0x80000000U

#define OWNER_MASK 0xfffU
#define SLEEPERS   0x1000U
#define ACTIVE	   0x2000U
#define GENERATION 0x4000U

#define TAKING 0x80000000U /* mf_mmap_lock.users: not made yet */

/*
 * Entries
 */

static uint32_t *find_entry(struct mf_slot *slot, uint32_t want, uint32_t mask)
{
	for (int i = 0; i < MF_SLOT_HOLDS; i++) {
		if ((mf_load_seq_cst(&slot->hold[i]) & mask) == want)
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

/* Whether a writer has to wait for the entry. */
static bool reads(struct mf_mmap_lock *lock, uint32_t entry)
{
	return (entry & (ID_MASK | WRITE)) == lock->id && (entry & COUNT_MASK);
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
 * Let in all who wait to read: rule 3. A dead one among them holds up the next
 * writer for as long as that takes to look.
 */
static void let_readers_in(struct mf_mmap_lock *lock)
{
	uint32_t n = mf_world_slots(mf_world());

	mf_fetch_add(&lock->phase, 1);
	if (!mf_load_seq_cst(&lock->waiting))
		return; /* raised before an entry is there to be found */
	for (uint32_t i = 0; i < n; i++) {
		struct mf_slot *slot = mf_world_slot(mf_world(), i);
		uint32_t *entry = find_entry(slot, lock->id | WANT,
					     ID_MASK | WRITE | WANT);
		uint32_t value = entry ? mf_load_relaxed(entry) : 0;

		while ((value & (ID_MASK | WRITE | WANT)) == (lock->id | WANT))
			if (mf_cas(entry, &value, (value & ~WANT) + COUNT_ONE))
				break;
	}
}

/*
 * Hand the lock on. The caller is named by the word and lets nobody down by
 * leaving: either it unlocks, or it has taken over from a dead one.
 *
 *	1. let readers in: from here on the next writer has to wait for them;
 *	2. name the next writer. Who comes to wait after our look at the slots
 *	   sees the word change, since sleeping on it needs the old value;
 *	3. wake. Killed before that, sleepers wake by themselves.
 *
 * With MF_LOCK_PREFER_WRITER readers get in only when no writer is left.
 */
static void hand_on(struct mf_mmap_lock *lock)
{
	uint32_t word = mf_load_relaxed(&lock->writer);
	uint32_t heir = next_writer(lock);

	if (!heir || !(lock->policy & MF_LOCK_PREFER_WRITER))
		let_readers_in(lock);
	while (!name_owner(lock, &word, heir, 0))
		;
	if (word & SLEEPERS)
		mf_futex_wake(&lock->writer, INT_MAX, MF_FUTEX_SHARED);
}

/* Sleep while the word is that one. True: it was for long, so look for deaths. */
static bool sleep_on_word(struct mf_mmap_lock *lock, uint32_t word)
{
	if (!(word & SLEEPERS) &&
	    !mf_cas(&lock->writer, &word, word | SLEEPERS))
		return false;
	return mf_futex_wait(&lock->writer, word | SLEEPERS,
			     mf_slot_patience_ns,
			     MF_FUTEX_SHARED) == -ETIMEDOUT;
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
	if (name_owner(lock, &word, mf_slot_index(me) + 1, word & SLEEPERS))
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

/* The word was free: go in, unless a writer was faster. */
static bool read_freely(struct mf_mmap_lock *lock, uint32_t *entry,
			uint32_t held)
{
	uint32_t old = mf_xchg(entry, held + COUNT_ONE);

	if (old & WAITED)
		mf_futex_wake(entry, INT_MAX, MF_FUTEX_SHARED);
	if (!(old & WANT))
		return true; /* somebody had let us in */
	if (may_read(lock, mf_load_seq_cst(&lock->writer)))
		return true;
	set_entry(entry, held | WANT);
	return false;
}

/* Apart, so that the way without waiting saves no registers. */
__attribute__((noinline)) static void read_lock_slow(struct mf_mmap_lock *lock,
						     struct mf_slot *me,
						     uint32_t *entry,
						     uint32_t held)
{
	mf_fetch_add(&lock->waiting, 1);
	set_entry(entry, held | WANT);
	for (;;) {
		uint32_t word = mf_load_seq_cst(&lock->writer);

		/* After the word: who lets us in changes the word after it. */
		if (!(mf_load_seq_cst(entry) & WANT))
			break;
		if (may_read(lock, word)) {
			if (read_freely(lock, entry, held))
				break;
			continue;
		}
		if (!sleep_on_word(lock, word))
			continue;
		word = mf_load_seq_cst(&lock->writer);
		if ((word & OWNER_MASK) && !owner_lives(lock, word))
			bury_writer(lock, me, word);
	}
	mf_fetch_sub(&lock->waiting, 1);
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
		if (!sleep_on_word(lock, word))
			continue;
		word = mf_load_seq_cst(&lock->writer);
		if ((word & OWNER_MASK) && !owner_lives(lock, word) &&
		    name_owner(lock, &word, my_name, word & SLEEPERS))
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

		for (int i = 0; i < MF_SPINS && reads(lock, value); i++) {
			mf_relax();
			value = mf_load_seq_cst(entry);
		}
		if (!reads(lock, value))
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
			if (!reads(lock, mf_load_seq_cst(&hold[k])))
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
 * it when there was somebody: those who found it closed are let in as if we
 * were done, since nobody may be made to wait for a reader that waits for him.
 */
static void wait_for_a_gap(struct mf_mmap_lock *lock, uint32_t my_name)
{
	for (;;) {
		uint32_t word;

		(void)readers_gone(lock, true);
		word = mf_fetch_or(&lock->writer, ACTIVE) | ACTIVE;
		if (readers_gone(lock, false))
			return;
		let_readers_in(lock);
		while (!name_owner(lock, &word, my_name, 0))
			;
		if (word & SLEEPERS)
			mf_futex_wake(&lock->writer, INT_MAX, MF_FUTEX_SHARED);
	}
}

int mf_mmap_write_lock(struct mf_mmap_lock *lock, struct mf_slot *me)
{
	uint32_t *entry = find_entry(me, 0, ID_MASK);
	uint32_t word = mf_load_relaxed(&lock->writer);
	uint32_t my_name = mf_slot_index(me) + 1;

	mf_rank_acquire(MF_RANK_MMAP, "mf_mmap_write_lock");
	assert(entry);
	(void)mf_xchg(entry, lock->id | WRITE); /* rule 1: before the word */
	if ((word & OWNER_MASK) || !name_owner(lock, &word, my_name, 0))
		queue(lock, me, entry);
	if (lock->policy & MF_LOCK_PREFER_READER)
		wait_for_a_gap(lock, my_name);
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

enum mf_lock_use mf_mmap_lock_use(uint32_t entry, mf_lock_id *ret_id)
{
	*ret_id = entry & ID_MASK;
	if (!*ret_id)
		return MF_LOCK_UNUSED;
	if (entry & WRITE)
		return entry & WANT ? MF_LOCK_WAITS_TO_WRITE : MF_LOCK_WRITES;
	return entry & WANT ? MF_LOCK_WAITS_TO_READ : MF_LOCK_READS;
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
