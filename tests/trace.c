// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's tracepoints: they fire for regions and for batches of each way,
 * with fields that are those of what was done. Root runs it, in a kernel that has
 * tracefs mounted.
 */
#include "common.h"

#include <inttypes.h>
#include <liburing.h>

#define TRACING "/sys/kernel/tracing"
#define INSTANCE TRACING "/instances/shatomic-test"
/*
 * Whether tracing keeps the names of threads, for which it patches the scheduler.
 * QEMU before 8.1 may keep half of a patch, and a CPU that schedules meanwhile
 * hangs in it. An instance takes the setting over when it is made.
 */
#define KEEPS_NAMES TRACING "/options/record-cmd"
#define WORDS 512
/* Enough to be shared between CPUs. */
#define ROWS 100000U

static uint64_t offsets[ROWS], operands[ROWS], results[ROWS];
static uint8_t ops[ROWS];

/* What was traced, as text. */
static char trace[1 << 20];

FIXTURE(trace)
{
	struct shatomic_region *region;
	uint64_t inode;
};

static uint64_t inode_of(const struct shatomic_region *region)
{
	struct stat stat;

	return fstat(shatomic_fd(region), &stat) ? 0 : stat.st_ino;
}

FIXTURE_SETUP(trace)
{
	struct shatomic_create_options options = {
		.backend = SHATOMIC_BACKEND_DEVICE, .size = WORDS * 8,
	};
	unsigned int i;

	seed_random();
	for (i = 0; i < ROWS; i++) {
		offsets[i] = next_random() % WORDS * 8;
		ops[i] = i % 2 ? SHATOMIC_OP_GET : SHATOMIC_OP_FETCH_AND_ADD;
	}
	ASSERT_EQ(0, shatomic_create(&options, &self->region))
	{
		TH_LOG("%s", shatomic_error());
	}
	self->inode = inode_of(self->region);
	rmdir(INSTANCE);
	ASSERT_EQ(0, write_text(KEEPS_NAMES, "0"));
	ASSERT_EQ(0, mkdir(INSTANCE, 0700))
	{
		TH_LOG(INSTANCE ": %s", strerror(errno));
	}
	ASSERT_EQ(0, write_text(INSTANCE "/events/shatomic/enable", "1"));
}

FIXTURE_TEARDOWN(trace)
{
	EXPECT_EQ(0, write_text(INSTANCE "/events/shatomic/enable", "0"));
	EXPECT_EQ(0, rmdir(INSTANCE));
	EXPECT_EQ(0, write_text(KEEPS_NAMES, "1"));
	shatomic_close(self->region);
}

