/* SPDX-License-Identifier: MIT */
/*
 * fork.c - what becomes of registered memory when its process forks.
 *
 * Promise: as in fork.h.
 * Context: as in fork.h: fork handlers, and readers of messages.
 *
 * The three handlers, in order:
 *
 *   1. before   in the parent: an owner and an eventfd for the child's
 *               userfaultfd; ranges are frozen.
 *   2. child    takes over the ranges, has an agent that does what the parent
 *               asks for (remote.h), says that it is there, and waits.
 *   3. parent   waits for the child to be there, then for its own message to
 *               be read.
 *
 * A fork that failed has no step 2: then the pipe in which the child would say
 * so has no other end, and the parent reads its end of file.
 */
#include "uffd/fork.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/mutex.h"
#include "base/sys.h"
#include "base/syscall.h"
#include "mm/mm.h"
#include "uffd/move.h"
#include "uffd/range.h"
#include "uffd/remote.h"
#include "uffd/table.h"

#define EVENTS_MIN 512

/* One userfaultfd with EVENT_FORK, and what the child's will be. */
struct birth {
	uint32_t parent;
	int parent_event;
	struct mf_uffd child;
};

/* Of the fork under way: from before() on, until the ranges are thawed. */
static struct birth births[MF_QUEUE_OWNERS];
static unsigned n_births;
static int pipe_ends[2];
static pid_t parent_pid;
static uint32_t parent_process; /* of forkgen.h */

int (*mf_uffd_serve_parent)(uint32_t owner, unsigned long request, void *arg);

static long own_pid(void)
{
	return mf_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

static int new_event(void)
{
	int fd = mf_sys.eventfd(), event;

	if (fd < 0)
		return fd;
	event = mf_sys.dup_above(fd, EVENTS_MIN);
	(void)mf_sys.close(fd);
	return event;
}

static void add_birth(const struct mf_uffd *parent)
{
	struct birth *birth = &births[n_births];

	birth->parent = parent->owner;
	birth->parent_event = parent->event;
	birth->child = *parent;
	birth->child.remote = true;
	birth->child.event = new_event();
	if (birth->child.event < 0)
		return;
	birth->child.owner = mf_queue_open();
	if (!birth->child.owner) {
		(void)mf_sys.close(birth->child.event);
		return;
	}
	mf_uffd_add_owner(&birth->child);
	mf_range_note_mapped(birth->parent);
	mf_queue_begin_change(birth->parent);
	n_births++;
}

/* Drop what was made for a child that is not, or that nobody wants. */
static void bury(const struct birth *birth)
{
	struct mf_uffd dropped;

	mf_queue_close(birth->child.owner);
	if (mf_uffd_drop_owner(birth->child.owner, &dropped))
		(void)mf_sys.close(dropped.event);
}

static void bury_all(void)
{
	for (unsigned i = 0; i < n_births; i++) {
		mf_queue_end_change(births[i].parent);
		bury(&births[i]);
	}
	n_births = 0;
}

static void before(void)
{
	struct mf_uffd all[MF_QUEUE_OWNERS];
	unsigned n;

	mf_ranges_freeze();
	n_births = 0;
	parent_pid = (pid_t)own_pid();
	parent_process = mf_fork_generation();
	n = mf_uffd_list(all, MF_QUEUE_OWNERS);
	for (unsigned i = 0; i < n; i++)
		if (all[i].features & UFFD_FEATURE_EVENT_FORK &&
		    mf_range_is_owner(all[i].owner))
			add_birth(&all[i]);
	if (n_births > 0 && pipe2(pipe_ends, O_CLOEXEC) < 0)
		bury_all();
}

/* False: there is no child. */
static bool child_is_there(int ends[2])
{
	ssize_t n;
	char byte;

	(void)mf_sys.close(ends[1]);
	do
		n = mf_sys.read(ends[0], &byte, 1);
	while (n == -EINTR);
	(void)mf_sys.close(ends[0]);
	return n == 1;
}

static void tell(const struct birth *birth)
{
	const struct uffd_msg message = { .event = UFFD_EVENT_FORK };

	if (mf_queue_event(birth->parent, birth->parent_event, &message,
			   birth->child.owner, birth->child.event) < 0)
		bury(birth);
}

static void in_parent(void)
{
	struct birth mine[MF_QUEUE_OWNERS];
	int ends[2] = { pipe_ends[0], pipe_ends[1] };
	unsigned n = n_births;
	bool born;

	__builtin_memcpy(mine, births, n * sizeof(mine[0]));
	mf_ranges_thaw();
	if (n == 0)
		return;
	born = child_is_there(ends);
	for (unsigned i = 0; i < n; i++) {
		if (born) {
			tell(&mine[i]);
			continue;
		}
		mf_queue_end_change(mine[i].parent);
		bury(&mine[i]);
	}
}

static uint32_t child_of(uint32_t owner)
{
	for (unsigned i = 0; i < n_births; i++)
		if (births[i].parent == owner)
			return births[i].child.owner;
	return 0;
}

/* Without an agent nobody could fill it: better no registration at all. */
static void take_over(struct birth *birth)
{
	birth->child.remote = false;
	mf_uffd_add_owner(&birth->child);
	if (mf_remote_serve(birth->child.owner, parent_pid,
			    mf_uffd_serve_parent) < 0)
		(void)mf_uffd_serve_parent(birth->child.owner, MF_REMOTE_CLOSE,
					   NULL);
}

static void in_child(void)
{
	mf_signals_restore(); /* mf_ranges_freeze(); the lock is the parent's */
	mf_move_repair(parent_process);
	mf_ranges_enter_child(child_of);
	if (n_births == 0)
		return;
	for (unsigned i = 0; i < n_births; i++)
		take_over(&births[i]);
	(void)mf_sys.write(pipe_ends[1], "", 1);
	(void)mf_sys.close(pipe_ends[1]);
	(void)mf_sys.close(pipe_ends[0]);
	for (unsigned i = 0; i < n_births; i++)
		if (!mf_queue_wait_for_adoption(births[i].child.owner,
						parent_pid))
			(void)mf_uffd_serve_parent(births[i].child.owner,
						   MF_REMOTE_CLOSE, NULL);
	n_births = 0;
}

int mf_uffd_watch_forks(void)
{
	static struct mf_mutex once;
	static bool done;
	int r = mf_remote_start();

	mf_mutex_lock(&once, MF_RANK_API);
	if (r == 0 && !done)
		r = -pthread_atfork(before, in_parent, in_child);
	if (r == 0)
		done = true;
	mf_mutex_unlock(&once, MF_RANK_API);
	return r;
}

/* Adoption: the program reads the message. */

static int adopt(uint32_t child, int child_event)
{
	struct mf_uffd uffd;
	int fd, r;

	if (!mf_uffd_get_owner(child, &uffd))
		return -EBADF;
	fd = fcntl(child_event,
		   uffd.flags & O_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
	if (fd < 0)
		return -errno;
	if (!(uffd.flags & O_NONBLOCK))
		(void)fcntl(fd, F_SETFL, 0);
	r = mf_uffd_add_fd(fd, child);
	if (r < 0)
		(void)mf_sys.close(fd);
	return r < 0 ? r : fd;
}

static void give_up(int fd)
{
	struct mf_uffd last;

	(void)mf_uffd_remove(fd, &last);
	(void)mf_sys.close(fd);
}

const struct mf_queue_adoption mf_uffd_adoption = { adopt, give_up };
