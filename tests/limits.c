// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's limits, at the edge and over it, and what becomes of regions
 * and batches whose owners end badly. Root runs it; it leaves the module's
 * parameters as it found them.
 */
#include "harness.h"
#include "waiting.h"

#include <linux/mempolicy.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define DEVICE "/dev/shatomic"
#define PARAMETERS "/sys/module/shatomic/parameters/"
#define CGROUP "/sys/fs/cgroup/shatomic-test"
#define NOBODY 65534
#define MIB (1ULL << 20)

FIXTURE(limits)
{
	int device;
	/* What a test changed, to be written back. */
	char parameter[64];
	char old_value[32];
	struct shatomic_ioc_info before;
};

static struct shatomic_ioc_info get_info(int device)
{
	struct shatomic_ioc_info info = { .size = sizeof(info) };

	ioctl(device, SHATOMIC_IOC_INFO, &info);
	return info;
}

static long long read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return strtoll(text, NULL, 10);
}

static int set_parameter(FIXTURE_DATA(limits) *self, const char *name,
			 unsigned long long value)
{
	char path[128], text[32];
	int fd;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	if (!self->parameter[0]) {
		fd = open(path, O_RDONLY);
		if (fd < 0 || read(fd, self->old_value, 31) < 1)
			return -errno;
		close(fd);
		snprintf(self->parameter, sizeof(self->parameter), "%s", name);
	}
	snprintf(text, sizeof(text), "%llu", value);
	return write_text(path, text);
}

/* A region's descriptor; or -errno, with the limit that refused it. */
static int create(int device, uint64_t size, uint32_t flags, uint32_t *limit)
{
	struct shatomic_ioc_create create = { .size = sizeof(create),
					      .region_size = size,
					      .flags = flags };
	int ret = ioctl(device, SHATOMIC_IOC_CREATE, &create) ? -errno :
								create.fd;

	*limit = create.limit;
	return ret;
}

/* Files of killed processes and async frees take a moment. */
static bool all_is_back(FIXTURE_DATA(limits) *self)
{
	struct shatomic_ioc_info now;
	int i;

	for (i = 0; i < 150; i++) {
		now = get_info(self->device);
		/* Less is left when programs before had not ended wholly. */
		if (now.regions <= self->before.regions &&
		    now.pinned_bytes <= self->before.pinned_bytes &&
		    now.batches <= self->before.batches)
			return true;
		usleep(100000);
	}
	return false;
}

FIXTURE_SETUP(limits)
{
	self->parameter[0] = '\0';
	self->device = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->device);
	self->before = get_info(self->device);
}

FIXTURE_TEARDOWN(limits)
{
	char path[128];

	if (self->parameter[0]) {
		snprintf(path, sizeof(path), PARAMETERS "%s", self->parameter);
		EXPECT_EQ(0, write_text(path, self->old_value));
	}
	EXPECT_EQ(true, all_is_back(self));
	close(self->device);
}

TEST_F(limits, pinned_bytes)
{
	uint32_t limit;
	int fd;

	ASSERT_EQ(0, set_parameter(self, "max_pinned_bytes",
				   self->before.pinned_bytes + MIB));
	fd = create(self->device, MIB, 0, &limit);
	EXPECT_LE(0, fd);
	EXPECT_EQ(self->before.pinned_bytes + MIB,
		  get_info(self->device).pinned_bytes);
	EXPECT_EQ(-ENOMEM, create(self->device, 1, 0, &limit));
	EXPECT_EQ(SHATOMIC_LIMIT_PINNED_BYTES, limit);
	close(fd);
	EXPECT_EQ(-ENOMEM, create(self->device, MIB + 1, 0, &limit));
	EXPECT_EQ(SHATOMIC_LIMIT_PINNED_BYTES, limit);
	EXPECT_EQ(-ENOMEM, create(self->device, 1ULL << 39, 0, &limit));
	EXPECT_EQ(SHATOMIC_LIMIT_PINNED_BYTES, limit);
	fd = create(self->device, MIB, 0, &limit);
	EXPECT_LE(0, fd);
	close(fd);
}

/**
 * struct asker - A thread that asks for what is refused
 * @device: Of whom.
 * @size: How much.
 * @stop: Whether to stop.
 * @got: What it got nevertheless.
 */
struct asker {
	int device;
	uint64_t size;
	bool stop;
	int got;
};

static void *ask(void *arg)
{
	struct asker *asker = arg;
	uint32_t limit;
	int fd;

	while (!__atomic_load_n(&asker->stop, __ATOMIC_RELAXED)) {
		fd = create(asker->device, asker->size, 0, &limit);
		if (fd < 0)
			continue;
		asker->got++;
		close(fd);
	}
	return NULL;
}

