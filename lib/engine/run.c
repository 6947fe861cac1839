// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Running rows in row order: a loop for each operation and width, chosen once
 * for each stretch of rows that have the same. Words that are integers of the
 * machine, 1, 2, 4 or 8 bytes wide and aligned, take the instruction that the
 * machine has for them; all others are fields of an aligned 8-byte word, which
 * is compared and exchanged.
 */
#include "engine.h"

#define SHATOMIC_INTEGER __u64
#include "evaluate.h"

typedef void run_fn(const struct shatomic_memory *self,
		    const struct shatomic_rows *rows, __u32 width);

/* The operands of a row, cut to the width whose bits @all are. */
static __always_inline struct operands
operands_of(const struct shatomic_rows *rows, __u64 i, __u32 traits, __u64 all)
{
	return (struct operands) {
		.operand = traits & SHATOMIC_OP_HAS_OPERAND ?
				   rows->operands[i] & all : 0,
		.comparand = traits & SHATOMIC_OP_HAS_COMPARAND ?
				     rows->comparands[i] & all : 0,
		.mask = traits & SHATOMIC_OP_HAS_MASK ?
				rows->masks[i] & all : 0,
		.comparand_mask = traits & SHATOMIC_OP_HAS_COMPARAND_MASK ?
					  rows->comparand_masks[i] & all : 0,
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
		rows->results[i] = result;
	if (rows->statuses)
		rows->statuses[i] = status;
}

/*
 * Fields.
 */

/**
 * struct field - A word inside an aligned 8-byte word
 * @whole: The 8-byte word.
 * @shift: How far above its lowest bit the field begins.
 * @all: The bits of the field's width.
 */
struct field {
	__u64 *whole;
	__u32 shift;
	__u64 all;
};

static inline struct field field_at(void *word, __u32 width)
{
	__u32 within = (unsigned long)word & 7;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	within = 8 - width - within;
#endif
	return (struct field) {
		.whole = (__u64 *)((unsigned long)word & ~7UL),
		.shift = 8 * within,
		.all = ~0ULL >> (64 - 8 * width),
	};
}

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
	__u64 seen = __atomic_load_n(field->whole, __ATOMIC_SEQ_CST);
	__u64 others = ~(field->all << field->shift);
	__u64 next;

	do {
		if (!evaluate(o, field->all, seen >> field->shift & field->all,
			      &next, result))
			return false;
		next = (seen & others) | next << field->shift;
	} while (!__atomic_compare_exchange_n(field->whole, &seen, next, 0,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	return true;
}

static void field_store(const struct field *field, __u64 value)
{
	const struct operands o = { .operand = value };
	__u64 result;

	field_update(field, evaluate_set, &o, &result);
}

static __always_inline void run_field(const struct shatomic_memory *self,
				      const struct shatomic_rows *rows,
				      __u64 i, __u32 width, __u32 traits,
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

#define DEFINE_RUN_FIELDS(constant, name, traits, ...)                        \
	static void run_##name##_field(const struct shatomic_memory *self,    \
				       const struct shatomic_rows *rows,      \
				       __u64 i, __u32 width)                  \
	{                                                                     \
		run_field(self, rows, i, width, traits, evaluate_##name);     \
	}                                                                     \
	static void run_##name##_fields(const struct shatomic_memory *self,   \
					const struct shatomic_rows *rows,     \
					__u32 width)                          \
	{                                                                     \
		__u64 i;                                                      \
									      \
		for (i = 0; i < rows->count; i++)                             \
			run_##name##_field(self, rows, i, width);             \
	}

SHATOMIC_OPS(DEFINE_RUN_FIELDS)

/*
 * Integers of the machine.
 */

#define atomic_fetch_set_bit(word, bit, order)                                \
	(__atomic_fetch_or(word, (__typeof__(*(word)))1 << (bit), order) >>   \
		 (bit) & 1)
#define atomic_fetch_clear_bit(word, bit, order)                              \
	(__atomic_fetch_and(word, ~((__typeof__(*(word)))1 << (bit)),         \
			    order) >> (bit) & 1)

/*
 * What a row does, by kind of operation. Each has word, rows, i and type T in
 * scope and sets result; those that compare set status too.
 */
#define ROW_LOAD(T, builtin, ...)                                             \
	result = __atomic_load_n(word, __ATOMIC_SEQ_CST)

#define ROW_SET(T, builtin, ...)                                              \
	do {                                                                  \
		result = (T)rows->operands[i];                                \
		__atomic_store_n(word, result, __ATOMIC_SEQ_CST);             \
	} while (0)

#define ROW_STORE(T, builtin, ...)                                            \
	do {                                                                  \
		T *peer = peer_at(rows, i);                                   \
									      \
		result = __atomic_load_n(peer, __ATOMIC_SEQ_CST);             \
		__atomic_store_n(word, result, __ATOMIC_SEQ_CST);             \
	} while (0)

#define ROW_RMW(T, builtin, ...)                                              \
	result = builtin(word, (T)rows->operands[i], __ATOMIC_SEQ_CST)

#define ROW_COMPARE_AND_SET(T, builtin, ...)                                  \
	do {                                                                  \
		T *peer = peer_at(rows, i);                                   \
		T seen = __atomic_load_n(peer, __ATOMIC_SEQ_CST);             \
									      \
		result = __atomic_compare_exchange_n(word, &seen,             \
						     (T)rows->operands[i],    \
						     0, __ATOMIC_SEQ_CST,     \
						     __ATOMIC_SEQ_CST);       \
		if (!result) {                                                \
			__atomic_store_n(peer, seen, __ATOMIC_SEQ_CST);       \
			status = SHATOMIC_ROW_COMPARE_FAILED;                 \
		}                                                             \
	} while (0)

#define ROW_COMPARE_AND_SET_VALUE(T, builtin, ...)                            \
	do {                                                                  \
		result = (T)rows->comparands[i];                              \
		if (!__atomic_compare_exchange_n(word, &result,               \
						 (T)rows->operands[i], 0,     \
						 __ATOMIC_SEQ_CST,            \
						 __ATOMIC_SEQ_CST))           \
			status = SHATOMIC_ROW_COMPARE_FAILED;                 \
	} while (0)

#define ROW_UPDATE(T, builtin, traits, evaluate)                              \
	do {                                                                  \
		const struct operands o =                            \
			operands_of(rows, i, traits, (T)~(T)0);               \
		T seen = __atomic_load_n(word, __ATOMIC_SEQ_CST);             \
		__u64 next, old;                                              \
									      \
		do {                                                          \
			if (evaluate(&o, (T)~(T)0, seen, &next, &old))        \
				continue;                                     \
			status = SHATOMIC_ROW_COMPARE_FAILED;                 \
			break;                                                \
		} while (!__atomic_compare_exchange_n(word, &seen, (T)next,   \
						      0, __ATOMIC_SEQ_CST,    \
						      __ATOMIC_SEQ_CST));     \
		result = old;                                                 \
	} while (0)

/* Whether a word that is as wide as T is not aligned as one is. */
#define IS_FIELD(T, rows, i, traits)                                          \
	(sizeof(T) > 1 && sizeof(T) < 8 &&                                    \
	 (((rows)->offsets[i] |                                               \
	   ((traits) & SHATOMIC_OP_HAS_PEER ? (rows)->peer_offsets[i] : 0)) & \
	  (sizeof(T) - 1)))

#define DEFINE_RUN(name, bits, row, builtin, traits)                          \
	static void run_##name##_u##bits(const struct shatomic_memory *self,  \
					 const struct shatomic_rows *rows,    \
					 __u32 width)                         \
	{                                                                     \
		__u64 i;                                                      \
									      \
		for (i = 0; i < rows->count; i++) {                           \
			__u##bits *word = self_at(self, rows, i);             \
			__u8 status = SHATOMIC_ROW_DONE;                      \
			__u##bits result;                                     \
									      \
			if (IS_FIELD(__u##bits, rows, i, traits)) {           \
				run_##name##_field(self, rows, i, width);     \
				continue;                                     \
			}                                                     \
			row(__u##bits, builtin, traits, evaluate_##name);     \
			put_row(rows, i, result, status);                     \
		}                                                             \
	}

#define DEFINE_RUNS(constant, name, traits, kind, builtin, ...)               \
	DEFINE_RUN(name, 8, ROW_##kind, builtin, traits)                      \
	DEFINE_RUN(name, 16, ROW_##kind, builtin, traits)                     \
	DEFINE_RUN(name, 32, ROW_##kind, builtin, traits)                     \
	DEFINE_RUN(name, 64, ROW_##kind, builtin, traits)

SHATOMIC_OPS(DEFINE_RUNS)

/* By operation, then by width less 1. */
static run_fn *const run_table[SHATOMIC_OP_COUNT][8] = {
#define RUN_ROW(constant, name, ...)                                          \
	[SHATOMIC_OP_##constant] = {                                          \
		run_##name##_u8,     run_##name##_u16,                        \
		run_##name##_fields, run_##name##_u32,                        \
		run_##name##_fields, run_##name##_fields,                     \
		run_##name##_fields, run_##name##_u64,                        \
	},
	SHATOMIC_OPS(RUN_ROW)
#undef RUN_ROW
};

static void run_uniform(const struct shatomic_memory *self,
			const struct shatomic_rows *rows, __u32 op, __u32 width)
{
	run_table[op][width - 1](self, rows, width);
}

void shatomic_run_rows(const struct shatomic_memory *self,
		       const struct shatomic_rows *rows)
{
	struct shatomic_rows stretch;
	__u32 op = rows->op, width = rows->width;
	__u64 first, end;

	if (width == SHATOMIC_DOUBLE_WIDTH) {
		shatomic_run_doubles(self, rows);
		return;
	}
	if (!rows->ops && !rows->widths) {
		run_uniform(self, rows, op, width);
		return;
	}

	for (first = 0; first < rows->count; first = end) {
		if (rows->ops)
			op = rows->ops[first];
		if (rows->widths)
			width = rows->widths[first];
		end = first + 1;
		while (end < rows->count &&
		       (!rows->ops || rows->ops[end] == op) &&
		       (!rows->widths || rows->widths[end] == width))
			end++;
		stretch = shatomic_rows_slice(rows, first, end - first);
		run_uniform(self, &stretch, op, width);
	}
}
