// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is left of regions and batches when they end, and who had them ends well
 * or badly: nothing. Until then the module stays. Root runs it.
 */
#include "device.h"
#include "names.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define CGROUP "/sys/fs/cgroup/shatomic-endings"

DEVICE_FIXTURE(endings)

#define NAME "endings-end"

/* Where a region has its name. */
enum place {
	NOWHERE,
	OURS,		/* which stays */
	OF_ITS_OWN,	/* an instance that goes with the process */
	IN_NAMESPACE,	/* one in a mount namespace that does */
};

/* How a region of a user's ends, who has room for one. */
static const struct ending {
	const char *what;
	uint32_t flags;
	enum place named;
	bool mapped;
	bool killed;
} endings[] = {
	{ .what = "closed" },
	{ .what = "closed, freed by a worker",
	  .flags = SHATOMIC_CREATE_ASYNC_FREE },
	{ .what = "unmapped", .mapped = true },
	{ .what = "unlinked", .named = OURS },
	{ .what = "unlinked, freed by a worker", .named = OURS,
	  .flags = SHATOMIC_CREATE_ASYNC_FREE },
	{ .what = "unmapped after it was unlinked", .named = OURS,
	  .mapped = true },
	{ .what = "killed", .killed = true },
	{ .what = "killed, freed by a worker", .killed = true, .mapped = true,
	  .flags = SHATOMIC_CREATE_ASYNC_FREE },
	{ .what = "unlinked by root, after its owner was killed",
	  .named = OURS, .killed = true },
	{ .what = "ended with its instance", .named = OF_ITS_OWN },
	{ .what = "killed, and so the end of its instance",
	  .named = OF_ITS_OWN, .mapped = true, .killed = true },
	{ .what = "killed, and so the end of its mount namespace",
	  .named = IN_NAMESPACE, .mapped = true, .killed = true },
	{ .what = "the same, freed by a worker", .named = IN_NAMESPACE,
	  .killed = true, .flags = SHATOMIC_CREATE_ASYNC_FREE },
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

/* In a child, as root: where the region is to have its name. */
static int find_names(int names, enum place place)
{
	switch (place) {
	case OURS:
		return names;
	case OF_ITS_OWN:
		return new_names();
	case IN_NAMESPACE:
		if (unshare(CLONE_NEWNS) ||
		    mount(NULL, "/", "none", MS_REC | MS_PRIVATE, NULL) ||
		    mount("shatomic", "/tmp", "shatomic", 0, NULL))
			return -1;
		return open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	default:
		return -1;
	}
}

static int create_ending(int device, int names, const struct ending *ending)
{
	uint32_t limit;

	if (ending->named)
		return create_named(device, names, NAME, ROOM, ending->flags,
				    0600);
	return create(device, ROOM, ending->flags, &limit);
}

/*
 * As soon as there is room, which comes last and may take a moment: until each
 * CPU has let go of the pages that it had on their way to a list.
 */
static int create_ending_soon(int device, int names,
			      const struct ending *ending)
{
	int region, i;

	for (i = 0; i < 100; i++) {
		region = create_ending(device, names, ending);
		if (region != -EPERM)
			break;
		usleep(10000);
	}
	return region;
}

/* In a child: create a region, and end it. */
static void create_and_end(int device, int names, const struct ending *ending)
{
	void *memory = NULL;
	int region;

	if (write_text(CGROUP "/cgroup.procs", "0"))
		_exit(1);
	names = find_names(names, ending->named);
	become_nobody();
	region = create_ending_soon(device, names, ending);
	if (region < 0 || !has_no_room(device))
		_exit(2);
	if (ending->mapped)
		memory = mmap(NULL, ROOM, PROT_READ, MAP_SHARED, region, 0);
	if (memory == MAP_FAILED)
		_exit(3);
	if (read_number(CGROUP "/memory.current") < (long long)ROOM)
		_exit(4);
	if (ending->killed)
		raise(SIGKILL);
	close(region);
	if ((ending->mapped || ending->named) && !has_no_room(device))
		_exit(5);
	if (ending->named == OURS && remove_name(names, NAME))
		_exit(6);
	if (ending->mapped && !has_no_room(device))
		_exit(7);
	_exit(0);
}

/* What a name keeps stays charged to who made it. */
static void expect_charged(struct __test_metadata *_metadata, int device,
			   int names)
{
	pid_t child = fork();

	if (!child) {
		become_nobody();
		_exit(!has_no_room(device));
	}
	EXPECT_EQ(0, wait_child(child));
	EXPECT_LE((long long)ROOM, read_number(CGROUP "/memory.current"));
	EXPECT_EQ(0, remove_name(names, NAME));
}

/* In a child: whether there is room. */
static void find_room(int device)
{
	const struct ending unnamed = { .named = 0 };

	become_nobody();
	_exit(create_ending_soon(device, -1, &unnamed) < 0 ||
	      get_info(device).user_regions != 1);
}

static void try_ending(struct __test_metadata *_metadata,
		       FIXTURE_DATA(endings) *self, int names,
		       const struct ending *ending)
{
	pid_t child;

	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	child = fork();
	if (!child)
		create_and_end(self->device, names, ending);
	EXPECT_EQ(ending->killed ? 256 + SIGKILL : 0, wait_child(child));
	if (ending->named == OURS && ending->killed)
		expect_charged(_metadata, self->device, names);
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
	int names = new_names();
	unsigned int i;

	ASSERT_LE(0, names);
	for (i = 0; i < COUNT_OF(endings); i++) {
		TH_LOG("%s", endings[i].what);
		try_ending(_metadata, self, names, &endings[i]);
	}
	close(names);
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

/* A module in use refuses to go: by a region, a mapping, a mount, a named region. */
TEST_F(endings, the_module_stays_while_it_is_used)
{
	uint32_t limit;
	void *mapping;
	int fd, names;

	if (access("/sys/module/shatomic/refcnt", F_OK))
		SKIP(return, "it is built into the kernel");
	fd = create(self->device, 4096, 0, &limit);
	close(self->device);
	EXPECT_TRUE(module_is_used());
	mapping = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, mapping);
	close(fd);
	EXPECT_TRUE(module_is_used());

	self->device = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->device);
	names = new_names();
	ASSERT_LE(0, names);
	munmap(mapping, 4096);
	close(self->device);
	EXPECT_TRUE(module_is_used());
	self->device = open(DEVICE, O_RDWR);
	fd = create_named(self->device, names, NAME, 8, 0, 0600);
	ASSERT_LE(0, fd);
	close(self->device);
	close(names);
	EXPECT_TRUE(module_is_used());
	self->device = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->device);
	close(fd);
}

TEST_HARNESS_MAIN
