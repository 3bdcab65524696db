/* SPDX-License-Identifier: MIT */
/*
 * receive.c - receive FILE: let libc's functions put things into pages of FILE
 * that are not there yet, from two threads.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 65536
#define MUST(x)                                                             \
	do {                                                                \
		if (!(x)) {                                                 \
			fprintf(stderr, "line %d: %s: %m\n", __LINE__, #x); \
			_exit(1);                                           \
		}                                                           \
	} while (0)

static char *next_page;

/* Nobody has touched them. */
static void *pages(int n)
{
	return __atomic_fetch_add(&next_page, n * PAGE, __ATOMIC_RELAXED);
}

static void *page(void)
{
	return pages(1);
}

static void packets(void)
{
	char *a = page(), *b = page(), *c = pages(2);
	struct iovec iov[2] = { { a, 3 }, { b, 100 } };
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };
	int fds[2];

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0);
	MUST(send(fds[0], "first", 5, 0) == 5);
	MUST(send(fds[0], "second", 6, 0) == 6);
	MUST(send(fds[0], "third", 5, 0) == 5);
	MUST(recvmsg(fds[1], &message, 0) == 5);
	MUST(memcmp(a, "fir", 3) == 0 && memcmp(b, "st", 2) == 0);
	MUST(recv(fds[1], c + PAGE - 2, 100, 0) == 6);
	MUST(memcmp(c + PAGE - 2, "second", 6) == 0);
	MUST(read(fds[1], page(), 100) == 5);
	MUST(sendmsg(fds[0], &message, 0) == 103);
	MUST(writev(fds[0], iov, 2) == 103);
	close(fds[0]);
	close(fds[1]);
}

static void connections(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET }, *from = page();
	socklen_t len = sizeof(address);
	int in = socket(AF_INET, SOCK_STREAM, 0), out, fd;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(bind(in, (struct sockaddr *)&address, len) == 0);
	MUST(listen(in, 1) == 0);
	MUST(getsockname(in, (struct sockaddr *)&address, &len) == 0);
	out = socket(AF_INET, SOCK_STREAM, 0);
	MUST(connect(out, (struct sockaddr *)&address, len) == 0);
	fd = accept(in, (struct sockaddr *)from, &len);
	MUST(fd >= 0 && from->sin_family == AF_INET);
	len = sizeof(address);
	MUST(getpeername(fd, page(), &len) == 0);
	close(fd);
	close(in);
	close(out);
}

static void children(void)
{
	int *status = page();
	pid_t child = fork();

	if (child == 0)
		_exit(42);
	MUST(waitpid(child, status, 0) == child);
	MUST(WIFEXITED(*status) && WEXITSTATUS(*status) == 42);
}

static void others(void)
{
	struct utsname *name = page();
	struct pollfd *fds = page();
	int *pipes = page();
	char *random = page();

	MUST(uname(name) == 0 && strcmp(name->sysname, "Linux") == 0);
	MUST(pipe(pipes) == 0);
	*fds = (struct pollfd){ pipes[1], POLLOUT, 0 };
	MUST(poll(fds, 1, -1) == 1 && fds->revents == POLLOUT);
	MUST(getrandom(random, 1000, 0) == 1000);
	MUST(getcwd(page(), 4096));
	close(pipes[0]);
	close(pipes[1]);
}

static void *all(void *arg)
{
	packets();
	connections();
	children();
	others();
	return arg;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	pthread_t thread;
	struct stat st;

	MUST(fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 50 * PAGE);
	next_page = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE, fd, 0);
	MUST(next_page != MAP_FAILED);
	MUST(pthread_create(&thread, NULL, all, NULL) == 0);
	all(NULL);
	MUST(pthread_join(thread, NULL) == 0);
	puts("received");
	return 0;
}
