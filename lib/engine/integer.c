// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Running rows of one operation whose words are integers of the machine: 1, 2,
 * 4 or 8 bytes wide and aligned. A loop for each operation and width takes the
 * instruction that the machine has for it; adjacent rows on one word become one
 * such instruction.
 */
#include "row.h"

typedef void run_fn(const struct shatomic_memory *self,
		    const struct shatomic_rows *rows);

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
		result = (T)in_place(rows->operands[i]);                      \
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
	result = builtin(word, (T)in_place(rows->operands[i]),                \
			 __ATOMIC_SEQ_CST)

#define ROW_COMPARE_AND_SET(T, builtin, ...)                                  \
	do {                                                                  \
		T *peer = peer_at(rows, i);                                   \
		T seen = __atomic_load_n(peer, __ATOMIC_SEQ_CST);             \
		T next = in_place(rows->operands[i]);                         \
									      \
		result = __atomic_compare_exchange_n(word, &seen, next, 0,    \
						     __ATOMIC_SEQ_CST,        \
						     __ATOMIC_SEQ_CST);       \
		if (!result) {                                                \
			__atomic_store_n(peer, seen, __ATOMIC_SEQ_CST);       \
			status = SHATOMIC_ROW_COMPARE_FAILED;                 \
		}                                                             \
	} while (0)

#define ROW_COMPARE_AND_SET_VALUE(T, builtin, ...)                            \
	do {                                                                  \
		T next = in_place(rows->operands[i]);                         \
									      \
		result = (T)in_place(rows->comparands[i]);                    \
		if (!__atomic_compare_exchange_n(word, &result, next, 0,      \
						 __ATOMIC_SEQ_CST,            \
						 __ATOMIC_SEQ_CST))           \
			status = SHATOMIC_ROW_COMPARE_FAILED;                 \
	} while (0)

