// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Single operations by offset and width: one row, which the calling process
 * checks and runs.
 */
#include "backend.h"
#include "value.h"

#include <errno.h>

/**
 * struct single - One operation: the columns of its one row
 * @offset: Column.
 * @operand: Column, of two entries for a double, as the next four.
 * @comparand: Column.
 * @mask: Column.
 * @comparand_mask: Column.
 * @result: Column.
 * @peer: The peer, or NULL.
 * @peer_offset: Column.
 */
struct single {
	uint64_t offset;
	uint64_t operand[2];
	uint64_t comparand[2];
	uint64_t mask[2];
	uint64_t comparand_mask[2];
	uint64_t result[2];
	const struct shatomic_region *peer;
	uint64_t peer_offset;
};

/* Say what is wrong as a batch would. */
static int fail_check(int err, const struct shatomic_region *region,
		      const struct single *single,
		      const struct shatomic_rows *rows,
		      const struct shatomic_row_error *error)
{
	/* Whose table of peers is not const for those that write to them. */
	struct shatomic_region *peer = (struct shatomic_region *)single->peer;
	const struct shatomic_batch batch = {
		.op = rows->op,
		.width = rows->width,
		.rows = 1,
		.offsets = &single->offset,
		.operands = single->operand,
		.peers = &peer,
		.peer_offsets = &single->peer_offset,
		.peer_count = rows->peer_count,
		.error_row = error->row,
		.error_field = error->field,
	};

	return shatomic_fail_single(-err, region, &batch);
}

/*
 * Run it; what it has been given lies in its fields. Returns whether its
 * condition held, or a negative errno value.
 */
static int run(const struct shatomic_region *region, struct single *single,
	       unsigned int op, uint64_t offset, unsigned int width)
{
	const struct shatomic_memory *peer =
		single->peer ? &single->peer->memory : NULL;
	__u8 status = SHATOMIC_ROW_NOT_RUN;
	const struct shatomic_rows rows = {
		.op = op,
		.width = width,
		.count = 1,
		.offsets = (__u64 *)&single->offset,
		.operands = (__u64 *)single->operand,
		.comparands = (__u64 *)single->comparand,
		.masks = (__u64 *)single->mask,
		.comparand_masks = (__u64 *)single->comparand_mask,
		.results = (__u64 *)single->result,
		.statuses = &status,
		.peers = &peer,
		.peer_offsets = (__u64 *)&single->peer_offset,
		.peer_count = peer ? 1 : 0,
	};
	struct shatomic_row_error error;
	bool has_fields = false;
	int err;

	if (!region)
		return shatomic_fail(EINVAL, "region is NULL");
	single->offset = offset;
	err = shatomic_check_rows(&region->memory, &rows, &has_fields, &error);
	if (err)
		return fail_check(err, region, single, &rows, &error);
	shatomic_run_rows(&region->memory, &rows, has_fields);
	return status == SHATOMIC_ROW_DONE;
}

/* Take a value of @width bytes; a width that can't be is refused by run(). */
static void take(uint64_t value[2], const void *bytes, unsigned int width)
{
	if (width <= 8 || width == SHATOMIC_DOUBLE_WIDTH)
		shatomic_value_load_any(bytes, width, value);
}

static void put_result(const struct single *single, unsigned int width,
		       void *bytes)
{
	if (bytes)
		shatomic_value_store_any(bytes, width, single->result);
}

/* 0 where there is no condition. */
static int without_condition(int held)
{
	return held < 0 ? held : 0;
}

int shatomic_check_single(const struct shatomic_region *region, uint64_t offset,
			  unsigned int width)
{
	const struct single single = { .offset = offset };
	const struct shatomic_rows rows = {
		.op = SHATOMIC_OP_GET,
		.width = width,
		.count = 1,
		.offsets = (const __u64 *)&single.offset,
	};
	struct shatomic_row_error error;
	bool has_fields;
	int err;

	if (!region)
		return shatomic_fail(EINVAL, "region is NULL");
	if (!shatomic_width_is_supported(width))
		return shatomic_fail(EINVAL, "width %u is not 1 to 8", width);
	err = shatomic_check_rows(&region->memory, &rows, &has_fields, &error);
	return err ? fail_check(err, region, &single, &rows, &error) : 0;
}

int shatomic_run_single(const struct shatomic_region *region, unsigned int op,
			uint64_t offset, unsigned int width, uint64_t operand,
			uint64_t comparand, uint64_t *result, bool *held)
{
	struct single single = { .operand = { operand },
				 .comparand = { comparand } };
	int ret = run(region, &single, op, offset, width);

	if (ret < 0)
		return ret;
	if (result)
		*result = single.result[0];
	if (held)
		*held = ret;
	return 0;
}

int shatomic_get(const struct shatomic_region *region, uint64_t offset,
		 unsigned int width, void *value)
{
	struct single single = { .peer = NULL };
	int ret;

	if (!value)
		return shatomic_fail(EINVAL, "value is NULL");
	ret = run(region, &single, SHATOMIC_OP_GET, offset, width);
	if (ret < 0)
		return ret;
	put_result(&single, width, value);
	return 0;
}

int shatomic_set(struct shatomic_region *region, uint64_t offset,
		 unsigned int width, const void *value)
{
	struct single single = { .peer = NULL };

	if (!value)
		return shatomic_fail(EINVAL, "value is NULL");
	take(single.operand, value, width);
	return without_condition(run(region, &single, SHATOMIC_OP_SET, offset,
				     width));
}

