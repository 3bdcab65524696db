/* SPDX-License-Identifier: MIT */
/*
 * dir.h - maps in the listings of their directories.
 *
 * Context: any.
 */
#ifndef MF_PRELOAD_DIR_H
#define MF_PRELOAD_DIR_H

#include "preload/face.h"

/* Whether there is a map in that directory. */
bool pl_folder_has_maps(const struct stat *folder);

#endif
