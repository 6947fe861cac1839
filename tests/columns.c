// SPDX-License-Identifier: GPL-2.0-only
/*
 * Columns in a region: a batch gives what it gives with columns elsewhere, in
 * results, statuses and memory, wherever in the region they are, and whoever has
 * the region; what is refused. In the kernel these columns are used in place.
 */
#include "common.h"
#include "model.h"

#define REGION_BYTES (64 << 10)
#define WORDS (REGION_BYTES / 8)

/* More than a CPU keeps the offsets of. */
#define MAX_ROWS 70000

/* Entries of a column of values: two a row, in batches of half as many. */
struct columns {
	uint64_t offsets[MAX_ROWS];
	uint64_t operands[MAX_ROWS];
	uint64_t comparands[MAX_ROWS];
	uint64_t masks[MAX_ROWS];
	uint64_t comparand_masks[MAX_ROWS];
	uint64_t results[MAX_ROWS];
	uint64_t peer_offsets[MAX_ROWS];
	uint32_t peer_indexes[MAX_ROWS];
	uint8_t ops[MAX_ROWS];
	uint8_t widths[MAX_ROWS];
	uint8_t statuses[MAX_ROWS];
};

/* A region with its peers, and the columns of its batches. */
struct side {
	struct shatomic_region *regions[2];
	unsigned char *memory[2];
	struct shatomic_region *in;
	struct columns *columns;
};

FIXTURE(columns)
{
	struct side ordinary;
	struct side in_region;
	bool on_device;
};

static bool side_init(struct side *side, bool in_region)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		side->regions[i] = new_region(REGION_BYTES);
		if (!side->regions[i])
			return false;
		side->memory[i] = shatomic_buf(side->regions[i], NULL);
	}
	if (!in_region) {
		side->columns = calloc(1, sizeof(*side->columns));
		return side->columns;
	}
	if (shatomic_columns_create(side->regions[0], sizeof(*side->columns),
				    &side->in)) {
		printf("# shatomic_columns_create: %s\n", shatomic_error());
		return false;
	}
	side->columns = shatomic_buf(side->in, NULL);
	return true;
}

static void side_end(struct side *side)
{
	if (!side->in)
		free(side->columns);
	shatomic_close(side->in);
	shatomic_close(side->regions[0]);
	shatomic_close(side->regions[1]);
}

FIXTURE_SETUP(columns)
{
	struct shatomic_info info;

	seed_random();
	ASSERT_TRUE(side_init(&self->ordinary, false));
	ASSERT_TRUE(side_init(&self->in_region, true));
	ASSERT_EQ(0, shatomic_get_info(self->ordinary.regions[0], &info));
	self->on_device = info.backend == SHATOMIC_BACKEND_DEVICE;
}

FIXTURE_TEARDOWN(columns)
{
	side_end(&self->ordinary);
	side_end(&self->in_region);
}

/* What a batch has: columns of its own for any of it, or the same for all. */
struct shape {
	unsigned int op; /* SHATOMIC_OP_COUNT for a column of them */
	unsigned int width; /* 0 for a column of them */
	uint64_t rows;
	unsigned int parallelism;
	bool has_results;
	bool results_are_operands;
	bool has_statuses;
	bool has_peers;
};

static bool has_peer(unsigned int op)
{
	return shatomic_op_needs(op) & SHATOMIC_NEEDS_PEER;
}

static unsigned int random_op(bool has_peers)
{
	unsigned int op;

	do {
		op = next_random() % SHATOMIC_OP_COUNT;
	} while (has_peer(op) && !has_peers);
	return op;
}

static uint64_t place(unsigned int words, unsigned int width)
{
	return width == 16 ? next_random() % (words / 2) * 16 :
			     random_offset(words, width);
}

