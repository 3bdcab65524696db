/* SPDX-License-Identifier: MIT */
/*
 * stack.c - the fill stack of each thread.
 *
 * Promise: a fault nested in a fill never overwrites the frame of the handler
 * it is nested in.
 * Context: signal handlers.
 *
 * The kernel delivers a signal on the alternate stack unless the stack pointer
 * is inside it. Once we have moved to the fill stack it is not, so a nested
 * fault would be delivered at the top of the alternate stack, over the outer
 * handler's frame. So the alternate stack is off while we are away; the return
 * from the signal puts it back, from the ucontext.
 *
 * Stacks belong to slots, as buffers do: the next thread inherits them.
 */
#include "fault/stack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "mm/slot.h"

#define STACK_SIZE (256U << 10)
/* A signal frame with AMX state has 11 KiB; sources are promised 64 KiB. */
#define STACK_LEAST (80U << 10)

static char *stacks[MF_SLOTS]; /* the owner of the slot */

/* Switches to the stack that ends at top, calls fn(arg), switches back. */
void mf_stack_switch(void (*fn)(void *arg), void *arg, char *top);

#if defined(__x86_64__)
__asm__(".text\n"
	".globl mf_stack_switch\n"
	".hidden mf_stack_switch\n"
	".type mf_stack_switch, @function\n"
	"mf_stack_switch:\n"
	".cfi_startproc\n"
	"	push	%rbp\n"
	".cfi_def_cfa_offset 16\n"
	".cfi_offset %rbp, -16\n"
	"	mov	%rsp, %rbp\n"
	".cfi_def_cfa_register %rbp\n"
	"	mov	%rdx, %rsp\n"
	"	mov	%rdi, %rax\n"
	"	mov	%rsi, %rdi\n"
	"	call	*%rax\n"
	"	mov	%rbp, %rsp\n"
	"	pop	%rbp\n"
	".cfi_def_cfa %rsp, 8\n"
	"	ret\n"
	".cfi_endproc\n"
	".size mf_stack_switch, . - mf_stack_switch\n");
#elif defined(__i386__)
__asm__(".text\n"
	".globl mf_stack_switch\n"
	".hidden mf_stack_switch\n"
	".type mf_stack_switch, @function\n"
	"mf_stack_switch:\n"
	".cfi_startproc\n"
	"	push	%ebp\n"
	".cfi_def_cfa_offset 8\n"
	".cfi_offset %ebp, -8\n"
	"	mov	%esp, %ebp\n"
	".cfi_def_cfa_register %ebp\n"
	"	mov	8(%ebp), %eax\n"
	"	mov	12(%ebp), %ecx\n"
	"	mov	16(%ebp), %esp\n"
	"	sub	$12, %esp\n"
	"	push	%ecx\n"
	"	call	*%eax\n"
	"	mov	%ebp, %esp\n"
	"	pop	%ebp\n"
	".cfi_def_cfa %esp, 4\n"
	"	ret\n"
	".cfi_endproc\n"
	".size mf_stack_switch, . - mf_stack_switch\n");
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl mf_stack_switch\n"
	".hidden mf_stack_switch\n"
	".type mf_stack_switch, %function\n"
	"mf_stack_switch:\n"
	".cfi_startproc\n"
	"	stp	x29, x30, [sp, #-16]!\n"
	".cfi_def_cfa_offset 16\n"
	".cfi_offset 29, -16\n"
	".cfi_offset 30, -8\n"
	"	mov	x29, sp\n"
	".cfi_def_cfa_register 29\n"
	"	mov	sp, x2\n"
	"	mov	x9, x0\n"
	"	mov	x0, x1\n"
	"	blr	x9\n"
	"	mov	sp, x29\n"
	"	ldp	x29, x30, [sp], #16\n"
	".cfi_def_cfa 31, 0\n"
	"	ret\n"
	".cfi_endproc\n"
	".size mf_stack_switch, . - mf_stack_switch\n");
#endif

/* How much of the stack is below this frame; 0: we are elsewhere. */
static size_t left_on(const char *stack)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	uintptr_t start = (uintptr_t)stack;

	return stack && here > start && here - start <= STACK_SIZE
		       ? here - start
		       : 0;
}

static char *own_stack(struct mf_slot *me)
{
	char **stack = &stacks[mf_slot_index(me)];
	void *start;

	if (*stack)
		return *stack;
	if (mf_sys.mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0,
			&start) < 0)
		return NULL;
	/* One closed page at the bottom: an overflow is a crash, not a riddle */
	(void)mf_sys.mprotect(start, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE);
	*stack = start;
	return start;
}

struct call {
	void (*fn)(void *arg);
	void *arg;
	bool disarm;
};

static void call_on_own_stack(void *arg)
{
	static const stack_t off = { .ss_flags = SS_DISABLE };
	struct call *call = arg;

	if (call->disarm)
		(void)mf_sys.sigaltstack(&off, NULL);
	call->fn(call->arg);
}

int mf_stack_call(void (*fn)(void *arg), void *arg, const stack_t *uc_stack)
{
	struct mf_slot *me = mf_slot_self();
	char *stack = me ? own_stack(me) : NULL;
	struct call call = {
		.fn = fn,
		.arg = arg,
		.disarm = !(uc_stack->ss_flags & SS_DISABLE),
	};

	if (!stack)
		return -ENOMEM;
	if (left_on(stack) > 0) {
		if (left_on(stack) < STACK_LEAST)
			return -ENOMEM;
		fn(arg);
		return 0;
	}
	mf_stack_switch(call_on_own_stack, &call, stack + STACK_SIZE);
	mf_tsan_release(me);
	/*
	 * Back on the alternate stack, if that is where we were: armed again,
	 * for a handler after us that does not return.
	 */
	if (call.disarm)
		(void)mf_sys.sigaltstack(uc_stack, NULL);
	return 0;
}
