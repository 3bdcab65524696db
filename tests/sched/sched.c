/* SPDX-License-Identifier: MIT */
/*
 * sched.c - threads of the explorer, and their steps.
 *
 * Promise: see sched.h.
 */
#include "sched/sched.h"

#include <assert.h>
#include <errno.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/thread.h"

#define STEPS_MAX 4000 /* more is called a livelock */

struct mfx_run mfx_run;
bool mfx_talk;
bool mfx_keep_final;

struct thread mfx_threads[MFX_THREADS];
int mfx_n_threads;
int mfx_current = -1;
int mfx_share_of = -1;
unsigned mfx_process_now;
unsigned mfx_idle;

static bool process_dead[MFX_PROCESSES];
static struct mfx_budget left;
static bool somebody_died;

/* This thread-local storage is the engine's: we have none. */
static char *tls;
static size_t tls_size;
static char tls_fresh[MFX_TLS], tls_alone[MFX_TLS];

void mfx_forget(uint64_t x)
{
	if (mfx_current < 0)
		return;
	mfx_threads[mfx_current].history = (struct mfx_digest){ 1, 2 };
	mfx_mix(&mfx_threads[mfx_current].history, x);
}

struct mfx_digest mfx_digest(void)
{
	struct mfx_digest digest = { 3, 4 };

	mfx_swap_process(mfx_process_now,
			 mfx_process_now); /* keeps what it has */
	for (int i = 0; i < mfx_n_threads; i++) {
		struct thread *t = &mfx_threads[i];

		mfx_mix(&digest, t->history.a);
		mfx_mix(&digest, t->history.b);
		mfx_mix(&digest,
			(uint64_t)t->status << 32 | (uint64_t)t->process << 16 |
				(uint64_t) !!t->why << 3 |
				(uint64_t)t->signalled << 2 |
				(uint64_t)t->in_handler << 1 | t->masked);
		mfx_mix(&digest, (uintptr_t)t->futex);
		mfx_mix_bytes(&digest, t->tls, tls_size);
		for (unsigned k = 0; k < t->n_buffered; k++) {
			mfx_mix(&digest, (uintptr_t)t->buffer[k].p);
			mfx_mix(&digest, t->buffer[k].v);
		}
	}
	mfx_mix_memory(&digest);
	mfx_mix(&digest, (uint64_t)left.deaths << 48 |
				 (uint64_t)left.spurious << 32 |
				 (uint64_t)left.timeouts << 16 | left.signals);
	mfx_mix(&digest, mfx_idle);
	return digest;
}

/*
 * Telling
 */

int mfx_self(void)
{
	return mfx_current;
}

int mfx_tid(void)
{
	return mfx_current >= 0	   ? mfx_current + 1
	       : mfx_share_of >= 0 ? mfx_share_of + 1
				   : MFX_THREADS + 1;
}

const char *mfx_thread_name(int thread)
{
	return thread < 0 ? "(alone)" : mfx_threads[thread].what->name;
}

void mfx_tell(const char *format, ...)
{
	va_list args;

	if (mfx_current < 0)
		return;
	printf("%4u  %-8s ", mfx_run.steps, mfx_thread_name(mfx_current));
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	putchar('\n');
}

const char *mfx_bug_name(enum mfx_bug_kind kind)
{
	static const char *const bug_names[] = {
		[MFX_NO_BUG] = "nothing",
		[MFX_DEADLOCK] = "deadlock",
		[MFX_LOST_WAKEUP] = "lost wake-up",
		[MFX_LIVELOCK] = "livelock",
		[MFX_TORN] = "torn or stale page",
		[MFX_LEAK] = "leaked claim",
		[MFX_INVARIANT] = "broken invariant",
	};

	return bug_names[kind];
}

/* A bug found by what runs after all threads ends that. */
static jmp_buf give_up;
static bool checking;

void mfx_bug(enum mfx_bug_kind kind, const char *format, ...)
{
	va_list args;

	if (mfx_run.bug.kind == MFX_NO_BUG) {
		mfx_run.bug.kind = kind;
		va_start(args, format);
		(void)vsnprintf(mfx_run.bug.text, sizeof(mfx_run.bug.text),
				format, args);
		va_end(args);
	}
	if (mfx_current >= 0)
		mfx_leave(); /* for good */
	else if (checking)
		longjmp(give_up, 1);
}

