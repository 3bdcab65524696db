/* SPDX-License-Identifier: MIT */
/*
 * packer.c - make a zstd file of many frames with a table of them.
 *
 * The main thread reads batches of frames and writes them; workers compress.
 * Batches go round in a ring, so that what is written stays in order and no
 * more than the ring is in memory:
 *
 *   EMPTY -> (main reads) -> READY -> (a worker compresses) -> DONE
 *     ^                                                          |
 *     +------------------------ (main writes) <------------------+
 */
#include "cli/packer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "cli/cmd.h"
#include "sources/zstd/hash.h"
#include "sources/zstd/seektable.h"

#define BATCH (1U << 20)

enum state { EMPTY, READY, BUSY, DONE };

struct batch {
	enum state state; /* lock */
	uint8_t *in;
	size_t in_len;
	uint8_t *out;
	size_t out_len;
	size_t n_frames;
	struct frame {
		uint32_t in, out, checksum;
	} * frame;
	const char *error; /* NULL: none */
};

struct packer {
	struct mf_packing *packing;
	size_t batch_size;
	struct batch *ring;
	unsigned n_ring;
	struct mf_entries entries;
	pthread_t *worker;
	unsigned n_workers;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t next_to_pack; /* lock */
	bool ended;	       /* lock */
};

static void pack_batch(const struct packer *p, ZSTD_CCtx *cctx,
		       struct batch *batch)
{
	size_t frame_size = p->packing->frame_size;

	batch->n_frames = 0;
	batch->out_len = 0;
	batch->error = cctx ? NULL : "out of memory";
	if (!cctx)
		return;
	for (size_t at = 0; at < batch->in_len; at += frame_size) {
		size_t left = batch->in_len - at;
		size_t len = left < frame_size ? left : frame_size;
		struct frame *frame = &batch->frame[batch->n_frames++];
		size_t n = ZSTD_compress2(cctx, batch->out + batch->out_len,
					  ZSTD_compressBound(frame_size),
					  batch->in + at, len);

		if (ZSTD_isError(n)) {
			batch->error = ZSTD_getErrorName(n);
			return;
		}
		batch->out_len += n;
		frame->in = (uint32_t)n;
		frame->out = (uint32_t)len;
		if (p->packing->checksums)
			frame->checksum = (uint32_t)mf_hash64(batch->in + at,
							      len);
	}
}

/* The next batch that was read; NULL when there will be none. */
static struct batch *take_ready(struct packer *p)
{
	struct batch *batch;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		batch = &p->ring[p->next_to_pack % p->n_ring];
		if (batch->state == READY || p->ended)
			break;
		pthread_cond_wait(&p->changed, &p->lock);
	}
	if (batch->state == READY) {
		batch->state = BUSY;
		p->next_to_pack++;
	} else {
		batch = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	return batch;
}

