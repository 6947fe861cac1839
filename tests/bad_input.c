// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bad input to single operations and to batches of bytes: one table; each call
 * gives its errno, a sentence that names what is wrong, and changes nothing.
 * Batches of columns are in batch.c, files in file.c, objects in object.c.
 */
#include "common.h"

#define REGION_BYTES 4096
#define ROWS 3

FIXTURE(bad)
{
	struct shatomic_region *region;
	struct shatomic_region *reader;
	unsigned char *memory;
	unsigned char before[REGION_BYTES];
};

FIXTURE_SETUP(bad)
{
	unsigned int i;

	self->region = new_region_and_reader(REGION_BYTES, &self->reader);
	ASSERT_NE(NULL, self->region);
	self->memory = shatomic_buf(self->region, NULL);
	for (i = 0; i < REGION_BYTES; i++)
		self->before[i] = self->memory[i] = i * 7 + 1;
}

FIXTURE_TEARDOWN(bad)
{
	shatomic_close(self->reader);
	shatomic_close(self->region);
}

/*
 * Single operations. Each call gives its errno; its values and results are in
 * bytes, which stay as they are.
 */
#define VALUE_BYTES 16

struct single_call {
	struct shatomic_region *region;
	struct shatomic_region *peer;
	uint64_t offset;
	uint64_t peer_offset;
	unsigned int width;
	unsigned char *value;
	unsigned char *result;
};

typedef int single_fn(const struct single_call *call);

#define SINGLE(name, ...)                                                     \
	static int name(const struct single_call *c)                          \
	{                                                                     \
		return shatomic_##name(c->region, c->offset, c->width,        \
				       __VA_ARGS__);                          \
	}

SINGLE(get, c->result)
SINGLE(set, c->value)
SINGLE(store, c->peer, c->peer_offset)
SINGLE(get_and_set, c->value, c->result)
SINGLE(compare_and_set, c->value, c->peer, c->peer_offset)
SINGLE(compare_and_set_value, c->value, c->value, c->result)
SINGLE(fetch_and_add, c->value, c->result)
SINGLE(nand_and_fetch, c->value, c->result)
SINGLE(fetch_and_smin, c->value, c->result)
SINGLE(fetch_and_add_bounded, c->value, c->value, c->result)
SINGLE(masked_get_and_set, c->value, c->value, c->result)
SINGLE(masked_compare_and_set_value, c->value, c->value, c->value, c->value,
       c->result)
SINGLE(test_and_set_bit, 0)
SINGLE(test_and_clear_bit, 0)

static const struct {
	const char *name;
	single_fn *run;
	bool writes;
	bool has_value;
	bool has_peer;
	bool writes_peer;
} singles[] = {
	{ "get", get, false, false, false, false },
	{ "set", set, true, true, false, false },
	{ "store", store, true, false, true, false },
	{ "get_and_set", get_and_set, true, true, false, false },
	{ "compare_and_set", compare_and_set, true, true, true, true },
	{ "compare_and_set_value", compare_and_set_value, true, true, false,
	  false },
	{ "fetch_and_add", fetch_and_add, true, true, false, false },
	{ "nand_and_fetch", nand_and_fetch, true, true, false, false },
	{ "fetch_and_smin", fetch_and_smin, true, true, false, false },
	{ "fetch_and_add_bounded", fetch_and_add_bounded, true, true, false,
	  false },
	{ "masked_get_and_set", masked_get_and_set, true, true, false, false },
	{ "masked_compare_and_set_value", masked_compare_and_set_value, true,
	  true, false, false },
	{ "test_and_set_bit", test_and_set_bit, true, false, false, false },
	{ "test_and_clear_bit", test_and_clear_bit, true, false, false, false },
};

