/* SPDX-License-Identifier: MIT */
/*
 * fiber.h - stacks to run on, in one thread.
 *
 * Context: not in a signal handler.
 */
#ifndef MF_SCHED_FIBER_H
#define MF_SCHED_FIBER_H

struct mfx_fiber {
	void *sp;
	char *stack;
	void (*fn)(void *);
	void *arg;
};

/* Make the fiber begin with fn(arg) when it is next switched to. */
void mfx_fiber_prepare(struct mfx_fiber *fiber, void (*fn)(void *), void *arg);
/* Go on with the fiber until it calls mfx_fiber_leave(). */
void mfx_fiber_enter(struct mfx_fiber *fiber);
void mfx_fiber_leave(struct mfx_fiber *fiber);

#endif
