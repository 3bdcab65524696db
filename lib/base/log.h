/* SPDX-License-Identifier: MIT */
/*
 * log.h - what has to be said while a program runs, in sentences.
 *
 * Promise: a sentence goes to who asked for it, else to stderr in one write.
 * Context: set: not in a signal handler. The rest: any.
 */
#ifndef MF_BASE_LOG_H
#define MF_BASE_LOG_H

#include <stdbool.h>

typedef void mf_log_fn(void *ctx, const char *sentence);

/* From now on sentences go there; NULL: to stderr. -ENOMEM: as before. */
int mf_log_set(mf_log_fn *fn, void *ctx);
bool mf_log_is_set(void);

/* One sentence, without a newline. */
void mf_log(const char *sentence);

#endif