/* What is wrong with a place, whatever the operation. */
static const struct {
	uint64_t offset;
	unsigned int width;
	int err;
	const char *says;
} places[] = {
	{ 0, 0, -EINVAL, "width 0" },
	{ 0, 9, -EINVAL, "width 9" },
	{ 0, 15, -EINVAL, "width 15" },
	{ 0, 17, -EINVAL, "width 17" },
	{ 0, UINT32_MAX, -EINVAL, "width 4294967295" },
	{ 1, 8, -EINVAL, "offset 1 with width 8" },
	{ 6, 3, -EINVAL, "offset 6 with width 3" },
	{ 7, 2, -EINVAL, "offset 7 with width 2" },
	{ REGION_BYTES, 1, -ERANGE, "offset 4096" },
	{ REGION_BYTES - 1, 2, -ERANGE, "offset 4095" },
	{ REGION_BYTES - 4, 8, -ERANGE, "4096 bytes" },
	{ UINT64_MAX, 1, -ERANGE, "outside" },
	{ UINT64_MAX - 6, 7, -ERANGE, "outside" },
	{ UINT64_MAX - 7, 8, -ERANGE, "outside" },
};

static void expect_single(struct __test_metadata *_metadata,
			  FIXTURE_DATA(bad) *self, unsigned int op,
			  struct single_call call, int err, const char *says)
{
	unsigned char value[VALUE_BYTES], result[VALUE_BYTES];
	unsigned int i;

	memset(value, 0x11, sizeof(value));
	memset(result, 0x22, sizeof(result));
	call.value = call.value ? value : NULL;
	call.result = call.result ? result : NULL;
	EXPECT_EQ(err, singles[op].run(&call))
	{
		TH_LOG("%s: %s", singles[op].name, shatomic_error());
	}
	EXPECT_NE(NULL, strstr(shatomic_error(), says))
	{
		TH_LOG("%s: '%s' has no '%s'", singles[op].name,
		       shatomic_error(), says);
	}
	EXPECT_EQ(NULL, strstr(shatomic_error(), "row"));
	for (i = 0; i < VALUE_BYTES; i++) {
		EXPECT_EQ(0x11, value[i]);
		EXPECT_EQ(0x22, result[i]);
	}
	EXPECT_EQ(0, memcmp(self->before, self->memory, REGION_BYTES));
}

TEST_F(bad, single_operations)
{
	unsigned char any[VALUE_BYTES] = { 0 };
	unsigned int op, i;

	for (op = 0; op < COUNT_OF(singles); op++) {
		const struct single_call good = {
			.region = self->region, .peer = self->region,
			.offset = 8, .peer_offset = 16, .width = 8,
			.value = any, .result = any,
		};
		struct single_call call = good;

		for (i = 0; i < COUNT_OF(places); i++) {
			call.offset = places[i].offset;
			call.width = places[i].width;
			expect_single(_metadata, self, op, call, places[i].err,
				      places[i].says);
		}
		call = good;
		call.region = NULL;
		expect_single(_metadata, self, op, call, -EINVAL, "region");
		if (singles[op].writes) {
			call.region = self->reader;
			expect_single(_metadata, self, op, call, -EACCES,
				      "read-only");
		}
		call = good;
		call.value = NULL;
		if (singles[op].has_value)
			expect_single(_metadata, self, op, call, -EINVAL,
				      "NULL");
		if (!singles[op].has_peer)
			continue;
		call = good;
		call.peer = NULL;
		expect_single(_metadata, self, op, call, -EINVAL, "peer");
		call = good;
		call.peer_offset = REGION_BYTES;
		expect_single(_metadata, self, op, call, -ERANGE,
			      "peer offset 4096");
		call.peer_offset = 12;
		expect_single(_metadata, self, op, call, -EINVAL,
			      "peer offset 12");
		call = good;
		call.peer = self->reader;
		if (singles[op].writes_peer)
			expect_single(_metadata, self, op, call, -EACCES,
				      "read-only");
	}
	EXPECT_EQ(-EINVAL, shatomic_get(self->region, 0, 8, NULL));
	EXPECT_EQ(-EINVAL, shatomic_test_and_set_bit(self->region, 0, 3, 24));
	EXPECT_NE(NULL, strstr(shatomic_error(), "bit 24"));
	EXPECT_EQ(-EINVAL, shatomic_test_and_clear_bit(self->region, 0, 8,
						       UINT32_MAX));
	EXPECT_EQ(0, memcmp(self->before, self->memory, REGION_BYTES));
}

