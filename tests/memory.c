// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a region's memory comes from and what it is counted as: its creator's
 * memory cgroup, which refuses without killing anybody; the NUMA nodes of his
 * policy; huge pages for what is a whole one; and the machine's counters. Once
 * there, no reclaim, migration or splitting changes a page. Root runs it.
 */
#include "pages.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>

#define CGROUP "/sys/fs/cgroup/shatomic-memory"
#define MEMINFO "/proc/meminfo"

DEVICE_FIXTURE(memory)

/* In a child in the cgroup: what of it is refused, what is had after that. */
static void use_cgroup(int device, uint32_t flags)
{
	long long before, during;
	uint32_t limit;
	void *memory;
	int fd;

	if (write_text(CGROUP "/cgroup.procs", "0"))
		_exit(1);
	before = read_number(CGROUP "/memory.current");
	fd = create(device, 16 * MIB, flags, &limit);
	during = read_number(CGROUP "/memory.current");
	if (fd < 0)
		_exit(2);
	if (during - before < (long long)(16 * MIB))
		_exit(3);
	/* Touching it costs nothing more but page tables. */
	memory = map(fd, 16 * MIB);
	fill_pages(memory, 16 * MIB);
	if (read_number(CGROUP "/memory.current") - during > (long long)MIB)
		_exit(4);
	munmap(memory, 16 * MIB);
	if (create(device, 100 * MIB, flags, &limit) != -ENOMEM)
		_exit(5);
	if (limit != SHATOMIC_LIMIT_MEMORY)
		_exit(6);
	close(fd);
	/* It fits when all of what failed and of what ended is given back. */
	fd = create(device, 48 * MIB, flags, &limit);
	if (fd < 0)
		_exit(7);
	close(fd);
	_exit(0);
}

/* What is refused is refused: nobody is killed to make room for a region. */
TEST_F_TIMEOUT(memory, a_cgroup_refuses_and_kills_nobody, 120)
{
	static const uint32_t flags[] = { 0, SHATOMIC_CREATE_HUGE };
	unsigned int i;
	pid_t child;

	for (i = 0; i < COUNT_OF(flags); i++) {
		if (flags[i] == SHATOMIC_CREATE_HUGE && !huge_page_size())
			continue;
		ASSERT_EQ(0, mkdir(CGROUP, 0755));
		ASSERT_EQ(0, write_text(CGROUP "/memory.max", "67108864"));
		child = fork();
		if (!child)
			use_cgroup(self->device, flags[i]);
		EXPECT_EQ(0, wait_child(child))
			TH_LOG("flags %u", flags[i]);
		EXPECT_EQ(0, counter(CGROUP "/memory.events", "oom_kill"));
		EXPECT_EQ(true, all_is_back(self->device, &self->before));
		EXPECT_EQ(0, counter(CGROUP "/memory.stat", "file"));
		EXPECT_GT((long long)MIB,
			  read_number(CGROUP "/memory.current"));
		EXPECT_EQ(0, rmdir(CGROUP));
	}
}

/* More than there is of memory is refused, and nobody is killed either. */
TEST_F_TIMEOUT(memory, a_machine_refuses_and_kills_nobody, 120)
{
	long long total = counter(MEMINFO, "MemTotal") << 10;
	long long kills = counter("/proc/vmstat", "oom_kill");
	uint32_t limit;

	ASSERT_EQ(0, set_parameter("max_pinned_bytes", 1ULL << 62));
	EXPECT_EQ(-ENOMEM, create(self->device, 4 * total, 0, &limit));
	EXPECT_EQ(SHATOMIC_LIMIT_MEMORY, limit);
	EXPECT_EQ(kills, counter("/proc/vmstat", "oom_kill"));
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	/* All that had been had is there for others. */
	EXPECT_LT(total / 4, counter(MEMINFO, "MemAvailable") << 10);
}

/* Which node a byte is on. */
static int node_of(volatile char *memory)
{
	void *page = (void *)memory;
	int node = -1;

	(void)*memory;
	syscall(SYS_move_pages, 0, 1UL, &page, NULL, &node, 0);
	return node;
}

static long set_policy(int mode, unsigned long nodes)
{
	return syscall(SYS_set_mempolicy, mode, nodes ? &nodes : NULL,
		       nodes ? 64L : 0L);
}

