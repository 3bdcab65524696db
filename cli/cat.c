/* SPDX-License-Identifier: MIT */
/*
 * cat.c - mfill cat: write a source to standard output, through a map.
 *
 * Each page is touched before it is written, as any program would touch it: a
 * system call that meets a missing page fails instead of filling it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "cli/cmd.h"
#include "cli/source.h"
#include "cli/stats.h"
#include "mfill.h"

#define CHUNK	 (1U << 20)
#define FILL_MAX (64U << 20)

struct arguments {
	const char *name;
	uint64_t begin;
	uint64_t end; /* UINT64_MAX: that of the source */
	bool stats;
	bool json;
	struct mfill_map_options map;
};

enum { OPT_BACKEND = 0x100, OPT_DELIVERY, OPT_FILL_SIZE, OPT_STATS, OPT_JSON };

static const struct argp_option options[] = {
	{ "range", 'r', "A-B", 0,
	  "Only bytes A to B, without B, such as 1M-2M; A- is up to the end",
	  0 },
	{ "stats", OPT_STATS, NULL, 0, "Tell on stderr what was read", 0 },
	{ "json", OPT_JSON, NULL, 0, "The same, as JSON", 0 },
	{ "fill-size", OPT_FILL_SIZE, "SIZE", 0,
	  "Bytes to fill at once (as the source likes it)", 0 },
	{ "backend", OPT_BACKEND, "NAME", 0,
	  "How pages are hidden: auto, guard, mprotect or uffd", 0 },
	{ "delivery", OPT_DELIVERY, "NAME", 0,
	  "Who fills them: auto, inline or thread", 0 },
	{ 0 },
};

/* A-B or A-; value is cut up. */
static void set_range(struct arguments *a, char *value,
		      struct argp_state *state)
{
	char *dash = strchr(value, '-');
	int r = -EINVAL;

	a->end = UINT64_MAX;
	if (dash) {
		*dash = '\0';
		r = mf_parse_size(value, &a->begin);
		if (r == 0 && dash[1])
			r = mf_parse_size(dash + 1, &a->end);
		*dash = '-';
	}
	if (r < 0)
		argp_error(state, "--range: '%s' is no range, such as 1M-2M",
			   value);
	if (a->begin > a->end)
		argp_error(state, "--range: %s ends before it begins", value);
}

static int set_name(struct argp_state *state, const char *option,
		    const char *value, int number)
{
	if (number < 0)
		argp_error(state, "%s: there is no '%s'", option, value);
	return number;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'r':
		set_range(a, value, state);
		break;
	case OPT_STATS:
		a->stats = true;
		break;
	case OPT_JSON:
		a->json = true;
		break;
	case OPT_FILL_SIZE:
		a->map.fill_size = (size_t)mf_arg_size(state, "--fill-size",
						       value, 1, FILL_MAX);
		break;
	case OPT_BACKEND:
		a->map.backend = set_name(state, "--backend", value,
					  mf_backend_of(value));
		break;
	case OPT_DELIVERY:
		a->map.delivery = set_name(state, "--delivery", value,
					   mf_delivery_of(value));
		break;
	case ARGP_KEY_ARG:
		if (state->arg_num > 0)
			argp_error(state, "more than one SOURCE");
		a->name = value;
		break;
	case ARGP_KEY_END:
		if (state->arg_num < 1)
			argp_error(state, "SOURCE is needed");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "SOURCE",
	.doc = "Write SOURCE, or a part of it, to standard output.\v"
	       "SOURCE is zstd:PATH, file:PATH or another of "
	       "mfill-sources(7), or the path of a plain file. It is read "
	       "through memory that fills itself, so only what is asked for "
	       "is ever read.",
};

/* For the handler of SIGBUS. */
static struct {
	const char *name;
	char *map;
	size_t length;
} reading;

/*
 * A page could not be filled. mfill_require() tries again and tells why; when
 * it works now, so will the access that we return to. Only touch() gets here,
 * which holds nothing that printing needs.
 */
