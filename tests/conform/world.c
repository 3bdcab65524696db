/* SPDX-License-Identifier: MIT */
/*
 * world.c - random changes of mappings, and what is where then.
 *
 * Context: as in world.h.
 */
#include "conform/world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/harness.h"

/* Places */

static void set_piece(struct world *world, int page, int n, bool shared)
{
	int piece = world->pieces++;

	for (int i = 0; i < n; i++)
		world->places[page + i] = (struct place){
			.mapped = true,
			.prot = PROT_READ | PROT_WRITE,
			.shared = shared,
			.piece = piece,
			.offset = i,
		};
}

void world_start(struct world *world, struct run *run, uint64_t features,
		 bool waits, bool passing)
{
	*world = (struct world){ .run = run,
				 .features = features,
				 .waits = waits,
				 .passing = passing };
	set_piece(world, 0, PAGES, run->memory != ANON);
}

/* Two neighbours that were not mapped together: the kernel may join them. */
static bool is_seam(const struct place *left, const struct place *right)
{
	return left->mapped && right->mapped &&
	       (left->piece != right->piece ||
		left->offset + 1 != right->offset);
}

int world_cut(const struct world *world, int page, int n)
{
	const struct place *places = world->places;
	int i = 1;

	while (i < n && page + i < WORLD &&
	       !is_seam(&places[page + i - 1], &places[page + i]))
		i++;
	return i;
}

/*
 * The same for what is to move. Since Linux 6.17 several mappings move, one
 * after the other, with as many messages, until there is one that is
 * registered.
 */
static int cut_to_move(const struct world *world, int page, int n)
{
	const struct place *places = world->places;
	int all = world_cut(world, page, n), i = 1;

	while (i < all &&
	       (places[page].registered ||
		(places[page + i].mapped && !places[page + i].registered &&
		 places[page + i].prot == places[page].prot)))
		i++;
	return i;
}

int world_cut_certain(const struct world *world, int page, int n)
{
	bool by_child = world->passing && world->forked;
	int i = 0;

	n = world_cut(world, page, n);
	while (i < n && !world->places[page + i].beyond &&
	       !(by_child && world->places[page + i].shared))
		i++;
	return i;
}

static void set_registered(struct world *world, int page, int n, bool is)
{
	for (int i = page; i < page + n && i < WORLD; i++)
		world->places[i].registered = is && world->places[i].mapped;
}

void world_register(struct world *world, int page, int n, uint64_t mode)
{
	if (do_register(world->run, page, n, mode) == 0)
		set_registered(world, page, n, true);
}

void world_unregister(struct world *world, int page, int n)
{
	if (do_unregister(world->run, page, n) == 0)
		set_registered(world, page, n, false);
}

static void clear(struct world *world, int page, int n)
{
	for (int i = page; i < page + n && i < WORLD; i++)
		world->places[i].mapped = world->places[i].registered = false;
}

/*
 * Touched once, while nothing is registered there: else which of its parts the
 * kernel joins again would depend on which were touched first. It stays where
 * somebody may have waited for what was there before, and go on.
 */
static void map_new(struct world *world, int page, int n, bool shared)
{
	struct run *run = world->run;
	char *byte = run->area + (size_t)page * run->page;

	set_piece(world, page, n, shared);
	if (shared)
		return;
	*byte = 0;
	if (!world->waits)
		ck_assert_int_eq(madvise(byte, run->page, MADV_DONTNEED), 0);
}

static void grow(struct world *world, int page, int n, int new_n)
{
	struct place *last = &world->places[page + n - 1];

	for (int i = n; i < new_n; i++) {
		world->places[page + i] = *last;
		world->places[page + i].offset += i - n + 1;
		world->places[page + i].beyond = true;
	}
}

static void resize(struct world *world, int page, int n, int new_n)
{
	if (new_n < n)
		clear(world, page + new_n, n - new_n);
	grow(world, page, n, new_n);
}

