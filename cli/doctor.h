/* SPDX-License-Identifier: MIT */
/*
 * doctor.h - what the two halves of mfill doctor share.
 */
#ifndef MF_CLI_DOCTOR_H
#define MF_CLI_DOCTOR_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * living.c: who waits for what in that process and those it shares memory
 * with. How many rings there are, or -errno after a sentence; *ret_text is the
 * caller's to free, and NULL when there was no memory.
 */
int mf_doctor_living(pid_t pid, bool json, char **ret_text);

#endif
