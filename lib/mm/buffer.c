/* SPDX-License-Identifier: MIT */
/*
 * buffer.c - warm memory of a thread's own.
 *
 * Promise: a buffer stays mapped and its pages present for the next fill, so
 * that a fill costs no page faults of its own.
 * Context: any.
 *
 * Buffers belong to the thread's slot, by its index: a thread that ends leaves
 * them to the next one that gets the slot. In a child of fork() the slots are
 * new, and the buffers found there are copies of what nobody uses.
 */
#include "mm/buffer.h"

#include <sys/mman.h>

#include "base/sys.h"

struct buffer {
	char *start;
	size_t len;
};

struct stack {
	struct buffer at[MF_SLOT_DEPTH]; /* the owner of the slot */
	unsigned n_used;		 /* the owner of the slot */
	uint32_t incarnation;		 /* of the slot when n_used was set */
};

static struct stack stacks[MF_SLOTS];

static size_t round_up(size_t len)
{
	size_t step = 16 * 4096;

	return (len + step - 1) / step * step;
}

static int grow(struct buffer *buffer, size_t len)
{
	void *start;
	int r = mf_sys.mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &start);

	if (r < 0)
		return r;
	(void)mf_sys.madvise(start, len, MADV_DONTDUMP);
	if (buffer->start)
		(void)mf_sys.munmap(buffer->start, buffer->len);
	buffer->start = start;
	buffer->len = len;
	return 0;
}

void *mf_buffer_get(struct mf_slot *me, size_t len)
{
	struct stack *stack = &stacks[mf_slot_index(me)];
	struct buffer *buffer;

	/* Whoever had the slot before may have died with buffers in use. */
	if (stack->incarnation != me->incarnation) {
		stack->incarnation = me->incarnation;
		stack->n_used = 0;
	}
	if (stack->n_used == MF_SLOT_DEPTH)
		return NULL;
	buffer = &stack->at[stack->n_used];
	len = round_up(len);
	if (buffer->len < len && grow(buffer, len) < 0)
		return NULL;
	stack->n_used++;
	return buffer->start;
}

void mf_buffer_put(struct mf_slot *me, void *buffer)
{
	(void)buffer;
	mf_tsan_release(me);
	stacks[mf_slot_index(me)].n_used--;
}
