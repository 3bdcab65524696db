/* SPDX-License-Identifier: MIT */
/*
 * table.h - which locks were taken while which others were held: what the
 * checker remembers, in memory that all processes of a run share.
 *
 * Promise: whatever is written here is only ever added to, but for the list of
 * threads; so who reads it at the end, or in the middle, reads what did
 * happen, and orders that different processes saw meet.
 * Context: any, signal handlers included; mf_check_place_… says more.
 *
 * The words are those of Linux's lockdep. Locks of one *class* are taken for
 * one another: a class is a variable, or the place in a program that made its
 * locks. An *edge* from a class to another says that a thread wanted one of
 * the latter while it held one of the former, and how each of them: that is
 * the *kind* of the edge. A map of mfill's is a class, too: who fills a page
 * holds it, who touches one wants to read it.
 */
#ifndef MF_CHECK_TABLE_H
#define MF_CHECK_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define MF_CHECK_MAGIC	 0x6d6663686b303031ULL /* "mfchk001" */
#define MF_CHECK_CLASSES 4096
#define MF_CHECK_EDGES	 16384
#define MF_CHECK_MODULES 512
#define MF_CHECK_THREADS 2048
#define MF_CHECK_HELD	 24 /* by one thread at once */
#define MF_CHECK_KNOWN	 32 /* a thread knows to be in the table */
#define MF_CHECK_EVENTS	 256
#define MF_CHECK_NONE	 UINT32_MAX

/* How a lock is held or wanted. */
enum mf_check_mode { MF_CHECK_EXCLUSIVE, MF_CHECK_SHARED };

enum mf_check_what {
	MF_CHECK_MUTEX,
	MF_CHECK_RWLOCK,
	MF_CHECK_SPIN,
	MF_CHECK_PAGES, /* of a map; id: the store's number in its world */
	MF_CHECK_OWN,	/* one of mfill's; id: enum mf_rank */
};

/*
 * Two attributes that have nothing to do with each other: may a thread take
 * again what it reads already, past a queued writer; and does a reader wait
 * behind a queued writer. See docs/locking.md.
 */
#define MF_CHECK_SELF	  0x1U
#define MF_CHECK_WQ	  0x2U
#define MF_CHECK_STATIC	  0x4U /* site: the variable; else who made or used it */
#define MF_CHECK_MADE	  0x8U	/* site: the call of …_init() */
#define MF_CHECK_INSTANCE 0x10U /* one lock of a class: id is the class */
/* Somebody gave back what another thread took: order means nothing here. */
#define MF_CHECK_HANDED 0x20U
/* A thread that takes it again goes on, or is told so. */
#define MF_CHECK_REENTRANT 0x40U

/*
 * A place: module (16 bits), address in it as its own headers count (48
 * bits). Modules count from 1; 0 is memory without a file.
 */
typedef uint64_t mf_check_site;
#define MF_CHECK_SITE(module, address) \
	((uint64_t)(module) << 48 | ((address)&0xffffffffffffULL))
#define mf_check_site_module(site)  ((uint32_t)((site) >> 48))
#define mf_check_site_address(site) ((site)&0xffffffffffffULL)

struct mf_check_module {
	uint64_t key; /* 0: free */
	char path[248];
};

#define MF_CHECK_FRAMES 6

struct mf_check_class {
	uint64_t key; /* 0: free */
	mf_check_site site;
	/* Who called the code at site, the innermost first; 0: no more. */
	mf_check_site from[MF_CHECK_FRAMES];
	uint32_t what;
	uint32_t flags;
	uint32_t id;
	uint32_t pid; /* who saw it first */
};

/* When an edge of some kind was seen first. */
struct mf_check_seen {
	uint32_t pid, tid;
	mf_check_site held_at, wanted_at;
	/* Who called the code at wanted_at, the innermost first; 0: no more. */
	mf_check_site from[MF_CHECK_FRAMES];
};

/*
 * Kinds are bits: 1 << (2 * how the first is held + how the second is
 * wanted). The rest of the word are *gates*: locks that were held exclusively
 * each time the edge was seen, the first of its two being one. They only ever
 * go away. Two edges with a common gate are never walked at the same time.
 */
