/* SPDX-License-Identifier: MIT */
/*
 * views.c - prints what it sees of a file through mmap().
 *
 * Promise: the output depends on the file's content and size alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHOW(expression) \
	printf("%s: %lld\n", #expression, (long long)(expression))
#define SHOW_ERROR(expression)                                                \
	do {                                                                  \
		int failed_ = (expression) == -1;                             \
		printf("%s: %d %s\n", #expression, failed_, strerror(errno)); \
	} while (0)
#define SHOW_FAILED(expression)                                               \
	do {                                                                  \
		int failed_ = (expression) == MAP_FAILED;                     \
		printf("%s: %d %s\n", #expression, failed_, strerror(errno)); \
	} while (0)

static unsigned sum(const void *buf, size_t len)
{
	const unsigned char *p = buf;
	unsigned n = 2166136261U;

	while (len-- > 0)
		n = (n ^ *p++) * 16777619U;
	return n;
}

static int fd;
static size_t size, page;

static char *map(size_t len, int prot, int flags, off_t offset)
{
	char *p = mmap(NULL, len, prot, flags, fd, offset);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

static sigjmp_buf back;
static volatile int caught;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	caught = sig;
	siglongjmp(back, 1);
}

/* The signal that reading the byte raises, or 0. */
static int touch(volatile char *p)
{
	struct sigaction ours = { .sa_sigaction = on_fault,
				  .sa_flags = SA_SIGINFO };
	struct sigaction segv, bus;

	caught = 0;
	sigaction(SIGSEGV, &ours, &segv);
	sigaction(SIGBUS, &ours, &bus);
	if (!sigsetjmp(back, 1))
		(void)*p;
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return caught;
}

static int poke(volatile char *p)
{
	struct sigaction ours = { .sa_sigaction = on_fault,
				  .sa_flags = SA_SIGINFO };
	struct sigaction segv;

	caught = 0;
	sigaction(SIGSEGV, &ours, &segv);
	if (!sigsetjmp(back, 1))
		*p = 1;
	sigaction(SIGSEGV, &segv, NULL);
	return caught;
}

static void kinds(void)
{
	char *shared = map(size, PROT_READ, MAP_SHARED, 0);
	char *copy = map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	char *part = map(page + 1, PROT_READ, MAP_SHARED, 30 * page);

	SHOW(shared[123456]);
	SHOW(poke(shared));
	copy[5] = 'x';
	copy[size - 1] = 'y';
	SHOW(sum(copy, size));
	SHOW(sum(shared, size));
	SHOW(sum(part, 2 * page));
	SHOW(madvise(copy, size, MADV_DONTNEED));
	SHOW(sum(copy, size));
	SHOW_ERROR(mprotect(shared, page, PROT_READ | PROT_WRITE));
	SHOW(mprotect(copy, 3 * page, PROT_NONE));
	SHOW(touch(copy + page));
	SHOW(mprotect(copy, 3 * page, PROT_READ));
	SHOW(touch(copy + page));
	SHOW(poke(copy + page));
	SHOW(mprotect(copy, size, PROT_READ | PROT_WRITE));
	SHOW(poke(copy + page));
	SHOW(munmap(part, 2 * page));
	SHOW(touch(part));
	SHOW(munmap(shared, size));
	SHOW(munmap(copy, size));
	SHOW_FAILED(
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	SHOW_FAILED(mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0));
	SHOW_FAILED(mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 1));
}

static void the_end(void)
{
	size_t pages = (size + page - 1) / page * page;
	char *p = map(pages + 4 * page, PROT_READ, MAP_SHARED, 0);
	char *beyond = map(page, PROT_READ, MAP_SHARED, pages + page);

	SHOW(touch(p + pages - 1));
	SHOW(p[pages - 1]);
	SHOW(touch(p + pages));
	SHOW(touch(p + pages + 3 * page));
	SHOW(touch(beyond));
	SHOW(sum(p, size));
	SHOW(munmap(p, pages + 4 * page));
	SHOW(munmap(beyond, page));
}

