/* SPDX-License-Identifier: MIT */
/*
 * lookout.h - a thread that serves faults looks for the next before it sleeps.
 *
 * Promise: no signal is lost between the looking and the sleeping, and nobody
 * looks who has not served before.
 * Context: where poll() may be called; no lock held.
 *
 *	looked = mf_lookout_begin(&before);
 *	looked ? ppoll(fds, n, timeout, &before) : poll(fds, n, ms);
 *	if (looked)
 *		mf_lookout_end(&before);
 */
#ifndef MF_UFFD_LOOKOUT_H
#define MF_UFFD_LOOKOUT_H

#include <signal.h>
#include <stdbool.h>

/* True: it has looked, and its signals are blocked since. */
bool mf_lookout_begin(sigset_t *ret_before);
void mf_lookout_end(const sigset_t *before);

/* The same for poll() of a descriptor until it can be read. */
int mf_lookout_poll(int fd);

#endif
