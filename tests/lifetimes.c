// SPDX-License-Identifier: GPL-2.0-only
/*
 * What keeps a region's memory: whatever can still reach it, and nothing else.
 * A path, a watch or a copy in a pipe does not. The module stays as long as
 * anything needs it, and goes cleanly however its end meets theirs. Root runs
 * it.
 */
#include "names.h"
#include "pages.h"

#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define SIZE (2 * MIB + PAGE)
#define MODULE "/shatomic.ko"

FIXTURE(lifetimes)
{
	int device;
	bool mounted;
	struct shatomic_ioc_info before;
};

FIXTURE_SETUP(lifetimes)
{
	self->mounted = unmount_names();
	self->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->device);
	self->before = get_info(self->device);
}

FIXTURE_TEARDOWN(lifetimes)
{
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	close(self->device);
	EXPECT_TRUE(!self->mounted || mount_names());
}

/* What a region is kept by, or not, once its descriptor is closed. */
struct keeper {
	int region; /* open until take() returns */
	int fd;
	int other_fd;
	char *memory;
	pid_t child;
};

static bool is_kept(int device, const struct shatomic_ioc_info *before)
{
	struct shatomic_ioc_info now = get_info(device);

	return now.pinned_bytes >= before->pinned_bytes + SIZE &&
	       now.regions > before->regions;
}

static bool take_duplicate(struct keeper *keeper)
{
	keeper->fd = dup(keeper->region);
	return keeper->fd >= 0;
}

static bool take_reader(struct keeper *keeper)
{
	keeper->fd = reopen(keeper->region, O_RDONLY);
	return keeper->fd >= 0;
}

static bool take_mapping(struct keeper *keeper)
{
	keeper->memory = map(keeper->region, SIZE);
	return keeper->memory;
}

static bool take_dmabuf(struct keeper *keeper)
{
	keeper->fd = export_dmabuf(keeper->region);
	return keeper->fd >= 0;
}

static bool take_mapping_of_dmabuf(struct keeper *keeper)
{
	int buffer = export_dmabuf(keeper->region);

	keeper->memory = map(buffer, SIZE);
	close(buffer);
	return keeper->memory;
}

/* The file that a mapping is of, opened by the mapping's address. */
static int open_mapping(char *memory)
{
	char path[80];

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx",
		 (unsigned long)memory, (unsigned long)(memory + SIZE));
	return open(path, O_RDWR | O_CLOEXEC);
}

static bool take_file_of_mapping(struct keeper *keeper)
{
	char *memory = map(keeper->region, SIZE);

	keeper->fd = open_mapping(memory);
	munmap(memory, SIZE);
	return keeper->fd >= 0;
}

/* On its way in a socket, whose other end nobody reads. */
static bool take_message(struct keeper *keeper)
{
	char room[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = room,
		.msg_controllen = sizeof(room),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return false;
	keeper->fd = sockets[0];
	keeper->other_fd = sockets[1];
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &keeper->region, sizeof(int));
	return sendmsg(sockets[0], &message, 0) == 1;
}

static bool take_child(struct keeper *keeper)
{
	keeper->child = fork();
	if (!keeper->child) {
		while (getppid() != 1)
			usleep(10000);
		_exit(0);
	}
	return true;
}

static bool take_path(struct keeper *keeper)
{
	keeper->fd = reopen(keeper->region, O_PATH);
	return keeper->fd >= 0;
}

static bool take_watch(struct keeper *keeper)
{
	struct fd_path path = fd_path(keeper->region);

	keeper->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return inotify_add_watch(keeper->fd, path.text, IN_ALL_EVENTS) >= 0;
}

/* A copy of words, which is what splice(2) leaves in a pipe. */
static bool take_copy(struct keeper *keeper)
{
	off_t at = 0;
	int pipes[2];

	if (pipe(pipes))
		return false;
	keeper->fd = pipes[0];
	keeper->other_fd = pipes[1];
	return splice(keeper->region, &at, pipes[1], NULL, PAGE, 0) == PAGE;
}

