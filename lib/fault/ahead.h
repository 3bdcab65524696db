/* SPDX-License-Identifier: MIT */
/*
 * ahead.h - have another process fill what a sequential reader reads next.
 *
 * A program that is not ours gets no threads of ours, so it cannot read ahead
 * by itself. It leaves a wish in the store, and a process that has threads to
 * spare (the broker of a run) fills what is wished for.
 *
 * Promise: wishes are hints. One that is lost, or that nobody fulfils, costs
 * nothing but the time that it could have saved; and readers who jump about
 * make none.
 * Context: touch: any, no lock held. The rest: threads of who reads ahead.
 */
#ifndef MF_FAULT_AHEAD_H
#define MF_FAULT_AHEAD_H

#include "mm/page.h"

/* Somebody reads ahead for this store from now on: most so many bytes. */
void mf_ahead_offer(struct mf_store *store, uint64_t most);

/* Units first to last have been read: does it look like more to come? */
void mf_ahead_touch(struct mf_store *store, struct mf_slot *me, uint32_t first,
		    uint32_t last);

/* Fulfil wishes for these stores, for ever; several threads may. */
_Noreturn void mf_ahead_serve(struct mf_store *const *stores, unsigned n);

#endif
