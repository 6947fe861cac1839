// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel counts on a region, against batches that are known: of each
 * kind, by ioctl and io_uring, shared between CPUs, failed, killed, and while
 * counting is turned off and on. Root runs it.
 */
#include "common.h"
#include "waiting.h"

#include <liburing.h>
#include <pthread.h>
#include <signal.h>

#define PARAMETER "/sys/module/shatomic/parameters/stats"
#define WORDS 4096
#define PAGE_BYTES 4096
/* Enough to be shared by several CPUs, and no multiple of what they take. */
#define ROWS 100001U
#define OPERAND_BYTES (ROWS * 8UL / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES)

static uint64_t offsets[ROWS], results[ROWS], comparands[ROWS], masks[ROWS];
static uint8_t ops[ROWS];

FIXTURE(stats)
{
	struct shatomic_region *region;
	uint64_t *operands;
	struct shatomic_stats expected;
};

FIXTURE_SETUP(stats)
{
	struct shatomic_create_options options = {
		.backend = SHATOMIC_BACKEND_DEVICE, .size = WORDS * 8,
	};
	unsigned int i;

	seed_random();
	ASSERT_EQ(0, shatomic_create(&options, &self->region))
	{
		TH_LOG("%s", shatomic_error());
	}
	self->operands = mmap(NULL, OPERAND_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->operands);
	for (i = 0; i < ROWS; i++) {
		offsets[i] = next_random() % WORDS * 8;
		comparands[i] = next_random() % 2;
		masks[i] = next_random();
	}
	memset(&self->expected, 0, sizeof(self->expected));
	self->expected.counting = 1;
}

FIXTURE_TEARDOWN(stats)
{
	munmap(self->operands, OPERAND_BYTES);
	shatomic_close(self->region);
}

static struct shatomic_batch batch_of_adds(const uint64_t *operands,
					   unsigned int rows)
{
	return (struct shatomic_batch){
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8, .rows = rows,
		.offsets = offsets, .operands = operands, .results = results,
	};
}

static void expect_rows(struct shatomic_stats *expected, unsigned int op,
			uint64_t rows)
{
	expected->rows += rows;
	expected->op_rows[op] += rows;
}

static bool same(const char *what, uint64_t value, uint64_t expected)
{
	if (value == expected)
		return true;
	printf("# %s: %lu instead of %lu\n", what, value, expected);
	fflush(stdout);
	return false;
}

/* Whether the region's are those; says which are not. */
static bool are_counted(const struct shatomic_region *region,
			const struct shatomic_stats *expected)
{
	struct shatomic_stats stats;
	unsigned int op;
	char what[16];
	bool all;

	if (shatomic_stats(region, &stats)) {
		printf("# %s\n", shatomic_error());
		return false;
	}
	all = same("counting", stats.counting, expected->counting) &
	      same("batches", stats.batches, expected->batches) &
	      same("errors", stats.errors, expected->errors) &
	      same("in flight", stats.in_flight, expected->in_flight) &
	      same("rows", stats.rows, expected->rows);
	for (op = 0; op < SHATOMIC_OP_SLOTS; op++) {
		snprintf(what, sizeof(what), "operation %u", op);
		all &= same(what, stats.op_rows[op], expected->op_rows[op]);
	}
	return all;
}

TEST_F(stats, begin_at_zero)
{
	EXPECT_TRUE(are_counted(self->region, &self->expected));
}

/* Those that a CPU has memory ready for, and those that take their own. */
TEST_F(stats, one_operation)
{
	static const unsigned int some[] = { 0, 1, 16, 1000, 5000, 65536, ROWS };
	unsigned int i;

	for (i = 0; i < COUNT_OF(some); i++) {
		struct shatomic_batch batch = batch_of_adds(self->operands,
							    some[i]);

		batch.parallelism = 1;
		ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
		self->expected.batches++;
		expect_rows(&self->expected, SHATOMIC_OP_FETCH_AND_ADD,
			    some[i]);
		ASSERT_TRUE(are_counted(self->region, &self->expected));
	}
}

/* Operations of all kinds but those on two words, a row each. */
static void mix_ops(struct shatomic_stats *expected, unsigned int rows)
{
	unsigned int i;

	for (i = 0; i < rows; i++) {
		do {
			ops[i] = next_random() % SHATOMIC_OP_COUNT;
		} while (ops[i] == SHATOMIC_OP_STORE ||
			 ops[i] == SHATOMIC_OP_COMPARE_AND_SET);
		expect_rows(expected, ops[i], 1);
	}
}

