/* SPDX-License-Identifier: MIT */
/*
 * face.h - descriptors that stand for a map.
 *
 * Promise: whether a descriptor is one of ours is asked of the kernel each
 * time, so no close or dup that we did not see can make us wrong.
 * Context: any, signal handlers and vfork() children included.
 *
 * The kernel refuses to read a face (it is opened for writing only), to write
 * it (it is sealed) and to map it (it cannot be read). So the wrappers hand a
 * call to the kernel first and look closer only when it was refused: files of
 * others cost nothing. The hint merely says which of the two to try first.
 */
#ifndef MF_PRELOAD_FACE_H
#define MF_PRELOAD_FACE_H

#include <fcntl.h>
#include <pthread.h>

#include "preload/interpose.h"

struct pl_face {
	struct pl_map *map;
	uint64_t size; /* of the file, now */
};

/* False: it is not the face of a map. Remembers the answer as a hint. */
bool pl_face(int fd, struct pl_face *ret);
/* pl_face(), and the program may read or write: 0, -EBADF or PL_PASS. */
long pl_face_to_read(int fd, struct pl_face *ret);
long pl_face_to_write(int fd, struct pl_face *ret);

/* The program's O_RDONLY, O_WRONLY or O_RDWR, told from the face's flags. */
int pl_face_access(int face_flags);

/*
 * A descriptor for the program, which asked for these flags. Or -EROFS,
 * -EEXIST, -ENOTDIR, as open() of a regular file would say.
 */
long pl_face_open(struct pl_map *map, int flags);
/* What to open instead, and how, where somebody else will do it. */
#define PL_FD_PATH_MAX 40
void pl_fd_path(int fd, char path[PL_FD_PATH_MAX]);
int pl_face_flags(const struct pl_map *map, int flags);

/*
 * What a wrapper returns: ours when the descriptor is a face, and next when
 * not, in the likelier order. refusal is the error that the kernel has for a
 * face, without having done anything. Both are cancellation points.
 */
#define PL_EITHER(fd, refusal, ours, next)                     \
	({                                                     \
		int errno_ = errno;                            \
		long r_ = PL_PASS;                             \
		if (pl_hinted(fd)) {                           \
			pthread_testcancel();                  \
			r_ = (ours);                           \
		}                                              \
		if (r_ != PL_PASS) {                           \
			r_ = pl_result(r_);                    \
		} else {                                       \
			long next_ = (next);                   \
			if (next_ < 0 && errno == (refusal)) { \
				r_ = (ours);                   \
			}                                      \
			if (r_ == PL_PASS) {                   \
				r_ = next_;                    \
			} else {                               \
				errno = errno_;                \
				r_ = pl_result(r_);            \
			}                                      \
		}                                              \
		r_;                                            \
	})

#define PL_HINTS 1024
extern unsigned char pl_hints[PL_HINTS];

static inline bool pl_hinted(int fd)
{
	return (unsigned)fd < PL_HINTS &&
	       __atomic_load_n(&pl_hints[fd], __ATOMIC_RELAXED);
}

static inline void pl_hint(int fd, bool ours)
{
	if ((unsigned)fd < PL_HINTS)
		__atomic_store_n(&pl_hints[fd], ours, __ATOMIC_RELAXED);
}

#endif