static bool take_lock(struct keeper *keeper)
{
	return !flock(keeper->region, LOCK_EX);
}

static bool take_nothing(struct keeper *keeper)
{
	return keeper->region >= 0;
}

static const struct keeping {
	const char *what;
	bool (*take)(struct keeper *keeper);
	bool keeps;
} keepings[] = {
	{ "a duplicate", take_duplicate, true },
	{ "a reader's descriptor", take_reader, true },
	{ "a mapping", take_mapping, true },
	{ "a DMA buffer", take_dmabuf, true },
	{ "a DMA buffer's mapping", take_mapping_of_dmabuf, true },
	{ "a mapping's file", take_file_of_mapping, true },
	{ "a descriptor in a message", take_message, true },
	{ "a child's descriptor", take_child, true },
	{ "nothing", take_nothing, false },
	{ "a path", take_path, false },
	{ "a watch", take_watch, false },
	{ "a copy in a pipe", take_copy, false },
	{ "a lock", take_lock, false },
};

static void let_go(struct keeper *keeper)
{
	if (keeper->fd >= 0)
		close(keeper->fd);
	if (keeper->other_fd >= 0)
		close(keeper->other_fd);
	if (keeper->memory)
		munmap(keeper->memory, SIZE);
	if (keeper->child) {
		kill(keeper->child, SIGKILL);
		wait_child(keeper->child);
	}
}

static int unload(void)
{
	return syscall(SYS_delete_module, "shatomic", O_NONBLOCK) ? -errno : 0;
}

static bool load(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC);
	int ret = syscall(SYS_finit_module, fd, "", 0);

	close(fd);
	return !ret;
}

/*
 * Whether the module refuses to go. It is put back where it went, so that other
 * tests have it.
 */
static bool refuses_to_go(void)
{
	int ret = unload();

	if (!ret)
		load();
	return ret == -EAGAIN;
}

/* Whether it is a module, and one that can be had back. */
static bool can_go(void)
{
	return !access("/sys/module/shatomic/refcnt", F_OK) &&
	       !access(MODULE, R_OK);
}

static void try_keeping(struct __test_metadata *_metadata,
			FIXTURE_DATA(lifetimes) *self,
			const struct keeping *keeping, uint32_t flags)
{
	struct keeper keeper = { .fd = -1, .other_fd = -1 };
	bool stays;

	keeper.region = new_region_fd(self->device, SIZE, flags);
	ASSERT_LE(0, keeper.region);
	ASSERT_EQ(true, keeping->take(&keeper))
		TH_LOG("%s", keeping->what);
	EXPECT_EQ(true, is_kept(self->device, &self->before));
	close(keeper.region);
	if (keeping->keeps) {
		EXPECT_EQ(true, is_kept(self->device, &self->before))
			TH_LOG("%s does not keep it", keeping->what);
	} else {
		EXPECT_EQ(true, all_is_back(self->device, &self->before))
			TH_LOG("%s keeps it", keeping->what);
	}
	if (keeping->keeps && can_go()) {
		/* The only other file of the module's that is open. */
		close(self->device);
		stays = refuses_to_go();
		self->device = open(DEVICE, O_RDWR | O_CLOEXEC);
		EXPECT_EQ(true, stays)
			TH_LOG("%s does not keep the module", keeping->what);
	}
	let_go(&keeper);
	EXPECT_EQ(true, all_is_back(self->device, &self->before))
		TH_LOG("after %s", keeping->what);
}

TEST_F_TIMEOUT(lifetimes, what_keeps_a_region, 120)
{
	static const uint32_t flags[] = { 0, SHATOMIC_CREATE_ASYNC_FREE };
	unsigned int i, j;

	for (i = 0; i < COUNT_OF(keepings); i++) {
		for (j = 0; j < COUNT_OF(flags); j++)
			try_keeping(_metadata, self, &keepings[i], flags[j]);
	}
}

