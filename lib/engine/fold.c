// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Folding: adjacent rows on one word become one atomic operation. What comes of
 * each row is worked out from what was seen in the word, and the word is
 * exchanged if nobody has changed it meanwhile. To others it looks as if the
 * rows had run at once, one after the other, so that no order is broken.
 */
#include "field.h"

/* How many rows from @i on are on one word, as far as they can be folded. */
static __always_inline __u32 run_length(const struct shatomic_rows *rows,
					__u64 i)
{
	const __u64 *offsets = rows->offsets + i;
	__u64 left = rows->count - i;
	__u32 most = left < SHATOMIC_FOLD_ROWS ? left : SHATOMIC_FOLD_ROWS;
	__u32 length = 1;

	while (length + 4 <= most &&
	       !((offsets[length] ^ offsets[0]) |
		 (offsets[length + 1] ^ offsets[0]) |
		 (offsets[length + 2] ^ offsets[0]) |
		 (offsets[length + 3] ^ offsets[0])))
		length += 4;
	while (length < most && offsets[length] == offsets[0])
		length++;
	return length;
}

/*
 * Work out @length rows from @i on for a word in which @seen was seen; returns
 * what it becomes.
 */
static __always_inline __u64 fold_rows(const struct shatomic_rows *rows,
				       __u64 i, __u32 length, __u32 traits,
				       evaluate_fn *evaluate, __u64 all,
				       __u64 seen, __u64 *results,
				       __u8 *statuses)
{
	__u64 now = seen, next;
	__u32 k;
	bool held;

#pragma GCC unroll 4
	for (k = 0; k < length; k++) {
		struct operands o = operands_of(rows, i + k, traits, all);

		held = evaluate(&o, all, now, &next, &results[k]);
		now = held ? next : now;
		if (traits & SHATOMIC_OP_HAS_COMPARAND)
			statuses[k] = held ? SHATOMIC_ROW_DONE :
					     SHATOMIC_ROW_COMPARE_FAILED;
	}
	return now;
}

