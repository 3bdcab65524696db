/* SPDX-License-Identifier: MIT */
/*
 * window.c - private pages that are filled one after the other.
 *
 * Promise: as in window.h.
 * Context: as in window.h.
 *
 * How a page is hidden stands in its state, so nobody else needs to know of
 * windows, but for their number: what is left of one gets its markers back when
 * another stream takes its place, and all of them do before ranges change. A
 * child of fork() forgets that they are windows.
 */
#include "uffd/window.h"

#include <sys/mman.h>

#include "base/forkgen.h"
#include "uffd/hide.h"
#include "uffd/proc.h"

#define STREAMS 8
#define LARGE	64 /* pages */
#define SMALL	16 /* while a stream is young */

unsigned mf_window_after = 4;

/* Somebody fills page after page. */
static struct stream {
	uintptr_t next;	 /* the page that would be in order */
	unsigned filled; /* so many were */
	uintptr_t start; /* of its window */
	size_t len;
} streams[STREAMS]; /* page lock, or write lock; so are these: */
static unsigned turn;
static uint32_t epoch; /* the process they are of */

static bool is_shut(const struct mf_range *range, uintptr_t addr)
{
	const uint8_t shut = MF_STATE_HIDDEN | MF_STATE_NO_ACCESS;

	return (*mf_range_state(range, addr) & shut) == shut;
}

/*
 * The program may have mapped something else there since, without our knowing.
 * What has no access and is not larger than all windows together is ours.
 */
static bool is_ours(uintptr_t start, uintptr_t end)
{
	struct mf_proc_vma vma;

	return mf_proc_vma(start, &vma) == 0 && vma.start <= start &&
	       vma.end >= end && vma.prot == PROT_NONE &&
	       vma.kind == MF_PROC_PRIVATE &&
	       vma.end - vma.start <= STREAMS * LARGE * mf_page_size();
}

/* What is left of it, in pieces: pages are filled out of order, too. */
static void close_window(struct stream *stream)
{
	uintptr_t at = stream->start, end = at + stream->len, next;

	stream->len = 0;
	for (; at < end; at = next) {
		struct mf_range *range = mf_range_find(at);
		uintptr_t stop;

		next = at + mf_page_size();
		if (!range || !range->hider->install || !is_shut(range, at))
			continue;
		stop = range->start + range->len;
		if (stop > end)
			stop = end;
		while (next < stop && is_shut(range, next))
			next += mf_page_size();
		if (is_ours(at, next))
			(void)mf_hide_by_markers(range, at, next - at);
	}
}

/*
 * How many pages from start on have markers, of n. The kernel is asked: what
 * the program has mapped there since is not touched.
 */
static size_t count_marked(const struct mf_range *range, uintptr_t start,
			   size_t n)
{
	const uint8_t *state = mf_range_state(range, start);
	uint64_t words[LARGE];
	size_t i = 0;

	mf_proc_pages(start, n, words);
	while (i < n && mf_state_is_marked(state[i]) &&
	       !(state[i] & MF_STATE_POISON) && words[i] & MF_PROC_SWAP)
		i++;
	return i;
}

/* One page alone is no use. Without a window everything goes on as well. */
static void open_window(struct stream *stream, struct mf_range *range,
			uintptr_t start)
{
	size_t n = stream->filled < LARGE ? SMALL : LARGE;
	size_t room = (range->start + range->len - start) / mf_page_size();

	n = count_marked(range, start, n < room ? n : room);
	if (n < 2)
		return;
	close_window(stream);
	if (mf_hide_by_access(range, start, n * mf_page_size()) < 0)
		return;
	stream->start = start;
	stream->len = n * mf_page_size();
}

static void forget_parent(void)
{
	if (epoch == mf_fork_generation())
		return;
	for (int i = 0; i < STREAMS; i++)
		streams[i] = (struct stream){ 0 };
	epoch = mf_fork_generation();
}

/* The one that goes on at start, or one that begins there. */
static struct stream *stream_at(uintptr_t start)
{
	struct stream *stream;

	for (int i = 0; i < STREAMS; i++)
		if (streams[i].next == start)
			return &streams[i];
	stream = &streams[turn++ % STREAMS];
	close_window(stream);
	stream->filled = 0;
	return stream;
}

void mf_window_before(struct mf_range *range, uintptr_t start, size_t len)
{
	struct stream *stream;

	if (!range->hider->install)
		return;
	forget_parent();
	stream = stream_at(start);
	if (stream->filled >= mf_window_after &&
	    mf_state_is_marked(*mf_range_state(range, start)))
		open_window(stream, range, start);
	stream->next = start + len;
	stream->filled += (unsigned)(len / mf_page_size());
}

void mf_window_close_all(void)
{
	forget_parent();
	for (int i = 0; i < STREAMS; i++)
		if (streams[i].len)
			close_window(&streams[i]);
}
