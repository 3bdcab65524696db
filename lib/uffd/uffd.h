/* SPDX-License-Identifier: MIT */
/*
 * uffd.h - userfaultfd(2) without the kernel's: the calls behind mfill.h.
 *
 * Context: not in a signal handler.
 */
#ifndef MF_UFFD_UFFD_H
#define MF_UFFD_UFFD_H

#include <sys/types.h>

/* A descriptor, or -errno. */
int mf_uffd_open(int flags);
int mf_uffd_ioctl(int fd, unsigned long request, void *arg);
/* The same, for one of this process. */
struct mf_uffd;
int mf_uffd_serve(struct mf_uffd *uffd, unsigned long request, void *arg);
/* A cancellation point where it waits. */
ssize_t mf_uffd_read_messages(int fd, void *buf, size_t len);
int mf_uffd_close(int fd);

/*
 * For who answers system calls in the program's place: their memory is
 * touched before, so a descriptor need not be for USER_MODE_ONLY.
 */
void mf_uffd_serve_system_calls(void);
/*
 * The number is not a descriptor of it any more, without our closing it.
 * -EBADF: it was none.
 */
int mf_uffd_forget(int fd);
/* The lowest descriptor of ours, not the program's, from fd on; or -1. */
int mf_uffd_next_fd(int fd);

#endif
