// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Running rows in row order: a loop for each operation and width, chosen once
 * for each stretch of rows that have the same.
 */
#include "engine.h"

typedef void run_fn(const struct shatomic_memory *self,
		    const struct shatomic_rows *rows);

static inline void *peer_at(const struct shatomic_rows *rows, __u64 i)
{
	__u32 index = rows->peer_indexes ? rows->peer_indexes[i] : 0;

	return shatomic_memory_at(rows->peers[index], rows->peer_offsets[i]);
}

/*
 * What a row does, by kind of operation. Each has word, rows, i and type T in
 * scope and sets result; those that compare set status too.
 */
#define ROW_LOAD(T, builtin) result = __atomic_load_n(word, __ATOMIC_SEQ_CST)

#define ROW_SET(T, builtin)                                                   \
	do {                                                                  \
		result = (T)rows->operands[i];                                \
		__atomic_store_n(word, result, __ATOMIC_SEQ_CST);             \
	} while (0)

#define ROW_STORE(T, builtin)                                                 \
	do {                                                                  \
		T *peer = peer_at(rows, i);                                   \
									      \
		result = __atomic_load_n(peer, __ATOMIC_SEQ_CST);             \
		__atomic_store_n(word, result, __ATOMIC_SEQ_CST);             \
	} while (0)

#define ROW_RMW(T, builtin)                                                   \
	result = builtin(word, (T)rows->operands[i], __ATOMIC_SEQ_CST)

#define ROW_COMPARE_AND_SET(T, builtin)                                       \
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

#define ROW_COMPARE_AND_SET_VALUE(T, builtin)                                 \
	do {                                                                  \
		result = (T)rows->comparands[i];                              \
		if (!__atomic_compare_exchange_n(word, &result,               \
						 (T)rows->operands[i], 0,     \
						 __ATOMIC_SEQ_CST,            \
						 __ATOMIC_SEQ_CST))           \
			status = SHATOMIC_ROW_COMPARE_FAILED;                 \
	} while (0)

#define DEFINE_RUN(name, bits, row, builtin)                                  \
	static void run_##name##_u##bits(const struct shatomic_memory *self,  \
					 const struct shatomic_rows *rows)    \
	{                                                                     \
		__u64 i;                                                      \
									      \
		for (i = 0; i < rows->count; i++) {                           \
			__u##bits *word =                                     \
				shatomic_memory_at(self, rows->offsets[i]);   \
			__u8 status = SHATOMIC_ROW_DONE;                      \
			__u##bits result;                                     \
									      \
			row(__u##bits, builtin);                              \
			if (rows->results)                                    \
				rows->results[i] = result;                    \
			if (rows->statuses)                                   \
				rows->statuses[i] = status;                   \
		}                                                             \
	}

#define DEFINE_RUNS(constant, name, traits, kind, builtin)                    \
	DEFINE_RUN(name, 8, ROW_##kind, builtin)                              \
	DEFINE_RUN(name, 16, ROW_##kind, builtin)                             \
	DEFINE_RUN(name, 32, ROW_##kind, builtin)                             \
	DEFINE_RUN(name, 64, ROW_##kind, builtin)

SHATOMIC_OPS(DEFINE_RUNS)

/* By operation, then by log2 of the width. */
static run_fn *const run_table[SHATOMIC_OP_COUNT][4] = {
#define RUN_ROW(constant, name, traits, kind, builtin)                        \
	[SHATOMIC_OP_##constant] = { run_##name##_u8, run_##name##_u16,       \
				     run_##name##_u32, run_##name##_u64 },
	SHATOMIC_OPS(RUN_ROW)
#undef RUN_ROW
};

static void run_uniform(const struct shatomic_memory *self,
			const struct shatomic_rows *rows, __u32 op, __u32 width)
{
	run_table[op][__builtin_ctz(width)](self, rows);
}

void shatomic_run_rows(const struct shatomic_memory *self,
		       const struct shatomic_rows *rows)
{
	struct shatomic_rows stretch;
	__u32 op = rows->op, width = rows->width;
	__u64 first, end;

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
