// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits, at the edge and over it: on regions, of all and of a user, on what
 * they pin, on a batch's rows, and on batches in flight. Root runs it.
 */
#include "device.h"
#include "waiting.h"

#include <linux/mempolicy.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define CGROUP "/sys/fs/cgroup/shatomic-limits"

DEVICE_FIXTURE(limits)

TEST_F(limits, pinned_bytes)
{
	uint32_t limit;
	int fd;

	ASSERT_EQ(0, set_parameter("max_pinned_bytes",
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

	ASSERT_EQ(0, set_parameter("max_pinned_bytes", 1ULL << 62));
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

	ASSERT_EQ(0, set_parameter("max_regions",
				   self->before.regions + 1));
	fd = create(self->device, 1, 0, &limit);
	EXPECT_LE(0, fd);
	EXPECT_EQ(-EPERM, create(self->device, 1, 0, &limit));
	EXPECT_EQ(SHATOMIC_LIMIT_REGIONS, limit);
	close(fd);
}

/* A DMA buffer's descriptor; or -errno, with the limit that refused it. */
static int export_limited(int region, uint32_t *limit)
{
	struct shatomic_ioc_export_dmabuf args = { .size = sizeof(args) };
	int ret = ioctl(region, SHATOMIC_IOC_EXPORT_DMABUF, &args) ? -errno :
								     args.fd;

	*limit = args.limit;
	return ret;
}

/* The end of one may be work that the kernel does a little later. */
static bool export_soon(int region)
{
	uint32_t limit;
	unsigned int i;
	int fd = -1;

	for (i = 0; i < 500 && fd < 0; i++) {
		fd = export_limited(region, &limit);
		if (fd < 0)
			usleep(10000);
	}
	return fd >= 0 && !close(fd);
}

/* Each is memory that the kernel has for as long as it is there. */
TEST_F(limits, dma_buffers_count_as_regions)
{
	int region, first, second;
	uint32_t limit;

	ASSERT_EQ(0, set_parameter("max_regions", self->before.regions + 2));
	region = create(self->device, 1, 0, &limit);
	ASSERT_LE(0, region);
	first = export_limited(region, &limit);
	if (first == -EOPNOTSUPP)
		SKIP(close(region); return, "this kernel has no DMA buffers");
	EXPECT_LE(0, first);
	second = export_limited(region, &limit);
	EXPECT_EQ(-EPERM, second);
	EXPECT_EQ(SHATOMIC_LIMIT_REGIONS, limit);
	EXPECT_EQ(-EPERM, create(self->device, 1, 0, &limit));
	EXPECT_EQ(SHATOMIC_LIMIT_REGIONS, limit);
	close(second);
	close(first);
	/* What is gone counts no more, soon. */
	EXPECT_EQ(true, export_soon(region));
	close(region);
}

/* In a child: as many as a user may have, of one region. */
static int export_as_nobody(int device)
{
	uint32_t limit;
	int region, first;

	if (setgid(NOBODY) || setuid(NOBODY))
		return 1;
	region = create(device, 1, 0, &limit);
	if (region < 0)
		return 2;
	first = export_limited(region, &limit);
	if (first == -EOPNOTSUPP)
		return 0;
	if (first < 0)
		return 3;
	if (export_limited(region, &limit) != -EPERM ||
	    limit != SHATOMIC_LIMIT_USER_REGIONS)
		return 4;
	close(region);
	close(first);
	return 0;
}

TEST_F(limits, dma_buffers_of_a_user)
{
	pid_t child;

	ASSERT_EQ(0, set_parameter("max_user_regions", 2));
	child = fork();
	if (!child)
		_exit(export_as_nobody(self->device));
	EXPECT_EQ(0, wait_child(child));
}

TEST_F(limits, batch_rows)
{
	struct shatomic_ioc_batch batch;
	uint32_t limit;
	int fd = create(self->device, 8, 0, &limit);

	ASSERT_EQ(0, set_parameter("max_batch_rows", 100));
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
		ASSERT_EQ(0, set_parameter("max_user_regions", most[i]));
		EXPECT_EQ(most[i], get_info(self->device).max_user_regions);
		child = fork();
		if (!child)
			_exit(create_regions_of_user(self->device, most[i]));
		EXPECT_EQ(0, wait_child(child));
		fd = create(self->device, 1, 0, &limit);
		EXPECT_LE(0, fd);
		EXPECT_EQ(0, get_info(self->device).user_regions);
		close(fd);
		EXPECT_EQ(true, all_is_back(self->device, &self->before));
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
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	/* What is left is the page tables and stacks of a dead process. */
	EXPECT_GT((long long)(2 * MIB),
		  read_number(CGROUP "/memory.current"));
	EXPECT_EQ(0, rmdir(CGROUP));
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
		EXPECT_EQ(true, all_is_back(self->device, &self->before));
	}

	munmap(memory, size);
	EXPECT_EQ(0, take_from_any_node());
	EXPECT_EQ(0, write_text(COMPACTION, "1"));
	if (left <= whole)
		SKIP(return, "too little of the node is free in pieces");
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
	ASSERT_EQ(0, set_parameter(parameter, 0));
	EXPECT_EQ(-EPERM, run_counted(fd, &refused_by));
	EXPECT_EQ(limit, refused_by);
	EXPECT_EQ(0, run_get(fd, false, &offset, &result, &refused_by));
	ASSERT_EQ(0, set_parameter(parameter, 1));
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
	ASSERT_EQ(0, set_parameter(parameter, 2));
	EXPECT_EQ(0, run_counted(waiting.fd, &refused_by));
	ASSERT_EQ(0, set_parameter(parameter, 1));

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

TEST_HARNESS_MAIN