static void on_bus(int sig, siginfo_t *info, void *context)
{
	char *addr = info->si_addr;
	int r;

	(void)context;
	if (addr < reading.map || addr >= reading.map + reading.length) {
		signal(sig, SIG_DFL);
		raise(sig);
		return;
	}
	r = mfill_require(addr, 1);
	if (r == 0)
		return;
	mf_say("%s: cannot be read at byte %zu: %s", reading.name,
	       (size_t)(addr - reading.map), strerror(-r));
	_exit(MF_EXIT_FAILED);
}

static void touch(const char *from, size_t len, size_t page)
{
	for (size_t at = 0; at < len; at += page)
		(void)*(const volatile char *)(from + at);
	if (len)
		(void)*(const volatile char *)(from + len - 1);
}

static int write_all(const char *from, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, from, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int error = errno;

			if (error != EPIPE)
				mf_say("standard output: %s", strerror(error));
			return -error;
		}
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

static int copy(const char *map, uint64_t begin, uint64_t end)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int r = 0;

	while (r == 0 && begin < end) {
		size_t n = end - begin < CHUNK ? (size_t)(end - begin) : CHUNK;

		touch(map + begin, n, page);
		r = write_all(map + begin, n);
		begin += n;
	}
	return r;
}

static int print_stats(const struct arguments *a, uint64_t size, void *map)
{
	struct mfill_stats stats;
	json_t *json;
	int r = mfill_stats(map, &stats, sizeof(stats));

	if (r < 0)
		return r;
	if (!a->json) {
		mf_stats_print(a->name, size, &stats);
		return 0;
	}
	json = mf_stats_json(a->name, size, &stats);
	if (!json || json_dumpf(json, stderr, JSON_COMPACT) < 0)
		return -ENOMEM;
	putc('\n', stderr);
	json_decref(json);
	return 0;
}

/* Mapped no further than needed: what is ahead of the end is not fetched. */
static int cat(const struct arguments *a, struct mfill_source *src,
	       uint64_t size, uint64_t end)
{
	struct sigaction action = { .sa_sigaction = on_bus,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK };
	void *map;
	int r;

	/* Before mfill's own, which hands on to it. */
	sigaction(SIGBUS, &action, NULL);
	r = mfill_map(src, 0, end, &a->map, &map);
	if (r < 0) {
		mf_say("%s: cannot be mapped: %s", a->name, strerror(-r));
		return r;
	}
	reading.name = a->name;
	reading.map = map;
	reading.length = end;
	r = copy(map, a->begin, end);
	if (r == 0 && (a->stats || a->json)) {
		r = print_stats(a, size, map);
		if (r < 0)
			mf_say("no statistics: %s", strerror(-r));
	}
	(void)mfill_unmap(map);
	return r;
}

static int open_and_cat(const struct arguments *a)
{
	struct mfill_source *src;
	uint64_t size, end;
	int r = mf_cli_source_open(a->name, &src, NULL);

	if (r < 0)
		return r;
	r = mfill_source_size(src, &size);
	if (r == 0 && a->begin > size) {
		mf_say("--range: begins behind the end of %s, which has %llu "
		       "bytes",
		       a->name, (unsigned long long)size);
		r = -ENXIO;
	}
	end = a->end < size ? a->end : size;
	if (r == 0 && a->begin < end)
		r = cat(a, src, size, end);
	mfill_source_put(src);
	return r;
}

static int run(int argc, char **argv)
{
	struct arguments a = { .end = UINT64_MAX,
			       .map = { .struct_size = sizeof(a.map) } };

	if (argp_parse(&argp, argc, argv, 0, NULL, &a))
		return MF_EXIT_FAILED;
	return open_and_cat(&a) < 0 ? MF_EXIT_FAILED : 0;
}

const struct mf_command mf_cmd_cat = {
	.name = "cat",
	.summary = "write a source, or a part of it, to standard output",
	.run = run,
};
