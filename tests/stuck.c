// SPDX-License-Identifier: GPL-2.0-only
/*
 * A caller who reads or writes a region from or to memory that another process
 * should serve, and does not (userfaultfd, FUSE), waits alone. All others get on
 * with the region, by descriptors of their own and by the very same opened file.
 * The caller can be killed. Root runs it.
 */
#include "pages.h"
#include "waiting.h"

#include <pthread.h>
#include <sys/uio.h>

#define SIZE (2 * MIB)
/* Far longer than any call takes, where it does not wait. */
#define SECONDS 5

FIXTURE(stuck)
{
	int device;
	struct shatomic_ioc_info before;
	int region;
};

FIXTURE_SETUP(stuck)
{
	self->device = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->device);
	self->before = get_info(self->device);
	self->region = new_region_fd(self->device, SIZE, 0);
	ASSERT_LE(0, self->region);
}

FIXTURE_TEARDOWN(stuck)
{
	close(self->region);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	close(self->device);
}

static char here[PAGE];

/* Calls that get stuck: from or to a page that nobody serves. */
static ssize_t stick_in_write(int region, char *page)
{
	return write(region, page, PAGE);
}

static ssize_t stick_in_pwrite(int region, char *page)
{
	return pwrite(region, page, PAGE, 0);
}

/* Stuck in its second page: the first has been written. */
static ssize_t stick_in_writev(int region, char *page)
{
	struct iovec parts[] = { { here, PAGE }, { page, PAGE } };

	return writev(region, parts, 2);
}

static ssize_t stick_in_read(int region, char *page)
{
	return read(region, page, PAGE);
}

static ssize_t stick_in_pread(int region, char *page)
{
	return pread(region, page, PAGE, 0);
}

static ssize_t stick_in_batch(int region, char *page)
{
	struct shatomic_ioc_batch batch = {
		.size = sizeof(batch), .op = SHATOMIC_OP_GET, .width = 8,
		.rows = 8, .offsets = (uintptr_t)page,
	};

	return ioctl(region, SHATOMIC_IOC_BATCH, &batch);
}

static ssize_t stick_in_create(int region, char *page)
{
	int device = open(DEVICE, O_RDWR | O_CLOEXEC);

	(void)region;
	return ioctl(device, SHATOMIC_IOC_CREATE, page);
}

static const struct sticking {
	const char *what;
	ssize_t (*stick)(int region, char *page);
} stickings[] = {
	{ "write", stick_in_write },
	{ "pwrite", stick_in_pwrite },
	{ "writev", stick_in_writev },
	{ "read", stick_in_read },
	{ "pread", stick_in_pread },
	{ "a batch", stick_in_batch },
	{ "creating another", stick_in_create },
};

/* What others do meanwhile; each returns whether it did what it should. */
static bool do_pwrite(int fd)
{
	return pwrite(fd, "word", 4, PAGE) == 4;
}

static bool do_pwrite_same_page(int fd)
{
	return pwrite(fd, "word", 4, 16) == 4;
}

static bool do_pread(int fd)
{
	char text[4];

	return pread(fd, text, 4, 0) == 4;
}

static bool do_seek(int fd)
{
	return lseek(fd, 8, SEEK_SET) == 8;
}

static bool do_seek_end(int fd)
{
	return lseek(fd, 0, SEEK_END) == SIZE;
}

static bool do_seek_data(int fd)
{
	return lseek(fd, 8, SEEK_DATA) == 8;
}

static bool do_seek_hole(int fd)
{
	return lseek(fd, 8, SEEK_HOLE) == SIZE;
}

/* At whatever position others have left it, if only at the end. */
static bool do_read(int fd)
{
	char text[4];

	return read(fd, text, 4) >= 0;
}

static bool do_write(int fd)
{
	return write(fd, "word", 4) > 0 || errno == ENOSPC;
}

static bool do_chmod(int fd)
{
	return !fchmod(fd, 0600);
}

static bool do_chown(int fd)
{
	return !fchown(fd, 0, 0);
}

static bool do_times(int fd)
{
	return !futimens(fd, NULL);
}

static bool do_truncate(int fd)
{
	return ftruncate(fd, 0) < 0 && errno == EPERM;
}

static bool do_allocate(int fd)
{
	return fallocate(fd, 0, 0, PAGE) < 0;
}

static bool do_sync(int fd)
{
	return !fsync(fd);
}

static bool do_stat(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_size == SIZE;
}

static bool do_map(int fd)
{
	char *memory = map(fd, SIZE);

	if (!memory)
		return false;
	memory[0]++;
	memory[SIZE - 1]++;
	return !munmap(memory, SIZE);
}

static bool do_reopen(int fd)
{
	return reopen(fd, O_RDWR) >= 0;
}

static bool do_splice(int fd)
{
	off_t at = 0;
	int pipes[2];

	return !pipe(pipes) &&
	       splice(fd, &at, pipes[1], NULL, 8, 0) == 8 &&
	       splice(pipes[0], NULL, fd, &(off_t){ PAGE }, 8, 0) == 8;
}

static bool do_batch(int fd)
{
	struct shatomic_ioc_batch batch;

	return !run_gets(fd, 10, &batch);
}

static bool do_info(int fd)
{
	return region_info(fd).region_size == SIZE;
}

static bool do_export(int fd)
{
	int buffer = export_dmabuf(fd);

	return buffer >= 0 || buffer == -EOPNOTSUPP;
}