/* How many of its pages, one of each @step bytes, are on a node. */
static unsigned int count_on(char *memory, size_t size, size_t step, int node)
{
	unsigned int count = 0;
	size_t at;

	for (at = 0; at < size; at += step)
		count += node_of(memory + at) == node;
	return count;
}

#define NEEDS_TWO_NODES()                                                     \
	do {                                                                  \
		if (access("/sys/devices/system/node/node1", F_OK))           \
			SKIP(return, "there is no second NUMA node");         \
	} while (0)

/* Pages come from where the policy says, small ones and huge ones. */
TEST_F(memory, it_comes_from_the_nodes_of_the_policy)
{
	static const size_t sizes[] = { 2 * MIB - PAGE, 8 * MIB + PAGE };
	unsigned int i;
	int node;

	NEEDS_TWO_NODES();
	for (i = 0; i < COUNT_OF(sizes); i++) {
		for (node = 0; node < 2; node++) {
			int region;
			char *memory;

			ASSERT_EQ(0, set_policy(MPOL_BIND, 1UL << node));
			region = new_region_fd(self->device, sizes[i], 0);
			ASSERT_EQ(0, set_policy(MPOL_DEFAULT, 0));
			memory = map(region, sizes[i]);
			ASSERT_NE(NULL, memory);
			EXPECT_EQ((sizes[i] + PAGE - 1) / PAGE,
				  count_on(memory, sizes[i], PAGE, node))
				TH_LOG("%zu bytes, node %d", sizes[i], node);
			munmap(memory, sizes[i]);
			close(region);
		}
	}
}

/* Turn and turn about: by small pages, and by huge ones. */
TEST_F(memory, it_is_interleaved_exactly)
{
	size_t huge = huge_page_size();
	size_t size = 256 * PAGE;
	int region;
	char *memory;

	NEEDS_TWO_NODES();
	ASSERT_EQ(0, set_policy(MPOL_INTERLEAVE, 3));
	region = new_region_fd(self->device, size, 0);
	memory = map(region, size);
	ASSERT_NE(NULL, memory);
	EXPECT_EQ(128, count_on(memory, size, PAGE, 0));
	EXPECT_EQ(128, count_on(memory, size, PAGE, 1));
	munmap(memory, size);
	close(region);
	if (huge) {
		size = 8 * huge;
		region = new_region_fd(self->device, size,
				       SHATOMIC_CREATE_HUGE);
		memory = map(region, size);
		ASSERT_NE(NULL, memory);
		EXPECT_EQ(4, count_on(memory, size, huge, 0));
		EXPECT_EQ(4, count_on(memory, size, huge, 1));
		munmap(memory, size);
		close(region);
	}
	ASSERT_EQ(0, set_policy(MPOL_DEFAULT, 0));
}

/* Policies that come later find nothing to allocate, and move nothing. */
TEST_F(memory, it_stays_on_its_nodes)
{
	const size_t size = 4 * MIB + PAGE;
	unsigned long second = 2;
	int region, node = 1, status = -1;
	uint64_t frame;
	char *memory;
	void *page;

	NEEDS_TWO_NODES();
	ASSERT_EQ(0, set_policy(MPOL_BIND, 1));
	region = new_region_fd(self->device, size, 0);
	ASSERT_EQ(0, set_policy(MPOL_DEFAULT, 0));
	memory = map(region, size);
	ASSERT_NE(NULL, memory);
	fill_pages(memory, size);
	frame = page_frame(memory);
	syscall(SYS_mbind, memory, size, (long)MPOL_BIND, &second, 64L,
		(long)(MPOL_MF_MOVE_ALL | MPOL_MF_STRICT));
	syscall(SYS_migrate_pages, 0, 64L, &(unsigned long){ 1 }, &second);
	page = memory + 4 * MIB;
	syscall(SYS_move_pages, 0, 1UL, &page, &node, &status, MPOL_MF_MOVE);
	EXPECT_EQ((size + PAGE - 1) / PAGE, count_on(memory, size, PAGE, 0));
	EXPECT_EQ(frame, page_frame(memory));
	EXPECT_EQ(true, are_filled(memory, size));
	munmap(memory, size);
	close(region);
}

/* What root can ask of all memory there is. */
static const struct request {
	const char *path;
	const char *text;
} requests[] = {
	{ "/proc/sys/vm/drop_caches", "3" },
	{ "/proc/sys/vm/compact_memory", "1" },
	{ "/sys/kernel/debug/split_huge_pages", "1" },
};

