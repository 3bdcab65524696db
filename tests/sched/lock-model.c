/* SPDX-License-Identifier: MIT */
/*
 * lock-model.c - the mmap_lock as a policy.
 *
 * Promise: see lock-model.h.
 *
 * To ask for the lock is one step: with luck it is granted there, else the
 * thread sleeps in the lock's queue. Who may be let in is decided when the
 * lock changes.
 *
 * The demon decides when it is asked, and the scheduler chooses how: a reader
 * gets in as soon as nobody writes, or waits until the lock is free. To be
 * let in later, while somebody else holds it, is the same as to ask later. A
 * writer waits until the lock is free, as with any lock.
 */
#include "sched/lock-model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sched/engine.h"
#include "sched/sched.h"

enum mfx_policy mfx_policy = MFX_FAIR;
bool mfx_real_lock;

const char *const mfx_policy_names[MFX_POLICIES] = {
	[MFX_READER] = "reader-preferring",
	[MFX_RECURSIVE] = "recursive",
	[MFX_FAIR] = "fair",
	[MFX_PHASE] = "phase-fair",
	[MFX_WRITER] = "writer-first",
	[MFX_DEMONIC] = "demonic",
};

#define NOBODY (-1)

struct waiter {
	int8_t thread;
	bool write;
	bool refused; /* by the demon: waits until the lock is free */
};

/* One per process. */
static struct model {
	struct mf_mmap_lock lock; /* for the address: what the engine keeps */
	uint8_t reads[MFX_THREADS];
	int8_t writer;
	uint8_t n_waiting;
	bool broken, changing;
	struct waiter queue[MFX_THREADS];
} models[MFX_PROCESSES];

void mfx_locks_reset(void)
{
	mfx_state(models, sizeof(models));
	for (int i = 0; i < MFX_PROCESSES; i++) {
		models[i].writer = NOBODY;
		mfx_name(&models[i], sizeof(models[i]), "%c's mmap_lock",
			 'A' + i);
	}
}

static struct model *model_of(struct mf_mmap_lock *lock)
{
	return (struct model *)lock;
}

static char letter(const struct model *model)
{
	return (char)('A' + (model - models));
}

static bool has_readers(const struct model *model)
{
	for (int i = 0; i < MFX_THREADS; i++)
		if (model->reads[i])
			return true;
	return false;
}

static bool is_free(const struct model *model)
{
	return model->writer == NOBODY && !has_readers(model);
}

static bool fits(const struct model *model, bool write)
{
	return write ? is_free(model) : model->writer == NOBODY;
}

static bool writer_waits(const struct model *model, int before)
{
	for (int i = 0; i < before; i++)
		if (model->queue[i].write)
			return true;
	return false;
}

/* Whether the policy lets the i-th of the queue in now. */
static bool admits(const struct model *model, int i)
{
	struct waiter waiter = model->queue[i];

	if (!fits(model, waiter.write))
		return false;
	switch (mfx_policy) {
	case MFX_READER:
		return !waiter.write || i == 0 ||
		       writer_waits(model, i) == false;
	case MFX_RECURSIVE:
		return i == 0 ||
		       (!waiter.write && (model->reads[waiter.thread] ||
					  !writer_waits(model, i)));
	case MFX_FAIR:
		return i == 0 || (!waiter.write && !writer_waits(model, i));
	case MFX_WRITER:
		return waiter.write ? !writer_waits(model, i)
				    : !writer_waits(model, model->n_waiting);
	case MFX_PHASE: /* readers that waited: see unlock_write() */
		return waiter.write ? !writer_waits(model, i)
				    : !writer_waits(model, model->n_waiting);
	default: /* the demon decides about the last that asked */
		return waiter.thread == mfx_self() &&
		       fits(model, waiter.refused);
	}
}

static void take(struct model *model, int i)
{
	struct waiter waiter = model->queue[i];

	model->n_waiting--;
	memmove(model->queue + i, model->queue + i + 1,
		(size_t)(model->n_waiting - i) * sizeof(waiter));
	memset(model->queue + model->n_waiting, 0, sizeof(waiter));
	if (waiter.write)
		model->writer = waiter.thread;
	else
		model->reads[waiter.thread]++;
	if (waiter.thread != mfx_self())
		mfx_wake_thread(waiter.thread);
}

/* Let in whom the policy lets in. */
static void pump(struct model *model)
{
	for (int i = 0; i < model->n_waiting;) {
		if (admits(model, i)) {
			take(model, i);
			i = 0;
		} else {
			i++;
		}
	}
}

static int place_in_queue(const struct model *model, int thread)
{
	for (int i = 0; i < model->n_waiting; i++)
		if (model->queue[i].thread == thread)
			return i;
	return NOBODY;
}

