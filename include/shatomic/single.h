/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Single operations on a word of a region given by offset and width, run in the
 * calling process on its mapping. Each access to memory is one atomic,
 * sequentially consistent operation. When width, alignment and type are known,
 * those of typed.h cost less: they check nothing.
 */
#ifndef SHATOMIC_SINGLE_H
#define SHATOMIC_SINGLE_H

#include <stdint.h>

#include "region.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * shatomic_get() - Load a word
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @value: [out] @width bytes: its value.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (16 in a region that is open read-only: loading
 * it takes a mapping that can be written to).
 */
int shatomic_get(const struct shatomic_region *region, uint64_t offset,
		 unsigned int width, void *value);

/**
 * shatomic_set() - Store a value in a word
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @value: @width bytes.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_set(struct shatomic_region *region, uint64_t offset,
		 unsigned int width, const void *value);

/**
 * shatomic_store() - Store a word of another region
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @peer: The other region, which may be @region.
 * @peer_offset: Offset of the word in @peer, in bytes; the words may overlap.
 *
 * The load of @peer and the store are each atomic, not the two together.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only; at 16, @peer
 * is).
 */
int shatomic_store(struct shatomic_region *region, uint64_t offset,
		   unsigned int width, const struct shatomic_region *peer,
		   uint64_t peer_offset);

/**
 * shatomic_get_and_set() - Exchange a word for a value
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @value: @width bytes: what it becomes.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_get_and_set(struct shatomic_region *region, uint64_t offset,
			 unsigned int width, const void *value, void *old);

/**
 * shatomic_compare_and_set() - Set a word when it equals that of another region
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @value: @width bytes: what it becomes.
 * @peer: The other region, which may be @region.
 * @peer_offset: Offset of the word in @peer, in bytes; the words may overlap.
 *
 * Loads the word of @peer; when @region's equals it, sets that to @value; else
 * stores what was seen in @region to @peer. Each of the three is atomic, not
 * all together.
 *
 * Return: 1 when it was set, 0 when the comparison did not hold; -EINVAL,
 * -ERANGE, -EACCES as with shatomic_get_and_set(). Also -EACCES when @peer is
 * open read-only.
 */
int shatomic_compare_and_set(struct shatomic_region *region, uint64_t offset,
			     unsigned int width, const void *value,
			     struct shatomic_region *peer,
			     uint64_t peer_offset);

/**
 * shatomic_compare_and_set_value() - Set a word when it equals a value
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @value: @width bytes: what it becomes.
 * @comparand: @width bytes: what it is compared with.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * @old is written in both cases, so that it equals @comparand if and only if
 * the word was set.
 *
 * Return: 1 when it was set, 0 when the comparison did not hold; -EINVAL,
 * -ERANGE, -EACCES as with shatomic_get_and_set().
 */
int shatomic_compare_and_set_value(struct shatomic_region *region,
				   uint64_t offset, unsigned int width,
				   const void *value, const void *comparand,
				   void *old);

