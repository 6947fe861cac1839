/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included before each source of the module when it is built for user-mode
 * Linux, which is an x86 machine without CONFIG_X86 and without huge pages.
 */
#include <linux/mm.h>

/* boot_cpu_has(), which lib/engine/shim.h brings in for CONFIG_X86 alone. */
#include <asm/cpufeature.h>

/*
 * Without huge pages the kernel's headers refuse to compile what asks for their
 * size, as kmod/memory.c does on a path that is then never taken.
 */
#ifndef CONFIG_TRANSPARENT_HUGEPAGE
#undef HPAGE_PMD_SHIFT
#define HPAGE_PMD_SHIFT PMD_SHIFT
#endif
