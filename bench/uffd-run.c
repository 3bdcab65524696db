/* SPDX-License-Identifier: MIT */
/*
 * uffd-run.c - what does a fault cost a program written for userfaultfd?
 *
 * The same program, on the kernel's userfaultfd and under mfill run --uffd,
 * touches pages one after the other. A handler thread of its own fills them,
 * or, with the SIGBUS feature, its own signal handler does.
 *
 * Where the kernel lets the two threads run decides more than anything else: a
 * sleeper is woken on the same processor in a microsecond, on one that idles
 * in a virtual machine in tens of them. So both are measured, and what happens
 * when nobody says where.
 *
 * The bare system calls are a program without mfill that does nothing but
 * what a fault costs in user space at least: a signal, a message to a thread
 * that sleeps in poll(), a page that is put behind PROT_NONE and shown, a
 * futex. Nothing that keeps the program as it is can be faster.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

#define PAGES ((size_t)4096)

struct way {
	const char *run; /* before the command */
	const char *how;
	const char *memory;
	const char *where; /* the handler thread is */
};

static char self[4096]; /* this program */
static char bytes[BENCH_PAGE] __attribute__((aligned(BENCH_PAGE)));
static int uffd;

/* The program that is measured */

/* The first processors that it may use. */
static void run_on(int which)
{
	cpu_set_t all, one;
	int cpu = 0;

	bench_must(sched_getaffinity(0, sizeof(all), &all), "affinity");
	CPU_ZERO(&one);
	for (; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET((size_t)cpu, &all) && which-- == 0)
			break;
	if (cpu == CPU_SETSIZE)
		_exit(1);
	CPU_SET((size_t)cpu, &one);
	bench_must(sched_setaffinity(0, sizeof(one), &one), "affinity");
}

static void start_on(void *(*serve)(void *), const char *where)
{
	pthread_t thread;
	bool one = strcmp(where, "same") == 0;
	cpu_set_t all;

	bench_must(sched_getaffinity(0, sizeof(all), &all), "affinity");
	if (strcmp(where, "any") != 0)
		run_on(one ? 0 : 1);
	bench_must(-pthread_create(&thread, NULL, serve, NULL),
		   "pthread_create");
	if (strcmp(where, "any") == 0)
		return;
	bench_must(sched_setaffinity(0, sizeof(all), &all), "affinity");
	run_on(0);
}

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
	char *start = mmap(NULL, PAGES * BENCH_PAGE, PROT_READ | PROT_WRITE,
			   type | MAP_ANONYMOUS, -1, 0);

	uffd = (int)syscall(SYS_userfaultfd,
			    O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	bench_must(uffd < 0 ? -errno : 0, "userfaultfd");
	bench_must(ioctl(uffd, UFFDIO_API, &api) < 0 ? -errno : 0, "API");
	all.range.start = (uintptr_t)start;
	all.range.len = PAGES * BENCH_PAGE;
	bench_must(ioctl(uffd, UFFDIO_REGISTER, &all) < 0 ? -errno : 0,
		   "REGISTER");
	return start;
}

/* The bare system calls */

static char *alias; /* of shared memory; NULL: private */
static char *area;
static int memory, event;
static uint32_t waits; /* futex */
static char *missing;

