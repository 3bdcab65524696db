/* SPDX-License-Identifier: MIT */
/*
 * table.c - find and make the rows of the checker's tables.
 *
 * Promise: nobody waits; a process that dies in the middle leaves at most a
 * row that says little.
 * Context: any, signal handlers included.
 *
 * Each table is open addressing: a row is taken by writing its key, and never
 * given back.
 */
#include "check/table.h"

#include <string.h>

#include "base/sync.h"

void mf_check_table_begin(struct mf_check_table *table)
{
	table->magic = MF_CHECK_MAGIC;
	table->size = sizeof(*table);
}

bool mf_check_table_is_one(const struct mf_check_table *table)
{
	return table->magic == MF_CHECK_MAGIC && table->size == sizeof(*table);
}

/* splitmix64's finish. */
uint64_t mf_check_mix(uint64_t a, uint64_t b)
{
	uint64_t x = a * 0x9e3779b97f4a7c15U + b;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
	x ^= x >> 31;
	return x ? x : 1;
}

/* Whether *key is that key now, and whether that is our doing. */
static bool take(uint64_t *key, uint64_t wanted, bool *ret_new)
{
	uint64_t seen = mf_load_acquire(key);

	*ret_new = false;
	if (seen == 0 && mf_cas(key, &seen, wanted)) {
		*ret_new = true;
		return true;
	}
	return seen == wanted;
}

uint32_t mf_check_class_get(struct mf_check_table *table, uint64_t key,
			    const struct mf_check_class *like)
{
	bool new;

	for (uint64_t i = 0; i < MF_CHECK_CLASSES; i++) {
		uint32_t at = (uint32_t)((key + i) % MF_CHECK_CLASSES);
		struct mf_check_class *class = &table->class[at];

		if (!take(&class->key, key, &new))
			continue;
		if (!new)
			return at;
		class->what = like->what;
		class->id = like->id;
		class->pid = like->pid;
		class->site = like->site;
		memcpy(class->from, like->from, sizeof(class->from));
		mf_fetch_or(&class->flags, like->flags);
		mf_add_relaxed(&table->classes, 1);
		return at;
	}
	mf_add_relaxed(&table->no_class, 1);
	return MF_CHECK_NONE;
}

static uint64_t edge_key(uint32_t from, uint32_t to)
{
	return (uint64_t)(from + 1) << 32 | (to + 1);
}

/* Neighbours in the table are not neighbours in the graph. */
static uint32_t edge_start(uint32_t from, uint32_t to)
{
	return (from * 0x9e3779b1U ^ to * 0x85ebca6bU) >> 8;
}

/* How far to look: a table that is full must not make every lock slow. */
#define EDGE_PROBES 64

struct mf_check_edge *mf_check_edge_get(struct mf_check_table *table,
					uint32_t from, uint32_t to)
{
	uint64_t key = edge_key(from, to);
	uint32_t start = edge_start(from, to);
	bool new;

	for (uint32_t i = 0; i < EDGE_PROBES; i++) {
		struct mf_check_edge *edge =
			&table->edge[(start + i) % MF_CHECK_EDGES];

		if (!take(&edge->key, key, &new))
			continue;
		if (new)
			mf_add_relaxed(&table->edges, 1);
		return edge;
	}
	mf_add_relaxed(&table->no_edge, 1);
	return NULL;
}

const struct mf_check_edge *mf_check_edge_find(
	const struct mf_check_table *table, uint32_t from, uint32_t to)
{
	uint32_t start = edge_start(from, to);

	for (uint32_t i = 0; i < EDGE_PROBES; i++) {
		const struct mf_check_edge *edge =
			&table->edge[(start + i) % MF_CHECK_EDGES];

		if (edge->key == edge_key(from, to))
			return edge;
		if (edge->key == 0)
			break;
	}
	return NULL;
}

struct mf_check_event *mf_check_event_new(struct mf_check_table *table,
					  uint64_t key)
{
	bool new;

	for (uint64_t i = 0; i < MF_CHECK_EVENTS; i++) {
		struct mf_check_event *event =
			&table->event[(key + i) % MF_CHECK_EVENTS];

		if (take(&event->key, key, &new))
			return new ? event : NULL;
	}
	return NULL;
}

uint32_t mf_check_module_get(struct mf_check_table *table, const char *path)
{
	size_t len = strlen(path);
	uint64_t key = 1;
	bool new;

	for (size_t i = 0; i < len; i++)
		key = mf_check_mix(key, (unsigned char)path[i]);
	for (uint64_t i = 0; i < MF_CHECK_MODULES; i++) {
		uint32_t at = (uint32_t)((key + i) % MF_CHECK_MODULES);
		struct mf_check_module *module = &table->module[at];

		if (!take(&module->key, key, &new))
			continue;
		if (new) {
			/* The end tells more than the beginning. */
			size_t room = sizeof(module->path) - 1;
			size_t skip = len > room ? len - room : 0;

			memcpy(module->path, path + skip, len - skip);
		}
		return at + 1;
	}
	return 0;
}
