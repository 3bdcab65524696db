/* SPDX-License-Identifier: MIT */
/*
 * calls.h - which arguments of a system call are memory, and how much.
 *
 * Promise: one table for all: the seccomp filter, its handler and syscall().
 * Context: any, signal handlers included.
 */
#ifndef MF_PRELOAD_CALLS_H
#define MF_PRELOAD_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#define PL_CALLS     512 /* more than any number in the table */
#define PL_CALL_ARGS 5

/* What one argument points to. */
enum pl_what {
	PL_NOTHING,
	PL_IN,	    /* read by the kernel: size bytes, or that many times len */
	PL_OUT,	    /* written, the same way */
	PL_STRING,  /* read, to its NUL */
	PL_ADDRESS, /* written; len is where the kernel finds how much */
	PL_BITS,    /* written; len counts bits */
	PL_PAGES,   /* written; one byte for each page that len covers */
	PL_TEXT_IN, /* a long, then len bytes */
	PL_TEXT_OUT,
	PL_IOV_IN, /* an array of len buffers: each is read */
	PL_IOV_OUT,
	PL_MSG_IN, /* a struct msghdr, and all that is in it */
	PL_MSG_OUT,
	PL_MMSG_IN, /* an array of len of them */
	PL_MMSG_OUT,
	PL_IOCTL, /* len is the request, which may say how much */
};

struct pl_arg {
	uint8_t what; /* enum pl_what */
	uint8_t at;   /* the argument that is the pointer */
	uint8_t len;  /* the argument that counts; PL_ONE: none */
	uint16_t size;
};

#define PL_ONE 6

struct pl_call {
	struct pl_arg args[PL_CALL_ARGS];
	/* The sixth argument is used, and 64 bits wide; then the first is not. */
	bool six;
};

/* Whether the memory is found behind an array, and not by the pointer. */
static inline bool pl_is_array(uint8_t what)
{
	return what >= PL_IOV_IN && what <= PL_MMSG_OUT;
}

/* By number; a call that is not in the table has no args. */
extern const struct pl_call pl_calls[PL_CALLS];

/* Have the memory ready for the call. 0, or -EFAULT: refuse it. */
int pl_call_touch(long nr, const unsigned long args[6]);

#endif