static void fill_row(struct columns *columns, const struct shape *shape,
		     unsigned int words, uint64_t i)
{
	unsigned int op = shape->op, width = shape->width;
	unsigned int entries = width == 16 ? 2 : 1, k;

	if (op == SHATOMIC_OP_COUNT)
		op = random_op(shape->has_peers);
	if (!width)
		width = all_widths[next_random() % COUNT_OF(all_widths)];
	columns->ops[i] = op;
	columns->widths[i] = width;
	columns->offsets[i] = place(words, width);
	columns->peer_offsets[i] = place(words, width);
	columns->peer_indexes[i] = next_random() % 2;
	for (k = i * entries; k < (i + 1) * entries; k++) {
		columns->operands[k] = interesting_value();
		columns->comparands[k] = interesting_value();
		columns->masks[k] = interesting_value();
		columns->comparand_masks[k] = interesting_value();
	}
	k = i * entries;
	if (operand_for(op, width, ~0ULL) == ~0ULL)
		return;
	columns->operands[k] = operand_for(op, width, columns->operands[k]);
	if (width == 16)
		columns->operands[k + 1] = 0;
}

/* The same rows on the same words on both sides, of which there are @words. */
static void fill(FIXTURE_DATA(columns) *self, const struct shape *shape,
		 unsigned int words)
{
	struct columns *columns = self->ordinary.columns;
	unsigned int i;

	memset(columns, 0xee, sizeof(*columns));
	for (i = 0; i < shape->rows; i++)
		fill_row(columns, shape, words, i);
	memcpy(self->in_region.columns, columns, sizeof(*columns));
	for (i = 0; i < 2; i++) {
		unsigned int k;

		for (k = 0; k < REGION_BYTES; k += 8)
			store_word(self->ordinary.memory[i] + k, 8,
				   interesting_value());
		memcpy(self->in_region.memory[i], self->ordinary.memory[i],
		       REGION_BYTES);
	}
}

static struct shatomic_batch batch_of(const struct side *side,
				      const struct shape *shape)
{
	struct columns *columns = side->columns;
	struct shatomic_batch batch = {
		.width = shape->width,
		.parallelism = shape->parallelism,
		.rows = shape->rows,
		.offsets = columns->offsets,
		.operands = columns->operands,
		.comparands = columns->comparands,
		.masks = columns->masks,
		.comparand_masks = columns->comparand_masks,
		.columns = side->in,
	};

	if (shape->op == SHATOMIC_OP_COUNT)
		batch.ops = columns->ops;
	else
		batch.op = shape->op;
	if (!shape->width)
		batch.widths = columns->widths;
	if (shape->results_are_operands)
		batch.results = columns->operands;
	else if (shape->has_results)
		batch.results = columns->results;
	if (shape->has_statuses)
		batch.statuses = columns->statuses;
	if (shape->has_peers) {
		batch.peers = side->regions;
		batch.peer_count = 2;
		batch.peer_indexes = columns->peer_indexes;
		batch.peer_offsets = columns->peer_offsets;
	}
	return batch;
}

static void expect_same(struct __test_metadata *_metadata,
			FIXTURE_DATA(columns) *self, const struct shape *shape)
{
	const struct side *sides[2] = { &self->ordinary, &self->in_region };
	struct shatomic_batch batch;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		batch = batch_of(sides[i], shape);
		EXPECT_EQ(0, shatomic_batch_run(sides[i]->regions[0], &batch))
		{
			TH_LOG("%s", shatomic_error());
		}
		EXPECT_EQ(batch.rows, batch.rows_done);
		EXPECT_EQ(SHATOMIC_FIELD_NONE, batch.error_field);
	}
	/* Padding too: nothing else was written to. */
	EXPECT_EQ(0, memcmp(sides[0]->columns, sides[1]->columns,
			    sizeof(struct columns)));
	EXPECT_EQ(0, memcmp(sides[0]->memory[0], sides[1]->memory[0],
			    REGION_BYTES));
	EXPECT_EQ(0, memcmp(sides[0]->memory[1], sides[1]->memory[1],
			    REGION_BYTES))
	{
		TH_LOG("op %u, width %u, %llu rows, results %d, in place %d, statuses %d, peers %d",
		       shape->op, shape->width, (unsigned long long)shape->rows,
		       shape->has_results, shape->results_are_operands,
		       shape->has_statuses, shape->has_peers);
	}
}

/* Rows of one chunk, of several, for several CPUs, of several pages. */
static const uint64_t counts[] = { 1, 3, 300, 1500, 2600 };

/* Every kind of outputs, by the lowest bits of @n. */
static void choose_outputs(struct shape *shape, unsigned int n)
{
	shape->has_results = n & 1;
	shape->has_statuses = n & 2;
	shape->results_are_operands = n & 4;
}