/* Else others would be refused what there is, while somebody asks for more. */
TEST_F(limits, what_is_refused_counts_at_no_time)
{
	struct asker asker = { .device = self->device };
	uint32_t limit, i;
	pthread_t thread;
	int fd = create(self->device, MIB, 0, &limit);
	uint64_t pinned = get_info(self->device).pinned_bytes, now;

	ASSERT_LE(0, fd);
	asker.size = get_info(self->device).max_pinned_bytes;
	ASSERT_EQ(0, pthread_create(&thread, NULL, ask, &asker));
	for (i = 0; i < 500000; i++) {
		now = get_info(self->device).pinned_bytes;
		if (now > pinned)
			break;
	}
	EXPECT_GE(pinned, now);
	__atomic_store_n(&asker.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, asker.got);
	close(fd);
}

/* However much may be pinned, a region has a largest size, which INFO tells. */
TEST_F_TIMEOUT(limits, region_bytes, 120)
{
	struct shatomic_ioc_create arg = { .size = sizeof(arg) };
	uint64_t largest;
	uint32_t limit;

	ASSERT_EQ(0, set_parameter(self, "max_pinned_bytes", 1ULL << 62));
	largest = get_info(self->device).max_region_bytes;
	EXPECT_LT(1ULL << 39, largest);
	EXPECT_GT(1ULL << 62, largest);

	/* Which is more than there is memory for. */
	EXPECT_EQ(-ENOMEM, create(self->device, largest, 0, &limit));
	EXPECT_EQ(SHATOMIC_LIMIT_MEMORY, limit);

	arg.region_size = largest + 1;
	EXPECT_EQ(-1, ioctl(self->device, SHATOMIC_IOC_CREATE, &arg));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(SHATOMIC_FIELD_REGION_SIZE, arg.error_field);
	arg.region_size = UINT64_MAX;
	EXPECT_EQ(-1, ioctl(self->device, SHATOMIC_IOC_CREATE, &arg));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(limits, regions)
{
	uint32_t limit;
	int fd;

	ASSERT_EQ(0, set_parameter(self, "max_regions",
				   self->before.regions + 1));
	fd = create(self->device, 1, 0, &limit);
	EXPECT_LE(0, fd);
	EXPECT_EQ(-EPERM, create(self->device, 1, 0, &limit));
	EXPECT_EQ(SHATOMIC_LIMIT_REGIONS, limit);
	close(fd);
}

/* A batch of @rows gets of the word at 0. */
static int run_gets(int region, uint64_t rows, struct shatomic_ioc_batch *batch)
{
	uint64_t *offsets = calloc(rows, sizeof(*offsets));
	int ret;

	*batch = (struct shatomic_ioc_batch){
		.size = sizeof(*batch), .op = SHATOMIC_OP_GET, .width = 8,
		.rows = rows, .offsets = (uintptr_t)offsets,
	};
	ret = ioctl(region, SHATOMIC_IOC_BATCH, batch) ? -errno : 0;
	free(offsets);
	return ret;
}

TEST_F(limits, batch_rows)
{
	struct shatomic_ioc_batch batch;
	uint32_t limit;
	int fd = create(self->device, 8, 0, &limit);

	ASSERT_EQ(0, set_parameter(self, "max_batch_rows", 100));
	EXPECT_EQ(0, run_gets(fd, 100, &batch));
	EXPECT_EQ(-EPERM, run_gets(fd, 101, &batch));
	EXPECT_EQ(SHATOMIC_LIMIT_BATCH_ROWS, batch.limit);
	EXPECT_EQ(SHATOMIC_FIELD_ROWS, batch.error_field);
	close(fd);
}

/* RLIMIT_MEMLOCK holds for a user without CAP_IPC_LOCK, over all regions. */
TEST_F(limits, memlock)
{
	struct rlimit memlock = { MIB, MIB };
	pid_t child = fork();

	if (!child) {
		uint32_t limit;
		int fd;

		if (setrlimit(RLIMIT_MEMLOCK, &memlock) || setgid(NOBODY) ||
		    setuid(NOBODY))
			_exit(1);
		fd = create(self->device, MIB, 0, &limit);
		if (fd < 0)
			_exit(2);
		if (create(self->device, 1, 0, &limit) != -EPERM ||
		    limit != SHATOMIC_LIMIT_MEMLOCK)
			_exit(3);
		close(fd);
		if (create(self->device, MIB + 1, 0, &limit) != -EPERM ||
		    limit != SHATOMIC_LIMIT_MEMLOCK)
			_exit(4);
		if (create(self->device, MIB, 0, &limit) < 0)
			_exit(5);
		_exit(0);
	}
	EXPECT_EQ(0, wait_child(child));
}

/* A region for each of the user's there may be: 0, or why not. */
static int create_regions_of_user(int device, unsigned int most)
{
	uint32_t limit;
	unsigned int i;
	int fd = -1;

	if (setgid(NOBODY) || setuid(NOBODY))
		return 1;
	for (i = 0; i < most; i++) {
		fd = create(device, 1, 0, &limit);
		if (fd < 0)
			return 2;
	}
	if (get_info(device).user_regions != most)
		return 3;
	if (create(device, 1, 0, &limit) != -EPERM ||
	    limit != SHATOMIC_LIMIT_USER_REGIONS)
		return 4;
	/* What was refused counts for nothing, and what is gone neither. */
	if (get_info(device).user_regions != most)
		return 5;
	close(fd);
	if (most && create(device, 1, 0, &limit) < 0)
		return 6;
	return 0;
}

/* It holds for a user without CAP_IPC_LOCK, and for each by itself. */
TEST_F(limits, regions_of_a_user)
{
	static const unsigned int most[] = { 3, 1, 0 };
	unsigned int i;
	uint32_t limit;
	pid_t child;
	int fd;

	for (i = 0; i < COUNT_OF(most); i++) {
		ASSERT_EQ(0, set_parameter(self, "max_user_regions", most[i]));
		EXPECT_EQ(most[i], get_info(self->device).max_user_regions);
		child = fork();
		if (!child)
			_exit(create_regions_of_user(self->device, most[i]));
		EXPECT_EQ(0, wait_child(child));
		fd = create(self->device, 1, 0, &limit);
		EXPECT_LE(0, fd);
		EXPECT_EQ(0, get_info(self->device).user_regions);
		close(fd);
		EXPECT_EQ(true, all_is_back(self));
	}
}

TEST_F(limits, memory_cgroup)
{
	pid_t child;

	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	ASSERT_EQ(0, write_text(CGROUP "/memory.max", "16777216"));
	child = fork();
	if (!child) {
		uint32_t limit;
		int fd;

		if (write_text(CGROUP "/cgroup.procs", "0"))
			_exit(1);
		if (create(self->device, 64 * MIB, 0, &limit) != -ENOMEM ||
		    limit != SHATOMIC_LIMIT_MEMORY)
			_exit(2);
		fd = create(self->device, 4 * MIB, 0, &limit);
		if (fd < 0)
			_exit(3);
		if (read_number(CGROUP "/memory.current") < (long long)(4 * MIB))
			_exit(4);
		close(fd);
		_exit(0);
	}
	EXPECT_EQ(0, wait_child(child));
	EXPECT_EQ(true, all_is_back(self));
	/* What is left is the page tables and stacks of a dead process. */
	EXPECT_GT((long long)(2 * MIB),
		  read_number(CGROUP "/memory.current"));
	EXPECT_EQ(0, rmdir(CGROUP));
}

/* How a region of a user's ends, who has room for one. */
static const struct ending {
	const char *what;
	uint32_t flags;
	bool named;
	bool in_namespace; /* which ends, with the name in it */
	bool mapped;
	bool killed;
} endings[] = {
	{ .what = "closed" },
	{ .what = "closed, freed by a worker",
	  .flags = SHATOMIC_CREATE_ASYNC_FREE },
	{ .what = "unmapped", .mapped = true },
	{ .what = "unlinked", .named = true },
	{ .what = "unlinked, freed by a worker", .named = true,
	  .flags = SHATOMIC_CREATE_ASYNC_FREE },
	{ .what = "unmapped after it was unlinked", .named = true,
	  .mapped = true },
	{ .what = "killed", .killed = true },
	{ .what = "killed, freed by a worker", .killed = true, .mapped = true,
	  .flags = SHATOMIC_CREATE_ASYNC_FREE },
	{ .what = "unlinked by root, after its owner was killed",
	  .named = true, .killed = true },
	{ .what = "killed, and so the end of its namespace", .named = true,
	  .in_namespace = true, .mapped = true, .killed = true },
};

#define ROOM (4 * MIB)

/* In a child: be nobody, with that much locked memory allowed. */
static void become_nobody(void)
{
	struct rlimit memlock = { ROOM, ROOM };

	if (setrlimit(RLIMIT_MEMLOCK, &memlock) || setgid(NOBODY) ||
	    setuid(NOBODY))
		_exit(100);
}

/* As long as the region is there, so is what it was charged for. */
static bool has_no_room(int device)
{
	uint32_t limit;

	return create(device, 1, 0, &limit) == -EPERM &&
	       limit == SHATOMIC_LIMIT_MEMLOCK &&
	       get_info(device).user_regions == 1;
}

static const struct shatomic_ioc_unlink unlink_ending = {
	.size = sizeof(unlink_ending), .name = "limits-end",
};

/* In a child: create a region, and end it. */
static void create_and_end(int device, const struct ending *ending)
{
	struct shatomic_ioc_create create = { .size = sizeof(create),
					      .region_size = ROOM,
					      .flags = ending->flags };
	struct shatomic_ioc_unlink unlink = unlink_ending;
	void *memory = NULL;

	if (write_text(CGROUP "/cgroup.procs", "0") ||
	    (ending->in_namespace && unshare(CLONE_NEWIPC)))
		_exit(1);
	become_nobody();
	if (ending->named) {
		memcpy(create.name, unlink.name, sizeof(create.name));
		create.mode = 0600;
	}
	if (ioctl(device, SHATOMIC_IOC_CREATE, &create) || !has_no_room(device))
		_exit(2);
	if (ending->mapped)
		memory = mmap(NULL, ROOM, PROT_READ, MAP_SHARED, create.fd, 0);
	if (memory == MAP_FAILED)
		_exit(3);
	if (read_number(CGROUP "/memory.current") < (long long)ROOM)
		_exit(4);
	if (ending->killed)
		raise(SIGKILL);
	close(create.fd);
	if ((ending->mapped || ending->named) && !has_no_room(device))
		_exit(5);
	if (ending->named && !ending->in_namespace &&
	    ioctl(device, SHATOMIC_IOC_UNLINK, &unlink))
		_exit(6);
	if (ending->mapped && !has_no_room(device))
		_exit(7);
	_exit(0);
}

/* What a name keeps stays charged to who made it. */
static void expect_charged(struct __test_metadata *_metadata, int device)
{
	struct shatomic_ioc_unlink unlink = unlink_ending;
	pid_t child = fork();

	if (!child) {
		become_nobody();
		_exit(!has_no_room(device));
	}
	EXPECT_EQ(0, wait_child(child));
	EXPECT_LE((long long)ROOM, read_number(CGROUP "/memory.current"));
	EXPECT_EQ(0, ioctl(device, SHATOMIC_IOC_UNLINK, &unlink));
}

/* In a child: whether there is room, which comes last and may take a moment. */
static void find_room(int device)
{
	uint32_t limit;
	int i;

	become_nobody();
	for (i = 0; i < 100; i++) {
		if (create(device, ROOM, 0, &limit) >= 0)
			_exit(get_info(device).user_regions != 1);
		usleep(10000);
	}
	_exit(1);
}

static void try_ending(struct __test_metadata *_metadata,
		       FIXTURE_DATA(limits) *self, const struct ending *ending)
{
	pid_t child;

	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	child = fork();
	if (!child)
		create_and_end(self->device, ending);
	EXPECT_EQ(ending->killed ? 256 + SIGKILL : 0, wait_child(child));
	if (ending->named && ending->killed && !ending->in_namespace)
		expect_charged(_metadata, self->device);
	EXPECT_EQ(true, all_is_back(self));

	child = fork();
	if (!child)
		find_room(self->device);
	EXPECT_EQ(0, wait_child(child));
	EXPECT_GT((long long)(ROOM / 2),
		  read_number(CGROUP "/memory.current"));
	EXPECT_EQ(0, rmdir(CGROUP));
}

/* Locked memory and the cgroup's, however a region ends. */
TEST_F_TIMEOUT(limits, all_is_given_back, 120)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(endings); i++) {
		TH_LOG("%s", endings[i].what);
		try_ending(_metadata, self, &endings[i]);
	}
}

