/* SPDX-License-Identifier: MIT */
/*
 * say.c - how the commands talk, and what they understand.
 */
#include "cli/cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/parse.h"

void mf_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	flockfile(stderr);
	fputs("mfill: ", stderr);
	vfprintf(stderr, format, args);
	putc('\n', stderr);
	funlockfile(stderr);
	va_end(args);
}

const char *mf_human(uint64_t bytes, struct mf_human *storage)
{
	static const char *const units[] = { "KiB", "MiB", "GiB",
					     "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	int unit = -1;

	/* 1023.95 would be printed as 1024.0. */
	while (value >= 1023.95 && unit < 5) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(storage->text, sizeof(storage->text), "%d bytes",
			 (int)bytes);
	else
		snprintf(storage->text, sizeof(storage->text), "%.*f %s",
			 value < 99.95 ? 1 : 0, value, units[unit]);
	return storage->text;
}

uint64_t mf_arg_size(struct argp_state *state, const char *option,
		     const char *value, uint64_t least, uint64_t most)
{
	struct mf_human low, high;
	uint64_t size = 0;

	if (mf_parse_size(value, &size) < 0)
		argp_error(state, "%s: '%s' is no size, such as 64K or 1M",
			   option, value);
	if (size < least || size > most)
		argp_error(state, "%s: %s is not between %s and %s", option,
			   value, mf_human(least, &low), mf_human(most, &high));
	return size;
}

int64_t mf_arg_number(struct argp_state *state, const char *option,
		      const char *value, int64_t least, int64_t most)
{
	char *end;
	long long number = strtoll(value, &end, 10);

	if (end == value || *end)
		argp_error(state, "%s: '%s' is no number", option, value);
	if (number < least || number > most)
		argp_error(state, "%s: %s is not between %lld and %lld", option,
			   value, (long long)least, (long long)most);
	return number;
}
