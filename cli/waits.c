/* SPDX-License-Identifier: MIT */
/*
 * waits.c - put together what slots, the checker and the kernel say of the
 * threads of a process, and of those that share memory with it.
 *
 * Context: one thread. What is read may be old by a moment; who wants to be
 * sure looks twice.
 */
#include "cli/waits.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/findings.h"
#include "mm/mmap_lock.h"

#define WAITERS_MAX 8192

static bool lives(uint32_t pid, uint32_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/task/%u", pid, tid);
	return access(path, F_OK) == 0;
}

/* A small file of /proc; "" when it is not there. */
static void read_file(char *buf, size_t size, const char *format, uint32_t pid,
		      uint32_t tid)
{
	char path[64];
	FILE *from;
	size_t n = 0;

	snprintf(path, sizeof(path), format, pid, tid);
	from = fopen(path, "re");
	if (from) {
		n = fread(buf, 1, size - 1, from);
		(void)fclose(from);
	}
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

static struct mf_waiter *find(const struct mf_waits *waits, uint32_t tid)
{
	for (size_t i = 0; i < waits->n; i++)
		if (waits->waiter[i].tid == tid)
			return &waits->waiter[i];
	return NULL;
}

/* NULL: there are more than anybody would read, or it has ended. */
static struct mf_waiter *add(struct mf_waits *waits, uint32_t pid, uint32_t tid)
{
	struct mf_waiter *waiter = find(waits, tid);

	if (waiter || waits->n == WAITERS_MAX || !lives(pid, tid))
		return waiter;
	waiter = &waits->waiter[waits->n++];
	waiter->pid = pid;
	waiter->tid = tid;
	read_file(waiter->name, sizeof(waiter->name), "/proc/%u/task/%u/comm",
		  pid, tid);
	return waiter;
}

static void add_tasks(struct mf_waits *waits)
{
	const struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", waits->look->pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			(void)add(waits, (uint32_t)waits->look->pid,
				  (uint32_t)atoi(entry->d_name));
	if (dir)
		(void)closedir(dir);
}

static void add_slots(struct mf_waits *waits, struct mf_world *world)
{
	uint32_t n = mf_world_slots(world);

	for (uint32_t i = 0; i < n && i < MF_SLOTS; i++) {
		struct mf_slot *slot = mf_world_slot(world, i);
		struct mf_waiter *waiter = slot->tid ? add(waits, slot->pid,
							   slot->tid)
						     : NULL;

		if (!waiter || waiter->pid != slot->pid)
			continue;
		/* The one that is in use, where it has two. */
		if (!waiter->slot || slot->waits)
			waiter->slot = slot;
		if (waiter->slot == slot)
			waiter->world = world;
	}
}

static void add_checked(struct mf_waits *waits)
{
	const struct mf_check_table *table = waits->look->checked;

	for (unsigned i = 0; table && i < MF_CHECK_THREADS; i++) {
		const struct mf_check_thread *thread = &table->thread[i];
		struct mf_waiter *waiter;

		if (!thread->who)
			continue;
		waiter = add(waits, (uint32_t)(thread->who >> 32),
			     (uint32_t)thread->who);
		if (waiter)
			waiter->check = thread;
	}
}

/*
 * For a page
 */

static void name_page(const struct mf_waits *waits, uint64_t page, char *ret,
		      size_t size)
{
	const char *map = mf_look_map(waits->look, (uint32_t)(page >> 32));

	if (map)
		snprintf(ret, size, "unit %u of map %.200s", (uint32_t)page,
			 map);
	else
		snprintf(ret, size, "unit %u of map %u", (uint32_t)page,
			 (uint32_t)(page >> 32));
}

static void wait_for(const struct mf_waits *waits, struct mf_waiter *waiter,
		     const struct mf_waiter *whom)
{
	unsigned index = (unsigned)(whom - waits->waiter);

	for (unsigned i = 0; i < waiter->n_for; i++)
		if (waiter->waits_for[i] == index)
			return;
	if (waiter->n_for < MF_WAIT_FOR_MAX)
		waiter->waits_for[waiter->n_for++] = index;
}

static bool fills(const struct mf_slot *slot, uint64_t page)
{
	for (int i = 0; i < MF_SLOT_DEPTH; i++)
		if (slot->filling[i] == page)
			return true;
	return false;
}

