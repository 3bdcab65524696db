/* SPDX-License-Identifier: MIT */
/*
 * 03-errors.c - what a program sees when its source fails.
 *
 * Never a wrong byte: mfill_require() returns the source's error, a plain
 * access raises SIGBUS, and the next attempt asks the source again.
 */
#include <mfill.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SIZE 65536

static int disk_is_broken = 1;

static int read_disk(void *ctx, void *buf, size_t len, uint64_t offset)
{
	(void)ctx;
	(void)offset;
	if (disk_is_broken)
		return -EIO;
	memset(buf, 'x', len);
	return 0;
}

static int size_of_disk(void *ctx, uint64_t *ret_size)
{
	(void)ctx;
	*ret_size = SIZE;
	return 0;
}

static sigjmp_buf after_touch;
static char *volatile touched;

static void on_bus_error(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	touched = info->si_addr;
	siglongjmp(after_touch, 1);
}

int main(void)
{
	static const struct mfill_source_ops ops = {
		.struct_size = sizeof(ops),
		.flags = MFILL_SOURCE_INLINE,
		.read = read_disk,
		.get_size = size_of_disk,
	};
	struct sigaction action = { .sa_sigaction = on_bus_error,
				    .sa_flags = SA_SIGINFO };
	struct mfill_source *source;
	volatile char *disk;
	void *addr;
	int r;

	/* Before the first map, so that mfill's handler stays in front. */
	sigaction(SIGBUS, &action, NULL);

	r = mfill_source_new(&ops, NULL, &source);
	if (r == 0) {
		r = mfill_map(source, 0, SIZE, NULL, &addr);
		mfill_source_put(source);
	}
	if (r < 0) {
		fprintf(stderr, "no map: %s\n", strerror(-r));
		return 1;
	}
	disk = addr;

	/* Asked politely, there is no signal. */
	r = mfill_require(addr, SIZE);
	printf("require: %s\n", strerror(-r));

	/* Touched, there is. */
	if (sigsetjmp(after_touch, 1) == 0)
		printf("byte 100: %c\n", disk[100]);
	else
		printf("bus error at byte %d\n", (int)(touched - (char *)addr));

	/* Nothing was cached but the truth. */
	disk_is_broken = 0;
	r = mfill_require(addr, SIZE);
	printf("repaired: %s, byte 100: %c\n", strerror(-r), disk[100]);

	mfill_unmap(addr);
	return 0;
}
