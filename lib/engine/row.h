/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * One row of up to 8 bytes: its operands, where its words are, where what comes
 * of it goes. For the files that run rows.
 */
#ifndef SHATOMIC_ENGINE_ROW_H
#define SHATOMIC_ENGINE_ROW_H

#include "run.h"

#define SHATOMIC_INTEGER __u64
#include "evaluate.h"

/* The operands of a row, cut to the width whose bits @all are. */
static __always_inline struct operands
operands_of(const struct shatomic_rows *rows, __u64 i, __u32 traits, __u64 all)
{
	return (struct operands) {
		.operand = traits & SHATOMIC_OP_HAS_OPERAND ?
				   in_place(rows->operands[i]) & all : 0,
		.comparand = traits & SHATOMIC_OP_HAS_COMPARAND ?
				     in_place(rows->comparands[i]) & all : 0,
		.mask = traits & SHATOMIC_OP_HAS_MASK ?
				in_place(rows->masks[i]) & all : 0,
		.comparand_mask = traits & SHATOMIC_OP_HAS_COMPARAND_MASK ?
					  in_place(rows->comparand_masks[i]) & all :
					  0,
		.sign = all ^ (all >> 1),
		.one = 1,
	};
}

static inline void *self_at(const struct shatomic_memory *self,
			    const struct shatomic_rows *rows, __u64 i)
{
	return shatomic_memory_at(self, rows->offsets[i]);
}

static inline void *peer_at(const struct shatomic_rows *rows, __u64 i)
{
	__u32 index = rows->peer_indexes ? rows->peer_indexes[i] : 0;

	return shatomic_memory_at(rows->peers[index], rows->peer_offsets[i]);
}

static inline void put_row(const struct shatomic_rows *rows, __u64 i,
			   __u64 result, __u8 status)
{
	if (rows->results)
		in_place(rows->results[i] = result);
	if (rows->statuses)
		in_place(rows->statuses[i] = status);
}

#endif /* SHATOMIC_ENGINE_ROW_H */