/* What assert() in the engine calls. */
void __assert_fail(const char *what, const char *file, unsigned line,
		   const char *function)
{
	const char *name = strrchr(file, '/');

	mfx_bug(MFX_INVARIANT, "%s fails in %s() of %s:%u", what, function,
		name ? name + 1 : file, line);
	fprintf(stderr, "assertion outside of a run: %s\n", what);
	abort();
}

/*
 * Switching
 */

static int find_tls(struct dl_phdr_info *info, size_t size, void *ignored)
{
	(void)size;
	(void)ignored;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_TLS)
			continue;
		tls = info->dlpi_tls_data;
		tls_size = info->dlpi_phdr[i].p_memsz;
	}
	return 1; /* the program itself comes first, and is all we want */
}

/* The engine crashes: the run ends, the explorer does not. */
static void on_crash(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (mfx_current >= 0 || checking)
		mfx_bug(MFX_INVARIANT, "a thread crashes at address %p",
			info->si_addr);
	(void)signal(sig, SIG_DFL);
}

static void survive_crashes(void)
{
	static char stack[65536];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_sigaction = on_crash };

	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	if (sigaltstack(&alt, NULL) < 0 || sigaction(SIGSEGV, &action, NULL) ||
	    sigaction(SIGBUS, &action, NULL))
		abort();
}

static void set_up_tls(void)
{
	if (tls)
		return;
	survive_crashes();
	(void)dl_iterate_phdr(find_tls, NULL);
	if (!tls || tls_size > MFX_TLS)
		abort();
	memcpy(tls_fresh, tls, tls_size);
}

unsigned mfx_process(void)
{
	return mfx_process_now;
}

static void load_process(unsigned process)
{
	if (process != mfx_process_now)
		mfx_swap_process(mfx_process_now, process);
	mfx_process_now = process;
}

unsigned mfx_enter(unsigned process)
{
	unsigned before = mfx_process_now;

	load_process(process);
	if (mfx_current >= 0)
		mfx_threads[mfx_current].process = process;
	return before;
}

bool mfx_process_lives(unsigned process)
{
	return !process_dead[process];
}

void mfx_leave(void)
{
	mfx_fiber_leave(&mfx_threads[mfx_current].fiber);
}

static void enter(int thread)
{
	struct thread *t = &mfx_threads[thread];

	load_process(t->process);
	memcpy(tls, t->tls, tls_size);
	mfx_current = thread;
	mfx_fiber_enter(&t->fiber);
	mfx_current = -1;
	memcpy(t->tls, tls, tls_size);
}

void mfx_as_thread(int thread, void (*fn)(void))
{
	struct thread *t = &mfx_threads[thread];
	char saved[MFX_TLS];
	unsigned before = mfx_enter(t->process);

	memcpy(saved, tls, tls_size);
	memcpy(tls, t->tls, tls_size);
	mfx_share_of = thread;
	fn();
	mfx_share_of = -1;
	memcpy(t->tls, tls, tls_size);
	memcpy(tls, saved, tls_size);
	(void)mfx_enter(before);
}

static void thread_main(void *arg)
{
	struct thread *t = arg;

	t->what->run();
	mfx_flush_all(t);
	mfx_kernel_thread_ended(mfx_current);
	t->status = ENDED;
	mfx_forget(0);
	mfx_leave();
}

void mfx_handle_signal(void)
{
	struct thread *t = &mfx_threads[mfx_current];

	t->signalled = false;
	t->in_handler = true;
	mfx_say("is interrupted by a signal, whose handler runs");
	mfx_run.scenario->on_signal();
	mfx_say("comes back from the signal handler");
	t->in_handler = false;
}

/*
 * Runs
 */

static void add_option(enum mfx_what what, int who, bool free)
{
	struct mfx_option *option = &mfx_run.option[mfx_run.n_options++];

	option->what = (uint8_t)what;
	option->who = (uint8_t)who;
	option->free = free;
}

static bool can_run(int i)
{
	if (mfx_threads[i].status == READY)
		return true;
	return mfx_threads[i].status == SLEEPING && mfx_threads[i].ready &&
	       mfx_threads[i].ready(i);
}