TEST_F_TIMEOUT(columns, each_operation_and_width, 120)
{
	static const unsigned int widths[] = { 0, 1, 2, 3, 4, 7, 8 };
	unsigned int op, w, n = next_random();

	for (op = 0; op <= SHATOMIC_OP_COUNT; op++) {
		for (w = 0; w < COUNT_OF(widths); w++) {
			struct shape shape = {
				.op = op, .width = widths[w],
				.rows = counts[n % COUNT_OF(counts)],
				.has_peers = op == SHATOMIC_OP_COUNT ?
						     n & 8 : has_peer(op),
			};

			choose_outputs(&shape, n++);
			/* Rows on one word are folded. */
			fill(self, &shape, n % 3 ? WORDS : 2);
			expect_same(_metadata, self, &shape);
		}
	}
}

TEST_F_TIMEOUT(columns, doubles, 120)
{
	unsigned int op, n = next_random();
	struct shatomic_batch one = { .width = 16, .op = SHATOMIC_OP_GET };

	if (shatomic_batch_run(self->ordinary.regions[0], &one))
		SKIP(return, "this machine has no words of 16 bytes");
	for (op = 0; op <= SHATOMIC_OP_COUNT; op++) {
		struct shape shape = {
			.op = op, .width = 16,
			.rows = counts[n % COUNT_OF(counts)],
			.has_peers = op == SHATOMIC_OP_COUNT || has_peer(op),
		};

		choose_outputs(&shape, n++);
		fill(self, &shape, n % 3 ? WORDS : 4);
		expect_same(_metadata, self, &shape);
	}
}

/* In the kernel: kept offsets, slices, lanes, and one CPU for all. */
TEST_F_TIMEOUT(columns, big_batches, 120)
{
	static const struct shape shapes[] = {
		{ SHATOMIC_OP_FETCH_AND_ADD, 8, 60000, 1, true, false, true,
		  false },
		{ SHATOMIC_OP_FETCH_AND_ADD, 8, MAX_ROWS, 0, false, false,
		  false, false },
		{ SHATOMIC_OP_FETCH_AND_ADD, 8, MAX_ROWS, 0, true, false, true,
		  false },
		{ SHATOMIC_OP_FETCH_AND_XOR, 4, MAX_ROWS, 0, false, true, true,
		  false },
		{ SHATOMIC_OP_COMPARE_AND_SET_VALUE, 2, MAX_ROWS, 0, true,
		  false, true, false },
		{ SHATOMIC_OP_COUNT, 0, MAX_ROWS, 0, true, false, true, false },
		{ SHATOMIC_OP_COUNT, 0, MAX_ROWS, 0, true, false, true, true },
		{ SHATOMIC_OP_TEST_AND_SET_BIT, 8, MAX_ROWS, 1, true, false,
		  false, false },
	};
	unsigned int i;

	for (i = 0; i < COUNT_OF(shapes); i++) {
		fill(self, &shapes[i], i % 2 ? WORDS : 64);
		expect_same(_metadata, self, &shapes[i]);
	}
}

/* How many pages of physical memory do not follow the one before. */
static unsigned int count_breaks(void *memory, size_t bytes)
{
	uint64_t entries[2] = { 0 };
	unsigned int breaks = 0;
	size_t page;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	for (page = 0; page < bytes / 4096; page++) {
		((volatile char *)memory)[page * 4096];
		entries[0] = entries[1];
		if (pread(fd, &entries[1], 8,
			  ((uintptr_t)memory / 4096 + page) * 8) != 8)
			break;
		/* The lower 55 bits are the page's number. */
		breaks += page && (entries[1] - entries[0]) << 9 != 1 << 9;
	}
	close(fd);
	return breaks;
}

#define SCATTERED_BYTES (1536 << 10)
#define PIECES 400

/*
 * A region of pages that lie apart in physical memory, since regions of a page
 * that lay side by side were freed, each second one: by one CPU, as another would
 * take pages from elsewhere, perhaps another node.
 */
