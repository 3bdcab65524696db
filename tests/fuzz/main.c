/* SPDX-License-Identifier: MIT */
/*
 * main.c - run a fuzz target on the inputs that are kept. No fuzzer needed.
 *
 * Arguments are files and folders of files. Prints TAP, a line per input; the
 * process dies of the first one that is wrong, whose name was printed.
 */
#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"

static int n_run;

static void run_file(const char *path)
{
	static uint8_t room[1 << 20];
	FILE *file = fopen(path, "rb");
	uint8_t *data;
	size_t len;

	MUST(file);
	len = fread(room, 1, sizeof(room), file);
	fclose(file);
	printf("# %s\n", path);
	fflush(stdout);
	/* Of the right size, so that a checker sees a read beyond it. */
	data = malloc(len + !len);
	MUST(data);
	memcpy(data, room, len);
	LLVMFuzzerTestOneInput(data, len);
	free(data);
	printf("ok %d - %s\n", ++n_run, strrchr(path, '/') + 1);
}

static void run_folder(const char *path)
{
	struct dirent **entry;
	int n = scandir(path, &entry, NULL, alphasort);

	MUST(n >= 0);
	for (int i = 0; i < n; i++) {
		char name[PATH_MAX];

		snprintf(name, sizeof(name), "%s/%s", path, entry[i]->d_name);
		if (entry[i]->d_name[0] != '.')
			run_file(name);
		free(entry[i]);
	}
	free(entry);
}

int main(int argc, char **argv)
{
	struct stat st;

	for (int i = 1; i < argc; i++) {
		MUST(stat(argv[i], &st) == 0);
		if (S_ISDIR(st.st_mode))
			run_folder(argv[i]);
		else
			run_file(argv[i]);
	}
	printf("1..%d\n", n_run);
	return n_run ? 0 : 1;
}
