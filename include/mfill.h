/* SPDX-License-Identifier: MIT */
/*
 * mfill.h - memory that fills itself on page fault, in user space.
 *
 * This is the whole public interface. Every call returns 0 (or a
 * non-negative result) or a negative errno value; errno itself is neither
 * read nor promised. A `ret_` argument is written only on success.
 *
 * Words used below:
 *
 *   page         sysconf(_SC_PAGESIZE) bytes
 *   signal-safe  may be called from a signal handler
 *   may block    may wait for a source, another thread, or the disk
 */
#ifndef MFILL_H
#define MFILL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is declared here is exported, whatever -fvisibility says. */
#pragma GCC visibility push(default)

#define MFILL_VERSION_MAJOR 0
#define MFILL_VERSION_MINOR 1
#define MFILL_VERSION_MICRO 0
#define MFILL_VERSION	    "0.1.0"

/*
 * Where the bytes come from
 * -------------------------
 */

/* A reference-counted origin of bytes, addressed by offset. */
struct mfill_source;

/*
 * read() may run inside a SIGSEGV handler, on the faulting thread: it calls
 * only async-signal-safe functions, takes no lock that a faulting thread may
 * hold, and needs less than 64 KiB of stack. Without this flag, read() runs
 * on a handler thread of mfill's, or in the caller of mfill_require().
 */
#define MFILL_SOURCE_INLINE 0x1U

/*
 * What a source can do. mfill calls these from several threads at once.
 *
 * The bytes at an offset must not change while a map uses the source: a
 * range that failed or was evicted may be read again.
 */
struct mfill_source_ops {
	/* sizeof(struct mfill_source_ops) of the caller */
	size_t struct_size;
	/* MFILL_SOURCE_* */
	unsigned flags;
	/*
	 * Put the len bytes at offset into buf. 0 when all of them are there,
	 * else a negative errno value; what buf holds then does not matter.
	 * offset + len never passes the size that get_size() told.
	 */
	int (*read)(void *ctx, void *buf, size_t len, uint64_t offset);
	/* The other way round. NULL: read-only. Not called yet. */
	int (*write)(void *ctx, const void *buf, size_t len, uint64_t offset);
	/* Size in bytes. Asked once, when the source is made. */
	int (*get_size)(void *ctx, uint64_t *ret_size);
	/*
	 * Bytes a read is cheapest in, such as a compression frame or a
	 * network block; 0 or a NULL function: no wish.
	 */
	size_t (*preferred_fill)(void *ctx);
	/*
	 * The last reference is gone. Never called from a signal handler.
	 * NULL: nothing to do.
	 */
	void (*close)(void *ctx);
};

/*
 * Open a source by name: SCHEME:REST. `file:PATH`, `zstd:PATH`,
 * `error:OPTIONS:SOURCE` and `delay:OPTIONS:SOURCE` are built in; see
 * mfill-sources(7).
 *
 * -EINVAL  malformed URI, unknown option
 * -EPROTONOSUPPORT  unknown scheme
 * -EBADMSG the file is not what the scheme says (no seek table, corrupt)
 * -EFBIG   it is cut into pieces too large to be read alone
 * -ESTALE  the index beside it was made for other contents
 * -ENAMETOOLONG  more than 8192 bytes
 * or what opening the file returned. mfill_source_open_why() has a sentence.
 *
 * May block. Not signal-safe. The caller owns one reference.
 */
int mfill_source_open(const char *uri, struct mfill_source **ret);

/*
 * The same, and on failure one sentence for people in why[why_size], cut to
 * fit, always ended by a NUL byte. why may be NULL when why_size is 0.
 */
int mfill_source_open_why(const char *uri, struct mfill_source **ret, char *why,
			  size_t why_size);

/*
 * Make a source out of functions. ctx is handed to each of them. On failure
 * ctx stays the caller's and ops->close() is not called.
 *
 * -EINVAL  no read() or get_size(), struct_size too small, unknown flag
 * -E2BIG   struct_size is larger than this library knows, and the part it
 *          does not know is not zero
 * or what get_size() returned.
 */
int mfill_source_new(const struct mfill_source_ops *ops, void *ctx,
		     struct mfill_source **ret);

/* Size in bytes. Signal-safe. */
int mfill_source_size(struct mfill_source *src, uint64_t *ret);

/*
 * Drop the caller's reference; maps keep their own. NULL is fine. Calls the
 * source's close() when it was the last.
 */
