/* SPDX-License-Identifier: MIT */
/*
 * slot.c - make the world, take a slot in it, and notice deaths.
 *
 * Promise: see slot.h.
 * Context: any, signal handlers included, except when mf_world() makes one.
 */
#include "mm/slot.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/forkgen.h"
#include "base/sys.h"
#include "mm/memfd.h"
#include "mm/mmap_lock.h"

/* Two builds that disagree on the layout must not share a world. */
#define WORLD_MAGIC 0x6d66776f726c6401ULL /* "mfworld", version 1 */

struct mf_world {
	uint64_t magic;
	uint32_t size;	/* of this struct: differs between 32 and 64 bits */
	uint32_t slots; /* have been used */
	uint32_t stores;
	struct mf_ahead ahead;
	struct mf_mmap_lock locks[MF_WORLD_LOCKS];
	struct mf_slot slot[MF_SLOTS];
};

uint64_t mf_slot_patience_ns = 5000000;

static struct mf_world *the_world;

/* vfork() in a child of vfork(); deeper ones share the last slot. */
#define VFORK_DEPTH 4

struct identity {
	struct mf_slot *slot;
	uint32_t tid;
	/* libc thinks of another thread id: look each time. */
	bool unsure;
};

static __thread struct {
	struct identity me;
	uint32_t generation; /* of the process that all this is true in */
	/* Those who sleep in vfork() until we end, who share this memory. */
	struct identity parents[VFORK_DEPTH];
	unsigned n_parents;
} self;

/* Map a world; the new one of an fd of -1 is this process's alone. */
static int map_world(int fd, struct mf_world **ret)
{
	int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
	void *addr;
	int r = mf_sys.mmap(NULL, sizeof(struct mf_world),
			    PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd,
			    0, &addr);

	if (r == 0)
		*ret = addr;
	return r;
}

static void begin_world(struct mf_world *world)
{
	world->magic = WORLD_MAGIC;
	world->size = sizeof(*world);
}

/* False: there is one already, and this one is gone. */
static bool enter_world(struct mf_world *world)
{
	struct mf_world *none = NULL;

	if (mf_cas(&the_world, &none, world))
		return true;
	(void)mf_sys.munmap(world, sizeof(*world));
	return false;
}

struct mf_world *mf_world(void)
{
	struct mf_world *world = mf_load_acquire(&the_world);

	if (world)
		return world;
	if (map_world(-1, &world) < 0)
		return NULL;
	begin_world(world);
	(void)enter_world(world);
	return mf_load_acquire(&the_world);
}

int mf_world_fd(void)
{
	_cleanup_close_ int fd = -1;
	struct mf_world *world;
	int r;

	if (mf_load_acquire(&the_world))
		return -EBUSY;
	fd = mf_memfd_new("mfill-world", sizeof(struct mf_world));
	if (fd < 0)
		return fd;
	r = map_world(fd, &world);
	if (r < 0)
		return r;
	begin_world(world);
	return enter_world(world) ? TAKE_FD(fd) : -EBUSY;
}

int mf_world_adopt(int fd)
{
	struct mf_world *world;
	struct stat st;
	int r;

	if (mf_load_acquire(&the_world))
		return -EBUSY;
	r = mf_sys.fstat(fd, &st);
	if (r < 0)
		return r;
	if (st.st_size != sizeof(*world))
		return -EPROTO;
	r = map_world(fd, &world);
	if (r < 0)
		return r;
	if (!mf_world_is_one(world)) {
		(void)mf_sys.munmap(world, sizeof(*world));
		return -EPROTO;
	}
	return enter_world(world) ? 0 : -EBUSY;
}

size_t mf_world_size(void)
{
	return sizeof(struct mf_world);
}

bool mf_world_is_one(const struct mf_world *world)
{
	return world->magic == WORLD_MAGIC && world->size == sizeof(*world);
}

uint32_t mf_world_slots(struct mf_world *world)
{
	return mf_load_seq_cst(&world->slots);
}

struct mf_slot *mf_world_slot(struct mf_world *world, uint32_t index)
{
	return &world->slot[index];
}

struct mf_mmap_lock *mf_world_lock(struct mf_world *world, uint32_t index)
{
	return &world->locks[index];
}

struct mf_ahead *mf_world_ahead(struct mf_world *world)
{
	return &world->ahead;
}

uint32_t mf_world_next_store(struct mf_world *world)
{
	return mf_fetch_add(&world->stores, 1) + 1;
}

