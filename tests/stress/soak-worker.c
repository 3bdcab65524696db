/* SPDX-License-Identifier: MIT */
/*
 * soak-worker.c - one of many programs that read one map at once.
 *
 *	soak-worker --make FILE BYTES     make what is read
 *	soak-worker FILE OPERATIONS SEED  read it at random, in all ways
 *
 * Exits with 0 when every word was right, 1 when one was not, and 2 when
 * something failed. It may be killed at any moment: others are there to see
 * what that does to them.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress/content.h"

#define SEED	 7
#define READ_MAX (64U << 10)

struct reader {
	const char *program, *path;
	int fd;
	uint64_t size;
	const uint64_t *view;
	uint64_t random;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "soak-worker %d: %s: %s\n", (int)getpid(), what,
		strerror(errno));
	_exit(2);
}

static uint64_t next_random(struct reader *r, uint64_t below)
{
	r->random = content_word(SEED + 1, r->random + 1);
	return r->random % below;
}

static void check(uint64_t word, uint64_t offset, const char *how)
{
	if (word == content_word(SEED, offset))
		return;
	fprintf(stderr,
		"soak-worker %d: %s at %" PRIu64 ": %" PRIx64 " is wrong\n",
		(int)getpid(), how, offset, word);
	_exit(1);
}

static void make(const char *path, uint64_t size)
{
	uint64_t words[512];
	FILE *file = fopen(path, "we");

	if (!file)
		die(path);
	for (uint64_t at = 0; at < size; at += sizeof(words)) {
		for (size_t i = 0; i < 512; i++)
			words[i] = content_word(SEED, at + 8 * i);
		if (fwrite(words, sizeof(words), 1, file) != 1)
			die(path);
	}
	if (fclose(file))
		die(path);
}

static void open_map(struct reader *r)
{
	struct stat st;

	r->fd = open(r->path, O_RDONLY);
	if (r->fd < 0 || fstat(r->fd, &st) < 0)
		die(r->path);
	r->size = (uint64_t)st.st_size;
	r->view = mmap(NULL, r->size, PROT_READ, MAP_SHARED, r->fd, 0);
	if (r->view == MAP_FAILED)
		die("mmap");
}

static void touch_some(struct reader *r)
{
	for (int i = 0; i < 8; i++) {
		uint64_t at = next_random(r, r->size / 8);

		check(r->view[at], 8 * at, "a touch");
	}
}

static void read_some(struct reader *r)
{
	static uint64_t words[READ_MAX / 8];
	uint64_t at = 8 * next_random(r, r->size / 8);
	uint64_t len = 8 * (1 + next_random(r, READ_MAX / 8));
	ssize_t n;

	if (len > r->size - at)
		len = r->size - at;
	n = pread(r->fd, words, len, (off_t)at);
	if (n != (ssize_t)len)
		die("pread");
	for (uint64_t i = 0; i < len / 8; i++)
		check(words[i], at + 8 * i, "a read");
}

static void fork_some(struct reader *r)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		die("fork");
	if (child == 0) {
		touch_some(r);
		read_some(r);
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child)
		die("waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
}

/* Join the run once more, as any program that is executed. */
static void start_again(struct reader *r, uint64_t operations)
{
	char left[24], seed[24];

	snprintf(left, sizeof(left), "%" PRIu64, operations);
	snprintf(seed, sizeof(seed), "%" PRIu64, r->random);
	execl(r->program, r->program, r->path, left, seed, NULL);
	die("exec");
}

int main(int argc, char **argv)
{
	struct reader r = { .program = "/proc/self/exe" };
	uint64_t operations;

	if (argc != 4)
		return 2;
	if (!strcmp(argv[1], "--make")) {
		make(argv[2], strtoull(argv[3], NULL, 10));
		return 0;
	}
	r.path = argv[1];
	operations = strtoull(argv[2], NULL, 10);
	r.random = strtoull(argv[3], NULL, 10);
	open_map(&r);
	while (operations-- > 0) {
		uint64_t what = next_random(&r, 256);

		/* Many at once need not mean all the time. */
		usleep((useconds_t)next_random(&r, 20000));
		if (what == 0)
			start_again(&r, operations);
		else if (what < 4)
			fork_some(&r);
		else if (what < 130)
			touch_some(&r);
		else
			read_some(&r);
	}
	return 0;
}
