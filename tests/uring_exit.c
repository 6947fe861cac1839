// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches by io_uring whose submitter ends, or ends what they need, while they
 * are in flight: nothing of them is left, and nobody waits for ever. Some are
 * in the middle by chance, some because memory that they read is kept from
 * them, by userfaultfd.
 */
#include "device.h"
#include "waiting.h"

#include <liburing.h>
#include <pthread.h>
#include <signal.h>

#define PAGE_BYTES 4096
#define REGION_BYTES (1U << 20)
/* Shared by two CPUs, each of which goes through all rows. */
#define ROWS 100000U
#define COLUMN_BYTES (ROWS * 8UL / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES)
#define BATCHES 4

/* What a process has submitted. */
struct submission {
	int device;
	struct shatomic_ioc_info before;
	int region;
	/* Its mapping, which goes with the process's memory. */
	void *words;
	struct io_uring ring;
	struct shatomic_ioc_batch batches[BATCHES];
	/* Keeps the operands from their readers, or -1. */
	int fault;
	char *operands;
};

/*
 * Whether all is back when the ring is entered meanwhile: with DEFER_TASKRUN a
 * command's file may be let go of, after its completion, only then.
 */
static bool all_is_back_with_ring(struct submission *own)
{
	unsigned int i;

	for (i = 0; i < 1500; i++) {
		if (is_back(own->device, &own->before))
			return true;
		usleep(10000);
		io_uring_get_events(&own->ring);
	}
	return false;
}

static int create_region(int device)
{
	struct shatomic_ioc_create create = { .size = sizeof(create),
					      .region_size = REGION_BYTES };

	return ioctl(device, SHATOMIC_IOC_CREATE, &create) ? -1 : create.fd;
}

static void *new_column(void)
{
	void *column = mmap(NULL, COLUMN_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return column == MAP_FAILED ? NULL : column;
}

/* Whoever reads the last page of the operands waits. */
static bool hold(struct submission *own)
{
	own->fault = begin_waiting(own->operands + COLUMN_BYTES - PAGE_BYTES,
				   PAGE_BYTES);
	return own->fault >= 0;
}

static bool let_go(struct submission *own)
{
	return own->fault < 0 ||
	       end_waiting(own->fault,
			   own->operands + COLUMN_BYTES - PAGE_BYTES,
			   PAGE_BYTES);
}

/* Until both CPUs that share a batch wait; or for some time. */
static bool wait_until_in_the_middle(struct submission *own)
{
	if (own->fault < 0) {
		usleep(next_random() % 20000);
		return true;
	}
	return await_readers(own->fault, 2) &&
	       get_info(own->device).batches > own->before.batches;
}

static void queue_batch(struct submission *own, unsigned int i,
			const uint64_t *offsets, uint64_t *results)
{
	struct shatomic_uring_batch payload = {
		.args = (uintptr_t)&own->batches[i],
		.size = sizeof(own->batches[i]),
	};
	struct io_uring_sqe *sqe = io_uring_get_sqe(&own->ring);

	own->batches[i] = (struct shatomic_ioc_batch){
		.size = sizeof(own->batches[i]),
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8, .rows = ROWS,
		.parallelism = 2, .offsets = (uintptr_t)offsets,
		.operands = (uintptr_t)own->operands,
		.results = (uintptr_t)results,
	};
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, own->region, NULL, 0, 0);
	sqe->cmd_op = SHATOMIC_IOC_BATCH;
	memcpy(sqe->cmd, &payload, sizeof(payload));
}

/* The result of the next completion, or a negative number. */
static int reap(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int res;

	if (io_uring_wait_cqe(ring, &cqe))
		return -1;
	res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

static void drop_region(struct submission *own)
{
	munmap(own->words, REGION_BYTES);
	close(own->region);
}

/* Ways to end. */

static void end_by_exit(struct submission *own)
{
	(void)own;
	_exit(0);
}

static void end_by_exec(struct submission *own)
{
	(void)own;
	execlp("true", "true", NULL);
	_exit(10);
}

static void end_by_signal(struct submission *own)
{
	(void)own;
	kill(getpid(), SIGKILL);
}

static void end_ring(struct submission *own)
{
	io_uring_queue_exit(&own->ring);
	if (!let_go(own))
		_exit(11);
	drop_region(own);
	_exit(all_is_back(own->device, &own->before) ? 0 : 12);
}

/* Without a descriptor the batches come to their ends, then the region does. */
static void end_region(struct submission *own)
{
	unsigned int i;

	drop_region(own);
	if (!let_go(own))
		_exit(13);
	for (i = 0; i < BATCHES; i++) {
		if (reap(&own->ring) != (int)ROWS)
			_exit(14);
	}
	_exit(all_is_back_with_ring(own) ? 0 : 15);
}

static void *outlive(void *arg)
{
	struct submission *own = arg;

	usleep(20000);
	if (!let_go(own))
		_exit(16);
	/* The ring may be the exited thread's, which it stays until then. */
	io_uring_queue_exit(&own->ring);
	drop_region(own);
	_exit(all_is_back(own->device, &own->before) ? 0 : 17);
}

/* The thread that submitted, which is the process's first. */
static void end_thread(struct submission *own)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, outlive, own))
		_exit(18);
	pthread_exit(NULL);
}