static struct shatomic_batch batch_of_mixed(const uint64_t *operands,
					    unsigned int rows)
{
	struct shatomic_batch batch = batch_of_adds(operands, rows);

	batch.op = 0;
	batch.ops = ops;
	batch.comparands = comparands;
	batch.masks = masks;
	batch.comparand_masks = masks;
	return batch;
}

TEST_F(stats, a_column_of_operations)
{
	static const unsigned int some[] = { 1, 16, 600, 1025, 20000 };
	struct shatomic_batch batch;
	unsigned int i;

	for (i = 0; i < COUNT_OF(some); i++) {
		mix_ops(&self->expected, some[i]);
		batch = batch_of_mixed(self->operands, some[i]);
		batch.parallelism = 1;
		ASSERT_EQ(0, shatomic_batch_run(self->region, &batch))
		{
			TH_LOG("%s", shatomic_error());
		}
		self->expected.batches++;
		ASSERT_TRUE(are_counted(self->region, &self->expected));
	}
}

/* In slices, and in lanes, of which each CPU goes through all rows. */
TEST_F(stats, shared_between_cpus)
{
	static const unsigned int flags[] = { SHATOMIC_BATCH_UNORDERED, 0 };
	struct shatomic_batch batch;
	unsigned int i;

	for (i = 0; i < COUNT_OF(flags); i++) {
		batch = batch_of_adds(self->operands, ROWS);
		batch.flags = flags[i];
		batch.parallelism = 2;
		ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
		expect_rows(&self->expected, SHATOMIC_OP_FETCH_AND_ADD, ROWS);
		self->expected.batches++;
		ASSERT_TRUE(are_counted(self->region, &self->expected));

		mix_ops(&self->expected, ROWS);
		batch = batch_of_mixed(self->operands, ROWS);
		batch.flags = flags[i];
		batch.parallelism = 2;
		ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
		self->expected.batches++;
		ASSERT_TRUE(are_counted(self->region, &self->expected));
	}
}

/* Rows are those of the region that the batch is for. */
TEST_F(stats, peers_are_not_counted)
{
	struct shatomic_stats none = { .counting = 1 };
	struct shatomic_region *peer = new_region(WORDS * 8);
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_STORE, .width = 8, .rows = 700,
		.offsets = offsets, .peers = &peer, .peer_count = 1,
		.peer_offsets = offsets,
	};

	ASSERT_NE(NULL, peer);
	ASSERT_EQ(0, shatomic_batch_run(self->region, &batch))
	{
		TH_LOG("%s", shatomic_error());
	}
	self->expected.batches++;
	expect_rows(&self->expected, SHATOMIC_OP_STORE, 700);
	EXPECT_TRUE(are_counted(self->region, &self->expected));
	EXPECT_TRUE(are_counted(peer, &none));
	shatomic_close(peer);
}

/* One that is refused has no rows; one that fails later has those that ran. */
TEST_F(stats, batches_that_fail)
{
	struct shatomic_batch batch = batch_of_adds(self->operands, 100);
	char *hole;

	offsets[50] = WORDS * 8;
	ASSERT_EQ(-ERANGE, shatomic_batch_run(self->region, &batch));
	offsets[50] = 0;
	batch.width = 9;
	ASSERT_EQ(-EINVAL, shatomic_batch_run(self->region, &batch));
	self->expected.batches = self->expected.errors = 2;
	ASSERT_TRUE(are_counted(self->region, &self->expected));

	hole = mmap(NULL, OPERAND_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, hole);
	ASSERT_EQ(0, munmap(hole + 40 * PAGE_BYTES,
			    OPERAND_BYTES - 40 * PAGE_BYTES));
	batch = batch_of_adds((uint64_t *)hole, ROWS);
	batch.parallelism = 1;
	ASSERT_EQ(-EFAULT, shatomic_batch_run(self->region, &batch));
	ASSERT_LT(0U, batch.rows_done);
	self->expected.batches++;
	self->expected.errors++;
	expect_rows(&self->expected, SHATOMIC_OP_FETCH_AND_ADD,
		    batch.rows_done);
	EXPECT_TRUE(are_counted(self->region, &self->expected));
	munmap(hole, 40 * PAGE_BYTES);
}

