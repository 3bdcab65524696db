/* SPDX-License-Identifier: MIT */
/*
 * sched.h - run threads one step at a time, in an order somebody chooses.
 *
 * Promise: between two points below, a thread runs alone; the same choices
 * give the same run, and the same state the same digest.
 * Context: one thread of the kernel's; everything here is single threaded.
 *
 * Words: a thread is one of the explorer's, a fiber with a stack of its own. A
 * step takes a thread from one point to the next. A point is an access to
 * something that another thread also accesses and one of them writes; which
 * ones these are is found out by running: see learn() in sched.c.
 */
#ifndef MF_SCHED_SCHED_H
#define MF_SCHED_SCHED_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MFX_THREADS   8
#define MFX_PROCESSES 4
#define MFX_NAME      40

/* What may happen besides steps, each so many times in one run. */
struct mfx_budget {
	unsigned deaths, spurious, timeouts, signals;
	bool tso; /* stores wait in a buffer, as on x86 */
};

struct mfx_thread {
	const char *name;
	unsigned process;
	void (*run)(void);
};

struct mfx_scenario {
	const char *name;
	const char *story;
	unsigned n_processes;
	struct mfx_thread thread[MFX_THREADS]; /* ended by a NULL name */
	/* Runs alone, first; then the threads; then, if all went well, check */
	void (*setup)(void);
	void (*check)(void);
	void (*on_signal)(void); /* what a signal handler of the program does */
	struct mfx_budget budget;
	unsigned mortal; /* bit p: process p may be killed */
};

/* One thing that can happen next. */
enum mfx_what {
	MFX_RUN,      /* a thread's step */
	MFX_REFUSE,   /* the same, and the demon makes it wait: lock-model.c */
	MFX_FLUSH,    /* the oldest store in a thread's buffer arrives */
	MFX_TIMEOUT,  /* a futex wait ends by itself, early */
	MFX_TIME,     /* nothing else can happen: all of them end */
	MFX_SPURIOUS, /* a futex wait ends for no reason */
	MFX_SIGNAL,   /* a thread's signal handler runs */
	MFX_KILL,     /* a process is killed */
};

struct mfx_option {
	uint8_t what;
	uint8_t who; /* a thread; with MFX_KILL a process */
	bool free;   /* no preemption: the thread that ran last cannot */
};

#define MFX_OPTIONS (5 * MFX_THREADS + MFX_PROCESSES)

enum mfx_bug_kind {
	MFX_NO_BUG,
	MFX_DEADLOCK,
	MFX_LOST_WAKEUP,
	MFX_LIVELOCK,
	MFX_TORN,
	MFX_LEAK,
	MFX_INVARIANT,
};

struct mfx_bug {
	enum mfx_bug_kind kind;
	char text[1024];
};

struct mfx_digest {
	uint64_t a, b;
};

/* What a step did that concerns others: see depends() in dpor.c. */
enum mfx_kind { MFX_WORD = 1, MFX_QUEUE, MFX_LOCK, MFX_NOTE };
struct mfx_access {
	const void *place;
	uint8_t kind;
	bool writes;
};
struct mfx_did {
	struct mfx_access at[4];
	unsigned n;
	bool all; /* more than fits, or memory was freed: concerns everybody */
};

/* The run that is under way; a search looks at it between two steps. */
struct mfx_run {
	const struct mfx_scenario *scenario;
	struct mfx_bug bug;
	unsigned steps;
	bool ended;   /* nothing can happen any more, or a bug */
	bool learned; /* something new is shared: what was searched is void */
	struct mfx_option option[MFX_OPTIONS];
	unsigned n_options;
	int last;		 /* the thread that ran last; -1: none */
	struct mfx_did did;	 /* the last step */
	struct mfx_digest final; /* before the check, if mfx_keep_final */
};

extern struct mfx_run mfx_run;
extern bool mfx_talk;	/* print the story of the run */
extern bool mfx_naming; /* know what things are called; costs time */
extern bool mfx_keep_final;