static void add_run(int i, bool free)
{
	struct thread *t = &mfx_threads[i];

	add_option(MFX_RUN, i, free);
	if (t->may_refuse && !t->signalled && t->may_refuse(t->asked))
		add_option(MFX_REFUSE, i, free);
}

/* True: there are some. */
static bool add_runs(void)
{
	bool last_can = mfx_run.last >= 0 && can_run(mfx_run.last);

	if (last_can)
		add_run(mfx_run.last, true);
	for (int i = 0; i < mfx_n_threads; i++)
		if (i != mfx_run.last && can_run(i))
			add_run(i, !last_can);
	return mfx_run.n_options > 0;
}

static void add_extras(void)
{
	for (int i = 0; i < mfx_n_threads; i++) {
		struct thread *t = &mfx_threads[i];
		bool asleep = t->status == SLEEPING && t->futex;

		if (t->n_buffered)
			add_option(MFX_FLUSH, i, true);
		if (asleep && t->timed && left.timeouts)
			add_option(MFX_TIMEOUT, i, false);
		if (asleep && left.spurious)
			add_option(MFX_SPURIOUS, i, false);
		if (left.signals && !t->masked && !t->in_handler &&
		    !t->signalled && (t->status == READY || asleep))
			add_option(MFX_SIGNAL, i, false);
	}
	for (unsigned p = 0; p < MFX_PROCESSES && left.deaths; p++)
		if ((mfx_run.scenario->mortal & (1U << p)) && !process_dead[p])
			add_option(MFX_KILL, (int)p, false);
}

/* Nothing moves by itself. Time passes; that helps only after a death. */
static void let_time_pass(void)
{
	for (int i = 0; i < mfx_n_threads && somebody_died; i++) {
		if (!mfx_threads[i].futex || !mfx_threads[i].timed)
			continue;
		add_option(MFX_TIME, 0, true);
		return;
	}
}

static size_t tell_waits(char *out, size_t size)
{
	size_t n = 0;
	bool stale = false;

	for (int i = 0; i < mfx_n_threads; i++) {
		struct thread *t = &mfx_threads[i];

		if (t->status != SLEEPING)
			continue;
		if (t->futex && *t->futex != t->futex_val)
			stale = true;
		n += (size_t)snprintf(out + n, size - n, "%s%s %s",
				      n ? "; " : "", t->what->name,
				      t->futex ? "sleeps on "
					       : mfx_lock_story(i));
		if (t->futex)
			n += (size_t)snprintf(out + n, size - n, "%s%s",
					      mfx_name_of(t->futex),
					      *t->futex != t->futex_val
						      ? ", which has changed"
						      : "");
		if (n >= size)
			return size;
	}
	return stale ? size : n;
}

static void stuck(void)
{
	static char text[1024];
	bool stale = tell_waits(text, sizeof(text)) == sizeof(text);

	mfx_bug(stale ? MFX_LOST_WAKEUP : MFX_DEADLOCK, "%s", text);
}

static bool all_ended(void)
{
	for (int i = 0; i < mfx_n_threads; i++)
		if (mfx_threads[i].status != ENDED &&
		    mfx_threads[i].status != DEAD)
			return false;
	return true;
}

static void end_run(void)
{
	mfx_run.ended = true;
	if (mfx_run.bug.kind == MFX_NO_BUG) {
		mfx_idle = 0;
		memcpy(tls, tls_alone, tls_size);
		mfx_program_end();
		if (mfx_keep_final)
			mfx_run.final = mfx_digest();
		checking = true;
		if (mfx_run.scenario->check && !setjmp(give_up))
			mfx_run.scenario->check();
		checking = false;
	}
}

static void find_options(void)
{
	bool moves;

	mfx_run.n_options = 0;
	if (mfx_run.bug.kind) {
		mfx_run.ended = true;
		return;
	}
	moves = add_runs();
	if (mfx_run.steps >= STEPS_MAX) {
		mfx_bug(MFX_LIVELOCK, "still busy after %u steps",
			mfx_run.steps);
		mfx_run.ended = true;
		return;
	}
	add_extras();
	if (moves)
		return;
	for (unsigned i = 0; i < mfx_run.n_options; i++)
		if (mfx_run.option[i].what == MFX_FLUSH)
			return;
	if (all_ended()) {
		end_run();
		return;
	}
	let_time_pass();
	if (!somebody_died || mfx_idle == MFX_IDLE || mfx_run.n_options == 0) {
		stuck();
		mfx_run.ended = true;
	}
}

