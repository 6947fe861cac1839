/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Atomic objects: words of a region that have a type. Processes share them by
 * sharing the region; each says for itself which type a word has.
 */
#ifndef SHATOMIC_OBJECT_H
#define SHATOMIC_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "byte_batch.h"
#include "region.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum shatomic_type - Types of objects
 * @SHATOMIC_TYPE_BOOL: True or false; 1 byte. A byte that is not 0 is true;
 *	operations between objects and words copy and compare it as it is.
 * @SHATOMIC_TYPE_INT: Signed integer of 1 to 8 bytes, two's complement.
 * @SHATOMIC_TYPE_UINT: Unsigned integer of 1 to 8 bytes.
 * @SHATOMIC_TYPE_FLOAT: double; 8 bytes.
 * @SHATOMIC_TYPE_BYTES: A string of bytes whose size may change, up to one less
 *	than the object's width of 1 to 8 bytes. Size and content change
 *	together: the first byte of the object is the size, the content
 *	follows, and what is left is zero.
 */
enum shatomic_type {
	SHATOMIC_TYPE_BOOL	= 1,
	SHATOMIC_TYPE_INT	= 2,
	SHATOMIC_TYPE_UINT	= 3,
	SHATOMIC_TYPE_FLOAT	= 4,
	SHATOMIC_TYPE_BYTES	= 5,
};

/* Most bytes in a SHATOMIC_TYPE_BYTES object. */
#define SHATOMIC_MAX_BYTES 7

/**
 * struct shatomic_object - An object: a word of a region and its type
 * @region: The region that it lies in.
 * @offset: Its offset in bytes.
 * @width: Its width in bytes, 1 to 8.
 * @type: What it holds.
 *
 * Made by shatomic_object_init(). It may be copied and needs no end of its own.
 */
struct shatomic_object {
	struct shatomic_region *region;
	uint64_t offset;
	unsigned int width;
	enum shatomic_type type;
};

/**
 * struct shatomic_value - What an object holds
 * @type: Which of the following members it is; that of the object.
 * @size: Number of bytes in @bytes with SHATOMIC_TYPE_BYTES; else not used.
 * @b: SHATOMIC_TYPE_BOOL
 * @i: SHATOMIC_TYPE_INT
 * @u: SHATOMIC_TYPE_UINT
 * @f: SHATOMIC_TYPE_FLOAT
 * @bytes: SHATOMIC_TYPE_BYTES
 */
struct shatomic_value {
	enum shatomic_type type;
	unsigned int size;
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double f;
		unsigned char bytes[SHATOMIC_MAX_BYTES];
	};
};

/**
 * shatomic_object_init() - Say that a word of a region is an object
 * @object: [out] The object.
 * @region: The region.
 * @offset: Offset of the word in bytes. It lies inside one aligned 8-byte word.
 * @type: What it holds.
 * @width: Its width in bytes: 1 for SHATOMIC_TYPE_BOOL, 8 for
 *	SHATOMIC_TYPE_FLOAT, else 1 to 8.
 *
 * Changes nothing in the region: bytes that are zero are false, 0, 0.0 or an
 * empty string.
 *
 * Return: 0; -EINVAL (a width that the type can't have, a word that is not
 * inside one aligned 8-byte word, a NULL), -EOPNOTSUPP (unknown type), -ERANGE
 * (outside the region).
 */
int shatomic_object_init(struct shatomic_object *object,
			 struct shatomic_region *region, uint64_t offset,
			 enum shatomic_type type, unsigned int width);

/**
 * DOC: Errors of objects
 *
 * The functions on objects return -EINVAL for a NULL, for a value that is not
 * of the object's type, and for a word that holds no value of the type (a size
 * beyond the object's, or bytes beyond the size, which only something else can
 * have written there);
 * -ERANGE for a number or a size that the object's width does not hold; -EACCES
 * when they write and the region is open read-only; -EOPNOTSUPP for an
 * operation that the type does not have. Each is one atomic, sequentially
 * consistent operation on the object.
 */

