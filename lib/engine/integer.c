// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Running rows of one operation whose words are integers of the machine: 1, 2,
 * 4 or 8 bytes wide and aligned. A loop for each operation and width takes the
 * instruction that the machine has for it; adjacent rows on one word become one
 * such instruction.
 */
#include "row.h"
#include "tune.h"

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
 * Bring in the words of rows that come later. Not those of the last rows, for
 * which there is nothing to hide their absence behind.
 */
static __always_inline void prefetch_block(const struct shatomic_memory *self,
					   const struct shatomic_rows *rows,
					   __u64 i)
{
	__u32 k;

	if (rows->count - i >= SHATOMIC_PREFETCH_FAR + SHATOMIC_BLOCK_ROWS) {
#pragma GCC unroll 4
		for (k = 0; k < SHATOMIC_BLOCK_ROWS; k++)
			__builtin_prefetch(self_at(self, rows, i + k +
						   SHATOMIC_PREFETCH_FAR),
					   1, 2);
	}
	if (rows->count - i >= SHATOMIC_PREFETCH_NEAR + SHATOMIC_BLOCK_ROWS) {
#pragma GCC unroll 4
		for (k = 0; k < SHATOMIC_BLOCK_ROWS; k++)
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

static __always_inline void put_block(const struct shatomic_rows *rows, __u64 i,
				      const __u64 *result, const __u8 *status)
{
	__u32 k;

	if (rows->results) {
#pragma GCC unroll 4
		for (k = 0; k < SHATOMIC_BLOCK_ROWS; k++)
			rows->results[i + k] = result[k];
	}
	if (rows->statuses) {
#pragma GCC unroll 4
		for (k = 0; k < SHATOMIC_BLOCK_ROWS; k++)
			rows->statuses[i + k] = status[k];
	}
}

#define DEFINE_STEP(name, bits, row, builtin, traits)                         \
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
	}

#define DEFINE_RUN(name, bits, row, builtin, traits)                          \
	DEFINE_STEP(name, bits, row, builtin, traits)                         \
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
	static void run_##name##_u##bits(const struct shatomic_memory *self_, \
					 const struct shatomic_rows *rows_)   \
	{                                                                     \
		const struct shatomic_memory self = *self_;                   \
		const struct shatomic_rows rows = *rows_;                     \
		shatomic_fold_fn *fold = shatomic_fold_of(rows.op, rows.width);\
		__u64 result[SHATOMIC_BLOCK_ROWS], i = 0, end;                \
		__u8 status[SHATOMIC_BLOCK_ROWS];                             \
		__u32 k;                                                      \
									      \
		while (rows.count - i >= SHATOMIC_BLOCK_ROWS) {               \
			if (self.prefetch)                                    \
				prefetch_block(&self, &rows, i);              \
			if (!((traits) & SHATOMIC_OP_HAS_PEER) &&             \
			    has_pair(rows.offsets + i)) {                     \
				end = i + SHATOMIC_BLOCK_ROWS;                \
				while (i < end) {                             \
					k = fold(self_, rows_, i);            \
					if (!k) {                             \
						one_##name##_u##bits(         \
							self_, rows_, i);     \
						k = 1;                        \
					}                                     \
					i += k;                               \
				}                                             \
				continue;                                     \
			}                                                     \
			_Pragma("GCC unroll 4")                               \
			for (k = 0; k < SHATOMIC_BLOCK_ROWS; k++)             \
				result[k] = step_##name##_u##bits(            \
					&self, &rows, i + k, &status[k]);     \
			put_block(&rows, i, result, status);                  \
			i += SHATOMIC_BLOCK_ROWS;                             \
		}                                                             \
		for (; i < rows.count; i++)                                   \
			one_##name##_u##bits(self_, rows_, i);                \
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
