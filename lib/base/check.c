/* SPDX-License-Identifier: MIT */
/*
 * check.c - find the checker that is in this process, if there is one.
 *
 * Context: before main().
 */
#include "base/check.h"

const struct mf_check_ops *mf_check;

/* Defined by the library of the doctor, where that is loaded. */
#pragma weak mfill_check_ops

__attribute__((constructor)) static void find_checker(void)
{
	if (!mf_check && mfill_check_ops)
		mf_check = mfill_check_ops(MF_CHECK_VERSION);
}
