/* SPDX-License-Identifier: MIT */
/*
 * held.c - the locks that a thread holds, and the edges of the graph.
 *
 * Promise: see held.h.
 * Context: any, signal handlers included.
 *
 * A handler may run between any two lines here, and take and give back locks
 * itself; when it returns, the list is as long as before. So an entry is
 * counted first, then written, and its class last: the handler's entries go
 * behind it, and nobody believes or removes one that is half written. Those
 * behind the list are half written, too, or a handler that comes twice would
 * leave one that looks removed.
 */
#include "check/held.h"

#include <pthread.h>
#include <signal.h>

#include "base/forkgen.h"
#include "check/place.h"

static struct mf_check_table *the_table;
static pthread_key_t thread_ends;

static __thread struct {
	struct mf_check_thread *me; /* NULL: no room in the table */
	uint32_t generation;	    /* of the process this is true in */
	uint32_t pid, tid;
	uint64_t mix; /* makes the ids of private locks this process's */
} self;

#define HALF_WRITTEN UINT32_MAX /* as the class of an entry */

/* So many are told apart that are of one class. */
#define INSTANCES_MAX 1024

static long call(long number, long a, long b, long c)
{
	return mf_syscall(number, a, b, c, 0, 0, 0);
}

static void on_thread_end(void *thread)
{
	struct mf_check_thread *me = thread;

	self.generation = 0; /* who locks after this begins anew */
	mf_store_release(&me->who, 0);
}

int mf_check_start(struct mf_check_table *table,
		   mf_check_backtrace_fn *backtrace)
{
	int r = -pthread_key_create(&thread_ends, on_thread_end);

	if (r == 0)
		r = mf_check_locks_begin(table);
	if (r < 0)
		return r;
	the_table = table;
	mf_check_backtrace = backtrace;
	return 0;
}

void mf_check_end(void)
{
	if (self.me && self.generation == mf_fork_generation())
		on_thread_end(self.me);
}

static bool is_gone(uint64_t who)
{
	return call(SYS_tgkill, (long)(who >> 32), (long)(uint32_t)who, 0) ==
	       -ESRCH;
}

/* A row of the table: a free one, or else one whose thread is gone. */
static struct mf_check_thread *take_thread(uint64_t who, bool from_the_dead)
{
	uint64_t start = mf_check_mix(who, 0);

	for (uint32_t i = 0; i < MF_CHECK_THREADS; i++) {
		struct mf_check_thread *thread =
			&the_table->thread[(start + i) % MF_CHECK_THREADS];
		uint64_t seen = mf_load_relaxed(&thread->who);

		if (seen && seen != who && !(from_the_dead && is_gone(seen)))
			continue;
		if (!mf_cas(&thread->who, &seen, who))
			continue;
		thread->n = 0;
		thread->sum = 0;
		thread->want_class = 0;
		for (int j = 0; j < MF_CHECK_KNOWN; j++)
			thread->known[j] = 0;
		for (int j = 0; j < MF_CHECK_HELD; j++)
			thread->held[j].class = HALF_WRITTEN;
		return thread;
	}
	return NULL;
}

/*
 * What a forked child holds of its parent's it does not know: handlers of
 * pthread_atfork() may give it back.
 */
static void find_out(uint32_t generation)
{
	bool forked = self.generation != 0;
	uint64_t who;

	self.generation = generation;
	self.pid = (uint32_t)call(SYS_getpid, 0, 0, 0);
	self.tid = (uint32_t)call(SYS_gettid, 0, 0, 0);
	self.mix = mf_check_mix(self.pid, 1);
	who = (uint64_t)self.pid << 32 | self.tid;
	self.me = take_thread(who, false);
	if (!self.me)
		self.me = take_thread(who, true);
	if (!self.me) {
		mf_add_relaxed(&the_table->no_thread, 1);
		return;
	}
	self.me->lost = forked;
	mf_add_relaxed(&the_table->threads, 1);
	(void)pthread_setspecific(thread_ends, self.me);
}

static inline struct mf_check_thread *myself(void)
{
	uint32_t generation = mf_fork_generation();

	if (__builtin_expect(self.generation != generation, 0))
		find_out(generation);
	return __builtin_expect(mf_check_state.busy, 0) ? NULL : self.me;
}

static bool is_held(const struct mf_check_held *held)
{
	return held->class && held->class != HALF_WRITTEN;
}

/* Something that is taken, or about to be. */
struct want {
	uint32_t class; /* MF_CHECK_NONE: not checked */
	uint32_t flags;
	enum mf_check_mode mode;
	uint64_t lock, id;
	const void *pc;
};

