/* SPDX-License-Identifier: MIT */
/*
 * userfaultfd.h - the kernel's interface, as of Linux 6.18.
 *
 * Debian 12 has the header of Linux 6.1; what came later stands here.
 */
#ifndef MF_BASE_USERFAULTFD_H
#define MF_BASE_USERFAULTFD_H

#include <linux/types.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
/* On /dev/userfaultfd (Linux 6.1). */
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

/* Linux 6.4 and 6.7 */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif
#ifndef UFFDIO_CONTINUE_MODE_WP
#define UFFDIO_CONTINUE_MODE_WP ((__u64)1 << 1)
#endif

/* Linux 6.6 */
#ifndef UFFDIO_POISON
#define UFFD_FEATURE_POISON	    (1 << 14)
#define _UFFDIO_POISON		    (0x08)
#define UFFDIO_POISON_MODE_DONTWAKE ((__u64)1 << 0)
struct uffdio_poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};
#define UFFDIO_POISON _IOWR(0xAA, _UFFDIO_POISON, struct uffdio_poison)
#endif

/* Linux 6.8 */
#ifndef UFFDIO_MOVE
#define UFFD_FEATURE_MOVE		 (1 << 16)
#define _UFFDIO_MOVE			 (0x05)
#define UFFDIO_MOVE_MODE_DONTWAKE	 ((__u64)1 << 0)
#define UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES ((__u64)1 << 1)
struct uffdio_move {
	__u64 dst;
	__u64 src;
	__u64 len;
	__u64 mode;
	__s64 move;
};
#define UFFDIO_MOVE _IOWR(0xAA, _UFFDIO_MOVE, struct uffdio_move)
#endif

#endif
