/* SPDX-License-Identifier: MIT */
/*
 * locks.c - libc's locks, with the checker told of each.
 *
 * Promise: each does what libc's does; what is about to wait is in the table
 * before it waits.
 * Context: as libc's, once our constructor ran; what comes before is not
 * checked.
 *
 * Only the library that mfill doctor preloads has this file: a run without
 * the checker has libc's own functions. Not seen are locks that libc takes
 * inside (stdio's, malloc's), and what is made of futexes by hand.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <threads.h>

#include "base/sys.h"
#include "check/held.h"
#include "preload/backtrace.h"
#include "preload/interpose.h"

#define FUNCTIONS(X)                  \
	X(free)                       \
	X(pthread_mutex_init)         \
	X(pthread_mutex_destroy)      \
	X(pthread_mutex_lock)         \
	X(pthread_mutex_trylock)      \
	X(pthread_mutex_timedlock)    \
	X(pthread_mutex_clocklock)    \
	X(pthread_mutex_unlock)       \
	X(pthread_rwlock_init)        \
	X(pthread_rwlock_destroy)     \
	X(pthread_rwlock_rdlock)      \
	X(pthread_rwlock_tryrdlock)   \
	X(pthread_rwlock_timedrdlock) \
	X(pthread_rwlock_clockrdlock) \
	X(pthread_rwlock_wrlock)      \
	X(pthread_rwlock_trywrlock)   \
	X(pthread_rwlock_timedwrlock) \
	X(pthread_rwlock_clockwrlock) \
	X(pthread_rwlock_unlock)      \
	X(pthread_spin_init)          \
	X(pthread_spin_destroy)       \
	X(pthread_spin_lock)          \
	X(pthread_spin_trylock)       \
	X(pthread_spin_unlock)        \
	X(pthread_cond_wait)          \
	X(pthread_cond_timedwait)     \
	X(pthread_cond_clockwait)     \
	X(mtx_init)                   \
	X(mtx_destroy)                \
	X(mtx_lock)                   \
	X(mtx_trylock)                \
	X(mtx_timedlock)              \
	X(mtx_unlock)                 \
	X(cnd_wait)                   \
	X(cnd_timedwait)

/*
 * A list of its own: looking up the long one may allocate, and so lock. free()
 * comes first, because looking up the others may free.
 */
static struct {
#define FIELD(name) __typeof__ (&name)(name);
	FUNCTIONS(FIELD)
#undef FIELD
} next;

static const struct {
	const char *name;
	void **function;
} functions[] = {
#define ROW(name) { #name, (void **)&next.name },
	FUNCTIONS(ROW)
#undef ROW
};

static bool found;
static bool checking;

static bool finding;

__attribute__((constructor)) static void find_next(void)
{
	finding = true;
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		*functions[i].function = dlsym(RTLD_NEXT, functions[i].name);
	__atomic_store_n(&found, true, __ATOMIC_RELEASE);
}

#define LIBC(name) \
	((__builtin_expect(found, 1) ? (void)0 : find_next()), next.name)

void pl_check_start(int fd)
{
	struct mf_check_table *table;
	void *addr;

	if (mf_sys.mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0, &addr) < 0)
		return;
	table = addr;
	if (!mf_check_table_is_one(table) ||
	    mf_check_start(table, pl_backtrace) < 0)
		return;
	mf_check = &mf_check_recorder;
	checking = true;
}

__attribute__((destructor)) static void at_end(void)
{
	if (checking)
		mf_check_end();
}

/* For the libmfill.so that the program may have. */
PL_EXPORT const struct mf_check_ops *mfill_check_ops(int version)
{
	return version == MF_CHECK_VERSION ? mf_check : NULL;
}

/* What glibc keeps in a lock: its headers have the fields, but not the bits. */
#define MUTEX_TYPE	0x03
#define MUTEX_PSHARED	0x80
#define TYPE_RECURSIVE	1
#define TYPE_ERRORCHECK 2

static uint32_t mutex_flags(const pthread_mutex_t *mutex)
{
	int kind = mutex->__data.__kind;
	uint32_t flags = kind & MUTEX_PSHARED ? MF_CHECK_PSHARED : 0;

	if ((kind & MUTEX_TYPE) == TYPE_RECURSIVE ||
	    (kind & MUTEX_TYPE) == TYPE_ERRORCHECK)
		flags |= MF_CHECK_REENTRANT;
	return flags;
}

