/* SPDX-License-Identifier: MIT */
/*
 * check.h - who looks at the order of locks and pages, if anybody does.
 *
 * Promise: when nobody does, each MF_CHECK() is one branch that is never
 * taken.
 * Context: any, signal handlers included.
 *
 * The checker is lib/check. It lives in a library that mfill doctor puts into
 * programs, one for all of mfill that is in the process: libmfill.so finds it
 * there.
 */
#ifndef MF_BASE_CHECK_H
#define MF_BASE_CHECK_H

#include <stddef.h>
#include <stdint.h>

/*
 * A map is named by its store's number, and by who called mfill_map(); NULL
 * is a map of a run. The order of these is shared between libraries: new ones
 * go to the end, with another MF_CHECK_VERSION.
 */
struct mf_check_ops {
	/* This thread may have to wait for a page of the map. */
	void (*touch)(const void *made_at, uint32_t store);
	/* From here to the end it fills one, and others may wait for it. */
	void (*fill)(const void *made_at, uint32_t store);
	void (*filled)(const void *made_at, uint32_t store);
	/* One of mfill's own locks: enum mf_rank. */
	void (*lock)(int rank);
	void (*unlock)(int rank);
	/* What this thread touches, the code at pc does; NULL: mfill itself. */
	void (*fault)(const void *pc);
	/* That thread of this process does, and sleeps in the kernel. */
	void (*touch_by)(uint32_t tid, const void *made_at, uint32_t store);
};

#define MF_CHECK_VERSION 1

/* NULL: nobody. Set before main(). */
extern const struct mf_check_ops *mf_check;

/* What the library of the doctor exports. */
__attribute__((visibility("default"))) const struct mf_check_ops *
mfill_check_ops(int version);

#ifdef MF_EXPLORE
#define MF_CHECK(name, ...) ((void)0)
#else
#define MF_CHECK(name, ...)                                                  \
	(__builtin_expect(mf_check != NULL, 0) ? mf_check->name(__VA_ARGS__) \
					       : (void)0)
#endif

#endif
