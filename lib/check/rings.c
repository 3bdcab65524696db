/* SPDX-License-Identifier: MIT */
/*
 * rings.c - closed strong paths in a graph of classes.
 *
 * Promise: see rings.h.
 * Context: a thread of the command or of a test.
 *
 * lockdep's rule, with its proof in Linux's Documentation/locking: a deadlock
 * is possible if and only if there is a closed path of edges where no step
 * waits to read what the next one only reads, unless a queued writer would be
 * between them. From each edge on, the shortest such path back to its start
 * is looked for. Where a search stands is a class and how it is wanted.
 */
#include "check/rings.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

/* Edges sorted by where they begin. */
struct graph {
	const struct mf_check_table *table;
	size_t n;
	uint32_t *edges;		      /* n of them */
	uint32_t first[MF_CHECK_CLASSES + 1]; /* of a class, in edges */
	uint32_t from[2 * MF_CHECK_CLASSES];  /* a search: before state */
	uint32_t by[2 * MF_CHECK_CLASSES];    /* and the edge, and kind */
	uint32_t queue[2 * MF_CHECK_CLASSES]; /* states to look at */
	bool seen[2 * MF_CHECK_CLASSES];      /* state */
	bool told[MF_CHECK_EDGES];	      /* in a ring already */
};

#define STATE(class, wanted) ((class) * 2 + (uint32_t)(wanted))
#define BY(edge, kind)	     ((edge)*MF_CHECK_KINDS + (kind))

bool mf_check_blocks(const struct mf_check_class *class,
		     enum mf_check_mode wanted, enum mf_check_mode held)
{
	return wanted == MF_CHECK_EXCLUSIVE || held == MF_CHECK_EXCLUSIVE ||
	       (class->flags & MF_CHECK_WQ);
}

static bool is_usable(const struct mf_check_table *table,
		      const struct mf_check_edge *edge)
{
	uint32_t from = mf_check_edge_from(edge), to = mf_check_edge_to(edge);

	return edge->key && (edge->word & 15) &&
	       !((table->class[from].flags | table->class[to].flags) &
		 MF_CHECK_HANDED);
}

static int sort_edges(struct graph *graph)
{
	const struct mf_check_table *table = graph->table;
	uint32_t *next = graph->queue; /* not in use yet */

	for (uint32_t i = 0; i < MF_CHECK_EDGES; i++)
		if (is_usable(table, &table->edge[i]))
			graph->first[mf_check_edge_from(&table->edge[i]) + 1]++;
	for (uint32_t i = 0; i < MF_CHECK_CLASSES; i++) {
		graph->first[i + 1] += graph->first[i];
		next[i] = graph->first[i];
	}
	graph->n = graph->first[MF_CHECK_CLASSES];
	graph->edges = calloc(graph->n + 1, sizeof(*graph->edges));
	if (!graph->edges)
		return -ENOMEM;
	for (uint32_t i = 0; i < MF_CHECK_EDGES; i++) {
		uint32_t from = mf_check_edge_from(&table->edge[i]);

		/* It may have become usable only now. */
		if (is_usable(table, &table->edge[i]) &&
		    next[from] < graph->first[from + 1])
			graph->edges[next[from]++] = i;
	}
	return 0;
}

/* A lock that lets only one of the two happen at a time. */
static bool share_gate(const struct mf_check_edge *a,
		       const struct mf_check_edge *b)
{
	for (int i = 0; i < MF_CHECK_GATES; i++)
		for (int j = 0; j < MF_CHECK_GATES; j++)
			if (mf_check_gate(a->word, i) &&
			    mf_check_gate(a->word, i) ==
				    mf_check_gate(b->word, j))
				return true;
	return false;
}

/* The ways in which a step was seen, as held and wanted. */
static enum mf_check_mode held_of(uint32_t kind)
{
	return kind / 2 ? MF_CHECK_SHARED : MF_CHECK_EXCLUSIVE;
}

static enum mf_check_mode wanted_of(uint32_t kind)
{
	return kind % 2 ? MF_CHECK_SHARED : MF_CHECK_EXCLUSIVE;
}

static void enter(struct graph *graph, uint32_t *n, uint32_t state,
		  uint32_t from, uint32_t by)
{
	if (graph->seen[state])
		return;
	graph->seen[state] = true;
	graph->from[state] = from;
	graph->by[state] = by;
	graph->queue[(*n)++] = state;
}

/*
 * From where the first step waits, back to what it holds: the last state, or
 * MF_CHECK_NONE.
 */