/* Typed operations have no error; where they may go is asked before. */
TEST_F(bad, addresses_of_words)
{
	static const unsigned int odd_widths[] = { 0, 3, 5, 6, 7, 9, 16 };
	unsigned int i;

	for (i = 0; i < COUNT_OF(odd_widths); i++) {
		EXPECT_EQ(NULL, shatomic_at(self->region, 0, odd_widths[i]));
		EXPECT_NE(NULL, strstr(shatomic_error(), "width"));
	}
	EXPECT_EQ(NULL, shatomic_at(self->region, 2, 4));
	EXPECT_NE(NULL, strstr(shatomic_error(), "offset 2"));
	EXPECT_EQ(NULL, shatomic_at(self->region, REGION_BYTES, 1));
	EXPECT_EQ(NULL, shatomic_at(self->region, UINT64_MAX - 7, 8));
	EXPECT_NE(NULL, strstr(shatomic_error(), "outside"));
	EXPECT_EQ(NULL, shatomic_at(NULL, 0, 8));
}

/*
 * Batches of bytes: what is wrong with a good one of 3 rows.
 */

struct byte_columns {
	uint8_t widths[ROWS];
	uint64_t offsets[ROWS];
	uint64_t peer_offsets[ROWS];
	uint32_t peer_indexes[ROWS];
	unsigned char values[ROWS * 8];
	unsigned char comparands[ROWS * 8];
	unsigned char results[ROWS * 8];
	uint8_t statuses[ROWS];
	struct shatomic_region *peers[2];
};

typedef int form_fn(struct shatomic_region *region,
		    struct shatomic_byte_batch *batch);

struct bad_form {
	const char *what;
	form_fn *run;
	int err;
	unsigned int field;
	uint64_t row;
	const char *says;
	void (*spoil)(struct shatomic_byte_batch *batch,
		      struct byte_columns *columns);
};

#define SPOIL(name, code)                                                     \
	static void name(struct shatomic_byte_batch *batch,                   \
			 struct byte_columns *columns)                        \
	{                                                                     \
		(void)batch;                                                  \
		(void)columns;                                                \
		code;                                                         \
	}

SPOIL(no_values, batch->values = NULL)
SPOIL(no_comparands, batch->comparands = NULL)
SPOIL(no_results, batch->results = NULL)
SPOIL(no_offsets, batch->offsets = NULL)
SPOIL(no_peers, batch->peers = NULL)
SPOIL(no_peer_count, batch->peer_count = 0)
SPOIL(no_peer_offsets, batch->peer_offsets = NULL)
SPOIL(no_peer_indexes, batch->peer_indexes = NULL)
SPOIL(peer_index, columns->peer_indexes[1] = 2)
SPOIL(peer_outside, columns->peer_offsets[2] = REGION_BYTES - 1)
SPOIL(stride_small, batch->stride = 2)
SPOIL(width_both, batch->width = 8)
SPOIL(width_none, batch->widths = NULL)
SPOIL(width_0, columns->widths[1] = 0)
SPOIL(width_9, columns->widths[2] = 9)
SPOIL(width_16, columns->widths[0] = 16)
SPOIL(width_all, batch->widths = NULL; batch->width = 200; batch->stride = 0)
SPOIL(outside, columns->offsets[2] = REGION_BYTES)
SPOIL(overflow, columns->offsets[1] = UINT64_MAX)
SPOIL(across, columns->offsets[1] = 6)
SPOIL(flags, batch->flags = 1U << 31)