#define MF_CHECK_KIND(held, wanted) (1U << (2 * (held) + (wanted)))
#define MF_CHECK_KINDS		    4
#define MF_CHECK_GATES		    3
#define MF_CHECK_GATE_BITS	    20

struct mf_check_edge {
	uint64_t key;  /* from + 1, to + 1; 0: free */
	uint64_t word; /* kinds(4) gate(20) gate(20) gate(20) */
	struct mf_check_seen seen[MF_CHECK_KINDS];
};

#define mf_check_edge_from(edge) ((uint32_t)((edge)->key >> 32) - 1)
#define mf_check_edge_to(edge)	 ((uint32_t)(edge)->key - 1)

static inline uint32_t mf_check_gate(uint64_t word, int i)
{
	return (uint32_t)(word >> (4 + i * MF_CHECK_GATE_BITS)) &
	       ((1U << MF_CHECK_GATE_BITS) - 1);
}

/* What is wrong about one thread and one lock alone. */
enum mf_check_event_kind {
	/* Read again: a writer may queue between, if the class has WQ. */
	MF_CHECK_AGAIN_READ = 1,
	MF_CHECK_AGAIN,	  /* waits for what it holds itself */
	MF_CHECK_UPGRADE, /* writes what it reads already */
};

struct mf_check_event {
	uint64_t key; /* 0: free */
	uint32_t kind, class;
	struct mf_check_seen seen;
};

struct mf_check_held {
	uint64_t lock;	/* its address; of a map the store's number */
	uint64_t id;	/* the same for all who can lock it; 0: no gate */
	uint64_t sum;	/* this one's part in that of all */
	uint64_t pc;	/* where it was taken, in that process */
	uint32_t class; /* plus one; 0: none, whatever else is written here */
	uint32_t mode;
};

/* A thread, by its process and thread id; 0: nobody. Its own to write. */
struct mf_check_thread {
	uint64_t who;
	uint32_t n;    /* of held */
	uint32_t lost; /* it may hold more than what is there */
	/* The ids of held, mixed; and mixed with it what was wanted then. */
	uint64_t sum;
	uint64_t known[MF_CHECK_KNOWN];
	uint64_t want; /* as held.lock */
	uint64_t want_id;
	uint64_t want_pc;
	uint32_t want_class; /* plus one; 0: it waits for nothing */
	uint32_t want_mode;
	struct mf_check_held held[MF_CHECK_HELD];
} __attribute__((aligned(64)));

struct mf_check_table {
	uint64_t magic;
	uint64_t size;
	/* Used so far, and what there was no room for. */
	uint32_t classes, edges, instances, threads;
	uint32_t no_class, no_edge, no_thread, no_lock;
	struct mf_check_module module[MF_CHECK_MODULES];
	struct mf_check_class class[MF_CHECK_CLASSES];
	struct mf_check_event event[MF_CHECK_EVENTS];
	struct mf_check_thread thread[MF_CHECK_THREADS];
	struct mf_check_edge edge[MF_CHECK_EDGES];
};

void mf_check_table_begin(struct mf_check_table *table);
bool mf_check_table_is_one(const struct mf_check_table *table);

/* Mix two numbers into one that is never 0. */
uint64_t mf_check_mix(uint64_t a, uint64_t b);

/*
 * The class with that key; made from *like when there is none yet.
 * MF_CHECK_NONE: no room.
 */
uint32_t mf_check_class_get(struct mf_check_table *table, uint64_t key,
			    const struct mf_check_class *like);
/* NULL: no room. */
struct mf_check_edge *mf_check_edge_get(struct mf_check_table *table,
					uint32_t from, uint32_t to);
/* The same without making one; NULL: there is none. */
const struct mf_check_edge *mf_check_edge_find(
	const struct mf_check_table *table, uint32_t from, uint32_t to);
/* True: it is new, and the caller's to fill in. */
struct mf_check_event *mf_check_event_new(struct mf_check_table *table,
					  uint64_t key);
/* A number from 1, or 0: no room. */
uint32_t mf_check_module_get(struct mf_check_table *table, const char *path);

#endif
