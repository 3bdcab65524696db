/* SPDX-License-Identifier: MIT */
/*
 * previous.c - who had a signal before us, and still gets what is not ours.
 *
 * Promise: as in previous.h.
 * Context: any, signal handlers included, but for mf_signal_take().
 */
#include "fault/previous.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/mutex.h"
#include "base/sys.h"
#include "base/syscall.h"
#include "mm/mm.h"

/*
 * An action, and whom it replaced when we came back in front. Written under
 * change_mutex, but read by handlers that wait for nobody: the reader looks at
 * the version before and after. The one that is in use is never written.
 */
struct previous {
	uint32_t version; /* odd while written */
	struct sigaction action;
	struct previous *before;
	struct previous *made_before;
};

#define SPARES 4

static struct behind {
	struct previous *now;	       /* NULL: we never were in front */
	struct previous *made;	       /* change_mutex; all, never freed */
	struct previous spare[SPARES]; /* change_mutex */
	unsigned next;		       /* change_mutex */
	/* One that was sent while it was held back. */
	uint32_t waiting; /* NONE, FULL, or BUSY while info is touched */
	siginfo_t info;
} behind[3];

enum { NONE, BUSY, FULL };

static struct mf_mutex change_mutex;
static bool emulates_masks; /* fixed before main() */
static uint32_t waiter;

static __thread uint64_t held;
/* The handler of somebody else that this thread is in, called from here. */
static __thread struct {
	const ucontext_t *uc;
	uintptr_t frame;
	struct previous *called;
} forwarded;

static struct behind *behind_of(int sig)
{
	return &behind[sig == SIGSEGV ? 0 : sig == SIGBUS ? 1 : 2];
}

/* Nothing may interrupt who holds change_mutex, not even a kill -SEGV. */
static uint64_t block_all(void)
{
	uint64_t all = ~UINT64_C(0), old = 0;

	(void)mf_syscall(SYS_rt_sigprocmask, SIG_BLOCK, (long)&all, (long)&old,
			 sizeof(old), 0, 0);
	return old;
}

static void restore_mask(uint64_t mask)
{
	(void)mf_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0,
			 sizeof(mask), 0, 0);
}

static long send_to(uint32_t tid, int sig, const siginfo_t *info)
{
	long pid = mf_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);

	return mf_syscall(SYS_rt_tgsigqueueinfo, pid, tid, sig, (long)info, 0,
			  0);
}

static uint32_t get_tid(void)
{
	return (uint32_t)mf_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

/* The action of a node, whole, and whom it replaced. */
static struct previous *read_action(const struct previous *node,
				    struct sigaction *ret)
{
	struct previous *before;
	uint32_t version;

	do {
		version = mf_load_acquire(&node->version);
		memcpy(ret, &node->action, sizeof(*ret));
		before = node->before;
		mf_fence(); /* the copy, then the second look */
	} while (version & 1 || version != mf_load_relaxed(&node->version));
	return before;
}

static void write_action(struct previous *node, const struct sigaction *action,
			 struct previous *before)
{
	mf_store_seq_cst(&node->version, node->version + 1);
	memcpy(&node->action, action, sizeof(*action));
	node->before = before;
	mf_store_release(&node->version, node->version + 1);
}

bool mf_signal_is_taken(int sig)
{
	return mf_load_acquire(&behind_of(sig)->now);
}

void mf_signal_get_previous(int sig, struct sigaction *ret)
{
	struct previous *now = mf_load_seq_cst(&behind_of(sig)->now);

	if (now)
		(void)read_action(now, ret);
	else
		(void)mf_sys.sigaction(sig, NULL, ret);
}

static int set_previous(int sig, const struct sigaction *action)
{
	struct behind *who = behind_of(sig);
	uint64_t mask = block_all();
	struct previous *node;

	mf_mutex_lock(&change_mutex, MF_RANK_SIGNAL);
	node = &who->spare[who->next++ % SPARES];
	if (node == who->now)
		node = &who->spare[who->next++ % SPARES];
	write_action(node, action, who->now->before);
	mf_store_seq_cst(&who->now, node);
	mf_mutex_unlock(&change_mutex, MF_RANK_SIGNAL);
	restore_mask(mask);
	return 0;
}

/* Whose handlers these are. */
static uint32_t owner_pid, owner_generation;

static void set_owner(void)
{
	mf_store_relaxed(&owner_pid,
			 (uint32_t)mf_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0));
	mf_store_release(&owner_generation, mf_fork_generation());
}

