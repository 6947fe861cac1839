// SPDX-License-Identifier: GPL-2.0-only
/*
 * What may be done at once is done at once, on two CPUs: batches whose columns
 * are the same memory, parameters that are set, modes, owners and CPUs that
 * change, regions that are opened while they end. All of it comes to something
 * that it may come to; a kernel that looks for data races (KCSAN) tells the rest.
 */
#include "harness.h"
#include "names.h"

#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define DEVICE "/dev/shatomic"
#define PARAMETERS "/sys/module/shatomic/parameters/"
#define DEBUG "/sys/kernel/debug/shatomic/"

/* Rows are on the first of these words, or on as many as there are rows. */
#define WORDS 512
#define REGION_BYTES 8192
/* Of huge pages, where there are such: in others no column is in one piece. */
#define COLUMNS_BYTES (4UL << 20)
#define MAX_ROWS 40000
/* A column, of doubles too. */
#define COLUMN_BYTES (MAX_ROWS * 16UL)

/* How often each step is done while the other is. */
#define TIMES 500
#define MOST_ROWS 100000

/*
 * KCSAN looks at a sample of what each thread accesses, one of so many: of 4000
 * as a rule.
 */
#define SAMPLE "/sys/module/kcsan/parameters/skip_watch"

FIXTURE(races)
{
	int device;
	int region;
	int columns;
	uint64_t *words;
	unsigned char *columns_memory;
	uint64_t *offsets;
	uint64_t *values[4];
	uint8_t *ops;
	uint8_t *statuses;
	/* What is done meanwhile, and by whom. */
	void (*meanwhile)(FIXTURE_DATA(races) *self);
	bool stop;
	pid_t thread;
	struct shatomic_ioc_batch batch;
	unsigned int failures;
	int names;
	int passing;
};

#define NAME "races"

static int create(FIXTURE_DATA(races) *self, uint64_t size)
{
	struct shatomic_ioc_create args = { .size = sizeof(args),
					    .region_size = size };

	return ioctl(self->device, SHATOMIC_IOC_CREATE, &args) ? -1 : args.fd;
}

FIXTURE_SETUP(races)
{
	unsigned int i;

	self->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->device);
	self->names = new_names();
	ASSERT_LE(0, self->names);
	self->region = create(self, REGION_BYTES);
	self->columns = create(self, COLUMNS_BYTES);
	self->words = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE,
			   MAP_SHARED, self->region, 0);
	ASSERT_NE(MAP_FAILED, self->words);
	self->columns_memory = mmap(NULL, COLUMNS_BYTES, PROT_READ | PROT_WRITE,
				    MAP_SHARED, self->columns, 0);
	ASSERT_NE(MAP_FAILED, self->columns_memory);
	for (i = 0; i < COUNT_OF(self->values); i++)
		self->values[i] = (uint64_t *)(self->columns_memory +
					       i * COLUMN_BYTES);
	self->offsets = (uint64_t *)(self->columns_memory + 4 * COLUMN_BYTES);
	self->ops = self->columns_memory + 5 * COLUMN_BYTES;
	self->statuses = self->ops + MAX_ROWS;
	self->passing = -1;
	if (!access(SAMPLE, F_OK))
		ASSERT_EQ(0, write_text(SAMPLE, "200"));
}

FIXTURE_TEARDOWN(races)
{
	if (!access(SAMPLE, F_OK))
		EXPECT_EQ(0, write_text(SAMPLE, "4000"));
	munmap(self->columns_memory, COLUMNS_BYTES);
}

static void *run_meanwhile(void *arg)
{
	FIXTURE_DATA(races) *self = arg;

	take_a_cpu();
	while (!__atomic_load_n(&self->stop, __ATOMIC_ACQUIRE))
		self->meanwhile(self);
	return NULL;
}

/* Have @step done so often, and @meanwhile by another thread for as long. */
static bool run_beside(FIXTURE_DATA(races) *self,
		       void (*step)(FIXTURE_DATA(races) *self),
		       void (*meanwhile)(FIXTURE_DATA(races) *self),
		       unsigned int times)
{
	pthread_t thread;

	self->meanwhile = meanwhile;
	self->stop = false;
	self->thread = syscall(SYS_gettid);
	if (pthread_create(&thread, NULL, run_meanwhile, self))
		return false;
	while (times--)
		step(self);
	__atomic_store_n(&self->stop, true, __ATOMIC_RELEASE);
	return !pthread_join(thread, NULL);
}

static void count_failure(FIXTURE_DATA(races) *self)
{
	__atomic_fetch_add(&self->failures, 1, __ATOMIC_RELAXED);
}

