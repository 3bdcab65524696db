/* SPDX-License-Identifier: MIT */
/*
 * parse.h - numbers as people write them.
 *
 * Promise: all of the text is a number in range, or -EINVAL (-ERANGE when it
 * is a number, but too large); `ret` is written only on success.
 * Context: any, signal handlers included; no locale has a say.
 */
#ifndef MF_BASE_PARSE_H
#define MF_BASE_PARSE_H

#include <stdint.h>

/* "4096" */
int mf_parse_u64(const char *text, uint64_t *ret);

/* "4096", "64K", "64KiB", "1.5" is none. K is 1024, up to E; B is allowed. */
int mf_parse_size(const char *text, uint64_t *ret);

/* "0.01" or "1%": between none and all, in parts of a thousand million. */
int mf_parse_share(const char *text, uint32_t *ret_ppb);

#endif