/* What has no structure that could be read is no batch. */
TEST_F(stats, calls_that_are_no_batches)
{
	ASSERT_EQ(-1, ioctl(shatomic_fd(self->region), SHATOMIC_IOC_BATCH,
			    NULL));
	ASSERT_EQ(-1, ioctl(shatomic_fd(self->region),
			    _IO(SHATOMIC_IOC_MAGIC, 0xff), NULL));
	EXPECT_TRUE(are_counted(self->region, &self->expected));
}

/* Done when submitted, and by a worker of the ring. */
TEST_F(stats, by_io_uring)
{
	static const unsigned int some[] = { 0, 16, ROWS };
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	unsigned int i;

	ASSERT_EQ(0, io_uring_queue_init(4, &ring, 0));
	for (i = 0; i < COUNT_OF(some); i++) {
		struct shatomic_ioc_batch batch = {
			.size = sizeof(batch), .op = SHATOMIC_OP_FETCH_AND_SUB,
			.width = 8, .rows = some[i],
			.offsets = (uintptr_t)offsets,
			.operands = (uintptr_t)self->operands,
		};
		struct shatomic_uring_batch payload = {
			.args = (uintptr_t)&batch, .size = sizeof(batch),
		};
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		io_uring_prep_rw(IORING_OP_URING_CMD, sqe,
				 shatomic_fd(self->region), NULL, 0, 0);
		sqe->cmd_op = SHATOMIC_IOC_BATCH;
		memcpy(sqe->cmd, &payload, sizeof(payload));
		ASSERT_EQ(1, io_uring_submit(&ring));
		ASSERT_EQ(0, io_uring_wait_cqe(&ring, &cqe));
		ASSERT_EQ((int)some[i], cqe->res);
		io_uring_cqe_seen(&ring, cqe);
		self->expected.batches++;
		expect_rows(&self->expected, SHATOMIC_OP_FETCH_AND_SUB,
			    some[i]);
		ASSERT_TRUE(are_counted(self->region, &self->expected));
	}
	io_uring_queue_exit(&ring);
}

/* Each descriptor tells what ran by any. */
TEST_F(stats, by_any_descriptor)
{
	struct shatomic_batch batch = batch_of_adds(self->operands, 10);
	struct shatomic_region *other;

	ASSERT_EQ(0, shatomic_import(shatomic_fd(self->region), &other));
	ASSERT_EQ(0, shatomic_batch_run(other, &batch));
	self->expected.batches++;
	expect_rows(&self->expected, SHATOMIC_OP_FETCH_AND_ADD, 10);
	EXPECT_TRUE(are_counted(self->region, &self->expected));
	EXPECT_TRUE(are_counted(other, &self->expected));
	shatomic_close(other);
}

/* A batch whose operands are kept from it. */
struct held {
	struct shatomic_region *region;
	struct shatomic_batch batch;
	int fault;
	char *page;
	int ret;
};

static void *run_held(void *arg)
{
	struct held *held = arg;

	held->ret = shatomic_batch_run(held->region, &held->batch);
	return NULL;
}

static bool hold(struct held *held, struct shatomic_region *region,
		 uint64_t *operands, unsigned int rows)
{
	held->region = region;
	held->batch = batch_of_adds(operands, rows);
	held->batch.parallelism = 1;
	held->page = (char *)operands + rows * 8UL / PAGE_BYTES * PAGE_BYTES;
	held->fault = begin_waiting(held->page, PAGE_BYTES);
	return held->fault >= 0;
}

TEST_F(stats, one_that_is_under_way)
{
	struct held held;
	pthread_t thread;

	ASSERT_TRUE(hold(&held, self->region, self->operands, 16));
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_held, &held));
	ASSERT_TRUE(await_readers(held.fault, 1));
	self->expected.in_flight = 1;
	EXPECT_TRUE(are_counted(self->region, &self->expected));

	ASSERT_TRUE(end_waiting(held.fault, held.page, PAGE_BYTES));
	pthread_join(thread, NULL);
	close(held.fault);
	ASSERT_EQ(0, held.ret);
	self->expected.in_flight = 0;
	self->expected.batches = 1;
	expect_rows(&self->expected, SHATOMIC_OP_FETCH_AND_ADD, 16);
	EXPECT_TRUE(are_counted(self->region, &self->expected));
}