/* Of glibc's three kinds only one makes readers wait behind writers. */
static uint32_t rwlock_flags(const pthread_rwlock_t *lock)
{
	uint32_t flags = lock->__data.__shared ? MF_CHECK_PSHARED : 0;

	if (lock->__data.__flags ==
	    PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP)
		flags |= MF_CHECK_WQ;
	return flags;
}

static struct mf_check_lock *of_mutex(const pthread_mutex_t *mutex,
				      const void *pc)
{
	return mf_check_lock_get(mutex, MF_CHECK_MUTEX, mutex_flags(mutex), pc);
}

static struct mf_check_lock *of_rwlock(const pthread_rwlock_t *lock,
				       const void *pc)
{
	return mf_check_lock_get(lock, MF_CHECK_RWLOCK, rwlock_flags(lock), pc);
}

static struct mf_check_lock *of_spin(const volatile void *lock, const void *pc)
{
	return mf_check_lock_get((const void *)lock, MF_CHECK_SPIN, 0, pc);
}

/* r is what libc said to an attempt. */
static int after(const struct mf_check_lock *lock, enum mf_check_mode mode,
		 const void *pc, int r)
{
	/* A robust mutex whose owner died is held now. */
	if (r == 0 || r == EOWNERDEAD)
		mf_check_got(lock, mode, pc);
	else
		mf_check_gave_up();
	return r;
}

#define HERE __builtin_return_address(0)

/* Take a lock, and wait for it as long as it takes. */
#define TAKE(found_lock, mode, call)                   \
	do {                                           \
		const struct mf_check_lock *lock_;     \
		if (!checking)                         \
			return call;                   \
		lock_ = (found_lock);                  \
		mf_check_wait(lock_, mode, HERE);      \
		return after(lock_, mode, HERE, call); \
	} while (0)

/* Try to. A wait that ends some time is no more than a try. */
#define TRY(found_lock, mode, call)                             \
	do {                                                    \
		const struct mf_check_lock *lock_;              \
		int r_ = call;                                  \
		if (!checking || (r_ != 0 && r_ != EOWNERDEAD)) \
			return r_;                              \
		lock_ = (found_lock);                           \
		mf_check_got(lock_, mode, HERE);                \
		return r_;                                      \
	} while (0)

#define GIVE_BACK(address, call)                                              \
	do {                                                                  \
		if (checking)                                                 \
			mf_check_release(                                     \
				mf_check_lock_find((const void *)(address))); \
		return call;                                                  \
	} while (0)

#define FORGET(address, call)                                        \
	do {                                                         \
		if (checking)                                        \
			mf_check_lock_gone((const void *)(address)); \
		return call;                                         \
	} while (0)

#define MADE(address, what, flags, call)                                  \
	do {                                                              \
		int r_ = call;                                            \
		if (checking && r_ == 0)                                  \
			mf_check_lock_made((const void *)(address), what, \
					   flags, HERE);                  \
		return r_;                                                \
	} while (0)

/* clang-format off */
INTERPOSE(int, pthread_mutex_init,
	  (pthread_mutex_t *mutex, const pthread_mutexattr_t *attr))
{
	MADE(mutex, MF_CHECK_MUTEX, mutex_flags(mutex),
	     LIBC(pthread_mutex_init)(mutex, attr));
}

INTERPOSE(int, pthread_mutex_destroy, (pthread_mutex_t *mutex))
{
	FORGET(mutex, LIBC(pthread_mutex_destroy)(mutex));
}

INTERPOSE(int, pthread_mutex_lock, (pthread_mutex_t *mutex))
{
	TAKE(of_mutex(mutex, HERE), MF_CHECK_EXCLUSIVE,
	     LIBC(pthread_mutex_lock)(mutex));
}

INTERPOSE(int, pthread_mutex_trylock, (pthread_mutex_t *mutex))
{
	TRY(of_mutex(mutex, HERE), MF_CHECK_EXCLUSIVE,
	    LIBC(pthread_mutex_trylock)(mutex));
}

INTERPOSE(int, pthread_mutex_timedlock,
	  (pthread_mutex_t *mutex, const struct timespec *end))
{
	TRY(of_mutex(mutex, HERE), MF_CHECK_EXCLUSIVE,
	    LIBC(pthread_mutex_timedlock)(mutex, end));
}

INTERPOSE(int, pthread_mutex_clocklock,
	  (pthread_mutex_t *mutex, clockid_t clock,
	   const struct timespec *end))
{
	TRY(of_mutex(mutex, HERE), MF_CHECK_EXCLUSIVE,
	    LIBC(pthread_mutex_clocklock)(mutex, clock, end));
}