/* In the middle, or sooner or later. */
TEST_F_TIMEOUT(limits, killed_while_creating, 120)
{
	uint32_t limit;
	pid_t child;
	int round;

	for (round = 0; round < 10; round++) {
		child = fork();
		if (!child) {
			while (create(self->device, 256 * MIB, 0, &limit) >= 0)
				close_range(self->device + 1, ~0U, 0);
			_exit(1);
		}
		usleep(5000 + round * 7000);
		kill(child, SIGKILL);
		EXPECT_EQ(256 + SIGKILL, wait_child(child));
		EXPECT_EQ(true, all_is_back(self));
	}
}

TEST_F(limits, huge_pages_on_demand)
{
	struct shatomic_ioc_region_info info = { .size = sizeof(info) };
	uint32_t limit;
	int fd;

	if (!has_huge_pages())
		SKIP(return, "this kernel has no huge pages");
	fd = create(self->device, 5 * MIB, SHATOMIC_CREATE_HUGE, &limit);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, SHATOMIC_IOC_REGION_INFO, &info));
	EXPECT_EQ(4 * MIB, info.huge_bytes);
	EXPECT_EQ(SHATOMIC_CREATE_HUGE, info.create_flags);
	close(fd);
}

/* Bytes free on a NUMA node, or -1. */
static long long free_on_node(int node)
{
	char path[64], line[128];
	long long kib, bytes = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo",
		 node);
	file = fopen(path, "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Node %*d MemFree: %lld kB", &kib) == 1)
			bytes = kib << 10;
	}
	fclose(file);
	return bytes;
}

