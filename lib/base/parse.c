/* SPDX-License-Identifier: MIT */
/*
 * parse.c - numbers as people write them.
 *
 * Context: any, signal handlers included.
 */
#include "base/parse.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define PPB 1000000000U

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Leave *text behind the digits. */
static int take_digits(const char **text, uint64_t *ret)
{
	uint64_t value = 0;

	if (!is_digit(**text))
		return -EINVAL;
	for (; is_digit(**text); ++*text)
		if (__builtin_mul_overflow(value, 10U, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(**text - '0'),
					   &value))
			return -ERANGE;
	*ret = value;
	return 0;
}

int mf_parse_u64(const char *text, uint64_t *ret)
{
	uint64_t value;
	int r = take_digits(&text, &value);

	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	*ret = value;
	return 0;
}

int mf_parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGTPE";
	uint64_t value;
	const char *unit;
	unsigned shift = 0;
	int r = take_digits(&text, &value);

	if (r < 0)
		return r;
	unit = *text ? strchr(units, *text == 'k' ? 'K' : *text) : NULL;
	if (unit) {
		shift = 10U * (unsigned)(unit - units + 1);
		text++;
		if (!strcmp(text, "iB"))
			text += 2;
	}
	if (!strcmp(text, "B"))
		text++;
	if (*text)
		return -EINVAL;
	if (value > UINT64_MAX >> shift)
		return -ERANGE;
	*ret = value << shift;
	return 0;
}

/* The digits behind the point; more than nine of them change nothing. */
static uint32_t take_fraction(const char **text)
{
	uint32_t unit = PPB / 10;
	uint32_t value = 0;

	for (; is_digit(**text); ++*text, unit /= 10)
		value += unit * (uint32_t)(**text - '0');
	return value;
}

int mf_parse_share(const char *text, uint32_t *ret_ppb)
{
	uint64_t whole;
	uint64_t ppb;
	int r = take_digits(&text, &whole);

	if (r < 0)
		return r;
	if (whole > 100)
		return -ERANGE;
	ppb = whole * PPB;
	if (*text == '.') {
		text++;
		ppb += take_fraction(&text);
	}
	if (*text == '%') {
		text++;
		ppb /= 100;
	}
	if (*text)
		return -EINVAL;
	if (ppb > PPB)
		return -ERANGE;
	*ret_ppb = (uint32_t)ppb;
	return 0;
}