static struct shatomic_region *new_scattered(void)
{
	struct shatomic_region *pieces[2 * PIECES], *region;
	cpu_set_t cpus;
	unsigned int i;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	take_a_cpu();
	for (i = 0; i < COUNT_OF(pieces); i++)
		pieces[i] = new_region(4096);
	for (i = 0; i < COUNT_OF(pieces); i += 2)
		shatomic_close(pieces[i]);
	region = new_region(SCATTERED_BYTES);
	for (i = 1; i < COUNT_OF(pieces); i += 2)
		shatomic_close(pieces[i]);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	return region;
}

TEST_F(columns, scattered_pages)
{
	static const struct shape shapes[] = {
		{ SHATOMIC_OP_FETCH_AND_ADD, 8, 12000, 1, true, false, true,
		  false },
		{ SHATOMIC_OP_COUNT, 0, 12000, 1, true, false, true, true },
		{ SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE, 4, 12000, 1, true,
		  false, true, false },
	};
	struct shatomic_region *region;
	struct columns *first = self->in_region.columns;
	unsigned int i, breaks;
	unsigned char *memory;

	region = new_scattered();
	ASSERT_NE(NULL, region);
	memory = shatomic_buf(region, NULL);
	breaks = count_breaks(memory, SCATTERED_BYTES);
	TH_LOG("%u breaks", breaks);
	/* Other backends' pages are had from elsewhere. */
	if (self->on_device)
		EXPECT_LT(8, breaks);

	for (i = 0; i < COUNT_OF(shapes); i++) {
		struct shatomic_batch ordinary, scattered;
		const uint64_t rows = shapes[i].rows;
		/* Entries that no page's end comes between, and others. */
		uint64_t *next = (uint64_t *)(memory + 8 * i);
		uint8_t *bytes;

		fill(self, &shapes[i], WORDS);
		ordinary = batch_of(&self->ordinary, &shapes[i]);
		scattered = batch_of(&self->in_region, &shapes[i]);
		scattered.columns = region;
#define MOVE(member, column)                                                  \
		do {                                                          \
			memcpy(next, first->column, rows * 8);                \
			scattered.member = next;                              \
			next += rows;                                         \
		} while (0)
		MOVE(offsets, offsets);
		MOVE(operands, operands);
		MOVE(comparands, comparands);
		MOVE(masks, masks);
		MOVE(comparand_masks, comparand_masks);
		MOVE(results, results);
		if (shapes[i].has_peers)
			MOVE(peer_offsets, peer_offsets);
#undef MOVE
		if (shapes[i].has_peers) {
			memcpy(next, first->peer_indexes, rows * 4);
			scattered.peer_indexes = (uint32_t *)next;
		}
		bytes = (uint8_t *)((uint32_t *)next + rows);
		memcpy(bytes, first->ops, rows);
		memcpy(bytes + rows, first->widths, rows);
		if (scattered.ops)
			scattered.ops = bytes;
		if (scattered.widths)
			scattered.widths = bytes + rows;
		scattered.statuses = bytes + 2 * rows;
		ASSERT_GE(memory + SCATTERED_BYTES, bytes + 3 * rows);

		EXPECT_EQ(0, shatomic_batch_run(self->ordinary.regions[0],
						&ordinary));
		EXPECT_EQ(0, shatomic_batch_run(self->in_region.regions[0],
						&scattered));
		EXPECT_EQ(0, memcmp(ordinary.results, scattered.results,
				    rows * 8));
		EXPECT_EQ(0, memcmp(ordinary.statuses, scattered.statuses,
				    rows));
		EXPECT_EQ(0, memcmp(self->ordinary.memory[0],
				    self->in_region.memory[0], REGION_BYTES));
		EXPECT_EQ(0, memcmp(self->ordinary.memory[1],
				    self->in_region.memory[1], REGION_BYTES));
	}
	shatomic_close(region);
}

/* The columns of a batch may lie in the region that it is for. */
TEST_F(columns, in_the_batchs_own_region)
{
	struct shatomic_region *region = self->ordinary.regions[0];
	uint64_t *words = shatomic_buf(region, NULL), i;
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_ADD_AND_FETCH, .width = 8, .rows = 1000,
		.offsets = words + 1000, .operands = words + 2000,
		.results = words + 3000, .columns = region,
	};

	for (i = 0; i < 1000; i++) {
		words[i] = i;
		words[1000 + i] = 8 * i;
		words[2000 + i] = 5;
	}
	EXPECT_EQ(0, shatomic_batch_run(region, &batch));
	for (i = 0; i < 1000; i++) {
		EXPECT_EQ(i + 5, words[i]);
		EXPECT_EQ(i + 5, words[3000 + i]);
	}
}

