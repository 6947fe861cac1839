// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What operations are called and which columns they read.
 */
#include "backend.h"

#include <errno.h>
#include <string.h>

static const char *const names[SHATOMIC_OP_COUNT] = {
#define NAME(constant, name, ...) \
	[SHATOMIC_OP_##constant] = #name,
	SHATOMIC_OPS(NAME)
#undef NAME
};

const char *shatomic_op_name(unsigned int op)
{
	if (op >= SHATOMIC_OP_COUNT) {
		shatomic_fail(EINVAL, "there is no operation %u", op);
		return NULL;
	}
	return names[op];
}

int shatomic_op_from_name(const char *name)
{
	int op;

	if (!name)
		return shatomic_fail(EINVAL, "name is NULL");
	for (op = 0; op < SHATOMIC_OP_COUNT; op++) {
		if (!strcmp(name, names[op]))
			return op;
	}
	return shatomic_fail(EINVAL, "there is no operation '%s'", name);
}

int shatomic_op_needs(unsigned int op)
{
	unsigned int traits;
	int needs = 0;

	if (op >= SHATOMIC_OP_COUNT)
		return shatomic_fail(EINVAL, "there is no operation %u", op);
	traits = shatomic_op_traits(op);
	if (traits & SHATOMIC_OP_HAS_OPERAND)
		needs |= SHATOMIC_NEEDS_OPERAND;
	if (traits & SHATOMIC_OP_HAS_COMPARAND)
		needs |= SHATOMIC_NEEDS_COMPARAND;
	if (traits & SHATOMIC_OP_HAS_PEER)
		needs |= SHATOMIC_NEEDS_PEER;
	if (traits & SHATOMIC_OP_HAS_MASK)
		needs |= SHATOMIC_NEEDS_MASK;
	if (traits & SHATOMIC_OP_HAS_COMPARAND_MASK)
		needs |= SHATOMIC_NEEDS_COMPARAND_MASK;
	return needs;
}
