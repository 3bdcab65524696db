/* SPDX-License-Identifier: MIT */
/*
 * views.c - mmap() and what changes a mapping.
 *
 * Promise: a map can be mapped as a file can: shared or private, at an offset,
 * to a fixed place, beyond its end; and no mapping of the program's, made
 * over a view or cut out of one, leaves us with a wrong idea of what is where.
 * Context: not in a signal handler. What is far from any view costs two
 * comparisons, and may be called anywhere.
 */
#include <stdarg.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "base/syscall.h"
#include "map/map.h"
#include "mm/mm.h"
#include "preload/face.h"
#include "preload/serve.h"
#include "preload/touch.h"
#include "preload/uffd.h"
#include "uffd/change.h"

#define AHEAD ((uint64_t)1 << 20)

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

/* Around all views there ever were; only grows. */
static uintptr_t hull_start = UINTPTR_MAX, hull_end;

static void widen_hull(uintptr_t start, uintptr_t end)
{
	uintptr_t old = mf_load_relaxed(&hull_start);

	while (start < old && !mf_cas(&hull_start, &old, start))
		;
	old = mf_load_relaxed(&hull_end);
	while (end > old && !mf_cas(&hull_end, &old, end))
		;
}

static bool near_views(const void *addr, size_t len)
{
	uintptr_t start = (uintptr_t)addr;

	return start < mf_load_relaxed(&hull_end) &&
	       start + len > mf_load_relaxed(&hull_start);
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static uint64_t whole_pages(uint64_t len)
{
	return (len + page_size() - 1) / page_size() * page_size();
}

/* Only faults of a source that may block need others to read ahead. */
static uint64_t readahead_of(const struct pl_map *map)
{
	return mf_source_is_inline(map->store->source) ? 0 : AHEAD;
}

static int check_access(int fd, const struct pl_face *face, int prot, int flags)
{
	long access = mf_syscall(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);
	bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;

	if (access < 0 || (access & O_PATH))
		return -EBADF;
	access = face->map->rw ? pl_face_access((int)access) : O_RDONLY;
	if (access == O_WRONLY)
		return -EACCES;
	return shared && (prot & PROT_WRITE) && access != O_RDWR ? -EACCES : 0;
}

/*
 * Room for a mapping of which only the first part is a view. It is made of
 * the empty face: what lies behind the end of the file raises SIGBUS there as
 * it does in any file.
 */
static int reserve(const struct pl_map *map, size_t len, int prot, int flags,
		   uint64_t offset, void *addr, void **ret)
{
	int fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
	int ours = MAP_PRIVATE | MAP_NORESERVE;

	if (fixed || !mf_arena_start())
		return mf_sys.mmap(addr, len, prot, ours | fixed, map->face_fd,
				   offset, ret);
	return mf_arena_mmap(len, prot, ours, map->face_fd, offset, ret);
}

/* All that mmap() of a face asks for has been found right. */
static long map_face(const struct pl_face *face, void *addr, size_t len,
		     int prot, int flags, uint64_t offset)
{
	const struct pl_map *map = face->map;
	struct mf_map_request request = {
		.store = map->store,
		.offset = offset,
		.length = len,
		.prot = prot,
		.shared = (flags & MAP_TYPE) != MAP_PRIVATE,
		.backend = pl_run.backend,
		.delivery = pl_run.delivery,
		.readahead = readahead_of(map),
	};
	uint64_t size = whole_pages(face->size);
	uint64_t inside = offset < size ? size - offset : 0;
	int r = 0;

	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))
		pl_touch_everywhere();
	if (len > inside || (flags & MAP_FIXED_NOREPLACE))
		r = reserve(map, len, prot, flags, offset, addr, &addr);
	request.address = addr;
	request.fixed = len > inside ||
			(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE));
	if (len > inside)
		request.length = (size_t)inside;
	if (r < 0)
		return r;
	if (inside > 0)
		r = mf_map(&request, &request.address);
	if (r < 0) {
		if (request.fixed)
			(void)mf_sys.munmap(addr, len);
		return r == -EOPNOTSUPP ? -ENODEV : r;
	}
	addr = request.address;
	widen_hull((uintptr_t)addr, (uintptr_t)addr + len);
	if (flags & MAP_POPULATE)
		(void)mf_require(addr, request.length);
	return (long)addr;
}

