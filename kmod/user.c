// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies between user memory and the kernel. Columns and structures are whole
 * words of 8 bytes, nearly all of them, and a batch copies each of its columns
 * a few KiB at a time. copy_from_user() goes by bytes, which for so few takes
 * longer to begin than to do on some CPUs, and eight times the steps on those
 * that do one after the other.
 */
#include <linux/kasan-checks.h>
#include <linux/kernel.h>
#include <linux/uaccess.h>
#ifdef CONFIG_X86_64
#include <asm/asm.h>
#endif

#include "shatomic.h"

#ifdef CONFIG_X86_64
/* Between user_access_begin() and _end(); whether there was no fault. */
static __always_inline bool copy_words(void *to, const void *from, size_t bytes)
{
	size_t left = bytes / sizeof(u64);

	/* A fault ends it with what was left to do in the count. */
	asm volatile("1:	rep movsq\n"
		     "	mov	%k[rest], %k[left]\n"
		     "2:	rep movsb\n"
		     "3:\n"
		     _ASM_EXTABLE_UA(1b, 3b)
		     _ASM_EXTABLE_UA(2b, 3b)
		     : [left] "+c" (left), "+D" (to), "+S" (from)
		     : [rest] "r" (bytes % sizeof(u64))
		     : "memory");
	return !left;
}
#endif

/**
 * shatomic_copy_in() - Copy from user memory
 * @to: Where to.
 * @from: Where from.
 * @bytes: How many bytes.
 *
 * Return: Whether all could be read; else what is at @to is undefined.
 */
bool shatomic_copy_in(void *to, const void __user *from, size_t bytes)
{
#ifdef CONFIG_X86_64
	bool done;

	might_fault();
	kasan_check_write(to, bytes);
	if (!user_access_begin(from, bytes))
		return false;
	done = copy_words(to, (__force const void *)from, bytes);
	user_access_end();
	return done;
#else
	return !copy_from_user(to, from, bytes);
#endif
}

/* The other way; a failure may have written some of them. */
bool shatomic_copy_out(void __user *to, const void *from, size_t bytes)
{
#ifdef CONFIG_X86_64
	bool done;

	might_fault();
	kasan_check_read(from, bytes);
	if (!user_access_begin(to, bytes))
		return false;
	done = copy_words((__force void *)to, from, bytes);
	user_access_end();
	return done;
#else
	return !copy_to_user(to, from, bytes);
#endif
}
