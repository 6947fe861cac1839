// SPDX-License-Identifier: GPL-2.0-only
/* Whether asking a CPU of x86 what it has takes a header of its own. */
#include <asm/cpuid/api.h>