/* Reclaim, compaction and splitting, while it is mapped and while it is not. */
TEST_F_TIMEOUT(memory, no_request_changes_a_page, 120)
{
	const size_t size = 8 * MIB + 16 * PAGE;
	int region = new_region_fd(self->device, size, 0);
	uint64_t huge_bytes = region_info(region).huge_bytes, frames[2];
	char *memory = map(region, size), text[64];
	unsigned int i, turn, made = 0;

	ASSERT_NE(NULL, memory);
	fill_pages(memory, size);
	frames[0] = page_frame(memory + PAGE);
	frames[1] = page_frame(memory + 8 * MIB + PAGE);
	ASSERT_NE(0, frames[0]);
	/* The same of one process's mappings. */
	snprintf(text, sizeof(text), "%d,%p,%p,0", getpid(), memory,
		 memory + size);
	for (turn = 0; turn < 2; turn++) {
		for (i = 0; i < COUNT_OF(requests); i++)
			made += !write_text(requests[i].path, requests[i].text);
		write_text("/sys/kernel/debug/split_huge_pages", text);
		if (!turn)
			munmap(memory, size);
	}
	/* Dropping caches is something that each kernel knows. */
	EXPECT_LE(2, made);
	memory = map(region, size);
	ASSERT_NE(NULL, memory);
	EXPECT_EQ(frames[0], page_frame(memory + PAGE));
	EXPECT_EQ(frames[1], page_frame(memory + 8 * MIB + PAGE));
	EXPECT_EQ(true, are_filled(memory, size));
	munmap(memory, size);
	EXPECT_EQ(huge_bytes, region_info(region).huge_bytes);
	close(region);
}

/* Nor does what a cgroup is asked to give up. */
TEST_F_TIMEOUT(memory, pressure_takes_no_page, 120)
{
	pid_t child;

	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	ASSERT_EQ(0, write_text(CGROUP "/memory.max", "67108864"));
	child = fork();
	if (!child) {
		const size_t size = 16 * MIB + PAGE;
		uint64_t frame;
		char *memory;
		int region;

		if (write_text(CGROUP "/cgroup.procs", "0"))
			_exit(1);
		region = new_region_fd(self->device, size, 0);
		memory = map(region, size);
		fill_pages(memory, size);
		frame = page_frame(memory + PAGE);
		write_text(CGROUP "/memory.reclaim", "16M");
		if (!are_filled(memory, size))
			_exit(2);
		if (page_frame(memory + PAGE) != frame)
			_exit(3);
		_exit(0);
	}
	EXPECT_EQ(0, wait_child(child));
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	EXPECT_EQ(0, rmdir(CGROUP));
}

/* A counter of the machine's, and what it gains by a region of @size bytes. */
static const struct counted {
	const char *name;
	bool created; /* by the region, else by mapping it */
	int times; /* how often its size */
	bool huge; /* only what is in huge pages */
} counted[] = {
	{ "Cached", true, 1, false },
	{ "Unevictable", true, 1, false },
	{ "FileHugePages", true, 1, true },
	{ "Mapped", false, 1, false },
	/* It is a file's memory, and not what others see as shared memory. */
	{ "Shmem", true, 0, false },
	{ "ShmemHugePages", true, 0, false },
	{ "AnonPages", true, 0, false },
	/* Nobody has to write it anywhere. */
	{ "Dirty", true, 0, false },
	{ "Mlocked", true, 0, false },
	/* It is in memory already: strict overcommit has nothing to promise. */
	{ "Committed_AS", true, 0, false },
};

#define COUNTED_SIZE (64 * MIB)

static void read_counters(long long values[COUNT_OF(counted)])
{
	unsigned int i;

	/* CPUs keep some of what they count to themselves for a while. */
	write_text("/proc/sys/vm/stat_refresh", "1");
	for (i = 0; i < COUNT_OF(counted); i++)
		values[i] = counter(MEMINFO, counted[i].name) << 10;
}

/* Whether the counters say what is right within an eighth. */
static void expect_counted(struct __test_metadata *_metadata,
			   const long long *before, const long long *now,
			   bool mapped, uint64_t huge_bytes)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(counted); i++) {
		long long gained = now[i] - before[i], right;

		if (before[i] < 0)
			continue;
		right = counted[i].times * COUNTED_SIZE;
		if (counted[i].huge)
			right = huge_bytes;
		if (!counted[i].created && !mapped)
			right = 0;
		EXPECT_GT((long long)COUNTED_SIZE / 8,
			  llabs(gained - right))
			TH_LOG("%s: %lld MiB more instead of %lld, %s",
			       counted[i].name, gained / (long long)MIB,
			       right / (long long)MIB,
			       mapped ? "mapped" : "created");
	}
}

