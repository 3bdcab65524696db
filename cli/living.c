/* SPDX-License-Identifier: MIT */
/*
 * living.c - mfill doctor PID: tell who waits for what, and in rings.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cmd.h"
#include "cli/doctor.h"
#include "cli/waits.h"

#define RING_MAX 64
#define SAID_MAX 1000

/* One that was there a moment ago, and is still. */
struct ring {
	unsigned n;
	struct {
		uint32_t pid, tid;
		char waits[sizeof(((struct mf_waiter *)0)->waits)];
	} member[RING_MAX];
};

struct rings {
	unsigned n;
	struct ring *ring;
};

static void note_ring(const struct mf_waits *waits, const unsigned members[],
		      unsigned n, struct ring *ret)
{
	ret->n = n;
	for (unsigned i = 0; i < n; i++) {
		const struct mf_waiter *waiter = &waits->waiter[members[i]];

		ret->member[i].pid = waiter->pid;
		ret->member[i].tid = waiter->tid;
		strcpy(ret->member[i].waits, waiter->waits);
	}
}

static bool same_ring(const struct ring *a, const struct ring *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (a->member[i].tid != b->member[i].tid ||
		    strcmp(a->member[i].waits, b->member[i].waits) != 0)
			return false;
	return true;
}

static int find_rings(const struct mf_waits *waits, struct rings *ret)
{
	unsigned members[RING_MAX];

	ret->n = 0;
	ret->ring = calloc(waits->n + 1, sizeof(*ret->ring));
	if (!ret->ring)
		return -ENOMEM;
	for (size_t i = 0; i < waits->n; i++) {
		unsigned n = mf_waits_ring(waits, i, members, RING_MAX);

		if (n > 0)
			note_ring(waits, members, n, &ret->ring[ret->n++]);
	}
	return 0;
}

static void keep_those_of(struct rings *rings, const struct rings *before)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < rings->n; i++)
		for (unsigned j = 0; j < before->n; j++)
			if (same_ring(&rings->ring[i], &before->ring[j])) {
				rings->ring[kept++] = rings->ring[i];
				break;
			}
	rings->n = kept;
}

/*
 * Look twice: what moves meanwhile may look like a ring, and a deadlock does
 * not move.
 */
static int look_twice(struct mf_look *look, struct mf_waits *waits,
		      struct rings *rings)
{
	const struct timespec moment = { .tv_nsec = 50000000 };
	struct rings before = { 0 };
	int r = mf_waits_find(look, waits);

	if (r == 0)
		r = find_rings(waits, &before);
	if (r == 0 && before.n > 0) {
		(void)nanosleep(&moment, NULL);
		mf_waits_free(waits);
		r = mf_look_again(look);
		if (r == 0)
			r = mf_waits_find(look, waits);
	}
	if (r == 0)
		r = find_rings(waits, rings);
	if (r == 0)
		keep_those_of(rings, &before);
	free(before.ring);
	return r;
}

/*
 * In words
 */

static bool is_of_interest(const struct mf_waits *waits,
			   const struct mf_waiter *waiter)
{
	char said[SAID_MAX];

	return waiter->pid == (uint32_t)waits->look->pid || *waiter->waits ||
	       mf_waits_has(waits, waiter, 0, said, sizeof(said));
}

static void print_waiter(const struct mf_waits *waits,
			 const struct mf_waiter *waiter, FILE *to)
{
	char said[SAID_MAX];

	fprintf(to, "thread %u of process %u (%s)", waiter->tid, waiter->pid,
		waiter->name);
	if (*waiter->waits)
		fprintf(to, "\n  %s", waiter->waits);
	for (unsigned i = 0; i < waiter->n_for; i++)
		fprintf(to, "%s thread %u", i ? "," : ", which is up to",
			waits->waiter[waiter->waits_for[i]].tid);
	for (unsigned i = 0; mf_waits_has(waits, waiter, i, said, sizeof(said));
	     i++)
		fprintf(to, "\n  %s", said);
	fputc('\n', to);
}

static void print_ring(const struct ring *ring, FILE *to)
{
	fprintf(to, "deadlock:\n");
	for (unsigned i = 0; i < ring->n; i++)
		fprintf(to, "  thread %u of process %u %s,\n    up to\n",
			ring->member[i].tid, ring->member[i].pid,
			ring->member[i].waits);
	fprintf(to, "  thread %u of process %u\n", ring->member[0].tid,
		ring->member[0].pid);
}

static void print_words(const struct mf_waits *waits, const struct rings *rings,
			FILE *to)
{
	for (size_t i = 0; i < waits->n; i++)
		if (is_of_interest(waits, &waits->waiter[i]))
			print_waiter(waits, &waits->waiter[i], to);
	for (unsigned i = 0; i < rings->n; i++)
		print_ring(&rings->ring[i], to);
}

/*
 * As JSON
 */

static json_t *waiter_json(const struct mf_waits *waits,
			   const struct mf_waiter *waiter)
{
	json_t *has = json_array(), *whom = json_array();
	char said[SAID_MAX];

	for (unsigned i = 0; mf_waits_has(waits, waiter, i, said, sizeof(said));
	     i++)
		(void)json_array_append_new(has, json_string_nocheck(said));
	for (unsigned i = 0; i < waiter->n_for; i++)
		(void)json_array_append_new(
			whom,
			json_integer(waits->waiter[waiter->waits_for[i]].tid));
	return json_pack("{s:i, s:i, s:o, s:o, s:o, s:o}", "pid",
			 (int)waiter->pid, "tid", (int)waiter->tid, "name",
			 json_string_nocheck(waiter->name), "waits",
			 *waiter->waits ? json_string_nocheck(waiter->waits)
					: json_null(),
			 "for", whom, "has", has);
}

static json_t *ring_json(const struct ring *ring)
{
	json_t *tids = json_array();

	for (unsigned i = 0; i < ring->n; i++)
		(void)json_array_append_new(tids,
					    json_integer(ring->member[i].tid));
	return tids;
}

static json_t *all_json(const struct mf_waits *waits, const struct rings *rings)
{
	json_t *threads = json_array(), *deadlocks = json_array();

	for (size_t i = 0; i < waits->n; i++)
		if (is_of_interest(waits, &waits->waiter[i]))
			(void)json_array_append_new(
				threads, waiter_json(waits, &waits->waiter[i]));
	for (unsigned i = 0; i < rings->n; i++)
		(void)json_array_append_new(deadlocks,
					    ring_json(&rings->ring[i]));
	return json_pack("{s:i, s:o, s:o}", "pid", (int)waits->look->pid,
			 "threads", threads, "deadlocks", deadlocks);
}

int mf_doctor_living(pid_t pid, bool json, char **ret_text)
{
	struct rings rings = { 0 };
	struct mf_waits waits = { 0 };
	struct mf_look look;
	size_t size;
	json_t *all;
	FILE *to;
	int r = mf_look_open(pid, &look);

	if (r < 0)
		return r;
	r = look_twice(&look, &waits, &rings);
	if (r < 0) {
		mf_say("process %d: %s", pid,
		       r == -ENOENT ? "has ended" : strerror(-r));
	} else if (json) {
		all = all_json(&waits, &rings);
		*ret_text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
		json_decref(all);
	} else {
		to = open_memstream(ret_text, &size);
		if (to) {
			print_words(&waits, &rings, to);
			(void)fclose(to);
		}
	}
	mf_waits_free(&waits);
	mf_look_close(&look);
	free(rings.ring);
	return r < 0 ? r : (int)rings.n;
}
