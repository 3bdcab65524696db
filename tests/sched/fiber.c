/* SPDX-License-Identifier: MIT */
/*
 * fiber.c - switch between stacks.
 *
 * On x86-64 by hand: ucontext asks the kernel for the signal mask each time,
 * which costs twenty times what the switch does.
 */
#include "sched/fiber.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#define STACK_SIZE 65536U

static struct mfx_fiber *entered;

static void begin(void)
{
	entered->fn(entered->arg);
	abort(); /* a fiber leaves, it does not return */
}

static void make_stack(struct mfx_fiber *fiber)
{
	if (fiber->stack)
		return;
	fiber->stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fiber->stack == MAP_FAILED) {
		perror("a stack");
		exit(2);
	}
}

#ifdef __x86_64__

void mfx_switch(void **save, void *load);
__asm__(".text\n"
	".type mfx_switch, @function\n"
	"mfx_switch:\n"
	"	push %rbp\n"
	"	push %rbx\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov %rsi, %rsp\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbx\n"
	"	pop %rbp\n"
	"	ret\n"
	".size mfx_switch, . - mfx_switch\n");

static void *outside;

void mfx_fiber_prepare(struct mfx_fiber *fiber, void (*fn)(void *), void *arg)
{
	uint64_t *sp;

	make_stack(fiber);
	fiber->fn = fn;
	fiber->arg = arg;
	sp = (uint64_t *)(fiber->stack + STACK_SIZE);
	*--sp = 0; /* keeps the stack aligned as a call would */
	*--sp = (uint64_t)(uintptr_t)begin;
	for (int i = 0; i < 6; i++)
		*--sp = 0;
	fiber->sp = sp;
}

void mfx_fiber_enter(struct mfx_fiber *fiber)
{
	entered = fiber;
	mfx_switch(&outside, fiber->sp);
}

void mfx_fiber_leave(struct mfx_fiber *fiber)
{
	mfx_switch(&fiber->sp, outside);
}

#else

static ucontext_t outside;

void mfx_fiber_prepare(struct mfx_fiber *fiber, void (*fn)(void *), void *arg)
{
	ucontext_t *context = fiber->sp;

	make_stack(fiber);
	fiber->fn = fn;
	fiber->arg = arg;
	if (!context)
		context = calloc(1, sizeof(*context));
	if (!context)
		abort();
	(void)getcontext(context);
	context->uc_stack.ss_sp = fiber->stack;
	context->uc_stack.ss_size = STACK_SIZE;
	makecontext(context, begin, 0);
	fiber->sp = context;
}

void mfx_fiber_enter(struct mfx_fiber *fiber)
{
	entered = fiber;
	(void)swapcontext(&outside, fiber->sp);
}

void mfx_fiber_leave(struct mfx_fiber *fiber)
{
	(void)swapcontext(fiber->sp, &outside);
}

#endif
