/* SPDX-License-Identifier: MIT */
/*
 * test-reach.c - whether the preload library gets into a program.
 *
 * Programs are made up here: their headers are all that is looked at.
 */
#include "run/reach.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/harness.h"

#if !defined(__x86_64__) && !defined(__aarch64__)
#define MACHINE EM_NONE
#elif defined(__x86_64__)
#define MACHINE EM_X86_64
#define LOADER	"/lib64/ld-linux-x86-64.so.2"
#else
#define MACHINE EM_AARCH64
#define LOADER	"/lib/ld-linux-aarch64.so.1"
#endif

static char folder[64];

/* A directory of the test's own; gone when the test is. */
static const char *in_folder(const char *name)
{
	static char path[128];

	if (!*folder) {
		strcpy(folder, "/tmp/mfill-reach-XXXXXX");
		ck_assert_ptr_nonnull(mkdtemp(folder));
	}
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *name, const void *data, size_t len)
{
	FILE *file = fopen(in_folder(name), "we");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(data, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(in_folder(name), 0755), 0);
}

/* loader NULL: a program that needs none. */
static void write_program(const char *name, int machine, const char *loader)
{
	struct {
		Elf64_Ehdr head;
		Elf64_Phdr program[2];
		char loader[64];
	} elf;

	memset(&elf, 0, sizeof(elf));
	memcpy(elf.head.e_ident, ELFMAG, SELFMAG);
	elf.head.e_ident[EI_CLASS] = ELFCLASS64;
	elf.head.e_machine = (Elf64_Half)machine;
	elf.head.e_phoff = sizeof(elf.head);
	elf.head.e_phentsize = sizeof(elf.program[0]);
	elf.head.e_phnum = 2;
	elf.program[0].p_type = PT_LOAD;
	if (loader) {
		elf.program[1].p_type = PT_INTERP;
		elf.program[1].p_offset = (Elf64_Off)((char *)elf.loader -
						      (char *)&elf);
		elf.program[1].p_filesz = strlen(loader) + 1;
		strcpy(elf.loader, loader);
	}
	write_file(name, &elf, sizeof(elf));
}

static enum mf_reach reach(const char *name)
{
	char interpreter[256];

	return mf_reach(in_folder(name), interpreter);
}

#ifdef LOADER

TEST(a_program_with_our_dynamic_linker_is_in_reach)
{
	write_program("p", MACHINE, LOADER);
	ck_assert_int_eq(reach("p"), MF_REACH_YES);
	write_program("p", MACHINE, "/nix/store/x" LOADER);
	ck_assert_int_eq(reach("p"), MF_REACH_YES);
	remove_folder();
}

TEST(a_static_program_is_not)
{
	write_program("p", MACHINE, NULL);
	ck_assert_int_eq(reach("p"), MF_REACH_STATIC);
	remove_folder();
}

TEST(the_dynamic_linker_itself_is_in_reach)
{
	const char *name = strrchr(LOADER, '/') + 1;

	write_program(name, MACHINE, NULL);
	ck_assert_int_eq(reach(name), MF_REACH_YES);
	remove_folder();
}

TEST(another_c_library_is_not)
{
	write_program("p", MACHINE, "/lib/ld-musl-x86_64.so.1");
	ck_assert_int_eq(reach("p"), MF_REACH_LIBC);
	remove_folder();
}

TEST(a_script_is_what_its_interpreter_is)
{
	char script[256], interpreter[256];

	write_program("static", MACHINE, NULL);
	snprintf(script, sizeof(script), "#! \t%s -e\necho\n",
		 in_folder("static"));
	write_file("a", script, strlen(script));
	ck_assert_int_eq(mf_reach(in_folder("a"), interpreter),
			 MF_REACH_STATIC);
	ck_assert_str_eq(interpreter, in_folder("static"));
	/* And one that begins a script of scripts. */
	snprintf(script, sizeof(script), "#!%s", in_folder("a"));
	write_file("b", script, strlen(script));
	ck_assert_int_eq(mf_reach(in_folder("b"), interpreter),
			 MF_REACH_STATIC);
	remove_folder();
}

TEST(a_set_user_id_program_of_another_user_is_not)
{
	if (getuid() != 0)
		SKIP("root, to make a set-user-ID program of somebody else");
	write_program("p", MACHINE, LOADER);
	ck_assert_int_eq(chmod(in_folder("p"), 04755), 0);
	ck_assert_int_eq(reach("p"), MF_REACH_YES);
	ck_assert_int_eq(chown(in_folder("p"), 1, 1), 0);
	ck_assert_int_eq(chmod(in_folder("p"), 04755), 0);
	ck_assert_int_eq(reach("p"), MF_REACH_PRIVILEGED);
	/* Where no program gains anything, it does not matter. */
	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(reach("p"), MF_REACH_YES);
	remove_folder();
}

#endif

TEST(another_machine_is_not)
{
	write_program("p", EM_S390, "/lib/ld64.so.1");
	ck_assert_int_eq(reach("p"), MF_REACH_MACHINE);
	remove_folder();
}

TEST(what_cannot_be_told_is_taken_to_be_in_reach)
{
	char interpreter[256];

	write_file("empty", "", 0);
	write_file("text", "echo hello\n", 11);
	write_file("short", ELFMAG, SELFMAG);
	ck_assert_int_eq(reach("empty"), MF_REACH_YES);
	ck_assert_int_eq(reach("text"), MF_REACH_YES);
	ck_assert_int_eq(reach("short"), MF_REACH_YES);
	ck_assert_int_eq(reach("missing"), MF_REACH_YES);
	ck_assert_int_eq(mf_reach(folder, interpreter), MF_REACH_YES);
	remove_folder();
}

TEST(scripts_that_name_each_other_come_to_an_end)
{
	char script[256];

	snprintf(script, sizeof(script), "#!%s\n", in_folder("loop"));
	write_file("loop", script, strlen(script));
	ck_assert_int_eq(reach("loop"), MF_REACH_YES);
	remove_folder();
}

TEST(headers_that_lie_do_no_harm)
{
	Elf64_Ehdr head;

	memset(&head, 0xff, sizeof(head));
	memcpy(head.e_ident, ELFMAG, SELFMAG);
	head.e_ident[EI_CLASS] = ELFCLASS64;
	head.e_machine = MACHINE;
	head.e_phentsize = sizeof(Elf64_Phdr);
	write_file("p", &head, sizeof(head));
	(void)reach("p");
	head.e_phoff = 0;
	head.e_phnum = 0;
	write_file("p", &head, sizeof(head));
	(void)reach("p");
	remove_folder();
}
