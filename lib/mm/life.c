/* SPDX-License-Identifier: MIT */
/*
 * life.c - hold a robust mutex as long as one lives.
 *
 * Promise: see life.h.
 * Context: any, signal handlers included.
 *
 * Who is dead: a robust mutex whose owner ended without unlocking it gives
 * EOWNERDEAD to the next who tries. The kernel sees to that at exit, kill and
 * exec alike, and nobody can mistake a reused process id for the owner.
 */
#include "mm/life.h"

#include <errno.h>

/* Most of a world is never used, so its lives are made one by one. */
enum { NOT_MADE, MAKING, BY_MUTEX, BY_THREAD_ID };

bool mf_life_is_told = true;

uint32_t mf_thread_id(void)
{
	return (uint32_t)mf_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

__attribute__((constructor)) static void ask_kernel(void)
{
	struct robust_list_head *head;
	size_t len;

	mf_life_is_told = mf_syscall(SYS_get_robust_list, 0, (long)&head,
				     (long)&len, 0, 0, 0) == 0;
}

static int make_mutex(struct mf_life *life)
{
	pthread_mutexattr_t attr;
	int r = pthread_mutexattr_init(&attr);

	if (r)
		return -r;
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	r = pthread_mutex_init(&life->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return -r;
}

/*
 * How the life is held. Who dies while making it leaves it at MAKING for
 * good: nobody can hold it, which costs one slot of 2048.
 */
static uint32_t kind_of(struct mf_life *life)
{
	uint32_t kind = mf_load_acquire(&life->kind);

	if (kind != NOT_MADE || !mf_cas(&life->kind, &kind, MAKING))
		return kind;
	kind = mf_life_is_told && make_mutex(life) == 0 ? BY_MUTEX
							: BY_THREAD_ID;
	mf_store_release(&life->kind, kind); /* pairs with the acquire */
	return kind;
}

static int try_owner(struct mf_life *life)
{
	uint32_t owner = mf_load_acquire(&life->owner);
	long r = owner ? mf_syscall(SYS_tkill, (long)owner, 0, 0, 0, 0, 0)
		       : -ESRCH;

	if (r != -ESRCH || !mf_cas(&life->owner, &owner, mf_thread_id()))
		return -EBUSY;
	return owner ? -EOWNERDEAD : 0;
}

int mf_life_try(struct mf_life *life)
{
	switch (kind_of(life)) {
	case BY_MUTEX:
		return -pthread_mutex_trylock(&life->mutex);
	case BY_THREAD_ID:
		return try_owner(life);
	default:
		return -EBUSY;
	}
}

int mf_life_take(struct mf_life *life)
{
	/* Held by us, such a mutex would be held for ever. */
	if (kind_of(life) == BY_MUTEX && !mf_life_is_told)
		return -EBUSY;
	return mf_life_try(life);
}

void mf_life_clean(struct mf_life *life)
{
	if (mf_load_relaxed(&life->kind) == BY_MUTEX)
		(void)pthread_mutex_consistent(&life->mutex);
}

void mf_life_drop(struct mf_life *life)
{
	if (mf_load_relaxed(&life->kind) == BY_MUTEX)
		(void)pthread_mutex_unlock(&life->mutex);
	else
		mf_store_release(&life->owner, 0);
}

/*
 * Where the kernel and libc keep the holder's thread id. glibc has the word
 * first, which is a part of its ABI; elsewhere trust libc.
 */
static uint32_t *word_of(struct mf_life *life)
{
#ifdef __GLIBC__
	return (uint32_t *)&life->mutex;
#else
	(void)life;
	return NULL;
#endif
}

bool mf_life_is_mine(struct mf_life *life, uint32_t tid)
{
	uint32_t *word = word_of(life);

	if (mf_load_relaxed(&life->kind) == BY_THREAD_ID)
		return mf_load_relaxed(&life->owner) == tid;
	/* Without the bits of the kernel's, but for FUTEX_OWNER_DIED. */
	return !word || (mf_load_relaxed(word) & ~FUTEX_WAITERS) == tid;
}

/*
 * libc writes the thread id that it knows into the mutex, and has told the
 * kernel where its list of robust mutexes is. Neither is true in the child of
 * a raw clone() or of vfork(): there the id is the parent's and the kernel
 * knows no list. So put the right id, and register a list of one entry.
 */
bool mf_life_keep(struct mf_life *life, uint32_t tid)
{
	uint32_t *word = word_of(life);

	if (mf_load_relaxed(&life->kind) != BY_MUTEX)
		return true; /* who knows: be careful */
	if (mf_life_is_mine(life, tid))
		return false;
	life->node.next = &life->list.list;
	life->list.list.next = &life->node;
	life->list.futex_offset = (long)((char *)word - (char *)&life->node);
	life->list.list_op_pending = NULL;
	mf_store_seq_cst(word, tid);
	(void)mf_syscall(SYS_set_robust_list, (long)&life->list,
			 sizeof(life->list), 0, 0, 0, 0);
	return true;
}
