/* SPDX-License-Identifier: MIT */
/*
 * backend.h - which backends there are; what one does is in mm/region.h.
 *
 * Context: not in a signal handler.
 */
#ifndef MF_BACKENDS_BACKEND_H
#define MF_BACKENDS_BACKEND_H

#include <stddef.h>

#include "mm/region.h"

extern const struct mf_backend mf_backend_guard;
extern const struct mf_backend mf_backend_mprotect;
extern const struct mf_backend mf_backend_uffd;

/*
 * The backend for an enum mfill_backend value; AUTO picks the one that is best
 * for that delivery (resolved) of those that work here. -EINVAL: no such value. -EOPNOTSUPP: does not work here.
 * -EMFILE, -ENFILE, -ENOMEM: it could not be tried.
 */
int mf_backend_choose(int id, int delivery, const struct mf_backend **ret);

/*
 * For a backend's probe(): what trial says of a page of a fresh memfd, mapped
 * shared with that protection. trial may write from the page to fd, to see
 * whether the kernel can read it.
 */
int mf_backend_try(int prot, int (*trial)(char *page, size_t size, int fd));

#endif
