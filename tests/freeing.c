// SPDX-License-Identifier: GPL-2.0-only
/*
 * A region's memory is freed on CPUs of whoever had it, whose time it is: not on
 * others, which its mask keeps free of it. Whatever drops the last reference: a
 * close, an unmap, an exit, a kill, or a ring of io_uring's whose work the kernel
 * does by itself. Root runs it, in a kernel that has tracefs mounted.
 */
#include "pages.h"

#include <inttypes.h>
#include <liburing.h>
#include <sched.h>

#define INSTANCE "/sys/kernel/tracing/instances/shatomic-freeing"
#define SIZE (2 * MIB)
/* Enough that no CPU is right by luck each time. */
#define ROUNDS 6

FIXTURE(freeing)
{
	int device;
	struct shatomic_ioc_info before;
};

FIXTURE_SETUP(freeing)
{
	self->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->device);
	self->before = get_info(self->device);
	rmdir(INSTANCE);
	ASSERT_EQ(0, mkdir(INSTANCE, 0700))
		TH_LOG(INSTANCE ": %s", strerror(errno));
	ASSERT_EQ(0, write_text(INSTANCE
				"/events/shatomic/shatomic_region_free/enable",
				"1"));
}

FIXTURE_TEARDOWN(freeing)
{
	write_text(INSTANCE "/events/shatomic/shatomic_region_free/enable", "0");
	EXPECT_EQ(0, rmdir(INSTANCE));
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	close(self->device);
}

/* The CPU that freed a region, -1 when none has, -2 when it can't be told. */
static int cpu_of_freeing(uint64_t inode)
{
	FILE *file = fopen(INSTANCE "/trace", "r");
	char line[512], wanted[64], *bracket;
	int cpu = -1;

	snprintf(wanted, sizeof(wanted),
		 "shatomic_region_free: inode=%" PRIu64 " ", inode);
	while (file && fgets(line, sizeof(line), file)) {
		if (!strstr(line, wanted))
			continue;
		/* NAME-NUMBER [CPU] ... */
		bracket = strstr(line, " [");
		cpu = bracket ? atoi(bracket + 2) : -2;
	}
	if (file)
		fclose(file);
	return cpu;
}

static bool bind_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

/*
 * Keep the CPU busy for a while: whatever may be done on another one then is.
 */
static void stay_busy(void)
{
	struct timespec begin, now;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - begin.tv_sec) * 1000000000L + now.tv_nsec -
			 begin.tv_nsec < 30000000L);
}

static void end_by_close(int region)
{
	close(region);
	stay_busy();
}

static void end_by_unmapping(int region)
{
	char *memory = map(region, SIZE);

	close(region);
	fill_pages(memory, SIZE);
	munmap(memory, SIZE);
	stay_busy();
}

static void end_by_exit(int region)
{
	map(region, SIZE);
}

static void end_by_kill(int region)
{
	map(region, SIZE);
	raise(SIGKILL);
}

/* Of a thread of many, and of descriptors not closed. */
static void end_by_dmabuf(int region)
{
	int buffer = export_dmabuf(region);

	close(region);
	if (buffer >= 0)
		close(buffer);
	stay_busy();
}

/* The ring has the file; its end is work of the kernel's. */
static void end_by_ring(int region)
{
	struct io_uring ring;

	if (io_uring_queue_init(4, &ring, 0) ||
	    io_uring_register_files(&ring, &region, 1))
		_exit(3);
	close(region);
	io_uring_queue_exit(&ring);
	stay_busy();
}

static void end_by_ring_and_exit(int region)
{
	struct io_uring ring;

	if (io_uring_queue_init(4, &ring, 0) ||
	    io_uring_register_files(&ring, &region, 1))
		_exit(3);
	close(region);
}

static const struct ending {
	const char *what;
	void (*end)(int region);
	int status; /* of the process that does so */
} endings[] = {
	{ "a close", end_by_close, 0 },
	{ "unmapping", end_by_unmapping, 0 },
	{ "an exit", end_by_exit, 0 },
	{ "a kill", end_by_kill, 256 + SIGKILL },
	{ "closing a DMA buffer", end_by_dmabuf, 0 },
	{ "the end of a ring", end_by_ring, 0 },
	{ "an exit with a ring", end_by_ring_and_exit, 0 },
};

/* The CPU that freed it, soon. */
static int await_freeing(uint64_t inode)
{
	unsigned int i;
	int cpu = -1;

	for (i = 0; i < 500 * time_scale() && cpu == -1; i++) {
		cpu = cpu_of_freeing(inode);
		if (cpu == -1)
			usleep(10000);
	}
	return cpu;
}

/* A region of a child's that is bound to a CPU; which CPU freed it. */
static int try_ending(struct __test_metadata *_metadata, int device,
		      const struct ending *ending, uint32_t flags, int cpu)
{
	uint64_t *inode = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct stat st;
	pid_t child;
	int ret;

	child = fork();
	if (!child) {
		int region;

		if (!bind_to(cpu))
			_exit(1);
		region = new_region_fd(device, SIZE, flags);
		close(device);
		if (region < 0 || fstat(region, &st))
			_exit(2);
		*inode = st.st_ino;
		ending->end(region);
		_exit(0);
	}
	EXPECT_EQ(ending->status, wait_child(child))
		TH_LOG("%s", ending->what);
	ret = await_freeing(*inode);
	munmap(inode, PAGE);
	return ret;
}

static void try_flags(struct __test_metadata *_metadata, int device,
		      uint32_t flags)
{
	unsigned int i, round;
	cpu_set_t set;
	int cpu;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(set), &set));
	if (CPU_COUNT(&set) < 2)
		SKIP(return, "with one CPU there is no other");
	for (i = 0; i < COUNT_OF(endings); i++) {
		for (round = 0; round < ROUNDS; round++) {
			for (cpu = 0; cpu < 2; cpu++) {
				int freed_on = try_ending(_metadata, device,
							  &endings[i], flags,
							  cpu);

				EXPECT_EQ(cpu, freed_on)
					TH_LOG("by %s", endings[i].what);
			}
		}
	}
}

TEST_F_TIMEOUT(freeing, is_done_on_cpus_of_whoever_had_it, 120)
{
	try_flags(_metadata, self->device, 0);
}

TEST_F_TIMEOUT(freeing, by_a_worker_is_so_too, 120)
{
	try_flags(_metadata, self->device, SHATOMIC_CREATE_ASYNC_FREE);
}

TEST_HARNESS_MAIN
