/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest as small as can be: a boot sector that works a table of port accesses off, prints what
 * it read on the serial port and powers off. The table (records of eight bytes: operation, zero,
 * port or target, value) follows in the next sectors; lib.sh's guest_image writes it.
 *
 *   0 end             1 outb  2 outw  3 outl     4 inb  5 inw  6 inl: prints "PORT=VALUE"
 *   7 jump to record TARGET unless the last value read is VALUE
 *   8 jump to record TARGET, VALUE times in all   9 rep outsb VALUE bytes of the table to PORT
 *  10 rep insw VALUE words from PORT, prints the last    11 wait VALUE microseconds
 *  12 print the character VALUE                  13 restart the machine
 */
	.code16
	.text
	.globl	_start
_start:	ljmp	$0, $1f
1:	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	sti
	cld
	movw	$0x0207, %ax		/* seven sectors behind this one */
	movw	$table, %bx
	movw	$0x0002, %cx
	xorb	%dh, %dh
	int	$0x13
	movw	$hello, %si
	call	puts

	movw	$table, %bp
next:	movb	(%bp), %al
	movw	2(%bp), %dx
	movl	4(%bp), %ecx
	movw	%bp, %di
	addw	$8, %bp
	movzbw	%al, %bx
	cmpw	$14, %bx
	jae	stop
	shlw	$1, %bx
	movl	%ecx, %eax
	jmp	*ops(%bx)

do_outb:outb	%al, %dx
	jmp	next
do_outw:outw	%ax, %dx
	jmp	next
do_outl:outl	%eax, %dx
	jmp	next
do_inb:	xorl	%eax, %eax
	inb	%dx, %al
	jmp	show
do_inw:	xorl	%eax, %eax
	inw	%dx, %ax
	jmp	show
do_inl:	inl	%dx, %eax
show:	movl	%eax, last
	pushl	%eax
	movzwl	%dx, %eax
	call	hex
	movb	$'=', %al
	call	putc
	popl	%eax
	call	hex
	movb	$'\n', %al
	call	putc
	jmp	next
do_unless:
	cmpl	%ecx, last
	je	next
	jmp	jump
do_loop:decl	4(%di)
	jz	next
jump:	movw	%dx, %bp
	shlw	$3, %bp
	addw	$table, %bp
	jmp	next
do_outs:movw	$table, %si
	rep	outsb
	jmp	next
do_ins:	movw	$0x9000, %di
	rep	insw
	movzwl	-2(%di), %eax
	jmp	show
do_wait:movw	%cx, %dx
	shrl	$16, %ecx
	movb	$0x86, %ah
	int	$0x15
	jmp	next
do_putc:call	putc
	jmp	next
do_reset:
	movb	$0xfe, %al
	outb	%al, $0x64
	hlt
stop:	movw	$bye, %si
	call	puts
	movw	$0xb004, %dx
	movw	$0x3400, %ax
	outw	%ax, %dx
	cli			/* a halted vcpu that nothing can wake: Xen ends the domain */
	hlt

putc:	pushw	%dx
	movw	$0x3f8, %dx
	outb	%al, %dx
	popw	%dx
	ret
puts:	lodsb
	testb	%al, %al
	jz	1f
	call	putc
	jmp	puts
1:	ret
/* eax in hexadecimal without leading zeros */
hex:	movw	$8, %cx
	xorb	%bh, %bh
1:	roll	$4, %eax
	pushl	%eax
	andb	$15, %al
	jnz	2f
	testb	%bh, %bh
	jnz	2f
	cmpw	$1, %cx
	jne	3f
2:	movb	$1, %bh
	addb	$'0', %al
	cmpb	$'9', %al
	jbe	4f
	addb	$('a' - '0' - 10), %al
4:	call	putc
3:	popl	%eax
	loop	1b
	ret

hello:	.asciz	"guest\n"
bye:	.asciz	"done\n"
	.balign	4
last:	.long	0
ops:	.word	stop, do_outb, do_outw, do_outl, do_inb, do_inw, do_inl, do_unless, do_loop
	.word	do_outs, do_ins, do_wait, do_putc, do_reset
	.org	510
	.word	0xaa55
table:
