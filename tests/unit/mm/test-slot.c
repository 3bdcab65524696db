/* SPDX-License-Identifier: MIT */
/*
 * test-slot.c - every live thread has a slot, and a death is noticed.
 */
#include "mm/slot.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/harness.h"
#include "harness/needs.h"

/*
 * abort() and not Check's assertions, where threads come by: those belong to
 * the main thread.
 */
static uint32_t my_index(void)
{
	struct mf_slot *slot = mf_slot_self();

	if (!slot)
		abort();
	return mf_slot_index(slot);
}

static void *tell_index(void *ret)
{
	*(uint32_t *)ret = my_index();
	return NULL;
}

static uint32_t index_of_a_thread_that_ended(void)
{
	uint32_t index = 0;
	pthread_t thread;

	if (pthread_create(&thread, NULL, tell_index, &index) != 0)
		abort();
	pthread_join(thread, NULL);
	return index;
}

/* Room that a child shares with its parent. */
static uint32_t *shared_words(void)
{
	void *words = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(words != MAP_FAILED);
	return words;
}

/*
 * The kernel tells of a death before anybody else can know of it. Emulators
 * may take a moment; the time limit of the test says how long.
 */
static void assert_dies(uint32_t index)
{
	while (mf_slot_alive(index))
		usleep(100);
}

static void wait_for(uint32_t *word)
{
	while (!mf_load_acquire(word))
		usleep(100);
}

