/* SPDX-License-Identifier: MIT */
/*
 * move.c - pages change their place: UFFDIO_MOVE.
 *
 * Promise: as in move.h.
 * Context: as in move.h.
 *
 * The kernel moves the entry of a page table. mremap() could do that, too, but
 * would leave three mappings behind for each page. So the bytes are copied, and
 * nobody has access to either place until the page has left the one and is in
 * the other: who touches it meanwhile has a fault, and waits for the page lock.
 */
#include "uffd/move.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/forkgen.h"
#include "base/sys.h"
#include "base/userfaultfd.h"
#include "mm/buffer.h"
#include "mm/mm.h"
#include "uffd/hide.h"
#include "uffd/proc.h"
#include "uffd/put.h"
#include "uffd/queue.h"

struct move {
	uint32_t owner;
	bool holes; /* what is missing at the source moves, too */
	void *page; /* of ours */
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* What the kernel looks at in a mapping, whoever registered it. */
struct place {
	bool private;
	int prot;
};

/* Left from a registration: it may have a mapping of its own. */
static bool is_poison(const struct mf_range *range, uintptr_t addr)
{
	return range && !range->owner &&
	       *mf_range_state(range, addr) & MF_STATE_POISON &&
	       !mf_hide_is_gone(range, addr);
}

/* As below, of memory that is not registered. */
static int find_plain(uintptr_t start, size_t len, struct place *ret)
{
	uintptr_t at = start;
	struct mf_proc_vma vma;
	bool any = false;

	while (at - start < len) {
		const struct mf_range *range = mf_range_find(at);
		struct place here;

		if (is_poison(range, at)) {
			here = (struct place){ !range->shared, range->prot };
			vma.end = at + page_size();
		} else if (mf_proc_vma(at, &vma) < 0 || vma.start > at) {
			return any ? -EINVAL : -ENOENT;
		} else {
			here = (struct place){ vma.kind == MF_PROC_PRIVATE,
					       vma.prot };
		}
		if (any &&
		    (here.private != ret->private || here.prot != ret->prot))
			return -EINVAL;
		*ret = here;
		any = true;
		at = vma.end;
	}
	return mf_range_touches(start, len) ? -EINVAL : 0;
}

/* -ENOENT: nothing is mapped there. -EINVAL: not as one. */
static int find_place(uintptr_t start, size_t len, struct place *ret)
{
	const struct mf_range *range = mf_range_find(start);

	if (!range || !range->owner)
		return find_plain(start, len, ret);
	*ret = (struct place){ !range->shared, range->prot };
	return mf_range_has(start, len) ? 0 : -EINVAL;
}

static int check(const struct move *move, uintptr_t dst, uintptr_t src,
		 size_t len)
{
	const struct mf_range *range = mf_range_find(dst);
	struct place to, from;
	int r_to = find_place(dst, len, &to);
	int r_from = find_place(src, len, &from);

	if (r_to == -ENOENT || r_from == -ENOENT)
		return -ENOENT;
	if (r_to < 0 || r_from < 0 || !to.private || !from.private ||
	    to.prot != from.prot || !(to.prot & PROT_WRITE))
		return -EINVAL;
	if (!range || range->owner != move->owner ||
	    range->epoch != mf_fork_generation())
		return -EINVAL;
	return 0;
}

static bool is_empty(const struct mf_range *range, uintptr_t addr)
{
	return !(*mf_range_state(range, addr) &
		 (MF_STATE_POISON | MF_STATE_WP)) &&
	       !mf_put_is_there(range, addr);
}

/*
 * The move under way, for a child that is forked in the middle of it: what is
 * not registered is nobody else's to open again, and a page that is in both
 * places must leave one of them.
 */
enum phase { CLOSING, PUTTING, LEFT };

static struct {
	uint32_t process; /* mf_fork_generation() */
	uintptr_t dst;
	uintptr_t src; /* 0: none */
	int prot;      /* of both */
	uint8_t old;   /* the destination's state before */
	enum phase phase;
} under_way; /* page lock */

static void note_begin(const struct mf_range *to, uintptr_t dst, uintptr_t src)
{
	under_way.process = mf_fork_generation();
	under_way.dst = dst;
	under_way.prot = to->prot;
	under_way.old = *mf_range_state(to, dst);
	under_way.phase = CLOSING;
	mf_barrier();
	under_way.src = src;
	mf_barrier();
}

/* Seen by a child that sees what is done after it. */
static void note_phase(enum phase phase)
{
	mf_barrier();
	under_way.phase = phase;
	mf_barrier();
}

static void note_end(void)
{
	mf_barrier();
	under_way.src = 0;
}

static bool is_all_zeros(const unsigned char *page)
{
	for (size_t i = 0; i < page_size(); i++)
		if (page[i])
			return false;
	return true;
}

/*
 * What there is to move: 0, or -errno; 1: a hole. from: its range, or NULL.
 * A mark on nothing, and poison, cannot be moved.
 */
static int look_at_source(const struct mf_range *from, uintptr_t src,
			  uint64_t *ret_word)
{
	uint8_t state = from && from->owner ? *mf_range_state(from, src) : 0;

	mf_proc_pages(src, 1, ret_word);
	if (state & MF_STATE_POISON || is_poison(from, src))
		return -EFAULT;
	if (!(state & MF_STATE_HIDDEN) &&
	    (state & MF_STATE_INSTALLED || mf_proc_has(*ret_word)))
		return 0;
	return state & MF_STATE_WP ? -EFAULT : 1;
}

/*
 * A page that a child of fork() has, too, is not moved. The kernel's page of
 * zeros is not the only process's either, but may be.
 */
static bool may_leave(uint64_t word, const void *page)
{
	return word & (MF_PROC_EXCLUSIVE | MF_PROC_SWAP) || is_all_zeros(page);
}

static int close_source(const struct mf_range *from, uintptr_t src)
{
	return from ? mf_hide_close(from, src, page_size())
		    : mf_sys.mprotect((void *)src, page_size(), PROT_NONE);
}

static int open_source(struct mf_range *from, uintptr_t src, int prot)
{
	return from ? mf_hide_open(from, src, page_size())
		    : mf_sys.mprotect((void *)src, page_size(), prot);
}

static int hide_source(struct mf_range *from, uintptr_t src)
{
	*mf_range_state(from, src) = 0;
	return from->mode & UFFDIO_REGISTER_MODE_MISSING
		       ? mf_hide(from, src, page_size())
		       : 0;
}

/* Closed, and its bytes are where they have gone to: it is missing now. */
static int empty_source(struct mf_range *from, uintptr_t src)
{
	int r = mf_sys.madvise((void *)src, page_size(), MADV_DONTNEED);

	if (r < 0)
		return r;
	note_phase(LEFT);
	return from ? hide_source(from, src) : 0;
}

/*
 *	1. close the source: its bytes stay as they are;
 *	2. copy them to the destination, which is closed, too;
 *	3. empty the source, and open it;
 *	4. open the destination.
 */
static int move_closed(const struct move *move, struct mf_range *to,
		       uintptr_t dst, struct mf_range *from, uintptr_t src,
		       uint64_t word)
{
	uint8_t old = *mf_range_state(to, dst);
	int r = mf_proc_read(src, move->page, page_size());

	if (r < 0)
		return r;
	if (!may_leave(word, move->page))
		return -EBUSY;
	r = mf_hide_close(to, dst, page_size());
	if (r < 0)
		return r;
	if (!is_empty(to, dst))
		return -EEXIST;
	note_phase(PUTTING);
	r = mf_put_closed(to, dst, move->page, 0);
	if (r < 0)
		return r;
	r = empty_source(from, src);
	if (r == 0)
		return 0;
	/* Then it has not left, and does not come. */
	(void)mf_sys.madvise((void *)dst, page_size(), MADV_DONTNEED);
	if (old & MF_STATE_HIDDEN)
		(void)mf_hide(to, dst, page_size());
	return r;
}

static int move_page(const struct move *move, uintptr_t dst, uintptr_t src)
{
	struct mf_range *to = mf_range_find(dst), *from = mf_range_find(src);
	uint64_t word;
	int r, back;

	if (!is_empty(to, dst))
		return -EEXIST;
	r = look_at_source(from, src, &word);
	if (from && !from->owner)
		from = NULL;
	if (r > 0)
		return move->holes ? 0 : -ENOENT;
	if (r < 0)
		return r;
	note_begin(to, dst, src);
	r = close_source(from, src);
	if (r == 0) {
		r = move_closed(move, to, dst, from, src, word);
		back = open_source(from, src, to->prot);
		if (r == 0)
			r = back;
		back = mf_hide_open(to, dst, page_size());
		if (r == 0)
			r = back;
	}
	note_end();
	return r;
}

/* In a child: is the page where it was? Nothing hides it before it has left. */
static bool has_stayed(void)
{
	uint64_t word;

	if (under_way.phase == LEFT)
		return false;
	mf_proc_pages(under_way.src, 1, &word);
	return mf_proc_has(word);
}

static void take_back(struct mf_range *to)
{
	if (under_way.phase != PUTTING)
		return;
	(void)mf_sys.madvise((void *)under_way.dst, page_size(), MADV_DONTNEED);
	if (to)
		*mf_range_state(to, under_way.dst) = under_way.old;
}

void mf_move_repair(uint32_t parent)
{
	struct mf_range *from = mf_range_find(under_way.src);

	if (!under_way.src || under_way.process != parent)
		return;
	if (from && !from->owner)
		from = NULL;
	(void)mf_proc_open();
	if (has_stayed())
		take_back(mf_range_find(under_way.dst));
	else if (from)
		(void)hide_source(from, under_way.src);
	if (!from)
		(void)open_source(NULL, under_way.src, under_way.prot);
	under_way.src = 0;
}

/* Each page is looked at anew: no lock is held between two. */
static int move_locked(const struct move *move, uintptr_t dst, uintptr_t src,
		       size_t len)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	int r;

	mf_mm_read_lock(mm, me);
	mf_range_lock_pages();
	r = mf_queue_is_changing(move->owner) ? -EAGAIN
					      : check(move, dst, src, len);
	if (r == 0)
		r = move_page(move, dst, src);
	mf_range_unlock_pages();
	mf_mm_read_unlock(mm, me);
	return r;
}

int64_t mf_move(uint32_t owner, uint64_t dst, uint64_t src, uint64_t len,
		uint64_t mode)
{
	struct mf_slot *me = mf_slot_self();
	struct move move = {
		.owner = owner,
		.holes = mode & UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES,
	};
	uint64_t done = 0;
	int r = 0;

	if (!me || !mf_mm_self())
		return -ENOMEM;
	mf_signals_block();
	move.page = mf_buffer_get(me, page_size());
	if (!move.page)
		r = -ENOMEM;
	while (done < len && r == 0) {
		r = move_locked(&move, (uintptr_t)(dst + done),
				(uintptr_t)(src + done), (size_t)(len - done));
		if (r == 0)
			done += page_size();
	}
	if (move.page)
		mf_buffer_put(me, move.page);
	mf_signals_restore();
	return done ? (int64_t)done : r;
}