void mfill_source_put(struct mfill_source *src);

/*
 * Memory that fills itself
 * ------------------------
 */

/* Writable; what is written is private to the process, as MAP_PRIVATE. */
#define MFILL_MAP_WRITE 0x1U

/* How a page is hidden until it is filled: see mfill(7). */
enum mfill_backend {
	MFILL_BACKEND_AUTO = 0,
	MFILL_BACKEND_GUARD = 1,
	MFILL_BACKEND_MPROTECT = 2,
	MFILL_BACKEND_UFFD = 3,
};

/* Who runs the fill. */
enum mfill_delivery {
	/* inline where the source allows it, else a handler thread */
	MFILL_DELIVER_AUTO = 0,
	/* the faulting thread, inside the signal handler */
	MFILL_DELIVER_INLINE = 1,
	/* a handler thread, while the faulting thread sleeps */
	MFILL_DELIVER_THREAD = 2,
};

/* readahead value: never fetch what was not asked for */
#define MFILL_READAHEAD_OFF ((size_t)-1)

struct mfill_map_options {
	/* sizeof(struct mfill_map_options) of the caller */
	size_t struct_size;
	/* MFILL_MAP_* */
	unsigned flags;
	/* enum mfill_backend */
	int backend;
	/* enum mfill_delivery; INLINE needs a source that allows it */
	int delivery;
	/*
	 * Bytes per fill: a multiple of the page size, at most 64 MiB.
	 * 0: the source's wish, rounded up to pages.
	 */
	size_t fill_size;
	/*
	 * Most bytes fetched ahead of a sequential reader. 0: adaptive;
	 * MFILL_READAHEAD_OFF: none.
	 */
	size_t readahead;
};

/*
 * Map length bytes of src from offset on. The address is page aligned; the
 * map reaches to the end of its last page, and what is there beyond length
 * reads as zero. Touching a page fills it first. A source that fails raises
 * SIGBUS (BUS_ADRERR, si_addr the address touched); the next touch tries
 * again.
 *
 * options may be NULL. src may be put right after: the map has a reference.
 *
 * -EINVAL  unaligned offset or fill_size, zero length, unknown flag or value,
 *          wrong struct_size; INLINE asked of a source that cannot
 * -ENXIO   offset + length is beyond the end of the source
 * -EOVERFLOW  offset + length wraps
 * -EFBIG   more pages than a map can count (2^32 - 1)
 * -EOPNOTSUPP  that backend does not work here: see mfill probe
 * -ENOMEM, -EMFILE, -ENFILE  as the kernel said
 *
 * Installs handlers for SIGSEGV and SIGBUS on first use, which hand on every
 * fault that is not mfill's. Not signal-safe. Never calls the source's read().
 */
int mfill_map(struct mfill_source *src, uint64_t offset, size_t length,
	      const struct mfill_map_options *options, void **ret_addr);

/*
 * Undo mfill_map(); addr is what it returned. A touch of the range is a
 * foreign fault from then on. Fills under way are dropped when they look
 * again; the call does not wait for them. munmap() is no substitute: mfill
 * would go on serving those addresses, whoever has them next.
 *
 * -EINVAL  addr is not the start of a map
 *
 * Not signal-safe.
 */
int mfill_unmap(void *addr);

/*
 * Start to fill the pages of [addr, addr + length) in the background. A hint:
 * errors show when the page is touched.
 *
 * -EINVAL  the range is not inside one map, or length is 0
 * -EAGAIN  too many prefetches are waiting already
 *
 * Not signal-safe.
 */
int mfill_prefetch(void *addr, size_t length);

/*
 * Fill the pages of [addr, addr + length) now, in the calling thread (which
 * may block), and say how it went. Raises no signal, whatever the source
 * does. Not signal-safe for a source without MFILL_SOURCE_INLINE.
 *
 * -EINVAL  the range is not inside one map, or length is 0
 * -EAGAIN  the map went away or changed meanwhile
 * -EDEADLK filling would wait for a page whose filler waits for the caller
 * or what the source's read() returned.
 */
int mfill_require(void *addr, size_t length);

#define MFILL_LATENCY_BUCKETS 40

