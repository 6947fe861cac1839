// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is left of regions and batches when they end, and who had them ends well
 * or badly: nothing. Until then the module stays. Root runs it.
 */
#include "device.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define CGROUP "/sys/fs/cgroup/shatomic-endings"

DEVICE_FIXTURE(endings)

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
	/* Names of the first namespace, which are gone, may have helped it. */
	{ .what = "the same, once more", .named = true,
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
	.size = sizeof(unlink_ending), .name = "endings-end",
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
		       FIXTURE_DATA(endings) *self, const struct ending *ending)
{
	pid_t child;

	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	child = fork();
	if (!child)
		create_and_end(self->device, ending);
	EXPECT_EQ(ending->killed ? 256 + SIGKILL : 0, wait_child(child));
	if (ending->named && ending->killed && !ending->in_namespace)
		expect_charged(_metadata, self->device);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));

	child = fork();
	if (!child)
		find_room(self->device);
	EXPECT_EQ(0, wait_child(child));
	EXPECT_GT((long long)(ROOM / 2),
		  read_number(CGROUP "/memory.current"));
	EXPECT_EQ(0, rmdir(CGROUP));
}

/* Locked memory and the cgroup's, however a region ends. */
TEST_F_TIMEOUT(endings, all_is_given_back, 120)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(endings); i++) {
		TH_LOG("%s", endings[i].what);
		try_ending(_metadata, self, &endings[i]);
	}
}

/* In the middle, or sooner or later. */
TEST_F_TIMEOUT(endings, killed_while_creating, 120)
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
		EXPECT_EQ(true, all_is_back(self->device, &self->before));
	}
}

TEST_F(endings, asynchronous_free)
{
	uint32_t limit;
	int fd = create(self->device, 32 * MIB, SHATOMIC_CREATE_ASYNC_FREE,
			&limit);

	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
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

/* Whoever shared the batch, and however late, is done with it. */
TEST_F(endings, nothing_is_in_flight_after_the_call)
{
	struct big_columns columns = big_columns();
	struct shatomic_ioc_batch batch = big_batch(&columns);
	uint32_t limit;
	int fd, i;

	batch.rows = 20000;
	ASSERT_EQ(0, set_parameter("max_user_batches", 1));
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
TEST_F_TIMEOUT(endings, killed_in_mid_batch, 120)
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
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
}

static int unload(void)
{
	return syscall(SYS_delete_module, "shatomic", O_NONBLOCK) ? -errno : 0;
}

/* A module in use refuses to go. */
TEST_F(endings, the_module_stays_while_it_is_used)
{
	struct shatomic_ioc_create named = { .size = sizeof(named),
					     .region_size = 8, .mode = 0600,
					     .name = "endings-busy" };
	struct shatomic_ioc_unlink unlink = { .size = sizeof(unlink),
					      .name = "endings-busy" };
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