/* Its words are there as long as it is. */
TEST_F(lifetimes, what_keeps_it_keeps_its_words)
{
	int region = new_region_fd(self->device, SIZE, 0), buffer;
	char *memory = map(region, SIZE);

	ASSERT_NE(NULL, memory);
	fill_pages(memory, SIZE);
	close(region);
	EXPECT_EQ(true, are_filled(memory, SIZE));
	/* The mapping gives the file again, and that a buffer. */
	region = open_mapping(memory);
	ASSERT_LE(0, region);
	munmap(memory, SIZE);
	buffer = export_dmabuf(region);
	ASSERT_LE(0, buffer);
	close(region);
	memory = map(buffer, SIZE);
	ASSERT_NE(NULL, memory);
	close(buffer);
	EXPECT_EQ(true, are_filled(memory, SIZE));
	munmap(memory, SIZE);
}

/*
 * What is left of a region is a path to nothing, by which nobody opens anything.
 */
TEST_F(lifetimes, a_path_leads_nowhere_afterwards)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR };
	int region = new_region_fd(self->device, SIZE, 0);
	int path = reopen(region, O_PATH), again;
	struct stat before, after;
	unsigned int i;

	ASSERT_LE(0, path);
	ASSERT_EQ(0, fstat(path, &before));
	/* As long as it is there, it is. */
	again = reopen(path, O_RDWR);
	ASSERT_LE(0, again);
	close(region);
	EXPECT_EQ(SIZE, region_info(again).region_size);
	close(again);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	for (i = 0; i < COUNT_OF(flags); i++)
		EXPECT_EQ(-ENXIO, reopen(path, flags[i]));
	ASSERT_EQ(0, fstat(path, &after));
	EXPECT_EQ(before.st_ino, after.st_ino);
	EXPECT_EQ(0, after.st_blocks);
	close(path);
}

/* Whoever watches a region sees what is done to it. */
TEST_F(lifetimes, a_watch_is_told)
{
	int region = new_region_fd(self->device, SIZE, 0);
	struct fd_path path = fd_path(region);
	char events[4096];
	struct inotify_event *event = (void *)events;
	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	ASSERT_LE(0, inotify_add_watch(watch, path.text,
				       IN_MODIFY | IN_ATTRIB | IN_CLOSE));
	EXPECT_EQ(1, pwrite(region, "x", 1, 0));
	EXPECT_LT(0, read(watch, events, sizeof(events)));
	EXPECT_EQ(IN_MODIFY, event->mask);
	EXPECT_EQ(0, fchmod(region, 0640));
	EXPECT_LT(0, read(watch, events, sizeof(events)));
	EXPECT_EQ(IN_ATTRIB, event->mask);
	close(region);
	EXPECT_LT(0, read(watch, events, sizeof(events)));
	EXPECT_EQ(IN_CLOSE_WRITE, event->mask & IN_CLOSE_WRITE);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	close(watch);
}

/* An allowance of seconds that a kernel which looks for faults makes no use of. */
#define RACE_SECONDS 4

static bool goes_on(time_t end)
{
	return time(NULL) < end;
}

/*
 * In a child: open the region by a path of the process that closes it meanwhile.
 * What is opened is a region with its word, or there is none any more.
 */
static void reopen_all_the_time(int path, time_t end)
{
	unsigned int found = 0;

	while (goes_on(end)) {
		int again = reopen(path, O_RDWR);
		uint64_t word = 0;

		if (again == -ENXIO)
			_exit(found ? 0 : 3);
		if (again < 0)
			_exit(1);
		if (pread(again, &word, 8, 8) != 8 || word != 4711)
			_exit(2);
		found++;
		close(again);
	}
	_exit(4);
}