static const struct doing {
	const char *what;
	bool (*go)(int fd);
} doings[] = {
	{ "pwrite", do_pwrite },
	{ "pwrite to the same page", do_pwrite_same_page },
	{ "pread", do_pread },
	{ "lseek to a place", do_seek },
	{ "lseek to the end", do_seek_end },
	{ "lseek to data", do_seek_data },
	{ "lseek to a hole", do_seek_hole },
	{ "read", do_read },
	{ "write", do_write },
	{ "fchmod", do_chmod },
	{ "fchown", do_chown },
	{ "futimens", do_times },
	{ "ftruncate", do_truncate },
	{ "fallocate", do_allocate },
	{ "fsync", do_sync },
	{ "fstat", do_stat },
	{ "mmap", do_map },
	{ "open", do_reopen },
	{ "splice", do_splice },
	{ "a batch", do_batch },
	{ "REGION_INFO", do_info },
	{ "EXPORT_DMABUF", do_export },
};

struct caller {
	const struct sticking *sticking;
	int region;
	char *page;
};

static void *call(void *arg)
{
	struct caller *caller = arg;

	caller->sticking->stick(caller->region, caller->page);
	/* It was not stuck at all, or not for long. */
	_exit(5);
}

/*
 * In a child: have a thread make the call, tell @ready when it waits, and serve
 * nothing. When the child ends, so does the wait.
 */
static void get_stuck(const struct sticking *sticking, int region, int ready)
{
	struct caller caller = { .sticking = sticking, .region = region };
	pthread_t thread;
	int fault;

	caller.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fault = begin_waiting(caller.page, PAGE);
	if (fault < 0)
		_exit(2);
	if (pthread_create(&thread, NULL, call, &caller))
		_exit(3);
	if (!await_readers(fault, 1) || write(ready, "x", 1) != 1)
		_exit(4);
	pause();
	_exit(6);
}

/* A child that waits in that call; 0 when it does not. */
static pid_t start_stuck(const struct sticking *sticking, int region)
{
	int ready[2];
	char byte;
	pid_t child;
	bool waits;

	/* At the end, where others may have left it, there is nothing to do. */
	if (lseek(region, 0, SEEK_SET) || pipe(ready))
		return 0;
	child = fork();
	if (!child) {
		close(ready[0]);
		get_stuck(sticking, region, ready[1]);
	}
	close(ready[1]);
	waits = read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	if (waits)
		return child;
	printf("# not stuck in %s: %d\n", sticking->what, wait_child(child));
	fflush(stdout);
	return 0;
}

/*
 * Try all of it at once, each in a process of its own: one that waits for ever
 * does not keep the others from being tried. False when any did not do what it
 * should.
 */
static bool try_doings(struct __test_metadata *_metadata, int region,
		       bool same_file, const char *what)
{
	pid_t children[COUNT_OF(doings)];
	unsigned int i, seconds = SECONDS;
	bool fine = true;

	for (i = 0; i < COUNT_OF(doings); i++) {
		children[i] = fork();
		if (!children[i])
			_exit(!doings[i].go(same_file ? region :
						reopen(region, O_RDWR)));
	}
	for (i = 0; i < COUNT_OF(doings); i++) {
		int status = wait_child_for(children[i], seconds);

		EXPECT_EQ(0, status)
			TH_LOG("%s by %s file, while another is stuck in %s",
			       doings[i].what, same_file ? "the same" : "another",
			       what);
		if (!status)
			continue;
		fine = false;
		kill(children[i], SIGKILL);
		/* The others have had as much time as this one. */
		seconds = 1;
	}
	return fine;
}

static void try_sticking(struct __test_metadata *_metadata,
			 FIXTURE_DATA(stuck) *self,
			 const struct sticking *sticking)
{
	pid_t child = start_stuck(sticking, self->region);
	bool fine;

	ASSERT_NE(0, child);
	fine = try_doings(_metadata, self->region, false, sticking->what) &&
	       try_doings(_metadata, self->region, true, sticking->what);
	/* Nobody has served it. */
	EXPECT_EQ(0, waitpid(child, NULL, WNOHANG))
		TH_LOG("%s is not stuck any more", sticking->what);
	/* It can be killed, and what waited for it goes on. */
	kill(child, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, wait_child_for(child, SECONDS))
		TH_LOG("stuck in %s", sticking->what);
	/* What waits in vain makes the next ones take for ever. */
	ASSERT_EQ(true, fine);
}

TEST_F_TIMEOUT(stuck, others_go_on, 240)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(stickings); i++)
		try_sticking(_metadata, self, &stickings[i]);
}

/* Nor does a region that ends meanwhile: it does when the caller does. */
TEST_F_TIMEOUT(stuck, the_caller_is_all_that_keeps_the_region, 60)
{
	struct shatomic_ioc_info before = get_info(self->device);
	int region = new_region_fd(self->device, SIZE, 0);
	pid_t child;

	ASSERT_LE(0, region);
	child = start_stuck(&stickings[0], region);
	ASSERT_NE(0, child);
	close(region);
	EXPECT_EQ(before.regions + 1, get_info(self->device).regions);
	kill(child, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, wait_child_for(child, SECONDS));
	EXPECT_EQ(true, all_is_back(self->device, &before));
}

TEST_HARNESS_MAIN
