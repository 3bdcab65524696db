/* SPDX-License-Identifier: MIT */
/*
 * slot.c - make the world, take a slot in it, and notice deaths.
 *
 * Promise: see slot.h.
 * Context: any, signal handlers included, except when mf_world() makes one.
 *
 * Who is dead: a robust mutex whose owner ended without unlocking it gives
 * EOWNERDEAD to the next who tries. The kernel sees to that at exit, kill and
 * exec alike, and nobody can mistake a reused process id for the owner.
 */
#include "mm/slot.h"

#include <errno.h>
#include <linux/futex.h>
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
	struct mf_mmap_lock locks[MF_WORLD_LOCKS];
	struct mf_slot slot[MF_SLOTS];
};

/* Life mutexes are made when first needed: most of a world stays untouched. */
enum { LIFE_NONE, LIFE_MAKING, LIFE_MADE };

uint64_t mf_slot_patience_ns = 5000000;

static struct mf_world *the_world;

static __thread struct {
	struct mf_slot *slot;
	uint32_t generation;
	uint32_t stand_in; /* thread id, where libc has another: see below */
	struct robust_list_head list; /* register_life() */
	struct robust_list node;
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
	if (world->magic != WORLD_MAGIC || world->size != sizeof(*world)) {
		(void)mf_sys.munmap(world, sizeof(*world));
		return -EPROTO;
	}
	return enter_world(world) ? 0 : -EBUSY;
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

uint32_t mf_world_next_store(struct mf_world *world)
{
	return mf_fetch_add(&world->stores, 1) + 1;
}

uint32_t mf_slot_index(struct mf_slot *slot)
{
	return (uint32_t)(slot - mf_world()->slot);
}

static int make_life(struct mf_slot *slot)
{
	pthread_mutexattr_t attr;
	int r = pthread_mutexattr_init(&attr);

	if (r)
		return -r;
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	r = pthread_mutex_init(&slot->life, &attr);
	pthread_mutexattr_destroy(&attr);
	return -r;
}

/*
 * Whether the slot's mutex can be tried. Who dies while making it leaves the
 * slot unusable for good, which costs one of 2048.
 */
static bool has_life(struct mf_slot *slot)
{
	uint32_t none = LIFE_NONE;

	if (mf_load_acquire(&slot->made) == LIFE_MADE)
		return true;
	if (!mf_cas(&slot->made, &none, LIFE_MAKING) || make_life(slot) < 0)
		return false;
	mf_store_release(&slot->made, LIFE_MADE); /* pairs with the acquire */
	return true;
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

/*
 * 0: the life is mine now and the slot clean. -EBUSY: somebody's, or not to
 * be had. A cleaner that dies leaves EOWNERDEAD to the next one.
 */
static int try_life(struct mf_slot *slot)
{
	int r;

	if (!has_life(slot))
		return -EBUSY;
	r = pthread_mutex_trylock(&slot->life);
	if (r == EOWNERDEAD) {
		clean(slot);
		r = pthread_mutex_consistent(&slot->life);
	}
	return -r;
}

/*
 * libc writes the thread id that it knows into the mutex, and has told the
 * kernel where its list of robust mutexes is. Neither is true in a child of a
 * raw clone() or of vfork(): there the id is the parent's and the kernel knows
 * no list. So put the right id, and register a list of our own with one entry.
 * A vfork() child also shares this thread's variables with its parent, who
 * must not go on with the slot of a child that has ended: stand_in tells.
 */
static void register_life(struct mf_slot *slot, uint32_t tid)
{
#ifdef __GLIBC__ /* where the word is first, a part of its ABI */
	uint32_t *word = (uint32_t *)&slot->life;

	self.stand_in = 0;
	if ((mf_load_relaxed(word) & FUTEX_TID_MASK) == tid)
		return;
	self.stand_in = tid;
	self.node.next = &self.list.list;
	self.list.list.next = &self.node;
	self.list.futex_offset = (long)((char *)word - (char *)&self.node);
	self.list.list_op_pending = NULL;
	mf_store_seq_cst(word, tid);
	(void)mf_syscall(SYS_set_robust_list, (long)&self.list,
			 sizeof(self.list), 0, 0, 0, 0);
#else
	(void)slot;
	(void)tid;
#endif
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

static uint32_t get_tid(void)
{
	return (uint32_t)mf_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

static struct mf_slot *take_slot(void)
{
	struct mf_world *world = mf_world();
	uint32_t tid = get_tid();

	for (uint32_t i = 0; world && i < MF_SLOTS; i++) {
		struct mf_slot *slot = &world->slot[i];

		if (try_life(slot) < 0)
			continue;
		register_life(slot, tid);
		mf_add_relaxed(&slot->incarnation, 1);
		mf_store_relaxed(&slot->pid, get_pid());
		mf_store_relaxed(&slot->tid, tid);
		show_slot(world, i);
		return slot;
	}
	return NULL;
}

struct mf_slot *mf_slot_self(void)
{
	uint32_t generation = mf_fork_generation();

	if (self.slot && self.generation == generation &&
	    (!self.stand_in || self.stand_in == get_tid()))
		return self.slot;
	self.slot = take_slot();
	self.generation = generation;
	return self.slot;
}

bool mf_slot_alive(uint32_t index)
{
	struct mf_slot *slot = &mf_world()->slot[index];

	if (try_life(slot) < 0)
		return true;
	(void)pthread_mutex_unlock(&slot->life);
	return false;
}