static uint64_t gate_of(const struct mf_check_held *held)
{
	if (!is_held(held) || held->mode != MF_CHECK_EXCLUSIVE)
		return 0;
	return held->id & ((1U << MF_CHECK_GATE_BITS) - 1);
}

/* Two sums are the same when the same locks are held in the same ways. */
static uint64_t sum_of(const struct want *want)
{
	return (want->id ? want->id : want->lock + 1) * 0x9e3779b97f4a7c15U +
	       (uint64_t)want->class * 0xbf58476d1ce4e5b9U +
	       (want->mode ? 0x94d049bb133111ebU : 0);
}

static bool holds_gate(const struct mf_check_thread *me, uint64_t gate)
{
	for (uint32_t i = 0; i < me->n; i++)
		if (gate_of(&me->held[i]) == gate)
			return true;
	return false;
}

static uint64_t put_gate(uint64_t gate, int i)
{
	return gate << (MF_CHECK_KINDS + i * MF_CHECK_GATE_BITS);
}

/* The gates of an edge that is new: its first lock, and those taken last. */
static uint64_t gates_now(const struct mf_check_thread *me,
			  const struct mf_check_held *from)
{
	uint64_t gates = put_gate(gate_of(from), 0);
	int n = 1;

	for (uint32_t i = me->n; i-- > 0 && n < MF_CHECK_GATES;) {
		uint64_t gate = gate_of(&me->held[i]);

		if (gate && &me->held[i] != from)
			gates |= put_gate(gate, n++);
	}
	return gates;
}

/* Those of before that are held this time, too. */
static uint64_t gates_still(const struct mf_check_thread *me, uint64_t word)
{
	uint64_t gates = 0;

	for (int i = 0; i < MF_CHECK_GATES; i++) {
		uint64_t gate = mf_check_gate(word, i);

		if (gate && holds_gate(me, gate))
			gates |= put_gate(gate, i);
	}
	return gates;
}

/* But for who called. */
static struct mf_check_seen seen_now(const struct mf_check_thread *me,
				     uint64_t held_pc, const void *wanted_pc)
{
	return (struct mf_check_seen){
		.pid = (uint32_t)(me->who >> 32),
		.tid = (uint32_t)me->who,
		.held_at = mf_check_place(the_table, (uintptr_t)held_pc),
		.wanted_at = mf_check_place(the_table, (uintptr_t)wanted_pc),
	};
}

static void note_edge(const struct mf_check_thread *me,
		      const struct mf_check_held *from, uint32_t from_class,
		      uint32_t to_class, const struct want *want)
{
	struct mf_check_edge *edge = mf_check_edge_get(the_table, from_class,
						       to_class);
	uint64_t kind = MF_CHECK_KIND(from->mode, want->mode);
	struct mf_check_seen *seen;
	uint64_t word, next;

	if (!edge)
		return;
	word = mf_load_relaxed(&edge->word);
	do {
		if ((word & kind) && !(word >> MF_CHECK_KINDS))
			return;
		next = word | kind;
		if (word)
			next = (next & 15) | gates_still(me, word);
		else
			next |= gates_now(me, from);
		if (next == word)
			return;
	} while (!mf_cas(&edge->word, &word, next));
	if (word & kind)
		return;
	seen = &edge->seen[__builtin_ctz((unsigned)kind)];
	*seen = seen_now(me, from->pc, want->pc);
	mf_check_callers(the_table, want->pc, seen->from);
}

/* Two locks of one class: the graph gets these two, besides their class. */
static uint32_t instance(uint32_t class, uint64_t id)
{
	struct mf_check_class like = the_table->class[class];

	if (mf_load_relaxed(&the_table->instances) >= INSTANCES_MAX) {
		mf_add_relaxed(&the_table->no_class, 1);
		return MF_CHECK_NONE;
	}
	like.flags |= MF_CHECK_INSTANCE;
	like.id = class;
	return mf_check_class_get(the_table, mf_check_mix(id, class), &like);
}

static void note_instances(const struct mf_check_thread *me,
			   const struct mf_check_held *from,
			   const struct want *want)
{
	uint32_t a, b;

	if (!from->id || !want->id)
		return;
	a = instance(want->class, from->id);
	b = instance(want->class, want->id);
	if (a != MF_CHECK_NONE && b != MF_CHECK_NONE)
		note_edge(me, from, a, b, want);
}

static void note_event(const struct mf_check_thread *me,
		       enum mf_check_event_kind kind,
		       const struct mf_check_held *held,
		       const struct want *want)
{
	struct mf_check_seen seen = seen_now(me, held->pc, want->pc);
	uint64_t key = mf_check_mix(mf_check_mix(seen.held_at, seen.wanted_at),
				    (uint64_t)want->class << 8 | kind);
	struct mf_check_event *event = mf_check_event_new(the_table, key);

	if (!event)
		return;
	event->class = want->class;
	event->seen = seen;
	mf_check_callers(the_table, want->pc, event->seen.from);
	mf_store_release(&event->kind, kind);
}

