/* SPDX-License-Identifier: MIT */
/*
 * conform.c - do the same to the kernel's userfaultfd and to mfill's.
 *
 * Context: as in conform.h.
 */
#include "conform/conform.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sync.h"
#include "base/sys.h"
#include "harness/harness.h"
#include "mfill.h"
#include "uffd/change.h"
#include "uffd/protect.h"

/* What mfill offers: more bits of the kernel's are not compared. */
#define OFFERED                                                          \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_MISSING_SHMEM |   \
	 UFFD_FEATURE_SIGBUS | UFFD_FEATURE_THREAD_ID |                  \
	 UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_EXACT_ADDRESS |         \
	 UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_WP_UNPOPULATED | \
	 UFFD_FEATURE_POISON | UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_MOVE)

const char *const memory_names[] = { "private", "shared", "memfd" };

static int result_of(long r)
{
	return r < 0 ? -errno : (int)r;
}

static int kernel_open(int flags)
{
	return result_of(syscall(SYS_userfaultfd, flags));
}

static int kernel_ioctl(int fd, unsigned long request, void *arg)
{
	return result_of(ioctl(fd, request, arg));
}

static ssize_t kernel_read(int fd, void *buf, size_t len)
{
	ssize_t n = read(fd, buf, len);

	return n < 0 ? -errno : n;
}

/* Bit 57 of what the kernel says of a page. */
static bool kernel_is_wp(uintptr_t addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t word = 0;

	ck_assert_int_eq(pread(fd, &word, 8, (off_t)(addr / page * 8)), 8);
	close(fd);
	return word >> 57 & 1;
}

static int kernel_close(int fd)
{
	return result_of(close(fd));
}

const struct implementation kernel = {
	"kernel",    kernel_open,  kernel_ioctl,
	kernel_read, kernel_close, kernel_is_wp
};
const struct implementation mfill = { "mfill",		mfill_uffd_open,
				      mfill_uffd_ioctl, mfill_uffd_read,
				      mfill_uffd_close, mf_uffd_is_wp };

/* What an old kernel lacks. */

static struct mf_sys real;

static int no_guards(void *addr, size_t len, int advice)
{
	return advice == MADV_GUARD_INSTALL || advice == MADV_GUARD_REMOVE ||
			       advice == MADV_POPULATE_WRITE
		       ? -EINVAL
		       : real.madvise(addr, len, advice);
}

static int no_queries(int fd, unsigned long request, void *arg)
{
	(void)fd;
	(void)request;
	(void)arg;
	return -ENOTTY;
}

void force_old_kernel(void)
{
	real = mf_sys;
	mf_sys.madvise = no_guards;
	mf_sys.ioctl = no_queries;
}

void say(struct run *run, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	run->logged += (size_t)vsnprintf(run->log + run->logged,
					 sizeof(run->log) - run->logged, format,
					 args);
	va_end(args);
	/* In a child, too, where an assertion could wait for Check's lock. */
	if (run->logged >= sizeof(run->log))
		ck_abort_msg("a long story");
}

/* Room around it, so that neighbours do not join. */
static char *make_room(struct run *run, char *place, int pages)
{
	run->room_size = (size_t)pages * run->page;
	run->room = place;
	if (place)
		return place;
	run->room_size = (PAGES + 2) * run->page;
	run->room = mmap(NULL, run->room_size, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return run->room + run->page;
}

static char *map_area(struct run *run, char *place)
{
	size_t size = PAGES * run->page;
	int flags = run->memory == ANON	    ? MAP_PRIVATE | MAP_ANONYMOUS
		    : run->memory == SHARED ? MAP_SHARED | MAP_ANONYMOUS
					    : MAP_SHARED;
	int memfd = -1;
	char *area;

	if (run->memory == MEMFD) {
		memfd = memfd_create("conform", MFD_CLOEXEC);
		ck_assert_int_eq(ftruncate(memfd, (off_t)size), 0);
	}
	area = mmap(place, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
		    memfd, 0);
	ck_assert_ptr_ne(area, MAP_FAILED);
	if (memfd >= 0)
		close(memfd);
	/* So that the kernel joins its pieces again, whatever is in them. */
	if (run->memory == ANON) {
		area[0] = 1;
		madvise(area, run->page, MADV_DONTNEED);
	}
	run->other = NULL;
	if (run->memory != ANON) {
		run->other = mremap(area, 0, size, MREMAP_MAYMOVE);
		ck_assert_ptr_ne(run->other, MAP_FAILED);
	}
	return area;
}

static __thread sigjmp_buf way_out;
static __thread volatile sig_atomic_t touching, signal_seen, code_seen;
static __thread void *volatile addr_seen;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	/* A fault of the test's own: once more, and it ends. */
	if (!touching) {
		(void)signal(sig, SIG_DFL);
		return;
	}
	signal_seen = sig;
	code_seen = info->si_code;
	addr_seen = info->si_addr;
	siglongjmp(way_out, 1);
}

