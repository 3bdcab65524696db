/* SPDX-License-Identifier: MIT */
/*
 * uffd.h - what the kernel's userfaultfd does that no other backend does:
 * faults that arrive as messages, and pages that fail.
 *
 * Context: says each function.
 */
#ifndef MF_BACKENDS_UFFD_H
#define MF_BACKENDS_UFFD_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/mm.h"

/* Somebody waits in the kernel for a page. */
struct mf_uffd_message {
	uintptr_t addr; /* of the page */
	uint32_t tid;	/* of the thread that waits */
};

/*
 * 0: handler threads would work here, else -errno. Tries it out. ret_kernel:
 * for faults inside system calls, too; or NULL.
 */
int mf_uffd_probe_messages(bool *ret_kernel);

/*
 * Messages can come, in this process. -EOPNOTSUPP: not here. Not in a signal
 * handler.
 */
int mf_uffd_listen(void);
#define MF_UFFD_MESSAGES 64
/* This thread has read, and somebody else will read next, or has begun to. */
void mf_uffd_hand_over(void);
void mf_uffd_handed_over(void);
/*
 * Wait for messages and take all there are, at most so many. 0: none now; or
 * the program has closed our descriptor and who reads must come again after a
 * while.
 */
unsigned mf_uffd_read(struct mf_uffd_message ret[MF_UFFD_MESSAGES]);
/* Faults inside system calls become messages, too. Any context. */
bool mf_uffd_serves_kernel(void);

/*
 * From now on what this thread shows wakes nobody: it calls mf_uffd_wake()
 * when it is done, so that who was woken finds all of it done.
 */
void mf_uffd_wake_by_hand(void);

/* Whoever waits for a page here shall look again. Any context. */
void mf_uffd_wake(uintptr_t start, size_t len);

/*
 * The page at addr could not be filled: whoever waits for it is told, by
 * SIGBUS or EFAULT. It stays like that until mf_uffd_forgive() for that page,
 * or for those that failed before a time. Any context, no lock held.
 */
void mf_uffd_fail(struct mf_mm *mm, struct mf_slot *me, uintptr_t addr,
		  uint64_t now_ns);
void mf_uffd_forgive(struct mf_mm *mm, struct mf_slot *me, uintptr_t addr);
void mf_uffd_forgive_before(struct mf_mm *mm, struct mf_slot *me,
			    uint64_t time_ns);
/* There are pages to forgive. */
bool mf_uffd_has_failed(void);

/*
 * A fault begins: in a child whose views are not back yet, have them back
 * before anything else is mapped where they belong. Any context, no lock held.
 */
void mf_uffd_enter(struct mf_mm *mm, struct mf_slot *me);

/* What a SIGBUS at an address of the view means. Any context. */
enum mf_uffd_bus {
	MF_UFFD_FOREIGN, /* nothing of ours */
	MF_UFFD_FAULT,	 /* a missing page, to be filled by this thread */
	MF_UFFD_FAILED,	 /* a page that mf_uffd_fail() was called for */
};
enum mf_uffd_bus mf_uffd_bus(const struct mf_view *view);

/*
 * Touching a missing page of the view makes the kernel wait for a handler
 * thread, also where page faults are off.
 */
bool mf_uffd_waits(const struct mf_view *view);
/* There may be such a view. */
bool mf_uffd_may_wait(void);

#endif
