/* SPDX-License-Identifier: MIT */
/*
 * change.c - change mappings and fork, beside the kernel and beside mfill.
 *
 * Context: as in change.h.
 */
#include "conform/change.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sync.h"
#include "harness/harness.h"
#include "uffd/change.h"

static char *first_area; /* where the area was at first */

static char *at(const struct run *run, int page)
{
	return run->area + (ptrdiff_t)page * (ptrdiff_t)run->page;
}

static int result_of(long r)
{
	return r < 0 ? -errno : 0;
}

/* A place with room around it, as the area has. */
static char *new_place(const struct run *run)
{
	char *room = mmap(NULL, (PAGES + 4) * run->page, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(room, MAP_FAILED);
	return room + run->page;
}

static int advise(const struct changer *changer, void *addr, size_t len)
{
	int r = changer->run->who == &mfill
			? mf_uffd_madvise(addr, len, changer->argument)
			: -ENOENT;

	return r == -ENOENT ? result_of(madvise(addr, len, changer->argument))
			    : r;
}

static int protect(const struct changer *changer, void *addr, size_t len)
{
	int r = changer->run->who == &mfill
			? mf_uffd_mprotect(addr, len, changer->argument)
			: -ENOENT;

	return r == -ENOENT ? result_of(mprotect(addr, len, changer->argument))
			    : r;
}

static int unmap(const struct changer *changer, void *addr, size_t len)
{
	int r = changer->run->who == &mfill ? mf_uffd_munmap(addr, len)
					    : -ENOENT;

	return r == -ENOENT ? result_of(munmap(addr, len)) : r;
}

static int map_over(const struct changer *changer, void *addr, size_t len)
{
	const int prot = PROT_READ | PROT_WRITE;
	const int flags = (changer->argument ? MAP_SHARED : MAP_PRIVATE) |
			  MAP_ANONYMOUS | MAP_FIXED;
	void *got;
	int r = changer->run->who == &mfill
			? mf_uffd_mmap(addr, len, prot, flags, -1, 0, &got)
			: -ENOENT;

	return r == -ENOENT ? result_of(mmap(addr, len, prot, flags, -1, 0) ==
							MAP_FAILED
						? -1
						: 0)
			    : r;
}

/* To another place when to is given; how long then: argument. */
static int remap(const struct changer *changer, void *addr, size_t len)
{
	bool moves = changer->how == MOVE || changer->how == LEAVE;
	char *to = moves ? changer->to : NULL;
	struct run *run = changer->run;
	size_t new_len = (size_t)changer->argument * run->page;
	int flags = (to ? MREMAP_MAYMOVE | MREMAP_FIXED : 0) |
		    (changer->how == LEAVE ? MREMAP_DONTUNMAP : 0);
	void *got = addr;
	int r = run->who == &mfill
			? mf_uffd_mremap(addr, len, new_len, flags, to, &got)
			: -ENOENT;

	if (r == -ENOENT) {
		got = mremap(addr, len, new_len, flags, to);
		r = got == MAP_FAILED ? -errno : 0;
	}
	return r;
}

void change(struct changer *changer)
{
	static int (*const changes[])(const struct changer *changer, void *addr,
				      size_t len) = {
		[ADVISE] = advise,     [PROTECT] = protect, [UNMAP] = unmap,
		[MAP_OVER] = map_over, [MOVE] = remap,	    [RESIZE] = remap,
		[LEAVE] = remap,
	};

	changer->result = changes[changer->how](
		changer, at(changer->run, changer->page),
		(size_t)changer->n * changer->run->page);
}

static const char *const names[] = {
	[ADVISE] = "advise",	 [PROTECT] = "protect", [UNMAP] = "unmap",
	[MAP_OVER] = "map over", [MOVE] = "move",	[RESIZE] = "resize",
	[LEAVE] = "leave",
};

static const char *error_name(int r)
{
	return r == 0 ? "0" : strerrorname_np(-r);
}

void tell_change(const struct changer *changer, struct run *run)
{
	say(run, "%s %d+%d, %d: %s\n", names[changer->how], changer->page,
	    changer->n, changer->argument, error_name(changer->result));
}

/* Where the area is from now on; the old place is remembered. */
static char *prepare(struct run *run, enum change how)
{
	first_area = run->area;
	return how == MOVE || how == LEAVE ? new_place(run) : NULL;
}

void do_change(struct run *run, enum change how, int page, int n, int argument)
{
	struct changer changer = { .run = run,
				   .how = how,
				   .page = page,
				   .n = n,
				   .argument = argument };

	changer.to = prepare(run, how);
	change(&changer);
	if (changer.to && changer.result == 0)
		run->area = changer.to;
	tell_change(&changer, run);
}

void do_go_there(struct run *run)
{
	char *here = run->area;

	run->area = first_area;
	first_area = here;
}

static char *thread_to;

static void *run_changer(void *arg)
{
	struct changer *changer = arg;

	change(changer);
	mf_store_release(&changer->done, 1U);
	return NULL;
}

void do_start_change(struct changer *changer, struct run *run, enum change how,
		     int page, int n, int argument)
{
	*changer = (struct changer){ .run = run,
				     .how = how,
				     .page = page,
				     .n = n,
				     .argument = argument };
	changer->to = thread_to = prepare(run, how);
	ck_assert_int_eq(
		pthread_create(&changer->id, NULL, run_changer, changer), 0);
	do_wait(run);
}

void do_is_changed(struct changer *changer, struct run *run)
{
	say(run, "%s is done: %u\n", names[changer->how],
	    mf_load_acquire(&changer->done));
}

void do_finish_change(struct changer *changer, struct run *run)
{
	pthread_join(changer->id, NULL);
	if (thread_to && changer->result == 0)
		run->area = thread_to;
	thread_to = NULL;
	tell_change(changer, run);
}

/* Messages */

static void say_place(struct run *run, const char *what, uint64_t addr)
{
	const char *place = (const char *)(uintptr_t)addr;
	ptrdiff_t room = (PAGES + 4) * (ptrdiff_t)run->page;

	if (thread_to && place - thread_to >= 0 && place - thread_to < room)
		say(run, " %s new+%td", what, place - thread_to);
	else
		say(run, " %s %td", what, place - first_area);
}

void do_event(struct run *run)
{
	struct uffd_msg message;
	ssize_t n = run->who->read(run->fd, &message, sizeof(message));

	if (n != (ssize_t)sizeof(message)) {
		say(run, "event: %s\n", error_name((int)n));
		return;
	}
	say(run, "event %x:", message.event);
	switch (message.event) {
	case UFFD_EVENT_REMAP:
		say_place(run, "from", message.arg.remap.from);
		say_place(run, "to", message.arg.remap.to);
		say(run, " %lld", (long long)message.arg.remap.len);
		break;
	case UFFD_EVENT_REMOVE:
	case UFFD_EVENT_UNMAP:
		say_place(run, "from", message.arg.remove.start);
		say_place(run, "to", message.arg.remove.end);
		break;
	default:
		say_place(run, "at", message.arg.pagefault.address);
	}
	say(run, "\n");
}

/* Forks */

/* Touches in the child go into its own log, and that through a pipe. */
static void be_child(struct child *child)
{
	struct run *run = child->run;
	size_t before = run->logged;
	char byte;

	if (child->go[0] >= 0 && read(child->go[0], &byte, 1) != 1)
		_exit(2);
	for (int i = 0; i < run->pages; i++)
		do_touch(run, i, i % 2);
	do_marks(run);
	if (write(child->out[1], run->log + before, run->logged - before) < 0)
		_exit(1);
	_exit(0);
}

void start_child(struct child *child)
{
	child->id = mf_test_fork();
	if (child->id == 0)
		be_child(child);
}

void let_child_go(const struct child *child)
{
	ck_assert_int_eq(write(child->go[1], "", 1), 1);
}

void hear_child(const struct child *child)
{
	char text[2048];
	int status;
	ssize_t n;

	close(child->out[1]);
	while ((n = read(child->out[0], text, sizeof(text) - 1)) > 0) {
		text[n] = '\0';
		say(child->run, "%s", text);
	}
	close(child->out[0]);
	ck_assert_int_eq(waitpid(child->id, &status, 0), child->id);
	say(child->run, "child: %x\n", (unsigned)status);
}

void do_fork(struct run *run)
{
	struct child child = { .run = run, .go = { -1, -1 } };

	ck_assert_int_eq(pipe2(child.out, O_CLOEXEC), 0);
	start_child(&child);
	hear_child(&child);
}

static void *run_fork(void *arg)
{
	start_child(arg);
	return NULL;
}

/* What the parent does to the child, and to itself meanwhile. */
static void drive(struct run *run, int fd)
{
	int own = run->fd;

	run->fd = fd;
	do_copy(run, 0, 3, 0);
	do_zero(run, 4, 1, 0);
	do_poison(run, 5, 1, 0);
	do_unregister(run, 6, 2);
	do_wake(run, 0, 8);
	run->fd = own;
}

void do_fork_with_event(struct run *run, bool waits)
{
	struct child child = { .run = run };
	struct uffdio_copy copy = { .dst = (uintptr_t)at(run, 0),
				    .src = (uintptr_t)run->bytes,
				    .len = run->page };
	struct uffd_msg message;
	pthread_t thread;
	ssize_t n;
	int r;

	ck_assert_int_eq(pipe2(child.out, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(child.go, O_CLOEXEC), 0);
	/* Nothing more of Check's until then: a child may have its lock. */
	if (pthread_create(&thread, NULL, run_fork, &child) != 0)
		ck_abort_msg("no thread");
	do_wait(run);
	/* fork() has the lock of malloc(), which Check and say() use, too. */
	r = run->who->ioctl(run->fd, UFFDIO_COPY, &copy);
	n = run->who->read(run->fd, &message, sizeof(message));
	pthread_join(thread, NULL);
	ck_assert_int_eq(n, sizeof(message));
	say(run, "event %x, copy before: %s, %lld\n", message.event,
	    error_name(r), (long long)copy.copy);
	do_read(run);
	if (waits)
		let_child_go(&child);
	if (message.event == UFFD_EVENT_FORK)
		drive(run, (int)message.arg.fork.ufd);
	if (!waits)
		let_child_go(&child);
	hear_child(&child);
	do_copy(run, 0, 1, 0);
	close(child.go[0]);
	close(child.go[1]);
	if (message.event == UFFD_EVENT_FORK)
		(void)run->who->close((int)message.arg.fork.ufd);
}