typedef int run_fn(struct shatomic_region *region, struct shatomic_batch *batch);

/* Both ways to run it refuse it, in words that have @says; nothing changes. */
static void expect_refused(struct __test_metadata *_metadata,
			   struct shatomic_region *region,
			   struct shatomic_batch batch, int err,
			   unsigned int field, const char *says)
{
	static run_fn *const run[] = { shatomic_batch_run,
				       shatomic_batch_run_local };
	unsigned int i;

	for (i = 0; i < COUNT_OF(run); i++) {
		EXPECT_EQ(err, run[i](region, &batch));
		EXPECT_EQ(field, batch.error_field);
		EXPECT_EQ(UINT64_MAX, batch.error_row);
		EXPECT_EQ(0, batch.rows_done);
		EXPECT_NE(NULL, strstr(shatomic_error(), says))
		{
			TH_LOG("'%s' has no '%s'", shatomic_error(), says);
		}
		EXPECT_EQ(0, *(uint64_t *)shatomic_buf(region, NULL));
	}
}

TEST_F(columns, that_are_misplaced)
{
	static const struct shape shape = { .op = SHATOMIC_OP_FETCH_AND_ADD,
					    .width = 8, .rows = 3,
					    .has_results = true,
					    .has_statuses = true };
	struct side *side = &self->in_region;
	struct shatomic_region *region = side->regions[0];
	struct shatomic_batch good = batch_of(side, &shape), batch;
	struct columns *ordinary = self->ordinary.columns;
	uint64_t *end = (uint64_t *)(side->columns + 1);

	batch = good;
	batch.operands = ordinary->operands;
	expect_refused(_metadata, region, batch, -ERANGE,
		       SHATOMIC_FIELD_OPERANDS, "operands is not all inside");
	batch = good;
	batch.results = end - 2;
	expect_refused(_metadata, region, batch, -ERANGE,
		       SHATOMIC_FIELD_RESULTS, "results is not all inside");
	batch = good;
	batch.statuses = ordinary->statuses;
	expect_refused(_metadata, region, batch, -ERANGE,
		       SHATOMIC_FIELD_STATUSES, "statuses is not all inside");
	batch = good;
	batch.op = 0;
	batch.ops = ordinary->ops;
	expect_refused(_metadata, region, batch, -ERANGE, SHATOMIC_FIELD_OP,
		       "op is not all inside");
	batch = good;
	batch.offsets = (uint64_t *)((char *)good.offsets + 4);
	expect_refused(_metadata, region, batch, -EINVAL,
		       SHATOMIC_FIELD_OFFSETS, "offsets is not aligned");
	batch = good;
	batch.results = (uint64_t *)((char *)good.results + 1);
	expect_refused(_metadata, region, batch, -EINVAL,
		       SHATOMIC_FIELD_RESULTS, "results is not aligned");
	batch = good;
	batch.operands = NULL;
	expect_refused(_metadata, region, batch, -EINVAL,
		       SHATOMIC_FIELD_OPERANDS, "needed, but NULL");
	batch = good;
	batch.flags = SHATOMIC_BATCH_COLUMNS_IN_REGION;
	expect_refused(_metadata, region, batch, -EOPNOTSUPP,
		       SHATOMIC_FIELD_FLAGS, "columns says it");
	batch.columns = NULL;
	expect_refused(_metadata, region, batch, -EOPNOTSUPP,
		       SHATOMIC_FIELD_FLAGS, "columns says it");
}