/* Kinds of rows, each of which the engine runs in a way of its own. */
static const struct shape {
	const char *name;
	uint32_t op;
	uint32_t width;
	uint32_t rows;
	uint32_t flags;
	bool one_word;
	bool mixed;
} shapes[] = {
	{ "words", SHATOMIC_OP_FETCH_AND_ADD, 8, .rows = 1000 },
	{ "halves of words", SHATOMIC_OP_SET, 4, .rows = 1000 },
	{ "one word", SHATOMIC_OP_FETCH_AND_ADD, 8, .rows = 1000,
	  .one_word = true },
	{ "one half of a word", SHATOMIC_OP_FETCH_AND_UMAX, 4, .rows = 1000,
	  .one_word = true },
	{ "words to compare", SHATOMIC_OP_COMPARE_AND_SET_VALUE, 8, .rows = 1000 },
	{ "one word to compare", SHATOMIC_OP_FETCH_AND_ADD_BOUNDED, 8, 1000,
	  .one_word = true },
	{ "words with masks", SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE, 8,
	  .rows = 1000 },
	{ "fields", SHATOMIC_OP_FETCH_AND_SMIN, 3, .rows = 1000 },
	{ "several operations", 0, 4, .rows = 1000, .mixed = true },
	{ "doubles", SHATOMIC_OP_FETCH_AND_ADD, 16, .rows = 500 },
	{ "a snapshot", SHATOMIC_OP_GET, 8, .rows = 100,
	  .flags = SHATOMIC_BATCH_SNAPSHOT },
	{ "many words", SHATOMIC_OP_ADD_AND_FETCH, 8, .rows = MAX_ROWS },
	{ "many doubles", SHATOMIC_OP_ADD_AND_FETCH, 16,
	  .rows = MAX_ROWS },
};

static void make_batch(FIXTURE_DATA(races) *self, const struct shape *shape)
{
	static const uint8_t ops[] = {
		SHATOMIC_OP_GET, SHATOMIC_OP_FETCH_AND_ADD,
		SHATOMIC_OP_COMPARE_AND_SET_VALUE, SHATOMIC_OP_FETCH_AND_UMIN,
		SHATOMIC_OP_XOR_AND_FETCH,
	};
	uint32_t step = shape->width > 8 ? 16 : 8, i;

	for (i = 0; i < shape->rows; i++) {
		self->offsets[i] = shape->one_word ? 0 :
				   i * step % (WORDS * 8);
		self->ops[i] = ops[i % COUNT_OF(ops)];
	}
	memset(self->words, 0, REGION_BYTES);
	self->batch = (struct shatomic_ioc_batch) {
		.size = sizeof(self->batch), .op = shape->op,
		.width = shape->width, .rows = shape->rows,
		.flags = shape->flags | SHATOMIC_BATCH_COLUMNS_IN_REGION,
		.columns = self->columns,
		.columns_base = (uintptr_t)self->columns_memory,
		.offsets = (uintptr_t)self->offsets,
		.operands = (uintptr_t)self->values[0],
		.comparands = (uintptr_t)self->values[1],
		.masks = (uintptr_t)self->values[2],
		.comparand_masks = (uintptr_t)self->values[3],
		/* In place of the operands, as is allowed. */
		.results = (uintptr_t)self->values[0],
		.statuses = (uintptr_t)self->statuses,
		.ops = shape->mixed ? (uintptr_t)self->ops : 0,
		.parallelism = 2,
	};
}

static void run_batch(FIXTURE_DATA(races) *self)
{
	struct shatomic_ioc_batch batch = self->batch;
	bool is_snapshot = batch.flags & SHATOMIC_BATCH_SNAPSHOT;

	/* Who else writes results makes a snapshot of other values. */
	if (ioctl(self->region, SHATOMIC_IOC_BATCH, &batch) ?
		    !is_snapshot || errno != EBUSY :
		    batch.rows_done != batch.rows)
		count_failure(self);
}

/* The same batch, and columns that others write to meanwhile. */
static void run_batch_and_change(FIXTURE_DATA(races) *self)
{
	unsigned int i, k;

	run_batch(self);
	for (i = 0; i < self->batch.rows; i++) {
		for (k = 0; k < COUNT_OF(self->values); k++)
			__atomic_fetch_add(&self->values[k][i], 1,
					   __ATOMIC_RELAXED);
	}
}

static bool is_left_alone(FIXTURE_DATA(races) *self)
{
	unsigned int i;

	for (i = WORDS; i < REGION_BYTES / 8; i++) {
		if (self->words[i])
			return false;
	}
	return true;
}

static bool statuses_are_good(FIXTURE_DATA(races) *self)
{
	unsigned int i;

	for (i = 0; i < self->batch.rows; i++) {
		if (self->statuses[i] != SHATOMIC_ROW_DONE &&
		    self->statuses[i] != SHATOMIC_ROW_COMPARE_FAILED)
			return false;
	}
	return true;
}