#define ROW_UPDATE(T, builtin, traits, evaluate)                              \
	do {                                                                  \
		const struct operands o =                                     \
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

/*
 * Bring in the words of so many rows that come later. Not those of the last
 * rows, for which there is nothing to hide their absence behind.
 */
static __always_inline void prefetch_rows(const struct shatomic_memory *self,
					  const struct shatomic_rows *rows,
					  __u64 i)
{
	__u64 left = rows->count + rows->ahead - i;
	__u32 k;

	if (left >= SHATOMIC_PREFETCH_FAR + SHATOMIC_PREFETCH_ROWS) {
#pragma GCC unroll 8
		for (k = 0; k < SHATOMIC_PREFETCH_ROWS; k++)
			__builtin_prefetch(self_at(self, rows, i + k +
						   SHATOMIC_PREFETCH_FAR),
					   1, 2);
	}
	if (left >= SHATOMIC_PREFETCH_NEAR + SHATOMIC_PREFETCH_ROWS) {
#pragma GCC unroll 8
		for (k = 0; k < SHATOMIC_PREFETCH_ROWS; k++)
			prefetch_for_write(self_at(self, rows, i + k +
						   SHATOMIC_PREFETCH_NEAR));
	}
}

/*
 * Whether two adjacent rows of a block are on one word. Pairs across the middle
 * are not looked at, so that two rows may go unseen, but never three.
 */
static __always_inline bool has_pair(const __u64 *offsets)
{
	return offsets[0] == offsets[1] || offsets[2] == offsets[3];
}

typedef __u64 step_fn(const struct shatomic_memory *self,
		      const struct shatomic_rows *rows, __u64 i, __u8 *status);
typedef void one_fn(const struct shatomic_memory *self,
		    const struct shatomic_rows *rows, __u64 i);

/* Run a block whose rows have statuses that differ. */
static __always_inline void compare_block(const struct shatomic_memory *self,
					  const struct shatomic_rows *rows,
					  __u64 i, step_fn *step)
{
	__u64 result[SHATOMIC_BLOCK_ROWS];
	__u8 status[SHATOMIC_BLOCK_ROWS];
	__u32 k;

#pragma GCC unroll 4
	for (k = 0; k < SHATOMIC_BLOCK_ROWS; k++)
		result[k] = step(self, rows, i + k, &status[k]);
	if (rows->results) {
#pragma GCC unroll 4
		for (k = 0; k < SHATOMIC_BLOCK_ROWS; k++)
			in_place(rows->results[i + k] = result[k]);
	}
	if (rows->statuses) {
#pragma GCC unroll 4
		for (k = 0; k < SHATOMIC_BLOCK_ROWS; k++)
			in_place(rows->statuses[i + k] = status[k]);
	}
}

/* Run a block of other rows. */
static __always_inline void run_block(const struct shatomic_memory *self,
				      const struct shatomic_rows *rows,
				      __u64 i, step_fn *step, bool has_results)
{
	__u64 result;
	__u8 status;
	__u32 k;

#pragma GCC unroll 4
	for (k = 0; k < SHATOMIC_BLOCK_ROWS; k++) {
		result = step(self, rows, i + k, &status);
		if (has_results)
			in_place(rows->results[i + k] = result);
	}
}

/* Run a block in which rows are on one word, and what follows on the last. */
static __always_inline __u64 fold_block(const struct shatomic_memory *self,
					const struct shatomic_rows *rows,
					__u64 i, shatomic_fold_fn *fold,
					one_fn *one)
{
	__u64 end = i + SHATOMIC_BLOCK_ROWS;
	__u32 folded;

	while (i < end) {
		folded = fold(self, rows, i);
		if (!folded) {
			one(self, rows, i);
			folded = 1;
		}
		i += folded;
	}
	return i;
}

/* Run rows, of which the compiler knows whether they have results. */
static __always_inline void run_known(const struct shatomic_memory *self_,
				      const struct shatomic_rows *rows_,
				      __u32 traits, step_fn *step, one_fn *one,
				      bool has_results)
{
	/* Copies that nothing is stored to, so that they stay in registers. */
	const struct shatomic_memory self = *self_;
	const struct shatomic_rows rows = *rows_;
	shatomic_fold_fn *fold = shatomic_fold_of(rows.op, rows.width);
	bool compares = traits & SHATOMIC_OP_COMPARES;
	/* How many rows a block can begin with. */
	__u64 starts = rows.count < SHATOMIC_BLOCK_ROWS ?
			       0 : rows.count - SHATOMIC_BLOCK_ROWS + 1;
	__u64 i = 0, end;

	while (i < starts) {
		end = starts;
		if (self.prefetch) {
			prefetch_rows(&self, &rows, i);
			if (starts - i > SHATOMIC_PREFETCH_ROWS)
				end = i + SHATOMIC_PREFETCH_ROWS;
		}
		do {
			if (!(traits & SHATOMIC_OP_HAS_PEER) &&
			    has_pair(rows.offsets + i)) {
				i = fold_block(self_, rows_, i, fold, one);
				continue;
			}
			if (compares)
				compare_block(&self, &rows, i, step);
			else
				run_block(&self, &rows, i, step, has_results);
			i += SHATOMIC_BLOCK_ROWS;
		} while (i < end);
	}
	for (; i < rows.count; i++)
		one(self_, rows_, i);
}

static __always_inline void run_all(const struct shatomic_memory *self,
				    const struct shatomic_rows *rows,
				    __u32 traits, step_fn *step, one_fn *one)
{
	if (rows->results || traits & SHATOMIC_OP_COMPARES)
		run_known(self, rows, traits, step, one, true);
	else
		run_known(self, rows, traits, step, one, false);
	if (!(traits & SHATOMIC_OP_COMPARES) && rows->statuses)
		__builtin_memset(rows->statuses, SHATOMIC_ROW_DONE,
				 rows->count);
}

#define DEFINE_RUN(name, bits, row, builtin, traits)                          \
	/* Run one row; returns its result. */                                \
	static __always_inline __u64                                          \
	step_##name##_u##bits(const struct shatomic_memory *self,             \
			      const struct shatomic_rows *rows, __u64 i,      \
			      __u8 *status_)                                  \
	{                                                                     \
		__u##bits *word = self_at(self, rows, i);                     \
		__u8 status = SHATOMIC_ROW_DONE;                              \
		__u##bits result;                                             \
									      \
		row(__u##bits, builtin, traits, evaluate_##name);             \
		*status_ = status;                                            \
		return result;                                                \
	}                                                                     \
									      \
	static noinline void                                                  \
	one_##name##_u##bits(const struct shatomic_memory *self,              \
			     const struct shatomic_rows *rows, __u64 i)       \
	{                                                                     \
		__u8 status;                                                  \
		__u64 result = step_##name##_u##bits(self, rows, i, &status); \
									      \
		put_row(rows, i, result, status);                             \
	}                                                                     \
									      \
	static void run_##name##_u##bits(const struct shatomic_memory *self,  \
					 const struct shatomic_rows *rows)    \
	{                                                                     \
		run_all(self, rows, traits, step_##name##_u##bits,            \
			one_##name##_u##bits);                                \
	}

#define DEFINE_RUNS(constant, name, traits, kind, builtin, ...)               \
	DEFINE_RUN(name, 8, ROW_##kind, builtin, traits)                      \
	DEFINE_RUN(name, 16, ROW_##kind, builtin, traits)                     \
	DEFINE_RUN(name, 32, ROW_##kind, builtin, traits)                     \
	DEFINE_RUN(name, 64, ROW_##kind, builtin, traits)

SHATOMIC_OPS(DEFINE_RUNS)

void shatomic_run_integers(const struct shatomic_memory *self,
			   const struct shatomic_rows *rows)
{
	/* By operation, then by log2 of the width. */
	static run_fn *const run[SHATOMIC_OP_COUNT][4] = {
#define RUN(constant, name, ...)                                              \
		[SHATOMIC_OP_##constant] = { run_##name##_u8,                 \
					     run_##name##_u16,                \
					     run_##name##_u32,                \
					     run_##name##_u64 },
		SHATOMIC_OPS(RUN)
#undef RUN
	};

	run[rows->op][__builtin_ctz(rows->width)](self, rows);
}