TEST_F_TIMEOUT(lifetimes, the_last_close_meets_others_that_open, 60)
{
	static const uint64_t word = 4711;
	time_t end = time(NULL) + RACE_SECONDS;
	unsigned int rounds = 0, i;
	pid_t children[2];

	for (rounds = 0; goes_on(end); rounds++) {
		uint32_t flags = rounds % 2 ? SHATOMIC_CREATE_ASYNC_FREE : 0;
		int region = new_region_fd(self->device, PAGE + rounds % 3,
					   flags);
		int path = reopen(region, O_PATH), status, failed = 0;

		ASSERT_LE(0, path);
		ASSERT_EQ(8, pwrite(region, &word, 8, 8));
		for (i = 0; i < COUNT_OF(children); i++) {
			children[i] = fork();
			if (!children[i]) {
				close(region);
				reopen_all_the_time(path, end + 600);
			}
		}
		usleep(1000 + rounds % 7 * 500);
		close(region);
		for (i = 0; i < COUNT_OF(children); i++) {
			status = wait_child(children[i]);
			/* It may have come too late to find it once. */
			failed |= status != 3 ? status : 0;
		}
		close(path);
		ASSERT_EQ(0, failed);
		ASSERT_EQ(true, all_is_back(self->device, &self->before));
	}
	EXPECT_LT(0, rounds);
}

static long long microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* In a child: have regions in every way, from device to last file. */
static void come_and_go(unsigned int seed, time_t end)
{
	struct keeper keeper;
	unsigned int made = 0;
	int device, path;
	long long began;

	random_state = seed * 2 + 1;
	while (goes_on(end)) {
		began = microseconds();
		device = open(DEVICE, O_RDWR | O_CLOEXEC);
		if (device < 0) {
			usleep(next_random() % 3000);
			continue;
		}
		keeper = (struct keeper){ .fd = -1, .other_fd = -1 };
		keeper.region = new_region_fd(device, SIZE,
					      next_random() % 2 ?
					      SHATOMIC_CREATE_ASYNC_FREE : 0);
		if (keeper.region < 0)
			_exit(1);
		if (next_random() % 2) {
			close(device);
			device = -1;
		}
		path = next_random() % 2 ? reopen(keeper.region, O_PATH) : -1;
		if (!keepings[next_random() % COUNT_OF(keepings)].take(&keeper))
			_exit(2);
		close(keeper.region);
		if (next_random() % 2 && path >= 0) {
			close(path);
			path = -1;
		}
		let_go(&keeper);
		if (device >= 0)
			close(device);
		if (path >= 0)
			close(path);
		made++;
		/*
		 * Now and then nobody has anything: the module can go. Also where
		 * a round takes long.
		 */
		usleep(next_random() % 2 *
		       (next_random() % (40000 + 6 * (microseconds() - began))));
	}
	_exit(made ? 0 : 3);
}

TEST_F_TIMEOUT(lifetimes, the_module_goes_and_comes_meanwhile, 120)
{
	unsigned int i, unloads = 0, loads = 0;
	time_t end = time(NULL) + 2 * RACE_SECONDS;
	pid_t children[3];

	if (!can_go())
		SKIP(return, "the module can't be unloaded and loaded here");
	seed_random();
	close(self->device);
	for (i = 0; i < COUNT_OF(children); i++) {
		children[i] = fork();
		if (!children[i])
			come_and_go(random_state + i, end);
	}
	while (goes_on(end)) {
		if (unload()) {
			usleep(100);
			continue;
		}
		unloads++;
		loads += load();
	}
	for (i = 0; i < COUNT_OF(children); i++)
		EXPECT_EQ(0, wait_child(children[i]));
	EXPECT_EQ(unloads, loads);
	EXPECT_LT(0, unloads);
	/* With all of them gone, nothing is left. */
	for (i = 0; i < 1000 && unload(); i++)
		usleep(10000);
	EXPECT_GT(1000, i);
	EXPECT_EQ(true, load());
	self->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->device);
}

/* A region's inode is none of the device's, and its time has no end either. */
TEST_F(lifetimes, a_path_keeps_the_module)
{
	int region, path;

	if (!can_go())
		SKIP(return, "the module can't be unloaded and loaded here");
	region = new_region_fd(self->device, SIZE, 0);
	path = reopen(region, O_PATH);
	close(region);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	close(self->device);
	EXPECT_EQ(true, refuses_to_go());
	close(path);
	self->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->device);
}

TEST_HARNESS_MAIN