static void move(struct world *world, int page, int n, int new_n, int to)
{
	bool keeps = world->features & UFFD_FEATURE_EVENT_REMAP;
	int kept = n < new_n ? n : new_n;
	struct place moved[WORLD];

	memcpy(moved, &world->places[page], (size_t)n * sizeof(moved[0]));
	clear(world, page, n);
	memcpy(&world->places[to], moved, (size_t)kept * sizeof(moved[0]));
	grow(world, to, kept, new_n);
	if (!keeps)
		set_registered(world, to, new_n, false);
}

/* Still registered, and as if each page were mapped by itself. */
static void leave(struct world *world, int page, int n, int to)
{
	struct place before[WORLD];

	memcpy(before, &world->places[page], (size_t)n * sizeof(before[0]));
	move(world, page, n, n, to);
	for (int i = 0; i < n; i++) {
		world->places[page + i] = before[i];
		world->places[page + i].piece = world->pieces++;
	}
}

/* Up to a hole, also when the kernel says that there is one. */
static void protect(struct world *world, int page, int n, int prot)
{
	for (int i = page; i < page + n && i < WORLD && world->places[i].mapped;
	     i++)
		world->places[i].prot = prot;
}

static void follow(struct world *world, const struct changer *changer, int to)
{
	switch (changer->how) {
	case UNMAP:
		clear(world, changer->page, changer->n);
		break;
	case MAP_OVER:
		map_new(world, changer->page, changer->n, changer->argument);
		break;
	case MOVE:
		move(world, changer->page, changer->n, changer->argument, to);
		break;
	case RESIZE:
		resize(world, changer->page, changer->n, changer->argument);
		break;
	case LEAVE:
		leave(world, changer->page, changer->n, to);
		break;
	default:
		break;
	}
}

/* A thread that does something, of which messages tell. */

struct actor {
	void (*act)(void *arg);
	void *arg;
	int over; /* eventfd: it has done it */
};

/* Up to some; the rest is read, and not told. */
#define HEARD 8

struct heard {
	struct uffd_msg message;
	int result; /* of a copy before it was read */
	long long copied;
};

static void *run_actor(void *arg)
{
	struct actor *actor = arg;

	actor->act(actor->arg);
	(void)eventfd_write(actor->over, 1);
	return NULL;
}

/* No malloc() in here: fork() may have it locked. */
static int hear(struct run *run, const struct actor *actor, int page,
		struct heard *ret)
{
	struct pollfd both[] = { { .fd = actor->over, .events = POLLIN },
				 { .fd = run->fd, .events = POLLIN } };
	int n = 0;

	while (poll(both, 2, 10000) > 0 && !both[0].revents) {
		struct heard *heard = &ret[n < HEARD ? n : HEARD - 1];
		struct uffdio_copy copy = {
			.dst = (uintptr_t)run->area + (size_t)page * run->page,
			.src = (uintptr_t)run->bytes,
			.len = run->page,
		};

		heard->result = run->who->ioctl(run->fd, UFFDIO_COPY, &copy);
		heard->copied = copy.copy;
		if (run->who->read(run->fd, &heard->message,
				   sizeof(heard->message)) > 0)
			n++;
	}
	return n < HEARD ? n : HEARD;
}

static void tell_place(struct run *run, const char *what, uint64_t addr)
{
	say(run, " %s %lld", what,
	    (long long)(addr - (uintptr_t)run->area) / (long long)run->page);
}

static void tell(struct run *run, const struct heard *heard)
{
	const struct uffd_msg *message = &heard->message;

	say(run, "copy: %d, %lld; event %x:", heard->result, heard->copied,
	    message->event);
	switch (message->event) {
	case UFFD_EVENT_REMAP:
		tell_place(run, "from", message->arg.remap.from);
		tell_place(run, "to", message->arg.remap.to);
		say(run, " %lld", (long long)message->arg.remap.len);
		break;
	case UFFD_EVENT_REMOVE:
	case UFFD_EVENT_UNMAP:
		tell_place(run, "from", message->arg.remove.start);
		tell_place(run, "to", message->arg.remove.end);
		break;
	case UFFD_EVENT_PAGEFAULT:
		tell_place(run, "at", message->arg.pagefault.address);
	}
	say(run, "\n");
}

