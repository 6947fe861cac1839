// SPDX-License-Identifier: GPL-2.0-only
/* Whether mappings are described before they are made, by flags as since 7.2. */
#include <linux/fs.h>
#include <linux/mm.h>

bool is_shared(struct vm_area_desc *desc);

bool is_shared(struct vm_area_desc *desc)
{
	return vma_desc_test(desc, VMA_MAYSHARE_BIT) && vma_desc_pages(desc);
}