/*
 * It holds the very lock already. The lock lets it in, or says so; or this is
 * the end; or it would have been, had a writer come between, and were this a
 * lock where readers wait behind those: who reads the table knows.
 */
static void take_again(const struct mf_check_thread *me,
		       const struct mf_check_held *held,
		       const struct want *want)
{
	if (want->flags & MF_CHECK_REENTRANT)
		return;
	if (held->mode == MF_CHECK_SHARED && want->mode == MF_CHECK_SHARED) {
		if (!(want->flags & MF_CHECK_SELF))
			note_event(me, MF_CHECK_AGAIN_READ, held, want);
		return;
	}
	note_event(me,
		   held->mode == MF_CHECK_SHARED ? MF_CHECK_UPGRADE
						 : MF_CHECK_AGAIN,
		   held, want);
}

static void note_all(struct mf_check_thread *me, const struct want *want)
{
	for (uint32_t i = 0; i < me->n; i++) {
		const struct mf_check_held *held = &me->held[i];

		if (held->lock == want->lock &&
		    held->class == want->class + 1) {
			if (want->id)
				take_again(me, held, want);
			return;
		}
	}
	for (uint32_t i = 0; i < me->n; i++) {
		const struct mf_check_held *held = &me->held[i];

		if (!is_held(held))
			continue;
		if (held->class == want->class + 1)
			note_instances(me, held, want);
		else
			note_edge(me, held, held->class - 1, want->class, want);
	}
}

/*
 * What was noted once with the same locks held is in the table: edges stay, and
 * gates that these locks are not do not come back.
 */
static void about_to_wait(struct mf_check_thread *me, const struct want *want)
{
	uint64_t key = mf_check_mix(me->sum, sum_of(want));
	uint64_t *known = &me->known[key % MF_CHECK_KNOWN];

	if (*known == key)
		return;
	note_all(me, want);
	*known = key;
}

static void push(struct mf_check_thread *me, const struct want *want)
{
	struct mf_check_held *held = &me->held[me->n];

	if (me->n == MF_CHECK_HELD) {
		me->lost = 1;
		return;
	}
	me->n++;
	mf_barrier();
	held->lock = want->lock;
	held->id = want->id;
	held->pc = (uintptr_t)want->pc;
	held->mode = want->mode;
	held->sum = sum_of(want);
	me->sum += held->sum;
	mf_barrier();
	held->class = want->class + 1;
}

/*
 * The entries at the end that are removed already. A handler removes them as
 * well, so this asks each time whether the list is as long as it thinks.
 */
static void shorten(struct mf_check_thread *me)
{
	uint32_t n = me->n;

	while (n > 0 && !me->held[n - 1].class) {
		if (mf_cas(&me->n, &n, n - 1))
			me->held[--n].class = HALF_WRITTEN;
	}
}

static void drop_entry(struct mf_check_thread *me, uint32_t i)
{
	struct mf_check_held *held = &me->held[i];

	me->sum -= held->sum;
	mf_barrier();
	if (i + 1 < me->n) {
		held->class = 0;
		return;
	}
	me->n = i;
	mf_barrier();
	held->class = HALF_WRITTEN;
	mf_barrier();
	shorten(me);
}

/* The youngest entry for the lock. False: there is none. */
static bool drop(struct mf_check_thread *me, uint32_t class, uint64_t lock)
{
	for (uint32_t i = me->n; i-- > 0;) {
		if (me->held[i].class != class + 1 || me->held[i].lock != lock)
			continue;
		drop_entry(me, i);
		return true;
	}
	return false;
}

/*
 * Locks of the program
 */

static bool want_lock(const struct mf_check_lock *lock, enum mf_check_mode mode,
		      const void *pc, struct want *ret)
{
	uint32_t class = lock ? mf_load_acquire(&lock->class) : 0;

	if (!class)
		return false;
	*ret = (struct want){
		.class = class - 1,
		.flags = lock->flags,
		.mode = mode,
		.lock = lock->address,
		.id = lock->flags & MF_CHECK_PSHARED ? lock->id
						     : lock->id ^ self.mix,
		.pc = pc,
	};
	return true;
}

