/* SPDX-License-Identifier: MIT */
/*
 * forkgen.c - number the processes of one line of descent.
 *
 * Promise: see forkgen.h.
 */
#include "base/forkgen.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* Stands in where there can be no page. */
static uint32_t plain_word;
uint32_t *mf_fork_word = &plain_word;

/* The last number given; copied by fork, so a child goes on from there. */
static uint32_t last;

/*
 * Runs in every child that libc forks. Where the kernel has emptied the page
 * already this changes nothing; an emulator that ignores the advice and says
 * it took it is covered as well.
 */
static void forget(void)
{
	mf_store_relaxed(mf_fork_word, 0);
}

/*
 * Before any thread can have asked, so that no number is given twice; and
 * before what the preload library does at its start.
 */
__attribute__((constructor(101))) static void make_page(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page;

	(void)pthread_atfork(NULL, NULL, forget);
	if (mf_sys.mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &page) < 0)
		return;
	(void)mf_sys.madvise(page, size, MADV_WIPEONFORK);
	mf_fork_word = page;
}

uint32_t mf_fork_renew(void)
{
	uint32_t mine = mf_fetch_add(&last, 1) + 1;
	uint32_t none = 0;

	/* Several threads may be first at once: one number wins. */
	return mf_cas(mf_fork_word, &none, mine) ? mine : none;
}
