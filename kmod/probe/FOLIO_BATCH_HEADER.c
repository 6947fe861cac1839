// SPDX-License-Identifier: GPL-2.0-only
/* Whether batches of folios have a header of their own name. */
#include <linux/folio_batch.h>
