/* SPDX-License-Identifier: MIT */
/*
 * symbols.h - what the people who wrote a program call a place in it.
 *
 * Promise: "function (file.c:12)" when that can be found out, and the file
 * with a number otherwise; never nothing.
 * Context: one thread. Runs addr2line where that is installed.
 */
#ifndef MF_CLI_SYMBOLS_H
#define MF_CLI_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

struct mf_place_name {
	char text[320];
};

/*
 * address as the file's own headers count. For code it is where a call
 * returns to.
 */
const char *mf_name_code(const char *file, uint64_t address,
			 struct mf_place_name *storage);
const char *mf_name_data(const char *file, uint64_t address,
			 struct mf_place_name *storage);

/* The addresses that the file is at, as its headers count; false: none. */
bool mf_elf_extent(const char *file, uint64_t *ret_low, uint64_t *ret_high);

#endif
