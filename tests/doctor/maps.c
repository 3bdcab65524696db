/* SPDX-License-Identifier: MIT */
/*
 * maps.c - samples with locks and memory that fills itself.
 */
#include <errno.h>
#include <unistd.h>

#include "doctor/samples.h"
#include "mfill.h"

#define PAGE  ((size_t)sysconf(_SC_PAGESIZE))
#define PAGES 64

static pthread_mutex_t cache = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t config;
static int quick; /* read() needs no lock, as it happens */

/* A source that looks into a cache when it has to. */
static int read_cache(void *ctx, void *buf, size_t len, uint64_t offset)
{
	(void)ctx;
	if (!quick)
		pthread_mutex_lock(&cache);
	memset(buf, (int)(offset / PAGE) + 1, len);
	if (!quick)
		pthread_mutex_unlock(&cache);
	return 0;
}

static int read_config(void *ctx, void *buf, size_t len, uint64_t offset)
{
	(void)ctx;
	pthread_rwlock_rdlock(&config);
	memset(buf, (int)(offset / PAGE) + 1, len);
	pthread_rwlock_unlock(&config);
	return 0;
}

static int get_size(void *ctx, uint64_t *ret)
{
	(void)ctx;
	*ret = PAGES * PAGE;
	return 0;
}

static int backend = MFILL_BACKEND_AUTO;

static const char *map_of(int (*read)(void *, void *, size_t, uint64_t),
			  void *ctx, int delivery)
{
	struct mfill_source_ops ops = {
		.struct_size = sizeof(ops),
		.flags = delivery == MFILL_DELIVER_INLINE ? MFILL_SOURCE_INLINE
							  : 0,
		.read = read,
		.get_size = get_size,
	};
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.delivery = delivery,
		.backend = backend,
		.readahead = MFILL_READAHEAD_OFF,
	};
	struct mfill_source *source;
	void *addr;

	must(mfill_source_new(&ops, ctx, &source), "mfill_source_new");
	must(mfill_map(source, 0, PAGES * PAGE, &options, &addr), "mfill_map");
	mfill_source_put(source);
	return addr;
}

static void expect(const char *map, size_t page)
{
	if (map[page * PAGE] != (char)(page + 1))
		exit(1);
}

/* The lock is held over a touch; the fill takes it, but not this time. */
static void lock_over_touch(int delivery)
{
	const char *map = map_of(read_cache, NULL, delivery);

	expect(map, 0);
	quick = 1;
	pthread_mutex_lock(&cache);
	expect(map, 1);
	pthread_mutex_unlock(&cache);
}

static void touch_inline(void)
{
	lock_over_touch(MFILL_DELIVER_INLINE);
}

static void touch_thread(void)
{
	lock_over_touch(MFILL_DELIVER_THREAD);
}

/* The thread that touches sleeps in the kernel, another one is told. */
static void touch_kernel(void)
{
	backend = MFILL_BACKEND_UFFD;
	lock_over_touch(MFILL_DELIVER_THREAD);
}

/* The right way: what is needed is touched before. */
static void touch_before(void)
{
	const char *map = map_of(read_cache, NULL, MFILL_DELIVER_INLINE);

	for (size_t i = 0; i < 8; i++)
		expect(map, i);
	pthread_mutex_lock(&cache);
	for (size_t i = 0; i < 8; i++)
		expect(map, i);
	pthread_mutex_unlock(&cache);
}

/* A reader over a touch whose fill reads, too: it depends on the lock. */
static void *touch_reading(void *map)
{
	pthread_rwlock_rdlock(&config);
	expect(map, 3);
	pthread_rwlock_unlock(&config);
	return NULL;
}

static void reader_over_touch(int kind)
{
	pthread_t thread;
	const char *map;

	make_rwlock(&config, kind, PTHREAD_PROCESS_PRIVATE);
	map = map_of(read_config, NULL, MFILL_DELIVER_THREAD);
	must(pthread_create(&thread, NULL, touch_reading, (void *)map),
	     "thread");
	must(pthread_join(thread, NULL), "pthread_join");
}

static void reader_fair(void)
{
	reader_over_touch(FAIR);
}

static void reader_default(void)
{
	reader_over_touch(PTHREAD_RWLOCK_DEFAULT_NP);
}

/* Two maps, each of which reads the other for some of its pages. */
static const char *maps[2];

static int read_other(void *ctx, void *buf, size_t len, uint64_t offset)
{
	const char *const *other = ctx;
	size_t page = (size_t)(offset / PAGE);

	memset(buf, (int)page + 1, len);
	if (page == 1)
		expect(*other, 5);
	return 0;
}

static void maps_of_each_other(void)
{
	maps[0] = map_of(read_other, &maps[1], MFILL_DELIVER_INLINE);
	maps[1] = map_of(read_other, &maps[0], MFILL_DELIVER_INLINE);
	expect(maps[0], 1);
	expect(maps[1], 1);
}

/* One that waits, for somebody to look at: its source never answers. */
static int read_never(void *ctx, void *buf, size_t len, uint64_t offset)
{
	(void)ctx;
	(void)buf;
	(void)len;
	(void)offset;
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
	return -EIO;
}

static void *touch_too(void *map)
{
	return (void *)(long)((volatile const char *)map)[0];
}

static void wait_for_page(void)
{
	const char *map = map_of(read_never, NULL, MFILL_DELIVER_INLINE);
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		must(pthread_create(&threads[i], NULL, touch_too, (void *)map),
		     "thread");
	must(pthread_join(threads[0], NULL), "pthread_join");
}

/* One that hangs: the fill wants the lock that is held over the touch. */
static const char *hanging;

static void *fill_first(void *unused)
{
	(void)unused;
	expect(hanging, 0);
	return NULL;
}

static void hang(void)
{
	pthread_t thread;

	hanging = map_of(read_cache, NULL, MFILL_DELIVER_INLINE);
	pthread_mutex_lock(&cache);
	must(pthread_create(&thread, NULL, fill_first, NULL), "thread");
	usleep(300000);
	puts("ready");
	fflush(stdout);
	expect(hanging, 0);
}

static const struct sample samples[] = {
	{ "touch-inline", touch_inline },
	{ "touch-thread", touch_thread },
	{ "touch-kernel", touch_kernel },
	{ "touch-before", touch_before },
	{ "reader", reader_fair },
	{ "reader-default", reader_default },
	{ "each-other", maps_of_each_other },
	{ "wait", wait_for_page },
	{ "hang", hang },
};

int main(int argc, char **argv)
{
	return run_sample(samples, sizeof(samples) / sizeof(samples[0]), argc,
			  argv);
}
