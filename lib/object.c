// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Atomic objects: values of a type in a word, and operations between objects
 * and words of regions. A word's raw value is the integer that its bytes are.
 */
#include "backend.h"
#include "value.h"

#include <errno.h>
#include <string.h>

static const char *type_name(enum shatomic_type type)
{
	static const char *const names[] = {
		[SHATOMIC_TYPE_BOOL] = "bool",	 [SHATOMIC_TYPE_INT] = "int",
		[SHATOMIC_TYPE_UINT] = "uint",	 [SHATOMIC_TYPE_FLOAT] = "float",
		[SHATOMIC_TYPE_BYTES] = "bytes",
	};

	return type <= SHATOMIC_TYPE_BYTES && names[type] ? names[type] : NULL;
}

static int check_type(enum shatomic_type type, unsigned int width)
{
	if (!type_name(type))
		return shatomic_fail(EOPNOTSUPP, "there is no type %d",
				     (int)type);
	if ((type == SHATOMIC_TYPE_BOOL && width != 1) ||
	    (type == SHATOMIC_TYPE_FLOAT && width != 8))
		return shatomic_fail(EINVAL, "width %u is not that of a %s",
				     width, type_name(type));
	return 0;
}

int shatomic_object_check(const struct shatomic_object *object)
{
	int err;

	if (!object || !object->region)
		return shatomic_fail(EINVAL, "object or its region is NULL");
	err = check_type(object->type, object->width);
	if (err)
		return err;
	return shatomic_check_single(object->region, object->offset,
				     object->width);
}

int shatomic_object_init(struct shatomic_object *object,
			 struct shatomic_region *region, uint64_t offset,
			 enum shatomic_type type, unsigned int width)
{
	const struct shatomic_object made = {
		.region = region, .offset = offset, .width = width,
		.type = type,
	};
	int err = shatomic_object_check(&made);

	if (err)
		return err;
	if (!object)
		return shatomic_fail(EINVAL, "object is NULL");
	*object = made;
	return 0;
}

/*
 * Between values and raw values.
 */

