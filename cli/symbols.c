/* SPDX-License-Identifier: MIT */
/*
 * symbols.c - look into ELF files for names, and ask addr2line for lines.
 *
 * Promise: see symbols.h. A file may be anything: it is read with care.
 * Context: one thread.
 */
#include "cli/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The last file that was asked about: questions come in groups. */
static struct {
	char path[512];
	const unsigned char *bytes; /* NULL: not an ELF file of ours */
	size_t size;
} file;

static bool is_elf(const unsigned char *bytes, size_t size)
{
	return size >= sizeof(Elf64_Ehdr) &&
	       memcmp(bytes, ELFMAG, SELFMAG) == 0 &&
	       bytes[EI_CLASS] == ELFCLASS64 && bytes[EI_DATA] == ELFDATA2LSB;
}

static void open_file(const char *path)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	void *bytes;

	if (strcmp(path, file.path) == 0)
		return;
	if (file.bytes)
		(void)munmap((void *)file.bytes, file.size);
	file.bytes = NULL;
	snprintf(file.path, sizeof(file.path), "%s", path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size < (off_t)sizeof(Elf64_Ehdr))
		return;
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return;
	file.size = (size_t)st.st_size;
	file.bytes = bytes;
	if (!is_elf(file.bytes, file.size)) {
		(void)munmap(bytes, file.size);
		file.bytes = NULL;
	}
}

/* Part of the file, or NULL where it has none. */
static const void *part(uint64_t offset, uint64_t len)
{
	if (offset > file.size || len > file.size - offset || offset % 4)
		return NULL;
	return file.bytes + offset;
}

static const Elf64_Shdr *section(unsigned i)
{
	const Elf64_Ehdr *header = (const void *)file.bytes;

	if (i >= header->e_shnum || header->e_shentsize != sizeof(Elf64_Shdr))
		return NULL;
	return part(header->e_shoff + i * sizeof(Elf64_Shdr),
		    sizeof(Elf64_Shdr));
}

bool mf_elf_extent(const char *path, uint64_t *ret_low, uint64_t *ret_high)
{
	const Elf64_Ehdr *header;
	uint64_t low = UINT64_MAX, high = 0;

	open_file(path);
	header = (const void *)file.bytes;
	for (unsigned i = 0; header && i < header->e_phnum; i++) {
		const Elf64_Phdr *program = part(header->e_phoff +
							 i * sizeof(*program),
						 sizeof(*program));

		if (!program || program->p_type != PT_LOAD)
			continue;
		if (program->p_vaddr < low)
			low = program->p_vaddr & ~UINT64_C(0xfff);
		if (program->p_vaddr + program->p_memsz > high)
			high = program->p_vaddr + program->p_memsz;
	}
	*ret_low = low;
	*ret_high = high;
	return high > low;
}

struct symbol {
	const char *name; /* NULL: none */
	uint64_t offset;  /* of the address in it */
};

static const char *string_at(const Elf64_Shdr *strings, uint32_t at)
{
	const char *text;

	if (!strings || at >= strings->sh_size)
		return NULL;
	text = part(strings->sh_offset, strings->sh_size);
	return text && memchr(text + at, 0, strings->sh_size - at) ? text + at
								   : NULL;
}

static struct symbol search_table(const Elf64_Shdr *table, uint64_t address,
				  int type)
{
	const Elf64_Sym *symbols = part(table->sh_offset, table->sh_size);
	size_t n = table->sh_size / sizeof(*symbols);
	struct symbol found = { NULL, 0 };

	for (size_t i = 0; symbols && i < n; i++) {
		const Elf64_Sym *symbol = &symbols[i];
		const char *name;

		if (ELF64_ST_TYPE(symbol->st_info) != type ||
		    address < symbol->st_value ||
		    address - symbol->st_value >= symbol->st_size)
			continue;
		name = string_at(section(table->sh_link), symbol->st_name);
		if (!name || !*name)
			continue;
		found.name = name;
		found.offset = address - symbol->st_value;
	}
	return found;
}

static struct symbol search(const char *path, uint64_t address, int type)
{
	struct symbol found = { NULL, 0 };
	const Elf64_Shdr *table;

