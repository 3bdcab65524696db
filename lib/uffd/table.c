/* SPDX-License-Identifier: MIT */
/*
 * table.c - the userfaultfds of this process, and who has descriptors of them.
 *
 * Promise: as in table.h.
 * Context: as in table.h; the mutex is a leaf.
 */
#include "uffd/table.h"

#include <errno.h>

#include "base/mutex.h"
#include "base/sys.h"
#include "mm/mm.h"
#include "uffd/queue.h"

#define FDS_MAX	   1024
#define EVENTS_MIN 512 /* numbers that no program expects */

struct descriptor {
	int fd;
	uint32_t owner; /* 0: unused */
	uint32_t epoch; /* the process that has it */
};

static struct mf_mutex table_mutex;
static struct mf_uffd uffds[MF_QUEUE_OWNERS]; /* table_mutex */
static struct descriptor fds[FDS_MAX];	      /* table_mutex */
static int n_fds; /* table_mutex; used ones are below */

static void lock(void)
{
	mf_signals_block();
	mf_mutex_lock(&table_mutex, MF_RANK_POOL);
}

static void unlock(void)
{
	mf_mutex_unlock(&table_mutex, MF_RANK_POOL);
	mf_signals_restore();
}

/* The rest is under the mutex, but for what has a name of its own. */

static struct mf_uffd *find_owner(uint32_t owner)
{
	struct mf_uffd *uffd = &uffds[owner % MF_QUEUE_OWNERS];

	return owner && uffd->owner == owner &&
			       uffd->epoch == mf_fork_generation()
		       ? uffd
		       : NULL;
}

static struct descriptor *find_fd(int fd)
{
	for (int i = 0; i < n_fds; i++)
		if (fds[i].owner && fds[i].fd == fd &&
		    fds[i].epoch == mf_fork_generation())
			return &fds[i];
	return NULL;
}

static int add_fd(int fd, uint32_t owner)
{
	int at = 0;

	while (at < n_fds && fds[at].owner &&
	       fds[at].epoch == mf_fork_generation())
		at++;
	if (at == FDS_MAX)
		return -EMFILE;
	fds[at] = (struct descriptor){ fd, owner, mf_fork_generation() };
	if (at == n_fds)
		n_fds++;
	return 0;
}

static bool has_fd(uint32_t owner)
{
	for (int i = 0; i < n_fds; i++)
		if (fds[i].owner == owner &&
		    fds[i].epoch == mf_fork_generation())
			return true;
	return false;
}

int mf_uffd_add(int fd, const struct mf_uffd *from)
{
	struct mf_uffd uffd = *from;
	int r;

	uffd.event = mf_sys.dup_above(fd, EVENTS_MIN);
	if (uffd.event < 0)
		return uffd.event;
	uffd.owner = mf_queue_open();
	uffd.epoch = mf_fork_generation();
	lock();
	r = uffd.owner ? add_fd(fd, uffd.owner) : -EMFILE;
	if (r == 0)
		uffds[uffd.owner % MF_QUEUE_OWNERS] = uffd;
	unlock();
	if (r == 0)
		return 0;
	if (uffd.owner)
		mf_queue_close(uffd.owner);
	(void)mf_sys.close(uffd.event);
	return r;
}

int mf_uffd_copied(int from, int to)
{
	const struct descriptor *descriptor;
	int r;

	lock();
	descriptor = find_fd(from);
	r = descriptor ? add_fd(to, descriptor->owner) : -EBADF;
	unlock();
	return r;
}

int mf_uffd_remove(int fd, struct mf_uffd *ret_last)
{
	struct descriptor *descriptor;
	struct mf_uffd *uffd;
	int r = -EBADF;

	lock();
	descriptor = find_fd(fd);
	if (descriptor) {
		uffd = find_owner(descriptor->owner);
		descriptor->owner = 0;
		r = uffd && !has_fd(uffd->owner);
		if (r > 0) {
			*ret_last = *uffd;
			uffd->owner = 0;
		}
	}
	unlock();
	return r;
}

void mf_uffd_add_owner(const struct mf_uffd *from)
{
	struct mf_uffd *uffd = &uffds[from->owner % MF_QUEUE_OWNERS];

	lock();
	*uffd = *from;
	uffd->epoch = mf_fork_generation();
	unlock();
}

int mf_uffd_add_fd(int fd, uint32_t owner)
{
	int r;

	lock();
	r = find_owner(owner) ? add_fd(fd, owner) : -EBADF;
	unlock();
	return r;
}

bool mf_uffd_drop_owner(uint32_t owner, struct mf_uffd *ret)
{
	struct mf_uffd *uffd;

	lock();
	uffd = find_owner(owner);
	if (uffd) {
		*ret = *uffd;
		uffd->owner = 0;
	}
	unlock();
	return uffd;
}

unsigned mf_uffd_list(struct mf_uffd *ret, unsigned n)
{
	unsigned count = 0;

	lock();
	for (int i = 0; i < MF_QUEUE_OWNERS && count < n; i++)
		if (uffds[i].owner && find_owner(uffds[i].owner) &&
		    !uffds[i].remote)
			ret[count++] = uffds[i];
	unlock();
	return count;
}

int mf_uffd_next_event(int fd)
{
	int next = -1;

	lock();
	for (int i = 0; i < MF_QUEUE_OWNERS; i++)
		if (uffds[i].owner && find_owner(uffds[i].owner) &&
		    uffds[i].event >= fd && (next < 0 || uffds[i].event < next))
			next = uffds[i].event;
	unlock();
	return next;
}

bool mf_uffd_get_owner(uint32_t owner, struct mf_uffd *ret)
{
	const struct mf_uffd *uffd;

	lock();
	uffd = find_owner(owner);
	if (uffd)
		*ret = *uffd;
	unlock();
	return uffd;
}

bool mf_uffd_get(int fd, struct mf_uffd *ret)
{
	const struct descriptor *descriptor;
	const struct mf_uffd *uffd = NULL;

	lock();
	descriptor = find_fd(fd);
	if (descriptor)
		uffd = find_owner(descriptor->owner);
	if (uffd)
		*ret = *uffd;
	unlock();
	return uffd;
}

void mf_uffd_set_ready(uint32_t owner, uint64_t features)
{
	struct mf_uffd *uffd;

	lock();
	uffd = find_owner(owner);
	if (uffd) {
		uffd->ready = true;
		uffd->features = features;
	}
	unlock();
}