static const struct bad_form bad_forms[] = {
#define BAD(form, what, err, field, row, says)                                \
	{ #form " " #what, shatomic_##form, err, SHATOMIC_FIELD_##field, row, \
	  says, what }
#define WHOLE UINT64_MAX
	BAD(fetch_and_adds, no_values, -EINVAL, OPERANDS, WHOLE, "values"),
	BAD(sets, no_values, -EINVAL, OPERANDS, WHOLE, "values"),
	BAD(compare_and_sets, no_values, -EINVAL, OPERANDS, WHOLE, "values"),
	BAD(compare_and_set_values, no_comparands, -EINVAL, COMPARANDS, WHOLE,
	    "comparands"),
	BAD(gets, no_results, -EINVAL, RESULTS, WHOLE, "results"),
	BAD(gets, no_offsets, -EINVAL, OFFSETS, WHOLE, "offsets"),
	BAD(stores, no_peers, -EINVAL, PEERS, WHOLE, "peers"),
	BAD(stores, no_peer_count, -EINVAL, PEERS, WHOLE, "peers"),
	BAD(stores, no_peer_offsets, -EINVAL, PEER_OFFSETS, WHOLE,
	    "peer_offsets"),
	BAD(compare_and_sets, no_peer_indexes, -EINVAL, PEER_INDEXES, WHOLE,
	    "peer_indexes"),
	BAD(compare_and_sets, peer_index, -EINVAL, PEER_INDEXES, 1, "row 1"),
	BAD(stores, peer_outside, -ERANGE, PEER_OFFSETS, 2, "row 2"),
	BAD(get_and_sets, stride_small, -EINVAL, NONE, WHOLE, "stride 2"),
	BAD(add_and_fetches, width_both, -EINVAL, WIDTH, WHOLE, "width"),
	BAD(add_and_fetches, width_none, -EINVAL, WIDTH, WHOLE, "width 0"),
	BAD(xor_and_fetches, width_0, -EINVAL, WIDTH, 1, "row 1: width 0"),
	BAD(xor_and_fetches, width_9, -EINVAL, WIDTH, 2, "row 2: width 9"),
	BAD(xor_and_fetches, width_16, -EINVAL, WIDTH, 0, "row 0: width 16"),
	BAD(gets, width_all, -EINVAL, WIDTH, WHOLE, "width 200"),
	BAD(fetch_and_nands, outside, -ERANGE, OFFSETS, 2, "row 2: offset"),
	BAD(fetch_and_ors, overflow, -ERANGE, OFFSETS, 1, "row 1: offset"),
	BAD(sub_and_fetches, across, -EINVAL, OFFSETS, 1, "row 1: offset 6"),
	BAD(and_and_fetches, flags, -EOPNOTSUPP, FLAGS, WHOLE,
	    "flags has unknown bits 0x80000000"),
#undef BAD
#undef WHOLE
};

static void make_good(FIXTURE_DATA(bad) *self, struct byte_columns *columns,
		      struct shatomic_byte_batch *batch)
{
	unsigned int i;

	memset(columns, 0x33, sizeof(*columns));
	for (i = 0; i < ROWS; i++) {
		columns->widths[i] = 3 + i;
		columns->offsets[i] = 8 * i;
		columns->peer_offsets[i] = 64 + 8 * i;
		columns->peer_indexes[i] = i % 2;
	}
	columns->peers[0] = columns->peers[1] = self->region;
	*batch = (struct shatomic_byte_batch){
		.rows = ROWS, .stride = 8, .widths = columns->widths,
		.offsets = columns->offsets, .values = columns->values,
		.comparands = columns->comparands,
		.results = columns->results, .statuses = columns->statuses,
		.peers = columns->peers, .peer_count = 2,
		.peer_indexes = columns->peer_indexes,
		.peer_offsets = columns->peer_offsets,
		.rows_done = 99, .error_row = 99, .error_field = 99,
	};
}