static void reset_threads(const struct mfx_scenario *scenario)
{
	for (mfx_n_threads = 0; mfx_n_threads < MFX_THREADS; mfx_n_threads++) {
		struct thread *t = &mfx_threads[mfx_n_threads];
		struct mfx_fiber fiber = t->fiber;

		if (!scenario->thread[mfx_n_threads].name)
			break;
		memset(t, 0, sizeof(*t));
		t->fiber = fiber;
		t->what = &scenario->thread[mfx_n_threads];
		t->process = t->what->process;
		t->history = (struct mfx_digest){ 1, 2 };
		t->waker = -1;
		memcpy(t->tls, tls_fresh, tls_size);
		mfx_fiber_prepare(&t->fiber, thread_main, t);
	}
}

void mfx_begin(const struct mfx_scenario *scenario)
{
	set_up_tls();
	memset(&mfx_run, 0, sizeof(mfx_run));
	mfx_run.scenario = scenario;
	mfx_run.last = -1;
	mfx_current = -1;
	mfx_process_now = 0;
	memset(process_dead, 0, sizeof(process_dead));
	left = scenario->budget;
	mfx_idle = 0;
	somebody_died = false;
	mfx_reset_memory();
	reset_threads(scenario);
	memcpy(tls, tls_fresh, tls_size);
	mfx_kernel_reset();
	mfx_program_start(scenario);
	if (scenario->setup)
		scenario->setup();
	memcpy(tls_alone, tls, tls_size);
	/* Up to their first point threads concern nobody. */
	for (int i = 0; i < mfx_n_threads && !mfx_run.bug.kind; i++)
		enter(i);
	find_options();
}

static void kill_process(unsigned process)
{
	process_dead[process] = true;
	somebody_died = true;
	left.deaths--;
	if (mfx_talk)
		printf("%4u  process %c is killed\n", mfx_run.steps,
		       'A' + (int)process);
	for (int i = 0; i < mfx_n_threads; i++) {
		struct thread *t = &mfx_threads[i];

		if (t->what->process != process || t->status == ENDED)
			continue;
		mfx_flush_all(t);
		t->status = DEAD;
		t->futex = NULL;
		mfx_kernel_thread_ended(i);
		mfx_locks_thread_died(i);
	}
}

static void end_wait(int thread, int result)
{
	struct thread *t = &mfx_threads[thread];

	if (mfx_talk)
		printf("%4u  %-8s %s\n", mfx_run.steps, t->what->name,
		       result ? "has waited long enough"
			      : "wakes up for no reason");
	t->futex_result = result;
	t->futex = NULL;
	t->status = READY;
}

void mfx_step(unsigned option)
{
	struct mfx_option chosen = mfx_run.option[option];
	struct thread *t = &mfx_threads[chosen.who % MFX_THREADS];

	mfx_run.steps++;
	mfx_run.did = (struct mfx_did){ .n = 0 };
	switch ((enum mfx_what)chosen.what) {
	case MFX_REFUSE:
		t->refused = true;
		mfx_run.last = chosen.who;
		enter(chosen.who);
		break;
	case MFX_RUN:
		mfx_run.last = chosen.who;
		enter(chosen.who);
		break;
	case MFX_FLUSH:
		if (mfx_talk)
			printf("%4u  %-8s (its store to %s arrives)\n",
			       mfx_run.steps, t->what->name,
			       mfx_name_of(t->buffer[0].p));
		mfx_flush_one(t);
		break;
	case MFX_TIMEOUT:
		left.timeouts--;
		end_wait(chosen.who, -ETIMEDOUT);
		break;
	case MFX_TIME:
		mfx_idle++;
		for (int i = 0; i < mfx_n_threads; i++)
			if (mfx_threads[i].futex && mfx_threads[i].timed)
				end_wait(i, -ETIMEDOUT);
		break;
	case MFX_SPURIOUS:
		left.spurious--;
		end_wait(chosen.who, 0);
		break;
	case MFX_SIGNAL:
		left.signals--;
		t->signalled = true;
		if (t->futex)
			end_wait(chosen.who, -EINTR);
		break;
	case MFX_KILL:
		kill_process(chosen.who);
		break;
	}
	find_options();
}
