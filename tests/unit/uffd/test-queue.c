/* SPDX-License-Identifier: MIT */
/*
 * test-queue.c - who waits, and who reads of it.
 */
#include "uffd/queue.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sync.h"
#include "harness/harness.h"
#include "mm/mm.h"

#define ADDR ((uintptr_t)0x10000)
#define PAGE ((size_t)4096)

static uint32_t owner;
static int event;

static void set_up(void)
{
	ck_assert_ptr_nonnull(mf_mm_self());
	ck_assert_int_eq(mf_queue_start(), 0);
	owner = mf_queue_open();
	ck_assert_uint_ne(owner, 0);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void tear_down(void)
{
	mf_queue_close(owner);
	close(event);
}

static struct uffd_msg message(uint8_t kind, uintptr_t addr)
{
	struct uffd_msg made = { .event = kind };

	made.arg.pagefault.address = addr;
	return made;
}

static struct mf_waiter *add_at(uintptr_t addr)
{
	struct uffd_msg text = message(UFFD_EVENT_PAGEFAULT, addr);

	return mf_queue_add(owner, event, addr, &text);
}

static struct mf_waiter *wait_at(uintptr_t addr)
{
	struct mf_waiter *waiter = add_at(addr);

	ck_assert_ptr_nonnull(waiter);
	return waiter;
}

/* The event's number, or 0: there is no message. */
static int read_one(void)
{
	struct uffd_msg got;
	int n = mf_queue_read(owner, event, &got, 1, NULL);

	ck_assert_int_ge(n, 0);
	return n ? got.event : 0;
}

static bool is_readable(void)
{
	struct pollfd wanted = { .fd = event, .events = POLLIN };

	return poll(&wanted, 1, 0) == 1;
}

/* An actor in a thread of its own. */
static uint32_t actor_done;
static int actor_result;

static void *act(void *arg)
{
	struct uffd_msg text = message(UFFD_EVENT_REMOVE, 0);

	(void)arg;
	mf_queue_begin_change(owner);
	actor_result = mf_queue_event(owner, event, &text, 0, -1);
	mf_store_release(&actor_done, 1U);
	return NULL;
}

static pthread_t start_actor(void)
{
	pthread_t thread;

	mf_store_release(&actor_done, 0U);
	ck_assert_int_eq(pthread_create(&thread, NULL, act, NULL), 0);
	while (!is_readable())
		usleep(100);
	return thread;
}

TEST(a_message_is_gone_with_its_thread)
{
	struct mf_waiter *waiter;

	set_up();
	waiter = wait_at(ADDR);
	ck_assert(is_readable());
	mf_queue_remove(waiter);
	ck_assert(!is_readable());
	ck_assert_int_eq(read_one(), 0);
	tear_down();
}

TEST(who_is_woken_before_it_was_read_of_is_never_read_of)
{
	struct mf_waiter *first, *second;

	set_up();
	first = wait_at(ADDR);
	second = wait_at(ADDR + PAGE);
	mf_queue_wake(owner, ADDR, PAGE);
	ck_assert(is_readable());
	ck_assert_int_eq(read_one(), UFFD_EVENT_PAGEFAULT);
	ck_assert_int_eq(read_one(), 0);
	ck_assert(!is_readable());
	mf_queue_remove(first);
	mf_queue_remove(second);
	tear_down();
}

TEST(faults_are_read_before_an_event_that_came_first)
{
	struct mf_waiter *waiter;
	pthread_t actor;

	set_up();
	actor = start_actor();
	waiter = wait_at(ADDR);
	ck_assert_int_eq(read_one(), UFFD_EVENT_PAGEFAULT);
	ck_assert_int_eq(read_one(), UFFD_EVENT_REMOVE);
	pthread_join(actor, NULL);
	mf_queue_remove(waiter);
	tear_down();
}

TEST(an_event_holds_its_actor_until_it_is_read)
{
	pthread_t actor;

	set_up();
	actor = start_actor();
	mf_queue_wake(owner, 0, SIZE_MAX); /* that is for faults */
	usleep(20000);
	ck_assert_uint_eq(mf_load_acquire(&actor_done), 0);
	ck_assert(mf_queue_is_changing(owner));
	ck_assert_int_eq(read_one(), UFFD_EVENT_REMOVE);
	pthread_join(actor, NULL);
	ck_assert_int_eq(actor_result, 0);
	ck_assert(!mf_queue_is_changing(owner));
	tear_down();
}

/* Whether the actor has run since or not. */
TEST(an_event_that_was_read_was_read_although_it_is_closed_then)
{
	for (int i = 0; i < 200; i++) {
		pthread_t actor;

		set_up();
		actor = start_actor();
		ck_assert_int_eq(read_one(), UFFD_EVENT_REMOVE);
		mf_queue_close(owner);
		pthread_join(actor, NULL);
		ck_assert_int_eq(actor_result, 0);
		close(event);
	}
}

TEST(closing_lets_everybody_go)
{
	struct mf_waiter *waiter;
	pthread_t actor;
	sigset_t none;

	set_up();
	sigemptyset(&none);
	actor = start_actor();
	waiter = wait_at(ADDR);
	mf_queue_close(owner);
	mf_queue_wait(waiter, &none);
	pthread_join(actor, NULL);
	ck_assert_int_eq(actor_result, -ECANCELED);
	close(event);
}

TEST(a_dead_process_leaves_no_message)
{
	pid_t child;
	int status;

	set_up();
	child = mf_test_fork();
	if (child == 0) {
		(void)add_at(ADDR);
		raise(SIGKILL);
	}
	waitpid(child, &status, 0);
	ck_assert_int_eq(read_one(), 0);
	ck_assert(!is_readable());
	tear_down();
}

TEST(a_parent_reads_of_its_child_and_the_child_goes_on)
{
	sigset_t none;
	pid_t child;
	int status;

	set_up();
	sigemptyset(&none);
	child = mf_test_fork();
	if (child == 0) {
		mf_queue_wait(add_at(ADDR), &none);
		_exit(0);
	}
	while (!is_readable())
		usleep(100);
	ck_assert_int_eq(read_one(), UFFD_EVENT_PAGEFAULT);
	mf_queue_wake(owner, ADDR, PAGE);
	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
	tear_down();
}

/* Wherever it is killed, with the lock or without it, others go on. */
TEST_WITHIN(a_process_killed_anywhere_stops_nobody, 60)
{
	set_up();
	for (int i = 0; i < 200; i++) {
		pid_t child = mf_test_fork();

		if (child == 0)
			for (;;) /* no ck_assert: Check would hear half */
				mf_queue_remove(add_at(ADDR));
		while (!is_readable())
			;
		usleep((useconds_t)(7 * i));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		for (int j = 0; j < 20; j++)
			mf_queue_remove(wait_at(ADDR + PAGE));
		ck_assert_int_eq(read_one(), 0);
	}
	tear_down();
}