INTERPOSE(int, pthread_mutex_unlock, (pthread_mutex_t *mutex))
{
	GIVE_BACK(mutex, LIBC(pthread_mutex_unlock)(mutex));
}

INTERPOSE(int, pthread_rwlock_init,
	  (pthread_rwlock_t *lock, const pthread_rwlockattr_t *attr))
{
	MADE(lock, MF_CHECK_RWLOCK, rwlock_flags(lock),
	     LIBC(pthread_rwlock_init)(lock, attr));
}

INTERPOSE(int, pthread_rwlock_destroy, (pthread_rwlock_t *lock))
{
	FORGET(lock, LIBC(pthread_rwlock_destroy)(lock));
}

INTERPOSE(int, pthread_rwlock_rdlock, (pthread_rwlock_t *lock))
{
	TAKE(of_rwlock(lock, HERE), MF_CHECK_SHARED,
	     LIBC(pthread_rwlock_rdlock)(lock));
}

INTERPOSE(int, pthread_rwlock_tryrdlock, (pthread_rwlock_t *lock))
{
	TRY(of_rwlock(lock, HERE), MF_CHECK_SHARED,
	    LIBC(pthread_rwlock_tryrdlock)(lock));
}

INTERPOSE(int, pthread_rwlock_timedrdlock,
	  (pthread_rwlock_t *lock, const struct timespec *end))
{
	TRY(of_rwlock(lock, HERE), MF_CHECK_SHARED,
	    LIBC(pthread_rwlock_timedrdlock)(lock, end));
}

INTERPOSE(int, pthread_rwlock_clockrdlock,
	  (pthread_rwlock_t *lock, clockid_t clock,
	   const struct timespec *end))
{
	TRY(of_rwlock(lock, HERE), MF_CHECK_SHARED,
	    LIBC(pthread_rwlock_clockrdlock)(lock, clock, end));
}

INTERPOSE(int, pthread_rwlock_wrlock, (pthread_rwlock_t *lock))
{
	TAKE(of_rwlock(lock, HERE), MF_CHECK_EXCLUSIVE,
	     LIBC(pthread_rwlock_wrlock)(lock));
}

INTERPOSE(int, pthread_rwlock_trywrlock, (pthread_rwlock_t *lock))
{
	TRY(of_rwlock(lock, HERE), MF_CHECK_EXCLUSIVE,
	    LIBC(pthread_rwlock_trywrlock)(lock));
}

INTERPOSE(int, pthread_rwlock_timedwrlock,
	  (pthread_rwlock_t *lock, const struct timespec *end))
{
	TRY(of_rwlock(lock, HERE), MF_CHECK_EXCLUSIVE,
	    LIBC(pthread_rwlock_timedwrlock)(lock, end));
}

INTERPOSE(int, pthread_rwlock_clockwrlock,
	  (pthread_rwlock_t *lock, clockid_t clock,
	   const struct timespec *end))
{
	TRY(of_rwlock(lock, HERE), MF_CHECK_EXCLUSIVE,
	    LIBC(pthread_rwlock_clockwrlock)(lock, clock, end));
}

INTERPOSE(int, pthread_rwlock_unlock, (pthread_rwlock_t *lock))
{
	GIVE_BACK(lock, LIBC(pthread_rwlock_unlock)(lock));
}

INTERPOSE(int, pthread_spin_init, (pthread_spinlock_t *lock, int pshared))
{
	MADE(lock, MF_CHECK_SPIN, pshared ? MF_CHECK_PSHARED : 0,
	     LIBC(pthread_spin_init)(lock, pshared));
}

INTERPOSE(int, pthread_spin_destroy, (pthread_spinlock_t *lock))
{
	FORGET(lock, LIBC(pthread_spin_destroy)(lock));
}

INTERPOSE(int, pthread_spin_lock, (pthread_spinlock_t *lock))
{
	TAKE(of_spin(lock, HERE), MF_CHECK_EXCLUSIVE,
	     LIBC(pthread_spin_lock)(lock));
}

INTERPOSE(int, pthread_spin_trylock, (pthread_spinlock_t *lock))
{
	TRY(of_spin(lock, HERE), MF_CHECK_EXCLUSIVE,
	    LIBC(pthread_spin_trylock)(lock));
}

INTERPOSE(int, pthread_spin_unlock, (pthread_spinlock_t *lock))
{
	GIVE_BACK(lock, LIBC(pthread_spin_unlock)(lock));
}
/* clang-format on */