/* What the kernel keeps free on all nodes together, from others than itself. */
static size_t kept_free(void)
{
	FILE *file = fopen("/proc/sys/vm/min_free_kbytes", "r");
	size_t kib = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%zu", &kib) != 1)
		kib = 0;
	fclose(file);
	return kib << 10;
}

#define COMPACTION "/proc/sys/vm/compact_unevictable_allowed"

static long take_from_second_node(void)
{
	unsigned long nodes = 1UL << 1;

	return syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 64);
}

static long take_from_any_node(void)
{
	return syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
}

/*
 * Give back every other page of the first 240 MiB: each makes two mappings, of
 * which a process can have 65530.
 */
static void fragment(char *memory)
{
	size_t at;

	for (at = 0; at < 240 * MIB; at += 8192) {
		munlock(memory + at, 4096);
		madvise(memory + at, 4096, MADV_DONTNEED);
	}
}

/* Much of a node's memory is free, and most of it not in pieces of 2 MiB. */
TEST_F_TIMEOUT(limits, huge_pages_that_cannot_be_had, 120)
{
	long long left = free_on_node(1), whole = 16 * MIB + kept_free();
	char *memory;
	uint32_t limit;
	size_t size;

	if (left < 0)
		SKIP(return, "there is no second NUMA node to fragment");
	/*
	 * Some is left for the kernel's own use, in whole pieces, and what others
	 * are about to give back is whole too.
	 */
	size = left - whole;
	ASSERT_EQ(0, write_text(COMPACTION, "0"));
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, memory);
	madvise(memory, size, MADV_NOHUGEPAGE);
	ASSERT_EQ(0, take_from_second_node());
	mlock(memory, size);
	/* What the kernel notes of mappings would not find room there. */
	ASSERT_EQ(0, take_from_any_node());
	fragment(memory);
	ASSERT_EQ(0, take_from_second_node());

	/* Less than is free, and more than is in whole pieces. */
	left = free_on_node(1) - 16 * MIB;
	if (left > whole) {
		EXPECT_EQ(-ENOMEM, create(self->device, left & -(2 * MIB),
					  SHATOMIC_CREATE_HUGE, &limit));
		EXPECT_EQ(SHATOMIC_LIMIT_MEMORY, limit);
		EXPECT_EQ(true, all_is_back(self));
	}

	munmap(memory, size);
	EXPECT_EQ(0, take_from_any_node());
	EXPECT_EQ(0, write_text(COMPACTION, "1"));
	if (left <= whole)
		SKIP(return, "too little of the node is free in pieces");
}