/* Begun while it is on, ended while it is off, and the other way round. */
TEST_F(stats, turned_off_and_on_meanwhile)
{
	struct shatomic_batch batch = batch_of_adds(self->operands, 10);
	struct held held;
	pthread_t thread;
	int on;

	for (on = 1; on >= 0; on--) {
		ASSERT_EQ(0, write_text(PARAMETER, on ? "Y" : "N"));
		ASSERT_TRUE(hold(&held, self->region, self->operands, 16));
		ASSERT_EQ(0, pthread_create(&thread, NULL, run_held, &held));
		ASSERT_TRUE(await_readers(held.fault, 1));
		ASSERT_EQ(0, write_text(PARAMETER, on ? "N" : "Y"));
		ASSERT_TRUE(end_waiting(held.fault, held.page, PAGE_BYTES));
		pthread_join(thread, NULL);
		close(held.fault);
		ASSERT_EQ(0, held.ret);
		/* To be kept from their reader again. */
		ASSERT_EQ(0, madvise(self->operands, OPERAND_BYTES,
				     MADV_DONTNEED));

		self->expected.counting = !on;
		if (on)
			self->expected.batches++;
		else
			expect_rows(&self->expected, SHATOMIC_OP_FETCH_AND_ADD,
				    16);
		EXPECT_TRUE(are_counted(self->region, &self->expected));
	}

	ASSERT_EQ(0, write_text(PARAMETER, "0"));
	ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
	self->expected.counting = 0;
	EXPECT_TRUE(are_counted(self->region, &self->expected));
	EXPECT_NE(0, write_text(PARAMETER, "perhaps"));
	EXPECT_TRUE(are_counted(self->region, &self->expected));
	ASSERT_EQ(0, write_text(PARAMETER, "1"));
	self->expected.counting = 1;
	EXPECT_TRUE(are_counted(self->region, &self->expected));
}

static uint64_t sum_of_words(const struct shatomic_region *region)
{
	const uint64_t *words = shatomic_buf(region, NULL);
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		sum += words[i];
	return sum;
}

/* Until nothing of killed callers is under way any more. */
static bool is_quiet(struct shatomic_region *region)
{
	struct shatomic_ioc_info info = { .size = sizeof(info) };
	struct shatomic_stats stats;
	int device = open("/dev/shatomic", O_RDWR | O_CLOEXEC), i;

	for (i = 0; i < 1500; i++) {
		if (!ioctl(device, SHATOMIC_IOC_INFO, &info) &&
		    !info.batches && !shatomic_stats(region, &stats) &&
		    !stats.in_flight)
			break;
		usleep(10000);
	}
	close(device);
	return i < 1500;
}

/* Each row adds 1: words tell how many ran, whoever ran them. */
TEST_F(stats, callers_that_are_killed)
{
	struct shatomic_stats stats;
	unsigned int i;
	pid_t pid;

	for (i = 0; i < ROWS; i++)
		self->operands[i] = 1;
	for (i = 0; i < 20; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			struct shatomic_batch batch =
				batch_of_adds(self->operands, ROWS);

			batch.parallelism = 2;
			for (;;)
				shatomic_batch_run(self->region, &batch);
		}
		usleep(10000 + next_random() % 50000);
		kill(pid, SIGKILL);
		ASSERT_EQ(256 + SIGKILL, wait_child(pid));
	}
	ASSERT_TRUE(is_quiet(self->region));
	ASSERT_EQ(0, shatomic_stats(self->region, &stats));
	EXPECT_LT(0U, stats.rows);
	EXPECT_LT(0U, stats.errors);
	EXPECT_GE(20U, stats.errors);
	EXPECT_EQ(sum_of_words(self->region), stats.rows);
	EXPECT_EQ(stats.rows, stats.op_rows[SHATOMIC_OP_FETCH_AND_ADD]);
}

TEST_F(stats, the_library_says_what_is_missing)
{
	struct shatomic_create_options options = {
		.backend = SHATOMIC_BACKEND_MEMFD, .size = 4096,
	};
	struct shatomic_stats stats = { .rows = 7 };
	struct shatomic_region *region;

	ASSERT_EQ(0, shatomic_create(&options, &region));
	EXPECT_EQ(-EOPNOTSUPP, shatomic_stats(region, &stats));
	EXPECT_NE(NULL, strstr(shatomic_error(), "memfd"));
	EXPECT_EQ(7U, stats.rows);
	shatomic_close(region);
	EXPECT_EQ(-EINVAL, shatomic_stats(NULL, &stats));
	EXPECT_EQ(-EINVAL, shatomic_stats(self->region, NULL));
}

TEST_HARNESS_MAIN
