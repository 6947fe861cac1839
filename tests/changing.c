// SPDX-License-Identifier: GPL-2.0-only
/*
 * Columns that another thread changes while the kernel runs the batch, be they
 * in user memory or in a region, which the kernel reads in place: no row may
 * use what was not checked. One entry of a column turns between a value
 * that is right and one that is not; each batch runs or is refused for just
 * that, and what the wrong value leads to stays as it was.
 */
#include "harness.h"

#include <pthread.h>
#include <sys/ioctl.h>

#define DEVICE "/dev/shatomic"

/* The words of a region that rows are on: the halves of 16 bytes each. */
#define WORDS 64
/* A region ends in the middle of its page. */
#define REGION_BYTES 2048
#define PAGE_BYTES 4096

/* More than are shared between CPUs. */
#define MAX_ROWS 40000
/*
 * How often it has to go otherwise than the time before: only then was the
 * entry turned while batches ran. Or so many rows are enough, more when it did
 * not go both ways: on a busy machine a guest's other CPU may stand still.
 */
#define ENOUGH_TURNS 40
#define ENOUGH_ROWS 4000000
#define MOST_ROWS (32 * ENOUGH_ROWS)

FIXTURE(changing)
{
	int device;
	int region;
	int peers[2];
	int columns; /* the region that columns are in, or -1 */
	unsigned char *columns_memory;
	unsigned char *memory;
	unsigned char *peer_memory[2];
	uint8_t *ops;
	uint8_t *widths;
	uint64_t *offsets;
	uint64_t *operands;
	uint32_t *peer_indexes;
	uint64_t *peer_offsets;
};

FIXTURE_VARIANT(changing)
{
	bool in_region;
};

FIXTURE_VARIANT_ADD(changing, in_user_memory) { .in_region = false };
FIXTURE_VARIANT_ADD(changing, in_a_region) { .in_region = true };

/* The columns, those with the largest entries first. */
#define COLUMNS_BYTES (MAX_ROWS * (8 + 8 + 8 + 4 + 1 + 1))

static int create_region(int device, size_t size)
{
	struct shatomic_ioc_create create = { .size = sizeof(create),
					      .region_size = size };

	return ioctl(device, SHATOMIC_IOC_CREATE, &create) ? -1 : create.fd;
}

