/* SPDX-License-Identifier: MIT */
/*
 * findings.c - tell of deadlocks that did not happen.
 */
#include "cli/findings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/lockrank.h"
#include "check/rings.h"
#include "cli/cmd.h"
#include "cli/symbols.h"

struct mf_findings {
	const struct mf_run *run;
	const struct mf_check_table *table;
	struct mf_check_ring *rings;
	int n_rings;
	unsigned n_events;
	const struct mf_check_event *events[MF_CHECK_EVENTS];
};

/*
 * Names
 */

static const char *const nouns[] = {
	[MF_CHECK_MUTEX] = "mutex",
	[MF_CHECK_RWLOCK] = "rwlock",
	[MF_CHECK_SPIN] = "spin lock",
};

static const char *const own[MF_RANK_COUNT] = {
	[MF_RANK_API] = "mfill's lock of the API",
	[MF_RANK_MMAP] = "mfill's mmap_lock",
	[MF_RANK_CHUNK] = "mfill's lock of a chunk",
	[MF_RANK_POOL] = "mfill's lock of the request queue",
	[MF_RANK_SIGNAL] = "mfill's lock of the signals",
};

static const char *module_of(const struct mf_check_table *table,
			     mf_check_site site)
{
	uint32_t module = mf_check_site_module(site);

	return module && module <= MF_CHECK_MODULES
		       ? table->module[module - 1].path
		       : "";
}

static const char *name_site(const struct mf_check_table *table,
			     mf_check_site site, struct mf_place_name *storage)
{
	if (!site)
		return "an unknown place";
	return mf_name_code(module_of(table, site), mf_check_site_address(site),
			    storage);
}

