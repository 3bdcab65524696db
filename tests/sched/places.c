/* SPDX-License-Identifier: MIT */
/*
 * places.c - memory of the program under test: what is shared, what it is
 * called, what is part of the state.
 *
 * Promise: see sched.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sync.h"
#include "sched/thread.h"

#define SHARE	   16384 /* bytes of memory for one thread */
#define STATES_MAX 48
#define OWN_MAX	   8
#define NAMES_MAX  96

bool mfx_naming;

/* Memory: one share for the set-up and one for each thread. */
static char memory[MFX_THREADS + 1][SHARE] __attribute__((aligned(64)));
static size_t used[MFX_THREADS + 1];
static uint8_t freed[sizeof(memory) / 16];

static struct {
	char *p;
	size_t len;
} states[STATES_MAX];
static unsigned n_states;

static struct {
	const char *p;
	size_t len;
	char name[MFX_NAME];
} names[NAMES_MAX];
static unsigned n_names;

/*
 * What is shared
 */

/*
 * Who accesses what. Only accesses of two threads of which one writes have an
 * order that matters, so only these are points. A run that finds another such
 * place says so, and the search starts again with that known: sound, since
 * before the first such access the runs left out only differ in the order of
 * accesses that do not concern each other.
 */
static struct place {
	const volatile void *at;
	unsigned process; /* static variables of the engine: one per process */
	uint8_t readers, writers;
	bool late; /* found after mfx_learning was over */
} places[1U << 14];
bool mfx_learning;

/* Of which each process has its own, at the same address. */
static struct {
	const void *p;
	size_t len;
} owns[OWN_MAX];
static unsigned n_owns;

void mfx_each_its_own(const void *p, size_t len)
{
	if (n_owns == OWN_MAX)
		return;
	owns[n_owns].p = p;
	owns[n_owns++].len = len;
}

bool mfx_is_own(const volatile void *p)
{
	/* Most are: so look there first. */
	if (mfx_is_in(p, memory, sizeof(memory)))
		return false;
	for (unsigned i = 0; i < n_owns; i++)
		if (mfx_is_in(p, owns[i].p, owns[i].len))
			return true;
	return false;
}

static struct place *place_of(const volatile void *p)
{
	unsigned process = mfx_is_own(p) ? mfx_process_now + 1 : 0;
	uint64_t hash = ((uintptr_t)p / 4 + process * 977U) *
			UINT64_C(0x9e3779b97f4a7c15);

	for (uint64_t i = hash >> 50;; i++) {
		struct place *place = &places[i & ((1U << 14) - 1)];

		if (place->at == p && place->process == process)
			return place;
		if (!place->at) {
			place->at = p;
			place->process = process;
			return place;
		}
	}
}

const void *mfx_place(const volatile void *p)
{
	return place_of(p);
}

static bool is_shared(const struct place *place)
{
	uint8_t all = place->readers | place->writers;

	return place->writers && (all & (all - 1));
}

bool mfx_is_shared(const volatile void *p)
{
	return is_shared(place_of(p));
}

bool mfx_learn(const volatile void *p, bool writes)
{
	struct place *place = place_of(p);
	bool before = is_shared(place);

	if (writes)
		place->writers |= (uint8_t)(1U << mfx_current);
	else
		place->readers |= (uint8_t)(1U << mfx_current);
	if (!before && is_shared(place)) {
		mfx_run.learned = true;
		place->late = !mfx_learning;
	}
	return is_shared(place);
}

/* All static variables keep their distance, wherever a program is loaded. */
static const char *const anchor = memory[0];

void mfx_tell_late(char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (places[i].late && n < size)
			n += (size_t)snprintf(
				out + n, size - n, "+%u.%lx", places[i].process,
				(unsigned long)((uintptr_t)places[i].at -
						(uintptr_t)anchor));
}

void mfx_learn_late(const char *list)
{
	while (*list == '+') {
		char *end;
		unsigned process = (unsigned)strtoul(list + 1, &end, 10);
		uintptr_t at = (uintptr_t)anchor + strtoul(end + 1, &end, 16);
		unsigned before = mfx_process_now;
		struct place *place;

		mfx_process_now = process ? process - 1 : 0;
		place = place_of((void *)at);
		mfx_process_now = before;
		place->readers = place->writers = 0xff;
		list = end;
	}
}