TEST_F(limits, asynchronous_free)
{
	uint32_t limit;
	int fd = create(self->device, 32 * MIB, SHATOMIC_CREATE_ASYNC_FREE,
			&limit);

	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(true, all_is_back(self));
}

#define BIG_ROWS 200000

struct big_columns {
	uint64_t *offsets;
	uint64_t *operands;
	uint64_t *results;
};

static struct big_columns big_columns(void)
{
	return (struct big_columns){ calloc(BIG_ROWS, 8), calloc(BIG_ROWS, 8),
				     calloc(BIG_ROWS, 8) };
}

static struct shatomic_ioc_batch big_batch(const struct big_columns *columns)
{
	return (struct shatomic_ioc_batch){
		.size = sizeof(struct shatomic_ioc_batch),
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8, .rows = BIG_ROWS,
		.offsets = (uintptr_t)columns->offsets,
		.operands = (uintptr_t)columns->operands,
		.results = (uintptr_t)columns->results,
		/* Lanes, which two CPUs do not choose by themselves. */
		.parallelism = 2,
	};
}

/* A batch that waits, on its own thread. */
struct waiting {
	int fd;
	/* Whether it needs memory of its own, as batches with peers do. */
	bool counted;
	pthread_t thread;
	int fault;
	void *offsets;
	uint64_t result;
	int ret;
};

/* A batch of one row, a get of the word whose offset is at @offset. */
static int run_get(int fd, bool counted, void *offset, uint64_t *result,
		   uint32_t *limit)
{
	struct shatomic_ioc_batch batch = {
		.size = sizeof(batch), .op = SHATOMIC_OP_GET, .width = 8,
		.rows = 1, .offsets = (uintptr_t)offset,
		.results = (uintptr_t)result, .peers = (uintptr_t)&fd,
		.peer_count = counted,
	};
	int ret = ioctl(fd, SHATOMIC_IOC_BATCH, &batch) ? -errno : 0;

	*limit = batch.limit;
	return ret;
}

static void *run_waiting(void *arg)
{
	struct waiting *waiting = arg;
	uint32_t limit;

	waiting->ret = run_get(waiting->fd, waiting->counted, waiting->offsets,
			       &waiting->result, &limit);
	return NULL;
}

/* Return once the batch waits. */
static bool start_batch(struct waiting *waiting)
{
	waiting->offsets = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (waiting->offsets == MAP_FAILED)
		return false;
	waiting->fault = begin_waiting(waiting->offsets, 4096);
	return waiting->fault >= 0 &&
	       !pthread_create(&waiting->thread, NULL, run_waiting, waiting) &&
	       await_readers(waiting->fault, 1);
}