int shatomic_store(struct shatomic_region *region, uint64_t offset,
		   unsigned int width, const struct shatomic_region *peer,
		   uint64_t peer_offset)
{
	struct single single = {
		.peer = peer,
		.peer_offset = peer_offset,
	};

	if (!peer)
		return shatomic_fail(EINVAL, "peer is NULL");
	return without_condition(run(region, &single, SHATOMIC_OP_STORE,
				     offset, width));
}

int shatomic_compare_and_set(struct shatomic_region *region, uint64_t offset,
			     unsigned int width, const void *value,
			     struct shatomic_region *peer,
			     uint64_t peer_offset)
{
	struct single single = { .peer = NULL };

	if (!value || !peer)
		return shatomic_fail(EINVAL, "value or peer is NULL");
	take(single.operand, value, width);
	single.peer = peer;
	single.peer_offset = peer_offset;
	return run(region, &single, SHATOMIC_OP_COMPARE_AND_SET, offset, width);
}

int shatomic_compare_and_set_value(struct shatomic_region *region,
				   uint64_t offset, unsigned int width,
				   const void *value, const void *comparand,
				   void *old)
{
	struct single single = { .peer = NULL };
	int ret;

	if (!value || !comparand)
		return shatomic_fail(EINVAL, "value or comparand is NULL");
	take(single.operand, value, width);
	take(single.comparand, comparand, width);
	ret = run(region, &single, SHATOMIC_OP_COMPARE_AND_SET_VALUE, offset,
		  width);
	if (ret >= 0)
		put_result(&single, width, old);
	return ret;
}

/* An operation on a word and one operand. */
static int run_rmw(struct shatomic_region *region, unsigned int op,
		   uint64_t offset, unsigned int width, const void *operand,
		   void *result)
{
	struct single single = { .peer = NULL };
	int ret;

	if (!operand)
		return shatomic_fail(EINVAL, "%s is NULL",
				     op == SHATOMIC_OP_GET_AND_SET ?
					     "value" :
					     "operand");
	take(single.operand, operand, width);
	ret = run(region, &single, op, offset, width);
	if (ret < 0)
		return ret;
	put_result(&single, width, result);
	return 0;
}

#define DEFINE_RMW(constant, name)                                            \
	int shatomic_##name(struct shatomic_region *region, uint64_t offset,  \
			    unsigned int width, const void *operand,          \
			    void *result)                                     \
	{                                                                     \
		return run_rmw(region, SHATOMIC_OP_##constant, offset, width, \
			       operand, result);                              \
	}

DEFINE_RMW(GET_AND_SET, get_and_set)
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
DEFINE_RMW(FETCH_AND_SMIN, fetch_and_smin)
DEFINE_RMW(FETCH_AND_SMAX, fetch_and_smax)
DEFINE_RMW(FETCH_AND_UMIN, fetch_and_umin)
DEFINE_RMW(FETCH_AND_UMAX, fetch_and_umax)

int shatomic_fetch_and_add_bounded(struct shatomic_region *region,
				   uint64_t offset, unsigned int width,
				   const void *operand, const void *bound,
				   void *old)
{
	struct single single = { .peer = NULL };
	int ret;

	if (!operand || !bound)
		return shatomic_fail(EINVAL, "operand or bound is NULL");
	take(single.operand, operand, width);
	take(single.comparand, bound, width);
	ret = run(region, &single, SHATOMIC_OP_FETCH_AND_ADD_BOUNDED, offset,
		  width);
	if (ret >= 0)
		put_result(&single, width, old);
	return ret;
}

int shatomic_masked_get_and_set(struct shatomic_region *region,
				uint64_t offset, unsigned int width,
				const void *value, const void *mask,
				void *old)
{
	struct single single = { .peer = NULL };
	int ret;

	if (!value || !mask)
		return shatomic_fail(EINVAL, "value or mask is NULL");
	take(single.operand, value, width);
	take(single.mask, mask, width);
	ret = run(region, &single, SHATOMIC_OP_MASKED_GET_AND_SET, offset,
		  width);
	if (ret < 0)
		return ret;
	put_result(&single, width, old);
	return 0;
}

int shatomic_masked_compare_and_set_value(struct shatomic_region *region,
					  uint64_t offset, unsigned int width,
					  const void *value, const void *mask,
					  const void *comparand,
					  const void *comparand_mask,
					  void *old)
{
	struct single single = { .peer = NULL };
	int ret;

	if (!value || !mask || !comparand || !comparand_mask)
		return shatomic_fail(EINVAL,
				     "value, mask, comparand or comparand_mask is NULL");
	take(single.operand, value, width);
	take(single.mask, mask, width);
	take(single.comparand, comparand, width);
	take(single.comparand_mask, comparand_mask, width);
	ret = run(region, &single, SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE,
		  offset, width);
	if (ret >= 0)
		put_result(&single, width, old);
	return ret;
}

static int run_bit(struct shatomic_region *region, unsigned int op,
		   uint64_t offset, unsigned int width, unsigned int bit)
{
	struct single single = { .operand = { bit } };
	int ret = run(region, &single, op, offset, width);

	return ret < 0 ? ret : (int)single.result[0];
}

int shatomic_test_and_set_bit(struct shatomic_region *region, uint64_t offset,
			      unsigned int width, unsigned int bit)
{
	return run_bit(region, SHATOMIC_OP_TEST_AND_SET_BIT, offset, width,
		       bit);
}

int shatomic_test_and_clear_bit(struct shatomic_region *region, uint64_t offset,
				unsigned int width, unsigned int bit)
{
	return run_bit(region, SHATOMIC_OP_TEST_AND_CLEAR_BIT, offset, width,
		       bit);
}
