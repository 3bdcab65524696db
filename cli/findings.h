/* SPDX-License-Identifier: MIT */
/*
 * findings.h - what the checker found, in words or as JSON.
 */
#ifndef MF_CLI_FINDINGS_H
#define MF_CLI_FINDINGS_H

#include <jansson.h>
#include <stdio.h>

#include "cli/run.h"

struct mf_findings; /* in the order in which they are told */

/* NULL after a sentence. */
struct mf_findings *mf_findings_of(const struct mf_run *run);
void mf_findings_free(struct mf_findings *findings);
unsigned mf_findings_count(const struct mf_findings *findings);

/* One paragraph each, and a line that counts. */
void mf_findings_print(const struct mf_findings *findings, FILE *to);
/* NULL: no memory. */
json_t *mf_findings_json(const struct mf_findings *findings, int status);

/* "mutex cache_lock (in prog)"; of run only what was found matters. */
struct mf_lock_name {
	char text[400];
};
const char *mf_lock_name(const struct mf_run *run, uint32_t class,
			 struct mf_lock_name *storage);

#endif