/* Let it go on to its end. */
static bool end_batch(struct waiting *waiting)
{
	if (!end_waiting(waiting->fault, waiting->offsets, 4096))
		return false;
	pthread_join(waiting->thread, NULL);
	close(waiting->fault);
	munmap(waiting->offsets, 4096);
	return !waiting->ret;
}

static int run_counted(int fd, uint32_t *limit)
{
	uint64_t offset = 0, result;

	return run_get(fd, true, &offset, &result, limit);
}

/* The same by another user: 0, or the limit that refused it with EPERM. */
static int run_counted_as_nobody(int fd)
{
	pid_t child = fork();
	uint32_t limit;

	if (!child) {
		if (setgid(NOBODY) || setuid(NOBODY))
			_exit(100);
		switch (run_counted(fd, &limit)) {
		case 0:
			_exit(0);
		case -EPERM:
			_exit(limit);
		default:
			_exit(101);
		}
	}
	return wait_child(child);
}

/*
 * One batch is in flight, and one may be: what the limit refuses to the same
 * user on the same region, on another, and to another user on each; what has no
 * memory of its own it does not. All is well once that batch has ended.
 */
static void one_in_flight(struct __test_metadata *_metadata,
			  FIXTURE_DATA(limits) *self, const char *parameter,
			  uint32_t limit, bool other_region, bool other_user)
{
	struct waiting waiting = { .counted = true };
	uint64_t offset = 0, result;
	uint32_t refused_by;
	int fd;

	waiting.fd = create(self->device, 8, 0, &refused_by);
	fd = create(self->device, 8, 0, &refused_by);
	ASSERT_EQ(0, set_parameter(self, parameter, 0));
	EXPECT_EQ(-EPERM, run_counted(fd, &refused_by));
	EXPECT_EQ(limit, refused_by);
	EXPECT_EQ(0, run_get(fd, false, &offset, &result, &refused_by));
	ASSERT_EQ(0, set_parameter(self, parameter, 1));
	EXPECT_EQ(0, run_counted(fd, &refused_by));
	EXPECT_EQ(0, get_info(self->device).batches);

	ASSERT_EQ(true, start_batch(&waiting));
	EXPECT_EQ(1, get_info(self->device).batches);
	EXPECT_EQ(-EPERM, run_counted(waiting.fd, &refused_by));
	EXPECT_EQ(limit, refused_by);
	EXPECT_EQ(other_region ? -EPERM : 0, run_counted(fd, &refused_by));
	EXPECT_EQ(other_region ? limit : 0, refused_by);
	EXPECT_EQ(other_user ? limit : 0, run_counted_as_nobody(waiting.fd));
	EXPECT_EQ(other_user && other_region ? limit : 0,
		  run_counted_as_nobody(fd));
	EXPECT_EQ(0, run_get(fd, false, &offset, &result, &refused_by));
	EXPECT_EQ(1, get_info(self->device).batches);
	/* One more is one more. */
	ASSERT_EQ(0, set_parameter(self, parameter, 2));
	EXPECT_EQ(0, run_counted(waiting.fd, &refused_by));
	ASSERT_EQ(0, set_parameter(self, parameter, 1));

	EXPECT_EQ(true, end_batch(&waiting));
	EXPECT_EQ(0, get_info(self->device).batches);
	EXPECT_EQ(0, run_counted(waiting.fd, &refused_by));
	EXPECT_EQ(0, run_counted_as_nobody(waiting.fd));
	close(waiting.fd);
	close(fd);
}

TEST_F(limits, batches)
{
	one_in_flight(_metadata, self, "max_batches", SHATOMIC_LIMIT_BATCHES,
		      true, true);
}

TEST_F(limits, batches_of_a_user)
{
	one_in_flight(_metadata, self, "max_user_batches",
		      SHATOMIC_LIMIT_USER_BATCHES, true, false);
}

TEST_F(limits, batches_on_a_region)
{
	one_in_flight(_metadata, self, "max_region_batches",
		      SHATOMIC_LIMIT_REGION_BATCHES, false, true);
}

/* A batch that waits for its columns is in nobody's way on its CPU. */
TEST_F(limits, batch_that_waits)
{
	uint64_t offsets[16] = { 0 }, operands[16], results[16];
	struct shatomic_ioc_batch batch = {
		.size = sizeof(batch), .op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8, .rows = 16, .offsets = (uintptr_t)offsets,
		.operands = (uintptr_t)operands,
		.results = (uintptr_t)results,
	};
	struct waiting waiting = { .result = ~0ULL };
	uint32_t limit;
	int i;

	/* The thread on the same CPU as this one. */
	take_a_cpu();
	waiting.fd = create(self->device, 4096, 0, &limit);
	ASSERT_EQ(true, start_batch(&waiting));
	for (i = 0; i < 16; i++)
		operands[i] = 1;
	EXPECT_EQ(0, ioctl(waiting.fd, SHATOMIC_IOC_BATCH, &batch));
	for (i = 0; i < 16; i++)
		EXPECT_EQ(i, results[i]);

	EXPECT_EQ(true, end_batch(&waiting));
	EXPECT_EQ(16, waiting.result);
	close(waiting.fd);
}