static long checked_map(int fd, const struct pl_face *face, void *addr,
			size_t len, int prot, int flags, off_t offset)
{
	int r = check_access(fd, face, prot, flags);

	if (r == 0)
		r = pl_map_ready(face->map);
	if (r < 0)
		return r;
	if (len == 0 || offset < 0 || (uint64_t)offset % page_size() ||
	    ((flags & MAP_FIXED) && (uintptr_t)addr % page_size()))
		return -EINVAL;
	if (len > SIZE_MAX / 2)
		return -ENOMEM;
	return map_face(face, addr, whole_pages(len), prot, flags,
			(uint64_t)offset);
}

/* A view of a face is mapped by others: there only what was there goes. */
static long map_over(void *addr, size_t len, int prot, int flags, int fd,
		     off_t offset, bool is_face)
{
	void *got = addr;
	int r = is_face ? mf_uffd_munmap(addr, len)
			: mf_uffd_mmap(addr, len, prot, flags, fd,
				       (uint64_t)offset, &got);

	if (r == -ENOENT || (r == 0 && is_face))
		return PL_PASS;
	return r < 0 ? r : (long)got;
}

long pl_serve_mmap(void *addr, size_t len, int prot, int flags, int fd,
		   off_t offset)
{
	bool is_face;
	struct pl_face face;
	long r = PL_PASS;

	/* Any mapping may be made in the place of a view. */
	if ((flags & MAP_FIXED) && near_views(addr, len))
		(void)mf_map_forget(addr, whole_pages(len));
	is_face = !(flags & MAP_ANONYMOUS) && pl_face(fd, &face);
	if ((flags & MAP_FIXED) && mf_uffd_is_near(addr, len))
		r = map_over(addr, len, prot, flags, fd, offset, is_face);
	if (r != PL_PASS || !is_face)
		return r;
	return checked_map(fd, &face, addr, len, prot, flags, offset);
}

INTERPOSE(void *, mmap64,
	  (void *addr, size_t len, int prot, int flags, int fd, off_t offset))
{
	long r = pl_serve_mmap(addr, len, prot, flags, fd, offset);

	if (r == PL_PASS)
		return NEXT(mmap64)(addr, len, prot, flags, fd, offset);
	return (void *)pl_result(r);
}
INTERPOSE_ALSO(mmap, mmap64);

long pl_serve_munmap(void *addr, size_t len)
{
	int r = -ENOENT;

	if (mf_uffd_is_near(addr, len))
		r = mf_uffd_munmap(addr, len);
	if (r != -ENOENT)
		return r;
	return near_views(addr, len) ? mf_map_cut(addr, len) : PL_PASS;
}

INTERPOSE(int, munmap, (void *addr, size_t len))
{
	long r = pl_serve_munmap(addr, len);

	return r == PL_PASS ? NEXT(munmap)(addr, len) : (int)pl_result(r);
}

long pl_serve_mremap(void *old_addr, size_t old_len, size_t new_len, int flags,
		     void *new_addr)
{
	void *addr;
	int r = -ENOENT;

	if (mf_uffd_is_near(old_addr, old_len) ||
	    ((flags & MREMAP_FIXED) && mf_uffd_is_near(new_addr, new_len)))
		r = mf_uffd_mremap(old_addr, old_len, new_len, flags, new_addr,
				   &addr);
	if (r != -ENOENT)
		return r < 0 ? r : (long)addr;
	if (near_views(old_addr, old_len))
		r = mf_map_move(old_addr, whole_pages(old_len),
				whole_pages(new_len), flags, new_addr, &addr);
	if (r == 0)
		widen_hull((uintptr_t)addr, (uintptr_t)addr + new_len);
	if (r != -ENOENT)
		return r < 0 ? r : (long)addr;
	if ((flags & MREMAP_FIXED) && near_views(new_addr, new_len))
		(void)mf_map_forget(new_addr, whole_pages(new_len));
	return PL_PASS;
}

