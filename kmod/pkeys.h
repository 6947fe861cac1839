/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What memory protection keys let the current thread do with user memory, also
 * by the kernel's copies. Kernel threads have rights of their own, and begin with
 * hardly any.
 */
#ifndef KMOD_PKEYS_H
#define KMOD_PKEYS_H

#include <linux/types.h>

#if defined(CONFIG_X86_INTEL_MEMORY_PROTECTION_KEYS)
#include <asm/pkru.h>

static inline u64 pkeys_rights(void)
{
	return read_pkru();
}

static inline void pkeys_set_rights(u64 rights)
{
	write_pkru(rights);
}
#elif defined(CONFIG_ARM64_POE)
#include <asm/barrier.h>
#include <linux/cpufeature.h>
#include <asm/sysreg.h>

static inline u64 pkeys_rights(void)
{
	return system_supports_poe() ? read_sysreg_s(SYS_POR_EL0) : 0;
}

static inline void pkeys_set_rights(u64 rights)
{
	if (!system_supports_poe())
		return;
	write_sysreg_s(rights, SYS_POR_EL0);
	/* Copies that follow are under it. */
	isb();
}
#else
static inline u64 pkeys_rights(void)
{
	return 0;
}

static inline void pkeys_set_rights(u64 rights)
{
}
#endif

#endif /* KMOD_PKEYS_H */
