/* SPDX-License-Identifier: MIT */
/*
 * report.c - what the maps of a run did, told when the command has ended.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "base/sync.h"
#include "cli/cmd.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/stats.h"

static int delivery_of(const struct mf_run *run, const struct mf_run_file *file)
{
	if (run->delivery != MFILL_DELIVER_AUTO)
		return run->delivery;
	return mf_source_is_inline(file->source) ? MFILL_DELIVER_INLINE
						 : MFILL_DELIVER_THREAD;
}

/* What AUTO came to be in the programs, which decide as is decided here. */
static int backend_of(const struct mf_run *run, int delivery)
{
	const struct mf_backend *backend;

	if (mf_backend_choose(run->backend, delivery, &backend) < 0)
		return run->backend;
	return backend->id;
}

static struct mfill_stats stats_of(const struct mf_run *run,
				   const struct mf_run_file *file)
{
	const struct mf_store_header *header = file->store->header;
	struct mfill_stats stats = {
		.faults = mf_load_relaxed(&header->faults),
		.fills = mf_load_relaxed(&header->fills),
		.filled_bytes = mf_load_relaxed(&header->filled_bytes),
		.waits = mf_load_relaxed(&header->waits),
		.errors = mf_load_relaxed(&header->errors),
		.readahead = mf_load_relaxed(&header->readahead),
		.length = file->size,
		.fill_size = file->store->unit,
		.units = file->store->n_units,
		.backend = backend_of(run, delivery_of(run, file)),
		.delivery = delivery_of(run, file),
	};

	for (int i = 0; i < MFILL_LATENCY_BUCKETS; i++)
		stats.latency[i] = mf_load_relaxed(&header->latency[i]);
	return stats;
}

void mf_run_print_stats(const struct mf_run *run)
{
	for (unsigned i = 0; i < run->n_files; i++) {
		const struct mf_run_file *file = run->files[i];
		struct mfill_stats stats = stats_of(run, file);

		mf_stats_print(file->shown, file->size, &stats);
	}
}

static json_t *file_json(const struct mf_run *run,
			 const struct mf_run_file *file)
{
	struct mfill_stats stats = stats_of(run, file);
	json_t *json = mf_stats_json(file->uri.text, file->size, &stats);
	json_t *path = json_stringn_nocheck(file->path, strlen(file->path));

	if (!json || json_object_set_new(json, "path", path) < 0)
		return NULL;
	return json;
}

/* The whole text, for the caller to free; NULL: no memory. */
static char *report(const struct mf_run *run, int status)
{
	json_t *maps = json_array(), *json;
	char *text;

	for (unsigned i = 0; i < run->n_files; i++)
		if (json_array_append_new(maps, file_json(run, run->files[i])) <
		    0)
			break;
	json = json_pack("{s:i, s:o}", "status", status, "maps", maps);
	text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
	json_decref(json);
	return text;
}

void mf_run_print_json(const struct mf_run *run, int status)
{
	char *text = report(run, status);

	if (text)
		fprintf(stderr, "%s\n", text);
	else
		mf_say("--json: %s", strerror(ENOMEM));
	free(text);
}

int mf_run_write_report(const struct mf_run *run, const char *path, int status)
{
	char *text = report(run, status);
	struct mf_output out;
	int r;

	if (!text) {
		mf_say("%s: %s", path, strerror(ENOMEM));
		return -ENOMEM;
	}
	r = mf_output_open(&out, path, true);
	if (r == 0)
		r = mf_output_write(&out, text, strlen(text));
	if (r == 0)
		r = mf_output_write(&out, "\n", 1);
	if (r == 0)
		r = mf_output_commit(&out, 0644);
	else
		mf_output_abandon(&out);
	free(text);
	return r;
}
