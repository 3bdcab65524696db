/* SPDX-License-Identifier: MIT */
/*
 * preload-read.c - what does reading a filled file cost under mfill run?
 *
 * The same program reads the same bytes with pread(): of a plain file, and of
 * one that is only mapped, filled before. Each in processes of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

#define SIZE   ((size_t)64 << 20)
#define PASSES 9

static char self[4096];	  /* this program */
static char folder[4096]; /* where the files are */

static void write_plain(void)
{
	static char block[1 << 20];
	int fd = open("plain", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	bench_must(fd < 0 ? -errno : 0, "plain");
	for (size_t at = 0; at < SIZE; at += sizeof(block)) {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (char)((at + i) * 2654435761U >> 20);
		bench_must(write(fd, block, sizeof(block)) < 0 ? -errno : 0,
			   "plain");
	}
	(void)fsync(fd); /* or it is written back while we measure */
	(void)close(fd);
}

/* The reading program */

static uint64_t one_pass(int fd, char *buf, size_t len)
{
	uint64_t start = bench_now();

	for (size_t at = 0; at < SIZE; at += len)
		if (pread(fd, buf, len, (off_t)at) != (ssize_t)len)
			bench_must(-EIO, "pread");
	return bench_now() - start;
}

/* The median of passes over the file, in MB/s; the first one fills it. */
static int read_all(const char *name, size_t len)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	char *buf = aligned_alloc(BENCH_PAGE, len);
	uint64_t took[PASSES], swap;

	bench_must(fd < 0 ? -errno : 0, name);
	memset(buf, 1, len);
	one_pass(fd, buf, len);
	for (int i = 0; i < PASSES; i++) {
		took[i] = one_pass(fd, buf, len);
		for (int k = i; k > 0 && took[k] < took[k - 1]; k--) {
			swap = took[k];
			took[k] = took[k - 1];
			took[k - 1] = swap;
		}
	}
	printf("%f\n", (double)SIZE * 1e3 / (double)took[PASSES / 2]);
	free(buf);
	(void)close(fd);
	return 0;
}

/* The measuring one */

struct reading {
	const char *run; /* before the command */
	const char *name;
	size_t len;
};

static double measure(const void *arg)
{
	const struct reading *reading = arg;
	char command[16384];
	double value = 0;
	FILE *output;

	snprintf(command, sizeof(command), "cd %s && %s %s %s %zu", folder,
		 reading->run, self, reading->name, reading->len);
	output = popen(command, "re");
	bench_must(output ? 0 : -errno, "popen");
	if (fscanf(output, "%lf", &value) != 1 || pclose(output) != 0)
		_exit(1);
	return value;
}

static void find_self(void)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	bench_must(n < 0 ? -errno : 0, "/proc/self/exe");
}

static void make_files(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/mfill-bench-XXXXXX",
		 tmp ? tmp : "/var/tmp");
	bench_must(mkdtemp(folder) ? 0 : -errno, folder);
	bench_must(chdir(folder) < 0 ? -errno : 0, folder);
	write_plain();
	bench_must(system(MFILL " pack -q plain packed") ? -EIO : 0,
		   "mfill pack");
}

static void remove_files(void)
{
	(void)unlink("plain");
	(void)unlink("packed");
	(void)rmdir(folder);
}

static void table(const char *title, size_t len, double target)
{
	const char *run = MFILL " run --map mapped=zstd:packed --";
	const struct reading plain = { "", "plain", len };
	const struct reading mapped = { run, "mapped", len };
	const struct bench_row rows[] = {
		{ "a plain file", measure, &plain, -1, 0 },
		{ "under mfill run", measure, &mapped, 0, target },
	};

	bench_table(title, "MB/s", rows, 2);
}

int main(int argc, char **argv)
{
	if (argc == 3)
		return read_all(argv[1], strtoull(argv[2], NULL, 10));
	find_self();
	make_files();
	table("pread of 4 KiB, already filled", 4096, 0);
	table("pread of 64 KiB, already filled", 65536, -0.8);
	table("pread of 1 MiB, already filled", 1 << 20, -0.8);
	remove_files();
	return 0;
}
