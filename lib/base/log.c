/* SPDX-License-Identifier: MIT */
/*
 * log.c - what has to be said while a program runs, in sentences.
 *
 * Promise: as in log.h.
 * Context: as in log.h: no stdio, no malloc but in set.
 *
 * A function and its argument belong together and are read by signal handlers,
 * so they are replaced by one store of a pointer. What it pointed to stays,
 * for somebody may be about to use it; who sets the same again gets the same.
 */
#include "base/log.h"

#include <errno.h>
#include <string.h>

#include "base/sync.h"
#include "base/sys.h"

struct listener {
	mf_log_fn *fn;
	void *ctx;
	struct listener *next; /* all there ever were */
};

static struct listener *all, *current;

static struct listener *find(mf_log_fn *fn, void *ctx)
{
	struct listener *at = mf_load_acquire(&all);

	while (at && (at->fn != fn || at->ctx != ctx))
		at = at->next;
	return at;
}

int mf_log_set(mf_log_fn *fn, void *ctx)
{
	struct listener *listener = fn ? find(fn, ctx) : NULL;

	if (fn && !listener) {
		listener = mf_sys.calloc(1, sizeof(*listener));
		if (!listener)
			return -ENOMEM;
		listener->fn = fn;
		listener->ctx = ctx;
		listener->next = mf_load_relaxed(&all);
		while (!mf_cas(&all, &listener->next, listener))
			;
	}
	mf_store_release(&current, listener); /* pairs with mf_log() */
	return 0;
}

bool mf_log_is_set(void)
{
	return mf_load_relaxed(&current);
}

/* One write, so that two threads that speak at once stay legible. */
static void to_stderr(const char *sentence)
{
	const char *parts[] = { "mfill: ", sentence, "\n" };
	char line[1200];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t len = strlen(parts[i]);

		if (len > sizeof(line) - n)
			len = sizeof(line) - n;
		memcpy(line + n, parts[i], len);
		n += len;
	}
	(void)mf_syscall(SYS_write, 2, (long)line, (long)n, 0, 0, 0);
}

void mf_log(const char *sentence)
{
	const struct listener *listener = mf_load_acquire(&current);

	if (listener)
		listener->fn(listener->ctx, sentence);
	else
		to_stderr(sentence);
}