/* Whoever shared the batch, and however late, is done with it. */
TEST_F(limits, nothing_is_in_flight_after_the_call)
{
	struct big_columns columns = big_columns();
	struct shatomic_ioc_batch batch = big_batch(&columns);
	uint32_t limit;
	int fd, i;

	batch.rows = 20000;
	ASSERT_EQ(0, set_parameter(self, "max_user_batches", 1));
	for (i = 0; i < 200; i++) {
		fd = create(self->device, 4096, 0, &limit);
		ASSERT_EQ(0, ioctl(fd, SHATOMIC_IOC_BATCH, &batch));
		ASSERT_EQ(0, get_info(self->device).batches);
		close(fd);
		ASSERT_EQ(self->before.regions,
			  get_info(self->device).regions);
	}
}

/* Killed in the middle of batches that workers share, again and again. */
TEST_F_TIMEOUT(limits, killed_in_mid_batch, 120)
{
	struct big_columns columns = big_columns();
	uint32_t limit;
	pid_t child;
	int round;

	for (round = 0; round < 30; round++) {
		child = fork();
		if (!child) {
			struct shatomic_ioc_batch batch = big_batch(&columns);
			int fd = create(self->device, MIB, 0, &limit);

			while (!ioctl(fd, SHATOMIC_IOC_BATCH, &batch))
				;
			_exit(1);
		}
		usleep(10000 + round * 1000);
		kill(child, SIGKILL);
		EXPECT_EQ(256 + SIGKILL, wait_child(child));
	}
	EXPECT_EQ(true, all_is_back(self));
}

