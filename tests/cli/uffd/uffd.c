/* SPDX-License-Identifier: MIT */
/*
 * uffd.c - a program written for userfaultfd(2), which knows nothing of mfill:
 * uffd CASE. It says what it sees, the same on the kernel's and on ours.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 4

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

static size_t page;
static char *area;
static char *wish; /* where to put it */
static int uffd;

static int new_uffd(int flags)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | flags);

	if (fd < 0)
		err(77, "userfaultfd");
	return fd;
}

static void start(int fd, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };

	uffd = fd;
	if (ioctl(uffd, UFFDIO_API, &api) < 0)
		err(1, "UFFDIO_API");
}

static void take_area(int flags, int memfd)
{
	struct uffdio_register all = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	area = mmap(wish, PAGES * page, PROT_READ | PROT_WRITE, flags, memfd,
		    0);
	if (area == MAP_FAILED)
		err(1, "mmap");
	all.range.start = (uintptr_t)area;
	all.range.len = PAGES * page;
	if (ioctl(uffd, UFFDIO_REGISTER, &all) < 0)
		err(1, "UFFDIO_REGISTER");
}

/* Fill the page at addr with a letter that tells which it is. */
static void fill(uintptr_t addr)
{
	static char bytes[65536] __attribute__((aligned(65536)));
	size_t number = (addr - (uintptr_t)area) / page;
	struct uffdio_copy copy = {
		.dst = addr & ~(page - 1),
		.src = (uintptr_t)bytes,
		.len = page,
	};

	memset(bytes, 'A' + (int)number, page);
	if (ioctl(uffd, UFFDIO_COPY, &copy) < 0)
		err(1, "UFFDIO_COPY");
}

/* Answers what comes until the thread is cancelled. */
static void *serve(void *arg)
{
	struct uffd_msg message;

	for (;;) {
		struct pollfd wanted = { .fd = uffd, .events = POLLIN };
		ssize_t n;

		if (!arg && poll(&wanted, 1, -1) < 0)
			err(1, "poll");
		n = read(uffd, &message, sizeof(message));
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n != sizeof(message))
			err(1, "read: %zd", n);
		printf("event %#x, flags %#llx, at %#llx\n", message.event,
		       (unsigned long long)message.arg.pagefault.flags,
		       (unsigned long long)message.arg.pagefault.address -
			       (unsigned long long)(uintptr_t)area);
		fflush(stdout);
		fill((uintptr_t)message.arg.pagefault.address);
	}
	return NULL;
}

static pthread_t start_handler(bool blocking)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, serve, blocking ? "" : NULL) != 0)
		err(1, "pthread_create");
	return thread;
}

static void look(void)
{
	for (size_t at = 15; at < PAGES * page; at += 1024)
		printf("%#zx: %c\n", at, *(volatile char *)(area + at));
}

