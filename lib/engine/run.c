// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Running rows in row order: which way suits them.
 */
#include "run.h"

/* Rows that any other way is not made for. */
static void run_fields(const struct shatomic_memory *self,
		       const struct shatomic_rows *rows)
{
	__u64 i;

	for (i = 0; i < rows->count; i++)
		shatomic_run_field(self, rows, i,
				   rows->ops ? rows->ops[i] : rows->op,
				   rows->widths ? rows->widths[i] :
						  rows->width);
}

void shatomic_run_rows(const struct shatomic_memory *self,
		       const struct shatomic_rows *rows, bool has_fields)
{
	if (rows->width == SHATOMIC_DOUBLE_WIDTH)
		shatomic_run_doubles(self, rows);
	else if ((rows->ops || rows->widths) && self->writable)
		shatomic_run_mixed(self, rows);
	else if (rows->ops || rows->widths || has_fields)
		run_fields(self, rows);
	else
		shatomic_run_integers(self, rows);
}