static bool read_trace(void)
{
	int fd = open(INSTANCE "/trace", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got = -1;

	while (fd >= 0 && length < sizeof(trace) - 1) {
		got = read(fd, trace + length, sizeof(trace) - 1 - length);
		if (got <= 0)
			break;
		length += got;
	}
	trace[length] = '\0';
	close(fd);
	return !got;
}

/* One event: what is behind its name, and the thread it is of. */
struct event {
	char text[256];
	int thread;
};

/*
 * The next event of that name about an inode; *at, the beginning at first, goes
 * behind it. An event's line begins with its thread: NAME-NUMBER [CPU].
 */
static bool next_event(const char **at, const char *name, uint64_t inode,
		       struct event *event)
{
	char wanted[80];
	const char *line, *found, *bracket;

	if (!*at)
		*at = trace;
	snprintf(wanted, sizeof(wanted), "%s: inode=%" PRIu64 " ", name, inode);
	found = strstr(*at, wanted);
	if (!found)
		return false;
	for (line = found; line > trace && line[-1] != '\n'; line--)
		;
	bracket = strstr(line, " [");
	while (bracket > line && *bracket == ' ')
		bracket--;
	while (bracket > line && *bracket != '-')
		bracket--;
	event->thread = atoi(bracket + 1);
	snprintf(event->text, sizeof(event->text), "%.*s",
		 (int)strcspn(found + strlen(name) + 2, "\n"),
		 found + strlen(name) + 2);
	*at = found + strlen(wanted);
	return true;
}

/* Whether there is just one such event, of our thread, with that text. */
static bool is_traced(const char *name, uint64_t inode, const char *rest)
{
	struct event event, another;
	const char *at = NULL;
	char text[256];

	snprintf(text, sizeof(text), "inode=%" PRIu64 " %s", inode, rest);
	if (!next_event(&at, name, inode, &event)) {
		printf("# no %s\n", name);
	} else if (next_event(&at, name, inode, &another)) {
		printf("# a second %s: %s\n", name, another.text);
	} else if (strcmp(event.text, text)) {
		printf("# %s: '%s' instead of '%s'\n", name, event.text, text);
	} else if (event.thread != getpid()) {
		printf("# %s: thread %d instead of %d\n", name, event.thread,
		       getpid());
	} else {
		return true;
	}
	fflush(stdout);
	return false;
}

static bool is_started(uint64_t inode, uint64_t rows)
{
	char rest[128];

	snprintf(rest, sizeof(rest),
		 "caller=%d first=0 rows=%" PRIu64 " lane=0 lanes=1", getpid(),
		 rows);
	return is_traced("shatomic_batch_start", inode, rest);
}

static struct shatomic_batch batch_of_adds(unsigned int rows)
{
	return (struct shatomic_batch){
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 4, .rows = rows,
		.offsets = offsets, .operands = operands, .results = results,
	};
}

TEST_F(trace, regions)
{
	struct shatomic_create_options options = {
		.backend = SHATOMIC_BACKEND_DEVICE, .size = 5000,
		.name = "traced",
	};
	struct shatomic_region *region;
	uint64_t inode;

	ASSERT_EQ(0, shatomic_create(&options, &region))
	{
		TH_LOG("%s", shatomic_error());
	}
	inode = inode_of(region);
	ASSERT_TRUE(read_trace());
	EXPECT_TRUE(is_traced("shatomic_region_create", inode,
			      "bytes=5000 huge_bytes=0 flags=0x4"));
	EXPECT_FALSE(next_event(&(const char *){ NULL },
				"shatomic_region_free", inode,
				&(struct event){}));
	shatomic_unlink(SHATOMIC_BACKEND_DEVICE, "traced");
	shatomic_close(region);
	ASSERT_TRUE(read_trace());
	EXPECT_TRUE(is_traced("shatomic_region_free", inode, "bytes=5000"));
}

/* One whose CPU has memory ready for it. */
TEST_F(trace, small_batch)
{
	struct shatomic_batch batch = batch_of_adds(10);

	batch.flags = SHATOMIC_BATCH_UNORDERED;
	batch.parallelism = 3;
	ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
	ASSERT_TRUE(read_trace());
	EXPECT_TRUE(is_traced("shatomic_batch_submit", self->inode,
			      "op=fetch_and_add width=4 rows=10 flags=0x1 parallelism=3"));
	EXPECT_TRUE(is_started(self->inode, 10));
	EXPECT_TRUE(is_traced("shatomic_batch_complete", self->inode,
			      "op=fetch_and_add rows=10 rows_done=10 error=0 error_row=-1 error_field=0 cpus=1"));
}

/* One that takes memory of its own, as those with peers do. */
TEST_F(trace, batch_with_a_peer)
{
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_STORE, .width = 8, .rows = 12,
		.offsets = offsets, .peers = &self->region, .peer_count = 1,
		.peer_offsets = offsets,
	};

	ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
	ASSERT_TRUE(read_trace());
	EXPECT_TRUE(is_started(self->inode, 12));
	EXPECT_TRUE(is_traced("shatomic_batch_complete", self->inode,
			      "op=store rows=12 rows_done=12 error=0 error_row=-1 error_field=0 cpus=1"));
}

TEST_F(trace, batch_without_rows)
{
	struct shatomic_batch batch = batch_of_adds(0);
	const char *at = NULL;
	struct event event;

	ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
	ASSERT_TRUE(read_trace());
	EXPECT_TRUE(is_traced("shatomic_batch_submit", self->inode,
			      "op=fetch_and_add width=4 rows=0 flags=0x0 parallelism=0"));
	EXPECT_FALSE(next_event(&at, "shatomic_batch_start", self->inode,
				&event));
	EXPECT_TRUE(is_traced("shatomic_batch_complete", self->inode,
			      "op=fetch_and_add rows=0 rows_done=0 error=0 error_row=-1 error_field=0 cpus=1"));
}

TEST_F(trace, batch_of_several_operations)
{
	struct shatomic_batch batch = batch_of_adds(10);

	batch.op = 0;
	batch.ops = ops;
	ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
	ASSERT_TRUE(read_trace());
	EXPECT_TRUE(is_traced("shatomic_batch_submit", self->inode,
			      "op=mixed width=4 rows=10 flags=0x0 parallelism=0"));
	EXPECT_TRUE(is_traced("shatomic_batch_complete", self->inode,
			      "op=mixed rows=10 rows_done=10 error=0 error_row=-1 error_field=0 cpus=1"));
}

/* -34 is -ERANGE, 6 SHATOMIC_FIELD_OFFSETS. */
TEST_F(trace, batch_that_is_refused)
{
	struct shatomic_batch batch = batch_of_adds(10);
	const char *at = NULL;
	struct event event;

	offsets[7] = WORDS * 8;
	ASSERT_EQ(-ERANGE, shatomic_batch_run(self->region, &batch));
	ASSERT_TRUE(read_trace());
	EXPECT_FALSE(next_event(&at, "shatomic_batch_start", self->inode,
				&event));
	EXPECT_TRUE(is_traced("shatomic_batch_complete", self->inode,
			      "op=fetch_and_add rows=10 rows_done=0 error=-34 error_row=7 error_field=6 cpus=1"));
}