static void *serve_bare(void *arg)
{
	struct pollfd wanted = { .fd = event, .events = POLLIN };
	uint64_t count;

	(void)arg;
	for (;;) {
		if (poll(&wanted, 1, -1) < 0 ||
		    read(event, &count, sizeof(count)) < 0)
			_exit(1);
		if (alias)
			memcpy(alias + (missing - area), bytes, BENCH_PAGE);
		else if (pwrite(memory, bytes, BENCH_PAGE,
				(off_t)(uintptr_t)missing) != BENCH_PAGE)
			_exit(1);
		mprotect(missing, BENCH_PAGE, PROT_READ | PROT_WRITE);
		__atomic_store_n(&waits, 0, __ATOMIC_SEQ_CST);
		syscall(SYS_futex, &waits, FUTEX_WAKE_PRIVATE, 1);
	}
	return NULL;
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
	uint64_t one = 1;

	(void)sig;
	(void)context;
	missing = (char *)((uintptr_t)info->si_addr &
			   ~(uintptr_t)(BENCH_PAGE - 1));
	__atomic_store_n(&waits, 1, __ATOMIC_SEQ_CST);
	if (write(event, &one, sizeof(one)) < 0)
		_exit(1);
	while (__atomic_load_n(&waits, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &waits, FUTEX_WAIT_PRIVATE, 1, NULL);
}

static void begin_bare(const struct way *way)
{
	struct sigaction action = { .sa_sigaction = on_segv,
				    .sa_flags = SA_SIGINFO };
	bool shared = strcmp(way->memory, "shared") == 0;

	area = mmap(NULL, PAGES * BENCH_PAGE, PROT_NONE,
		    (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
	if (shared) {
		alias = mremap(area, 0, PAGES * BENCH_PAGE, MREMAP_MAYMOVE);
		mprotect(alias, PAGES * BENCH_PAGE, PROT_READ | PROT_WRITE);
	}
	memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	event = eventfd(0, EFD_CLOEXEC);
	sigaction(SIGSEGV, &action, NULL);
	start_on(serve_bare, way->where);
}

static void begin(const struct way *way)
{
	bool inlined = strcmp(way->how, "inline") == 0;
	struct sigaction action = { .sa_sigaction = on_bus,
				    .sa_flags = SA_SIGINFO };

	area = take_area(strcmp(way->memory, "shared") == 0 ? MAP_SHARED
							    : MAP_PRIVATE,
			 inlined ? UFFD_FEATURE_SIGBUS : 0);
	if (inlined)
		sigaction(SIGBUS, &action, NULL);
	else
		start_on(serve, way->where);
}

/* Prints ns for each page. */
static int touch_all(const struct way *way)
{
	uint64_t start;

	memset(bytes, 1, sizeof(bytes));
	if (strcmp(way->how, "bare") == 0)
		begin_bare(way);
	else
		begin(way);
	(void)*(volatile char *)area;
	start = bench_now();
	for (size_t i = 1; i < PAGES; i++)
		(void)*(volatile char *)(area + i * BENCH_PAGE);
	printf("%f\n", (double)(bench_now() - start) / (double)(PAGES - 1));
	return 0;
}

/* The measuring one */

static double measure(const void *arg)
{
	const struct way *way = arg;
	char command[16384];
	double value = 0;
	FILE *output;

	snprintf(command, sizeof(command), "%s %s %s %s %s", way->run, self,
		 way->how, way->memory, way->where);
	output = popen(command, "re");
	bench_must(output ? 0 : -errno, "popen");
	if (fscanf(output, "%lf", &value) != 1 || pclose(output) != 0)
		_exit(1);
	return value;
}

#define RUN MFILL " run --uffd --"

static void table(const char *memory_type)
{
	const struct way ways[] = {
		{ "", "thread", memory_type, "same" },
		{ RUN, "thread", memory_type, "same" },
		{ "", "bare", memory_type, "same" },
		{ "", "thread", memory_type, "other" },
		{ RUN, "thread", memory_type, "other" },
		{ "", "bare", memory_type, "other" },
		{ "", "thread", memory_type, "any" },
		{ RUN, "thread", memory_type, "any" },
		{ "", "inline", memory_type, "any" },
		{ RUN, "inline", memory_type, "any" },
	};
	const struct bench_row rows[] = {
		{ "handler thread, same processor: kernel's", measure, &ways[0],
		  -1, 0 },
		{ "  mfill's", measure, &ways[1], 0, 1.3 },
		{ "  the bare system calls", measure, &ways[2], 0, 0 },
		{ "another processor: the kernel's", measure, &ways[3], -1, 0 },
		{ "  mfill's", measure, &ways[4], 3, 1.3 },
		{ "  the bare system calls", measure, &ways[5], 3, 0 },
		{ "anywhere: the kernel's", measure, &ways[6], -1, 0 },
		{ "  mfill's", measure, &ways[7], 6, 1.3 },
		{ "SIGBUS, inline: the kernel's", measure, &ways[8], 6, 0 },
		{ "  mfill's", measure, &ways[9], 3, 0.25 },
	};
	char title[80];

	snprintf(title, sizeof(title), "a fault in %s memory", memory_type);
	bench_table(title, "ns", rows, sizeof(rows) / sizeof(rows[0]));
}

int main(int argc, char **argv)
{
	ssize_t n;

	if (argc == 4)
		return touch_all(&(struct way){
			.how = argv[1], .memory = argv[2], .where = argv[3] });
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
