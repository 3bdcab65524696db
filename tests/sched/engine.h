/* SPDX-License-Identifier: MIT */
/*
 * engine.h - what the explorer needs of the engine's files besides what they
 * offer: engine-x.c is lib/mm/x.c with its static variables within reach.
 */
#ifndef MF_SCHED_ENGINE_H
#define MF_SCHED_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "mm/fill.h"
#include "mm/mmap_lock.h"

/* As when the process begins. */
void mfx_mm_reset(void);
void mfx_change_reset(void);
void mfx_slot_reset(void);
void mfx_buffer_reset(void);
void mfx_queue_reset(void);

/* Of lib/uffd/queue.c: nobody waits, and there is no message; else a bug. */
void mfx_queue_check_empty(uint32_t owner);

/* Another process's variables of change.c: a part of mfx_swap_process(). */
void mfx_change_swap(unsigned from, unsigned to);

/* lib/mm/fill.c with a mutation of its copy: tests/sched/mutations. */
int64_t mfx_naive_copy(struct mf_mm *mm, struct mf_slot *me, uintptr_t dst,
		       uintptr_t src, size_t len, mf_fault_in_fn *fault_in);
int64_t mfx_early_copy(struct mf_mm *mm, struct mf_slot *me, uintptr_t dst,
		       uintptr_t src, size_t len, mf_fault_in_fn *fault_in);

/* What the naive one copies with: page faults are served in the middle. */
size_t mfx_copy_faulting(void *dst, const void *src, size_t len);

/* lib/mm/mmap_lock.c under other names; lock-model.c has these. */
struct mf_mmap_lock *mfx_real_lock_new(struct mf_world *world, unsigned policy);
void mfx_real_lock_put(struct mf_mmap_lock *lock);
void mfx_real_read_lock(struct mf_mmap_lock *lock, struct mf_slot *me);
bool mfx_real_read_trylock(struct mf_mmap_lock *lock, struct mf_slot *me);
void mfx_real_read_unlock(struct mf_mmap_lock *lock, struct mf_slot *me);
int mfx_real_write_lock(struct mf_mmap_lock *lock, struct mf_slot *me);
void mfx_real_lock_consistent(struct mf_mmap_lock *lock);
void mfx_real_write_unlock(struct mf_mmap_lock *lock, struct mf_slot *me);
bool mfx_real_lock_broken(struct mf_mmap_lock *lock);

#endif
