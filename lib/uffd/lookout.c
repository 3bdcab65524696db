/* SPDX-License-Identifier: MIT */
/*
 * lookout.c - a thread that serves faults looks for the next before it sleeps.
 *
 * Promise: as in lookout.h.
 * Context: as in lookout.h.
 */
#include "uffd/lookout.h"

#include <poll.h>

#include "mm/mm.h"
#include "uffd/queue.h"

bool mf_lookout_begin(sigset_t *ret_before)
{
	uint64_t patience_ns = mf_queue_patience();

	if (!patience_ns)
		return false;
	mf_signals_hold(ret_before);
	mf_queue_look_out(patience_ns);
	return true;
}

void mf_lookout_end(const sigset_t *before)
{
	mf_signals_release(before);
}

int mf_lookout_poll(int fd)
{
	struct pollfd wanted = { .fd = fd, .events = POLLIN };
	sigset_t before;
	int r;

	if (!mf_lookout_begin(&before))
		return poll(&wanted, 1, -1);
	r = ppoll(&wanted, 1, NULL, &before);
	mf_lookout_end(&before);
	return r;
}
