/* SPDX-License-Identifier: MIT */
/*
 * program.h - what the threads of a scenario can do: map, touch, copy, unmap.
 *
 * Promise: each call does what the real call of that kind does, with the
 * engine's own code; what the engine must never do is a bug of the run.
 */
#ifndef MF_SCHED_PROGRAM_H
#define MF_SCHED_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/page.h"

enum mfx_engine {
	MFX_REAL,
	MFX_NAIVE, /* page faults left on while the lock is held */
	MFX_EARLY, /* the source is faulted in before the lock is dropped */
	MFX_ENGINES
};

extern enum mfx_engine mfx_engine;
extern const char *const mfx_engine_names[MFX_ENGINES];

/* What every byte of a page that has this tag looks like. */
#define MFX_TAG(n) (UINT64_C(0x5eed0000) + (n))

/*
 * A store of one page (or two). tag: what its source gives; read: called for
 * it instead, with the unit's number; both 0: filled by copies alone.
 */
struct mf_store *mfx_store_new(const char *name, unsigned pages, uint64_t tag,
			       int (*read)(uint64_t *ret_value, unsigned unit));
/* A copy may put this there as well. */
void mfx_store_accepts(struct mf_store *store, uint64_t tag);

/* All of a store at a page, over whatever is there; in this process. */
int mfx_map(struct mf_store *store, unsigned page);
int mfx_unmap(unsigned page, unsigned n);
/* As mprotect(): a new region in the place of the old one, with its pages. */
int mfx_protect(unsigned page, unsigned n);

/*
 * A load of both ends of a page. 0, or what the signal would have told: EFAULT
 * for SIGSEGV, else the reason of SIGBUS.
 */
int mfx_touch(unsigned page, uint64_t *ret_value);
/* The same in another process, as a server there would do for us. */
int mfx_touch_in(unsigned process, unsigned page, uint64_t *ret_value);
/* UFFDIO_COPY of one page. 0 or -errno. */
int mfx_copy(unsigned dst, unsigned src);
int mfx_prefetch(unsigned page);
/* mfill_require() of one page. */
int mfx_require(unsigned page);
/* A call without a fault: 0 when the page is readable right now. */
bool mfx_is_open(unsigned page);

/* Nothing is held, waited for or claimed by anybody who lives. */
void mfx_check_quiet(void);
/* The result of a call is one of these two; else a bug. */
void mfx_expect(const char *call, int r, int good, int also);

#endif
