/* SPDX-License-Identifier: MIT */
/*
 * uffd-run.c - what does a fault cost a program written for userfaultfd?
 *
 * The same program, on the kernel's userfaultfd and under mfill run --uffd,
 * touches pages one after the other. A handler thread of its own fills them,
 * or, with the SIGBUS feature, its own signal handler does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

#define PAGES ((size_t)4096)

static char self[4096]; /* this program */
static char bytes[BENCH_PAGE] __attribute__((aligned(BENCH_PAGE)));
static int uffd;

/* The program that is measured */

static void fill(uint64_t addr)
{
	struct uffdio_copy copy = {
		.dst = addr & ~(uint64_t)(BENCH_PAGE - 1),
		.src = (uintptr_t)bytes,
		.len = BENCH_PAGE,
	};

	if (ioctl(uffd, UFFDIO_COPY, &copy) < 0 && copy.copy != -EEXIST)
		_exit(1);
}

static void *serve(void *arg)
{
	struct pollfd wanted = { .fd = uffd, .events = POLLIN };
	struct uffd_msg message;

	(void)arg;
	for (;;) {
		if (poll(&wanted, 1, -1) < 0)
			_exit(1);
		if (read(uffd, &message, sizeof(message)) == sizeof(message))
			fill(message.arg.pagefault.address);
	}
	return NULL;
}

static void on_bus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	fill((uintptr_t)info->si_addr);
}

static char *take_area(int type, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffdio_register all = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *area = mmap(NULL, PAGES * BENCH_PAGE, PROT_READ | PROT_WRITE,
			  type | MAP_ANONYMOUS, -1, 0);

	uffd = (int)syscall(SYS_userfaultfd,
			    O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	bench_must(uffd < 0 ? -errno : 0, "userfaultfd");
	bench_must(ioctl(uffd, UFFDIO_API, &api) < 0 ? -errno : 0, "API");
	all.range.start = (uintptr_t)area;
	all.range.len = PAGES * BENCH_PAGE;
	bench_must(ioctl(uffd, UFFDIO_REGISTER, &all) < 0 ? -errno : 0,
		   "REGISTER");
	return area;
}

/* Prints ns for each page. */
static int touch_all(const char *how, const char *memory)
{
	bool inlined = strcmp(how, "inline") == 0;
	struct sigaction action = { .sa_sigaction = on_bus,
				    .sa_flags = SA_SIGINFO };
	char *area = take_area(strcmp(memory, "shared") == 0 ? MAP_SHARED
							     : MAP_PRIVATE,
			       inlined ? UFFD_FEATURE_SIGBUS : 0);
	pthread_t thread;
	uint64_t start;

	memset(bytes, 1, sizeof(bytes));
	if (inlined)
		sigaction(SIGBUS, &action, NULL);
	else
		bench_must(-pthread_create(&thread, NULL, serve, NULL),
			   "pthread_create");
	(void)*(volatile char *)area;
	start = bench_now();
	for (size_t i = 1; i < PAGES; i++)
		(void)*(volatile char *)(area + i * BENCH_PAGE);
	printf("%f\n", (double)(bench_now() - start) / (double)(PAGES - 1));
	return 0;
}

/* The measuring one */

struct way {
	const char *run; /* before the command */
	const char *how;
	const char *memory;
};

static double measure(const void *arg)
{
	const struct way *way = arg;
	char command[16384];
	double value = 0;
	FILE *output;

	snprintf(command, sizeof(command), "%s %s %s %s", way->run, self,
		 way->how, way->memory);
	output = popen(command, "re");
	bench_must(output ? 0 : -errno, "popen");
	if (fscanf(output, "%lf", &value) != 1 || pclose(output) != 0)
		_exit(1);
	return value;
}

#define RUN MFILL " run --uffd --"

static void table(const char *memory)
{
	const struct way ways[] = {
		{ "", "thread", memory },
		{ RUN, "thread", memory },
		{ "", "inline", memory },
		{ RUN, "inline", memory },
	};
	const struct bench_row rows[] = {
		{ "the kernel's, handler thread", measure, &ways[0], -1, 0 },
		{ "mfill's, handler thread", measure, &ways[1], 0, 1.3 },
		{ "the kernel's, SIGBUS", measure, &ways[2], 0, 0 },
		{ "mfill's, SIGBUS", measure, &ways[3], 0, 0.25 },
	};
	char title[80];

	snprintf(title, sizeof(title), "a fault in %s memory", memory);
	bench_table(title, "ns", rows, 4);
}

int main(int argc, char **argv)
{
	ssize_t n;

	if (argc == 3)
		return touch_all(argv[1], argv[2]);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	bench_must(n < 0 ? -errno : 0, "/proc/self/exe");
	if (syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY) < 0) {
		printf("skipped: the kernel's userfaultfd: %s\n",
		       strerror(errno));
		return 0;
	}
	table("private");
	table("shared");
	return 0;
}
