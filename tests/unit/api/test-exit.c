/* SPDX-License-Identifier: MIT */
/*
 * test-exit.c - a program with maps ends when its last thread does.
 *
 * Whoever does not end runs into the time limit of its test.
 */
#include "mfill.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/harness.h"
#include "harness/needs.h"
#include "harness/pattern.h"

#define PAGE ((size_t)4096)

static struct mf_pattern pattern = { .size = 64 * PAGE,
				     .flags = MFILL_SOURCE_INLINE };

static void touch(const volatile char *map, size_t page)
{
	uint64_t want = mf_pattern_word(page * PAGE);

	if (*(const volatile uint64_t *)(map + page * PAGE) != want)
		_exit(2);
}

/* What the program's last thread does: there is nobody else of it. */
static void *touch_more(void *map)
{
	usleep(50000);
	for (size_t i = 1; i < 64; i += 3)
		touch(map, i);
	return NULL;
}

/* A status of 3: such a map cannot be had here. */
static void map_and_leave(int backend, int delivery)
{
	const struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.backend = backend,
		.delivery = delivery,
	};
	struct mfill_source *source = mf_pattern_open(&pattern);
	pthread_t thread;
	void *map;

	if (mfill_map(source, 0, pattern.size, &options, &map) < 0)
		_exit(3);
	touch(map, 0);
	if (mfill_prefetch(map, pattern.size) < 0)
		_exit(4);
	if (pthread_create(&thread, NULL, touch_more, map) != 0)
		_exit(5);
	pthread_detach(thread);
	pthread_exit(NULL);
}

static void ends_with(int backend, int delivery)
{
	pid_t child;
	int status;

	mf_test_needs_own_threads_only();
	child = mf_test_fork();
	if (child == 0) {
		mf_test_main_thread_leaves();
		map_and_leave(backend, delivery);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
		SKIP("backend %d", backend);
	ck_assert_int_eq(status, 0);
}

TEST(a_program_filled_inline_ends)
{
	ends_with(MFILL_BACKEND_AUTO, MFILL_DELIVER_INLINE);
}

TEST(a_program_with_handler_threads_ends)
{
	ends_with(MFILL_BACKEND_MPROTECT, MFILL_DELIVER_THREAD);
}

TEST(a_program_with_a_descriptor_that_is_kept_open_ends)
{
	ends_with(MFILL_BACKEND_UFFD, MFILL_DELIVER_INLINE);
}

TEST(a_program_with_readers_of_messages_ends)
{
	ends_with(MFILL_BACKEND_UFFD, MFILL_DELIVER_THREAD);
}

/* It has threads of its own again before anybody does anything. */
TEST(so_does_its_child)
{
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.delivery = MFILL_DELIVER_THREAD,
	};
	struct mfill_source *source = mf_pattern_open(&pattern);
	int status;
	void *map;
	pid_t child;

	mf_test_needs_own_threads_only();
	mf_test_needs_threads_after_fork();
	ck_assert_int_eq(mfill_map(source, 0, pattern.size, &options, &map), 0);
	mfill_source_put(source);
	touch(map, 0);
	child = mf_test_fork();
	if (child == 0) {
		touch(map, 7);
		mf_test_main_thread_leaves();
		pthread_exit(NULL);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(mfill_unmap(map), 0);
}
