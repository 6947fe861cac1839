// SPDX-License-Identifier: GPL-2.0-only
/* Whether flags of mappings are changed by functions, as since 6.3. */
#include <linux/mm.h>

void clear_flags(struct vm_area_struct *vma);

void clear_flags(struct vm_area_struct *vma)
{
	vm_flags_clear(vma, VM_MAYEXEC);
}