/* Counted since the map was made, by all processes that share it. */
struct mfill_stats {
	uint64_t faults;       /* touches of a page that was not open */
	uint64_t fills;	       /* fill units read from the source */
	uint64_t filled_bytes; /* bytes read from the source */
	uint64_t waits;	       /* times a thread waited for another's fill */
	uint64_t errors;       /* reads of the source that failed */
	uint64_t readahead;    /* fills nobody had asked for yet */
	uint64_t length;       /* bytes in the map */
	uint64_t fill_size;    /* bytes per fill */
	uint64_t units;	       /* fill units in the map */
	int32_t backend;       /* enum mfill_backend, never AUTO */
	int32_t delivery;      /* enum mfill_delivery, never AUTO */
	/*
	 * latency[i] counts faults that took less than 2^i ns, and not less
	 * than 2^(i-1). The last one also counts all that took longer.
	 */
	uint64_t latency[MFILL_LATENCY_BUCKETS];
};

/*
 * Copy the counters of the map that holds addr; struct_size is
 * sizeof(struct mfill_stats) of the caller. Signal-safe.
 *
 * -EINVAL  no map there, or a struct_size this library cannot serve
 */
int mfill_stats(void *addr, struct mfill_stats *ret, size_t struct_size);

/*
 * What is said while a program runs
 * ---------------------------------
 */

/*
 * What mfill has to say while the program runs goes to fn instead of stderr:
 * which threads would wait for each other's pages for ever and were refused
 * that, and last words before abort() if mfill finds a bug of its own. NULL:
 * to stderr again. fn may be called by any thread, at any time until the
 * process ends even when another was set meanwhile, inside a signal handler
 * too: it calls only async-signal-safe functions and touches no map. The
 * sentence ends with a NUL byte and has no newline.
 *
 * -ENOMEM  nothing has changed
 *
 * Not signal-safe.
 */
int mfill_set_log(void (*fn)(void *ctx, const char *sentence), void *ctx);

/*
 * What this machine allows
 * ------------------------
 */

/* One facility of the kernel, tried out and not merely looked up. */
struct mfill_facility {
	const char *name;   /* "guard", "mprotect", "uffd", … */
	const char *use;    /* what mfill does with it */
	int error;	    /* 0: usable, else the errno value it gave */
	const char *reason; /* one sentence: why not; "" when usable */
	const char *remedy; /* what would change that; "" when nothing would */
};

/*
 * Try each facility and describe up to n of them; struct_size is
 * sizeof(struct mfill_facility) of the caller. The strings live as long as
 * the library. Returns how many there are, which may be more than n.
 */
int mfill_probe(struct mfill_facility *ret, size_t n, size_t struct_size);

/* "0.1.0" */
const char *mfill_version(void);

/*
 * The seed's primitives, usable on any memory
 * -------------------------------------------
 */

/*
 * Copy len bytes and return how many were NOT copied: 0 when all were. Stops
 * at the first byte that would fault, on either side, exactly; never fills a
 * page, never raises a signal. Memory the kernel can bring in by itself
 * (never touched, swapped out) is brought in. Signal-safe.
 *
 * Needs mfill's signal handlers, so installs them on first use; -1 cast to
 * size_t is never returned.
 */
size_t mfill_copy_nofault(void *dst, const void *src, size_t len);

/*
 * userfaultfd(2) without the kernel's permission
 * ----------------------------------------------
 *
 * The structures, flags and errors of <linux/userfaultfd.h>, for memory that
 * the program mapped itself: private anonymous, shared anonymous, and shared
 * memfds. mfill_uffd_open(3) lists the differences. Needs /proc. Not
 * signal-safe.
 */

/*
 * A descriptor for poll(2) and the calls below; close it with
 * mfill_uffd_close(). flags: O_CLOEXEC, O_NONBLOCK, and UFFD_USER_MODE_ONLY,
 * without which it is -EPERM: a system call gets EFAULT for a missing page.
 *
 * -EINVAL  unknown flag
 * -EOPNOTSUPP  this kernel, or this /proc, lacks what it takes
 * -EMFILE, -ENFILE, -ENOMEM  as the kernel said; or 64 are open already
 */
int mfill_uffd_open(int flags);
/*
 * As ioctl_userfaultfd(2), with -errno for a result. -EBADF: fd was not opened
 * here, or in the parent of this process.
 */
int mfill_uffd_ioctl(int fd, unsigned long request, void *arg);
/*
 * Messages, as read(2) of a userfaultfd. May block, where it is a cancellation
 * point, unless O_NONBLOCK was asked for.
 */
ssize_t mfill_uffd_read(int fd, void *buf, size_t len);
/* All is unregistered, and who waits for a page goes on with zeros. */
int mfill_uffd_close(int fd);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