void mf_check_wait(const struct mf_check_lock *lock, enum mf_check_mode mode,
		   const void *pc)
{
	struct mf_check_thread *me = myself();
	struct want want;

	if (!me || !want_lock(lock, mode, pc, &want))
		return;
	if (me->n > 0)
		about_to_wait(me, &want);
	me->want = want.lock;
	me->want_id = want.id;
	me->want_pc = (uintptr_t)pc;
	me->want_mode = mode;
	mf_store_relaxed(&me->want_class, want.class + 1);
}

void mf_check_got(const struct mf_check_lock *lock, enum mf_check_mode mode,
		  const void *pc)
{
	struct mf_check_thread *me = myself();
	struct want want;

	if (!me || !want_lock(lock, mode, pc, &want))
		return;
	mf_store_relaxed(&me->want_class, 0);
	push(me, &want);
}

void mf_check_gave_up(void)
{
	struct mf_check_thread *me = myself();

	if (me)
		mf_store_relaxed(&me->want_class, 0);
}

void mf_check_release(struct mf_check_lock *lock)
{
	struct mf_check_thread *me = myself();
	uint32_t class = lock ? mf_load_acquire(&lock->class) : 0;

	if (!me || !class || drop(me, class - 1, lock->address) || me->lost)
		return;
	mf_fetch_or(&the_table->class[class - 1].flags, MF_CHECK_HANDED);
}

/*
 * Maps, and mfill's own locks
 */

static struct want want_pages(const void *made_at, uint32_t store,
			      enum mf_check_mode mode)
{
	struct mf_check_class class = {
		.what = MF_CHECK_PAGES,
		.id = store,
		.pid = self.pid,
	};

	if (made_at)
		class.site = mf_check_place(the_table, (uintptr_t)made_at);
	return (struct want){
		.class = mf_check_class_get(
			the_table,
			mf_check_mix(class.site,
				     (uint64_t)store << 8 | MF_CHECK_PAGES),
			&class),
		.mode = mode,
		.lock = store,
		.pc = mf_check_state.fault_pc,
	};
}

static void touch(const void *made_at, uint32_t store)
{
	struct mf_check_thread *me = myself();
	struct want want;

	if (!me || me->n == 0)
		return;
	want = want_pages(made_at, store, MF_CHECK_SHARED);
	if (want.class != MF_CHECK_NONE)
		about_to_wait(me, &want);
}

/* It sleeps, so its row may be used in its name. */
static void touch_by(uint32_t tid, const void *made_at, uint32_t store)
{
	struct mf_check_thread *me = myself(), *other = NULL;
	uint64_t who = (uint64_t)self.pid << 32 | tid;
	uint64_t start = mf_check_mix(who, 0);
	struct want want;

	for (uint32_t i = 0; me && !other && i < MF_CHECK_THREADS; i++)
		if (the_table->thread[(start + i) % MF_CHECK_THREADS].who ==
		    who)
			other = &the_table->thread[(start + i) %
						   MF_CHECK_THREADS];
	if (!other || other->n == 0)
		return;
	want = want_pages(made_at, store, MF_CHECK_SHARED);
	if (want.class != MF_CHECK_NONE)
		about_to_wait(other, &want);
}

static void fill(const void *made_at, uint32_t store)
{
	struct mf_check_thread *me = myself();
	struct want want;

	if (!me)
		return;
	want = want_pages(made_at, store, MF_CHECK_EXCLUSIVE);
	if (want.class != MF_CHECK_NONE)
		push(me, &want);
}

static void filled(const void *made_at, uint32_t store)
{
	struct mf_check_thread *me = myself();

	if (me)
		(void)drop(me,
			   want_pages(made_at, store, MF_CHECK_EXCLUSIVE).class,
			   store);
}

static struct want want_own(int rank)
{
	struct mf_check_class class = {
		.what = MF_CHECK_OWN,
		.id = (uint32_t)rank,
	};

	return (struct want){
		.class = mf_check_class_get(
			the_table, mf_check_mix((uint64_t)rank, MF_CHECK_OWN),
			&class),
		.lock = (uint64_t)rank,
	};
}

static void own_lock(int rank)
{
	struct mf_check_thread *me = myself();
	struct want want;

	if (!me)
		return;
	want = want_own(rank);
	if (want.class == MF_CHECK_NONE)
		return;
	about_to_wait(me, &want);
	push(me, &want);
}

static void own_unlock(int rank)
{
	struct mf_check_thread *me = myself();

	if (me)
		(void)drop(me, want_own(rank).class, (uint64_t)rank);
}

static void fault(const void *pc)
{
	mf_check_state.fault_pc = pc;
}

const struct mf_check_ops mf_check_recorder = {
	.touch = touch,
	.fill = fill,
	.filled = filled,
	.lock = own_lock,
	.unlock = own_unlock,
	.fault = fault,
	.touch_by = touch_by,
};
