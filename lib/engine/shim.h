/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * What the engine takes from its surroundings, in the kernel and in userspace:
 * fixed-width types, bool, errno values, attributes, features of the CPU.
 * Nothing else may be included by the engine.
 */
#ifndef SHATOMIC_ENGINE_SHIM_H
#define SHATOMIC_ENGINE_SHIM_H

#include <linux/types.h>

#ifdef __KERNEL__
#include <linux/errno.h>
#ifdef __x86_64__
#include <asm/cpufeature.h>
#endif
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

#endif /* SHATOMIC_ENGINE_SHIM_H */
