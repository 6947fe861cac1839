/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What operations are called and what they need. The operations themselves are
 * enum shatomic_op of <linux/shatomic.h>.
 */
#ifndef SHATOMIC_OP_H
#define SHATOMIC_OP_H

#include <linux/shatomic.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * shatomic_op_name() - An operation's name, such as "fetch_and_add"
 * @op: The operation.
 *
 * Return: The name, or NULL when there is no such operation.
 */
const char *shatomic_op_name(unsigned int op);

/**
 * shatomic_op_from_name() - The operation with a name
 * @name: Such as "fetch_and_add".
 *
 * Return: enum shatomic_op, or -EINVAL.
 */
int shatomic_op_from_name(const char *name);

/**
 * shatomic_op_needs() - Which columns an operation reads
 * @op: The operation.
 *
 * Return: A set of enum shatomic_op_needs bits, or -EINVAL.
 */
int shatomic_op_needs(unsigned int op);

/**
 * enum shatomic_op_needs - Columns that an operation reads
 * @SHATOMIC_NEEDS_OPERAND: operands
 * @SHATOMIC_NEEDS_COMPARAND: comparands
 * @SHATOMIC_NEEDS_PEER: peers and peer_offsets
 * @SHATOMIC_NEEDS_MASK: masks
 * @SHATOMIC_NEEDS_COMPARAND_MASK: comparand_masks
 */
enum shatomic_op_needs {
	SHATOMIC_NEEDS_OPERAND		= 1 << 0,
	SHATOMIC_NEEDS_COMPARAND	= 1 << 1,
	SHATOMIC_NEEDS_PEER		= 1 << 2,
	SHATOMIC_NEEDS_MASK		= 1 << 3,
	SHATOMIC_NEEDS_COMPARAND_MASK	= 1 << 4,
};

#ifdef __cplusplus
}
#endif

#endif /* SHATOMIC_OP_H */
