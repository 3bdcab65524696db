/* SPDX-License-Identifier: MIT */
/*
 * copy.pml - the lock, the page and the copy, for N processes in a ring.
 *
 * Each process has a filler, whose source page belongs to the next process (or
 * to its own: SELF), and a mapper, which takes its process's lock for writing
 * and drops the page that others copy. Fillers copy and mappers map once; with
 * FOREVER, mapper 0 maps for ever, and filler N - 1, whose source that is,
 * must come to an end under weak fairness.
 *
 *	POLICY	READER RECURSIVE FAIR PHASE WRITER DEMONIC
 *	ENGINE	NAIVE	 the source is faulted in under the lock
 *		EARLY	 the same after a short copy, before the lock is dropped
 *		NOFAULT	 ours: drop the lock, fault in, copy to a page of our
 *			 own, TRIES times at most, then take the lock again
 *		RETRY	 as in Linux: fault in, then start again, without end
 *
 * A deadlock is an invalid end state.
 */
#define READER	  1
#define RECURSIVE 2
#define FAIR	  3
#define PHASE	  4
#define WRITER	  5
#define DEMONIC	  6

#define NAIVE	1
#define EARLY	2
#define NOFAULT 3
#define RETRY	4

#ifndef TRIES
#define TRIES 2
#endif
#define T (2 * N)		/* threads */
#ifdef SELF
#define SOURCE(p) (p)
#else
#define SOURCE(p) ((p + 1) % N)
#endif
#define WRITES 128		/* in a queue: this one wants to write */

bool present[N];		/* the page that others copy */
bool ended[N];			/* the filler is through, or has given up */

/* The locks: who reads, whether somebody writes, who waits in which order. */
byte readers[N];
bool written[N];
byte reads[N * T];
byte queue[N * T];
byte waiting[N];
byte writers[N];		/* of those */
bool granted[T];

#define is_free(p) (readers[p] == 0 && !written[p])

hidden byte i, j, who;
hidden byte before, ok;		/* before: a writer waits before this one */

/*
 * Whether the policy lets the waiter at i in. After a writer, PHASE lets in
 * all readers that wait: see unlock_write().
 */
inline admits(p)
{
	if
	:: queue[p * T + i] >= WRITES ->
#if POLICY == FAIR || POLICY == RECURSIVE
		ok = (is_free(p) && i == 0)
#else
		ok = (is_free(p) && !before)
#endif
	:: else ->
#if POLICY == READER
		ok = !written[p]
#elif POLICY == RECURSIVE
		ok = (!written[p] &&
		      (!before || reads[p * T + queue[p * T + i]] > 0))
#elif POLICY == FAIR
		ok = (!written[p] && !before)
#else
		ok = (!written[p] && writers[p] == 0)
#endif
	fi
}

inline take(p)
{
	who = queue[p * T + i];
	j = i;
	do
	:: j + 1 < waiting[p] -> queue[p * T + j] = queue[p * T + j + 1]; j++
	:: else -> break
	od;
	queue[p * T + j] = 0;
	waiting[p]--;
	if
	:: who >= WRITES ->
		who = who - WRITES; writers[p]--; written[p] = true
	:: else ->
		readers[p]++; reads[p * T + who]++
	fi;
	granted[who] = true
}

/* Let in whom the policy lets in. */
inline pump(p)
{
#if POLICY == DEMONIC
	skip
#else
	i = 0;
	before = false;
	do
	:: i < waiting[p] ->
		admits(p);
		if
		:: ok -> take(p); i = 0; before = false
		:: else ->
			before = before || queue[p * T + i] >= WRITES;
			i++
		fi
	:: else -> break
	od;
	i = 0; j = 0; who = 0; before = false; ok = false
#endif
}

/*
 * The demon decides when it is asked: at once, if that is possible at all, or
 * when nobody holds the lock. To be let in later, while somebody holds it, is
 * the same as to ask later.
 */
inline read_lock(p, me)
{
#if POLICY == DEMONIC
	if
	:: atomic { !written[p] -> readers[p]++; reads[p * T + me]++ }
	:: atomic { true -> skip }; atomic { is_free(p) ->
		readers[p]++; reads[p * T + me]++ }
	fi
#else
	d_step {
		queue[p * T + waiting[p]] = me;
		waiting[p]++;
		pump(p)
	};
	d_step { granted[me] -> granted[me] = false }
#endif
}

inline write_lock(p, me)
{
#if POLICY == DEMONIC
	atomic { is_free(p) -> written[p] = true }
#else
	d_step {
		queue[p * T + waiting[p]] = WRITES + me;
		waiting[p]++;
		writers[p]++;
		pump(p)
	};
	d_step { granted[me] -> granted[me] = false }
#endif
}

inline unlock_read(p, me)
{
	d_step { readers[p]--; reads[p * T + me]--; pump(p) }
}

inline unlock_write(p)
{
	d_step {
		written[p] = false;
#if POLICY == PHASE
		i = 0;
		do
		:: i < waiting[p] && queue[p * T + i] < WRITES -> take(p)
		:: i < waiting[p] && queue[p * T + i] >= WRITES -> i++
		:: else -> break
		od;
#endif
		pump(p)
	}
}

/* What a page fault at the source does. */
inline fault_in(s, me)
{
	read_lock(s, me);
	present[s] = true;
	unlock_read(s, me)
}

/* Into the destination page, under its lock. */
inline put_copy(p, me)
{
	read_lock(p, me);
	assert(!written[p]);
	unlock_read(p, me)
}

proctype filler(byte p)
{
	byte s = SOURCE(p), me = 2 * p, tries = 0;

#if ENGINE == NAIVE
	read_lock(p, me);
	if
	:: !present[s] -> fault_in(s, me)
	:: present[s]
	fi;
	unlock_read(p, me);
#elif ENGINE == EARLY
	read_lock(p, me);
	if
	:: !present[s] ->
		fault_in(s, me);
		unlock_read(p, me);
		put_copy(p, me)
	:: present[s] -> unlock_read(p, me)
	fi;
#elif ENGINE == NOFAULT
	read_lock(p, me);
	if
	:: present[s] -> unlock_read(p, me)
	:: !present[s] ->
		unlock_read(p, me);
		do
		:: tries < TRIES ->
			tries++;
			fault_in(s, me);
			if
			:: present[s] -> put_copy(p, me); break
			:: !present[s] -> skip
			fi
		:: tries == TRIES -> break /* EAGAIN */
		od
	fi;
#else
	do
	:: true ->
		read_lock(p, me);
		if
		:: present[s] -> unlock_read(p, me); break
		:: !present[s] -> unlock_read(p, me); fault_in(s, me)
		fi
	od;
#endif
	ended[p] = true
}

proctype mapper(byte p)
{
	byte me = 2 * p + 1;

	do
	:: true ->
		write_lock(p, me);
		assert(readers[p] == 0);
		present[p] = false;
		unlock_write(p);
#ifdef FOREVER
		if
		:: p != 0 -> break
		:: p == 0 -> skip
		fi
#else
		break
#endif
	od
}

init {
	byte p = 0;

	atomic {
		do
		:: p < N -> run filler(p); run mapper(p); p++
		:: else -> break
		od
	}
}

#ifdef FOREVER
ltl ends { <> ended[N - 1] }
#endif