static void find_page(const struct mf_waits *waits, struct mf_waiter *waiter)
{
	char page[300];

	name_page(waits, waiter->slot->waits, page, sizeof(page));
	snprintf(waiter->waits, sizeof(waiter->waits), "waits for %s", page);
	for (size_t i = 0; i < waits->n; i++) {
		const struct mf_waiter *other = &waits->waiter[i];

		if (other != waiter && other->slot &&
		    other->world == waiter->world &&
		    fills(other->slot, waiter->slot->waits))
			wait_for(waits, waiter, other);
	}
}

/*
 * For a lock that the checker knows
 */

/* A table of lock names, as findings.c wants it. */
static const struct mf_run *run_of(const struct mf_look *look)
{
	static struct mf_run run;

	run.found = look->checked;
	return &run;
}

static bool holds(const struct mf_check_thread *thread, uint64_t id,
		  enum mf_check_mode mode)
{
	for (uint32_t i = 0; i < thread->n && i < MF_CHECK_HELD; i++)
		if (thread->held[i].class - 1 < MF_CHECK_CLASSES &&
		    thread->held[i].id == id && thread->held[i].mode == mode)
			return true;
	return false;
}

/* Whether somebody holds it, or with queued only wants it, in that way. */
static bool find_holders(const struct mf_waits *waits, struct mf_waiter *waiter,
			 enum mf_check_mode mode, bool queued)
{
	uint64_t id = waiter->check->want_id;
	bool any = false;

	for (size_t i = 0; i < waits->n; i++) {
		const struct mf_waiter *other = &waits->waiter[i];
		bool does;

		if (!other->check)
			continue;
		does = queued ? other->check->want_class &&
					other->check->want_id == id &&
					other->check->want_mode == mode
			      : holds(other->check, id, mode);
		if (does)
			wait_for(waits, waiter, other);
		any |= does;
	}
	return any;
}

static void find_lock(const struct mf_waits *waits, struct mf_waiter *waiter)
{
	struct mf_lock_name name;
	const char *how = "for";

	if (waits->look->checked->class[waiter->check->want_class - 1].what ==
	    MF_CHECK_RWLOCK)
		how = waiter->check->want_mode == MF_CHECK_SHARED ? "to read"
								  : "to write";
	snprintf(waiter->waits, sizeof(waiter->waits), "waits %s %s", how,
		 mf_lock_name(run_of(waits->look),
			      waiter->check->want_class - 1, &name));
	if (find_holders(waits, waiter, MF_CHECK_EXCLUSIVE, false))
		return;
	/* Readers are in: a writer waits for them, a reader for a writer. */
	if (waiter->check->want_mode == MF_CHECK_EXCLUSIVE)
		(void)find_holders(waits, waiter, MF_CHECK_SHARED, false);
	else
		(void)find_holders(waits, waiter, MF_CHECK_EXCLUSIVE, true);
}

/*
 * For what the kernel says, where nobody checks locks: how glibc lays out a
 * mutex is part of its interface.
 */

struct mutex {
	int32_t lock;
	uint32_t count;
	int32_t owner;
	uint32_t users;
};

static void find_futex(const struct mf_waits *waits, struct mf_waiter *waiter)
{
	unsigned long long addr, op;
	struct mf_place_name name;
	struct mutex mutex;
	char call[256];
	const struct mf_waiter *owner;
	long number;

	read_file(call, sizeof(call), "/proc/%u/task/%u/syscall", waiter->pid,
		  waiter->tid);
	if (sscanf(call, "%ld %llx %llx", &number, &addr, &op) != 3 ||
	    number != SYS_futex || (addr & 3))
		return;
	op &= FUTEX_CMD_MASK;
	if ((op != FUTEX_WAIT && op != FUTEX_LOCK_PI && op != FUTEX_LOCK_PI2) ||
	    !mf_look_read(waits->look, addr, &mutex, sizeof(mutex)))
		return;
	owner = mutex.lock && mutex.owner > 0
			? find(waits, (uint32_t)mutex.owner)
			: NULL;
	if (!owner)
		return;
	snprintf(waiter->waits, sizeof(waiter->waits), "waits for mutex %s",
		 mf_look_name(waits->look, addr, false, &name));
	wait_for(waits, waiter, owner);
}

static void find_wait(const struct mf_waits *waits, struct mf_waiter *waiter)
{
	if (waiter->slot && waiter->slot->waits)
		find_page(waits, waiter);
	else if (waiter->check && waiter->check->want_class &&
		 waiter->check->want_class <= MF_CHECK_CLASSES)
		find_lock(waits, waiter);
	else if (!waiter->check && waiter->pid == (uint32_t)waits->look->pid)
		find_futex(waits, waiter);
}

