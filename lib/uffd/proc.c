/* SPDX-License-Identifier: MIT */
/*
 * proc.c - what the kernel says of this process's memory.
 *
 * Context: as in proc.h.
 */
#include "uffd/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/forkgen.h"
#include "base/sys.h"
#include "base/syscall.h"

#define FD_MIN 512

/* Linux 6.11; not in the headers of Debian 12. */
struct procmap_query {
	uint64_t size, query_flags, query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size;
	uint64_t vma_offset, inode;
	uint32_t dev_major, dev_minor;
	uint32_t vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};
#define PROCMAP_QUERY	   _IOWR('f', 17, struct procmap_query)
#define PROCMAP_OR_NEXT	   0x10
#define PROCMAP_VMA_SHARED 0x8

#define PAGEMAP_GUARD	(UINT64_C(1) << 58)
#define PAGEMAP_SWAP	(UINT64_C(1) << 62)
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)

static struct {
	uint32_t epoch; /* the process they are of */
	int pagemap, mem, maps;
} proc = { .pagemap = -EBADF, .mem = -EBADF, .maps = -EBADF };

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static uint64_t pagemap_entry(uintptr_t addr)
{
	uint64_t entry = 0;

	(void)mf_sys.pread(proc.pagemap, &entry, sizeof(entry),
			   addr / page_size() * sizeof(entry));
	return entry;
}

enum mf_proc_page mf_proc_page(uintptr_t addr)
{
	uint64_t entry = pagemap_entry(addr);

	if (entry & PAGEMAP_GUARD)
		return MF_PROC_GUARD;
	return entry & (PAGEMAP_PRESENT | PAGEMAP_SWAP) ? MF_PROC_PRESENT
							: MF_PROC_NONE;
}

bool mf_proc_cached(uintptr_t addr)
{
	unsigned char in = 0;

	(void)mf_syscall(SYS_mincore, (long)addr, (long)page_size(), (long)&in,
			 0, 0, 0);
	return in & 1;
}

static bool starts_with(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static enum mf_proc_kind kind_of(const struct procmap_query *query,
				 const char *name)
{
	bool shared = query->vma_flags & PROCMAP_VMA_SHARED;

	if (query->vma_page_size != page_size())
		return MF_PROC_OTHER;
	if (shared &&
	    (starts_with(name, "/memfd:") ||
	     starts_with(name, "/dev/zero (deleted)") ||
	     starts_with(name, "/dev/shm/") || starts_with(name, "/SYSV")))
		return MF_PROC_SHARED;
	return !shared && query->inode == 0 && !starts_with(name, "[v")
		       ? MF_PROC_PRIVATE
		       : MF_PROC_OTHER;
}

int mf_proc_vma(uintptr_t addr, struct mf_proc_vma *ret)
{
	char name[64] = "";
	struct procmap_query query = {
		.size = sizeof(query),
		.query_flags = PROCMAP_OR_NEXT,
		.query_addr = addr,
		.vma_name_size = sizeof(name),
		.vma_name_addr = (uintptr_t)name,
	};
	int r = mf_sys.ioctl(proc.maps, PROCMAP_QUERY, &query);

	/* A name that does not fit is none of memory's. */
	if (r == -ENAMETOOLONG) {
		strcpy(name, "/");
		query.vma_name_size = 0;
		query.vma_name_addr = 0;
		r = mf_sys.ioctl(proc.maps, PROCMAP_QUERY, &query);
	}
	if (r < 0)
		return r;
	ret->start = (uintptr_t)query.vma_start;
	ret->end = (uintptr_t)query.vma_end;
	ret->prot = (int)(query.vma_flags & 7); /* the same bits as PROT_* */
	ret->kind = kind_of(&query, name);
	ret->inode = query.inode;
	ret->offset = query.vma_offset;
	return 0;
}

int mf_proc_write(uintptr_t addr, const void *bytes, size_t len)
{
	return mf_pwrite_full(proc.mem, bytes, len, addr);
}

/* A descriptor where a program does not expect one. */
static int open_high(const char *path, int flags)
{
	int fd = mf_sys.open(path, flags | O_CLOEXEC, 0);
	int high = fd < 0 ? fd : mf_sys.dup_above(fd, FD_MIN);

	if (fd < 0 || high == -EINVAL)
		return fd;
	(void)mf_sys.close(fd);
	return high;
}

/* Markers on private and on shared memory, and pagemap tells of them. */
static int try_marker(int type)
{
	size_t size = page_size();
	struct mf_proc_vma vma;
	void *page;
	int r = mf_sys.mmap(NULL, size, PROT_READ | PROT_WRITE,
			    type | MAP_ANONYMOUS, -1, 0, &page);

	if (r < 0)
		return r;
	r = mf_sys.madvise(page, size, MADV_GUARD_INSTALL);
	if (r == 0 && (mf_proc_page((uintptr_t)page) != MF_PROC_GUARD ||
		       mf_proc_vma((uintptr_t)page, &vma) < 0))
		r = -EOPNOTSUPP;
	(void)mf_sys.munmap(page, size);
	return r == -EINVAL ? -EOPNOTSUPP : r;
}

static void close_all(void)
{
	int *const fds[] = { &proc.pagemap, &proc.mem, &proc.maps };

	for (int i = 0; i < 3; i++) {
		if (*fds[i] >= 0)
			(void)mf_sys.close(*fds[i]);
		*fds[i] = -EBADF;
	}
}

int mf_proc_next_fd(int fd)
{
	const int fds[] = { proc.pagemap, proc.mem, proc.maps };
	int next = -1;

	for (int i = 0; i < 3; i++)
		if (fds[i] >= fd && (next < 0 || fds[i] < next))
			next = fds[i];
	return next;
}

int mf_proc_open(void)
{
	int r = 0;

	if (proc.epoch == mf_fork_generation())
		return 0;
	close_all(); /* a parent's show the parent */
	proc.pagemap = open_high("/proc/self/pagemap", O_RDONLY);
	proc.mem = open_high("/proc/self/mem", O_RDWR);
	proc.maps = open_high("/proc/self/maps", O_RDONLY);
	if (proc.pagemap < 0 || proc.mem < 0 || proc.maps < 0)
		r = proc.pagemap == -EMFILE || proc.mem == -EMFILE ||
				    proc.maps == -EMFILE
			    ? -EMFILE
			    : -EOPNOTSUPP;
	if (r == 0)
		r = try_marker(MAP_PRIVATE);
	if (r == 0)
		r = try_marker(MAP_SHARED);
	if (r < 0)
		close_all();
	else
		proc.epoch = mf_fork_generation();
	return r;
}