/* What a parameter is given, and what then holds, by INFO. */
static const struct setting {
	const char *parameter;
	const char *text;
	int err;
	size_t member; /* of struct shatomic_ioc_info */
	uint64_t holds;
} settings[] = {
#define MEMBER(name) offsetof(struct shatomic_ioc_info, name)
#define REFUSED(name) \
	{ #name, "-1", -EINVAL, MEMBER(name), 0 }, \
	{ #name, "many", -EINVAL, MEMBER(name), 0 }, \
	{ #name, "1 2", -EINVAL, MEMBER(name), 0 }, \
	{ #name, "\n", -EINVAL, MEMBER(name), 0 }, \
	{ #name, "18446744073709551616", -ERANGE, MEMBER(name), 0 }
#define REFUSED_UINT(name) \
	REFUSED(name), \
	{ #name, "4294967296", -ERANGE, MEMBER(name), 0 }, \
	{ #name, "4294967295", 0, MEMBER(name), UINT32_MAX }
#define HOLDS(name, text, value) { #name, text, 0, MEMBER(name), value }
	REFUSED(max_pinned_bytes),
	HOLDS(max_pinned_bytes, "0", 0),
	HOLDS(max_pinned_bytes, "18446744073709551615", UINT64_MAX),
	REFUSED_UINT(max_regions),
	HOLDS(max_regions, "0", 0),
	REFUSED_UINT(max_user_regions),
	HOLDS(max_user_regions, "0", 0),
	REFUSED(max_batch_rows),
	HOLDS(max_batch_rows, "0", 0),
	/* A completion of io_uring could not tell more. */
	HOLDS(max_batch_rows, "2147483648", INT32_MAX),
	HOLDS(max_batch_rows, "18446744073709551615", INT32_MAX),
	REFUSED_UINT(max_batches),
	HOLDS(max_batches, "0", 0),
	REFUSED_UINT(max_user_batches),
	HOLDS(max_user_batches, "0", 0),
	REFUSED_UINT(max_region_batches),
	HOLDS(max_region_batches, "0", 0),
	REFUSED_UINT(slice_rows),
	/* Chunks are not cut. */
	HOLDS(slice_rows, "0", 1024),
	HOLDS(slice_rows, "1023", 1024),
};

static uint64_t member_of_info(int device, size_t member)
{
	struct shatomic_ioc_info info = get_info(device);
	uint64_t value;
	uint32_t half;

	switch (member) {
	case MEMBER(max_pinned_bytes):
	case MEMBER(max_batch_rows):
	case MEMBER(slice_rows):
		memcpy(&value, (char *)&info + member, sizeof(value));
		return value;
	default:
		memcpy(&half, (char *)&info + member, sizeof(half));
		return half;
	}
}

/* With whatever set, what the limit says is refused, and all else goes on. */
static void expect_use(struct __test_metadata *_metadata,
		       FIXTURE_DATA(limits) *self, const struct setting *setting)
{
	bool none = !setting->holds, creates, runs;
	struct shatomic_ioc_batch batch;
	uint32_t limit;
	int region, fd;

	creates = !(none && (setting->member == MEMBER(max_pinned_bytes) ||
			     setting->member == MEMBER(max_regions)));
	runs = !(none && setting->member == MEMBER(max_batch_rows));
	fd = create(self->device, 8, 0, &limit);
	EXPECT_EQ(creates, fd >= 0);
	close(fd);
	if (!creates)
		return;
	region = create(self->device, 8, 0, &limit);
	EXPECT_EQ(runs ? 0 : -EPERM, run_gets(region, 3000, &batch));
	close(region);
}

TEST_F(limits, what_parameters_take)
{
	char path[128], old_value[32];
	unsigned int i;
	uint64_t before;
	int fd;

	for (i = 0; i < COUNT_OF(settings); i++) {
		const struct setting *setting = &settings[i];

		snprintf(path, sizeof(path), PARAMETERS "%s",
			 setting->parameter);
		fd = open(path, O_RDONLY);
		memset(old_value, 0, sizeof(old_value));
		ASSERT_LT(0, read(fd, old_value, sizeof(old_value) - 1));
		close(fd);
		before = member_of_info(self->device, setting->member);

		EXPECT_EQ(setting->err, write_text(path, setting->text))
		{
			TH_LOG("%s=%s", setting->parameter, setting->text);
		}
		EXPECT_EQ(setting->err ? before : setting->holds,
			  member_of_info(self->device, setting->member))
		{
			TH_LOG("%s=%s", setting->parameter, setting->text);
		}
		if (!setting->err)
			expect_use(_metadata, self, setting);
		EXPECT_EQ(0, write_text(path, old_value));
	}
}

/* They are root's to change, and anybody's to read. */
TEST_F(limits, parameters_are_roots)
{
	char path[128];
	unsigned int i;
	struct stat st;

	for (i = 0; i < COUNT_OF(settings); i++) {
		snprintf(path, sizeof(path), PARAMETERS "%s",
			 settings[i].parameter);
		ASSERT_EQ(0, stat(path, &st));
		EXPECT_EQ(0, st.st_uid);
		EXPECT_EQ(0644, st.st_mode & 0777);
	}
}

/* The smallest slices there can be: many times more pieces than CPUs. */
TEST_F(limits, slice_rows)
{
	struct big_columns columns = big_columns();
	struct shatomic_ioc_batch batch = big_batch(&columns);
	uint64_t word = 0;
	uint32_t limit;
	int fd = create(self->device, 4096, 0, &limit), i;

	ASSERT_EQ(0, set_parameter(self, "slice_rows", 1));
	EXPECT_EQ(1024, get_info(self->device).slice_rows);
	ASSERT_EQ(0, set_parameter(self, "slice_rows", 1025));
	EXPECT_EQ(1025, get_info(self->device).slice_rows);
	for (i = 0; i < BIG_ROWS; i++)
		columns.operands[i] = 1;

	/* In slices, as nobody sees the order; then in lanes, as it is seen. */
	batch.results = 0;
	ASSERT_EQ(0, ioctl(fd, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(BIG_ROWS, batch.rows_done);
	ASSERT_EQ(8, pread(fd, &word, 8, 0));
	EXPECT_EQ(BIG_ROWS, word);
	batch.results = (uintptr_t)columns.results;
	ASSERT_EQ(0, ioctl(fd, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(BIG_ROWS, batch.rows_done);
	for (i = 0; i < BIG_ROWS; i++)
		ASSERT_EQ(BIG_ROWS + i, columns.results[i]);
	close(fd);
}

static int unload(void)
{
	return syscall(SYS_delete_module, "shatomic", O_NONBLOCK) ? -errno : 0;
}

/* A module in use refuses to go. */
TEST_F(limits, the_module_stays_while_it_is_used)
{
	struct shatomic_ioc_create named = { .size = sizeof(named),
					     .region_size = 8, .mode = 0600,
					     .name = "limits-busy" };
	struct shatomic_ioc_unlink unlink = { .size = sizeof(unlink),
					      .name = "limits-busy" };
	uint32_t limit;
	void *mapping;
	int fd;

	if (access("/sys/module/shatomic/refcnt", F_OK))
		SKIP(return, "it is built into the kernel");
	fd = create(self->device, 4096, 0, &limit);
	close(self->device);
	EXPECT_EQ(-EAGAIN, unload());
	mapping = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, mapping);
	close(fd);
	EXPECT_EQ(-EAGAIN, unload());

	self->device = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->device);
	ASSERT_EQ(0, ioctl(self->device, SHATOMIC_IOC_CREATE, &named));
	close(named.fd);
	munmap(mapping, 4096);
	close(self->device);
	EXPECT_EQ(-EAGAIN, unload());
	self->device = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->device);
	EXPECT_EQ(0, ioctl(self->device, SHATOMIC_IOC_UNLINK, &unlink));
}

TEST_HARNESS_MAIN
