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
#ifdef CONFIG_X86
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

#endif /* SHATOMIC_ENGINE_SHIM_H */