/**
 * shatomic_fetch_and_add() - Add to a word, giving what it was
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * The word becomes the sum.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_fetch_and_add(struct shatomic_region *region, uint64_t offset,
			   unsigned int width, const void *operand, void *old);

/**
 * shatomic_fetch_and_sub() - Subtract from a word, giving what it was
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * The word becomes the difference.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_fetch_and_sub(struct shatomic_region *region, uint64_t offset,
			   unsigned int width, const void *operand, void *old);

/**
 * shatomic_fetch_and_and() - AND into a word, giving what it was
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * The word becomes word & operand.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_fetch_and_and(struct shatomic_region *region, uint64_t offset,
			   unsigned int width, const void *operand, void *old);

/**
 * shatomic_fetch_and_or() - OR into a word, giving what it was
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * The word becomes word | operand.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_fetch_and_or(struct shatomic_region *region, uint64_t offset,
			  unsigned int width, const void *operand, void *old);

/**
 * shatomic_fetch_and_xor() - XOR into a word, giving what it was
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * The word becomes word ^ operand.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_fetch_and_xor(struct shatomic_region *region, uint64_t offset,
			   unsigned int width, const void *operand, void *old);

/**
 * shatomic_fetch_and_nand() - NAND into a word, giving what it was
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * The word becomes ~(word & operand).
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_fetch_and_nand(struct shatomic_region *region, uint64_t offset,
			    unsigned int width, const void *operand, void *old);

/**
 * shatomic_add_and_fetch() - Add to a word, giving what it becomes
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @result: [out] @width bytes: what the word became; may be NULL.
 *
 * The word becomes the sum.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_add_and_fetch(struct shatomic_region *region, uint64_t offset,
			   unsigned int width, const void *operand,
			   void *result);

/**
 * shatomic_sub_and_fetch() - Subtract from a word, giving what it becomes
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @result: [out] @width bytes: what the word became; may be NULL.
 *
 * The word becomes the difference.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_sub_and_fetch(struct shatomic_region *region, uint64_t offset,
			   unsigned int width, const void *operand,
			   void *result);

/**
 * shatomic_and_and_fetch() - AND into a word, giving what it becomes
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @result: [out] @width bytes: what the word became; may be NULL.
 *
 * The word becomes word & operand.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_and_and_fetch(struct shatomic_region *region, uint64_t offset,
			   unsigned int width, const void *operand,
			   void *result);

/**
 * shatomic_or_and_fetch() - OR into a word, giving what it becomes
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @result: [out] @width bytes: what the word became; may be NULL.
 *
 * The word becomes word | operand.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_or_and_fetch(struct shatomic_region *region, uint64_t offset,
			  unsigned int width, const void *operand,
			  void *result);

/**
 * shatomic_xor_and_fetch() - XOR into a word, giving what it becomes
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @result: [out] @width bytes: what the word became; may be NULL.
 *
 * The word becomes word ^ operand.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_xor_and_fetch(struct shatomic_region *region, uint64_t offset,
			   unsigned int width, const void *operand,
			   void *result);

/**
 * shatomic_nand_and_fetch() - NAND into a word, giving what it becomes
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @result: [out] @width bytes: what the word became; may be NULL.
 *
 * The word becomes ~(word & operand).
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_nand_and_fetch(struct shatomic_region *region, uint64_t offset,
			    unsigned int width, const void *operand,
			    void *result);

/**
 * shatomic_fetch_and_smin() - Signed minimum, giving what the word was
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * The word becomes the smaller of word and operand as signed integers.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_fetch_and_smin(struct shatomic_region *region, uint64_t offset,
			    unsigned int width, const void *operand, void *old);

/**
 * shatomic_fetch_and_smax() - Signed maximum, giving what the word was
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * The word becomes the larger of word and operand as signed integers.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_fetch_and_smax(struct shatomic_region *region, uint64_t offset,
			    unsigned int width, const void *operand, void *old);

/**
 * shatomic_fetch_and_umin() - Unsigned minimum, giving what the word was
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * The word becomes the smaller of word and operand as unsigned integers.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_fetch_and_umin(struct shatomic_region *region, uint64_t offset,
			    unsigned int width, const void *operand, void *old);

/**
 * shatomic_fetch_and_umax() - Unsigned maximum, giving what the word was
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * The word becomes the larger of word and operand as unsigned integers.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_fetch_and_umax(struct shatomic_region *region, uint64_t offset,
			    unsigned int width, const void *operand, void *old);

/**
 * shatomic_fetch_and_add_bounded() - Add to a word up to a bound
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @operand: @width bytes, unsigned.
 * @bound: @width bytes, unsigned: what the sum may be at most.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * With an @operand of 1 it increments a word that is below @bound: a semaphore
 * or limiter, which shatomic_fetch_and_sub() gives back to.
 *
 * Return: 1 when it was added, 0 when the sum would exceed @bound or wrap;
 * -EINVAL, -ERANGE, -EACCES as with shatomic_get_and_set().
 */
int shatomic_fetch_and_add_bounded(struct shatomic_region *region,
				   uint64_t offset, unsigned int width,
				   const void *operand, const void *bound,
				   void *old);

/**
 * shatomic_masked_get_and_set() - Exchange some bits of a word
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @value: @width bytes: what the bits become.
 * @mask: @width bytes: which bits.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * Return: 0; -EINVAL (no such width, a word that is not inside one aligned
 * 8-byte word, a NULL), -ERANGE (outside the region), -EOPNOTSUPP (16 where the
 * machine has it not), -EACCES (it is open read-only).
 */
int shatomic_masked_get_and_set(struct shatomic_region *region,
				uint64_t offset, unsigned int width,
				const void *value, const void *mask,
				void *old);

/**
 * shatomic_masked_compare_and_set_value() - Set bits when bits equal
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @value: @width bytes: what the bits become.
 * @mask: @width bytes: which bits are set.
 * @comparand: @width bytes: what the word is compared with.
 * @comparand_mask: @width bytes: in which bits.
 * @old: [out] @width bytes: what the word was; may be NULL.
 *
 * InfiniBand's masked compare and swap.
 *
 * Return: 1 when it was set, 0 when the comparison did not hold; -EINVAL,
 * -ERANGE, -EACCES as with shatomic_get_and_set().
 */
int shatomic_masked_compare_and_set_value(struct shatomic_region *region,
					  uint64_t offset, unsigned int width,
					  const void *value, const void *mask,
					  const void *comparand,
					  const void *comparand_mask,
					  void *old);

/**
 * shatomic_test_and_set_bit() - Set a bit of a word, giving what it was
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @bit: Which one: 0 is the least significant.
 *
 * Return: 0 or 1, what the bit was; -EINVAL (also for a @bit that is not in the
 * word), -ERANGE, -EACCES as with shatomic_get_and_set().
 */
int shatomic_test_and_set_bit(struct shatomic_region *region, uint64_t offset,
			      unsigned int width, unsigned int bit);

/**
 * shatomic_test_and_clear_bit() - Clear a bit of a word, giving what it was
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8 or 16.
 * @bit: Which one: 0 is the least significant.
 *
 * Return: 0 or 1, what the bit was; -EINVAL (also for a @bit that is not in the
 * word), -ERANGE, -EACCES as with shatomic_get_and_set().
 */
int shatomic_test_and_clear_bit(struct shatomic_region *region, uint64_t offset,
				unsigned int width, unsigned int bit);

#ifdef __cplusplus
}
#endif

#endif /* SHATOMIC_SINGLE_H */
