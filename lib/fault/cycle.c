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

#include "base/log.h"
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

	if (len > sizeof(text->bytes) - 1 - text->n)
		len = sizeof(text->bytes) - 1 - text->n;
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

/* Whoever listens hears of all; on stderr enough is enough. */
static bool is_told_enough(void)
{
	return !mf_log_is_set() && (mf_load_relaxed(&told) >= TOLD_MAX ||
				    mf_fetch_add(&told, 1) >= TOLD_MAX);
}

static void say(struct text *text)
{
	text->bytes[text->n] = '\0';
	mf_log(text->bytes);
}

void mf_cycle_tell(struct mf_slot *closer)
{
	struct text text = { .n = 0 };
	struct mf_slot *at = closer;

	if (is_told_enough())
		return;
	add(&text, "a wait without end is refused: ");
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
	say(&text);
}

void mf_cycle_tell_stuck(struct mf_slot *waiter, unsigned n)
{
	struct text text = { .n = 0 };

	if (is_told_enough())
		return;
	add(&text, "a wait without end is refused: ");
	add_thread(&text, waiter);
	add(&text, " and all other threads that could fill a page, ");
	add_number(&text, n);
	add(&text, " in number, wait for pages");
	say(&text);
}