static void kill_and_reap(pid_t child)
{
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

/* A child that has taken a slot, says which, and waits to be killed. */
static pid_t child_with_a_slot(uint32_t *ret_index)
{
	uint32_t *word = shared_words();
	pid_t child;

	ck_assert_ptr_nonnull(mf_world()); /* or each would make its own */
	child = fork();
	if (child == 0) {
		mf_store_release(word, mf_slot_index(mf_slot_self()) + 1);
		for (;;)
			pause();
	}
	ck_assert_int_gt(child, 0);
	wait_for(word);
	*ret_index = *word - 1;
	ck_assert(mf_slot_alive(*ret_index));
	return child;
}

TEST(a_thread_keeps_its_slot)
{
	ck_assert_uint_eq(my_index(), my_index());
	ck_assert(mf_slot_alive(my_index()));
	ck_assert_uint_eq(mf_slot_self()->pid, getpid());
}

TEST(two_threads_have_two_slots)
{
	uint32_t mine = my_index();

	ck_assert_uint_ne(index_of_a_thread_that_ended(), mine);
	ck_assert_uint_eq(mf_world_slots(mf_world()), 2);
}

TEST(a_thread_that_ended_is_dead)
{
	uint32_t index;

	(void)my_index();
	index = index_of_a_thread_that_ended();
	assert_dies(index);
	ck_assert(!mf_slot_alive(index));
	ck_assert(mf_slot_alive(my_index()));
}

TEST(a_forked_child_has_a_slot_of_its_own)
{
	uint32_t mine = my_index(), childs;
	pid_t child = child_with_a_slot(&childs);

	ck_assert_uint_ne(mine, childs);
	ck_assert(mf_slot_alive(childs));
	kill_and_reap(child);
}

TEST(a_killed_process_is_dead)
{
	uint32_t index;
	pid_t child;

	child = child_with_a_slot(&index);
	kill_and_reap(child);
	assert_dies(index);
}

TEST(a_process_that_calls_exec_is_dead)
{
	uint32_t mine = my_index();
	uint32_t *word = shared_words();
	pid_t child;
	int status;

	child = fork();
	if (child == 0) {
		mf_store_release(word, mf_slot_index(mf_slot_self()) + 1);
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert_uint_ne(*word - 1, mine);
	assert_dies(*word - 1);
}

/* libc knows nothing of this child, and its fork handlers do not run. */
TEST(the_child_of_a_raw_clone_has_a_slot_and_its_death_is_noticed)
{
	uint32_t mine = my_index();
	uint32_t *word = shared_words();
	long child;

	mf_test_needs_wipe_on_fork();
	child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (child == 0) {
		mf_store_release(word, mf_slot_index(mf_slot_self()) + 1);
		for (;;)
			pause();
	}
	wait_for(word);
	ck_assert_uint_ne(*word - 1, mine);
	ck_assert(mf_slot_alive(*word - 1));
	kill_and_reap((pid_t)child);
	assert_dies(*word - 1);
	ck_assert(mf_slot_alive(mine));
}

/*
 * As vfork(), which a sanitizer may make a fork() of: the child shares all
 * memory with the parent, thread variables too, and the parent sleeps.
 */
static void in_vforked_child(int (*fn)(void *), void *arg)
{
	static char child_stack[65536] __attribute__((aligned(16)));
	pid_t child = clone(fn, child_stack + sizeof(child_stack),
			    CLONE_VM | CLONE_VFORK | SIGCHLD, arg);
	int status;

	ck_assert_int_gt(child, 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

static int note_index(void *ret)
{
	*(uint32_t *)ret = my_index();
	return 0;
}

TEST(a_vforked_child_that_does_not_enter_has_the_slot_of_its_parent)
{
	uint32_t mine = my_index(), childs = MF_SLOTS;

	mf_test_needs_vfork();
	in_vforked_child(note_index, &childs);
	ck_assert_uint_eq(childs, mine);
	ck_assert_uint_eq(my_index(), mine);
	ck_assert(mf_slot_alive(mine));
}

static int enter_and_note_index(void *ret)
{
	mf_slot_enter();
	mf_slot_self()->filling[0] = 7;
	return note_index(ret);
}

TEST(a_vforked_child_that_enters_has_its_own_and_its_death_is_noticed)
{
	uint32_t mine = my_index(), childs = MF_SLOTS;

	mf_test_needs_vfork();
	for (int i = 0; i < 3; i++) {
		in_vforked_child(enter_and_note_index, &childs);
		ck_assert_uint_ne(childs, mine);
		assert_dies(childs);
		mf_slot_enter();
		ck_assert_uint_eq(my_index(), mine);
		ck_assert_uint_eq(mf_slot_self()->filling[0], 0);
		ck_assert(mf_slot_alive(mine));
	}
	ck_assert_uint_eq(mf_world_slots(mf_world()), 2);
}

static uint32_t outer, inner, outer_again;

static int vfork_once_more(void *arg)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t child;
	int r = enter_and_note_index(&outer);

	child = clone(enter_and_note_index, stack + sizeof(stack),
		      CLONE_VM | CLONE_VFORK | SIGCHLD, &inner);
	if (waitpid(child, NULL, 0) != child)
		return 1;
	(void)arg;
	return r + enter_and_note_index(&outer_again);
}

TEST(a_vforked_child_may_vfork)
{
	uint32_t mine = my_index();

	mf_test_needs_vfork();
	in_vforked_child(vfork_once_more, NULL);
	ck_assert_uint_ne(outer, mine);
	ck_assert_uint_ne(inner, mine);
	ck_assert_uint_ne(inner, outer);
	ck_assert_uint_eq(outer_again, outer);
	mf_slot_enter();
	ck_assert_uint_eq(my_index(), mine);
	assert_dies(outer);
	assert_dies(inner);
}

/* The child writes to the very variables that its parent looks at. */
TEST(a_parent_does_not_go_on_with_the_slot_of_a_vforked_child)
{
	uint32_t childs = MF_SLOTS;

	mf_test_needs_vfork();
	ck_assert_ptr_nonnull(mf_world());
	in_vforked_child(note_index, &childs);
	ck_assert_uint_lt(childs, MF_SLOTS);
	ck_assert(mf_slot_alive(my_index()));
	ck_assert_uint_eq(mf_slot_self()->tid, gettid());
}

/*
 * Without the kernel's word
 */

TEST(a_thread_id_that_is_gone_is_a_death)
{
	uint32_t index;
	pid_t child;

	mf_life_is_told = false;
	child = child_with_a_slot(&index);
	ck_assert(mf_slot_alive(index));
	ck_assert(mf_slot_alive(my_index()));
	kill_and_reap(child);
	assert_dies(index);
	ck_assert_uint_ne(index, my_index());
	ck_assert_uint_eq(index_of_a_thread_that_ended(), index);
}

/* Its death would not be noticed: by a process that has the kernel's word. */
TEST(who_is_not_told_of_takes_no_mutex)
{
	uint32_t first;
	pid_t child = child_with_a_slot(&first);

	kill_and_reap(child);
	assert_dies(first);
	mf_test_needs_robust_mutexes();
	mf_life_is_told = false;
	ck_assert_uint_ne(my_index(), first);
	ck_assert(!mf_slot_alive(first));
	ck_assert(mf_slot_alive(my_index()));
}

static void *fill_slot(void *ret)
{
	struct mf_slot *slot = mf_slot_self();

	*(uint32_t *)ret = mf_slot_index(slot);
	for (int i = 0; i < MF_SLOT_HOLDS; i++)
		slot->hold[i] = 7;
	slot->waits = 8;
	slot->waits_owner = 9;
	for (int i = 0; i < MF_SLOT_DEPTH; i++)
		slot->filling[i] = 10;
	return NULL;
}

TEST(what_the_dead_left_is_cleared)
{
	uint32_t index = 0;
	struct mf_slot *slot;
	pthread_t thread;

	(void)my_index();
	ck_assert_int_eq(pthread_create(&thread, NULL, fill_slot, &index), 0);
	pthread_join(thread, NULL);
	slot = mf_world_slot(mf_world(), index);
	ck_assert_uint_eq(slot->waits, 8);
	assert_dies(index);
	for (int i = 0; i < MF_SLOT_HOLDS; i++)
		ck_assert_uint_eq(slot->hold[i], 0);
	for (int i = 0; i < MF_SLOT_DEPTH; i++)
		ck_assert_uint_eq(slot->filling[i], 0);
	ck_assert_uint_eq(slot->waits, 0);
	ck_assert_uint_eq(slot->waits_owner, 0);
}

TEST(what_the_living_say_is_left_alone)
{
	uint32_t index = 0;

	(void)fill_slot(&index);
	ck_assert(mf_slot_alive(index));
	ck_assert_uint_eq(mf_slot_self()->hold[0], 7);
	ck_assert_uint_eq(mf_slot_self()->filling[0], 10);
}

TEST(a_dead_slot_is_used_again_and_is_clean)
{
	uint32_t first = 0, second;
	uint32_t incarnation;
	struct mf_slot *slot;
	pthread_t thread;

	(void)my_index();
	ck_assert_int_eq(pthread_create(&thread, NULL, fill_slot, &first), 0);
	pthread_join(thread, NULL);
	slot = mf_world_slot(mf_world(), first);
	incarnation = slot->incarnation;
	assert_dies(first);
	second = index_of_a_thread_that_ended();
	ck_assert_uint_eq(second, first);
	ck_assert_uint_eq(slot->incarnation, incarnation + 1);
	ck_assert_uint_eq(slot->hold[0], 0);
	ck_assert_uint_eq(slot->filling[MF_SLOT_DEPTH - 1], 0);
}

static void *come_and_go(void *arg)
{
	for (int i = 0; i < 50; i++) {
		if (index_of_a_thread_that_ended() >= 16)
			abort();
	}
	return arg;
}

TEST(threads_that_come_and_go_do_not_use_up_the_world)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, come_and_go, NULL),
			0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_lt(mf_world_slots(mf_world()), 16);
}

TEST(a_full_world_has_no_slot)
{
	struct mf_world *world = mf_world();

	/* As if each were being made by somebody who died at it. */
	for (uint32_t i = 0; i < MF_SLOTS; i++)
		mf_world_slot(world, i)->life.kind = 1;
	ck_assert_ptr_null(mf_slot_self());
	mf_world_slot(world, MF_SLOTS - 1)->life.kind = 0;
	ck_assert_uint_eq(my_index(), MF_SLOTS - 1);
	ck_assert_uint_eq(mf_world_slots(world), MF_SLOTS);
}

TEST(stores_have_numbers)
{
	uint32_t first = mf_world_next_store(mf_world());

	ck_assert_uint_ne(first, 0);
	ck_assert_uint_ne(mf_world_next_store(mf_world()), first);
}

static int takes_a_slot(void)
{
	return mf_slot_self() ? 0 : -ENOMEM;
}

TEST(without_memory_there_is_no_world)
{
	ck_assert_uint_eq(FAULTS(ENOMEM, takes_a_slot), 1);
}