/* A process that submits batches, and ends when they are in the middle. */
static void submit_and_end(unsigned int setup, bool wait,
			   void (*end)(struct submission *own))
{
	static struct submission own;
	uint64_t *offsets = new_column();
	unsigned int i;

	own.fault = -1;
	own.operands = new_column();
	own.device = open(DEVICE, O_RDWR | O_CLOEXEC);
	own.before = get_info(own.device);
	own.region = create_region(own.device);
	own.words = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED, own.region, 0);
	if (!offsets || !own.operands || own.words == MAP_FAILED ||
	    (wait && !hold(&own)) ||
	    io_uring_queue_init(BATCHES, &own.ring, setup))
		_exit(20);
	for (i = 0; i < ROWS; i++)
		offsets[i] = next_random() % (REGION_BYTES / 8) * 8;
	for (i = 0; i < BATCHES; i++)
		queue_batch(&own, i, offsets, new_column());
	if (io_uring_submit(&own.ring) < 1)
		_exit(21);
	/* A thread of the kernel may have yet to take them. */
	while (io_uring_sq_ready(&own.ring))
		usleep(100);
	if (!wait_until_in_the_middle(&own))
		_exit(22);
	end(&own);
}

FIXTURE(uring_exit)
{
	int device;
	struct shatomic_ioc_info before;
};

FIXTURE_VARIANT(uring_exit)
{
	bool wait;
	unsigned int rounds;
};

/* By chance, often; and for sure. */
FIXTURE_VARIANT_ADD(uring_exit, running) { .wait = false, .rounds = 9 };
FIXTURE_VARIANT_ADD(uring_exit, waiting) { .wait = true, .rounds = 3 };

FIXTURE_SETUP(uring_exit)
{
	seed_random();
	self->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->device);
	self->before = get_info(self->device);
}

FIXTURE_TEARDOWN(uring_exit)
{
	EXPECT_TRUE(all_is_back(self->device, &self->before));
	close(self->device);
}

static void end_often(struct __test_metadata *_metadata,
		      FIXTURE_DATA(uring_exit) *self, bool wait,
		      unsigned int rounds, int status,
		      void (*end)(struct submission *own))
{
	static const unsigned int setups[] = {
		0, IORING_SETUP_SQPOLL,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	unsigned int i;
	pid_t child;

	for (i = 0; i < rounds; i++) {
		next_random();
		child = fork();
		ASSERT_LE(0, child);
		if (!child)
			submit_and_end(setups[i % COUNT_OF(setups)], wait, end);
		EXPECT_EQ(status, wait_child(child))
		{
			TH_LOG("ring %u", i % (unsigned int)COUNT_OF(setups));
		}
		/* Those of the next count from here on. */
		ASSERT_TRUE(all_is_back(self->device, &self->before));
	}
}

/*
 * Whether a program that is executed ends io_uring's threads that wait for
 * memory, as those of 6.12 do not, whatever their command: here it is a write.
 */
static bool exec_ends_waiting(void)
{
	unsigned int i;
	pid_t child = fork();

	if (!child) {
		struct submission own = { .operands = new_column() };
		struct io_uring_sqe *sqe;

		if (!hold(&own) || io_uring_queue_init(1, &own.ring, 0))
			_exit(1);
		sqe = io_uring_get_sqe(&own.ring);
		io_uring_prep_write(sqe, memfd_create("file", 0),
				    own.operands + COLUMN_BYTES - PAGE_BYTES,
				    PAGE_BYTES, 0);
		sqe->flags |= IOSQE_ASYNC;
		io_uring_submit(&own.ring);
		await_readers(own.fault, 1);
		end_by_exec(&own);
	}
	for (i = 0; i < 1000; i++) {
		if (waitpid(child, NULL, WNOHANG) == child)
			return true;
		usleep(10000);
	}
	kill(child, SIGKILL);
	wait_child(child);
	return false;
}

#define TEST_END(name, end, status)                                           \
	TEST_F_TIMEOUT(uring_exit, name, 120)                                 \
	{                                                                     \
		if ((end) == end_by_exec && variant->wait &&                  \
		    !exec_ends_waiting())                                     \
			SKIP(return, "io_uring of this kernel hangs there");  \
		end_often(_metadata, self, variant->wait, variant->rounds,    \
			  status, end);                                       \
	}

TEST_END(submitter_exits, end_by_exit, 0)
TEST_END(submitter_executes_another_program, end_by_exec, 0)
TEST_END(submitter_is_killed, end_by_signal, 256 + SIGKILL)
TEST_END(ring_is_closed, end_ring, 0)
TEST_END(region_is_closed, end_region, 0)
TEST_END(submitting_thread_exits, end_thread, 0)

/* Who keeps the memory from its readers is another process, which lives on. */
static pid_t *keeper;

static void end_before_keeper(struct submission *own)
{
	pid_t pid = fork();

	if (!pid) {
		close(own->ring.ring_fd);
		drop_region(own);
		for (;;)
			pause();
	}
	*keeper = pid;
	kill(getpid(), SIGKILL);
}

/* The submitter's memory stays for those who read it, and goes with them. */
TEST(submitter_is_killed_and_its_memory_kept_waiting)
{
	int device = open(DEVICE, O_RDWR | O_CLOEXEC), fd;
	struct shatomic_ioc_info before = get_info(device);
	uint64_t offset = 0, operand = 1, result = 1;
	struct shatomic_ioc_batch batch = {
		.size = sizeof(batch), .op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8, .rows = 1, .offsets = (uintptr_t)&offset,
		.operands = (uintptr_t)&operand,
		.results = (uintptr_t)&result,
	};
	pid_t child;

	seed_random();
	keeper = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, keeper);
	child = fork();
	if (!child)
		submit_and_end(0, true, end_before_keeper);
	EXPECT_EQ(256 + SIGKILL, wait_child(child));
	/* Nobody else waits. */
	fd = create_region(device);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, ioctl(fd, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(0, result);
	close(fd);
	ASSERT_LT(0, *keeper);
	EXPECT_EQ(0, kill(*keeper, SIGKILL));
	EXPECT_TRUE(all_is_back(device, &before));
	close(device);
}

TEST_HARNESS_MAIN