static __always_inline __u32 fold(const struct shatomic_memory *self,
				  const struct shatomic_rows *rows_, __u64 i,
				  __u32 width, __u32 traits,
				  evaluate_fn *evaluate)
{
	/* A copy that stays in registers. */
	const struct shatomic_rows rows = *rows_;
	__u32 length = run_length(&rows, i), k;
	struct field field = field_at(self_at(self, &rows, i), width);
	__u64 results[SHATOMIC_FOLD_ROWS];
	__u8 statuses[SHATOMIC_FOLD_ROWS];
	__u64 was, seen, now;

	if (length == 1)
		return 0;
	was = __atomic_load_n(field.whole, __ATOMIC_SEQ_CST);
	do {
		seen = was >> field.shift & field.all;
		now = fold_rows(&rows, i, length, traits, evaluate, field.all,
				seen, results, statuses);
	} while (traits & SHATOMIC_OP_WRITES_SELF &&
		 !__atomic_compare_exchange_n(
			 field.whole, &was, was ^ (seen ^ now) << field.shift,
			 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	if (rows.results) {
#pragma GCC unroll 4
		for (k = 0; k < length; k++)
			rows.results[i + k] = results[k];
	}
	/* Those that do not compare have no status of their own. */
	for (k = 0; rows.statuses && k < length; k++)
		rows.statuses[i + k] = traits & SHATOMIC_OP_HAS_COMPARAND ?
					       statuses[k] : SHATOMIC_ROW_DONE;
	return length;
}

/*
 * Operations whose rows can be put together before the word is known, by what
 * they make of a word of @start: one instruction then applies them all, and
 * nothing has to wait for what the word was but the results.
 *
 * X(CONSTANT, name, apply, start)
 */
#define SUMS(X)                                                               \
	X(FETCH_AND_ADD, fetch_and_add, __atomic_fetch_add, 0)                \
	X(ADD_AND_FETCH, add_and_fetch, __atomic_fetch_add, 0)                \
	X(FETCH_AND_SUB, fetch_and_sub, __atomic_fetch_add, 0)                \
	X(SUB_AND_FETCH, sub_and_fetch, __atomic_fetch_add, 0)                \
	X(FETCH_AND_AND, fetch_and_and, __atomic_fetch_and, ~0ULL)            \
	X(AND_AND_FETCH, and_and_fetch, __atomic_fetch_and, ~0ULL)            \
	X(FETCH_AND_OR, fetch_and_or, __atomic_fetch_or, 0)                   \
	X(OR_AND_FETCH, or_and_fetch, __atomic_fetch_or, 0)                   \
	X(FETCH_AND_XOR, fetch_and_xor, __atomic_fetch_xor, 0)                \
	X(XOR_AND_FETCH, xor_and_fetch, __atomic_fetch_xor, 0)

static __always_inline __u32 fold_sum(const struct shatomic_memory *self,
				      const struct shatomic_rows *rows_,
				      __u64 i, evaluate_fn *evaluate,
				      __u64 (*apply)(__u64 *word, __u64 sum),
				      __u64 start)
{
	/* A copy that stays in registers. */
	const struct shatomic_rows rows = *rows_;
	__u32 length = run_length(&rows, i), k;
	struct operands o = { .one = 1 };
	__u64 now = start, result;

	if (length == 1)
		return 0;
#pragma GCC unroll 4
	for (k = 0; k < length; k++) {
		o.operand = rows.operands[i + k];
		evaluate(&o, ~0ULL, now, &now, &result);
	}
	now = apply(self_at(self, &rows, i), now);
	if (rows.results) {
#pragma GCC unroll 4
		for (k = 0; k < length; k++) {
			o.operand = rows.operands[i + k];
			evaluate(&o, ~0ULL, now, &now, &result);
			rows.results[i + k] = result;
		}
	}
	for (k = 0; rows.statuses && k < length; k++)
		rows.statuses[i + k] = SHATOMIC_ROW_DONE;
	return length;
}

typedef __u32 fold_fn(const struct shatomic_memory *self,
		      const struct shatomic_rows *rows, __u64 i);

/* With a width that the compiler knows a row takes half the instructions. */
#define DEFINE_FOLD(constant, name, traits, ...)                              \
	static __u32 fold_##name(const struct shatomic_memory *self,          \
				 const struct shatomic_rows *rows, __u64 i)   \
	{                                                                     \
		return fold(self, rows, i, rows->width, traits,               \
			    evaluate_##name);                                 \
	}                                                                     \
	static __u32 fold_##name##_u64(const struct shatomic_memory *self,    \
				       const struct shatomic_rows *rows,      \
				       __u64 i)                               \
	{                                                                     \
		return fold(self, rows, i, 8, traits, evaluate_##name);       \
	}

SHATOMIC_OPS(DEFINE_FOLD)

#define DEFINE_SUM(constant, name, builtin, start)                            \
	static __always_inline __u64 apply_##name(__u64 *word, __u64 sum)     \
	{                                                                     \
		return builtin(word, sum, __ATOMIC_SEQ_CST);                  \
	}                                                                     \
	static __u32 sum_##name(const struct shatomic_memory *self,           \
				const struct shatomic_rows *rows, __u64 i)    \
	{                                                                     \
		return fold_sum(self, rows, i, evaluate_##name, apply_##name, \
				start);                                       \
	}

SUMS(DEFINE_SUM)

__u32 shatomic_fold(const struct shatomic_memory *self,
		    const struct shatomic_rows *rows, __u64 i)
{
	static fold_fn *const folds[SHATOMIC_OP_COUNT][2] = {
#define FOLD(constant, name, ...)                                             \
		[SHATOMIC_OP_##constant] = { fold_##name, fold_##name##_u64 },
		SHATOMIC_OPS(FOLD)
#undef FOLD
	};

	static fold_fn *const sums[SHATOMIC_OP_COUNT] = {
#define SUM(constant, name, ...) [SHATOMIC_OP_##constant] = sum_##name,
		SUMS(SUM)
#undef SUM
	};
	bool whole = rows->width == 8;

	if (whole && sums[rows->op])
		return sums[rows->op](self, rows, i);
	return folds[rows->op][whole](self, rows, i);
}