static void places(void)
{
	char *room = mmap(NULL, size + 10 * page, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p = mmap(room + page, size, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		       0);
	char *hole;

	SHOW(p == room + page);
	SHOW(sum(p, size));
	SHOW_FAILED(mmap(p, page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE,
			 fd, 0));
	/* Something else in the middle of it, and back again. */
	hole = mmap(p + 8 * page, 2 * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	SHOW(hole == p + 8 * page);
	hole[5] = 1;
	SHOW(sum(p, size));
	SHOW(mmap(hole, page, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == hole);
	SHOW(touch(hole));
	SHOW(munmap(hole, page));
	SHOW(touch(hole));
	SHOW(touch(hole + page));
	SHOW(mmap(hole, 2 * page, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		  8 * page) == hole);
	SHOW(sum(p, size));
	/* Cut off both ends. */
	SHOW(munmap(p, 5 * page));
	SHOW(munmap(p + size / page * page, page));
	SHOW(touch(p + 5 * page - 1));
	SHOW(sum(p + 5 * page, 50 * page));
	SHOW(munmap(room, size + 10 * page));
	SHOW(touch(p + 6 * page));
}

static void moves(void)
{
	char *p = map(10 * page, PROT_READ, MAP_SHARED, 0);
	char *q = mremap(p, 10 * page, 4 * page, 0);
	char *room = mmap(NULL, 20 * page, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	SHOW(p == q);
	SHOW(sum(q, 4 * page));
	q = mremap(q, 4 * page, 40 * page, MREMAP_MAYMOVE);
	SHOW(q == MAP_FAILED);
	SHOW(sum(q, 40 * page));
	q = mremap(q, 40 * page, 20 * page, MREMAP_MAYMOVE | MREMAP_FIXED,
		   room);
	SHOW(q == room);
	SHOW(sum(q, 20 * page));
	SHOW(munmap(q, 20 * page));
}

static void calls(void)
{
	char *p = map(size, PROT_READ, MAP_SHARED, 0);
	struct iovec iov[] = { { p + 99, 10 }, { p + 50 * page, 20 } };
	int pipes[2], file = open("/dev/null", O_WRONLY);
	static char buf[65536];

	SHOW(pipe(pipes));
	SHOW(write(pipes[1], p + 20 * page - 100, 200));
	SHOW(read(pipes[0], buf, 500));
	SHOW(sum(buf, 200));
	SHOW(writev(pipes[1], iov, 2));
	SHOW(read(pipes[0], buf, 500));
	SHOW(sum(buf, 30));
	SHOW(vmsplice(pipes[1], &(struct iovec){ p + 40 * page, 5000 }, 1, 0));
	SHOW(read(pipes[0], buf, 5000));
	SHOW(sum(buf, 5000));
	SHOW(write(file, p, size));
	SHOW(munmap(p, size));
	p = map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	SHOW(pread(fd, p + 30 * page - 10, 20, 0));
	SHOW(sum(p, size));
	SHOW(munmap(p, size));
	p = map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	SHOW(mlock(p + 5 * page, 2 * page));
	SHOW(munlock(p + 5 * page, 2 * page));
	SHOW(msync(p, page, MS_SYNC));
	SHOW(madvise(p, 10 * page, MADV_WILLNEED));
	SHOW(madvise(p, 10 * page, MADV_POPULATE_READ));
	SHOW(munmap(p, size));
	p = map(size, PROT_READ, MAP_SHARED | MAP_POPULATE, 0);
	SHOW(sum(p, size));
	/* A child sees it, and one that changes its copy changes no other. */
	if (fork() == 0) {
		printf("child: %u\n", sum(p, size));
		exit(0);
	}
	wait(NULL);
	SHOW(munmap(p, size));
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	page = (size_t)sysconf(_SC_PAGESIZE);
	fd = open(argv[1], O_RDONLY);
	size = (size_t)lseek(fd, 0, SEEK_END);
	kinds();
	the_end();
	places();
	moves();
	calls();
	return 0;
}