/*
 * A vfork() child shares our memory, and has signal handlers of its own until
 * it executes something.
 */
static bool is_vforked(void)
{
	uint32_t pid = (uint32_t)mf_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);

	/* Of fork() we heard; this is for a clone() past libc. */
	if (mf_load_acquire(&owner_generation) != mf_fork_generation())
		set_owner();
	return mf_load_relaxed(&owner_pid) != pid;
}

int mf_signal_set_previous(int sig, const struct sigaction *action)
{
	struct sigaction copy = *action;

	if (!mf_signal_is_taken(sig) || is_vforked())
		return mf_sys.sigaction(sig, &copy, NULL);
	return set_previous(sig, &copy);
}

static void watch_forks(void)
{
	static uint32_t watching;

	if (mf_xchg(&watching, 1))
		return;
	set_owner();
	(void)pthread_atfork(NULL, NULL, set_owner);
}

/* Under change_mutex. */
static int go_in_front(struct behind *who, int sig,
		       void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = { .sa_sigaction = handler };
	struct previous *previous;
	struct sigaction old;
	int r = mf_sys.sigaction(sig, NULL, &old);

	if (r < 0)
		return r;
	if ((old.sa_flags & SA_SIGINFO) && old.sa_sigaction == handler)
		return 0;
	/* Never freed: there are few, and a handler may be about to call it. */
	previous = mf_sys.calloc(1, sizeof(*previous));
	if (!previous)
		return -ENOMEM;
	previous->made_before = who->made;
	who->made = previous;
	write_action(previous, &old, who->now);
	/* Before ours is there: it may run at once. */
	mf_store_seq_cst(&who->now, previous);
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(mf_sync_signals) / sizeof(int); i++)
		sigdelset(&action.sa_mask, mf_sync_signals[i]);
	return mf_sys.sigaction(sig, &action, NULL);
}

int mf_signal_take(int sig, void (*handler)(int, siginfo_t *, void *))
{
	uint64_t mask;
	int r;

	watch_forks();
	mask = block_all();
	mf_mutex_lock(&change_mutex, MF_RANK_SIGNAL);
	r = go_in_front(behind_of(sig), sig, handler);
	mf_mutex_unlock(&change_mutex, MF_RANK_SIGNAL);
	restore_mask(mask);
	return r;
}

/* What is held back, and what waits */

void mf_signal_emulate_masks(void)
{
	emulates_masks = true;
}

static const uint64_t fault_signals = MF_SIGNAL_BIT(SIGSEGV) |
				      MF_SIGNAL_BIT(SIGBUS);

uint64_t mf_signal_real_mask(uint64_t wanted)
{
	uint64_t mark = MF_SIGNAL_BIT(MF_SIGNAL_MARK);
	uint64_t real = wanted & ~(MF_SIGNALS_OURS | mark);

	return wanted & fault_signals ? real | mark : real;
}

uint64_t mf_signal_held(void)
{
	return held;
}

void mf_signal_hold(uint64_t signals)
{
	siginfo_t info;
	int sig;

	held = signals & MF_SIGNALS_OURS;
	while ((sig = mf_signal_take_waiting(MF_SIGNALS_OURS & ~held, &info)))
		(void)send_to(get_tid(), sig, &info);
}

static const int ours[] = { SIGSEGV, SIGBUS, SIGSYS };

uint64_t mf_signal_waiting(void)
{
	uint64_t set = 0;

	for (size_t i = 0; i < 3; i++)
		if (mf_load_acquire(&behind_of(ours[i])->waiting) == FULL)
			set |= MF_SIGNAL_BIT(ours[i]);
	return set;
}

int mf_signal_take_waiting(uint64_t signals, siginfo_t *ret_info)
{
	for (size_t i = 0; i < 3; i++) {
		struct behind *who = behind_of(ours[i]);
		uint32_t full = FULL;

		if (!(signals & MF_SIGNAL_BIT(ours[i])) ||
		    !mf_cas(&who->waiting, &full, BUSY))
			continue;
		*ret_info = who->info;
		mf_store_release(&who->waiting, NONE);
		return ours[i];
	}
	return 0;
}

void mf_signal_set_waiter(uint32_t tid)
{
	mf_store_seq_cst(&waiter, tid);
}

