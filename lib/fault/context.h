/* SPDX-License-Identifier: MIT */
/*
 * context.h - read and change the registers of an interrupted thread.
 *
 * Context: signal handlers.
 */
#ifndef MF_FAULT_CONTEXT_H
#define MF_FAULT_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "fault/fault.h"

#if defined(__x86_64__)
#define MF_REG_IP(uc) ((uc)->uc_mcontext.gregs[REG_RIP])
#define MF_REG_SP(uc) ((uc)->uc_mcontext.gregs[REG_RSP])
#elif defined(__i386__)
#define MF_REG_IP(uc) ((uc)->uc_mcontext.gregs[REG_EIP])
#define MF_REG_SP(uc) ((uc)->uc_mcontext.gregs[REG_ESP])
#elif defined(__aarch64__)
#define MF_REG_IP(uc) ((uc)->uc_mcontext.pc)
#define MF_REG_SP(uc) ((uc)->uc_mcontext.sp)
#else
#error "mfill does not know the registers of this processor"
#endif

static inline uintptr_t mf_context_ip(const ucontext_t *uc)
{
	return (uintptr_t)MF_REG_IP(uc);
}

static inline void mf_context_set_ip(ucontext_t *uc, uintptr_t ip)
{
	MF_REG_IP(uc) = (__typeof__(MF_REG_IP(uc)))ip;
}

#if defined(__x86_64__) || defined(__i386__)
/* The page fault error code: bit 1 a write, bit 4 an instruction fetch. */
static inline enum mf_access mf_context_access(const ucontext_t *uc)
{
	long err = (long)uc->uc_mcontext.gregs[REG_ERR];

	if (uc->uc_mcontext.gregs[REG_TRAPNO] != 14)
		return MF_ACCESS_UNKNOWN;
	if (err & 0x10)
		return MF_ACCESS_EXEC;
	return err & 0x2 ? MF_ACCESS_WRITE : MF_ACCESS_READ;
}
#elif defined(__aarch64__)
/* The exception syndrome: class in bits 26 to 31, bit 6 WnR of a data abort. */
static inline enum mf_access mf_context_access(const ucontext_t *uc)
{
	const unsigned char *at = uc->uc_mcontext.__reserved;
	const unsigned char *end = at + sizeof(uc->uc_mcontext.__reserved);

	while (at + sizeof(struct _aarch64_ctx) <= end) {
		const struct _aarch64_ctx *head = (const void *)at;

		if (head->magic == 0 || head->size == 0)
			break;
		if (head->magic == ESR_MAGIC) {
			uint64_t esr = ((const struct esr_context *)head)->esr;
			uint64_t class = esr >> 26;

			if (class == 0x20 || class == 0x21)
				return MF_ACCESS_EXEC;
			if (class != 0x24 && class != 0x25)
				return MF_ACCESS_UNKNOWN;
			return esr & 0x40 ? MF_ACCESS_WRITE : MF_ACCESS_READ;
		}
		at += head->size;
	}
	return MF_ACCESS_UNKNOWN;
}
#endif

#endif