bool run_start_at(struct run *run, const struct implementation *who,
		  enum memory memory, int flags, void *place, int pages)
{
	static bool caught;
	struct sigaction action = { .sa_sigaction = on_signal,
				    .sa_flags = SA_SIGINFO };

	/* Once, and before mfill, which goes in front of it. */
	if (!caught) {
		sigaction(SIGBUS, &action, NULL);
		sigaction(SIGSEGV, &action, NULL);
	}
	caught = true;
	memset(run, 0, sizeof(*run));
	run->who = who;
	run->memory = memory;
	run->page = (size_t)sysconf(_SC_PAGESIZE);
	run->pages = pages;
	run->fd = who->open(flags | O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (run->fd < 0)
		return false;
	run->area = map_area(run, make_room(run, place, pages));
	/* Room around these, too: what is beyond is not to be moved. */
	run->bytes = (char *)mmap(NULL, (PAGES + 2) * run->page, PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) +
		     run->page;
	ck_assert_int_eq(
		mprotect(run->bytes, PAGES * run->page, PROT_READ | PROT_WRITE),
		0);
	for (int i = 0; i < PAGES; i++)
		memset(run->bytes + (size_t)i * run->page, i + 1, run->page);
	return true;
}

bool run_start(struct run *run, const struct implementation *who,
	       enum memory memory, int flags)
{
	return run_start_at(run, who, memory, flags, NULL, PAGES);
}

/* Poison stays where memory goes unseen: next there is something else. */
void run_end(struct run *run)
{
	size_t size = PAGES * run->page;

	if (run->fd >= 0)
		ck_assert_int_eq(run->who->close(run->fd), 0);
	if (run->who != &mfill || mf_uffd_munmap(run->room, run->room_size) < 0)
		munmap(run->room, run->room_size);
	munmap(run->bytes - run->page, size + 2 * run->page);
	if (run->other)
		munmap(run->other, size);
}

static const char *name_of(int r)
{
	static char text[32];

	if (r >= 0)
		snprintf(text, sizeof(text), "%d", r);
	else
		snprintf(text, sizeof(text), "%s", strerrorname_np(-r));
	return text;
}

static uint64_t at(const struct run *run, int page)
{
	return (uint64_t)((uintptr_t)run->area +
			  (intptr_t)page * (intptr_t)run->page);
}

void do_ioctl(struct run *run, const char *name, unsigned long request,
	      void *arg, size_t result)
{
	int r = run->who->ioctl(run->fd, request, arg);
	int64_t value;

	memcpy(&value, (char *)arg + result, sizeof(value));
	say(run, "%s: %s, %lld\n", name, name_of(r), (long long)value);
}

void do_api(struct run *run, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int r = run->who->ioctl(run->fd, UFFDIO_API, &api);

	say(run, "api %llx: %s, %llx %llx %llx\n", (unsigned long long)features,
	    name_of(r), (unsigned long long)api.api,
	    (unsigned long long)(api.features & OFFERED),
	    (unsigned long long)api.ioctls);
}

int do_register(struct run *run, int page, int n, uint64_t mode)
{
	struct uffdio_register args = {
		.range = { at(run, page), (uint64_t)n * run->page },
		.mode = mode,
		.ioctls = 77,
	};
	int r = run->who->ioctl(run->fd, UFFDIO_REGISTER, &args);

	say(run, "register %d+%d mode %llu: %s, %llx\n", page, n,
	    (unsigned long long)mode, name_of(r),
	    (unsigned long long)args.ioctls);
	return r;
}

static int do_range(struct run *run, const char *name, unsigned long request,
		    int page, int n)
{
	struct uffdio_range args = { at(run, page), (uint64_t)n * run->page };
	int r = run->who->ioctl(run->fd, request, &args);

	say(run, "%s %d+%d: %s\n", name, page, n, name_of(r));
	return r;
}

int do_unregister(struct run *run, int page, int n)
{
	return do_range(run, "unregister", UFFDIO_UNREGISTER, page, n);
}

void do_wake(struct run *run, int page, int n)
{
	(void)do_range(run, "wake", UFFDIO_WAKE, page, n);
}

void do_copy(struct run *run, int page, int n, uint64_t mode)
{
	struct uffdio_copy args = {
		.dst = at(run, page),
		.src = (uintptr_t)run->bytes,
		.len = (uint64_t)n * run->page,
		.mode = mode,
		.copy = 77,
	};

	say(run, "copy %d+%d: %s", page, n,
	    name_of(run->who->ioctl(run->fd, UFFDIO_COPY, &args)));
	say(run, ", %lld\n", (long long)args.copy);
}

static void do_fill(struct run *run, const char *name, unsigned long request,
		    int page, int n, uint64_t mode)
{
	struct uffdio_zeropage args = {
		.range = { at(run, page), (uint64_t)n * run->page },
		.mode = mode,
		.zeropage = 77,
	};

	say(run, "%s %d+%d: %s", name, page, n,
	    name_of(run->who->ioctl(run->fd, request, &args)));
	say(run, ", %lld\n", (long long)args.zeropage);
}

void do_zero(struct run *run, int page, int n, uint64_t mode)
{
	do_fill(run, "zero", UFFDIO_ZEROPAGE, page, n, mode);
}

void do_continue(struct run *run, int page, int n, uint64_t mode)
{
	do_fill(run, "continue", UFFDIO_CONTINUE, page, n, mode);
}

void do_poison(struct run *run, int page, int n, uint64_t mode)
{
	do_fill(run, "poison", UFFDIO_POISON, page, n, mode);
}

void do_protect(struct run *run, int page, int n, uint64_t mode)
{
	struct uffdio_writeprotect args = {
		.range = { at(run, page), (uint64_t)n * run->page },
		.mode = mode,
	};

	say(run, "protect %d+%d mode %llu: %s\n", page, n,
	    (unsigned long long)mode,
	    name_of(run->who->ioctl(run->fd, UFFDIO_WRITEPROTECT, &args)));
}

static void move(struct run *run, const char *what, uint64_t src, int from,
		 int page, int n, uint64_t mode)
{
	struct uffdio_move args = {
		.dst = at(run, page),
		.src = src,
		.len = (uint64_t)n * run->page,
		.mode = mode,
		.move = 77,
	};

	say(run, "move %s %d to %d+%d mode %llu: %s", what, from, page, n,
	    (unsigned long long)mode,
	    name_of(run->who->ioctl(run->fd, UFFDIO_MOVE, &args)));
	say(run, ", %lld\n", (long long)args.move);
}

void do_move(struct run *run, int from, int page, int n, uint64_t mode)
{
	move(run, "bytes", (uintptr_t)run->bytes + (size_t)from * run->page,
	     from, page, n, mode);
}

void do_move_within(struct run *run, int from, int page, int n, uint64_t mode)
{
	move(run, "page", at(run, from), from, page, n, mode);
}

void do_marks(struct run *run)
{
	say(run, "marks: ");
	for (int i = 0; i < run->pages; i++)
		say(run, "%d", run->who->is_wp((uintptr_t)at(run, i)));
	say(run, "\n");
}

/*
 * What is there then, or a signal. Others may touch the same byte, and change
 * the mapping meanwhile, which tsan calls a race.
 */
__attribute__((noinline, no_sanitize("thread"))) static int touch_byte(
	char *byte, bool write, char value)
{
	int saw;

	if (sigsetjmp(way_out, 1) == 0) {
		touching = true;
		if (write)
			mf_store_relaxed(byte, value);
		saw = mf_load_relaxed(byte);
	} else {
		saw = -signal_seen;
	}
	touching = false;
	return saw;
}

static void touch(struct run *run, const char *what, char *byte, int page,
		  bool write)
{
	int saw = touch_byte(byte, write, 99);

	say(run, "%s %s %d: ", write ? "write" : "read", what, page);
	if (saw < 0)
		say(run, "%s %d at +%ld\n",
		    saw == -SIGSEGV ? "SIGSEGV" : "SIGBUS", (int)code_seen,
		    (long)((char *)addr_seen - byte));
	else
		say(run, "%d\n", saw);
}

void do_contents(struct run *run, int page)
{
	const char *bytes = run->area + (size_t)page * run->page;
	uint64_t sum = 0;

	do_touch(run, page, false);
	if (touch_byte((char *)bytes, false, 0) < 0)
		return;
	for (size_t i = 0; i < run->page; i += sizeof(sum)) {
		uint64_t word;

		memcpy(&word, bytes + i, sizeof(word));
		sum = sum * 31 + word;
	}
	say(run, "all of it: %llx\n", (unsigned long long)sum);
}

void do_touch(struct run *run, int page, bool write)
{
	touch(run, "page", run->area + (size_t)page * run->page + 100, page,
	      write);
}

void do_other(struct run *run, int page, bool write)
{
	if (run->other)
		touch(run, "other", run->other + (size_t)page * run->page + 100,
		      page, write);
}

void do_source(struct run *run, int page, bool write)
{
	touch(run, "byte", run->bytes + (size_t)page * run->page + 100, page,
	      write);
}

void do_read(struct run *run)
{
	struct uffd_msg message;
	ssize_t n = run->who->read(run->fd, &message, sizeof(message));

	if (n != (ssize_t)sizeof(message)) {
		say(run, "message: %s\n", name_of((int)n));
		return;
	}
	say(run, "message: event %x flags %llx at %lld\n", message.event,
	    (unsigned long long)message.arg.pagefault.flags,
	    (long long)(message.arg.pagefault.address - (uintptr_t)run->area));
}

void do_poll(struct run *run)
{
	struct pollfd wanted = { .fd = run->fd, .events = POLLIN };
	int n = poll(&wanted, 1, 0);

	say(run, "poll: %d %x\n", n, (unsigned)wanted.revents);
}

/* Threads */

static void *run_toucher(void *arg)
{
	struct toucher *toucher = arg;

	mf_store_release(&toucher->tid, (uint32_t)gettid());
	toucher->saw = touch_byte(toucher->byte, toucher->write, 42);
	mf_store_release(&toucher->done, 1);
	return NULL;
}

bool do_settle(struct toucher *toucher)
{
	char path[64], line[256] = "";

	toucher->slept = 0;

	for (int i = 0; i < 2000 && !mf_load_acquire(&toucher->done); i++) {
		uint32_t tid = mf_load_acquire(&toucher->tid);
		const char *end;
		FILE *stat;

		usleep(300);
		snprintf(path, sizeof(path), "/proc/self/task/%u/stat", tid);
		stat = tid ? fopen(path, "re") : NULL;
		if (!stat)
			continue;
		end = fgets(line, sizeof(line), stat) ? strrchr(line, ')')
						      : NULL;
		fclose(stat);
		/* Not just once: it may have slept for a lock. */
		if (!end || end[2] != 'S')
			toucher->slept = 0;
		else if (++toucher->slept == 5)
			break;
	}
	return mf_load_acquire(&toucher->done);
}

void do_start(struct toucher *toucher, struct run *run, int page, bool write)
{
	*toucher = (struct toucher){
		/* Not where others of the page look: who is first is open. */
		.byte = run->area + (size_t)page * run->page +
			(write ? 200 : 100),
		.write = write,
	};
	ck_assert_int_eq(
		pthread_create(&toucher->id, NULL, run_toucher, toucher), 0);
	(void)do_settle(toucher);
}

void do_wait(struct run *run)
{
	struct pollfd wanted = { .fd = run->fd, .events = POLLIN };

	(void)poll(&wanted, 1, 300);
}

void do_finish(struct toucher *toucher, struct run *run)
{
	pthread_join(toucher->id, NULL);
	say(run, "thread saw %d\n", toucher->saw);
}
