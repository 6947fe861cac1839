// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Rows whose words are doubles, 16 aligned bytes, which some machines compare
 * and exchange by one instruction. Everything is made of that, loads too.
 */
#include "run.h"

#ifdef __SIZEOF_INT128__

#if defined(__x86_64__) && !defined(__KERNEL__)
#include <cpuid.h>
#endif

#define SHATOMIC_INTEGER __uint128_t
#include "evaluate.h"

/*
 * Whether a comparison that fails may have seen halves of two times: an arm64
 * without LSE loads them so, unless a store to both succeeds.
 */
#ifdef __aarch64__
#define MAY_TEAR true
#else
#define MAY_TEAR false
#endif

#ifdef __x86_64__
/* The first x86-64 machines did not have it, so compilers do not use it. */
__attribute__((target("cx16"), __noinline__))
#endif
static makes_atomic_double __uint128_t
compare_and_exchange_once(__uint128_t *word, __uint128_t expected,
			  __uint128_t desired)
{
	tell_atomic_double(word);
	/* On s390x the type does not say so. */
	word = __builtin_assume_aligned(word, sizeof(*word));
	/* Not __atomic, for which compilers call a library with locks. */
	return __sync_val_compare_and_swap(word, expected, desired);
}

static __uint128_t compare_and_exchange(__uint128_t *word,
					__uint128_t expected,
					__uint128_t desired)
{
	__uint128_t seen = compare_and_exchange_once(word, expected, desired);

	/* What was seen is true when it compares equal and is stored again. */
	while (MAY_TEAR && seen != expected &&
	       compare_and_exchange_once(word, seen, seen) != seen)
		seen = compare_and_exchange_once(word, expected, desired);
	return seen;
}

static __uint128_t load_double(__uint128_t *word)
{
	return compare_and_exchange(word, 0, 0);
}

static __uint128_t value_of(const __u64 *column, __u64 i)
{
	return (__uint128_t)in_place(column[2 * i + 1]) << 64 |
	       in_place(column[2 * i]);
}

static struct operands operands_of(const struct shatomic_rows *rows, __u64 i,
				   __u32 traits)
{
	struct operands o = { .one = 1, .sign = (__uint128_t)1 << 127 };

	if (traits & SHATOMIC_OP_HAS_OPERAND)
		o.operand = value_of(rows->operands, i);
	if (traits & SHATOMIC_OP_HAS_COMPARAND)
		o.comparand = value_of(rows->comparands, i);
	if (traits & SHATOMIC_OP_HAS_MASK)
		o.mask = value_of(rows->masks, i);
	if (traits & SHATOMIC_OP_HAS_COMPARAND_MASK)
		o.comparand_mask = value_of(rows->comparand_masks, i);
	return o;
}

/* Update a double; returns whether the operation's condition held. */
static bool update_double(__uint128_t *word, evaluate_fn *evaluate,
			  const struct operands *o, __uint128_t *result)
{
	__uint128_t seen = load_double(word), expected, next;

	do {
		expected = seen;
		if (!evaluate(o, ~(__uint128_t)0, expected, &next, result))
			return false;
		seen = compare_and_exchange(word, expected, next);
	} while (seen != expected);
	return true;
}

static void put_row(const struct shatomic_rows *rows, __u64 i, __uint128_t result,
		    __u8 status)
{
	if (rows->results) {
		in_place(rows->results[2 * i] = (__u64)result);
		in_place(rows->results[2 * i + 1] = (__u64)(result >> 64));
	}
	if (rows->statuses)
		in_place(rows->statuses[i] = status);
}

static void run_double(const struct shatomic_memory *self,
		       const struct shatomic_rows *rows, __u64 i, __u32 traits,
		       evaluate_fn *evaluate)
{
	__u32 index = rows->peer_indexes ? rows->peer_indexes[i] : 0;
	__uint128_t *word = shatomic_memory_at(self, rows->offsets[i]);
	struct operands o = operands_of(rows, i, traits);
	__uint128_t *peer = NULL, result;
	bool held = true;

	if (traits & SHATOMIC_OP_HAS_PEER) {
		peer = shatomic_memory_at(rows->peers[index],
					  rows->peer_offsets[i]);
		*(traits & SHATOMIC_OP_HAS_OPERAND ? &o.comparand :
						     &o.operand) =
			load_double(peer);
	}

	if (traits & SHATOMIC_OP_WRITES_SELF)
		held = update_double(word, evaluate, &o, &result);
	else
		result = load_double(word);

	if (traits & SHATOMIC_OP_WRITES_PEER) {
		if (!held) {
			o.operand = result;
			update_double(peer, evaluate_set, &o, &result);
		}
		result = held;
	}
	put_row(rows, i, result,
		held ? SHATOMIC_ROW_DONE : SHATOMIC_ROW_COMPARE_FAILED);
}

void shatomic_run_doubles(const struct shatomic_memory *self,
			  const struct shatomic_rows *rows)
{
	static const struct {
		__u32 traits;
		evaluate_fn *evaluate;
	} ops[SHATOMIC_OP_COUNT] = {
#define OP(constant, name, traits, ...)                                       \
		[SHATOMIC_OP_##constant] = { traits, evaluate_##name },
		SHATOMIC_OPS(OP)
#undef OP
	};
	__u64 i;

	for (i = 0; i < rows->count; i++) {
		__u32 op = rows->ops ? rows->ops[i] : rows->op;

		run_double(self, rows, i, ops[op].traits, ops[op].evaluate);
	}
}

#if defined(__x86_64__) && !defined(__KERNEL__)
/*
 * Not __builtin_cpu_supports(), which not every compiler asks about this. The
 * answer is kept, as hypervisors take microseconds for it.
 */
static bool has_cmpxchg16b(void)
{
	enum { UNKNOWN, NO, YES };
	static int known = UNKNOWN;
	int has = __atomic_load_n(&known, __ATOMIC_RELAXED);
	unsigned int eax, ebx, ecx, edx;

	if (has == UNKNOWN) {
		has = __get_cpuid(1, &eax, &ebx, &ecx, &edx) &&
		      ecx & bit_CMPXCHG16B ? YES : NO;
		__atomic_store_n(&known, has, __ATOMIC_RELAXED);
	}
	return has == YES;
}
#endif

bool shatomic_has_doubles(void)
{
#if defined(CONFIG_X86)
	return boot_cpu_has(X86_FEATURE_CX16);
#elif defined(__x86_64__) && !defined(__KERNEL__)
	return has_cmpxchg16b();
#elif defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_16)
	return true;
#else
	return false;
#endif
}

#else

bool shatomic_has_doubles(void)
{
	return false;
}

void shatomic_run_doubles(const struct shatomic_memory *self,
			  const struct shatomic_rows *rows)
{
	(void)self;
	(void)rows;
}

#endif
