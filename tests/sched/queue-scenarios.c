/* SPDX-License-Identifier: MIT */
/*
 * queue-scenarios.c - threads that wait for a userfaultfd, who reads about
 * them, and who wakes them.
 *
 * The page is a word here: what lib/uffd/touch.c does around the queue is done
 * in fault() once more.
 */
#include <errno.h>

#include "mm/mm.h"
#include "sched/engine.h"
#include "sched/kernel.h"
#include "sched/program.h"
#include "sched/scenarios.h"
#include "uffd/queue.h"

#define ADDR  0x5000
#define LEN   4096
#define EVENT MFX_EVENT_FD

static struct {
	uint32_t owner;
	uint32_t page;	/* it is there */
	uint32_t woken; /* who put it has woken a fault that waited before */
	uint32_t added; /* a fault is in the queue, and waits for a reader */
} shared;

static void set_up(void)
{
	mfx_state(&shared, sizeof(shared));
	if (mf_queue_start() < 0)
		mfx_bug(MFX_INVARIANT, "the queue does not start");
	shared.owner = mf_queue_open();
	mfx_name(&shared.page, 4, "the page");
	mfx_name(&shared.woken, 4, "the end of the wake");
	mfx_name(&shared.added, 4, "the mark of the fault");
}

/* As a touch of the page: announce, look again, wait. */
static void fault(void)
{
	const struct uffd_msg message = { .event = UFFD_EVENT_PAGEFAULT };

	while (!mf_load_seq_cst(&shared.page)) {
		struct mf_waiter *waiter = mf_queue_add(shared.owner, EVENT,
							ADDR, &message);

		if (!waiter) {
			mfx_bug(MFX_INVARIANT, "there is no place to wait");
			return;
		}
		mf_store_seq_cst(&shared.added, 1U);
		if (mf_load_seq_cst(&shared.page))
			mf_queue_remove(waiter);
		else
			mf_queue_wait(waiter, &(const sigset_t){ { 0 } });
		mfx_forget(1);
	}
}

static void put_page(void)
{
	uint32_t added = mf_load_seq_cst(&shared.added);

	mf_store_seq_cst(&shared.page, 1U);
	mf_queue_wake(shared.owner, ADDR, LEN);
	mf_store_seq_cst(&shared.woken, added);
}

static int read_one(struct uffd_msg *ret)
{
	int n = mf_queue_read(shared.owner, EVENT, ret, 1, NULL);

	mfx_say("reads %d message%s", n, n == 1 ? "" : "s");
	return n;
}

/* The handler that a program has: poll, read, put the page. */
static void handle(void)
{
	struct uffd_msg message;

	do {
		mfx_kernel_poll(EVENT);
	} while (read_one(&message) == 0);
	put_page();
}

/* Another thread than the one that reads puts the page. */
static void read_or_not(void)
{
	bool late = mf_load_seq_cst(&shared.woken);
	struct uffd_msg message;

	if (read_one(&message) > 0 && late)
		mfx_bug(MFX_INVARIANT,
			"a message is read whose thread was woken before");
}

static void actor(void)
{
	const struct uffd_msg message = { .event = UFFD_EVENT_REMOVE };

	mf_queue_begin_change(shared.owner);
	mfx_expect("an event",
		   mf_queue_event(shared.owner, EVENT, &message, 0, 0), 0, 0);
	mfx_forget(2);
}

/* Both messages, and a fault goes before an event. */
static void handle_both(void)
{
	for (int left = 2; left > 0; left--) {
		struct uffd_msg message = { .event = 0 };
		bool fault_waits;

		mfx_kernel_poll(EVENT);
		fault_waits = mf_load_seq_cst(&shared.added) &&
			      !mf_load_seq_cst(&shared.page);
		mfx_expect("a read", read_one(&message), 1, 1);
		if (message.event == UFFD_EVENT_PAGEFAULT)
			put_page();
		else if (fault_waits)
			mfx_bug(MFX_INVARIANT,
				"an event is read before a fault");
	}
}

static void give_up(void)
{
	const struct uffd_msg message = { .event = UFFD_EVENT_PAGEFAULT };
	struct mf_waiter *waiter = mf_queue_add(shared.owner, EVENT, ADDR + LEN,
						&message);

	if (waiter)
		mf_queue_remove(waiter);
}

static void put_page_only(void)
{
	put_page();
}

static void check_empty(void)
{
	struct uffd_msg message;

	mfx_queue_check_empty(shared.owner);
	if (mfx_kernel_readable(EVENT))
		mfx_bug(MFX_INVARIANT,
			"the descriptor is readable without a message");
	mfx_expect("a late read", read_one(&message), 0, 0);
}

/* A child that may be killed waits; its parent puts the page. */
static void check_after_death(void)
{
	struct uffd_msg message;

	mfx_expect("a late read", read_one(&message), 0, 0);
	mf_queue_wake(shared.owner, ADDR, LEN);
	give_up();
	check_empty();
}

#define QUEUE(title, text, ...)                                              \
	{                                                                    \
		.name = title, .story = text, .n_processes = 1,              \
		.setup = set_up, .check = check_empty, .thread = __VA_ARGS__ \
	}
#define THREADS(...)        \
	{                   \
		__VA_ARGS__ \
	}

const struct mfx_scenario mfx_queue_scenarios[] = {
	QUEUE("queue-fault", "a fault, and the handler that polls and reads",
	      THREADS({ "A1", 0, fault }, { "A2", 0, handle })),
	QUEUE("queue-retract",
	      "a page is put and its thread woken, while another may read "
	      "about it",
	      THREADS({ "A1", 0, fault }, { "A2", 0, put_page_only },
		      { "A3", 0, read_or_not })),
	QUEUE("queue-two", "two faults of one page, and one handler",
	      THREADS({ "A1", 0, fault }, { "A2", 0, fault },
		      { "A3", 0, handle })),
	QUEUE("queue-give-up",
	      "a thread that does not wait after all, beside a fault",
	      THREADS({ "A1", 0, fault }, { "A2", 0, give_up },
		      { "A3", 0, put_page_only })),
	QUEUE("queue-event", "a fault and an event, and one handler",
	      THREADS({ "A1", 0, fault }, { "A2", 0, actor },
		      { "A3", 0, handle_both })),
	{
		.name = "queue-tso",
		.story = "a fault and its handler, stores wait in buffers",
		.n_processes = 1,
		.setup = set_up,
		.check = check_empty,
		.thread = THREADS({ "A1", 0, fault }, { "A2", 0, handle }),
		.budget = { .tso = true },
	},
	{
		.name = "queue-dies",
		.story = "a fault in a child that may be killed; the parent "
			 "puts the page, and faults, too",
		.n_processes = 2,
		.setup = set_up,
		.check = check_after_death,
		.thread = THREADS({ "B1", 1, fault }, { "A1", 0, fault },
				  { "A2", 0, put_page_only }),
		.budget = { .deaths = 1 },
		.mortal = 2,
	},
	{ .name = NULL },
};