/* A descriptor of the child's, or -1. */
static int act_and_hear(struct run *run, int page, void (*act)(void *arg),
			void *arg)
{
	struct actor actor = { act, arg, eventfd(0, EFD_CLOEXEC) };
	struct heard heard[HEARD];
	int n, fd = -1;
	pthread_t id;

	/* Nothing more of Check's until then: a child may have its lock. */
	if (pthread_create(&id, NULL, run_actor, &actor) != 0)
		ck_abort_msg("no thread");
	n = hear(run, &actor, page, heard);
	pthread_join(id, NULL);
	close(actor.over);
	for (int i = 0; i < n; i++) {
		tell(run, &heard[i]);
		if (heard[i].message.event == UFFD_EVENT_FORK)
			fd = (int)heard[i].message.arg.fork.ufd;
	}
	return fd;
}

/* Changes */

static void run_change(void *arg)
{
	change(arg);
}

static void make_change(struct world *world, struct changer *changer)
{
	if (world->features & WORLD_EVENTS)
		(void)act_and_hear(world->run, changer->page, run_change,
				   changer);
	else
		change(changer);
	tell_change(changer, world->run);
}

void world_drop(struct world *world, int page, int n)
{
	struct changer changer = { .run = world->run,
				   .how = ADVISE,
				   .page = page,
				   .argument = MADV_DONTNEED };

	/* One message for each mapping. */
	if (world->features & UFFD_FEATURE_EVENT_REMOVE)
		n = world_cut(world, page, n);
	changer.n = n;
	for (int i = page; i < page + n; i++)
		if (world->places[i].shared)
			changer.argument = MADV_REMOVE;
	make_change(world, &changer);
}

/*
 * What is registered, and moves without EVENT_REMAP to where the kernel joins
 * it to a neighbour, takes that one's registration along (seen on 6.18). It may
 * where that one is registered, too.
 */
static bool may_join_there(const struct world *world, int page, int n, int to)
{
	const struct place *first = &world->places[page];
	const struct place *left = &world->places[to > 0 ? to - 1 : to];
	const struct place *right =
		&world->places[to + n < WORLD ? to + n : to];

	return !(world->features & UFFD_FEATURE_EVENT_REMAP) &&
	       first->registered && (left->registered || right->registered);
}

static int random_access(unsigned argument)
{
	static const int all[] = { PROT_NONE, PROT_READ, PROT_WRITE,
				   PROT_READ | PROT_WRITE };

	/* The last one often: else nobody would get at anything. */
	return all[argument % 6 < 3 ? argument % 6 : 3];
}

static int at_most(int n, int most)
{
	return n < most ? n : most;
}

/* Who waits where nothing is any more sleeps in the kernel until then. */
static void wake(struct world *world, const struct changer *changer, int to)
{
	if (!world->waits || changer->how == PROTECT)
		return;
	if (changer->how == MOVE || changer->how == LEAVE)
		do_wake(world->run, to, changer->argument);
	if (changer->how != RESIZE || changer->argument < changer->n)
		do_wake(world->run, changer->page, changer->n);
}

void world_change(struct world *world, enum change how, int page, int n,
		  unsigned argument, unsigned to)
{
	struct run *run = world->run;
	struct changer changer = { .run = run, .how = how, .page = page };
	bool moves = how == MOVE || how == RESIZE || how == LEAVE;

	to %= WORLD;
	/* The file has what is left behind, and maps it in passing. */
	if (how == LEAVE && world->places[page].shared)
		how = changer.how = MOVE;
	if (moves)
		n = cut_to_move(world, page, n);
	changer.n = n;
	if (how == PROTECT)
		changer.argument = random_access(argument);
	if (how == MAP_OVER)
		changer.argument = argument % 3 == 0;
	if (moves)
		changer.argument = argument % 3 ? n : 1 + (int)argument / 3 % 6;
	if (how == LEAVE)
		changer.argument = changer.n = at_most(n, WORLD - (int)to);
	if (how == MOVE || how == LEAVE) {
		changer.to = run->area + to * run->page;
		changer.argument = at_most(changer.argument, WORLD - (int)to);
	}
	if (how == RESIZE)
		changer.argument = at_most(changer.argument, WORLD - page);
	/* Who touches what is beyond the end of a file is told of, or not. */
	if (moves && world->waits && world->places[page].shared)
		changer.argument = at_most(changer.argument, n);
	if (changer.to &&
	    may_join_there(world, page, changer.argument, (int)to))
		return;
	make_change(world, &changer);
	if (how == PROTECT)
		protect(world, page, n, changer.argument);
	else if (changer.result == 0)
		follow(world, &changer, (int)to);
	wake(world, &changer, (int)to);
}

