/* SPDX-License-Identifier: MIT */
/*
 * uaccess-aarch64.S - a copy that may fault, for 64-bit ARM.
 *
 *	size_t mf_copy_aarch64(void *dst, const void *src, size_t len);
 *
 * Promise: returns the bytes not copied, exactly, whichever side faults.
 * Context: any. An instruction that may fault lies in a range of the table at
 * the end, with the place to go on at instead.
 *
 * All the way, x0 and x1 point behind what is copied and x2 counts what is
 * not. A fault in a wide step goes on with single bytes from the same place,
 * up to the very border, where they fault again. What a wide step has stored
 * already is stored once more, with the same bytes.
 */

	.text
	.balign	64
	.globl	mf_copy_aarch64
	.hidden	mf_copy_aarch64
	.type	mf_copy_aarch64, %function
mf_copy_aarch64:
	.cfi_startproc
	hint	#34			/* bti c */
	cmp	x2, #80
	b.lo	.Lrest

.Lwide:
	/* The first of it unaligned, then on at an aligned destination. */
	ldp	x4, x5, [x1]
	stp	x4, x5, [x0]
	neg	x3, x0
	and	x3, x3, #15
	add	x0, x0, x3
	add	x1, x1, x3
	sub	x2, x2, x3
1:	ldp	x4, x5, [x1]
	ldp	x6, x7, [x1, #16]
	ldp	x8, x9, [x1, #32]
	ldp	x10, x11, [x1, #48]
	stp	x4, x5, [x0]
	stp	x6, x7, [x0, #16]
	stp	x8, x9, [x0, #32]
	stp	x10, x11, [x0, #48]
	add	x1, x1, #64
	add	x0, x0, #64
	sub	x2, x2, #64
	cmp	x2, #64
	b.hs	1b
	/* The last of it, ending where it all ends. */
	add	x12, x1, x2
	add	x13, x0, x2
	ldp	x4, x5, [x12, #-64]
	ldp	x6, x7, [x12, #-48]
	ldp	x8, x9, [x12, #-32]
	ldp	x10, x11, [x12, #-16]
	stp	x4, x5, [x13, #-64]
	stp	x6, x7, [x13, #-48]
	stp	x8, x9, [x13, #-32]
	stp	x10, x11, [x13, #-16]
	mov	x2, #0
.Lwide_end:

.Lrest:
	cbz	x2, .Lbytes_end
.Lbytes:
	ldrb	w3, [x1]
	strb	w3, [x0]
	add	x1, x1, #1
	add	x0, x0, #1
	subs	x2, x2, #1
	b.ne	.Lbytes
.Lbytes_end:
	mov	x0, x2
	ret
	.cfi_endproc
	.size	mf_copy_aarch64, . - mf_copy_aarch64

/* First, behind the last, where to go on: each as a distance from itself. */
	.section .rodata
	.balign	4
	.globl	mf_uaccess_table
	.hidden	mf_uaccess_table
	.type	mf_uaccess_table, %object
mf_uaccess_table:
	.word	.Lwide - ., .Lwide_end - ., .Lrest - .
	.word	.Lbytes - ., .Lbytes_end - ., .Lbytes_end - .
	.word	0, 0, 0
	.size	mf_uaccess_table, . - mf_uaccess_table

	.section .note.GNU-stack, "", %progbits