/* The lock whose queue a thread is in. */
static struct model *waited_for(int thread)
{
	for (int i = 0; i < MFX_PROCESSES; i++)
		if (place_in_queue(&models[i], thread) != NOBODY)
			return &models[i];
	return NULL;
}

/* A free lock the demon cannot refuse. */
static bool demon_may_refuse(const volatile void *lock)
{
	return !is_free((const struct model *)(uintptr_t)lock);
}

static bool demon_ready(int thread)
{
	struct model *model = waited_for(thread);
	struct waiter waiter = model->queue[place_in_queue(model, thread)];

	return fits(model, waiter.write || waiter.refused);
}

static void tell_holders(const struct model *model, int asker, char *out,
			 size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	if (model->writer != NOBODY)
		n += (size_t)snprintf(out, size, ", which %s holds to write",
				      mfx_thread_name(model->writer));
	for (int i = 0; i < MFX_THREADS && n < size; i++)
		if (model->reads[i])
			n += (size_t)snprintf(
				out + n, size - n, "%s %s holds to read",
				n ? " and" : ", which", mfx_thread_name(i));
	for (int i = 0; i < model->n_waiting && n < size; i++)
		if (model->queue[i].write && model->queue[i].thread != asker)
			n += (size_t)snprintf(
				out + n, size - n, "%s %s queues to write",
				n ? " and" : ", which",
				mfx_thread_name(model->queue[i].thread));
}

const char *mfx_lock_story(int thread)
{
	static char text[256];
	struct model *model = waited_for(thread);
	char holders[200];

	if (!model)
		return mfx_waits_for(thread);
	tell_holders(model, thread, holders, sizeof(holders));
	(void)snprintf(text, sizeof(text), "waits to %s %c's mmap_lock%s",
		       model->queue[place_in_queue(model, thread)].write
			       ? "write"
			       : "read",
		       letter(model), holders);
	return text;
}

/*
 * Readers do not concern each other while nobody writes or wants to; unless
 * there is a demon, who may refuse one because of the other.
 */
static void also(const struct model *model, bool write)
{
	mfx_also(model,
		 write || mfx_policy == MFX_DEMONIC ||
			 model->writer != NOBODY ||
			 writer_waits(model, model->n_waiting),
		 MFX_LOCK);
}

static void ask(struct model *model, bool write)
{
	int self = mfx_self();
	bool refused = false;
	struct waiter *mine;

	if (self < 0) { /* alone: nobody is in the way, or a bug */
		if (!is_free(model) && (write || model->writer != NOBODY))
			mfx_bug(MFX_DEADLOCK,
				"%c's mmap_lock is held by nobody who runs",
				letter(model));
		return;
	}
	if (mfx_policy == MFX_DEMONIC && !write)
		refused = mfx_ask(model, demon_may_refuse);
	else
		mfx_point(model, true);
	also(model, write);
	mine = &model->queue[model->n_waiting++];
	mine->thread = (int8_t)self;
	mine->write = write;
	mine->refused = refused;
	pump(model);
	if (place_in_queue(model, self) == NOBODY) {
		mfx_say("takes %c's mmap_lock to %s", letter(model),
			write ? "write" : "read");
		return;
	}
	mfx_say("%s %c's mmap_lock to %s", write ? "queues for" : "waits for",
		letter(model), write ? "write" : "read");
	mfx_sleep("waits", mfx_policy == MFX_DEMONIC ? demon_ready : NULL);
	if (mfx_policy == MFX_DEMONIC) {
		also(model, write);
		take(model, place_in_queue(model, self));
	}
	mfx_say("has %c's mmap_lock to %s", letter(model),
		write ? "write" : "read");
}

static void unlock_read(struct model *model)
{
	if (mfx_self() < 0)
		return;
	mfx_point(model, true);
	also(model, false);
	if (!model->reads[mfx_self()]--)
		mfx_bug(MFX_INVARIANT, "%s drops a lock it does not hold",
			mfx_thread_name(mfx_self()));
	mfx_say("drops %c's mmap_lock", letter(model));
	pump(model);
}

/* Of all that wait to read, in the order of the queue. */
static void let_readers_in(struct model *model)
{
	for (int i = 0; i < model->n_waiting;) {
		if (model->queue[i].write)
			i++;
		else
			take(model, i);
	}
}

static void unlock_write(struct model *model)
{
	if (mfx_self() < 0)
		return;
	mfx_point(model, true);
	also(model, true);
	if (model->writer != mfx_self())
		mfx_bug(MFX_INVARIANT, "%s drops a lock it does not hold",
			mfx_thread_name(mfx_self()));
	model->writer = NOBODY;
	mfx_say("drops %c's mmap_lock", letter(model));
	if (mfx_policy == MFX_PHASE)
		let_readers_in(model);
	pump(model);
}

