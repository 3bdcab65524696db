/* SPDX-License-Identifier: MIT */
/*
 * scan.c - reading a packed file from end to end, through mfill run.
 *
 * Beside it: the plain file, which is in the page cache, and zstd, which
 * unpacks everything without letting anybody touch anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

#define SIZE ((size_t)128 << 20)

extern char **environ;

/* Text of a kind that packs to a third. */
static void write_text(const char *path)
{
	static char block[1 << 16];
	uint64_t dice = 1;
	FILE *file = fopen(path, "we");

	bench_must(file ? 0 : -errno, path);
	for (size_t at = 0; at < SIZE; at += sizeof(block)) {
		for (size_t i = 0; i < sizeof(block); i += 8) {
			char word[16];

			dice = dice * 6364136223846793005U + 1;
			snprintf(word, sizeof(word), "%07x ",
				 (unsigned)(dice >> 33) % 4096 * 40503 %
					 0xfffffff);
			memcpy(block + i, word, 8);
		}
		if (fwrite(block, sizeof(block), 1, file) != 1)
			bench_must(-EIO, path);
	}
	if (fclose(file))
		bench_must(-EIO, path);
}

static void run(const char *command)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	int status;
	pid_t pid;
	int r = posix_spawnp(&pid, "sh", NULL, NULL, argv, environ);

	bench_must(-r, command);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		bench_must(-ECHILD, command);
}

/* MB/s */
static double scan(const void *command)
{
	uint64_t begun = bench_now();

	run(command);
	return (double)SIZE * 1e3 / (double)(bench_now() - begun);
}

int main(void)
{
	static const struct bench_row rows[] = {
		{ "cat, the plain file", scan, "cat plain >/dev/null", -1, 0 },
		{ "zstd -dc", scan, "zstd -dcq packed >/dev/null", -1, 0 },
		{ "mfill run cat", scan,
		  MFILL " run -m m=zstd:packed cat m >/dev/null", 1, 0 },
		{ "mfill run cat, 64K reads", scan,
		  MFILL " run -m m=zstd:packed dd if=m bs=64K status=none "
			">/dev/null",
		  1, 0 },
		{ "mfill run cat, 1 ms a read", scan,
		  MFILL " run -m m=delay:ms=1:zstd:packed cat m >/dev/null", 1,
		  0 },
	};
	char folder[] = "/tmp/mfill-scan-XXXXXX";

	if (!mkdtemp(folder) || chdir(folder) < 0)
		bench_must(-errno, folder);
	write_text("plain");
	run(MFILL " pack -q plain packed");
	bench_table("128 MiB from end to end, from zstd", "MB/s", rows, 5);
	(void)unlink("plain");
	(void)unlink("packed");
	(void)rmdir(folder);
	return 0;
}