/*
 * Waiting for a condition
 *
 * The mutex is given back meanwhile, and is held again after, also when the
 * thread is cancelled in there: its cleanup handlers will give it back.
 */

struct waiter {
	struct mf_check_lock *lock;
	const void *pc;
};

static void held_again(void *arg)
{
	const struct waiter *waiter = arg;

	mf_check_wait(waiter->lock, MF_CHECK_EXCLUSIVE, waiter->pc);
	mf_check_got(waiter->lock, MF_CHECK_EXCLUSIVE, waiter->pc);
}

#define WAIT(mutex, call)                                   \
	do {                                                \
		struct waiter waiter_ = { .pc = HERE };     \
		int r_;                                     \
		if (!checking)                              \
			return call;                        \
		waiter_.lock = mf_check_lock_find(mutex);   \
		mf_check_release(waiter_.lock);             \
		pthread_cleanup_push(held_again, &waiter_); \
		r_ = call;                                  \
		pthread_cleanup_pop(1);                     \
		return r_;                                  \
	} while (0)

/* clang-format off */
INTERPOSE(int, pthread_cond_wait,
	  (pthread_cond_t *condition, pthread_mutex_t *mutex))
{
	WAIT(mutex, LIBC(pthread_cond_wait)(condition, mutex));
}

INTERPOSE(int, pthread_cond_timedwait,
	  (pthread_cond_t *condition, pthread_mutex_t *mutex,
	   const struct timespec *end))
{
	WAIT(mutex, LIBC(pthread_cond_timedwait)(condition, mutex, end));
}

INTERPOSE(int, pthread_cond_clockwait,
	  (pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
	   const struct timespec *end))
{
	WAIT(mutex, LIBC(pthread_cond_clockwait)(condition, mutex, clock, end));
}
/* clang-format on */

/*
 * Those of C11's threads.h
 *
 * In glibc they are the same locks, but do not come by the functions above.
 */

static const pthread_mutex_t *inside(const mtx_t *mutex)
{
	return (const void *)mutex;
}

/* clang-format off */
INTERPOSE(int, mtx_init, (mtx_t *mutex, int type))
{
	MADE(mutex, MF_CHECK_MUTEX, mutex_flags(inside(mutex)),
	     LIBC(mtx_init)(mutex, type));
}

INTERPOSE(void, mtx_destroy, (mtx_t *mutex))
{
	FORGET(mutex, LIBC(mtx_destroy)(mutex));
}

INTERPOSE(int, mtx_lock, (mtx_t *mutex))
{
	TAKE(of_mutex(inside(mutex), HERE), MF_CHECK_EXCLUSIVE,
	     LIBC(mtx_lock)(mutex));
}

INTERPOSE(int, mtx_trylock, (mtx_t *mutex))
{
	TRY(of_mutex(inside(mutex), HERE), MF_CHECK_EXCLUSIVE,
	    LIBC(mtx_trylock)(mutex));
}

INTERPOSE(int, mtx_timedlock,
	  (mtx_t *restrict mutex, const struct timespec *restrict end))
{
	TRY(of_mutex(inside(mutex), HERE), MF_CHECK_EXCLUSIVE,
	    LIBC(mtx_timedlock)(mutex, end));
}

INTERPOSE(int, mtx_unlock, (mtx_t *mutex))
{
	GIVE_BACK(mutex, LIBC(mtx_unlock)(mutex));
}

INTERPOSE(int, cnd_wait, (cnd_t *condition, mtx_t *mutex))
{
	WAIT(mutex, LIBC(cnd_wait)(condition, mutex));
}

INTERPOSE(int, cnd_timedwait,
	  (cnd_t *restrict condition, mtx_t *restrict mutex,
	   const struct timespec *restrict end))
{
	WAIT(mutex, LIBC(cnd_timedwait)(condition, mutex, end));
}
/* clang-format on */

/*
 * Freed memory
 *
 * A lock that needs no pthread_mutex_init() needs no pthread_mutex_destroy()
 * either, as those of C++; what is at its address next is another one.
 */

/* clang-format off */
INTERPOSE(void, free, (void *memory))
{
	/* What lies in more than one page is looked at whole. */
	if (checking && memory) {
		size_t len = malloc_usable_size(memory);

		if (len > 4096 - ((uintptr_t)memory & 4095) ||
		    mf_check_memory_has(memory))
			mf_check_memory_gone(memory, len);
	}
	/* dlsym() frees what it said when it failed, and would come back. */
	if (!next.free && !finding)
		find_next();
	if (next.free)
		next.free(memory);
}
/* clang-format on */