/* Functions that do nothing but lock: who called them says more. */
static bool is_wrapper(const char *name)
{
	static const char *const names[] = { "std::", "void std::", "__gthread",
					     "bool std::" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static const char *name_maker(const struct mf_check_table *table,
			      const struct mf_check_class *class,
			      struct mf_place_name *storage)
{
	const char *name = name_site(table, class->site, storage);

	for (int i = 0; i < MF_CHECK_FRAMES && class->from[i]; i++) {
		if (!is_wrapper(name))
			return name;
		name = name_site(table, class->from[i], storage);
	}
	return name;
}

static const char *name_map(const struct mf_run *run,
			    const struct mf_check_class *class,
			    struct mf_lock_name *storage)
{
	struct mf_place_name place;

	for (unsigned i = 0; !class->site && i < run->n_files; i++) {
		if (run->files[i]->store->id != class->id)
			continue;
		snprintf(storage->text, sizeof(storage->text), "map %.350s",
			 run->files[i]->shown);
		return storage->text;
	}
	if (class->site)
		snprintf(storage->text, sizeof(storage->text),
			 "map %u, made at %s", class->id,
			 name_site(run->found, class->site, &place));
	else
		snprintf(storage->text, sizeof(storage->text), "map %u",
			 class->id);
	return storage->text;
}

/*
 * Which of those that are called the same; 0: there is only one. Locks of one
 * class that were told apart, or that are shared between processes.
 */
static unsigned number_of(const struct mf_check_table *table, uint32_t at)
{
	const struct mf_check_class *class = &table->class[at];
	unsigned before = 0, all = 0;

	for (uint32_t i = 0; i < MF_CHECK_CLASSES; i++) {
		const struct mf_check_class *other = &table->class[i];

		if (!other->key || other->site != class->site ||
		    other->what != class->what || other->flags != class->flags)
			continue;
		all++;
		before += i <= at;
	}
	return all > 1 ? before : 0;
}

const char *mf_lock_name(const struct mf_run *run, uint32_t at,
			 struct mf_lock_name *storage)
{
	const struct mf_check_class *class = &run->found->class[at];
	unsigned number = number_of(run->found, at);
	struct mf_place_name place;
	char which[24] = "";

	if (class->what == MF_CHECK_PAGES)
		return name_map(run, class, storage);
	if (class->what == MF_CHECK_OWN)
		return class->id < MF_RANK_COUNT ? own[class->id]
						 : "a lock of mfill's";
	if (class->what > MF_CHECK_SPIN)
		return "a lock";
	if (number)
		snprintf(which, sizeof(which), " no. %u", number);
	if (class->flags & MF_CHECK_STATIC)
		snprintf(storage->text, sizeof(storage->text), "%s %s%s",
			 nouns[class->what],
			 mf_name_data(module_of(run->found, class->site),
				      mf_check_site_address(class->site),
				      &place),
			 which);
	else
		snprintf(storage->text, sizeof(storage->text), "%s%s, %s at %s",
			 nouns[class->what], which,
			 class->flags & MF_CHECK_MADE ? "made" : "first used",
			 name_maker(run->found, class, &place));
	return storage->text;
}

/*
 * In words
 */

static bool is_map(const struct mf_findings *findings, uint32_t class)
{
	return findings->table->class[class].what == MF_CHECK_PAGES;
}

static bool is_rwlock(const struct mf_findings *findings, uint32_t class)
{
	return findings->table->class[class].what == MF_CHECK_RWLOCK;
}

static const char *holds(const struct mf_findings *findings, uint32_t class,
			 enum mf_check_mode mode)
{
	if (!is_rwlock(findings, class))
		return "holds";
	return mode == MF_CHECK_SHARED ? "reads" : "writes";
}

static const char *wants(const struct mf_findings *findings, uint32_t class,
			 enum mf_check_mode mode)
{
	if (is_map(findings, class))
		return "touches";
	if (!is_rwlock(findings, class))
		return "wants";
	return mode == MF_CHECK_SHARED ? "wants to read" : "wants to write";
}

static const struct mf_check_seen *seen_of(const struct mf_check_step *step)
{
	return &step->edge->seen[2 * step->held + step->wanted];
}

/* Where the program's own story begins: everybody is called by these. */
static bool is_beginning(const char *module, const char *name)
{
	static const char *const names[] = { "__libc_start", "_start",
					     "start_thread", "clone" };
	const char *slash = strrchr(module, '/');

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return strncmp(slash ? slash + 1 : module, "libmfill", 8) == 0;
}

/* Who called the place that was told last, a line each. */
static void print_callers(const struct mf_findings *findings,
			  const struct mf_check_seen *seen, FILE *to)
{
	struct mf_place_name place;

	for (int i = 0; i < MF_CHECK_FRAMES && seen->from[i]; i++) {
		const char *name = name_site(findings->table, seen->from[i],
					     &place);

		if (is_beginning(module_of(findings->table, seen->from[i]),
				 name))
			break;
		fprintf(to, "\n      from %s", name);
	}
}

static void print_step(const struct mf_findings *findings,
		       const struct mf_check_step *step, FILE *to)
{
	uint32_t from = mf_check_edge_from(step->edge);
	uint32_t wanted = mf_check_edge_to(step->edge);
	const struct mf_check_seen *seen = seen_of(step);
	struct mf_lock_name name;
	struct mf_place_name place;

	if (is_map(findings, from))
		fprintf(to, "  fills a page of %s,\n",
			mf_lock_name(findings->run, from, &name));
	else
		fprintf(to, "  %s %s,\n    taken at %s,\n",
			holds(findings, from, step->held),
			mf_lock_name(findings->run, from, &name),
			name_site(findings->table, seen->held_at, &place));
	fprintf(to, "  and %s %s", wants(findings, wanted, step->wanted),
		mf_lock_name(findings->run, wanted, &name));
	if (seen->wanted_at)
		fprintf(to, ",\n    at %s",
			name_site(findings->table, seen->wanted_at, &place));
	print_callers(findings, seen, to);
	fprintf(to, "\n    (thread %u of process %u did)\n", seen->tid,
		seen->pid);
}

/* The lock that only a queued writer makes readers wait at, if there is one. */
static const struct mf_check_step *behind_writer(
	const struct mf_check_ring *ring)
{
	for (unsigned i = 0; i < ring->n; i++)
		if (ring->step[i].wanted == MF_CHECK_SHARED &&
		    ring->step[(i + 1) % ring->n].held == MF_CHECK_SHARED)
			return &ring->step[i];
	return NULL;
}

static bool all_maps(const struct mf_findings *findings,
		     const struct mf_check_ring *ring)
{
	for (unsigned i = 0; i < ring->n; i++)
		if (!is_map(findings, mf_check_edge_to(ring->step[i].edge)))
			return false;
	return true;
}

static void print_ring(const struct mf_findings *findings,
		       const struct mf_check_ring *ring, FILE *to)
{
	const struct mf_check_step *queue = behind_writer(ring);
	struct mf_lock_name name;

	fprintf(to, "%u threads can wait for each other for ever, when one\n",
		ring->n);
	for (unsigned i = 0; i < ring->n; i++) {
		if (i > 0)
			fprintf(to, "and another one\n");
		print_step(findings, &ring->step[i], to);
	}
	if (queue)
		fprintf(to,
			"while others queue to write. A reader of %s "
			"waits behind them.\n",
			mf_lock_name(findings->run,
				     mf_check_edge_to(queue->edge), &name));
	if (all_maps(findings, ring))
		fprintf(to, "mfill would refuse the last of these waits "
			    "(EDEADLK).\n");
}

static void print_event(const struct mf_findings *findings,
			const struct mf_check_event *event, FILE *to)
{
	const struct mf_check_seen *seen = &event->seen;
	bool reads = event->kind != MF_CHECK_AGAIN;
	struct mf_lock_name name;
	struct mf_place_name place;

	fprintf(to, "a thread %s for itself, when it\n  %s %s,\n    at %s,\n",
		event->kind == MF_CHECK_AGAIN_READ ? "can wait" : "waits",
		reads ? "reads" : "takes",
		mf_lock_name(findings->run, event->class, &name),
		name_site(findings->table, seen->held_at, &place));
	fprintf(to, "  and, without giving it back, %s,\n    at %s",
		event->kind == MF_CHECK_UPGRADE ? "wants to write it"
		: reads				? "reads it once more"
						: "takes it once more",
		name_site(findings->table, seen->wanted_at, &place));
	print_callers(findings, seen, to);
	fprintf(to, "\n    (thread %u of process %u did)\n", seen->tid,
		seen->pid);
	if (event->kind == MF_CHECK_AGAIN_READ)
		fprintf(to, "while another thread queues to write: that one "
			    "waits for the first reading,\nand the second one "
			    "waits behind it.\n");
}

static uint32_t left_out(const struct mf_check_table *table)
{
	return table->no_class + table->no_edge + table->no_thread +
	       table->no_lock;
}

void mf_findings_print(const struct mf_findings *findings, FILE *to)
{
	const struct mf_check_table *table = findings->table;
	unsigned n = 0, all = mf_findings_count(findings);

	for (unsigned i = 0; i < findings->n_events; i++) {
		fprintf(to, "mfill: %u: ", ++n);
		print_event(findings, findings->events[i], to);
	}
	for (int i = 0; i < findings->n_rings; i++) {
		fprintf(to, "mfill: %u: ", ++n);
		print_ring(findings, &findings->rings[i], to);
	}
	fprintf(to,
		"mfill: %u possible deadlock%s; %u kind%s of locks and maps "
		"were seen, in %u order%s\n",
		all, all == 1 ? "" : "s", table->classes,
		table->classes == 1 ? "" : "s", table->edges,
		table->edges == 1 ? "" : "s");
	if (left_out(table))
		fprintf(to,
			"mfill: this program has more locks than there is room "
			"for: %u times one was left out\n",
			left_out(table));
}

/*
 * As JSON
 */

static json_t *site_json(const struct mf_findings *findings, mf_check_site site)
{
	struct mf_place_name name;

	return site ? json_string(name_site(findings->table, site, &name))
		    : json_null();
}

static json_t *seen_json(const struct mf_findings *findings,
			 const struct mf_check_seen *seen)
{
	json_t *from = json_array();

	for (int i = 0; i < MF_CHECK_FRAMES && seen->from[i]; i++)
		(void)json_array_append_new(from,
					    site_json(findings, seen->from[i]));
	return json_pack("{s:i, s:i, s:o, s:o, s:o}", "pid", (int)seen->pid,
			 "tid", (int)seen->tid, "held_at",
			 site_json(findings, seen->held_at), "wanted_at",
			 site_json(findings, seen->wanted_at), "from", from);
}

static const char *mode_name(enum mf_check_mode mode)
{
	return mode == MF_CHECK_SHARED ? "shared" : "exclusive";
}

static json_t *step_json(const struct mf_findings *findings,
			 const struct mf_check_step *step)
{
	struct mf_lock_name held, wanted;

	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "held",
			 mf_lock_name(findings->run,
				      mf_check_edge_from(step->edge), &held),
			 "held_mode", mode_name(step->held), "wanted",
			 mf_lock_name(findings->run,
				      mf_check_edge_to(step->edge), &wanted),
			 "wanted_mode", mode_name(step->wanted), "seen",
			 seen_json(findings, seen_of(step)));
}

static json_t *ring_json(const struct mf_findings *findings,
			 const struct mf_check_ring *ring)
{
	json_t *steps = json_array();

	for (unsigned i = 0; i < ring->n; i++)
		if (json_array_append_new(
			    steps, step_json(findings, &ring->step[i])) < 0)
			break;
	return json_pack("{s:s, s:o}", "kind", "ring", "steps", steps);
}

static const char *const event_names[] = {
	[MF_CHECK_AGAIN_READ] = "recursive read",
	[MF_CHECK_AGAIN] = "self",
	[MF_CHECK_UPGRADE] = "upgrade",
};

static json_t *event_json(const struct mf_findings *findings,
			  const struct mf_check_event *event)
{
	struct mf_lock_name name;

	return json_pack("{s:s, s:s, s:o}", "kind", event_names[event->kind],
			 "lock",
			 mf_lock_name(findings->run, event->class, &name),
			 "seen", seen_json(findings, &event->seen));
}

json_t *mf_findings_json(const struct mf_findings *findings, int status)
{
	json_t *found = json_array();

	for (unsigned i = 0; i < findings->n_events; i++)
		(void)json_array_append_new(
			found, event_json(findings, findings->events[i]));
	for (int i = 0; i < findings->n_rings; i++)
		(void)json_array_append_new(
			found, ring_json(findings, &findings->rings[i]));
	if (json_array_size(found) != mf_findings_count(findings)) {
		json_decref(found);
		return NULL;
	}
	return json_pack("{s:i, s:o, s:i, s:i, s:i}", "status", status, "found",
			 found, "classes", (int)findings->table->classes,
			 "orders", (int)findings->table->edges, "left_out",
			 (int)left_out(findings->table));
}

/*
 * All of them
 */

static void collect_events(struct mf_findings *findings)
{
	for (unsigned i = 0; i < MF_CHECK_EVENTS; i++) {
		const struct mf_check_event *event = &findings->table->event[i];
		const struct mf_check_class *class;

		if (event->kind < MF_CHECK_AGAIN_READ ||
		    event->kind > MF_CHECK_UPGRADE)
			continue;
		class = &findings->table->class[event->class];
		if (event->kind == MF_CHECK_AGAIN_READ &&
		    !(class->flags & MF_CHECK_WQ))
			continue;
		if (!(class->flags & MF_CHECK_HANDED))
			findings->events[findings->n_events++] = event;
	}
}

struct mf_findings *mf_findings_of(const struct mf_run *run)
{
	struct mf_findings *findings = calloc(1, sizeof(*findings));

	if (findings) {
		findings->run = run;
		findings->table = run->found;
		findings->n_rings = mf_check_rings(run->found,
						   &findings->rings);
		collect_events(findings);
	}
	if (findings && findings->n_rings >= 0)
		return findings;
	mf_say("the report: %s", strerror(ENOMEM));
	free(findings);
	return NULL;
}

void mf_findings_free(struct mf_findings *findings)
{
	if (findings)
		free(findings->rings);
	free(findings);
}

unsigned mf_findings_count(const struct mf_findings *findings)
{
	return findings->n_events + (unsigned)findings->n_rings;
}
