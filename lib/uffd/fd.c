/* SPDX-License-Identifier: MIT */
/*
 * fd.c - which descriptors of the program stand for which userfaultfd.
 *
 * Promise: as in fd.h.
 * Context: as in fd.h; the mutex is a leaf.
 */
#include "uffd/fd.h"

#include <errno.h>

#include "base/mutex.h"
#include "mm/mm.h"

#define FDS_MAX 1024

static struct mf_mutex fds_mutex;
static struct {
	int fd;
	uint32_t owner; /* 0: unused */
	uint32_t epoch; /* the process that has it */
} fds[FDS_MAX];		/* fds_mutex */
static int n_fds;	/* fds_mutex; used ones are below */

static void lock(void)
{
	mf_signals_block();
	mf_mutex_lock(&fds_mutex, MF_RANK_POOL);
}

static void unlock(void)
{
	mf_mutex_unlock(&fds_mutex, MF_RANK_POOL);
	mf_signals_restore();
}

static bool is_used(int i)
{
	return fds[i].owner && fds[i].epoch == mf_fork_generation();
}

static int find(int fd)
{
	for (int i = 0; i < n_fds; i++)
		if (is_used(i) && fds[i].fd == fd)
			return i;
	return -1;
}

int mf_uffd_fd_add(int fd, uint32_t owner)
{
	int at = 0;

	lock();
	while (at < n_fds && is_used(at))
		at++;
	if (at < FDS_MAX) {
		fds[at].fd = fd;
		fds[at].owner = owner;
		fds[at].epoch = mf_fork_generation();
		if (at == n_fds)
			n_fds++;
	}
	unlock();
	return at < FDS_MAX ? 0 : -EMFILE;
}

uint32_t mf_uffd_fd_owner(int fd)
{
	uint32_t owner = 0;
	int at;

	lock();
	at = find(fd);
	if (at >= 0)
		owner = fds[at].owner;
	unlock();
	return owner;
}

bool mf_uffd_fd_remove(int fd)
{
	bool last = false;
	uint32_t owner;
	int at;

	lock();
	at = find(fd);
	if (at >= 0) {
		owner = fds[at].owner;
		fds[at].owner = 0;
		last = true;
		for (int i = 0; i < n_fds; i++)
			if (is_used(i) && fds[i].owner == owner)
				last = false;
	}
	unlock();
	return last;
}
