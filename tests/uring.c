// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches by io_uring: on rings of each kind a batch gives what it gives by
 * ioctl, in results, in memory, in errors; what becomes of batches in flight
 * when their submitter or their ring goes.
 */
#include "harness.h"

#include <limits.h>
#include <liburing.h>
#include <signal.h>
#include <sys/ioctl.h>

#define REGION_SIZE (64UL << 10)
#define WORDS (REGION_SIZE / 8)
#define MAX_ROWS 40000

static int create_region(size_t size)
{
	struct shatomic_ioc_create create = { .size = sizeof(create),
					      .region_size = size };
	int device = open("/dev/shatomic", O_RDWR | O_CLOEXEC);
	int ret = ioctl(device, SHATOMIC_IOC_CREATE, &create);

	close(device);
	return ret ? -1 : create.fd;
}

/* A region, columns, and a batch over them. */
struct side {
	int fd;
	uint64_t *words;
	uint64_t *offsets;
	uint64_t *operands;
	uint64_t *results;
	uint8_t *ops;
	struct shatomic_ioc_batch batch;
};

static void *new_memory(size_t bytes, int fd)
{
	int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static bool side_init(struct side *side)
{
	side->fd = create_region(REGION_SIZE);
	if (side->fd < 0)
		return false;
	side->words = new_memory(REGION_SIZE, side->fd);
	side->offsets = new_memory(MAX_ROWS * 8, -1);
	side->operands = new_memory(MAX_ROWS * 8, -1);
	side->results = new_memory(MAX_ROWS * 8, -1);
	side->ops = new_memory(MAX_ROWS, -1);
	return side->words && side->offsets && side->operands &&
	       side->results && side->ops;
}

static void side_end(struct side *side)
{
	munmap(side->words, REGION_SIZE);
	munmap(side->offsets, MAX_ROWS * 8);
	munmap(side->operands, MAX_ROWS * 8);
	munmap(side->results, MAX_ROWS * 8);
	munmap(side->ops, MAX_ROWS);
	close(side->fd);
}

static void fill(struct side *side, unsigned int rows, bool mixed)
{
	unsigned int i;

	for (i = 0; i < rows; i++) {
		side->offsets[i] = next_random() % WORDS * 8;
		side->operands[i] = next_random();
		side->ops[i] = next_random() & 1 ? SHATOMIC_OP_FETCH_AND_ADD :
						   SHATOMIC_OP_FETCH_AND_XOR;
	}
	memset(side->results, 0xee, MAX_ROWS * 8);
	side->batch = (struct shatomic_ioc_batch) {
		.size = sizeof(side->batch),
		.op = mixed ? 0 : SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8,
		.rows = rows,
		.ops = mixed ? (uintptr_t)side->ops : 0,
		.offsets = (uintptr_t)side->offsets,
		.operands = (uintptr_t)side->operands,
		.results = (uintptr_t)side->results,
	};
}

/* The same rows, with columns of its own. */
static void fill_alike(struct side *side, const struct side *model)
{
	memcpy(side->offsets, model->offsets, MAX_ROWS * 8);
	memcpy(side->operands, model->operands, MAX_ROWS * 8);
	memcpy(side->ops, model->ops, MAX_ROWS);
	memset(side->results, 0xee, MAX_ROWS * 8);
	side->batch = model->batch;
	side->batch.ops = model->batch.ops ? (uintptr_t)side->ops : 0;
	side->batch.offsets = (uintptr_t)side->offsets;
	side->batch.operands = (uintptr_t)side->operands;
	side->batch.results = (uintptr_t)side->results;
}

FIXTURE(uring)
{
	struct io_uring ring;
	struct side by_ioctl;
	struct side by_ring;
	unsigned int sqe_flags;
	int target; /* the region's descriptor, or its place in the ring */
};

FIXTURE_VARIANT(uring)
{
	unsigned int setup;
	unsigned int sqe_flags;
	bool registered;
};

#define VARIANT(name, ...)                                                    \
	FIXTURE_VARIANT_ADD(uring, name) { __VA_ARGS__ }

VARIANT(plain, .setup = 0);
VARIANT(sqe128, .setup = IORING_SETUP_SQE128);
VARIANT(cqe32, .setup = IORING_SETUP_CQE32);
VARIANT(sqpoll, .setup = IORING_SETUP_SQPOLL);
VARIANT(deferred,
	.setup = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
VARIANT(registered, .registered = true);
VARIANT(async, .sqe_flags = IOSQE_ASYNC);
VARIANT(sqpoll_async_registered, .setup = IORING_SETUP_SQPOLL,
	.sqe_flags = IOSQE_ASYNC, .registered = true);

FIXTURE_SETUP(uring)
{
	seed_random();
	ASSERT_TRUE(side_init(&self->by_ioctl));
	ASSERT_TRUE(side_init(&self->by_ring));
	ASSERT_EQ(0, io_uring_queue_init(64, &self->ring, variant->setup));
	self->sqe_flags = variant->sqe_flags;
	self->target = self->by_ring.fd;
	if (variant->registered) {
		ASSERT_EQ(0, io_uring_register_files(&self->ring,
						     &self->by_ring.fd, 1));
		self->sqe_flags |= IOSQE_FIXED_FILE;
		self->target = 0;
	}
}

FIXTURE_TEARDOWN(uring)
{
	io_uring_queue_exit(&self->ring);
	side_end(&self->by_ioctl);
	side_end(&self->by_ring);
}

/* A command whose payload is as given. */
static struct io_uring_sqe *queue(struct io_uring *ring, int target,
				  unsigned int sqe_flags, const void *args,
				  uint32_t size, uint64_t user_data)
{
	struct shatomic_uring_batch payload = { .args = (uintptr_t)args,
						.size = size };
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe)
		return NULL;
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, target, NULL, 0, 0);
	sqe->cmd_op = SHATOMIC_IOC_BATCH;
	sqe->flags |= sqe_flags;
	sqe->user_data = user_data;
	memcpy(sqe->cmd, &payload, sizeof(payload));
	return sqe;
}