	open_file(path);
	for (unsigned i = 0; file.bytes && (table = section(i)); i++) {
		if (table->sh_type != SHT_SYMTAB &&
		    table->sh_type != SHT_DYNSYM)
			continue;
		found = search_table(table, address, type);
		if (found.name)
			break;
	}
	return found;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What another program prints; false: it is not there, or failed. */
static bool ask(const char *const argv[], char *buf, size_t size)
{
	posix_spawn_file_actions_t actions;
	int ends[2], status = -1;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &actions, NULL, (char **)argv,
			 environ) != 0)
		pid = -1;
	posix_spawn_file_actions_destroy(&actions);
	(void)close(ends[1]);
	while (len < size - 1 &&
	       (n = read(ends[0], buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	(void)close(ends[0]);
	buf[len] = '\0';
	if (pid > 0)
		(void)waitpid(pid, &status, 0);
	return status == 0 && len > 0;
}

/*
 * Two lines, function and place, into buf, and two more for who it was inlined
 * into.
 */
static bool ask_addr2line(const char *path, uint64_t address, char *buf,
			  size_t size)
{
	char number[24];
	const char *argv[] = { "addr2line", "-f", "-i",	  "-C",
			       "-e",	    path, number, NULL };

	snprintf(number, sizeof(number), "0x%llx", (unsigned long long)address);
	return ask(argv, buf, size);
}

/* A name of C++'s as it is written; others, and without c++filt, as it is. */
static const char *written(const char *name, char *buf, size_t size)
{
	const char *argv[] = { "c++filt", name, NULL };

	if (strncmp(name, "_Z", 2) != 0 || !ask(argv, buf, size))
		return name;
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

/* One of the lines, which ends here; *rest is what follows, or NULL. */
static char *cut_line(char **rest)
{
	char *line = *rest, *end = line ? strchr(line, '\n') : NULL;

	if (end)
		*end++ = '\0';
	*rest = end && *end ? end : NULL;
	return line;
}

/*
 * "function (file.c:12)" of the next two lines; false: that is not known, but
 * perhaps the function is.
 */
static bool name_next(char **rest, char *ret, size_t size, char **ret_function)
{
	char *function = cut_line(rest), *line = cut_line(rest), *colon;

	*ret_function = function && *function != '?' ? function : NULL;
	if (!*ret_function || !line)
		return false;
	line[strcspn(line, " ")] = '\0';
	colon = strrchr(line, ':');
	if (*line == '?' || !colon || colon[1] < '1' || colon[1] > '9')
		return false;
	snprintf(ret, size, "%.100s (%.80s)", function, last_part(line));
	return true;
}

static void name_by_symbol(const char *path, uint64_t address,
			   const char *function, struct mf_place_name *storage)
{
	struct symbol symbol = search(path, address - 1, STT_FUNC);

	if (!function)
		function = symbol.name;
	if (!function)
		snprintf(storage->text, sizeof(storage->text), "%.200s+0x%llx",
			 *path ? last_part(path) : "",
			 (unsigned long long)address);
	else
		snprintf(storage->text, sizeof(storage->text),
			 "%.150s+0x%llx (in %.120s)", function,
			 symbol.name ? (unsigned long long)symbol.offset + 1
				     : 0,
			 last_part(path));
}

const char *mf_name_code(const char *path, uint64_t address,
			 struct mf_place_name *storage)
{
	char answer[2048], inner[200], outer[200];
	char *rest = answer, *function = NULL, *unused;

	if (!*path ||
	    !ask_addr2line(path, address - 1, answer, sizeof(answer)) ||
	    !name_next(&rest, inner, sizeof(inner), &function))
		name_by_symbol(path, address, function, storage);
	else if (name_next(&rest, outer, sizeof(outer), &unused))
		snprintf(storage->text, sizeof(storage->text),
			 "%.150s, inlined in %.150s", inner, outer);
	else
		snprintf(storage->text, sizeof(storage->text), "%s", inner);
	return storage->text;
}

const char *mf_name_data(const char *path, uint64_t address,
			 struct mf_place_name *storage)
{
	struct symbol symbol = search(path, address, STT_OBJECT);
	char buf[256];

	if (!symbol.name)
		snprintf(storage->text, sizeof(storage->text),
			 "at %.200s+0x%llx", last_part(path),
			 (unsigned long long)address);
	else if (symbol.offset)
		snprintf(storage->text, sizeof(storage->text),
			 "%.150s+0x%llx (in %.120s)",
			 written(symbol.name, buf, sizeof(buf)),
			 (unsigned long long)symbol.offset, last_part(path));
	else
		snprintf(storage->text, sizeof(storage->text),
			 "%.150s (in %.150s)",
			 written(symbol.name, buf, sizeof(buf)),
			 last_part(path));
	return storage->text;
}