static void *map_page(int fd)
{
	return mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* The same region, to be read only. */
static int reopen_to_read(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void *next_column(unsigned char **memory, size_t entry_size)
{
	void *column = *memory;

	*memory += MAX_ROWS * entry_size;
	return column;
}

FIXTURE_SETUP(changing)
{
	unsigned char *next;
	unsigned int i;
	int fd;

	self->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->device);
	self->region = create_region(self->device, REGION_BYTES);
	ASSERT_LE(0, self->region);
	self->memory = map_page(self->region);
	ASSERT_NE(MAP_FAILED, self->memory);
	for (i = 0; i < 2; i++) {
		fd = create_region(self->device, REGION_BYTES);
		ASSERT_LE(0, fd);
		self->peer_memory[i] = map_page(fd);
		ASSERT_NE(MAP_FAILED, self->peer_memory[i]);
		self->peers[i] = i ? reopen_to_read(fd) : dup(fd);
		ASSERT_LE(0, self->peers[i]);
		close(fd);
	}
	self->columns = -1;
	if (variant->in_region) {
		self->columns = create_region(self->device, COLUMNS_BYTES);
		ASSERT_LE(0, self->columns);
	}
	self->columns_memory = mmap(NULL, COLUMNS_BYTES,
				    PROT_READ | PROT_WRITE,
				    variant->in_region ?
					    MAP_SHARED :
					    MAP_PRIVATE | MAP_ANONYMOUS,
				    self->columns, 0);
	ASSERT_NE(MAP_FAILED, self->columns_memory);
	next = self->columns_memory;
	self->offsets = next_column(&next, 8);
	self->operands = next_column(&next, 8);
	self->peer_offsets = next_column(&next, 8);
	self->peer_indexes = next_column(&next, 4);
	self->ops = next_column(&next, 1);
	self->widths = next_column(&next, 1);
}

FIXTURE_TEARDOWN(changing)
{
	munmap(self->columns_memory, COLUMNS_BYTES);
}

/**
 * struct turner - A column of which an entry turns
 * @column: The column.
 * @size: Bytes of an entry.
 * @wrong: What the entry turns to.
 * @err: What a batch is refused with for that.
 * @field: And which field it then tells.
 */
struct turner {
	void *column;
	size_t size;
	uint64_t wrong;
	int err;
	uint32_t field;
};

/* A thread that turns a row's entry of each of some columns. */
struct turning {
	const struct turner *turners;
	unsigned int count;
	unsigned int row;
	bool stop;
};

/* Put @value there; what was there before. */
static uint64_t turn_entry(const struct turner *turner, unsigned int row,
			   uint64_t value)
{
	void *entry = (char *)turner->column + row * turner->size;

	switch (turner->size) {
	case 1:
		return __atomic_exchange_n((uint8_t *)entry, value,
					   __ATOMIC_RELAXED);
	case 4:
		return __atomic_exchange_n((uint32_t *)entry, value,
					   __ATOMIC_RELAXED);
	default:
		return __atomic_exchange_n((uint64_t *)entry, value,
					   __ATOMIC_RELAXED);
	}
}

static void *turn(void *arg)
{
	struct turning *turning = arg;
	const struct turner *turner;
	unsigned int i;
	uint64_t right;

	take_a_cpu();
	while (!__atomic_load_n(&turning->stop, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < turning->count; i++) {
			turner = &turning->turners[i];
			right = turn_entry(turner, turning->row, turner->wrong);
			turn_entry(turner, turning->row, right);
		}
	}
	return NULL;
}

struct attempt {
	struct __test_metadata *_metadata;
	FIXTURE_DATA(changing) *self;
	struct turning *turning;
	struct shatomic_ioc_batch batch;
	unsigned int ran;
	unsigned int refused;
	unsigned int turns;
};

/* What a batch that is refused for this field is refused with, or 0. */
static int error_of(const struct turning *turning, uint32_t field)
{
	unsigned int i;

	for (i = 0; i < turning->count; i++) {
		if (turning->turners[i].field == field)
			return turning->turners[i].err;
	}
	return 0;
}

/* Whether the batch ran; when it did not, it was refused for the entry. */
static bool attempt_once(struct attempt *attempt)
{
	struct __test_metadata *_metadata = attempt->_metadata;
	struct shatomic_ioc_batch batch = attempt->batch;

	if (!ioctl(attempt->self->region, SHATOMIC_IOC_BATCH, &batch)) {
		EXPECT_EQ(batch.rows, batch.rows_done);
		attempt->ran++;
		return true;
	}
	EXPECT_EQ(error_of(attempt->turning, batch.error_field), errno)
	{
		TH_LOG("for field %u", batch.error_field);
	}
	EXPECT_GT(batch.rows, batch.error_row);
	EXPECT_GT(batch.rows, batch.rows_done);
	/* On one CPU none behind that row can have run. */
	EXPECT_TRUE(batch.parallelism > 1 || batch.rows_done <= batch.error_row);
	attempt->refused++;
	return false;
}

/* On no CPU of its own, since its batches are shared between those it may use. */
static void *attempt_often(void *arg)
{
	struct attempt *attempt = arg;
	uint64_t rows = 0;
	bool ran = true, ran_before;

	while (attempt->turns < ENOUGH_TURNS &&
	       rows < (attempt->turns < 2 ? MOST_ROWS : ENOUGH_ROWS)) {
		ran_before = ran;
		ran = attempt_once(attempt);
		attempt->turns += ran != ran_before;
		rows += attempt->batch.rows;
	}
	__atomic_store_n(&attempt->turning->stop, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Rows of one operation and operand that are all right. */
static void make_rows(FIXTURE_DATA(changing) *self,
		      struct shatomic_ioc_batch *batch, unsigned int op,
		      uint64_t operand)
{
	unsigned int i;

	memset(self->memory, 0, PAGE_BYTES);
	for (i = 0; i < MAX_ROWS; i++) {
		self->ops[i] = op;
		self->widths[i] = 4;
		self->offsets[i] = i % WORDS * 16;
		self->operands[i] = operand;
		self->peer_indexes[i] = 0;
		self->peer_offsets[i] = i % WORDS * 16;
	}
	*batch = (struct shatomic_ioc_batch){
		.size = sizeof(*batch), .op = op, .width = 8,
		.offsets = (uintptr_t)self->offsets,
		.operands = (uintptr_t)self->operands,
		/* Big ones in lanes, where two CPUs would not choose them. */
		.parallelism = 2,
	};
	if (self->columns >= 0) {
		batch->flags = SHATOMIC_BATCH_COLUMNS_IN_REGION;
		batch->columns = self->columns;
		batch->columns_base = (uintptr_t)self->columns_memory;
	}
}

/* Sizes of batches: of one copy of the rows, of several, for several CPUs. */
static const unsigned int counts[] = { 200, 600, MAX_ROWS };

/*
 * Run the batch in each size while an entry near the end of each of @count
 * columns turns. Some will have run, and some been refused.
 */
static void run_beside_all(struct __test_metadata *_metadata,
			   FIXTURE_DATA(changing) *self,
			   struct shatomic_ioc_batch batch,
			   const struct turner *turners, unsigned int count)
{
	pthread_t threads[2];
	unsigned int i;

	for (i = 0; i < COUNT_OF(counts); i++) {
		struct turning turning = {
			.turners = turners, .count = count,
			.row = counts[i] - 50,
		};
		struct attempt attempt = {
			._metadata = _metadata, .self = self,
			.turning = &turning, .batch = batch,
		};

		attempt.batch.rows = counts[i];
		ASSERT_EQ(0, pthread_create(&threads[0], NULL, turn, &turning));
		ASSERT_EQ(0, pthread_create(&threads[1], NULL, attempt_often,
					    &attempt));
		pthread_join(threads[0], NULL);
		pthread_join(threads[1], NULL);
		EXPECT_LT(0, attempt.ran);
		EXPECT_LT(0, attempt.refused);
		TH_LOG("%u rows: ran %u times, refused %u", counts[i],
		       attempt.ran, attempt.refused);
	}
}

static void run_beside(struct __test_metadata *_metadata,
		       FIXTURE_DATA(changing) *self,
		       struct shatomic_ioc_batch batch, struct turner turner)
{
	run_beside_all(_metadata, self, batch, &turner, 1);
}

/* The 8 bytes of each word that rows may be on are @word, all others 0. */
static void expect_page(struct __test_metadata *_metadata,
			const unsigned char *memory, uint64_t word)
{
	const uint64_t *words = (const uint64_t *)memory;
	unsigned int i;

	for (i = 0; i < PAGE_BYTES / 8; i++)
		EXPECT_EQ(i < 2 * WORDS && i % 2 == 0 ? word : 0, words[i]);
}

/* Bit 200 of a word would be its bit 8. */
TEST_F_TIMEOUT(changing, a_bit, 120)
{
	struct turner turner = {
		.column = self->operands, .size = 8, .wrong = 200,
		.err = EINVAL, .field = SHATOMIC_FIELD_OPERANDS,
	};
	struct shatomic_ioc_batch batch;

	make_rows(self, &batch, SHATOMIC_OP_TEST_AND_SET_BIT, 3);
	run_beside(_metadata, self, batch, turner);
	expect_page(_metadata, self->memory, 1 << 3);
}

/* In a column of operations, of which any may be one of a bit. */
TEST_F_TIMEOUT(changing, a_bit_of_a_column, 120)
{
	struct turner turner = {
		.column = self->operands, .size = 8, .wrong = 200,
		.err = EINVAL, .field = SHATOMIC_FIELD_OPERANDS,
	};
	struct shatomic_ioc_batch batch;

	make_rows(self, &batch, SHATOMIC_OP_TEST_AND_SET_BIT, 3);
	batch.op = 0;
	batch.ops = (uintptr_t)self->ops;
	run_beside(_metadata, self, batch, turner);
	expect_page(_metadata, self->memory, 1 << 3);
}

/* An operation that takes any operand becomes one of a bit. */
TEST_F_TIMEOUT(changing, an_operation_that_is_one_of_a_bit, 120)
{
	struct turner turner = {
		.column = self->ops, .size = 1,
		.wrong = SHATOMIC_OP_TEST_AND_SET_BIT,
		.err = EINVAL, .field = SHATOMIC_FIELD_OPERANDS,
	};
	struct shatomic_ioc_batch batch;

	make_rows(self, &batch, SHATOMIC_OP_FETCH_AND_OR, 200);
	batch.op = 0;
	batch.ops = (uintptr_t)self->ops;
	run_beside(_metadata, self, batch, turner);
	expect_page(_metadata, self->memory, 200);
}

/* There is none of that number, nor code for it. */
TEST_F_TIMEOUT(changing, an_operation, 120)
{
	struct turner turner = {
		.column = self->ops, .size = 1, .wrong = 200,
		.err = EOPNOTSUPP, .field = SHATOMIC_FIELD_OP,
	};
	struct shatomic_ioc_batch batch;

	make_rows(self, &batch, SHATOMIC_OP_FETCH_AND_OR, 1);
	batch.op = 0;
	batch.ops = (uintptr_t)self->ops;
	run_beside(_metadata, self, batch, turner);
	expect_page(_metadata, self->memory, 1);
}

/* 4 bytes become more than a row of a column may have. */
TEST_F_TIMEOUT(changing, a_width, 120)
{
	struct turner turner = {
		.column = self->widths, .size = 1, .wrong = 16,
		.err = EINVAL, .field = SHATOMIC_FIELD_WIDTH,
	};
	struct shatomic_ioc_batch batch;

	make_rows(self, &batch, SHATOMIC_OP_FETCH_AND_OR, ~0ULL);
	batch.width = 0;
	batch.widths = (uintptr_t)self->widths;
	run_beside(_metadata, self, batch, turner);
	expect_page(_metadata, self->memory,
		    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ?
			    0xffffffff : 0xffffffffULL << 32);
}

/* Behind the end of the region, where its last page goes on. */
TEST_F_TIMEOUT(changing, an_offset, 120)
{
	struct turner turner = {
		.column = self->offsets, .size = 8, .wrong = REGION_BYTES,
		.err = ERANGE, .field = SHATOMIC_FIELD_OFFSETS,
	};
	struct shatomic_ioc_batch batch;

	make_rows(self, &batch, SHATOMIC_OP_FETCH_AND_OR, 1);
	run_beside(_metadata, self, batch, turner);
	expect_page(_metadata, self->memory, 1);
}

/* Half of it in the next word. */
TEST_F_TIMEOUT(changing, an_offset_within_the_region, 120)
{
	struct turner turner = {
		.column = self->offsets, .size = 8, .wrong = 4,
		.err = EINVAL, .field = SHATOMIC_FIELD_OFFSETS,
	};
	struct shatomic_ioc_batch batch;

	make_rows(self, &batch, SHATOMIC_OP_SET, ~0ULL);
	run_beside(_metadata, self, batch, turner);
	expect_page(_metadata, self->memory, ~0ULL);
}

/* Rows whose comparison fails, and which therefore store to their peer. */
static void make_peer_rows(FIXTURE_DATA(changing) *self,
			   struct shatomic_ioc_batch *batch)
{
	unsigned int i;

	make_rows(self, batch, SHATOMIC_OP_COMPARE_AND_SET, ~0ULL);
	for (i = 0; i < WORDS; i++)
		memset(self->memory + 16 * i, 0xff, 8);
	for (i = 0; i < 2; i++)
		memset(self->peer_memory[i], 0, PAGE_BYTES);
	batch->peers = (uintptr_t)self->peers;
	batch->peer_count = 2;
	batch->peer_indexes = (uintptr_t)self->peer_indexes;
	batch->peer_offsets = (uintptr_t)self->peer_offsets;
}

static void expect_peers(struct __test_metadata *_metadata,
			 FIXTURE_DATA(changing) *self)
{
	expect_page(_metadata, self->memory, ~0ULL);
	expect_page(_metadata, self->peer_memory[0], ~0ULL);
	expect_page(_metadata, self->peer_memory[1], 0);
}

/* To a region that is open to be read only. */
TEST_F_TIMEOUT(changing, a_peer, 120)
{
	struct turner turner = {
		.column = self->peer_indexes, .size = 4, .wrong = 1,
		.err = EACCES, .field = SHATOMIC_FIELD_PEER_INDEXES,
	};
	struct shatomic_ioc_batch batch;

	make_peer_rows(self, &batch);
	run_beside(_metadata, self, batch, turner);
	expect_peers(_metadata, self);
}

TEST_F_TIMEOUT(changing, a_peer_that_is_not_there, 120)
{
	struct turner turner = {
		.column = self->peer_indexes, .size = 4, .wrong = UINT32_MAX,
		.err = EINVAL, .field = SHATOMIC_FIELD_PEER_INDEXES,
	};
	struct shatomic_ioc_batch batch;

	make_peer_rows(self, &batch);
	run_beside(_metadata, self, batch, turner);
	expect_peers(_metadata, self);
}

TEST_F_TIMEOUT(changing, a_peer_offset, 120)
{
	struct turner turner = {
		.column = self->peer_offsets, .size = 8, .wrong = REGION_BYTES,
		.err = ERANGE, .field = SHATOMIC_FIELD_PEER_OFFSETS,
	};
	struct shatomic_ioc_batch batch;

	make_peer_rows(self, &batch);
	run_beside(_metadata, self, batch, turner);
	expect_peers(_metadata, self);
}

/*
 * Each that rows of any kind are checked by, to what is wrong by far; when the
 * kernel sees but some bytes of an offset turn, it may be another word's.
 */
TEST_F_TIMEOUT(changing, every_column, 120)
{
	const struct turner turners[] = {
		{ self->ops, 1, UINT8_MAX, EOPNOTSUPP, SHATOMIC_FIELD_OP },
		{ self->widths, 1, UINT8_MAX, EINVAL, SHATOMIC_FIELD_WIDTH },
		{ self->offsets, 8, ~0ULL << 16, ERANGE,
		  SHATOMIC_FIELD_OFFSETS },
		{ self->peer_indexes, 4, UINT32_MAX, EINVAL,
		  SHATOMIC_FIELD_PEER_INDEXES },
		{ self->peer_offsets, 8, ~0ULL << 16, ERANGE,
		  SHATOMIC_FIELD_PEER_OFFSETS },
	};
	struct shatomic_ioc_batch batch;

	make_peer_rows(self, &batch);
	memset(self->widths, 8, MAX_ROWS);
	batch.op = 0;
	batch.ops = (uintptr_t)self->ops;
	batch.width = 0;
	batch.widths = (uintptr_t)self->widths;
	batch.parallelism = 1;
	run_beside_all(_metadata, self, batch, turners, COUNT_OF(turners));
	expect_peers(_metadata, self);
}

/*
 * A batch may lie in its own region and write to its own columns. The first of
 * its rows puts offsets behind the end of the region into all that follow; they
 * are either not read again, or seen to have become wrong.
 */
static void run_over_itself(struct __test_metadata *_metadata,
			    FIXTURE_DATA(changing) *self, bool has_widths)
{
	uint64_t size = 16UL * MAX_ROWS + 2048, *words, *offsets, *operands, i;
	int region = create_region(self->device, size);
	struct shatomic_ioc_batch batch = {
		.size = sizeof(batch), .op = SHATOMIC_OP_SET,
		.width = has_widths ? 0 : 8, .rows = MAX_ROWS,
		.flags = SHATOMIC_BATCH_COLUMNS_IN_REGION, .columns = region,
		.parallelism = 1,
	};
	size_t mapped = (size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1UL);

	ASSERT_LE(0, region);
	words = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, region,
		     0);
	ASSERT_NE(MAP_FAILED, words);
	offsets = words;
	operands = words + MAX_ROWS;
	for (i = 0; i < MAX_ROWS; i++) {
		offsets[i] = 8 * (i + 1) % (8 * MAX_ROWS);
		operands[i] = size + i % 4 * 8;
	}
	batch.columns_base = (uintptr_t)words;
	batch.offsets = (uintptr_t)offsets;
	batch.operands = (uintptr_t)operands;
	if (has_widths) {
		memset(self->widths, 8, MAX_ROWS);
		memcpy(words + 2 * MAX_ROWS, self->widths, 2048);
		batch.rows = 2048;
		batch.widths = (uintptr_t)(words + 2 * MAX_ROWS);
	}
	if (ioctl(region, SHATOMIC_IOC_BATCH, &batch)) {
		EXPECT_EQ(ERANGE, errno);
		EXPECT_EQ(SHATOMIC_FIELD_OFFSETS, batch.error_field);
		EXPECT_TRUE(has_widths);
	} else {
		EXPECT_FALSE(has_widths);
		EXPECT_EQ(batch.rows, batch.rows_done);
	}
	for (i = size / 8; i < mapped / 8; i++)
		EXPECT_EQ(0, words[i]);
	munmap(words, mapped);
	close(region);
}

TEST_F(changing, a_batch_over_its_own_offsets)
{
	run_over_itself(_metadata, self, false);
	run_over_itself(_metadata, self, true);
}

/* Values may be any at any time: words show one of them, and no others change. */
TEST_F_TIMEOUT(changing, an_operand, 120)
{
	struct turner turner = { .column = self->operands, .size = 8,
				 .wrong = 3 };
	struct turning turning = { .turners = &turner, .count = 1 };
	struct attempt attempt = { ._metadata = _metadata, .self = self,
				   .turning = &turning };
	pthread_t thread;
	unsigned int i, k;

	make_rows(self, &attempt.batch, SHATOMIC_OP_FETCH_AND_OR, 1);
	attempt.batch.results = (uintptr_t)self->peer_offsets;
	for (i = 0; i < COUNT_OF(counts); i++) {
		attempt.batch.rows = counts[i];
		turning.row = counts[i] - 50;
		turning.stop = false;
		ASSERT_EQ(0, pthread_create(&thread, NULL, turn, &turning));
		for (k = 0; k < 200; k++)
			EXPECT_TRUE(attempt_once(&attempt));
		__atomic_store_n(&turning.stop, true, __ATOMIC_RELEASE);
		pthread_join(thread, NULL);
		for (k = 0; k < WORDS; k++) {
			uint64_t *word = (uint64_t *)(self->memory + 16 * k);

			EXPECT_EQ(1, *word & ~2ULL);
			*word = 1;
		}
	}
	expect_page(_metadata, self->memory, 1);
}

TEST_HARNESS_MAIN