/**
 * shatomic_object_get() - Load an object
 * @object: The object.
 * @value: [out] What it holds.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_get(const struct shatomic_object *object,
			struct shatomic_value *value);

/**
 * shatomic_object_set() - Store in an object
 * @object: The object.
 * @value: What it is to hold.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_set(const struct shatomic_object *object,
			const struct shatomic_value *value);

/**
 * shatomic_object_get_and_set() - Exchange what an object holds
 * @object: The object.
 * @value: What it is to hold.
 * @old: [out] What it held; may be NULL.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_get_and_set(const struct shatomic_object *object,
				const struct shatomic_value *value,
				struct shatomic_value *old);

/**
 * shatomic_object_compare_and_set_value() - Set an object that equals a value
 * @object: The object.
 * @value: What it is to hold.
 * @comparand: What it is compared with: doubles by their bits, so that 0.0 is
 *	not -0.0 and a NaN equals itself.
 * @old: [out] What it held; may be NULL.
 *
 * Return: 1 when it was set, 0 when not, or as "Errors of objects" says.
 */
int shatomic_object_compare_and_set_value(const struct shatomic_object *object,
					  const struct shatomic_value *value,
					  const struct shatomic_value *comparand,
					  struct shatomic_value *old);

/**
 * shatomic_object_fetch_and_add() - Add to an object, giving what it held
 * @object: The object, an integer, which wraps, or a double.
 * @operand: What is added.
 * @old: [out] What it held; may be NULL.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_fetch_and_add(const struct shatomic_object *object,
				  const struct shatomic_value *operand,
				  struct shatomic_value *old);

/**
 * shatomic_object_add_and_fetch() - Add to an object, giving the result
 * @object: The object, an integer, which wraps, or a double.
 * @operand: What is added.
 * @result: [out] What it then holds; may be NULL.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_add_and_fetch(const struct shatomic_object *object,
				  const struct shatomic_value *operand,
				  struct shatomic_value *result);

/**
 * shatomic_object_fetch_and_sub() - Subtract, giving what an object held
 * @object: The object, an integer, which wraps, or a double.
 * @operand: What is subtracted.
 * @old: [out] What it held; may be NULL.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_fetch_and_sub(const struct shatomic_object *object,
				  const struct shatomic_value *operand,
				  struct shatomic_value *old);

/**
 * shatomic_object_sub_and_fetch() - Subtract from an object, giving the rest
 * @object: The object, an integer, which wraps, or a double.
 * @operand: What is subtracted.
 * @result: [out] What it then holds; may be NULL.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_sub_and_fetch(const struct shatomic_object *object,
				  const struct shatomic_value *operand,
				  struct shatomic_value *result);

/**
 * shatomic_object_fetch_and_and() - AND into an object, giving what it held
 * @object: The object, an integer or bool.
 * @operand: The other operand.
 * @old: [out] What it held; may be NULL.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_fetch_and_and(const struct shatomic_object *object,
				  const struct shatomic_value *operand,
				  struct shatomic_value *old);

/**
 * shatomic_object_and_and_fetch() - AND into an object, giving the result
 * @object: The object, an integer or bool.
 * @operand: The other operand.
 * @result: [out] What it then holds; may be NULL.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_and_and_fetch(const struct shatomic_object *object,
				  const struct shatomic_value *operand,
				  struct shatomic_value *result);

/**
 * shatomic_object_fetch_and_or() - OR into an object, giving what it held
 * @object: The object, an integer or bool.
 * @operand: The other operand.
 * @old: [out] What it held; may be NULL.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_fetch_and_or(const struct shatomic_object *object,
				 const struct shatomic_value *operand,
				 struct shatomic_value *old);

/**
 * shatomic_object_or_and_fetch() - OR into an object, giving the result
 * @object: The object, an integer or bool.
 * @operand: The other operand.
 * @result: [out] What it then holds; may be NULL.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_or_and_fetch(const struct shatomic_object *object,
				 const struct shatomic_value *operand,
				 struct shatomic_value *result);

/**
 * shatomic_object_fetch_and_xor() - XOR into an object, giving what it held
 * @object: The object, an integer or bool.
 * @operand: The other operand.
 * @old: [out] What it held; may be NULL.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_fetch_and_xor(const struct shatomic_object *object,
				  const struct shatomic_value *operand,
				  struct shatomic_value *old);

/**
 * shatomic_object_xor_and_fetch() - XOR into an object, giving the result
 * @object: The object, an integer or bool.
 * @operand: The other operand.
 * @result: [out] What it then holds; may be NULL.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_xor_and_fetch(const struct shatomic_object *object,
				  const struct shatomic_value *operand,
				  struct shatomic_value *result);

/**
 * shatomic_object_fetch_and_nand() - NAND into an object, giving what it held
 * @object: The object, an integer or bool (of truth values).
 * @operand: The other operand.
 * @old: [out] What it held; may be NULL.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_fetch_and_nand(const struct shatomic_object *object,
				   const struct shatomic_value *operand,
				   struct shatomic_value *old);

/**
 * shatomic_object_nand_and_fetch() - NAND into an object, giving the result
 * @object: The object, an integer or bool (of truth values).
 * @operand: The other operand.
 * @result: [out] What it then holds; may be NULL.
 *
 * Return: 0 or as "Errors of objects" says.
 */
