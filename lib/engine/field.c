// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Running a row whose word may be any field of an aligned 8-byte word, which is
 * then compared and exchanged.
 */
#include "field.h"

static inline __u64 field_load(const struct field *field)
{
	return __atomic_load_n(field->whole, __ATOMIC_SEQ_CST) >> field->shift &
	       field->all;
}

/* Update a field; returns whether the operation's condition held. */
static __always_inline bool field_update(const struct field *field,
					 evaluate_fn *evaluate,
					 const struct operands *o,
					 __u64 *result)
{
	__u64 was = __atomic_load_n(field->whole, __ATOMIC_SEQ_CST);
	__u64 seen, next;

	do {
		seen = was >> field->shift & field->all;
		if (!evaluate(o, field->all, seen, &next, result))
			return false;
	} while (!field_exchange(field, &was, seen ^ next));
	return true;
}

static void field_store(const struct field *field, __u64 value)
{
	const struct operands o = { .operand = value };
	__u64 result;

	field_update(field, evaluate_set, &o, &result);
}

static __always_inline void run_row(const struct shatomic_memory *self,
				    const struct shatomic_rows *rows, __u64 i,
				    __u32 width, __u32 traits,
				    evaluate_fn *evaluate)
{
	struct field field = field_at(self_at(self, rows, i), width), peer;
	struct operands o = operands_of(rows, i, traits, field.all);
	bool held = true;
	__u64 result;

	if (traits & SHATOMIC_OP_HAS_PEER) {
		peer = field_at(peer_at(rows, i), width);
		*(traits & SHATOMIC_OP_HAS_OPERAND ? &o.comparand :
						     &o.operand) =
			field_load(&peer);
	}

	if (traits & SHATOMIC_OP_WRITES_SELF)
		held = field_update(&field, evaluate, &o, &result);
	else
		result = field_load(&field);

	if (traits & SHATOMIC_OP_WRITES_PEER) {
		if (!held)
			field_store(&peer, result);
		result = held;
	}
	put_row(rows, i, result,
		held ? SHATOMIC_ROW_DONE : SHATOMIC_ROW_COMPARE_FAILED);
}

typedef void run_fn(const struct shatomic_memory *self,
		    const struct shatomic_rows *rows, __u64 i, __u32 width);

#define DEFINE_RUN(constant, name, traits, ...)                               \
	static void run_##name(const struct shatomic_memory *self,            \
			       const struct shatomic_rows *rows, __u64 i,     \
			       __u32 width)                                   \
	{                                                                     \
		run_row(self, rows, i, width, traits, evaluate_##name);       \
	}

SHATOMIC_OPS(DEFINE_RUN)

void shatomic_run_field(const struct shatomic_memory *self,
			const struct shatomic_rows *rows, __u64 i, __u32 op,
			__u32 width)
{
	static run_fn *const run[SHATOMIC_OP_COUNT] = {
#define RUN(constant, name, ...)                                              \
		[SHATOMIC_OP_##constant] = run_##name,
		SHATOMIC_OPS(RUN)
#undef RUN
	};

	run[op](self, rows, i, width);
}
