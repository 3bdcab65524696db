/* SPDX-License-Identifier: MIT */
#include "unit/check/trace.h"

TEST(the_same_key_is_the_same_class)
{
	struct mf_check_class class = { .what = MF_CHECK_SPIN, .flags = 1 };
	uint32_t at;

	begin_trace(0);
	at = mf_check_class_get(table, 77, &class);
	ck_assert_uint_eq(mf_check_class_get(table, 77, &class), at);
	ck_assert_uint_ne(mf_check_class_get(table, 78, &class), at);
	ck_assert_uint_eq(table->class[at].what, MF_CHECK_SPIN);
	ck_assert_uint_eq(table->classes, 2);
}

TEST(full_tables_refuse_and_count)
{
	struct mf_check_class class = { 0 };
	unsigned edges = 0;

	begin_trace(0);
	for (uint64_t key = 1; key <= MF_CHECK_CLASSES; key++)
		ck_assert_uint_ne(mf_check_class_get(table, key, &class),
				  MF_CHECK_NONE);
	ck_assert_uint_eq(mf_check_class_get(table, 99999, &class),
			  MF_CHECK_NONE);
	ck_assert_uint_eq(table->no_class, 1);
	for (uint32_t i = 0; i < 3 * MF_CHECK_EDGES; i++)
		edges += mf_check_edge_get(table, i % MF_CHECK_CLASSES,
					   i / MF_CHECK_CLASSES) != NULL;
	ck_assert_uint_eq(table->edges, edges);
	ck_assert_uint_gt(edges, MF_CHECK_EDGES * 9 / 10);
	ck_assert_uint_gt(table->no_edge, 0);
}

TEST(an_edge_has_a_direction)
{
	begin_trace(0);
	ck_assert_ptr_ne(mf_check_edge_get(table, 1, 2),
			 mf_check_edge_get(table, 2, 1));
	ck_assert_ptr_eq(mf_check_edge_get(table, 1, 2),
			 mf_check_edge_get(table, 1, 2));
}

TEST(a_module_is_known_by_its_whole_path)
{
	char long_path[600];

	begin_trace(0);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[599] = '\0';
	ck_assert_uint_eq(mf_check_module_get(table, "/a"),
			  mf_check_module_get(table, "/a"));
	ck_assert_uint_ne(mf_check_module_get(table, "/a"),
			  mf_check_module_get(table, "/b"));
	ck_assert_uint_ne(mf_check_module_get(table, long_path), 0);
}

TEST(an_event_is_new_once)
{
	begin_trace(0);
	ck_assert_ptr_nonnull(mf_check_event_new(table, 5));
	ck_assert_ptr_null(mf_check_event_new(table, 5));
}