static void set_state(struct packer *p, struct batch *batch, enum state state)
{
	pthread_mutex_lock(&p->lock);
	batch->state = state;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static void *work(void *arg)
{
	struct packer *p = arg;
	ZSTD_CCtx *cctx = ZSTD_createCCtx();
	struct batch *batch;

	if (cctx)
		ZSTD_CCtx_setParameter(cctx, ZSTD_c_compressionLevel,
				       p->packing->level);
	while ((batch = take_ready(p))) {
		pack_batch(p, cctx, batch);
		set_state(p, batch, DONE);
	}
	ZSTD_freeCCtx(cctx);
	return NULL;
}

/* As much as fits, so that only the last batch is short. */
static int read_batch(const struct packer *p, struct batch *batch)
{
	batch->in_len = 0;
	while (batch->in_len < p->batch_size) {
		ssize_t n = read(p->packing->in_fd, batch->in + batch->in_len,
				 p->batch_size - batch->in_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int error = errno;

			mf_say("%s: cannot be read: %s", p->packing->in_name,
			       strerror(error));
			return -error;
		}
		if (n == 0)
			break;
		batch->in_len += (size_t)n;
	}
	return 0;
}

static int say_table(const struct packer *p, int r)
{
	if (r == -EOVERFLOW)
		mf_say("%s: more frames than a table can have; use a larger "
		       "--frame-size",
		       p->packing->in_name);
	else if (r < 0)
		mf_say("%s: its table of frames: %s", p->packing->in_name,
		       strerror(-r));
	return r;
}

static int note_frames(struct packer *p, const struct batch *batch)
{
	for (size_t i = 0; i < batch->n_frames; i++) {
		const struct frame *frame = &batch->frame[i];
		int r = mf_entries_add(&p->entries, frame->in, frame->out,
				       frame->checksum);

		if (r < 0)
			return r;
	}
	p->packing->in_bytes += batch->in_len;
	p->packing->out_bytes += batch->out_len;
	p->packing->frames += batch->n_frames;
	return 0;
}

static int write_batch(struct packer *p, struct batch *batch)
{
	int r;

	pthread_mutex_lock(&p->lock);
	while (batch->state != DONE)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
	if (batch->error) {
		mf_say("%s: cannot be compressed: %s", p->packing->in_name,
		       batch->error);
		return -EIO;
	}
	r = mf_output_write(p->packing->out, batch->out, batch->out_len);
	if (r == 0)
		r = say_table(p, note_frames(p, batch));
	set_state(p, batch, EMPTY);
	mf_progress_show(p->packing->progress, p->packing->in_bytes);
	return r;
}

static int run(struct packer *p)
{
	uint64_t n_read = 0;
	uint64_t n_written = 0;
	bool at_end = false;
	int r = 0;

	while (r == 0 && (!at_end || n_written < n_read)) {
		struct batch *batch = &p->ring[n_read % p->n_ring];

		if (at_end || n_read - n_written == p->n_ring) {
			r = write_batch(p, &p->ring[n_written % p->n_ring]);
			n_written++;
			continue;
		}
		r = read_batch(p, batch);
		at_end = batch->in_len < p->batch_size;
		if (r < 0 || batch->in_len == 0)
			continue;
		set_state(p, batch, READY);
		n_read++;
	}
	return r;
}

static int write_table(struct packer *p)
{
	uint8_t seal[MF_SEAL_SIZE];
	size_t len;
	int r = say_table(p, mf_seektable_finish(&p->entries, seal, &len));

	if (r == 0)
		r = mf_output_write(p->packing->out, seal, sizeof(seal));
	if (r == 0)
		r = mf_output_write(p->packing->out, p->entries.bytes, len);
	if (r == 0)
		p->packing->out_bytes += sizeof(seal) + len;
	return r;
}

static int alloc_batch(const struct packer *p, struct batch *batch)
{
	size_t frames = p->batch_size / p->packing->frame_size;

	batch->in = malloc(p->batch_size);
	batch->out = malloc(frames *
			    ZSTD_compressBound(p->packing->frame_size));
	batch->frame = calloc(frames, sizeof(*batch->frame));
	return batch->in && batch->out && batch->frame ? 0 : -ENOMEM;
}

static int start(struct packer *p)
{
	unsigned threads = p->packing->threads;

	p->ring = calloc(threads + 2, sizeof(*p->ring));
	p->worker = calloc(threads, sizeof(*p->worker));
	if (!p->ring || !p->worker)
		return -ENOMEM;
	for (p->n_ring = 0; p->n_ring < threads + 2; p->n_ring++)
		if (alloc_batch(p, &p->ring[p->n_ring]) < 0)
			return -ENOMEM;
	for (; p->n_workers < threads; p->n_workers++) {
		int r = pthread_create(&p->worker[p->n_workers], NULL, work, p);

		/* One is enough to get on. */
		if (r && p->n_workers == 0)
			return -r;
		if (r)
			break;
	}
	return mf_entries_init(&p->entries, MF_SEEKTABLE_HEADER,
			       p->packing->checksums);
}

static void stop(struct packer *p)
{
	pthread_mutex_lock(&p->lock);
	p->ended = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_workers; i++)
		pthread_join(p->worker[i], NULL);
	for (unsigned i = 0; p->ring && i < p->packing->threads + 2; i++) {
		free(p->ring[i].in);
		free(p->ring[i].out);
		free(p->ring[i].frame);
	}
	free(p->ring);
	free(p->worker);
	mf_entries_free(&p->entries);
}

int mf_pack(struct mf_packing *packing)
{
	size_t frame_size = packing->frame_size;
	struct packer p = {
		.packing = packing,
		.batch_size = frame_size < BATCH
				      ? BATCH / frame_size * frame_size
				      : frame_size,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
	int r = start(&p);

	if (r < 0)
		mf_say("cannot begin: %s", strerror(-r));
	if (r == 0)
		r = run(&p);
	if (r == 0)
		r = write_table(&p);
	stop(&p);
	return r;
}