static uint64_t bits_of(double f)
{
	uint64_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

static double double_of(uint64_t bits)
{
	double f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static uint64_t all_bits(unsigned int width)
{
	return UINT64_MAX >> (64 - 8 * width);
}

static int fail_size(const struct shatomic_object *object, unsigned int size)
{
	return shatomic_fail(ERANGE,
			     "size %u exceeds that of bytes of width %u", size,
			     object->width);
}

static int encode_bytes(const struct shatomic_object *object,
			const struct shatomic_value *value, uint64_t *raw)
{
	unsigned char bytes[8] = { value->size };

	if (value->size >= object->width)
		return fail_size(object, value->size);
	memcpy(bytes + 1, value->bytes, value->size);
	*raw = shatomic_value_load(bytes, object->width);
	return 0;
}

static int encode_int(const struct shatomic_object *object, int64_t i,
		      uint64_t *raw)
{
	int64_t most = all_bits(object->width) >> 1;

	if (i > most || i < -most - 1)
		return shatomic_fail(ERANGE,
				     "%lld does not fit an int of width %u",
				     (long long)i, object->width);
	*raw = (uint64_t)i & all_bits(object->width);
	return 0;
}

static int encode_uint(const struct shatomic_object *object, uint64_t u,
		       uint64_t *raw)
{
	if (u > all_bits(object->width))
		return shatomic_fail(ERANGE,
				     "%llu does not fit a uint of width %u",
				     (unsigned long long)u, object->width);
	*raw = u;
	return 0;
}

static int encode(const struct shatomic_object *object,
		  const struct shatomic_value *value, const char *name,
		  uint64_t *raw)
{
	if (!value)
		return shatomic_fail(EINVAL, "%s is NULL", name);
	if (value->type != object->type)
		return shatomic_fail(EINVAL,
				     "%s is not of the object's type, %s", name,
				     type_name(object->type));
	switch (value->type) {
	case SHATOMIC_TYPE_BOOL:
		*raw = value->b;
		return 0;
	case SHATOMIC_TYPE_INT:
		return encode_int(object, value->i, raw);
	case SHATOMIC_TYPE_UINT:
		return encode_uint(object, value->u, raw);
	case SHATOMIC_TYPE_FLOAT:
		*raw = bits_of(value->f);
		return 0;
	case SHATOMIC_TYPE_BYTES:
		return encode_bytes(object, value, raw);
	}
	return -EINVAL;
}

static int decode_bytes(const struct shatomic_object *object, uint64_t raw,
			struct shatomic_value *value)
{
	static const unsigned char zeros[8];
	unsigned char bytes[8] = { 0 };
	unsigned int size;

	shatomic_value_store(bytes, object->width, raw);
	size = bytes[0];
	if (size >= object->width)
		return shatomic_fail(EINVAL,
				     "the object holds no bytes: its size is %u",
				     size);
	/* As equal strings would else compare unequal. */
	if (memcmp(bytes + 1 + size, zeros, object->width - 1 - size))
		return shatomic_fail(EINVAL,
				     "the object holds no bytes: there are some beyond its size %u",
				     size);
	value->size = size;
	memcpy(value->bytes, bytes + 1, size);
	return 0;
}

static int64_t signed_of(uint64_t raw, unsigned int width)
{
	unsigned int unused = 64 - 8 * width;

	return (int64_t)(raw << unused) >> unused;
}

static int decode(const struct shatomic_object *object, uint64_t raw,
		  struct shatomic_value *value)
{
	struct shatomic_value made = { .type = object->type };
	int err = 0;

	switch (object->type) {
	case SHATOMIC_TYPE_BOOL:
		made.b = raw;
		break;
	case SHATOMIC_TYPE_INT:
		made.i = signed_of(raw, object->width);
		break;
	case SHATOMIC_TYPE_UINT:
		made.u = raw;
		break;
	case SHATOMIC_TYPE_FLOAT:
		made.f = double_of(raw);
		break;
	case SHATOMIC_TYPE_BYTES:
		err = decode_bytes(object, raw, &made);
		break;
	}
	if (!err)
		*value = made;
	return err;
}

/*
 * Operations on one object.
 */

static int run(const struct shatomic_object *object, unsigned int op,
	       uint64_t operand, uint64_t comparand, uint64_t *result,
	       bool *held)
{
	return shatomic_run_single(object->region, op, object->offset,
				   object->width, operand, comparand, result,
				   held);
}

int shatomic_object_get(const struct shatomic_object *object,
			struct shatomic_value *value)
{
	uint64_t raw;
	int err;

	err = shatomic_object_check(object);
	if (err)
		return err;
	if (!value)
		return shatomic_fail(EINVAL, "value is NULL");
	err = run(object, SHATOMIC_OP_GET, 0, 0, &raw, NULL);
	return err ? err : decode(object, raw, value);
}

int shatomic_object_set(const struct shatomic_object *object,
			const struct shatomic_value *value)
{
	uint64_t raw;
	int err;

	err = shatomic_object_check(object);
	if (!err)
		err = encode(object, value, "value", &raw);
	return err ? err : run(object, SHATOMIC_OP_SET, raw, 0, NULL, NULL);
}

/* A word that holds no bytes is left alone, so it is looked at before. */
static int exchange_bytes(const struct shatomic_object *object, uint64_t raw,
			  uint64_t *seen)
{
	struct shatomic_value value;
	uint64_t now;
	bool held;
	int err;

	err = run(object, SHATOMIC_OP_GET, 0, 0, seen, NULL);
	while (!err) {
		err = decode(object, *seen, &value);
		if (!err)
			err = run(object, SHATOMIC_OP_COMPARE_AND_SET_VALUE,
				  raw, *seen, &now, &held);
		if (err || held)
			break;
		*seen = now;
	}
	return err;
}

int shatomic_object_get_and_set(const struct shatomic_object *object,
				const struct shatomic_value *value,
				struct shatomic_value *old)
{
	uint64_t raw, seen;
	int err;

	err = shatomic_object_check(object);
	if (!err)
		err = encode(object, value, "value", &raw);
	if (err)
		return err;
	if (object->type == SHATOMIC_TYPE_BYTES)
		err = exchange_bytes(object, raw, &seen);
	else
		err = run(object, SHATOMIC_OP_GET_AND_SET, raw, 0, &seen, NULL);
	if (err || !old)
		return err;
	return decode(object, seen, old);
}

/* Whether raw values are equal; true is every byte but 0. */
static bool are_equal(const struct shatomic_object *object, uint64_t a,
		      uint64_t b)
{
	return object->type == SHATOMIC_TYPE_BOOL ? !a == !b : a == b;
}

/* Compare with the very raw value that was seen, until one of both holds. */
static int compare_and_set(const struct shatomic_object *object, uint64_t raw,
			   uint64_t comparand, uint64_t *seen, bool *held)
{
	uint64_t expected = comparand;
	int err;

	do {
		err = run(object, SHATOMIC_OP_COMPARE_AND_SET_VALUE, raw,
			  expected, seen, held);
		if (err || *held)
			return err;
		expected = *seen;
	} while (are_equal(object, expected, comparand));
	return 0;
}

int shatomic_object_compare_and_set_value(const struct shatomic_object *object,
					  const struct shatomic_value *value,
					  const struct shatomic_value *comparand,
					  struct shatomic_value *old)
{
	uint64_t raw, expected, seen;
	struct shatomic_value was;
	bool held;
	int err;

	err = shatomic_object_check(object);
	if (!err)
		err = encode(object, value, "value", &raw);
	if (!err)
		err = encode(object, comparand, "comparand", &expected);
	if (!err)
		err = compare_and_set(object, raw, expected, &seen, &held);
	if (!err)
		err = decode(object, seen, &was);
	if (err)
		return err;
	if (old)
		*old = was;
	return held;
}

static double update_float(unsigned int op, double seen, double operand)
{
	return op == SHATOMIC_OP_FETCH_AND_ADD ||
			       op == SHATOMIC_OP_ADD_AND_FETCH ?
		       seen + operand :
		       seen - operand;
}

static bool update_bool(unsigned int op, bool seen, bool operand)
{
	switch (op) {
	case SHATOMIC_OP_FETCH_AND_AND:
	case SHATOMIC_OP_AND_AND_FETCH:
		return seen && operand;
	case SHATOMIC_OP_FETCH_AND_OR:
	case SHATOMIC_OP_OR_AND_FETCH:
		return seen || operand;
	case SHATOMIC_OP_FETCH_AND_XOR:
	case SHATOMIC_OP_XOR_AND_FETCH:
		return seen != operand;
	default:
		return !(seen && operand);
	}
}

static bool is_arithmetic(unsigned int op)
{
	return op == SHATOMIC_OP_FETCH_AND_ADD ||
	       op == SHATOMIC_OP_FETCH_AND_SUB ||
	       op == SHATOMIC_OP_ADD_AND_FETCH ||
	       op == SHATOMIC_OP_SUB_AND_FETCH;
}

static bool returns_new(unsigned int op)
{
	return op >= SHATOMIC_OP_ADD_AND_FETCH &&
	       op <= SHATOMIC_OP_NAND_AND_FETCH;
}

static int check_op(const struct shatomic_object *object, unsigned int op)
{
	bool has = true;

	if (object->type == SHATOMIC_TYPE_FLOAT)
		has = is_arithmetic(op);
	else if (object->type == SHATOMIC_TYPE_BOOL)
		has = !is_arithmetic(op);
	else if (object->type == SHATOMIC_TYPE_BYTES)
		has = false;
	return has ? 0 : shatomic_fail(EOPNOTSUPP, "%s has no %s",
				       type_name(object->type),
				       shatomic_op_name(op));
}

/* What the machine has no operation for is computed, then exchanged. */
static int update(const struct shatomic_object *object, unsigned int op,
		  uint64_t operand, uint64_t *result)
{
	uint64_t seen, next, now;
	bool held;
	int err;

	err = run(object, SHATOMIC_OP_GET, 0, 0, &seen, NULL);
	while (!err) {
		next = object->type == SHATOMIC_TYPE_FLOAT ?
			       bits_of(update_float(op, double_of(seen),
						    double_of(operand))) :
			       update_bool(op, seen, operand);
		err = run(object, SHATOMIC_OP_COMPARE_AND_SET_VALUE, next, seen,
			  &now, &held);
		if (!err && held) {
			*result = returns_new(op) ? next : seen;
			break;
		}
		seen = now;
	}
	return err;
}

static int run_rmw(const struct shatomic_object *object, unsigned int op,
		   const struct shatomic_value *operand,
		   struct shatomic_value *result)
{
	uint64_t raw, given;
	int err;

	err = shatomic_object_check(object);
	if (!err)
		err = check_op(object, op);
	if (!err)
		err = encode(object, operand, "operand", &raw);
	if (err)
		return err;
	if (object->type == SHATOMIC_TYPE_INT ||
	    object->type == SHATOMIC_TYPE_UINT)
		err = run(object, op, raw, 0, &given, NULL);
	else
		err = update(object, op, raw, &given);
	if (err || !result)
		return err;
	return decode(object, given, result);
}

#define DEFINE_RMW(constant, name)                                            \
	int shatomic_object_##name(const struct shatomic_object *object,      \
				   const struct shatomic_value *operand,      \
				   struct shatomic_value *result)             \
	{                                                                     \
		return run_rmw(object, SHATOMIC_OP_##constant, operand,       \
			       result);                                       \
	}

DEFINE_RMW(FETCH_AND_ADD, fetch_and_add)
DEFINE_RMW(FETCH_AND_SUB, fetch_and_sub)
DEFINE_RMW(FETCH_AND_AND, fetch_and_and)
DEFINE_RMW(FETCH_AND_OR, fetch_and_or)
DEFINE_RMW(FETCH_AND_XOR, fetch_and_xor)
DEFINE_RMW(FETCH_AND_NAND, fetch_and_nand)
DEFINE_RMW(ADD_AND_FETCH, add_and_fetch)
DEFINE_RMW(SUB_AND_FETCH, sub_and_fetch)
DEFINE_RMW(AND_AND_FETCH, and_and_fetch)
DEFINE_RMW(OR_AND_FETCH, or_and_fetch)
DEFINE_RMW(XOR_AND_FETCH, xor_and_fetch)
DEFINE_RMW(NAND_AND_FETCH, nand_and_fetch)