/* Its result, or INT_MIN when none comes. */
static int reap(struct io_uring *ring, uint64_t *user_data)
{
	struct io_uring_cqe *cqe;
	int res;

	if (io_uring_wait_cqe(ring, &cqe))
		return INT_MIN;
	res = cqe->res;
	if (user_data)
		*user_data = cqe->user_data;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

/* A polled ring's may count those before it that have not been taken yet. */
static bool submit(struct io_uring *ring, int count)
{
	return io_uring_submit(ring) >= count;
}

static int submit_and_reap(struct io_uring *ring)
{
	return submit(ring, 1) ? reap(ring, NULL) : INT_MIN;
}

static int run_by_ring(FIXTURE_DATA(uring) *self)
{
	if (!queue(&self->ring, self->target, self->sqe_flags,
		   &self->by_ring.batch, sizeof(self->by_ring.batch), 0))
		return INT_MIN;
	return submit_and_reap(&self->ring);
}

/* 0 or a negative errno value. */
static int run_by_ioctl(struct side *side)
{
	return ioctl(side->fd, SHATOMIC_IOC_BATCH, &side->batch) ? -errno : 0;
}

TEST_F(uring, same_as_by_ioctl)
{
	static const unsigned int counts[] = { 0, 1, 16, 255, 256, 257, 4096,
					       4097, MAX_ROWS };
	struct side *one = &self->by_ioctl, *other = &self->by_ring;
	unsigned int i;

	for (i = 0; i < 2 * COUNT_OF(counts); i++) {
		unsigned int rows = counts[i / 2];

		fill(one, rows, i % 2);
		fill_alike(other, one);
		ASSERT_EQ(0, run_by_ioctl(one));
		ASSERT_EQ(rows, run_by_ring(self)) TH_LOG("%u rows", rows);
		EXPECT_EQ(rows, other->batch.rows_done);
		EXPECT_EQ(0, memcmp(one->results, other->results, MAX_ROWS * 8));
		ASSERT_EQ(0, memcmp(one->words, other->words, REGION_SIZE));
	}
}

/* Bytes that a column takes in a region of them: whole pages. */
#define COLUMN_BYTES ((MAX_ROWS * 8 + 4095UL) & ~4095UL)

/* Put a side's columns into a region instead; returns that, or -1. */
static int move_columns(struct side *side)
{
	int columns = create_region(4 * COLUMN_BYTES);
	unsigned char *memory = new_memory(4 * COLUMN_BYTES, columns);

	if (columns < 0 || !memory)
		return -1;
	munmap(side->offsets, MAX_ROWS * 8);
	munmap(side->operands, MAX_ROWS * 8);
	munmap(side->results, MAX_ROWS * 8);
	munmap(side->ops, MAX_ROWS);
	side->offsets = (uint64_t *)memory;
	side->operands = (uint64_t *)(memory + COLUMN_BYTES);
	side->results = (uint64_t *)(memory + 2 * COLUMN_BYTES);
	side->ops = memory + 3 * COLUMN_BYTES;
	return columns;
}

TEST_F(uring, columns_in_a_region)
{
	static const unsigned int counts[] = { 1, 256, 4096, MAX_ROWS };
	struct side *one = &self->by_ioctl, *other = &self->by_ring;
	int columns = move_columns(other);
	unsigned int i;

	ASSERT_LE(0, columns);
	for (i = 0; i < 2 * COUNT_OF(counts); i++) {
		unsigned int rows = counts[i / 2];

		fill(one, rows, i % 2);
		fill_alike(other, one);
		other->batch.flags = SHATOMIC_BATCH_COLUMNS_IN_REGION;
		other->batch.columns = columns;
		other->batch.columns_base = (uintptr_t)other->offsets;
		ASSERT_EQ(0, run_by_ioctl(one));
		ASSERT_EQ(rows, run_by_ring(self)) TH_LOG("%u rows", rows);
		EXPECT_EQ(0, memcmp(one->results, other->results, MAX_ROWS * 8));
		ASSERT_EQ(0, memcmp(one->words, other->words, REGION_SIZE));
	}
	close(columns);
	EXPECT_EQ(-EBADF, run_by_ring(self));
	EXPECT_EQ(SHATOMIC_FIELD_COLUMNS, other->batch.error_field);
}

/* A row that is wrong: nothing runs, and the structure says which. */
TEST_F(uring, errors_of_rows_are_those_of_ioctl)
{
	static const unsigned int counts[] = { 1, 256, 300, MAX_ROWS };
	struct side *one = &self->by_ioctl, *other = &self->by_ring;
	unsigned int i;

	for (i = 0; i < COUNT_OF(counts); i++) {
		unsigned int row = next_random() % counts[i];

		fill(one, counts[i], false);
		one->offsets[row] = i % 2 ? REGION_SIZE : 1;
		fill_alike(other, one);
		ASSERT_EQ(i % 2 ? -ERANGE : -EINVAL, run_by_ioctl(one));
		EXPECT_EQ(i % 2 ? -ERANGE : -EINVAL, run_by_ring(self));
		EXPECT_EQ(row, other->batch.error_row);
		EXPECT_EQ(SHATOMIC_FIELD_OFFSETS, other->batch.error_field);
		EXPECT_EQ(0, other->batch.rows_done);
		EXPECT_EQ(0, memcmp(one->words, other->words, REGION_SIZE));
	}
}

TEST_F(uring, errors_of_the_command)
{
	struct shatomic_ioc_batch *batch = &self->by_ring.batch;
	struct shatomic_uring_batch payload = { .args = (uintptr_t)batch,
						.size = sizeof(*batch),
						.reserved = 1 };
	struct {
		struct shatomic_ioc_batch batch;
		uint64_t unknown;
	} longer = { .unknown = 1 };
	struct io_uring *ring = &self->ring;
	struct io_uring_sqe *sqe;

#define RESULT_OF(args, size)                                                 \
	({                                                                    \
		queue(ring, self->target, self->sqe_flags, args, size, 0);    \
		submit_and_reap(ring);                                        \
	})
	fill(&self->by_ring, 4, false);
	EXPECT_EQ(-EFAULT, RESULT_OF((void *)8, sizeof(*batch)));
	EXPECT_EQ(-EFAULT, RESULT_OF((void *)~0xfffUL, sizeof(*batch)));
	EXPECT_EQ(-EINVAL, RESULT_OF(batch, 0));
	EXPECT_EQ(-EINVAL, RESULT_OF(batch, 8));
	/* Not what the structure says. */
	EXPECT_EQ(-EINVAL, RESULT_OF(batch, sizeof(*batch) - 8));
	EXPECT_EQ(-E2BIG, RESULT_OF(batch, SHATOMIC_MAX_ARGS_SIZE + 1));

	longer.batch = *batch;
	longer.batch.size = sizeof(longer);
	EXPECT_EQ(-E2BIG, RESULT_OF(&longer, sizeof(longer)));
	longer.unknown = 0;
	EXPECT_EQ(4, RESULT_OF(&longer, sizeof(longer)));

	batch->operands = 8;
	EXPECT_EQ(-EFAULT, RESULT_OF(batch, sizeof(*batch)));
	EXPECT_EQ(SHATOMIC_FIELD_OPERANDS, batch->error_field);
	fill(&self->by_ring, 4, false);

	sqe = queue(ring, self->target, self->sqe_flags, batch,
		    sizeof(*batch), 0);
	memcpy(sqe->cmd, &payload, sizeof(payload));
	EXPECT_EQ(-EINVAL, submit_and_reap(ring));

	sqe = queue(ring, self->target, self->sqe_flags, batch,
		    sizeof(*batch), 0);
	sqe->cmd_op = SHATOMIC_IOC_REGION_INFO;
	EXPECT_EQ(-ENOTTY, submit_and_reap(ring));
	EXPECT_EQ(4, RESULT_OF(batch, sizeof(*batch)));
}

TEST_F(uring, links_go_on_after_success_and_end_at_failure)
{
	static const int expected[] = { 4, 300, -EINVAL, -ECANCELED };
	struct shatomic_ioc_batch batches[4];
	int res[4] = { 0 };
	uint64_t which;
	unsigned int i;

	fill(&self->by_ring, 300, false);
	for (i = 0; i < 4; i++) {
		batches[i] = self->by_ring.batch;
		batches[i].rows = expected[i] > 0 ? expected[i] : 300;
		/* No results: they would be those of several batches. */
		batches[i].results = 0;
		batches[i].parallelism = 1;
	}
	batches[2].op = SHATOMIC_OP_GET;
	batches[2].offsets = 0;
	for (i = 0; i < 4; i++)
		queue(&self->ring, self->target,
		      self->sqe_flags | (i < 3 ? IOSQE_IO_LINK : 0),
		      &batches[i], sizeof(batches[i]), i);
	ASSERT_TRUE(submit(&self->ring, 4));
	for (i = 0; i < 4; i++) {
		int result = reap(&self->ring, &which);

		ASSERT_GT(4, which);
		res[which] = result;
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(expected[i], res[i]) TH_LOG("link %u", i);
}

/* Many at once, small and big: each is complete, and none is lost. */
TEST_F(uring, many_in_flight)
{
	struct side *side = &self->by_ring;
	struct shatomic_ioc_batch batches[64];
	uint64_t which, sum = 0;
	unsigned int i, rows;

	for (i = 0; i < MAX_ROWS; i++) {
		side->offsets[i] = next_random() % WORDS * 8;
		side->operands[i] = 1;
	}
	for (i = 0; i < COUNT_OF(batches); i++) {
		rows = 1 + next_random() % 2000;
		batches[i] = (struct shatomic_ioc_batch) {
			.size = sizeof(batches[i]),
			.op = SHATOMIC_OP_FETCH_AND_ADD,
			.width = 8,
			.rows = rows,
			.offsets = (uintptr_t)side->offsets,
			.operands = (uintptr_t)side->operands,
		};
		sum += rows;
		ASSERT_NE(NULL, queue(&self->ring, self->target,
				      self->sqe_flags, &batches[i],
				      sizeof(batches[i]), i));
	}
	ASSERT_TRUE(submit(&self->ring, COUNT_OF(batches)));
	for (i = 0; i < COUNT_OF(batches); i++) {
		int result = reap(&self->ring, &which);

		ASSERT_GT(COUNT_OF(batches), which);
		EXPECT_EQ(batches[which].rows, result);
		EXPECT_EQ(batches[which].rows, batches[which].rows_done);
	}
	for (i = 0; i < WORDS; i++)
		sum -= side->words[i];
	EXPECT_EQ(0, sum);
}

/* Rows that count themselves, in two words. */
static void count_in_two_words(struct side *side)
{
	unsigned int i;

	fill(side, MAX_ROWS, false);
	side->batch.results = 0;
	for (i = 0; i < MAX_ROWS; i++) {
		side->offsets[i] = i % 2 * 8;
		side->operands[i] = 1;
	}
}

/*
 * Whether rows do what they should, once nothing else is under way on the
 * region any more. With columns of its own: what is under way reads the side's.
 */
static bool works(const struct side *side)
{
	static uint64_t offsets[1000], operands[1000];
	struct shatomic_ioc_batch batch = side->batch;
	uint64_t before;
	unsigned int i, tries;

	for (i = 0; i < COUNT_OF(offsets); i++)
		operands[i] = 1;
	batch.rows = COUNT_OF(offsets);
	batch.offsets = (uintptr_t)offsets;
	batch.operands = (uintptr_t)operands;
	for (tries = 0; tries < 100; tries++) {
		before = side->words[0];
		if (ioctl(side->fd, SHATOMIC_IOC_BATCH, &batch))
			return false;
		if (side->words[0] == before + COUNT_OF(offsets))
			return true;
		usleep(100000);
	}
	return false;
}

TEST_F(uring, ring_closed_with_commands_in_flight)
{
	struct side *side = &self->by_ring;
	struct shatomic_ioc_batch batches[16];
	unsigned int i;

	count_in_two_words(side);
	for (i = 0; i < COUNT_OF(batches); i++) {
		batches[i] = side->batch;
		ASSERT_NE(NULL, queue(&self->ring, self->target,
				      self->sqe_flags, &batches[i],
				      sizeof(batches[i]), i));
	}
	ASSERT_TRUE(submit(&self->ring, COUNT_OF(batches)));
	io_uring_queue_exit(&self->ring);

	EXPECT_TRUE(works(side));
	EXPECT_GE(COUNT_OF(batches) * MAX_ROWS + 100 * 1000,
		  side->words[0] + side->words[1]);
	/* For the teardown. */
	ASSERT_EQ(0, io_uring_queue_init(64, &self->ring, 0));
}

/* A process submits, and goes: by itself or killed. */
static void submitter(FIXTURE_DATA(uring) *self, unsigned int setup, bool wait)
{
	struct shatomic_ioc_batch batches[16];
	struct io_uring ring;
	unsigned int i;

	if (io_uring_queue_init(64, &ring, setup))
		_exit(1);
	for (i = 0; i < COUNT_OF(batches); i++) {
		batches[i] = self->by_ring.batch;
		queue(&ring, self->by_ring.fd, 0, &batches[i],
		      sizeof(batches[i]), i);
	}
	if (!submit(&ring, COUNT_OF(batches)))
		_exit(2);
	while (wait)
		pause();
	_exit(0);
}

TEST_F(uring, submitter_gone_with_commands_in_flight)
{
	struct side *side = &self->by_ring;
	unsigned int i;
	pid_t child;

	count_in_two_words(side);
	for (i = 0; i < 8; i++) {
		child = fork();
		ASSERT_LE(0, child);
		if (!child)
			submitter(self, variant->setup, i % 2);
		if (i % 2) {
			usleep(next_random() % 20000);
			kill(child, SIGKILL);
			ASSERT_EQ(256 + SIGKILL, wait_child(child));
		} else {
			ASSERT_EQ(0, wait_child(child));
		}
	}
	EXPECT_TRUE(works(side));
}

/*
 * There is nothing to poll for: kernels refuse the command, or, later ones, run
 * it as on any other ring.
 */
TEST(polled_rings_have_nothing_to_poll)
{
	uint64_t offset = 8, operand = 1, result = 7;
	struct shatomic_ioc_batch batch = {
		.size = sizeof(batch), .op = SHATOMIC_OP_ADD_AND_FETCH,
		.width = 8, .rows = 1, .offsets = (uintptr_t)&offset,
		.operands = (uintptr_t)&operand, .results = (uintptr_t)&result,
	};
	int fd = create_region(4096), ret;
	struct io_uring ring;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, io_uring_queue_init(4, &ring, IORING_SETUP_IOPOLL));
	queue(&ring, fd, 0, &batch, sizeof(batch), 0);
	ret = submit_and_reap(&ring);
	ASSERT_TRUE(ret == -EOPNOTSUPP || ret == 1);
	EXPECT_EQ(ret == 1 ? 1 : 7, result);
	io_uring_queue_exit(&ring);
	close(fd);
}

TEST(read_only_descriptors_only_read)
{
	uint64_t offset = 8, operand = 1, result = 7;
	struct shatomic_ioc_batch batch = {
		.size = sizeof(batch), .op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8, .rows = 1, .offsets = (uintptr_t)&offset,
		.operands = (uintptr_t)&operand, .results = (uintptr_t)&result,
	};
	int region = create_region(4096), reader;
	struct io_uring ring;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", region);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, reader);
	ASSERT_EQ(0, io_uring_queue_init(4, &ring, 0));

	queue(&ring, reader, 0, &batch, sizeof(batch), 0);
	EXPECT_EQ(-EACCES, submit_and_reap(&ring));
	EXPECT_EQ(0, batch.error_row);
	batch.op = SHATOMIC_OP_GET;
	queue(&ring, reader, 0, &batch, sizeof(batch), 0);
	EXPECT_EQ(1, submit_and_reap(&ring));
	EXPECT_EQ(0, result);

	io_uring_queue_exit(&ring);
	close(reader);
	close(region);
}

TEST_HARNESS_MAIN
