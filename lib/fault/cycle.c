/* SPDX-License-Identifier: MIT */
/*
 * cycle.c - tell of a ring of waits in words.
 *
 * Context: may run inside SIGSEGV: no malloc, no stdio, errno untouched.
 *
 * The ring stands still, since all of it waits, so what is read here is what
 * was found; but for members that are killed, and these are named once more.
 */
#include "fault/cycle.h"

#include <string.h>

#include "base/sync.h"
#include "fault/wait.h"

#define TOLD_MAX    8 /* rings; who makes more knows by then */
#define MEMBERS_MAX 16

static uint32_t told;

struct text {
	char bytes[1024];
	size_t n;
};

static void add(struct text *text, const char *words)
{
	size_t len = strlen(words);

	if (len > sizeof(text->bytes) - text->n)
		len = sizeof(text->bytes) - text->n;
	memcpy(text->bytes + text->n, words, len);
	text->n += len;
}

static void add_number(struct text *text, uint64_t number)
{
	char digits[24];
	char *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	add(text, at);
}

static void add_thread(struct text *text, const struct mf_slot *slot)
{
	add(text, "thread ");
	add_number(text, slot->tid);
	add(text, " of process ");
	add_number(text, slot->pid);
}

/* "waits for unit 1 of map 2, which thread 3 of process 4 fills" */
static void add_wait(struct text *text, uint64_t page,
		     const struct mf_slot *owner)
{
	add(text, " waits for unit ");
	add_number(text, (uint32_t)page);
	add(text, " of map ");
	add_number(text, page >> 32);
	add(text, ", which ");
	add_thread(text, owner);
	add(text, " fills");
}

void mf_cycle_tell(struct mf_slot *closer)
{
	struct text text = { .n = 0 };
	struct mf_slot *at = closer;

	if (mf_load_relaxed(&told) >= TOLD_MAX ||
	    mf_fetch_add(&told, 1) >= TOLD_MAX)
		return;
	add(&text, "mfill: a wait without end is refused: ");
	add_thread(&text, closer);
	for (int i = 0; i < MEMBERS_MAX; i++) {
		uint64_t page = mf_load_seq_cst(&at->waits);
		struct mf_slot *owner = mf_wait_owner(at);

		if (!page || !owner)
			break;
		if (i > 0)
			add(&text, "; that one");
		add_wait(&text, page, owner);
		at = owner;
		if (at == closer)
			break;
	}
	add(&text, "\n");
	(void)mf_syscall(SYS_write, 2, (long)text.bytes, (long)text.n, 0, 0, 0);
}