static uint32_t search(struct graph *graph, uint32_t start, uint32_t kind)
{
	const struct mf_check_table *table = graph->table;
	const struct mf_check_edge *first = &table->edge[start];
	uint32_t n = 0;

	for (uint32_t i = 0; i < 2 * MF_CHECK_CLASSES; i++)
		graph->seen[i] = false;
	enter(graph, &n, STATE(mf_check_edge_to(first), wanted_of(kind)),
	      MF_CHECK_NONE, BY(start, kind));
	for (uint32_t at = 0; at < n; at++) {
		uint32_t state = graph->queue[at], class = state / 2;
		enum mf_check_mode wanted = state % 2 ? MF_CHECK_SHARED
						      : MF_CHECK_EXCLUSIVE;

		if (class == mf_check_edge_from(first) &&
		    mf_check_blocks(&table->class[class], wanted,
				    held_of(kind)))
			return state;
		for (uint32_t i = graph->first[class];
		     i < graph->first[class + 1]; i++) {
			uint32_t index = graph->edges[i];
			const struct mf_check_edge *edge = &table->edge[index];

			if (index == start || share_gate(first, edge))
				continue;
			for (uint32_t k = 0; k < MF_CHECK_KINDS; k++)
				if ((edge->word >> k & 1) &&
				    mf_check_blocks(&table->class[class],
						    wanted, held_of(k)))
					enter(graph, &n,
					      STATE(mf_check_edge_to(edge),
						    wanted_of(k)),
					      state, BY(index, k));
		}
	}
	return MF_CHECK_NONE;
}

/* False: longer than anybody would read, or two steps exclude each other. */
static bool collect(struct graph *graph, uint32_t state,
		    struct mf_check_ring *ret)
{
	unsigned n = 0;

	for (uint32_t at = state; at != MF_CHECK_NONE; at = graph->from[at])
		if (++n > MF_CHECK_RING_MAX)
			return false;
	ret->n = n;
	for (; state != MF_CHECK_NONE; state = graph->from[state]) {
		uint32_t by = graph->by[state];

		ret->step[--n] = (struct mf_check_step){
			.edge = &graph->table->edge[by / MF_CHECK_KINDS],
			.held = held_of(by % MF_CHECK_KINDS),
			.wanted = wanted_of(by % MF_CHECK_KINDS),
		};
	}
	for (unsigned i = 0; i < ret->n; i++)
		for (unsigned j = 0; j < i; j++)
			if (share_gate(ret->step[i].edge, ret->step[j].edge))
				return false;
	return true;
}

static int shorter(const void *a, const void *b)
{
	const struct mf_check_ring *left = a, *right = b;

	if (left->n != right->n)
		return left->n < right->n ? -1 : 1;
	return left->step[0].edge < right->step[0].edge ? -1 : 1;
}

static bool is_news(struct graph *graph, const struct mf_check_ring *ring)
{
	bool news = false;

	for (unsigned i = 0; i < ring->n; i++) {
		size_t edge = (size_t)(ring->step[i].edge - graph->table->edge);

		news |= !graph->told[edge];
		graph->told[edge] = true;
	}
	return news;
}

static int search_all(struct graph *graph, struct mf_check_ring *rings)
{
	int n = 0, kept = 0;

	for (size_t i = 0; i < graph->n; i++) {
		uint32_t start = graph->edges[i];

		for (uint32_t kind = 0; kind < MF_CHECK_KINDS; kind++) {
			uint32_t end;

			if (!(graph->table->edge[start].word >> kind & 1))
				continue;
			end = search(graph, start, kind);
			if (end != MF_CHECK_NONE &&
			    collect(graph, end, &rings[n])) {
				n++;
				break;
			}
		}
	}
	qsort(rings, (size_t)n, sizeof(*rings), shorter);
	for (int i = 0; i < n; i++)
		if (is_news(graph, &rings[i]))
			rings[kept++] = rings[i];
	return kept;
}

int mf_check_rings(const struct mf_check_table *table,
		   struct mf_check_ring **ret)
{
	_cleanup_free_ struct graph *graph = calloc(1, sizeof(*graph));
	_cleanup_free_ uint32_t *edges = NULL;
	struct mf_check_ring *rings;
	int r;

	if (!graph)
		return -ENOMEM;
	graph->table = table;
	r = sort_edges(graph);
	edges = graph->edges;
	if (r < 0)
		return r;
	rings = calloc(graph->n + 1, sizeof(*rings));
	if (!rings)
		return -ENOMEM;
	r = search_all(graph, rings);
	*ret = rings;
	return r;
}