int mf_waits_find(const struct mf_look *look, struct mf_waits *ret)
{
	struct mf_waits waits = { .look = look };

	waits.waiter = calloc(WAITERS_MAX, sizeof(*waits.waiter));
	if (!waits.waiter)
		return -ENOMEM;
	add_tasks(&waits);
	for (unsigned i = 0; i < look->n_worlds; i++)
		add_slots(&waits, look->worlds[i]);
	add_checked(&waits);
	for (size_t i = 0; i < waits.n; i++)
		find_wait(&waits, &waits.waiter[i]);
	*ret = waits;
	return 0;
}

void mf_waits_free(struct mf_waits *waits)
{
	free(waits->waiter);
	waits->waiter = NULL;
}

/* Depth first: ret[] is the way from start to at, n long. */
static unsigned walk(const struct mf_waits *waits, unsigned at, unsigned n,
		     bool *seen, unsigned ret[], unsigned most)
{
	const struct mf_waiter *waiter = &waits->waiter[at];

	if (n == most)
		return 0;
	ret[n++] = at;
	for (unsigned i = 0; i < waiter->n_for; i++) {
		unsigned next = waiter->waits_for[i], found;

		if (next == ret[0])
			return n;
		if (next < ret[0] || seen[next])
			continue;
		seen[next] = true;
		found = walk(waits, next, n, seen, ret, most);
		if (found)
			return found;
	}
	return 0;
}

unsigned mf_waits_ring(const struct mf_waits *waits, size_t start,
		       unsigned ret[], unsigned most)
{
	bool *seen = calloc(waits->n + 1, sizeof(*seen));
	unsigned n = seen ? walk(waits, (unsigned)start, 0, seen, ret, most)
			  : 0;

	free(seen);
	return n;
}

/*
 * What a thread has
 */

static bool has_page(const struct mf_waits *waits,
		     const struct mf_waiter *waiter, unsigned *i, char *ret,
		     size_t size)
{
	char page[300];

	for (int j = 0; waiter->slot && j < MF_SLOT_DEPTH; j++) {
		if (!waiter->slot->filling[j] || (*i)-- > 0)
			continue;
		name_page(waits, waiter->slot->filling[j], page, sizeof(page));
		snprintf(ret, size, "fills %s", page);
		return true;
	}
	return false;
}

static bool has_own(const struct mf_waiter *waiter, unsigned *i, char *ret,
		    size_t size)
{
	static const char *const words[] = {
		[MF_LOCK_READS] = "reads",
		[MF_LOCK_WAITS_TO_READ] = "waits to read",
		[MF_LOCK_WRITES] = "writes",
		[MF_LOCK_WAITS_TO_WRITE] = "waits to write",
	};

	for (int j = 0; waiter->slot && j < MF_SLOT_HOLDS; j++) {
		mf_lock_id id;
		enum mf_lock_use use = mf_mmap_lock_use(waiter->slot->hold[j],
							&id);

		if (use == MF_LOCK_UNUSED || (*i)-- > 0)
			continue;
		snprintf(ret, size, "%s mfill's mmap_lock %u", words[use], id);
		return true;
	}
	return false;
}

static bool has_lock(const struct mf_waits *waits,
		     const struct mf_waiter *waiter, unsigned *i, char *ret,
		     size_t size)
{
	const struct mf_check_table *table = waits->look->checked;

	for (uint32_t j = 0;
	     waiter->check && j < waiter->check->n && j < MF_CHECK_HELD; j++) {
		const struct mf_check_held *held = &waiter->check->held[j];
		struct mf_lock_name name;
		struct mf_place_name at;
		const char *verb = "holds";

		if (!held->class || held->class > MF_CHECK_CLASSES ||
		    table->class[held->class - 1].what >= MF_CHECK_PAGES ||
		    (*i)-- > 0)
			continue;
		if (table->class[held->class - 1].what == MF_CHECK_RWLOCK)
			verb = held->mode == MF_CHECK_SHARED ? "reads"
							     : "writes";
		mf_lock_name(run_of(waits->look), held->class - 1, &name);
		if (waiter->pid == (uint32_t)waits->look->pid)
			snprintf(
				ret, size, "%s %s, taken at %s", verb,
				name.text,
				mf_look_name(waits->look, held->pc, true, &at));
		else
			snprintf(ret, size, "%s %s", verb, name.text);
		return true;
	}
	return false;
}

bool mf_waits_has(const struct mf_waits *waits, const struct mf_waiter *waiter,
		  unsigned i, char *ret, size_t size)
{
	return has_page(waits, waiter, &i, ret, size) ||
	       has_own(waiter, &i, ret, size) ||
	       has_lock(waits, waiter, &i, ret, size);
}
