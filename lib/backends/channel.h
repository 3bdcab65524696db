/* SPDX-License-Identifier: MIT */
/*
 * channel.h - a userfaultfd of this process, which the program cannot close.
 *
 * Promise: once open it stays open until the process ends. A program that
 * closes its number, or gives the number to another file, does neither harm:
 * everything goes another way then, and slower.
 * Context: open, reopen: not in a signal handler, and nothing locked. The
 * rest: any.
 */
#ifndef MF_BACKENDS_CHANNEL_H
#define MF_BACKENDS_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* With the SIGBUS feature, and with messages. */
extern struct mf_channel mf_channel_inline, mf_channel_message;

/*
 * Have it, in this process. -EOPNOTSUPP: not here. A child of fork() does not
 * have its parent's; reopen() opens what the parent had.
 */
int mf_channel_open(struct mf_channel *channel);
void mf_channel_reopen(struct mf_channel *channel);
bool mf_channel_is_open(const struct mf_channel *channel);
/* In a child: the parent's acts on the parent, so be rid of it. */
void mf_channel_forget(struct mf_channel *channel);

/* It was opened in a way that sees faults inside system calls. */
bool mf_channel_serves_kernel(const struct mf_channel *channel);

/* ioctl(), read() and so on for it. Only when it is open. */
int mf_channel_ioctl(struct mf_channel *channel, unsigned long request,
		     void *arg);
/*
 * Its messages. Waits for one where the descriptor is still ours to wait for,
 * else returns -EAGAIN at once when there is none.
 */
ssize_t mf_channel_read(struct mf_channel *channel, void *buf, size_t len);
/*
 * After a read this thread takes it for granted that the descriptor is still
 * the channel's, and looks at it before the next one. Who will not read again
 * soon looks now, or each time.
 */
void mf_channel_look_now(struct mf_channel *channel);
void mf_channel_look_each_time(void);

/*
 * One that is opened like the channel, for a trial; who calls closes it.
 * ret_kernel: it would see faults inside system calls.
 */
int mf_channel_try(const struct mf_channel *channel, bool *ret_kernel);

#endif