TEST_F(bad, batches_of_bytes)
{
	struct byte_columns columns, spoiled;
	struct shatomic_byte_batch batch;
	unsigned int i;

	for (i = 0; i < COUNT_OF(bad_forms); i++) {
		const struct bad_form *bad = &bad_forms[i];

		make_good(self, &columns, &batch);
		bad->spoil(&batch, &columns);
		spoiled = columns;
		EXPECT_EQ(bad->err, bad->run(self->region, &batch))
		{
			TH_LOG("%s: %s", bad->what, shatomic_error());
		}
		EXPECT_EQ(bad->field, batch.error_field)
		{
			TH_LOG("%s", bad->what);
		}
		EXPECT_EQ(bad->row, batch.error_row)
		{
			TH_LOG("%s", bad->what);
		}
		EXPECT_EQ(0, batch.rows_done);
		EXPECT_NE(NULL, strstr(shatomic_error(), bad->says))
		{
			TH_LOG("%s: '%s' has no '%s'", bad->what,
			       shatomic_error(), bad->says);
		}
		EXPECT_EQ(0, memcmp(&spoiled, &columns, sizeof(columns)));
		EXPECT_EQ(0, memcmp(self->before, self->memory, REGION_BYTES));
	}
	EXPECT_EQ(-EINVAL, shatomic_gets(self->region, NULL));
	EXPECT_EQ(-EINVAL, shatomic_gets(NULL, &batch));
}

TEST_F(bad, batches_of_bytes_on_readers)
{
	struct byte_columns columns;
	struct shatomic_byte_batch batch;

	make_good(self, &columns, &batch);
	EXPECT_EQ(-EACCES, shatomic_fetch_and_adds(self->reader, &batch));
	EXPECT_EQ(0, batch.error_row);
	EXPECT_NE(NULL, strstr(shatomic_error(), "read-only"));
	columns.peers[0] = self->reader;
	EXPECT_EQ(-EACCES, shatomic_compare_and_sets(self->region, &batch));
	EXPECT_EQ(SHATOMIC_FIELD_PEER_INDEXES, batch.error_field);
	EXPECT_EQ(0, memcmp(self->before, self->memory, REGION_BYTES));

	/* To read from one is what it is for. */
	EXPECT_EQ(0, shatomic_gets(self->reader, &batch));
	EXPECT_EQ(0, shatomic_stores(self->region, &batch));
}

/* No rows are no error, and a maximum of CPUs is no demand. */
TEST_F(bad, what_is_not_bad)
{
	struct byte_columns columns;
	struct shatomic_byte_batch batch;

	make_good(self, &columns, &batch);
	batch.rows = 0;
	EXPECT_EQ(0, shatomic_fetch_and_adds(self->region, &batch));
	EXPECT_EQ(0, batch.rows_done);
	EXPECT_EQ(0, memcmp(self->before, self->memory, REGION_BYTES));

	make_good(self, &columns, &batch);
	batch.parallelism = UINT32_MAX;
	EXPECT_EQ(0, shatomic_gets(self->region, &batch));
	EXPECT_EQ(ROWS, batch.rows_done);
	EXPECT_EQ(0, memcmp(self->before, columns.results, 3));
}

/* Columns that are not there, or too large to be had. */
TEST_F(bad, more_rows_than_memory)
{
	struct byte_columns columns;
	struct shatomic_byte_batch batch;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	SKIP(return, "sanitizers end a program that asks for so much");
#endif
	make_good(self, &columns, &batch);
	batch.widths = NULL;
	batch.width = 8;
	batch.rows = UINT64_MAX / 4;
	EXPECT_EQ(-ENOMEM, shatomic_gets(self->region, &batch));
	EXPECT_EQ(SHATOMIC_LIMIT_MEMORY, batch.limit);
	EXPECT_NE(NULL, strstr(shatomic_error(), "rows"));
}

TEST(descriptors_that_are_no_regions)
{
	struct shatomic_region *region = (void *)1, *gone;
	int pipes[2], fd;

	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EBADF, shatomic_import(pipes[0], &region));
	EXPECT_EQ(-EBADF, shatomic_import(-1, &region));
	fd = open("/dev/null", O_RDWR);
	EXPECT_EQ(-EBADF, shatomic_import(fd, &region));
	close(fd);
	EXPECT_EQ(-EBADF, shatomic_import(fd, &region));
	gone = new_region(8);
	ASSERT_NE(NULL, gone);
	fd = shatomic_fd(gone);
	shatomic_close(gone);
	EXPECT_EQ(-EBADF, shatomic_import(fd, &region));
	EXPECT_EQ((void *)1, region);
	close(pipes[0]);
	close(pipes[1]);
}

TEST_HARNESS_MAIN
