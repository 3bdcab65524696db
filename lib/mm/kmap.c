/* SPDX-License-Identifier: MIT */
/*
 * kmap.c - pages of a store, one at a time or all at once.
 *
 * Promise: see kmap.h.
 * Context: any, signal handlers included, except init and destroy.
 *
 * A window is mapped for each use and unmapped after it: a window left open
 * would keep the whole memfd alive after its store. That costs two system
 * calls, about 2 us, and no address space in between.
 */
#include "mm/kmap.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/die.h"
#include "base/forkgen.h"
#include "base/sys.h"

/*
 * The most a direct map may take: all of it is address space twice over, next
 * to the program's own. In 32 bits that is what there is little of.
 */
#if __SIZEOF_POINTER__ == 8
#define DIRECT_MAX (UINT64_C(1) << 45)
#else
#define DIRECT_MAX (UINT64_C(16) << 20)
#endif

/*
 * Debug builds map every window between two pages without access, as the
 * kernel's DEBUG_KMAP_LOCAL leaves every second slot unmapped.
 */
#ifdef MF_DEBUG
#define GUARD_PAGES 1U
#else
#define GUARD_PAGES 0U
#endif

static __thread struct {
	unsigned depth;
	uint32_t generation; /* of the process that filled the stack */
	struct {
		char *page;
		bool window;
	} slot[MF_KMAP_MAX];
} stack;

static size_t page_size; /* fixed before main() */
static bool highmem;	 /* fixed before main() */

/* Before what the preload library does at its start. */
__attribute__((constructor(101))) static void read_environment(void)
{
	const char *value = getenv("MFILL_HIGHMEM");

	page_size = (size_t)sysconf(_SC_PAGESIZE);
#ifdef MF_HIGHMEM
	highmem = true;
#endif
	if (value && value[0] == '1' && !value[1])
		highmem = true;
}

void mf_kmap_init(struct mf_kmap_space *space, int fd, uint64_t size)
{
	space->fd = fd;
	space->size = size;
	space->direct = highmem || size > DIRECT_MAX ? MF_KMAP_WINDOWS : NULL;
}

void mf_kmap_destroy(struct mf_kmap_space *space)
{
	if (space->direct && space->direct != MF_KMAP_WINDOWS)
		(void)mf_sys.munmap(space->direct, (size_t)space->size);
	space->direct = MF_KMAP_WINDOWS;
}

/* Two threads may make it at once: one map stays. */
static char *direct_map(struct mf_kmap_space *space)
{
	char *direct = mf_load_acquire(&space->direct);
	void *addr;

	if (direct)
		return direct;
	if (mf_sys.mmap(NULL, (size_t)space->size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_NORESERVE, space->fd, 0, &addr) < 0)
		addr = MF_KMAP_WINDOWS;
	if (mf_cas(&space->direct, &direct, (char *)addr))
		return addr;
	if (addr != MF_KMAP_WINDOWS)
		(void)mf_sys.munmap(addr, (size_t)space->size);
	return direct;
}

char *mf_kmap_direct(struct mf_kmap_space *space)
{
	char *direct = direct_map(space);

	return direct == MF_KMAP_WINDOWS ? NULL : direct;
}

static char *open_window(struct mf_kmap_space *space, uint64_t offset)
{
	size_t len = (1 + 2 * GUARD_PAGES) * page_size;
	int fixed = 0;
	void *addr = NULL;

	if (GUARD_PAGES) {
		if (mf_sys.mmap(NULL, len, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
				0, &addr) < 0)
			return NULL;
		fixed = MAP_FIXED;
		addr = (char *)addr + page_size;
	}
	if (mf_sys.mmap(addr, page_size, PROT_READ | PROT_WRITE,
			MAP_SHARED | fixed, space->fd, offset, &addr) == 0)
		return addr;
	if (GUARD_PAGES)
		(void)mf_sys.munmap((char *)addr - page_size, len);
	return NULL;
}

static void close_window(char *page)
{
	(void)mf_sys.munmap(page - GUARD_PAGES * page_size,
			    (1 + 2 * GUARD_PAGES) * page_size);
}

/* A forked child begins at 0, whatever its parent was in the middle of. */
static void begin_if_forked(void)
{
	uint32_t generation = mf_fork_generation();

	if (stack.generation == generation)
		return;
	while (stack.depth > 0) {
		if (stack.slot[--stack.depth].window)
			close_window(stack.slot[stack.depth].page);
	}
	stack.generation = generation;
}

void *kmap_local_page(struct mf_kmap_space *space, uint64_t offset)
{
	char *direct = direct_map(space);
	bool window = direct == MF_KMAP_WINDOWS;
	char *page;

	begin_if_forked();
	if (stack.depth == MF_KMAP_MAX || offset >= space->size)
		return NULL;
	offset -= offset % page_size;
	page = window ? open_window(space, offset) : direct + offset;
	if (!page)
		return NULL;
	stack.slot[stack.depth].page = page;
	stack.slot[stack.depth].window = window;
	stack.depth++;
	return page;
}

void kunmap_local(const void *addr)
{
	begin_if_forked();
#ifdef MF_DEBUG
	if (!stack.depth)
		mf_die("kunmap_local", "nothing is mapped");
	if ((uintptr_t)addr - (uintptr_t)stack.slot[stack.depth - 1].page >=
	    page_size)
		mf_die("kunmap_local", "not the page that was mapped last");
#else
	(void)addr;
	if (!stack.depth)
		return; /* what our parent had mapped is gone already */
#endif
	stack.depth--;
	if (stack.slot[stack.depth].window)
		close_window(stack.slot[stack.depth].page);
}