void mfx_locks_thread_died(int thread)
{
	for (int i = 0; i < MFX_PROCESSES; i++) {
		struct model *model = &models[i];
		int place = place_in_queue(model, thread);

		model->reads[thread] = 0;
		if (model->writer == thread) {
			model->writer = NOBODY;
			model->broken = model->broken || model->changing;
		}
		if (place != NOBODY) {
			model->n_waiting--;
			memmove(model->queue + place, model->queue + place + 1,
				(size_t)(model->n_waiting - place) *
					sizeof(struct waiter));
		}
		pump(model);
	}
}

void mfx_locks_check_free(void)
{
	for (int i = 0; i < MFX_PROCESSES; i++) {
		if (!is_free(&models[i]))
			mfx_bug(MFX_LEAK, "%c's mmap_lock is held by nobody",
				'A' + i);
	}
}

/*
 * mmap_lock.h
 */

static const unsigned real_policy[MFX_POLICIES] = {
	[MFX_READER] = MF_LOCK_PREFER_READER,
	[MFX_RECURSIVE] = MF_LOCK_RECURSIVE,
	[MFX_FAIR] = MF_LOCK_PHASE_FAIR,
	[MFX_PHASE] = MF_LOCK_PHASE_FAIR,
	[MFX_WRITER] = MF_LOCK_PREFER_WRITER,
	[MFX_DEMONIC] = MF_LOCK_PHASE_FAIR,
};

struct mf_mmap_lock *mf_mmap_lock_new(struct mf_world *world, unsigned policy)
{
	struct mf_mmap_lock *lock;

	(void)policy;
	if (!mfx_real_lock)
		return &models[mfx_process()].lock;
	lock = mfx_real_lock_new(world, real_policy[mfx_policy]);
	if (lock) {
		char who = (char)('A' + (int)mfx_process());

		mfx_name(lock, sizeof(*lock), "%c.lock", who);
		mfx_name(&lock->writer, 4, "%c.lock.writer", who);
		mfx_name(&lock->phase, 4, "%c.lock.phase", who);
		mfx_name(&lock->ticket, 4, "%c.lock.ticket", who);
		mfx_name(&lock->queued, 4, "%c.lock.queued", who);
		mfx_name(&lock->changing, 4, "%c.lock.changing", who);
	}
	return lock;
}

void mf_mmap_lock_put(struct mf_mmap_lock *lock)
{
	if (mfx_real_lock)
		mfx_real_lock_put(lock);
}

void mf_mmap_read_lock(struct mf_mmap_lock *lock, struct mf_slot *me)
{
	if (mfx_real_lock)
		mfx_real_read_lock(lock, me);
	else
		ask(model_of(lock), false);
}

bool mf_mmap_read_trylock(struct mf_mmap_lock *lock, struct mf_slot *me)
{
	struct model *model = model_of(lock);

	if (mfx_real_lock)
		return mfx_real_read_trylock(lock, me);
	mfx_point(model, true);
	also(model, false);
	if (model->writer != NOBODY || writer_waits(model, model->n_waiting))
		return false;
	model->reads[mfx_self()]++;
	return true;
}

void mf_mmap_read_unlock(struct mf_mmap_lock *lock, struct mf_slot *me)
{
	if (mfx_real_lock)
		mfx_real_read_unlock(lock, me);
	else
		unlock_read(model_of(lock));
}

int mf_mmap_write_lock(struct mf_mmap_lock *lock, struct mf_slot *me)
{
	if (mfx_real_lock)
		return mfx_real_write_lock(lock, me);
	ask(model_of(lock), true);
	model_of(lock)->changing = true;
	return model_of(lock)->broken ? -EOWNERDEAD : 0;
}

void mf_mmap_lock_consistent(struct mf_mmap_lock *lock)
{
	if (mfx_real_lock)
		mfx_real_lock_consistent(lock);
	else
		model_of(lock)->broken = false;
}

void mf_mmap_write_unlock(struct mf_mmap_lock *lock, struct mf_slot *me)
{
	if (mfx_real_lock) {
		mfx_real_write_unlock(lock, me);
		return;
	}
	model_of(lock)->changing = false;
	unlock_write(model_of(lock));
}

bool mf_mmap_lock_broken(struct mf_mmap_lock *lock)
{
	if (mfx_real_lock)
		return mfx_real_lock_broken(lock);
	return model_of(lock)->broken || model_of(lock)->changing;
}
