// SPDX-License-Identifier: GPL-2.0-only
/* Whether namespaces of symbols are named by a token, as until 6.12. */
#include <linux/module.h>

MODULE_IMPORT_NS(DMA_BUF);
