/* SPDX-License-Identifier: MIT */
/*
 * fd.h - which descriptors of the program stand for which userfaultfd.
 *
 * Promise: a userfaultfd is there as long as one descriptor is.
 * Context: any.
 */
#ifndef MF_UFFD_FD_H
#define MF_UFFD_FD_H

#include <stdbool.h>
#include <stdint.h>

/* -EMFILE: too many. */
int mf_uffd_fd_add(int fd, uint32_t owner);
/* Whose it is; 0: nobody's in this process. */
uint32_t mf_uffd_fd_owner(int fd);
/* It stands for nothing any more. True: and it was the owner's last one. */
bool mf_uffd_fd_remove(int fd);

#endif
