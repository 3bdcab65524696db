/* SPDX-License-Identifier: MIT */
/*
 * look.c - find mfill's shared memory in another process, and copy it.
 *
 * Promise: see look.h.
 * Context: one thread. Needs what a debugger needs: the same user, and that
 * the system lets processes look at each other.
 */
#include "cli/look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cmd.h"

static void parse(char *line, struct mf_mapping *ret)
{
	unsigned long long start, end, offset;
	char mode[8] = "";
	int path = 0;

	memset(ret, 0, sizeof(*ret));
	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %n", &start, &end, mode,
		   &offset, &path) < 4)
		return;
	ret->start = start;
	ret->end = end;
	ret->offset = offset;
	ret->writable = mode[1] == 'w';
	ret->shared = mode[3] == 's';
	snprintf(ret->path, sizeof(ret->path), "%s", line + path);
}

static int read_mappings(struct mf_look *look)
{
	char path[64], line[1024];
	size_t room = 0;
	FILE *from;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/maps", look->pid);
	from = fopen(path, "re");
	if (!from)
		return -errno;
	while (fgets(line, sizeof(line), from)) {
		if (look->n_mappings == room) {
			void *more = realloc(look->mappings,
					     (room * 2 + 256) *
						     sizeof(*look->mappings));

			if (!more)
				break;
			look->mappings = more;
			room = room * 2 + 256;
		}
		parse(line, &look->mappings[look->n_mappings++]);
	}
	r = ferror(from) ? -errno : 0;
	(void)fclose(from);
	return r;
}

bool mf_look_read(const struct mf_look *look, uint64_t addr, void *buf,
		  size_t len)
{
	ssize_t n = pread(look->mem_fd, buf, len, (off_t)addr);

	return n >= 0 && (size_t)n == len;
}

static uint64_t length_of(const struct mf_mapping *mapping)
{
	return mapping->end - mapping->start;
}

/* Shared memory of that length, to a page. */
static bool fits(const struct mf_mapping *mapping, size_t len)
{
	return mapping->shared && mapping->writable && mapping->offset == 0 &&
	       length_of(mapping) >= len && length_of(mapping) < len + 65536;
}

/* The caller frees it; NULL. */
static void *copy(const struct mf_look *look, const struct mf_mapping *mapping,
		  size_t len)
{
	void *bytes = malloc(len);

	if (bytes && mf_look_read(look, mapping->start, bytes, len))
		return bytes;
	free(bytes);
	return NULL;
}

static void look_for_world(struct mf_look *look,
			   const struct mf_mapping *mapping)
{
	struct mf_world *world;

	if (!fits(mapping, mf_world_size()) || look->n_worlds == MF_LOOK_WORLDS)
		return;
	world = copy(look, mapping, mf_world_size());
	if (world && mf_world_is_one(world))
		look->worlds[look->n_worlds++] = world;
	else
		free(world);
}

static void look_for_check(struct mf_look *look,
			   const struct mf_mapping *mapping)
{
	if (look->checked || !fits(mapping, sizeof(*look->checked)))
		return;
	look->checked = copy(look, mapping, sizeof(*look->checked));
	if (!look->checked || mf_check_table_is_one(look->checked))
		return;
	free(look->checked);
	look->checked = NULL;
}

static bool is_whole(const struct mf_run_table *table, uint64_t len)
{
	return table->magic == MF_RUN_MAGIC && table->size <= len &&
	       table->n_maps <= MF_RUN_MAPS &&
	       sizeof(*table) + table->n_maps * sizeof(table->maps[0]) <=
		       table->size &&
	       ((const char *)table)[table->size - 1] == '\0';
}

static void look_for_table(struct mf_look *look,
			   const struct mf_mapping *mapping)
{
	if (look->table || !mapping->shared ||
	    strncmp(mapping->path, "/memfd:mfill-run", 16) != 0)
		return;
	look->table = copy(look, mapping, (size_t)length_of(mapping));
	if (!look->table || is_whole(look->table, length_of(mapping)))
		return;
	free(look->table);
	look->table = NULL;
}

static void forget(struct mf_look *look)
{
	while (look->n_worlds > 0)
		free(look->worlds[--look->n_worlds]);
	free(look->checked);
	free(look->table);
	look->checked = NULL;
	look->table = NULL;
}

int mf_look_again(struct mf_look *look)
{
	forget(look);
	for (size_t i = 0; i < look->n_mappings; i++) {
		look_for_world(look, &look->mappings[i]);
		look_for_check(look, &look->mappings[i]);
		look_for_table(look, &look->mappings[i]);
	}
	return look->n_worlds > 0 || look->checked ? 0 : -ENOENT;
}

void mf_look_close(struct mf_look *look)
{
	forget(look);
	free(look->mappings);
	if (look->mem_fd >= 0)
		(void)close(look->mem_fd);
}

static int open_memory(struct mf_look *look)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", look->pid);
	look->mem_fd = open(path, O_RDONLY | O_CLOEXEC);
	return look->mem_fd < 0 ? -errno : 0;
}

static int refuse(pid_t pid, int r)
{
	switch (-r) {
	case ENOENT:
	case ESRCH:
		mf_say("there is no process %d", pid);
		break;
	case EACCES:
	case EPERM:
		mf_say("process %d may not be looked into: it is another "
		       "user's, or the system forbids it (see ptrace(2), "
		       "ptrace_scope)",
		       pid);
		break;
	default:
		mf_say("process %d: %s", pid, strerror(-r));
	}
	return r;
}

/* One of a different build has the library, but not what we would know. */
static int not_ours(const struct mf_look *look)
{
	for (size_t i = 0; i < look->n_mappings; i++) {
		if (!strstr(look->mappings[i].path, "/libmfill"))
			continue;
		mf_say("process %d has a mfill of another version, or has not "
		       "used it yet",
		       look->pid);
		return -ENOENT;
	}
	mf_say("process %d does not use mfill", look->pid);
	return -ENOENT;
}

int mf_look_open(pid_t pid, struct mf_look *ret)
{
	struct mf_look look = { .pid = pid, .mem_fd = -1 };
	int r = read_mappings(&look);

	if (r == 0)
		r = open_memory(&look);
	if (r < 0) {
		mf_look_close(&look);
		return refuse(pid, r);
	}
	r = mf_look_again(&look);
	if (r < 0) {
		r = not_ours(&look);
		mf_look_close(&look);
		return r;
	}
	*ret = look;
	return 0;
}

const char *mf_look_name(const struct mf_look *look, uint64_t addr, bool code,
			 struct mf_place_name *storage)
{
	for (size_t i = 0; i < look->n_mappings; i++) {
		const struct mf_mapping *at = &look->mappings[i];
		uint64_t low, high, bias;

		if (at->offset != 0 || at->path[0] != '/' || addr < at->start ||
		    !mf_elf_extent(at->path, &low, &high))
			continue;
		bias = at->start - low;
		if (addr - bias >= high)
			continue;
		return code ? mf_name_code(at->path, addr - bias, storage)
			    : mf_name_data(at->path, addr - bias, storage);
	}
	snprintf(storage->text, sizeof(storage->text), "%s0x%llx",
		 code ? "" : "at ", (unsigned long long)addr);
	return storage->text;
}

const char *mf_look_map(const struct mf_look *look, uint32_t store)
{
	const struct mf_run_table *table = look->table;

	for (uint32_t i = 0; table && i < table->n_maps; i++)
		if (table->maps[i].store.id == store &&
		    table->maps[i].shown < table->size)
			return mf_run_text_at(table, table->maps[i].shown);
	return NULL;
}