/* What an administrator sees of regions in /proc/meminfo. */
TEST_F(memory, the_machine_counts_it)
{
	long long before[COUNT_OF(counted)], now[COUNT_OF(counted)], rss;
	uint64_t huge_bytes;
	char *memory;
	int region;

	/* What others have given back is not to fall between the readings. */
	sync();
	write_text("/proc/sys/vm/drop_caches", "3");
	read_counters(before);
	region = new_region_fd(self->device, COUNTED_SIZE, 0);
	ASSERT_LE(0, region);
	huge_bytes = region_info(region).huge_bytes;
	read_counters(now);
	expect_counted(_metadata, before, now, false, huge_bytes);

	rss = counter("/proc/self/status", "RssFile");
	memory = map(region, COUNTED_SIZE);
	ASSERT_NE(NULL, memory);
	fill_pages(memory, COUNTED_SIZE);
	read_counters(now);
	expect_counted(_metadata, before, now, true, huge_bytes);
	/* What the kernel shows of it is late by up to 64 pages a CPU. */
	rss = counter("/proc/self/status", "RssFile") - rss;
	EXPECT_GT((long long)MIB >> 10,
		  llabs(((long long)COUNTED_SIZE >> 10) - rss))
		TH_LOG("%lld KiB", rss);
	EXPECT_EQ((long long)COUNTED_SIZE >> 10, mapping_kib(memory, "Rss"));
	munmap(memory, COUNTED_SIZE);
	close(region);
	read_counters(now);
	EXPECT_GT((long long)COUNTED_SIZE / 8, llabs(now[0] - before[0]));
	EXPECT_GT((long long)COUNTED_SIZE / 8, llabs(now[1] - before[1]));
}

/*
 * Each whole huge page of a region is one, and nothing else is. A region has all
 * of its last page.
 */
TEST_F(memory, huge_pages_are_had_for_whole_ones)
{
	size_t huge = huge_page_size();
	const struct {
		size_t size;
		size_t huge;
	} rows[] = {
		{ 1, 0 }, { huge - PAGE, 0 }, { huge - 1, huge },
		{ huge, huge }, { huge + 1, huge },
		{ 2 * huge - PAGE, huge }, { 2 * huge, 2 * huge },
		{ 5 * huge / 2, 2 * huge }, { 16 * huge + PAGE, 16 * huge },
	};
	static const uint32_t flags[] = {
		0, SHATOMIC_CREATE_HUGE, SHATOMIC_CREATE_ASYNC_FREE,
	};
	unsigned int i, j;

	if (!huge)
		SKIP(return, "this kernel has no huge pages");
	/* There is enough, however it lies. */
	write_text("/proc/sys/vm/compact_memory", "1");
	for (i = 0; i < COUNT_OF(rows); i++) {
		for (j = 0; j < COUNT_OF(flags); j++) {
			int region = new_region_fd(self->device, rows[i].size,
						   flags[j]);

			ASSERT_LE(0, region);
			EXPECT_EQ(rows[i].huge, region_info(region).huge_bytes)
				TH_LOG("%zu bytes, flags %u", rows[i].size,
				       flags[j]);
			close(region);
		}
	}
}

/* Bytes behind a region's end in its last page are there, zero, and no more. */
TEST_F(memory, all_of_it_is_zero)
{
	static const size_t sizes[] = { 1, PAGE - 1, 2 * MIB - 1, 5 * MIB + 100 };
	unsigned int i, turn;
	size_t at, whole;

	for (i = 0; i < COUNT_OF(sizes); i++) {
		/* The second time in what the first has left. */
		for (turn = 0; turn < 2; turn++) {
			int region = new_region_fd(self->device, sizes[i], 0);
			char *memory = map(region, sizes[i]);

			ASSERT_NE(NULL, memory);
			whole = round_up_pages(sizes[i]);
			for (at = 0; at < whole && !memory[at]; at++)
				;
			EXPECT_EQ(whole, at);
			memset(memory, 0xff, whole);
			munmap(memory, whole);
			close(region);
		}
	}
}

TEST_HARNESS_MAIN