INTERPOSE(void *, mremap,
	  (void *old_addr, size_t old_len, size_t new_len, int flags, ...))
{
	void *new_addr = NULL;
	va_list args;
	long r;

	if (flags & MREMAP_FIXED) {
		va_start(args, flags);
		new_addr = va_arg(args, void *);
		va_end(args);
	}
	r = pl_serve_mremap(old_addr, old_len, new_len, flags, new_addr);
	if (r == PL_PASS)
		return NEXT(mremap)(old_addr, old_len, new_len, flags,
				    new_addr);
	return (void *)pl_result(r);
}

static bool is_read_only(const struct mf_store *store)
{
	for (unsigned i = 0; i < pl_run.n_maps; i++)
		if (pl_run.maps[i].store == store)
			return !pl_run.maps[i].rw;
	return false;
}

/*
 * Whether making the range writable would let the program write into what all
 * share. The kernel would say no, because the file is open for reading; our
 * store is not.
 */
static bool spoils(uintptr_t start, size_t len)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	uintptr_t end = start + len;
	uint64_t generation;
	bool found = false;

	while (me && mm && !found && start < end) {
		struct mf_region *region = mf_mm_get_in(
			mm, me, start, end - start, &generation);

		if (!region)
			break;
		found = region->view->shared &&
			is_read_only(region->view->store);
		start = region->start + region->len;
		mf_region_put(region);
	}
	return found;
}

long pl_serve_mprotect(void *addr, size_t len, int prot)
{
	int r = -ENOENT;

	if (mf_uffd_is_near(addr, len))
		r = mf_uffd_mprotect(addr, len, prot);
	if (r != -ENOENT)
		return r;
	if (!near_views(addr, len))
		return PL_PASS;
	len = (size_t)whole_pages(len);
	if ((prot & PROT_WRITE) && spoils((uintptr_t)addr, len))
		return -EACCES;
	r = mf_map_protect(addr, len, prot);
	return r == -ENOENT ? PL_PASS : r;
}

INTERPOSE(int, mprotect, (void *addr, size_t len, int prot))
{
	long r = pl_serve_mprotect(addr, len, prot);

	return r == PL_PASS ? NEXT(mprotect)(addr, len, prot)
			    : (int)pl_result(r);
}

INTERPOSE(int, pkey_mprotect, (void *addr, size_t len, int prot, int key))
{
	long r = key == -1 ? pl_serve_mprotect(addr, len, prot) : PL_PASS;

	return r == PL_PASS ? NEXT(pkey_mprotect)(addr, len, prot, key)
			    : (int)pl_result(r);
}

/* The kernel would find no page: what it is to bring in, we do. */
long pl_serve_madvise(void *addr, size_t len, int advice)
{
	int r = -ENOENT;

	/* What goes out of a file goes out of all its mappings. */
	if (mf_uffd_is_near(addr, len) ||
	    (advice == MADV_REMOVE && mf_uffd_has_ranges()))
		r = mf_uffd_madvise(addr, len, advice);
	if (r != -ENOENT)
		return r;
	if ((advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE) &&
	    near_views(addr, len) && mf_require(addr, len) < 0)
		return -EFAULT;
	return PL_PASS;
}

INTERPOSE(int, madvise, (void *addr, size_t len, int advice))
{
	long r = pl_serve_madvise(addr, len, advice);

	return r == PL_PASS ? NEXT(madvise)(addr, len, advice)
			    : (int)pl_result(r);
}

static bool can_lock(const void *addr, size_t len)
{
	return !near_views(addr, len) || mf_require(addr, len) == 0;
}

INTERPOSE(int, mlock, (const void *addr, size_t len))
{
	return can_lock(addr, len) ? NEXT(mlock)(addr, len)
				   : (int)pl_result(-EAGAIN);
}

INTERPOSE(int, mlock2, (const void *addr, size_t len, unsigned flags))
{
	return can_lock(addr, len) ? NEXT(mlock2)(addr, len, flags)
				   : (int)pl_result(-EAGAIN);
}