static bool has_doubles(FIXTURE_DATA(races) *self)
{
	struct shatomic_ioc_info info = { .size = sizeof(info) };

	return !ioctl(self->device, SHATOMIC_IOC_INFO, &info) &&
	       info.op_widths[0] >> 15;
}

/* Two batches and a process read and write the same values and statuses. */
TEST_F_TIMEOUT(races, columns, 300)
{
	const struct shape *shape;

	for (shape = shapes; shape < shapes + COUNT_OF(shapes); shape++) {
		if (shape->width == 16 && !has_doubles(self))
			continue;
		TH_LOG("%s", shape->name);
		make_batch(self, shape);
		ASSERT_TRUE(run_beside(self, run_batch, run_batch_and_change,
				       MOST_ROWS / shape->rows));
		EXPECT_EQ(0, self->failures);
		EXPECT_TRUE(is_left_alone(self));
		EXPECT_TRUE(statuses_are_good(self));
	}
}

static void create_and_ask(FIXTURE_DATA(races) *self)
{
	struct shatomic_ioc_info info = { .size = sizeof(info) };
	int fd = create(self, 4096);

	if (fd < 0 || close(fd) || ioctl(self->device, SHATOMIC_IOC_INFO, &info))
		count_failure(self);
	run_batch(self);
}

/*
 * Not stats, which patches code: QEMU before 8.1 may keep half of a patch, and a
 * guest that runs that code meanwhile dies of it.
 */
static void set_parameters(FIXTURE_DATA(races) *self)
{
	/* To others than they have, which refuse nothing, and then back. */
	static const char *const parameters[][3] = {
		{ PARAMETERS "max_pinned_bytes", "1000000000", "2000000000" },
		{ PARAMETERS "max_regions", "4095", "4096" },
		{ PARAMETERS "max_user_regions", "1023", "1024" },
		{ PARAMETERS "max_batch_rows", "67108863", "67108864" },
		{ PARAMETERS "max_batches", "4095", "4096" },
		{ PARAMETERS "max_user_batches", "1023", "1024" },
		{ PARAMETERS "max_region_batches", "2047", "2048" },
		{ PARAMETERS "max_parallelism", "1", "0" },
		{ PARAMETERS "slice_rows", "16383", "16384" },
	};
	unsigned int i, k;

	for (i = 0; i < COUNT_OF(parameters); i++) {
		for (k = 1; k < 3; k++) {
			if (write_text(parameters[i][0], parameters[i][k]))
				count_failure(self);
		}
	}
}

/* Those of a batch that has peers are those of all that are not run alone. */
TEST_F_TIMEOUT(races, parameters, 300)
{
	make_batch(self, &shapes[0]);
	self->batch.peers = (uintptr_t)&self->region;
	self->batch.peer_count = 1;
	ASSERT_TRUE(run_beside(self, create_and_ask, set_parameters, TIMES));
	self->batch.peer_count = 0;
	self->batch.rows = MAX_ROWS;
	ASSERT_TRUE(run_beside(self, create_and_ask, set_parameters, 20));
	EXPECT_EQ(0, self->failures);
}

static void read_all(FIXTURE_DATA(races) *self, const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		count_failure(self);
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
}

static void ask_of_region(FIXTURE_DATA(races) *self)
{
	struct shatomic_ioc_region_info info = { .size = sizeof(info) };
	struct shatomic_ioc_stats stats = { .size = sizeof(stats) };
	struct stat stat_of;

	if (ioctl(self->passing, SHATOMIC_IOC_REGION_INFO, &info) ||
	    (info.mode != 0600 && info.mode != 0640) || info.uid > 1 ||
	    fstatat(self->names, NAME, &stat_of, 0) ||
	    ioctl(self->region, SHATOMIC_IOC_STATS, &stats))
		count_failure(self);
	read_all(self, DEBUG "regions");
	read_all(self, DEBUG "stats");
}

static void change_mode_and_owner(FIXTURE_DATA(races) *self)
{
	if (fchmod(self->passing, 0600) || fchown(self->passing, 1, 1) ||
	    fchmod(self->passing, 0640) || fchown(self->passing, 0, 0))
		count_failure(self);
}

static void create_and_run(FIXTURE_DATA(races) *self)
{
	int fd = create(self, 4096);

	if (fd < 0)
		count_failure(self);
	run_batch(self);
	close(fd);
}