TEST_F(columns, that_are_read_only)
{
	static const struct shape shape = { .op = SHATOMIC_OP_FETCH_AND_ADD,
					    .width = 8, .rows = 3,
					    .has_results = true };
	struct shatomic_region *region = self->in_region.regions[0];
	struct shatomic_region *reader, *writer =
		new_region_and_reader(sizeof(struct columns), &reader);
	struct columns *columns;
	struct shatomic_batch batch;
	struct side side;

	ASSERT_NE(NULL, writer);
	columns = shatomic_buf(writer, NULL);
	columns->operands[0] = 7;
	side = (struct side){ .columns = shatomic_buf(reader, NULL),
			      .in = reader };
	batch = batch_of(&side, &shape);
	expect_refused(_metadata, region, batch, -EACCES,
		       SHATOMIC_FIELD_RESULTS, "results is in the region");
	/* The mapping is this handle's, not another's of the same region. */
	batch.columns = writer;
	expect_refused(_metadata, region, batch, -ERANGE,
		       SHATOMIC_FIELD_OFFSETS, "offsets is not all inside");
	batch.columns = reader;
	batch.results = NULL;
	EXPECT_EQ(0, shatomic_batch_run(region, &batch));
	EXPECT_EQ(7, *(uint64_t *)self->in_region.memory[0]);
	shatomic_close(reader);
	shatomic_close(writer);
}

TEST_F(columns, of_another_backend)
{
	static const struct shape shape = { .op = SHATOMIC_OP_FETCH_AND_ADD,
					    .width = 8, .rows = 3 };
	struct shatomic_create_options options = {
		.backend = SHATOMIC_BACKEND_MEMFD,
		.size = sizeof(struct columns),
	};
	struct shatomic_region *region = self->in_region.regions[0];
	struct shatomic_batch batch;
	struct side side = { 0 };

	ASSERT_EQ(0, shatomic_create(&options, &side.in));
	side.columns = shatomic_buf(side.in, NULL);
	side.columns->operands[0] = 7;
	batch = batch_of(&side, &shape);
	EXPECT_EQ(self->on_device ? -EBADF : 0,
		  shatomic_batch_run(region, &batch));
	EXPECT_EQ(self->on_device ? SHATOMIC_FIELD_COLUMNS :
				    SHATOMIC_FIELD_NONE, batch.error_field);
	if (self->on_device)
		EXPECT_NE(NULL, strstr(shatomic_error(), "columns is not"));
	EXPECT_EQ(0, shatomic_batch_run_local(region, &batch));
	EXPECT_EQ(self->on_device ? 7 : 14,
		  *(uint64_t *)self->in_region.memory[0]);
	shatomic_close(side.in);
}

/* Who has inherited them runs batches over them, and all see what comes. */
TEST_F(columns, of_a_child)
{
	static const struct shape shape = { .op = SHATOMIC_OP_FETCH_AND_ADD,
					    .width = 8, .rows = 2000,
					    .parallelism = 1,
					    .has_results = true };
	struct side *side = &self->in_region;
	struct shatomic_batch batch;
	pid_t child;

	fill(self, &shape, WORDS);
	child = fork();
	if (!child) {
		batch = batch_of(side, &shape);
		_exit(shatomic_batch_run(side->regions[0], &batch) ||
		      batch.rows_done != 2000);
	}
	EXPECT_EQ(0, wait_child(child));
	batch = batch_of(&self->ordinary, &shape);
	EXPECT_EQ(0, shatomic_batch_run(self->ordinary.regions[0], &batch));
	EXPECT_EQ(0, memcmp(side->columns, self->ordinary.columns,
			    sizeof(struct columns)));
	EXPECT_EQ(0, memcmp(side->memory[0], self->ordinary.memory[0],
			    REGION_BYTES));
	/* And the parent still can. */
	batch = batch_of(side, &shape);
	EXPECT_EQ(0, shatomic_batch_run(side->regions[0], &batch));
}

TEST_F(columns, that_cannot_be_had)
{
	struct shatomic_region *region = self->ordinary.regions[0], *none;

	none = region;
	EXPECT_EQ(-EINVAL, shatomic_columns_create(NULL, 8, &none));
	EXPECT_EQ(-EINVAL, shatomic_columns_create(region, 8, NULL));
	EXPECT_EQ(-EINVAL, shatomic_columns_create(region, 0, &none));
	EXPECT_NE(NULL, strstr(shatomic_error(), "size"));
	EXPECT_GT(0, shatomic_columns_create(region, SIZE_MAX / 2, &none));
	EXPECT_EQ(region, none);
}

TEST_HARNESS_MAIN