void mfx_unlearn(void)
{
	memset(places, 0, sizeof(places));
}

/*
 * Digests
 */

void mfx_mix(struct mfx_digest *digest, uint64_t v)
{
	digest->a = (digest->a ^ v) * UINT64_C(0x9fb21c651e98df25);
	digest->a ^= digest->a >> 32;
	digest->b = (digest->b + v) * UINT64_C(0xd6e8feb86659fd93);
	digest->b ^= digest->b >> 29;
}

void mfx_mix_bytes(struct mfx_digest *digest, const void *p, size_t len)
{
	const char *at = p;

	for (; len >= 8; at += 8, len -= 8) {
		uint64_t v;

		memcpy(&v, at, 8);
		mfx_mix(digest, v);
	}
	for (; len > 0; at++, len--)
		mfx_mix(digest, (uint64_t)(unsigned char)*at);
}

void mfx_mix_memory(struct mfx_digest *digest)
{
	for (int i = 0; i <= MFX_THREADS; i++)
		mfx_mix_bytes(digest, memory[i], used[i]);
	for (unsigned i = 0; i < n_states; i++)
		mfx_mix_bytes(digest, states[i].p, states[i].len);
}

/*
 * Names
 */

void mfx_name(const void *p, size_t len, const char *format, ...)
{
	va_list args;

	if (!mfx_naming || n_names == NAMES_MAX)
		return;
	names[n_names].p = p;
	names[n_names].len = len;
	va_start(args, format);
	(void)vsnprintf(names[n_names].name, MFX_NAME, format, args);
	va_end(args);
	n_names++;
}

const char *mfx_name_of(const volatile void *p)
{
	static char text[4][MFX_NAME + 24];
	static unsigned next;
	char *out = text[next++ % 4];

	/* The last that was given: it may be a part of another. */
	for (unsigned i = n_names; i-- > 0;) {
		if (!mfx_is_in(p, names[i].p, names[i].len))
			continue;
		if ((const char *)(uintptr_t)p == names[i].p)
			(void)snprintf(out, sizeof(text[0]), "%s",
				       names[i].name);
		else
			(void)snprintf(
				out, sizeof(text[0]), "%s+%zu", names[i].name,
				(size_t)((uintptr_t)p - (uintptr_t)names[i].p));
		return out;
	}
	return "something of its own";
}

/*
 * Memory
 */

void mfx_state(void *p, size_t len)
{
	for (unsigned i = 0; i < n_states; i++)
		if (states[i].p == p)
			return;
	if (n_states == STATES_MAX)
		abort();
	states[n_states].p = p;
	states[n_states++].len = len;
}

void *mfx_alloc(size_t len)
{
	int i = (mfx_current >= 0 ? mfx_current : mfx_share_of) + 1;
	char *p = memory[i] + used[i];

	len = (len + 63) & ~(size_t)63;
	if (used[i] + len > SHARE) {
		fprintf(stderr, "a thread of the explorer wants too much\n");
		abort();
	}
	used[i] += len;
	return p;
}

void mfx_free(void *p)
{
	size_t at;

	if (!p || !mfx_is_in(p, memory, sizeof(memory)))
		return;
	at = (size_t)((char *)p - memory[0]);
	if (freed[at / 16])
		mfx_bug(MFX_INVARIANT, "%s is freed twice", mfx_name_of(p));
	freed[at / 16] = 1;
	mfx_run.did.all = true;
	/* The first line; enough for whoever looks at it to stumble. */
	memset(p, 0xdd, 64);
}

void mfx_check_alive(const volatile void *p)
{
	size_t at;

	if (!mfx_is_in(p, memory, sizeof(memory)))
		return;
	at = (size_t)((uintptr_t)p - (uintptr_t)memory) & ~(size_t)63;
	if (freed[at / 16])
		mfx_bug(MFX_INVARIANT, "%s is used after it was freed",
			mfx_name_of(p));
}

void mfx_reset_memory(void)
{
	for (int i = 0; i <= MFX_THREADS; i++) {
		memset(memory[i], 0, used[i]);
		used[i] = 0;
	}
	memset(freed, 0, sizeof(freed));
	for (unsigned i = 0; i < n_states; i++)
		memset(states[i].p, 0, states[i].len);
	n_names = 0;
	n_owns = 0;
}
