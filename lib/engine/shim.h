/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * What the engine takes from its surroundings, in the kernel and in userspace:
 * fixed-width types, bool, errno values, attributes, features of the CPU, what
 * keeps it from speculating. Nothing else may be included by the engine.
 */
#ifndef SHATOMIC_ENGINE_SHIM_H
#define SHATOMIC_ENGINE_SHIM_H

#include <linux/types.h>

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/cpufeature.h>
#include <linux/errno.h>
#include <linux/kcsan-checks.h>
#include <linux/nospec.h>
#include <uapi/linux/shatomic.h>
#else
#include <asm/errno.h>
#include <linux/shatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/cdefs.h>
#endif

#ifndef noinline
#define noinline __attribute__((__noinline__))
#endif

#ifdef __CHECKER__
/* The sparse of Debian 12 does not know it. */
#define __builtin_assume_aligned(pointer, alignment) (pointer)
#endif

#ifdef __KERNEL__
/*
 * An access of a value of a row, or of what comes of it, where its column is.
 * In the kernel that may be memory which the caller shares with others, who can
 * read and change it at any time. That is theirs to order: the row takes what
 * it finds, even twice, as no such value decides where words and columns are or
 * for how long rows run; what does so is copied before it is checked. So it is
 * a race by design, which costs nothing to have said. In a process what others
 * do is told by its tools as it is.
 */
#define in_place(access) data_race(access)
#else
#define in_place(access) (access)
#endif

/*
 * Compilers have KCSAN see atomic operations by calling it, for which it has no
 * function of 16 bytes: who makes one is not looked at, and tells of it.
 */
#ifdef __KERNEL__
#define makes_atomic_double __no_kcsan
#else
#define makes_atomic_double
#endif

static inline void tell_atomic_double(const void *word)
{
#ifdef __KERNEL__
	kcsan_check_atomic_read_write(word, 2 * sizeof(__u64));
#else
	(void)word;
#endif
}

/* Bring in the line of @address to be written to. */
static inline void prefetch_for_write(const void *address)
{
#ifdef __x86_64__
	/* Compilers use it only for CPUs that they are told of. */
	asm volatile("prefetchw %0" : : "m"(*(const char *)address));
#else
	__builtin_prefetch(address, 1, 3);
#endif
}

/*
 * A CPU may speculate that a check will pass and go on with what it has not
 * checked yet. In the kernel, whose memory is not the caller's, that leaves
 * traces which the caller can find. A process has nothing to hide from itself.
 */

/* @index, which has been found below @size, and is so in speculation too. */
static inline __u32 index_nospec(__u32 index, __u32 size)
{
#ifdef __KERNEL__
	return array_index_nospec(index, size);
#else
	(void)size;
	return index;
#endif
}

/*
 * What comes after begins when what came before is known. On x86 and arm64: most
 * other kernels have nothing for it.
 */
static inline void end_speculation(void)
{
#ifdef __KERNEL__
#ifdef spec_bar
	spec_bar();
#else
	barrier_nospec();
#endif
#endif
}

#endif /* SHATOMIC_ENGINE_SHIM_H */
