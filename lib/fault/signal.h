/* SPDX-License-Identifier: MIT */
/*
 * signal.h - the handlers of SIGSEGV and SIGBUS.
 *
 * Promise: a fault that is not ours reaches whoever had the signal before us,
 * with all its information, or ends the process as it would have.
 * Context: install: not in a signal handler.
 */
#ifndef MF_FAULT_SIGNAL_H
#define MF_FAULT_SIGNAL_H

#include <signal.h>
#include <stdbool.h>

#include "fault/fault.h"

/*
 * Be in front of everybody else. Cheap when we are already; when somebody
 * came after us, we go in front again and they come behind.
 */
int mf_signal_install(void);
/* Only if we never were. Any context once we were. */
int mf_signal_install_once(void);

/*
 * Somebody above has memory of the program's own whose faults it wants to see.
 * Called for faults in no region of ours; mask: what the thread blocks.
 * 0: run the instruction again. -ENOENT: not its own. -EFAULT: SIGBUS.
 */
typedef int mf_signal_hook_fn(uintptr_t addr, enum mf_access access,
			      const sigset_t *mask);
void mf_signal_set_hook(mf_signal_hook_fn *hook);

#endif