/* Forget what is shared: another scenario comes. */
void mfx_unlearn(void);
/*
 * Whether what is found to be shared is found in any case. What was found
 * since is told as a string, from which it can be known at once.
 */
extern bool mfx_learning;
void mfx_tell_late(char *out, size_t size);
void mfx_learn_late(const char *list);
/* Set up a run and find its first options. */
void mfx_begin(const struct mfx_scenario *scenario);
/* Take one of them and find the next. */
void mfx_step(unsigned option);
/* The step that ended this thread's last sleep; -1: none. */
int mfx_waker_of(int thread);
/* It sleeps, and if it can go on, then by itself: see mfx_sleep(). */
bool mfx_is_asleep(int thread);
/* Of all there is to know of where the run stands. */
struct mfx_digest mfx_digest(void);

/* What a bug of this kind is called. */
const char *mfx_bug_name(enum mfx_bug_kind kind);

/*
 * For the program under test, kernel.c and lock-model.c.
 */

/* The calling thread's number; -1: set-up and check, which run alone. */
int mfx_self(void);
const char *mfx_thread_name(int thread);
/* As the kernel calls the thread. */
int mfx_tid(void);
unsigned mfx_process(void);
bool mfx_process_lives(unsigned process);
/* Run in another process from here on; returns the one before. */
unsigned mfx_enter(unsigned process);
/* Run fn as that thread, but alone, before it begins. */
void mfx_as_thread(int thread, void (*fn)(void));

/* End the run with a bug. Does not return to a thread. */
__attribute__((format(printf, 2, 3))) void mfx_bug(enum mfx_bug_kind kind,
						   const char *format, ...);
/* A sentence of the story, from the calling thread. */
__attribute__((format(printf, 1, 2))) void mfx_tell(const char *format, ...);
#define mfx_say(...)                           \
	do {                                   \
		if (mfx_talk)                  \
			mfx_tell(__VA_ARGS__); \
	} while (0)
/* Call len bytes at p so in the story. */
__attribute__((format(printf, 3, 4))) void mfx_name(const void *p, size_t len,
						    const char *format, ...);
const char *mfx_name_of(const volatile void *p);

/*
 * Memory that is part of the state: zero when a run begins, and in the digest.
 * mfx_alloc gives memory that belongs to the calling thread's share, so that
 * addresses do not depend on the order of the threads.
 */
void mfx_state(void *p, size_t len);
/* A static variable of the engine, until the run ends. */
void mfx_each_its_own(const void *p, size_t len);
void *mfx_alloc(size_t len);

/*
 * All that the thread knows is in shared memory, in x, and in where it is in
 * its program: states that differ only in how it got here are one.
 */
void mfx_forget(uint64_t x);

/* A point, before an access; mfx_also() then says what it was. */
void mfx_point(const volatile void *what, bool writes);
/*
 * The same, where a demon may make the thread wait, if it may when asked then.
 * True: it does.
 */
bool mfx_ask(const volatile void *what, bool (*may)(const volatile void *what));
/* The step that is under way did this. */
void mfx_also(const volatile void *what, bool writes, enum mfx_kind kind);
/* Sleep until mfx_wake_thread(), or until ready. */
void mfx_sleep(const char *why, bool (*ready)(int thread));
void mfx_wake_thread(int thread);
/* What a sleeping thread waits for. */
const char *mfx_waits_for(int thread);

/* Set and got by kernel.c's signal mask. */
void mfx_set_masked(bool masked);
bool mfx_masked(void);

/* Implemented by kernel.c, lock-model.c and program.c. */
void mfx_kernel_reset(void);
void mfx_kernel_thread_ended(int thread);
void mfx_locks_thread_died(int thread);
const char *mfx_lock_story(int thread);
void mfx_swap_process(unsigned from, unsigned to);
void mfx_program_start(const struct mfx_scenario *scenario);
void mfx_program_end(void);

#endif
