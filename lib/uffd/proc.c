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

#include "base/forkgen.h"
#include "base/page.h"
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

/* Longer names are none of memory's. */
#define NAME_MAX_SEEN 64

static struct {
	uint32_t epoch; /* the process they are of */
	int pagemap, mem, maps;
} proc = { .pagemap = -EBADF, .mem = -EBADF, .maps = -EBADF };

/* Pages */

void mf_proc_pages(uintptr_t start, size_t n, uint64_t *ret_words)
{
	memset(ret_words, 0, n * sizeof(*ret_words));
	(void)mf_sys.pread(proc.pagemap, ret_words, n * sizeof(*ret_words),
			   start / mf_page_size() * sizeof(*ret_words));
}

bool mf_proc_present(uintptr_t addr)
{
	uint64_t word;

	mf_proc_pages(addr, 1, &word);
	return mf_proc_has(word);
}

void mf_proc_cached_pages(uintptr_t start, size_t n, unsigned char *ret_bytes)
{
	(void)mf_syscall(SYS_mincore, (long)start, (long)(n * mf_page_size()),
			 (long)ret_bytes, 0, 0, 0);
}

bool mf_proc_cached(uintptr_t addr)
{
	unsigned char byte = 0;

	mf_proc_cached_pages(addr, 1, &byte);
	return byte & 1;
}

int mf_proc_read(uintptr_t addr, void *bytes, size_t len)
{
	return mf_pread_full(proc.mem, bytes, len, addr);
}

int mf_proc_write(uintptr_t addr, const void *bytes, size_t len)
{
	return mf_pwrite_full(proc.mem, bytes, len, addr);
}

/* Mappings */

static bool starts_with(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static enum mf_proc_kind kind_of(bool shared, uint64_t inode, const char *name)
{
	if (shared)
		return starts_with(name, "/memfd:") ||
				       starts_with(name,
						   "/dev/zero (deleted)") ||
				       starts_with(name, "/dev/shm/") ||
				       starts_with(name, "/SYSV")
			       ? MF_PROC_SHARED
			       : MF_PROC_OTHER;
	return inode == 0 && !starts_with(name, "[v") ? MF_PROC_PRIVATE
						      : MF_PROC_OTHER;
}

static int ask(struct procmap_query *query, uintptr_t addr, char *name,
	       uint32_t size)
{
	*query = (struct procmap_query){
		.size = sizeof(*query),
		.query_flags = PROCMAP_OR_NEXT,
		.query_addr = addr,
		.vma_name_size = size,
		.vma_name_addr = size ? (uintptr_t)name : 0,
	};
	return mf_sys.ioctl(proc.maps, PROCMAP_QUERY, query);
}

static int query_vma(uintptr_t addr, struct mf_proc_vma *ret)
{
	char name[NAME_MAX_SEEN] = "";
	struct procmap_query query;
	int r = ask(&query, addr, name, sizeof(name));

	if (r == -ENAMETOOLONG) {
		strcpy(name, "/");
		r = ask(&query, addr, NULL, 0);
	}
	if (r < 0)
		return r;
	ret->start = (uintptr_t)query.vma_start;
	ret->end = (uintptr_t)query.vma_end;
	ret->prot = (int)(query.vma_flags & 7); /* the same bits as PROT_* */
	ret->kind = kind_of(query.vma_flags & PROCMAP_VMA_SHARED, query.inode,
			    name);
	if (query.vma_page_size != mf_page_size())
		ret->kind = MF_PROC_OTHER;
	ret->inode = query.inode;
	ret->offset = query.vma_offset;
	return 0;
}

/* Kernels before 6.11: the text of /proc/self/maps. */

static uint64_t number(const char **at, unsigned base)
{
	uint64_t n = 0;

	for (;; (*at)++) {
		char c = **at;
		unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
				 : c >= 'a' && c <= 'f'
					 ? (unsigned)(c - 'a') + 10
					 : 16;

		if (digit >= base)
			return n;
		n = n * base + digit;
	}
}

/* "start-end rwxp offset major:minor inode    name" */
static void parse_line(const char *at, struct mf_proc_vma *ret)
{
	bool shared;

	ret->start = (uintptr_t)number(&at, 16);
	at++;
	ret->end = (uintptr_t)number(&at, 16);
	ret->prot = (at[1] == 'r' ? PROT_READ : 0) |
		    (at[2] == 'w' ? PROT_WRITE : 0) |
		    (at[3] == 'x' ? PROT_EXEC : 0);
	shared = at[4] == 's';
	at += 6;
	ret->offset = number(&at, 16);
	at++;
	(void)number(&at, 16);
	at++;
	(void)number(&at, 16);
	at++;
	ret->inode = number(&at, 10);
	while (*at == ' ')
		at++;
	ret->kind = kind_of(shared, ret->inode, at);
}

/* Lines longer than the buffer are cut: what matters comes first. */
static int read_vma(uintptr_t addr, struct mf_proc_vma *ret)
{
	char text[1024], line[256];
	size_t n = 0;
	uint64_t offset = 0;
	ssize_t got;

	while ((got = mf_sys.pread(proc.maps, text, sizeof(text), offset)) >
	       0) {
		offset += (uint64_t)got;
		for (ssize_t i = 0; i < got; i++) {
			if (text[i] != '\n') {
				if (n < sizeof(line) - 1)
					line[n++] = text[i];
				continue;
			}
			line[n] = '\0';
			n = 0;
			parse_line(line, ret);
			if (ret->end > addr)
				return 0;
		}
	}
	return got < 0 ? (int)got : -ENOENT;
}

int mf_proc_vma(uintptr_t addr, struct mf_proc_vma *ret)
{
	int r = query_vma(addr, ret);

	return r == -ENOTTY || r == -EINVAL ? read_vma(addr, ret) : r;
}

/* Open */

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

/* Not where /proc is somebody else's idea of it. */
static int try_it(void)
{
	struct mf_proc_vma vma;
	char byte = 1, back = 0;

	if (!mf_proc_present((uintptr_t)&byte) ||
	    mf_proc_vma((uintptr_t)&byte, &vma) < 0 ||
	    mf_proc_read((uintptr_t)&byte, &back, 1) < 0 || back != 1)
		return -EOPNOTSUPP;
	return 0;
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
		r = try_it();
	if (r < 0)
		close_all();
	else
		proc.epoch = mf_fork_generation();
	return r;
}