TEST_F(trace, batch_by_io_uring)
{
	struct shatomic_ioc_batch batch = {
		.size = sizeof(batch), .op = SHATOMIC_OP_SET, .width = 8,
		.rows = 5, .offsets = (uintptr_t)offsets,
		.operands = (uintptr_t)operands,
	};
	struct shatomic_uring_batch payload = { .args = (uintptr_t)&batch,
						.size = sizeof(batch) };
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;

	ASSERT_EQ(0, io_uring_queue_init(4, &ring, 0));
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, shatomic_fd(self->region),
			 NULL, 0, 0);
	sqe->cmd_op = SHATOMIC_IOC_BATCH;
	memcpy(sqe->cmd, &payload, sizeof(payload));
	ASSERT_EQ(1, io_uring_submit(&ring));
	ASSERT_EQ(0, io_uring_wait_cqe(&ring, &cqe));
	ASSERT_EQ(5, cqe->res);
	io_uring_queue_exit(&ring);
	ASSERT_TRUE(read_trace());
	EXPECT_TRUE(is_started(self->inode, 5));
	EXPECT_TRUE(is_traced("shatomic_batch_complete", self->inode,
			      "op=set rows=5 rows_done=5 error=0 error_row=-1 error_field=0 cpus=1"));
}

/* What the starts of one batch tell. */
struct shares {
	unsigned int count;
	uint64_t rows;
	unsigned int lanes, lanes_seen;
	bool strangers; /* some are of another caller */
	unsigned int threads; /* that run it, and the caller */
	int ids[16];
};

static void add_thread(struct shares *shares, int thread)
{
	unsigned int i;

	for (i = 0; i < shares->threads; i++) {
		if (shares->ids[i] == thread)
			return;
	}
	if (i < COUNT_OF(shares->ids))
		shares->ids[shares->threads++] = thread;
}

static bool read_shares(uint64_t inode, struct shares *shares)
{
	static bool begun[ROWS];
	uint64_t first, rows;
	unsigned int lane, lanes;
	const char *at = NULL;
	struct event event;
	int caller;

	memset(shares, 0, sizeof(*shares));
	memset(begun, 0, sizeof(begun));
	add_thread(shares, getpid());
	while (next_event(&at, "shatomic_batch_start", inode, &event)) {
		if (sscanf(event.text, "inode=%*u caller=%d first=%" SCNu64
			   " rows=%" SCNu64 " lane=%u lanes=%u", &caller,
			   &first, &rows, &lane, &lanes) != 5 || first >= ROWS)
			return false;
		/* No share is taken twice. */
		if (lanes == 1 && begun[first])
			return false;
		begun[first] = true;
		shares->count++;
		shares->rows += rows;
		shares->lanes = lanes;
		shares->lanes_seen |= 1U << lane;
		shares->strangers |= caller != getpid();
		add_thread(shares, event.thread);
	}
	return true;
}

/* In slices: each row is in one share. */
TEST_F(trace, batch_in_slices)
{
	struct shatomic_batch batch = batch_of_adds(ROWS);
	struct shares shares;
	char rest[160];

	batch.flags = SHATOMIC_BATCH_UNORDERED;
	batch.parallelism = 2;
	ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
	ASSERT_TRUE(read_trace());
	ASSERT_TRUE(read_shares(self->inode, &shares));
	EXPECT_LT(1U, shares.count);
	EXPECT_EQ(1U, shares.lanes);
	EXPECT_EQ(ROWS, shares.rows);
	EXPECT_FALSE(shares.strangers);
	snprintf(rest, sizeof(rest),
		 "op=fetch_and_add rows=%u rows_done=%u error=0 error_row=-1 error_field=0 cpus=%u",
		 ROWS, ROWS, shares.threads);
	EXPECT_TRUE(is_traced("shatomic_batch_complete", self->inode, rest));
}

/* In lanes: each share is of all rows, and each lane is somebody's. */
TEST_F(trace, batch_in_lanes)
{
	struct shatomic_batch batch = batch_of_adds(ROWS);
	struct shares shares;
	char rest[160];

	batch.parallelism = 2;
	ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
	ASSERT_TRUE(read_trace());
	ASSERT_TRUE(read_shares(self->inode, &shares));
	EXPECT_EQ(2U, shares.count);
	EXPECT_EQ(2U, shares.lanes);
	EXPECT_EQ(3U, shares.lanes_seen);
	EXPECT_EQ(2ULL * ROWS, shares.rows);
	EXPECT_FALSE(shares.strangers);
	snprintf(rest, sizeof(rest),
		 "op=fetch_and_add rows=%u rows_done=%u error=0 error_row=-1 error_field=0 cpus=%u",
		 ROWS, ROWS, shares.threads);
	EXPECT_TRUE(is_traced("shatomic_batch_complete", self->inode, rest));
}

/* A field can be filtered by, as with any event. */
TEST_F(trace, filtered_by_rows)
{
	struct shatomic_batch batch = batch_of_adds(10);

	ASSERT_EQ(0, write_text(INSTANCE "/events/shatomic/shatomic_batch_submit/filter",
			       "rows > 10 && op == 6"));
	ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
	batch.rows = 11;
	ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
	ASSERT_TRUE(read_trace());
	EXPECT_TRUE(is_traced("shatomic_batch_submit", self->inode,
			      "op=fetch_and_add width=4 rows=11 flags=0x0 parallelism=0"));
}

TEST_HARNESS_MAIN
