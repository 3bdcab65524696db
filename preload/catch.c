/* SPDX-License-Identifier: MIT */
/*
 * catch.c - set up what finds accesses to memory that is not there yet.
 *
 * Promise: as in catch.h.
 * Context: before main(), once.
 */
#include "preload/catch.h"

#include "preload/signals.h"
#include "preload/sigsys.h"
#include "preload/touch.h"

void pl_catch_start(enum pl_filter filter)
{
	/* Handlers first: an inherited filter catches whatever comes now. */
	int r = pl_signals_start();

	if (r == 0)
		r = pl_sigsys_start();
	if (r == 0)
		r = pl_arena_open();
	if (r == 0)
		(void)pl_filter_install(filter);
}