uint32_t mf_slot_index(struct mf_slot *slot)
{
	return (uint32_t)(slot - mf_world()->slot);
}

/*
 * What a dead thread left. hold first: a writer may sleep on it. Waiters on
 * its pages look again after a while and find them in nobody's list.
 */
static void clean(struct mf_slot *slot)
{
	for (int i = 0; i < MF_SLOT_HOLDS; i++) {
		if (mf_xchg(&slot->hold[i], 0))
			mf_futex_wake(&slot->hold[i], INT_MAX, MF_FUTEX_SHARED);
	}
	mf_store_seq_cst(&slot->waits, 0);
	mf_store_relaxed(&slot->waits_owner, 0);
	for (int i = 0; i < MF_SLOT_DEPTH; i++)
		mf_store_seq_cst(&slot->filling[i], 0);
}

/* A cleaner that dies leaves -EOWNERDEAD to the next one. */
static int clean_if_dead(struct mf_slot *slot, int r)
{
	if (r != -EOWNERDEAD)
		return r;
	clean(slot);
	mf_life_clean(&slot->life);
	return 0;
}

/* Let scans see the slot before it can hold anything. */
static void show_slot(struct mf_world *world, uint32_t index)
{
	uint32_t seen = mf_load_relaxed(&world->slots);

	while (seen <= index && !mf_cas(&world->slots, &seen, index + 1))
		;
}

static uint32_t get_pid(void)
{
	return (uint32_t)mf_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

static struct identity take_slot(uint32_t tid)
{
	struct mf_world *world = mf_world();

	for (uint32_t i = 0; world && i < MF_SLOTS; i++) {
		struct mf_slot *slot = &world->slot[i];
		bool unsure;

		if (clean_if_dead(slot, mf_life_take(&slot->life)) < 0)
			continue;
		mf_tsan_acquire(slot); /* after all that the last one did */
		unsure = mf_life_keep(&slot->life, tid);
		mf_add_relaxed(&slot->incarnation, 1);
		mf_store_relaxed(&slot->pid, get_pid());
		mf_store_relaxed(&slot->tid, tid);
		show_slot(world, i);
		return (struct identity){ slot, tid, unsure };
	}
	return (struct identity){ 0 };
}

static bool is_me(const struct identity *who, uint32_t tid)
{
	return who->tid == tid && mf_life_is_mine(&who->slot->life, tid);
}

/* Whether this thread was here before a vfork() child of its was. */
static bool come_back(uint32_t tid)
{
	for (unsigned i = self.n_parents; i-- > 0;) {
		if (!is_me(&self.parents[i], tid))
			continue;
		self.me = self.parents[i];
		self.n_parents = i;
		return true;
	}
	return false;
}

static struct mf_slot *find_out(uint32_t generation)
{
	uint32_t tid = mf_thread_id();

	if (self.generation != generation) {
		self.me.slot = NULL;
		self.n_parents = 0;
		self.generation = generation;
	}
	if (self.me.slot && (is_me(&self.me, tid) || come_back(tid)))
		return self.me.slot;
	/* A parent, who sleeps; or a child, who is gone. */
	if (self.me.slot && mf_slot_alive(mf_slot_index(self.me.slot))) {
		if (self.n_parents == VFORK_DEPTH)
			return self.me.slot;
		self.parents[self.n_parents++] = self.me;
	}
	self.me = take_slot(tid);
	return self.me.slot;
}

struct mf_slot *mf_slot_self(void)
{
	uint32_t generation = mf_fork_generation();

	if (self.me.slot && !self.me.unsure && self.generation == generation)
		return self.me.slot;
	return find_out(generation);
}

void mf_slot_enter(void)
{
	(void)find_out(mf_fork_generation());
}

struct mf_slot *mf_slot_of_thread(const struct mf_slot *me, uint32_t tid)
{
	struct mf_world *world = mf_world();
	uint32_t n = mf_world_slots(world);

	for (uint32_t i = 0; i < n; i++) {
		struct mf_slot *slot = &world->slot[i];

		if (mf_load_relaxed(&slot->tid) == tid &&
		    mf_load_relaxed(&slot->pid) == mf_load_relaxed(&me->pid))
			return slot;
	}
	return NULL;
}

bool mf_slot_alive(uint32_t index)
{
	struct mf_slot *slot = &mf_world()->slot[index];

	if (clean_if_dead(slot, mf_life_try(&slot->life)) < 0)
		return true;
	mf_life_drop(&slot->life);
	return false;
}
