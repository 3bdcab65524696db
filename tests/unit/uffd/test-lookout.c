/* SPDX-License-Identifier: MIT */
/*
 * test-lookout.c - who serves faults looks before it sleeps.
 */
#include "uffd/lookout.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "harness/harness.h"
#include "mm/mm.h"
#include "uffd/queue.h"

static const struct uffd_msg text = { .event = UFFD_EVENT_PAGEFAULT };
static uint32_t owner;
static int event;
static volatile sig_atomic_t handled;

static void on_usr1(int sig)
{
	(void)sig;
	handled++;
}

static void run_on(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		SKIP("a second processor");
}

static void *fault(void *arg)
{
	(void)arg;
	run_on(1);
	return mf_queue_add(owner, event, 0x10000, &text);
}

static struct mf_waiter *fault_elsewhere(void)
{
	pthread_t thread;
	void *waiter;

	ck_assert_int_eq(pthread_create(&thread, NULL, fault, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, &waiter), 0);
	ck_assert_ptr_nonnull(waiter);
	return waiter;
}

/* A fault came from another processor, and this thread has served it. */
static void set_up(void)
{
	struct uffd_msg got;

	ck_assert_ptr_nonnull(mf_mm_self());
	ck_assert_int_eq(mf_queue_start(), 0);
	owner = mf_queue_open();
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	run_on(0);
	fault_elsewhere();
	ck_assert_int_eq(mf_queue_read(owner, event, &got, 1, NULL), 1);
	mf_queue_wake(owner, 0, SIZE_MAX);
}

static void tear_down(void)
{
	mf_queue_close(owner);
	close(event);
}

static void *look(void *arg)
{
	sigset_t before;

	(void)arg;
	return mf_lookout_begin(&before) ? &owner : NULL;
}

TEST(who_never_served_does_not_look)
{
	pthread_t thread;
	void *looked;

	set_up();
	ck_assert_int_eq(pthread_create(&thread, NULL, look, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, &looked), 0);
	ck_assert_ptr_null(looked);
	tear_down();
}

TEST(nobody_looks_for_faults_of_a_closed_userfaultfd)
{
	sigset_t before;

	set_up();
	tear_down();
	ck_assert(!mf_lookout_begin(&before));
}

/* The kernel's poll() would end as well, had it begun. */
TEST(a_signal_that_comes_while_it_looks_ends_the_sleep)
{
	struct pollfd wanted = { .events = POLLIN };
	struct sigaction action = { .sa_handler = on_usr1 };
	sigset_t before;

	set_up();
	wanted.fd = event;
	sigaction(SIGUSR1, &action, NULL);
	ck_assert(mf_lookout_begin(&before));
	raise(SIGUSR1);
	ck_assert_int_eq(handled, 0);
	ck_assert_int_eq(ppoll(&wanted, 1, NULL, &before), -1);
	ck_assert_int_eq(errno, EINTR);
	ck_assert_int_eq(handled, 1);
	mf_lookout_end(&before);
	raise(SIGUSR1);
	ck_assert_int_eq(handled, 2);
	tear_down();
}

TEST(nobody_looks_for_a_message_that_is_there)
{
	sigset_t before;

	set_up();
	fault_elsewhere();
	ck_assert(!mf_lookout_begin(&before));
	ck_assert_int_eq(mf_lookout_poll(event), 1);
	tear_down();
}

static void *fault_soon(void *arg)
{
	usleep(20000);
	return fault(arg);
}

TEST(a_message_that_comes_later_is_waited_for)
{
	pthread_t thread;

	set_up();
	ck_assert_int_eq(pthread_create(&thread, NULL, fault_soon, NULL), 0);
	ck_assert_int_eq(mf_lookout_poll(event), 1);
	pthread_join(thread, NULL);
	tear_down();
}
