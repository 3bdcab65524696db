/* SPDX-License-Identifier: MIT */
/*
 * wrap-message.c - queues of messages, with memory of ours.
 *
 * Promise: a message that is received is not lost for want of a page.
 * Context: any.
 */
#include <mqueue.h>
#include <sys/sem.h>

#include "preload/call.h"
#include "preload/interpose.h"

TOUCHING(int, msgsnd, SYS_msgsnd,
	 (int queue, const void *message, size_t len, int flags), queue,
	 message, len, flags)
TOUCHING(ssize_t, msgrcv, SYS_msgrcv,
	 (int queue, void *message, size_t len, long type, int flags), queue,
	 message, len, type, flags)
TOUCHING(int, semop, SYS_semop, (int set, struct sembuf *operations, size_t n),
	 set, operations, n)
TOUCHING(int, semtimedop, SYS_semtimedop,
	 (int set, struct sembuf *operations, size_t n,
	  const struct timespec *timeout),
	 set, operations, n, timeout)
TOUCHING_FIRST(int, mq_send, SYS_mq_timedsend,
	       (mqd_t queue, const char *text, size_t len, unsigned priority),
	       (queue, text, len, priority), queue, text, len, priority)
TOUCHING(int, mq_timedsend, SYS_mq_timedsend,
	 (mqd_t queue, const char *text, size_t len, unsigned priority,
	  const struct timespec *timeout),
	 queue, text, len, priority, timeout)
TOUCHING_FIRST(ssize_t, mq_receive, SYS_mq_timedreceive,
	       (mqd_t queue, char *text, size_t len, unsigned *priority),
	       (queue, text, len, priority), queue, text, len, priority)
TOUCHING(ssize_t, mq_timedreceive, SYS_mq_timedreceive,
	 (mqd_t queue, char *text, size_t len, unsigned *priority,
	  const struct timespec *timeout),
	 queue, text, len, priority, timeout)