/* As in userfaultfd(2): a thread that polls and fills. */
static void do_pages(void)
{
	start(new_uffd(O_NONBLOCK), 0);
	take_area(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	start_handler(false);
	look();
}

static void do_shared(void)
{
	start(new_uffd(O_NONBLOCK), 0);
	take_area(MAP_SHARED | MAP_ANONYMOUS, -1);
	start_handler(false);
	look();
}

/* A thread that sleeps in read() can be cancelled there, and another begins. */
static void do_blocking(void)
{
	pthread_t thread;
	void *result;

	start(new_uffd(0), 0);
	take_area(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	thread = start_handler(true);
	printf("%c\n", *(volatile char *)area);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	printf("cancelled: %d\n", result == PTHREAD_CANCELED);
	start_handler(true);
	look();
}

static void do_device(void)
{
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);

	if (device < 0)
		err(77, "/dev/userfaultfd");
	printf("no such call: %d, %d\n", ioctl(device, FIONREAD, 0), errno);
	start(ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK), 0);
	close(device);
	take_area(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	start_handler(false);
	look();
}

static void again(void)
{
	munmap(area, PAGES * page);
	start(new_uffd(O_NONBLOCK), 0);
	take_area(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill((uintptr_t)area);
	printf("another one fills: %c\n", *area);
	close(uffd);
}

/* It stays as long as one of its descriptors does. */
static void do_copies(void)
{
	int first = new_uffd(O_NONBLOCK), second = dup(first), third;
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	pthread_t handler;

	start(first, 0);
	take_area(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	third = fcntl(second, F_DUPFD_CLOEXEC, 100);
	close(first);
	dup2(third, second);
	close(third);
	printf("%d %d\n", fcntl(first, F_GETFD), fcntl(second, F_GETFL) != -1);
	uffd = second;
	epoll_ctl(epoll, EPOLL_CTL_ADD, second, &event);
	printf("nothing yet: %d\n", epoll_wait(epoll, &event, 1, 0));
	handler = start_handler(false);
	look();
	printf("nothing left: %d\n", epoll_wait(epoll, &event, 1, 0));
	printf("write: %zd", write(second, area, 8));
	printf(" %d\n", errno);
	pthread_cancel(handler);
	pthread_join(handler, NULL);
	closefrom(3);
	again();
	printf("gone: %d %d\n", fcntl(second, F_GETFD), errno);
}

/* System calls find their memory filled, in and out. */
static void do_calls(void)
{
	char text[16] = "";
	int pipes[2];

	start(new_uffd(O_NONBLOCK), 0);
	take_area(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	start_handler(false);
	if (pipe(pipes) < 0)
		err(1, "pipe");
	printf("write: %zd\n", write(pipes[1], area, 4));
	printf("read: %zd", read(pipes[0], area + page, 4));
	printf(" %.4s\n", area + page);
	printf("over the border: %zd\n",
	       write(pipes[1], area + 2 * page - 2, 4));
	printf("got: %zd", read(pipes[0], text, sizeof(text)));
	printf(" %s\n", text);
	printf("open: %d\n", open(area + 3 * page, O_RDONLY));
}

static void *allow_writes(void *arg)
{
	struct pollfd wanted = { .fd = uffd, .events = POLLIN };
	struct uffd_msg message;

	(void)arg;
	while (poll(&wanted, 1, -1) == 1) {
		struct uffdio_writeprotect args = { .range.len = page };

		if (read(uffd, &message, sizeof(message)) < 0)
			continue;
		printf("event %#x, flags %#llx\n", message.event,
		       (unsigned long long)message.arg.pagefault.flags);
		args.range.start = message.arg.pagefault.address;
		if (ioctl(uffd, UFFDIO_WRITEPROTECT, &args) < 0)
			err(1, "UFFDIO_WRITEPROTECT");
	}
	return NULL;
}

/* And for leave to write. */
static void do_protected(void)
{
	struct uffdio_register all = { .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect args = {
		.mode = UFFDIO_WRITEPROTECT_MODE_WP
	};
	pthread_t thread;
	int pipes[2];

	start(new_uffd(O_NONBLOCK), 0);
	take_area(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	for (size_t i = 0; i < PAGES; i++)
		fill((uintptr_t)area + i * page);
	all.range.start = args.range.start = (uintptr_t)area;
	all.range.len = args.range.len = PAGES * page;
	if (ioctl(uffd, UFFDIO_REGISTER, &all) < 0 ||
	    ioctl(uffd, UFFDIO_WRITEPROTECT, &args) < 0)
		err(1, "UFFDIO_WRITEPROTECT");
	pthread_create(&thread, NULL, allow_writes, NULL);
	if (pipe(pipes) < 0)
		err(1, "pipe");
	printf("write: %zd\n", write(pipes[1], area, 4));
	printf("read: %zd", read(pipes[0], area + page, 4));
	printf(" %.5s\n", area + page);
	area[2 * page] = 'x';
	printf("%.2s\n", area + 2 * page);
}

static sigjmp_buf out;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	printf("SIGBUS %d at %#tx\n", info->si_code,
	       (char *)info->si_addr - area);
	siglongjmp(out, 1);
}

/* No handler thread: the one that touches fills. */
static void do_sigbus(void)
{
	struct sigaction action = { .sa_sigaction = on_bus,
				    .sa_flags = SA_SIGINFO };
	volatile size_t at = 15;

	start(new_uffd(O_NONBLOCK), UFFD_FEATURE_SIGBUS);
	take_area(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	sigaction(SIGBUS, &action, NULL);
	for (; at < PAGES * page; at += 1024) {
		if (sigsetjmp(out, 1))
			fill((uintptr_t)area + at);
		printf("%#zx: %c\n", at, *(volatile char *)(area + at));
	}
}

static void wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		err(1, "waitpid");
	printf("child: %#x\n", status);
}

/* A child has none of it: zeros, but what was there. */
static void do_fork(void)
{
	pid_t child;

	start(new_uffd(O_NONBLOCK), 0);
	take_area(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	start_handler(false);
	printf("%d\n", *(volatile char *)area);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		printf("%d %d\n", area[0], area[page]);
		area[page] = 1;
		printf("%d\n", area[page]);
		exit(0);
	}
	wait_for(child);
	printf("%d\n", area[page]);
}

/*
 * With EVENT_FORK a child has it all, and its parent fills for it: the message
 * about the fork brings a descriptor of the child's.
 */
static void *serve_child(void *arg)
{
	struct uffd_msg message;
	int fds[2] = { uffd, -1 };

	(void)arg;
	for (;;) {
		struct pollfd wanted[2] = { { fds[0], POLLIN, 0 },
					    { fds[1], POLLIN, 0 } };

		if (poll(wanted, 2, -1) < 0)
			err(1, "poll");
		for (int i = 0; i < 2; i++) {
			if (!wanted[i].revents ||
			    read(fds[i], &message, sizeof(message)) < 0)
				continue;
			if (message.event == UFFD_EVENT_FORK) {
				fds[1] = (int)message.arg.fork.ufd;
				continue;
			}
			printf("%s: event %#x\n", i ? "child's" : "parent's",
			       message.event);
			uffd = fds[i];
			fill((uintptr_t)message.arg.pagefault.address);
		}
	}
	return NULL;
}

static void do_children(void)
{
	pthread_t thread;
	pid_t child;

	start(new_uffd(O_NONBLOCK), UFFD_FEATURE_EVENT_FORK);
	take_area(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill((uintptr_t)area);
	pthread_create(&thread, NULL, serve_child, NULL);
	child = fork();
	if (child == 0) {
		printf("%c%c%c\n", area[0], area[page], area[2 * page]);
		exit(0);
	}
	wait_for(child);
	printf("%c%c\n", area[0], area[page]);
}

/* What a handler thread sees is told when all is over. */
static char seen[4096];
static size_t n_seen;

static void note(const struct uffd_msg *message)
{
	const char *start = area;

	n_seen += (size_t)snprintf(
		seen + n_seen, sizeof(seen) - n_seen,
		"event %#x: %td %td %lld\n", message->event,
		message->event == UFFD_EVENT_REMOVE ||
				message->event == UFFD_EVENT_UNMAP
			? (char *)(uintptr_t)message->arg.remove.start - start
		: message->event == UFFD_EVENT_REMAP
			? (char *)(uintptr_t)message->arg.remap.from - start
			: (char *)(uintptr_t)message->arg.pagefault.address -
				  start,
		message->event == UFFD_EVENT_REMOVE ||
				message->event == UFFD_EVENT_UNMAP
			? (char *)(uintptr_t)message->arg.remove.end - start
			: 0,
		message->event == UFFD_EVENT_REMAP
			? (long long)message->arg.remap.len
			: 0);
}

static void *serve_events(void *arg)
{
	struct pollfd wanted = { .fd = uffd, .events = POLLIN };
	struct uffd_msg message;

	(void)arg;
	for (;;) {
		if (poll(&wanted, 1, -1) < 0)
			err(1, "poll");
		if (read(uffd, &message, sizeof(message)) < 0)
			continue;
		note(&message);
		if (message.event == UFFD_EVENT_PAGEFAULT)
			fill((uintptr_t)message.arg.pagefault.address);
		if (message.event == UFFD_EVENT_REMAP)
			area = (char *)(uintptr_t)message.arg.remap.to;
	}
	return NULL;
}

static void look_at(const char *what, const char *from)
{
	printf("%s:", what);
	for (size_t i = 0; i < PAGES; i++)
		printf(" %d", *(const volatile char *)(from + i * page));
	printf("\n");
}

static void change(uint64_t features, int flags)
{
	char *from, *to,
		*room = mmap(NULL, 4 * PAGES * page, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;

	start(new_uffd(O_NONBLOCK), features);
	wish = room;
	take_area(flags | MAP_FIXED, -1);
	pthread_create(&thread, NULL, serve_events, NULL);
	look_at("filled", area);
	printf("madvise %d\n", madvise(area + page, 2 * page, MADV_DONTNEED));
	look_at("dropped", area);
	printf("protected %d\n", mprotect(area, page, PROT_READ));
	printf("dropped again %d\n", madvise(area, page, MADV_DONTNEED));
	look_at("read only", area);
	printf("protected %d\n", mprotect(area, page, PROT_READ | PROT_WRITE));
	area[0] = 1;
	printf("madvise %d\n", madvise(area + 3 * page, page, MADV_DONTNEED));
	to = room + 2 * PAGES * page;
	from = area;
	printf("moved %d\n", mremap(area, PAGES * page, PAGES * page,
				    MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	area = to;
	look_at("moved", to);
	mmap(from, PAGES * page, PROT_READ,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	look_at("old place", from);
	printf("shrunk %d\n", mremap(to, PAGES * page, 3 * page, 0) == to);
	printf("over it %d\n",
	       mmap(to, page, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == to);
	printf("%d\n", *to);
	printf("unmapped %d\n", munmap(to + page, 2 * page));
	usleep(10000);
	fputs(seen, stdout);
}

static void do_change(void)
{
	change(0, MAP_PRIVATE | MAP_ANONYMOUS);
}

static void do_change_shared(void)
{
	change(0, MAP_SHARED | MAP_ANONYMOUS);
}

#define EVENTS                                                  \
	(UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE | \
	 UFFD_FEATURE_EVENT_UNMAP)

static void do_events(void)
{
	change(EVENTS, MAP_PRIVATE | MAP_ANONYMOUS);
}

static void do_events_shared(void)
{
	change(EVENTS, MAP_SHARED | MAP_ANONYMOUS);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "pages", do_pages },	       { "shared", do_shared },
	{ "device", do_device },       { "blocking", do_blocking },
	{ "copies", do_copies },       { "calls", do_calls },
	{ "protected", do_protected }, { "sigbus", do_sigbus },
	{ "fork", do_fork },	       { "children", do_children },
	{ "change", do_change },       { "change-shared", do_change_shared },
	{ "events", do_events },       { "events-shared", do_events_shared },
};

int main(int argc, char **argv)
{
	page = (size_t)sysconf(_SC_PAGESIZE);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc < 2)
			puts(cases[i].name);
		else if (strcmp(argv[1], cases[i].name) == 0)
			cases[i].run();
	}
	return 0;
}