/* Forks */

static void run_fork(void *arg)
{
	start_child(arg);
}

/* One operation on the child's memory, of order. */
static void drive(struct world *world, int page, int n, unsigned order)
{
	struct run *run = world->run;
	int one = world_cut(world, page, n);
	int certain = world_cut_certain(world, page, n);

	switch (order) {
	case 0:
		do_copy(run, page, one, 0);
		break;
	case 1:
		do_copy(run, page, one, UFFDIO_COPY_MODE_WP);
		break;
	case 2:
		do_zero(run, page, one, 0);
		break;
	case 3:
		if (certain > 0)
			do_poison(run, page, certain, 0);
		break;
	case 4:
		if (certain > 0)
			do_continue(run, page, certain, 0);
		break;
	case 5:
		do_protect(run, page, n, UFFDIO_WRITEPROTECT_MODE_WP);
		break;
	case 6:
		do_protect(run, page, n, 0);
		break;
	default:
		do_unregister(run, page, n);
	}
}

/* The child waits: fill what it asks for until it ends, or for a while. */
static void serve(struct run *run, const struct child *child)
{
	struct pollfd both[] = { { .fd = child->out[0], .events = POLLIN },
				 { .fd = run->fd, .events = POLLIN } };
	struct uffd_msg message;

	for (int i = 0; i < 3 * WORLD; i++) {
		int page;

		if (poll(both, 2, 3000) <= 0 || both[0].revents ||
		    run->who->read(run->fd, &message, sizeof(message)) <= 0)
			break;
		page = (int)((message.arg.pagefault.address -
			      (uintptr_t)run->area) /
			     run->page);
		say(run, "child at %d: %llx\n", page,
		    (unsigned long long)message.arg.pagefault.flags);
		if (message.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)
			do_protect(run, page, 1, 0);
		else if (message.arg.pagefault.flags &
			 UFFD_PAGEFAULT_FLAG_MINOR)
			do_continue(run, page, 1, 0);
		else
			do_copy(run, page, 1, 0);
	}
}

static void drive_child(struct world *world, const struct child *child, int fd,
			int page, int n, unsigned order)
{
	struct run *run = world->run;
	int own = run->fd;

	run->fd = fd;
	drive(world, page, n, order % 8);
	drive(world, (page + 3) % PAGES, 1, order / 8 % 8);
	if (order % 3 == 0)
		say(run, "close: %d\n", run->who->close(fd));
	let_child_go(child);
	if (order % 3 && world->waits)
		serve(run, child);
	/* Whoever waits yet goes on: the child is to end. */
	if (order % 3 && world->waits)
		say(run, "close: %d\n", run->who->close(fd));
	hear_child(child);
	if (order % 3 && !world->waits) {
		do_copy(run, page, 1, 0);
		say(run, "close: %d\n", run->who->close(fd));
	}
	run->fd = own;
}

void world_fork(struct world *world, int page, int n, unsigned order)
{
	struct run *run = world->run;
	struct child child = { .run = run };
	int fd = -1;

	ck_assert_int_eq(pipe2(child.out, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(child.go, O_CLOEXEC), 0);
	if (world->features & WORLD_EVENTS)
		fd = act_and_hear(run, page, run_fork, &child);
	else
		start_child(&child);
	say(run, "fork\n");
	if (fd >= 0) {
		drive_child(world, &child, fd, page, n, order);
	} else {
		let_child_go(&child);
		hear_child(&child);
	}
	close(child.go[0]);
	close(child.go[1]);
	world->forked = true;
}