int shatomic_object_nand_and_fetch(const struct shatomic_object *object,
				   const struct shatomic_value *operand,
				   struct shatomic_value *result);

/**
 * shatomic_store_from_other_types() - Store what an object holds in a region
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @object: The object, in any region. Its width is that of the word; the size
 *	of a SHATOMIC_TYPE_BYTES, whose content alone is stored, and of which an
 *	empty one changes nothing.
 *
 * The load and the store are each atomic, not the two together.
 *
 * Return: 0; -EINVAL (a word that is not inside one aligned 8-byte word, a
 * NULL), -ERANGE (outside the region), -EACCES (it is open read-only).
 */
int shatomic_store_from_other_types(struct shatomic_region *region,
				    uint64_t offset,
				    const struct shatomic_object *object);

/**
 * shatomic_compare_with_other_type_and_set() - Set a word that equals an object
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @value: What the word becomes: as many bytes as the word has.
 * @width: Number of bytes at @value, at least as many as the word has.
 * @object: The object, in any region; it gives the width of the word as in
 *	shatomic_store_from_other_types().
 *
 * Loads the object; when the word equals it (an empty SHATOMIC_TYPE_BYTES
 * equals), the word becomes @value; else the object is made to hold what was
 * seen in the word. Each is atomic, not all together.
 *
 * Return: 1 when the word was set, 0 when not; -EINVAL (also for a @width that
 * is less than the word's), -ERANGE, -EACCES (also for an object in a region
 * that is open read-only).
 */
int shatomic_compare_with_other_type_and_set(struct shatomic_region *region,
					     uint64_t offset, const void *value,
					     unsigned int width,
					     const struct shatomic_object *object);

/**
 * shatomic_stores_from_other_types() - Store what objects hold in a region
 * @region: The region.
 * @batch: rows, offsets and objects; width, widths and the peers are not used.
 *
 * The calling process runs the rows in order, each as
 * shatomic_store_from_other_types() does.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_stores_from_other_types(struct shatomic_region *region,
				     struct shatomic_byte_batch *batch);

/**
 * shatomic_compare_with_other_types_and_sets() - Set words that equal objects
 * @region: The region.
 * @batch: rows, offsets, values, objects, and as results a bool a row: 1 where
 *	the word was set, 0 where not.
 *
 * The calling process runs the rows in order, each as
 * shatomic_compare_with_other_type_and_set() does; stride is the width of the
 * values.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_compare_with_other_types_and_sets(struct shatomic_region *region,
					       struct shatomic_byte_batch *batch);

#ifdef __cplusplus
}
#endif

#endif /* SHATOMIC_OBJECT_H */
