/* SPDX-License-Identifier: MIT */
#include "check/place.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit/check/trace.h"

static int in_data = 1;
static int in_bss;

static const char *module_of(mf_check_site site)
{
	uint32_t module = mf_check_site_module(site);

	return module ? table->module[module - 1].path : "";
}

static uintptr_t bias_of(const void *addr)
{
	Dl_info info;
	struct link_map *map;

	ck_assert_int_ne(dladdr1(addr, &info, (void **)&map, RTLD_DL_LINKMAP),
			 0);
	return map->l_addr;
}

static void check(const void *addr)
{
	mf_check_site site = mf_check_place(table, (uintptr_t)addr);
	char *real;
	Dl_info info;

	ck_assert_int_ne(dladdr(addr, &info), 0);
	real = realpath(info.dli_fname, NULL);
	ck_assert_str_eq(module_of(site), real);
	ck_assert_uint_eq(mf_check_site_address(site),
			  (uintptr_t)addr - bias_of(addr));
	free(real);
}

TEST(code_and_data_are_called_by_their_file_and_address)
{
	begin_trace(0);
	check(check);
	check(&in_data);
	check(&in_bss);
	check((const void *)(uintptr_t)malloc);
}

#define LOOKERS 4

static pthread_barrier_t all_there;

static void *look_with_others(void *arg)
{
	pthread_barrier_wait(&all_there);
	return mf_check_site_module(mf_check_place(table, (uintptr_t)&in_bss))
		       ? NULL
		       : arg;
}

static bool all_find_it(void)
{
	pthread_t threads[LOOKERS];
	void *failed;
	bool all = true;

	begin_trace(0);
	pthread_barrier_init(&all_there, NULL, LOOKERS);
	for (int i = 0; i < LOOKERS; i++)
		if (pthread_create(&threads[i], NULL, look_with_others,
				   &in_data))
			abort();
	for (int i = 0; i < LOOKERS; i++) {
		pthread_join(threads[i], &failed);
		all &= !failed;
	}
	return all;
}

/* One reads where the files are, and the others wait for it. Once a process. */
TEST(who_looks_while_another_thread_does_finds_it_too)
{
	for (int i = 0; i < 16; i++)
		ASSERT_EXITS_WITH(0, _exit(all_find_it() ? 0 : 1));
}

TEST(memory_is_in_no_file)
{
	void *memory = malloc(100000);
	int on_stack;

	begin_trace(0);
	ck_assert_str_eq(module_of(mf_check_place(table, (uintptr_t)memory)),
			 "");
	ck_assert_str_eq(module_of(mf_check_place(table, (uintptr_t)&on_stack)),
			 "");
	ck_assert_uint_eq(mf_check_place(table, 0), 0);
	free(memory);
}

TEST(what_nobody_has_looked_for_is_not_known_yet)
{
	begin_trace(0);
	ck_assert_str_eq(module_of(mf_check_place_known((uintptr_t)&in_data)),
			 "");
	(void)mf_check_place(table, (uintptr_t)check);
	ck_assert_str_ne(module_of(mf_check_place_known((uintptr_t)&in_data)),
			 "");
}

TEST(private_memory_is_not_shared)
{
	void *private = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	char *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);

	ck_assert_uint_eq(mf_check_place_shared((uintptr_t) private), 0);
	ck_assert_uint_ne(mf_check_place_shared((uintptr_t)shared), 0);
	ck_assert_uint_ne(mf_check_place_shared((uintptr_t)shared),
			  mf_check_place_shared((uintptr_t)shared + 8));
}
