/* SPDX-License-Identifier: MIT */
/*
 * slot.h - who is who among all threads that share a world.
 *
 * Promise: a slot belongs to one live thread; that its owner died, however it
 * died, is certain knowledge without process ids; a dead owner's slot is
 * cleaned and used again.
 * Context: any, signal handlers included (mf_slot_self() locks a mutex that
 * nobody else waits for), except mf_world() when it makes one.
 *
 * A world is a piece of shared memory: between threads, between the parents
 * and children of fork(), and handed to other processes as a descriptor. It
 * holds no pointers but those that libc keeps inside a locked mutex, and
 * these only the owner of the lock follows.
 */
#ifndef MF_MM_SLOT_H
#define MF_MM_SLOT_H

#include <stdint.h>

#include "base/sync.h"
#include "mm/life.h"

#ifdef MF_EXPLORE /* each word more is more states to tell apart */
#define MF_SLOTS       8
#define MF_SLOT_HOLDS  2
#define MF_SLOT_DEPTH  3
#define MF_WORLD_LOCKS 4
#else
#define MF_SLOTS       2048 /* fits the owner field of a page word */
#define MF_SLOT_HOLDS  4    /* locks one thread may hold at once */
#define MF_SLOT_DEPTH  16   /* fills one thread may have under way, nested */
#define MF_WORLD_LOCKS 256
#endif

/* A lock, by its index in the world, plus one: 0 is none. */
typedef uint32_t mf_lock_id;

struct mf_slot {
	/* What this thread holds or waits for: mmap_lock.c says how. */
	uint32_t hold[MF_SLOT_HOLDS];
	uint32_t ticket; /* of the lock it waits to write */
	/* The page waited for, and the slot seen to fill it, plus one. */
	uint32_t waits_owner;
	uint64_t waits;
	uint32_t incarnation; /* counts owners */
	uint32_t pid;	      /* for messages only */
	uint32_t tid;	      /* for messages only */
	/* Its owner holds it as long as it lives. */
	struct mf_life life;
	/* The pages this thread has claimed: set before, cleared after. */
	uint64_t filling[MF_SLOT_DEPTH] __attribute__((aligned(8)));
} __attribute__((aligned(64)));

struct mf_mmap_lock; /* mmap_lock.h */

struct mf_world;

/* The world of this process, made on first use. NULL: no memory. */
struct mf_world *mf_world(void);

/*
 * Instead of that, before the first use: a world that other processes can
 * adopt, whose descriptor is returned; or the world behind such a descriptor,
 * which stays the caller's.
 *
 * -EBUSY: this process has a world already. -EPROTO: not a world, or one of
 * another build of mfill.
 */
int mf_world_fd(void);
int mf_world_adopt(int fd);

/* For who reads the world of another process: how long, and is this one. */
size_t mf_world_size(void);
bool mf_world_is_one(const struct mf_world *world);

/* Slots from 0 to this have been used at some time. */
uint32_t mf_world_slots(struct mf_world *world);
struct mf_slot *mf_world_slot(struct mf_world *world, uint32_t index);
/* The lock with that index, used or not. */
struct mf_mmap_lock *mf_world_lock(struct mf_world *world, uint32_t index);
/* Where who reads ahead for others sleeps: fault/ahead.c. */
struct mf_ahead {
	uint32_t work;	   /* counts wishes; futex */
	uint32_t sleeping; /* threads */
};
struct mf_ahead *mf_world_ahead(struct mf_world *world);
/* A number no other store in this world has or had; never 0. */
uint32_t mf_world_next_store(struct mf_world *world);

/*
 * The slot of this thread, taken on first use; NULL when the world is full.
 * In a child after fork() it is another than the parent's.
 */
struct mf_slot *mf_slot_self(void);

/*
 * On the way in from the program: find out whether this is still the thread
 * that was here last. A vfork() child shares its parent's thread variables,
 * but may die without it, so it gets a slot of its own here; and the parent,
 * coming back, its old one. Costs a system call, which is why mf_slot_self()
 * does not do it each time. A child that never comes this way uses the slot
 * of its parent, who sleeps meanwhile.
 */
void mf_slot_enter(void);
uint32_t mf_slot_index(struct mf_slot *slot);

/* Of another thread in the process of me, by its thread id; NULL: none. */
struct mf_slot *mf_slot_of_thread(const struct mf_slot *me, uint32_t tid);

/*
 * Whether the owner of the slot lives. When it does not, what the slot says
 * it holds, wants, waits for and fills is cleared first, once, by one caller.
 * True for a moment too long while another thread looks at a dead one: who
 * waits for a death asks again after a while.
 */
bool mf_slot_alive(uint32_t index);

/*
 * How long to sleep for somebody before asking whether he lives. Nothing but
 * deaths needs it: tests make it long, and so see a lost wake-up.
 */
extern uint64_t mf_slot_patience_ns;

#endif