/* As the kernel: a second one while one waits is dropped. */
static void let_wait(int sig, const siginfo_t *info)
{
	struct behind *who = behind_of(sig);
	uint32_t tid = mf_load_seq_cst(&waiter), none = NONE;

	if (tid && tid != get_tid() && send_to(tid, sig, info) == 0)
		return;
	if (!mf_cas(&who->waiting, &none, BUSY))
		return;
	who->info = *info;
	mf_store_release(&who->waiting, FULL);
}

/* Handing on */

static bool has_handler(const struct sigaction *action)
{
	return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}

/* The kernel's own, not a kill() from somewhere. */
static bool is_hardware(const siginfo_t *info)
{
	return info->si_code > 0;
}

/*
 * End as if we were not here: default action, the very same siginfo, and the
 * instruction of the fault on top when the core is written.
 */
static void die_of(int sig, const siginfo_t *info, ucontext_t *uc)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	(void)mf_sys.sigaction(sig, &action, NULL);
	sigdelset(&uc->uc_sigmask, sig);
	/*
	 * Queued, and delivered when the handler has returned, not before.
	 * Without it the access would be tried again, and in a race might
	 * work, with us gone.
	 */
	(void)block_all();
	(void)send_to(get_tid(), sig, info);
}

/* The mask a handler runs with. */
static uint64_t handler_mask(const struct sigaction *action, int sig,
			     const ucontext_t *uc)
{
	uint64_t before, add;

	memcpy(&before, &uc->uc_sigmask, sizeof(before));
	memcpy(&add, &action->sa_mask, sizeof(add));
	if (!(action->sa_flags & SA_NODEFER))
		add |= MF_SIGNAL_BIT(sig);
	return before | (emulates_masks ? mf_signal_real_mask(add) : add);
}

/* Call a handler as the kernel does. It may never return. */
static void call_handler(const struct sigaction *action, int sig,
			 siginfo_t *info, ucontext_t *uc)
{
	restore_mask(handler_mask(action, sig, uc));
	/* Handlers get three arguments whether they asked for them or not. */
	action->sa_sigaction(sig, info, uc);
}

/* SA_RESETHAND: a handler for one signal only. */
static void forget_handler(int sig, const struct sigaction *action)
{
	struct sigaction none = *action;

	none.sa_handler = SIG_DFL;
	(void)set_previous(sig, &none);
}

/*
 * Whose turn it is. Somebody who came after us and was put behind us when we
 * came back in front may chain to us: with the same ucontext, from deeper in
 * the stack. (From the same depth it is a new fault in the same place, after
 * a handler that left by longjmp.) Then it is the turn of whom we replaced
 * before. NULL: nobody's.
 */
static struct previous *next_in_turn(int sig, const ucontext_t *uc)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	if (forwarded.uc != uc || here >= forwarded.frame)
		return mf_load_seq_cst(&behind_of(sig)->now);
	return forwarded.called->before;
}

/* A blocked fault kills, whatever the handler: so does the kernel. */
static bool is_blocked(int sig, const ucontext_t *uc)
{
	if (sigismember(&uc->uc_sigmask, sig) == 1)
		return true;
	if (!emulates_masks)
		return false;
	if (sig == SIGSYS)
		return held & MF_SIGNAL_BIT(SIGSYS);
	return sigismember(&uc->uc_sigmask, MF_SIGNAL_MARK) == 1;
}

void mf_signal_forward(int sig, siginfo_t *info, ucontext_t *uc)
{
	struct previous *previous = next_in_turn(sig, uc);
	struct sigaction action = { .sa_handler = SIG_DFL };

	if (previous)
		(void)read_action(previous, &action);
	if (!is_hardware(info)) {
		if (emulates_masks && held & MF_SIGNAL_BIT(sig)) {
			let_wait(sig, info);
			return;
		}
		if (action.sa_handler == SIG_IGN)
			return;
	}
	if (!has_handler(&action) ||
	    (is_hardware(info) && is_blocked(sig, uc))) {
		die_of(sig, info, uc);
		return;
	}
	if (action.sa_flags & SA_RESETHAND)
		forget_handler(sig, &action);
	forwarded.uc = uc;
	forwarded.frame = (uintptr_t)__builtin_frame_address(0);
	forwarded.called = previous;
	call_handler(&action, sig, info, uc);
	forwarded.uc = NULL;
}
