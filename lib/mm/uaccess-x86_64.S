/* SPDX-License-Identifier: MIT */
/*
 * uaccess-x86_64.S - copies that may fault, for x86-64.
 *
 *	size_t mf_copy_sse2(void *dst, const void *src, size_t len,
 *			    size_t min_rep);
 *
 * and the same for AVX and for rep movsb alone. From min_rep bytes on they use
 * rep movsb, which is the fastest there is where the processor says so.
 *
 * Promise: returns the bytes not copied, exactly, whichever side faults.
 * Context: any. An instruction that may fault lies in a range of the table at
 * the end, with the place to go on at instead.
 *
 * All the way, rdi and rsi point behind what is copied and rdx counts what is
 * not. A fault in a wide step goes on with rep movsb from the same place,
 * which copies up to the very border and faults again there: the processor
 * stops it at an exact byte and leaves the rest in rcx. What a wide step has
 * stored already is stored once more, with the same bytes.
 */

	.text

/*
 * name: the function; mov: a move that need not be aligned; reg: the register
 * without its number; n: its width; finish: what must run before leaving.
 */
.macro define_copy name, mov, reg, n, finish
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.balign	64
\name:
	.cfi_startproc
	endbr64
	cmpq	$5 * \n, %rdx
	jb	.L\name\()_rest

.L\name\()_wide:
	/* The first of it unaligned, then on at an aligned destination. */
	\mov	(%rsi), %\reg\()0
	\mov	%\reg\()0, (%rdi)
	movl	%edi, %eax
	negl	%eax
	andl	$\n - 1, %eax
	addq	%rax, %rdi
	addq	%rax, %rsi
	subq	%rax, %rdx
	cmpq	%rcx, %rdx
	jae	.L\name\()_wide_end
	.balign	32
1:	\mov	(%rsi), %\reg\()0
	\mov	\n(%rsi), %\reg\()1
	\mov	2 * \n(%rsi), %\reg\()2
	\mov	3 * \n(%rsi), %\reg\()3
	\mov	%\reg\()0, (%rdi)
	\mov	%\reg\()1, \n(%rdi)
	\mov	%\reg\()2, 2 * \n(%rdi)
	\mov	%\reg\()3, 3 * \n(%rdi)
	addq	$4 * \n, %rsi
	addq	$4 * \n, %rdi
	subq	$4 * \n, %rdx
	cmpq	$4 * \n, %rdx
	jae	1b
	/* The last of it, ending where it all ends. */
	\mov	-4 * \n(%rsi, %rdx), %\reg\()0
	\mov	-3 * \n(%rsi, %rdx), %\reg\()1
	\mov	-2 * \n(%rsi, %rdx), %\reg\()2
	\mov	-\n(%rsi, %rdx), %\reg\()3
	\mov	%\reg\()0, -4 * \n(%rdi, %rdx)
	\mov	%\reg\()1, -3 * \n(%rdi, %rdx)
	\mov	%\reg\()2, -2 * \n(%rdi, %rdx)
	\mov	%\reg\()3, -\n(%rdi, %rdx)
	xorl	%edx, %edx
.L\name\()_wide_end:
	\finish
.L\name\()_rest:
	movq	%rdx, %rcx
.L\name\()_bytes:
	rep movsb
.L\name\()_bytes_end:
	movq	%rcx, %rax
	ret
	.cfi_endproc
	.size	\name, . - \name
.endm

	define_copy mf_copy_sse2, movups, xmm, 16
	define_copy mf_copy_avx, vmovups, ymm, 32, vzeroupper

	.globl	mf_copy_rep
	.hidden	mf_copy_rep
	.type	mf_copy_rep, @function
	.balign	16
mf_copy_rep:
	.cfi_startproc
	endbr64
	movq	%rdx, %rcx
.Lrep_bytes:
	rep movsb
.Lrep_bytes_end:
	movq	%rcx, %rax
	ret
	.cfi_endproc
	.size	mf_copy_rep, . - mf_copy_rep

/* First, behind the last, where to go on: each as a distance from itself. */
	.section .rodata
	.balign	4
	.globl	mf_uaccess_table
	.hidden	mf_uaccess_table
	.type	mf_uaccess_table, @object
mf_uaccess_table:
.macro entry first, end, fixup
	.long	\first - ., \end - ., \fixup - .
.endm
.macro entries name
	entry	.L\name\()_wide, .L\name\()_wide_end, .L\name\()_wide_end
	entry	.L\name\()_bytes, .L\name\()_bytes_end, .L\name\()_bytes_end
.endm
	entries	mf_copy_sse2
	entries	mf_copy_avx
	entry	.Lrep_bytes, .Lrep_bytes_end, .Lrep_bytes_end
	.long	0, 0, 0
	.size	mf_uaccess_table, . - mf_uaccess_table

	.section .note.GNU-stack, "", @progbits