/* Who asks what a region is, and what ran on all, while that changes. */
TEST_F_TIMEOUT(races, questions, 300)
{
	if (access(DEBUG, R_OK))
		SKIP(return, "there is no debugfs, or not for us");
	self->passing = create_named(self->device, self->names, NAME, 4096, 0,
				     0600);
	ASSERT_LE(0, self->passing);
	ASSERT_TRUE(run_beside(self, ask_of_region, change_mode_and_owner,
			       TIMES));
	make_batch(self, &shapes[0]);
	ASSERT_TRUE(run_beside(self, ask_of_region, create_and_run, TIMES));
	EXPECT_EQ(0, self->failures);
	EXPECT_EQ(0, remove_name(self->names, NAME));
}

/* Let the other thread run on all CPUs, or on one. */
static void change_cpus(FIXTURE_DATA(races) *self)
{
	cpu_set_t one, all;
	unsigned int cpu;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	CPU_ZERO(&all);
	for (cpu = 0; cpu < 4; cpu++)
		CPU_SET(cpu, &all);
	if (sched_setaffinity(self->thread, sizeof(one), &one) ||
	    sched_setaffinity(self->thread, sizeof(all), &all))
		count_failure(self);
}

/* The CPUs that a batch may be shared between change while it is. */
TEST_F_TIMEOUT(races, cpus, 300)
{
	make_batch(self, &shapes[0]);
	self->batch.rows = MAX_ROWS;
	ASSERT_TRUE(run_beside(self, run_batch, change_cpus, 20));
	EXPECT_EQ(0, self->failures);
}

/* Make the name if nobody else has, use what it names, and remove it. */
static void use_name(FIXTURE_DATA(races) *self)
{
	int fd = create_named(self->device, self->names, NAME, 4096, 0, 0600);
	int err;

	if (fd < 0 && fd != -EEXIST)
		count_failure(self);
	if (fd >= 0)
		close(fd);
	fd = open_named(self->names, NAME, O_RDWR);
	/* The other thread may remove it when it has been found by its name. */
	if (fd < 0 && fd != -ENOENT && fd != -ENXIO)
		count_failure(self);
	if (fd >= 0)
		close(fd);
	err = remove_name(self->names, NAME);
	if (err && err != -ENOENT)
		count_failure(self);
}

/* The same of another name, which the name becomes, and comes to be. */
static void rename_name(FIXTURE_DATA(races) *self)
{
	struct shatomic_ioc_region_info info = { .size = sizeof(info) };
	int fd = create_named(self->device, self->names, "other", 4096, 0,
			      0600);

	if (fd < 0) {
		count_failure(self);
		return;
	}
	if ((renameat(self->names, NAME, self->names, "other") &&
	     errno != ENOENT) ||
	    (renameat(self->names, "other", self->names, NAME) &&
	     errno != ENOENT) ||
	    ioctl(fd, SHATOMIC_IOC_REGION_INFO, &info) ||
	    (info.name[0] && strcmp((char *)info.name, NAME)))
		count_failure(self);
	close(fd);
}

static void list_names(FIXTURE_DATA(races) *self)
{
	int fd = openat(self->names, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char entries[1024];
	ssize_t length;

	do {
		length = syscall(SYS_getdents64, fd, entries, sizeof(entries));
	} while (length > 0);
	if (length)
		count_failure(self);
	close(fd);
}

TEST_F_TIMEOUT(races, names, 300)
{
	ASSERT_TRUE(run_beside(self, use_name, use_name, TIMES));
	EXPECT_EQ(-ENOENT, open_named(self->names, NAME, O_RDWR));
	ASSERT_TRUE(run_beside(self, rename_name, use_name, TIMES));
	ASSERT_TRUE(run_beside(self, rename_name, list_names, TIMES));
	EXPECT_EQ(0, self->failures);
}

/* A region whose only descriptor is closed at once. */
static void create_and_close(FIXTURE_DATA(races) *self)
{
	int fd = create(self, 4096);

	__atomic_store_n(&self->passing, fd, __ATOMIC_RELAXED);
	if (fd < 0 || close(fd))
		count_failure(self);
}

/* Open it meanwhile: it is a region then, or it is gone. */
static void open_before_it_ends(FIXTURE_DATA(races) *self)
{
	struct shatomic_ioc_region_info info = { .size = sizeof(info) };
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d",
		 __atomic_load_n(&self->passing, __ATOMIC_RELAXED));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		if (errno != ENOENT && errno != ENXIO)
			count_failure(self);
		return;
	}
	if (ioctl(fd, SHATOMIC_IOC_REGION_INFO, &info) && errno != ENOTTY)
		count_failure(self);
	close(fd);
}

TEST_F_TIMEOUT(races, last_close, 300)
{
	ASSERT_TRUE(run_beside(self, create_and_close, open_before_it_ends,
			       TIMES));
	EXPECT_EQ(0, self->failures);
}

TEST_HARNESS_MAIN
