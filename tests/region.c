// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions, on the backend of SHATOMIC_BACKEND: their memory, names and
 * descriptors. Who may do what with them is in permissions.c.
 */
#include "common.h"

#include <inttypes.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/sendfile.h>

#define NOBODY 65534

/* Whether it is the device that is under test. */
static bool on_device(const struct shatomic_region *region)
{
	struct shatomic_info info;

	return !shatomic_get_info(region, &info) &&
	       info.backend == SHATOMIC_BACKEND_DEVICE;
}

TEST(memory_is_zero_and_as_long_as_asked)
{
	static const size_t lengths[] = { 1, 8, 4095, 4096, 4097, 65536,
					  (2 << 20) + 1, 4 << 20 };
	unsigned int i;
	size_t j;

	for (i = 0; i < COUNT_OF(lengths); i++) {
		struct shatomic_region *region = new_region(lengths[i]);
		unsigned char *memory;
		size_t size = 0;

		ASSERT_NE(NULL, region);
		memory = shatomic_buf(region, &size);
		ASSERT_EQ(lengths[i], size);
		ASSERT_EQ(0, (uintptr_t)memory % 4096);
		for (j = 0; j < size; j++)
			ASSERT_EQ(0, memory[j]);
		memset(memory, 0xff, size);
		shatomic_close(region);
	}
}

TEST(a_region_made_anew_is_zero)
{
	struct shatomic_region *region;
	unsigned int round;
	unsigned char *memory;
	size_t i;

	for (round = 0; round < 3; round++) {
		region = new_region(1 << 20);
		ASSERT_NE(NULL, region);
		memory = shatomic_buf(region, NULL);
		for (i = 0; i < 1 << 20; i++)
			ASSERT_EQ(0, memory[i]);
		memset(memory, 0x5a, 1 << 20);
		shatomic_close(region);
	}
}

TEST(bad_options_are_refused)
{
	char long_name[SHATOMIC_NAME_SIZE + 1];
	const struct {
		struct shatomic_create_options options;
		int err;
	} cases[] = {
		{ { .size = 8, .flags = 1U << 29 }, -EOPNOTSUPP },
		{ { .size = 8, .backend = 9 }, -EOPNOTSUPP },
		{ { .size = 8, .mode = 0600 }, -EINVAL },
		{ { .size = 8, .name = "x", .mode = 01777 }, -EINVAL },
		{ { .size = 8, .name = "" }, -EINVAL },
		{ { .size = 8, .name = "a/b" }, -EINVAL },
		{ { .size = 8, .name = "a b" }, -EINVAL },
		{ { .size = 8, .name = ".a" }, -EINVAL },
		{ { .size = 8, .name = "a\n" }, -EINVAL },
		{ { .size = 8, .name = "\xc3\xa9" }, -EINVAL },
		{ { .size = 8, .name = long_name }, -EINVAL },
		{ { .size = SIZE_MAX }, 0 },
	};
	struct shatomic_region *region;
	unsigned int i;
	int ret;

	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	for (i = 0; i < COUNT_OF(cases); i++) {
		region = (void *)1;
		ret = shatomic_create(&cases[i].options, &region);
		if (cases[i].err)
			EXPECT_EQ(cases[i].err, ret)
			{
				TH_LOG("case %u: %s", i, shatomic_error());
			}
		EXPECT_GT(0, ret);
		EXPECT_EQ((void *)1, region);
		EXPECT_NE('\0', shatomic_error()[0]);
	}
	EXPECT_EQ(-EINVAL, shatomic_create(NULL, &region));
	EXPECT_EQ(-EINVAL, shatomic_create(&cases[0].options, NULL));
}

TEST(a_size_of_zero_stands_for_one)
{
	struct shatomic_region *region = new_region(0);

	ASSERT_NE(NULL, region);
	EXPECT_EQ(1, shatomic_size(region));
	EXPECT_EQ(0, *(unsigned char *)shatomic_buf(region, NULL));
	shatomic_close(region);
	EXPECT_EQ(0, shatomic_size(NULL));
}

/* The library tries one backend and then the other, which is no failure. */
TEST(what_succeeds_leaves_no_sentence)
{
	struct shatomic_region *region, *other;

	unsetenv("SHATOMIC_BACKEND");
	region = new_region(100);
	ASSERT_NE(NULL, region);
	EXPECT_STREQ("", shatomic_error());
	ASSERT_EQ(0, shatomic_import(shatomic_fd(region), &other));
	EXPECT_STREQ("", shatomic_error());
	shatomic_close(other);
	shatomic_close(region);
}

TEST(words_have_addresses)
{
	struct shatomic_region *region = new_region(100);
	unsigned char *memory;

	ASSERT_NE(NULL, region);
	memory = shatomic_buf(region, NULL);
	EXPECT_EQ(memory + 16, (unsigned char *)shatomic_at(region, 16, 8));
	EXPECT_EQ(memory + 99, (unsigned char *)shatomic_at(region, 99, 1));
	EXPECT_EQ(NULL, shatomic_at(region, 100, 1));
	EXPECT_EQ(NULL, shatomic_at(region, 96, 8));
	EXPECT_EQ(NULL, shatomic_at(region, 4, 8));
	EXPECT_EQ(NULL, shatomic_at(region, UINT64_MAX, 1));
	EXPECT_EQ(NULL, shatomic_at(region, 0, 0));
	EXPECT_EQ(NULL, shatomic_at(region, 0, 3));
	shatomic_close(region);
}

TEST(a_child_shares_it)
{
	struct shatomic_region *region = new_region(4096);
	uint64_t *word;
	pid_t child;

	ASSERT_NE(NULL, region);
	word = shatomic_at(region, 8, 8);
	child = fork();
	if (!child) {
		shatomic_fetch_and_add_u64(word, 7);
		_exit(0);
	}
	EXPECT_EQ(0, wait_child(child));
	EXPECT_EQ(7, shatomic_get_u64(word));
	shatomic_close(region);
}

TEST(a_mapping_outlives_its_descriptor)
{
	struct shatomic_region *region = new_region(4096);
	unsigned char *mine;

	ASSERT_NE(NULL, region);
	mine = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
		    shatomic_fd(region), 0);
	ASSERT_NE(MAP_FAILED, mine);
	*(unsigned char *)shatomic_buf(region, NULL) = 9;
	shatomic_close(region);
	EXPECT_EQ(9, mine[0]);
	munmap(mine, 4096);
}

/* A mapping may become longer than the region, which then is not there. */
static void expect_nothing_beyond(struct __test_metadata *_metadata, int fd)
{
	char *memory = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	int ends[2];

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, pipe(ends));
	memory = mremap(memory, 8192, 12288, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(1, write(ends[1], memory + 8191, 1));
	EXPECT_EQ(-1, write(ends[1], memory + 8192, 1));
	EXPECT_EQ(EFAULT, errno);
	munmap(memory, 12288);
	close(ends[0]);
	close(ends[1]);
}

TEST(its_size_is_fixed)
{
	struct shatomic_region *region = new_region(8192);
	unsigned char *memory;
	struct stat st;
	int fd;

	ASSERT_NE(NULL, region);
	fd = shatomic_fd(region);
	memory = shatomic_buf(region, NULL);
	memory[5000] = 1;
	EXPECT_EQ(-1, ftruncate(fd, 4096));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, ftruncate(fd, 16384));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	/* Seals are of memfds, and the device's regions have none. */
	EXPECT_EQ(on_device(region) ? EINVAL : EPERM, errno);
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(8192, st.st_size);
	if (on_device(region)) {
		/* Refused on the other backend, whose memory is mlocked. */
		EXPECT_EQ(0, madvise(memory, 8192, MADV_DONTNEED));
		EXPECT_EQ(1, memory[5000]);
		EXPECT_EQ(-1, fallocate(fd, FALLOC_FL_PUNCH_HOLE |
					FALLOC_FL_KEEP_SIZE, 0, 8192));
		EXPECT_EQ(EOPNOTSUPP, errno);
		EXPECT_EQ(-1, madvise(memory, 8192, MADV_REMOVE));
		EXPECT_EQ(EOPNOTSUPP, errno);
		EXPECT_EQ(MAP_FAILED, mmap(NULL, 8192, PROT_READ, MAP_PRIVATE,
					   fd, 0));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(MAP_FAILED, mmap(NULL, 12288, PROT_READ, MAP_SHARED,
					   fd, 0));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED,
					   fd, 8192));
		EXPECT_EQ(EINVAL, errno);
		expect_nothing_beyond(_metadata, fd);
	}
	EXPECT_EQ(1, memory[5000]);
	shatomic_close(region);
}

TEST(it_is_read_and_written_like_a_file)
{
	struct shatomic_region *region = new_region(5000);
	char text[16] = "";
	char *memory;
	int fd, pipes[2];

	ASSERT_NE(NULL, region);
	fd = shatomic_fd(region);
	memory = shatomic_buf(region, NULL);
	EXPECT_EQ(5, pwrite(fd, "hello", 5, 100));
	EXPECT_EQ(0, memcmp(memory + 100, "hello", 5));
	strcpy(memory + 200, "world");
	EXPECT_EQ(6, pread(fd, text, 6, 200));
	EXPECT_STREQ("world", text);
	EXPECT_EQ(5000, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(0, read(fd, text, 1));
	EXPECT_EQ(8, pread(fd, text, sizeof(text), 4992));
	EXPECT_EQ(100, lseek(fd, 100, SEEK_SET));
	EXPECT_EQ(5, read(fd, text, 5));
	EXPECT_EQ(0, memcmp(text, "hello", 5));

	ASSERT_EQ(0, pipe(pipes));
	lseek(fd, 200, SEEK_SET);
	EXPECT_EQ(6, sendfile(pipes[1], fd, NULL, 6));
	EXPECT_EQ(6, read(pipes[0], text, 6));
	EXPECT_STREQ("world", text);
	close(pipes[0]);
	close(pipes[1]);

	if (on_device(region)) {
		EXPECT_EQ(8, pwrite(fd, "0123456789abcdef", 16, 4992));
		EXPECT_EQ(-1, pwrite(fd, "x", 1, 5000));
		EXPECT_EQ(ENOSPC, errno);
	} else {
		EXPECT_EQ(-1, pwrite(fd, "x", 1, 5000));
	}
	lseek(fd, 0, SEEK_SET);
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_APPEND));
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(on_device(region) ? ENOSPC : EPERM, errno);
	EXPECT_EQ(5000, lseek(fd, 0, SEEK_END));
	shatomic_close(region);
}

TEST(freed_asynchronously)
{
	struct shatomic_create_options options = {
		.size = 4 << 20, .flags = SHATOMIC_CREATE_ASYNC_FREE,
	};
	struct shatomic_region *region, *other;
	int fd;

	ASSERT_EQ(0, shatomic_create(&options, &region));
	EXPECT_EQ(1, shatomic_dealloc_async(region));
	ASSERT_EQ(0, shatomic_import(shatomic_fd(region), &other));
	EXPECT_EQ(on_device(region), shatomic_dealloc_async(other));
	shatomic_close(other);
	other = new_region(1);
	EXPECT_EQ(0, shatomic_dealloc_async(other));
	shatomic_close(other);
	EXPECT_EQ(-EINVAL, shatomic_dealloc_async(NULL));
	memset(shatomic_buf(region, NULL), 1, 4 << 20);
	fd = shatomic_fd(region);
	shatomic_close(region);
	EXPECT_EQ(-1, fcntl(fd, F_GETFD));
	EXPECT_EQ(EBADF, errno);
}

/* Whether what is mapped at @base is a region's memory. */
static bool is_mapped(const void *base)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;
	uintptr_t start;
	char line[512];

	if (!maps)
		return true;
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNxPTR "-", &start) == 1 &&
		    start == (uintptr_t)base && strstr(line, "shatomic"))
			found = true;
	}
	fclose(maps);
	return found;
}

/* Once closed a region is no child's, be it unmapped by then or not. */
TEST(no_child_inherits_what_is_freed)
{
	struct shatomic_create_options options = {
		.size = 16 << 20, .flags = SHATOMIC_CREATE_ASYNC_FREE,
	};
	struct shatomic_region *region;
	void *base;
	pid_t child;
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, shatomic_create(&options, &region));
		base = shatomic_buf(region, NULL);
		ASSERT_TRUE(is_mapped(base));
		shatomic_close(region);
		child = fork();
		ASSERT_LE(0, child);
		if (!child)
			_exit(is_mapped(base));
		ASSERT_EQ(0, wait_child(child));
	}
}

struct shared_lock {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	int turn;
};

/* Shared futexes, which not every kind of pinned memory has. */
TEST(a_shared_mutex_and_condition_live_in_it)
{
	struct shatomic_region *region = new_region(4096);
	struct shared_lock *lock;
	pthread_mutexattr_t mutex_attr;
	pthread_condattr_t cond_attr;
	pid_t child;
	int i;

	ASSERT_NE(NULL, region);
	lock = shatomic_buf(region, NULL);
	pthread_mutexattr_init(&mutex_attr);
	pthread_mutexattr_setpshared(&mutex_attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&lock->mutex, &mutex_attr);
	pthread_condattr_init(&cond_attr);
	pthread_condattr_setpshared(&cond_attr, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&lock->changed, &cond_attr);

	child = fork();
	for (i = 0; i < 100; i++) {
		pthread_mutex_lock(&lock->mutex);
		while (lock->turn % 2 != (child ? 1 : 0))
			pthread_cond_wait(&lock->changed, &lock->mutex);
		lock->turn++;
		pthread_cond_broadcast(&lock->changed);
		pthread_mutex_unlock(&lock->mutex);
	}
	if (!child)
		_exit(0);
	EXPECT_EQ(0, wait_child(child));
	EXPECT_EQ(200, lock->turn);
	shatomic_close(region);
}

FIXTURE(named)
{
	char name[SHATOMIC_NAME_SIZE];
	struct shatomic_region *region;
};

static int create_named(FIXTURE_DATA(named) *self, mode_t mode)
{
	struct shatomic_create_options options = {
		.size = 4096, .name = self->name, .mode = mode,
	};

	return shatomic_create(&options, &self->region);
}

FIXTURE_SETUP(named)
{
	umask(0);
	unique_name(self->name, "named");
	self->region = NULL;
}

FIXTURE_TEARDOWN(named)
{
	shatomic_close(self->region);
	shatomic_unlink(SHATOMIC_BACKEND_AUTO, self->name);
}

static int open_named(FIXTURE_DATA(named) *self, unsigned int flags,
		      struct shatomic_region **region)
{
	return shatomic_open(SHATOMIC_BACKEND_AUTO, self->name, flags, region);
}

TEST_F(named, opened_by_another_process)
{
	struct shatomic_region *other;
	pid_t child;

	ASSERT_EQ(0, create_named(self, 0));
	child = fork();
	if (!child) {
		if (open_named(self, 0, &other))
			_exit(1);
		shatomic_fetch_and_add_u64(shatomic_at(other, 16, 8), 5);
		_exit(0);
	}
	EXPECT_EQ(0, wait_child(child));
	EXPECT_EQ(5, shatomic_get_u64(shatomic_at(self->region, 16, 8)));
}

TEST_F(named, stays_until_it_is_unlinked)
{
	struct shatomic_region *other;

	ASSERT_EQ(0, create_named(self, 0));
	*(char *)shatomic_buf(self->region, NULL) = 3;
	shatomic_close(self->region);
	self->region = NULL;
	ASSERT_EQ(0, open_named(self, 0, &self->region));
	EXPECT_EQ(3, *(char *)shatomic_buf(self->region, NULL));

	EXPECT_EQ(0, shatomic_unlink(SHATOMIC_BACKEND_AUTO, self->name));
	EXPECT_EQ(3, *(char *)shatomic_buf(self->region, NULL));
	EXPECT_EQ(-ENOENT, open_named(self, 0, &other));
	EXPECT_EQ(-ENOENT, shatomic_unlink(SHATOMIC_BACKEND_AUTO, self->name));
}

TEST_F(named, a_name_is_taken_once)
{
	FIXTURE_DATA(named) again = *self;

	ASSERT_EQ(0, create_named(self, 0));
	EXPECT_EQ(-EEXIST, create_named(&again, 0));
	shatomic_close(self->region);
	self->region = NULL;
	EXPECT_EQ(-EEXIST, create_named(&again, 0));
	EXPECT_EQ(0, shatomic_unlink(SHATOMIC_BACKEND_AUTO, self->name));
	EXPECT_EQ(0, create_named(self, 0));
}

TEST_F(named, is_listed_in_order)
{
	struct shatomic_listed *entries;
	struct shatomic_region *second;
	struct shatomic_create_options options = { .size = 12345 };
	char name[SHATOMIC_NAME_SIZE + 2];
	size_t count, i, found = SIZE_MAX;

	ASSERT_EQ(0, create_named(self, 0640));
	snprintf(name, sizeof(name), "%s-b", self->name);
	options.name = name;
	ASSERT_EQ(0, shatomic_create(&options, &second));

	ASSERT_EQ(0, shatomic_list(SHATOMIC_BACKEND_AUTO, &entries, &count));
	for (i = 0; i < count; i++) {
		if (i)
			EXPECT_GT(0, strcmp(entries[i - 1].name,
					    entries[i].name));
		if (!strcmp(entries[i].name, self->name))
			found = i;
	}
	ASSERT_NE(SIZE_MAX, found);
	ASSERT_LT(found + 1, count);
	EXPECT_EQ(4096, entries[found].size);
	EXPECT_EQ(0640, entries[found].mode);
	EXPECT_EQ(getuid(), entries[found].uid);
	EXPECT_EQ(getgid(), entries[found].gid);
	EXPECT_STREQ(name, entries[found + 1].name);
	EXPECT_EQ(12345, entries[found + 1].size);
	free(entries);
	shatomic_close(second);
	EXPECT_EQ(0, shatomic_unlink(SHATOMIC_BACKEND_AUTO, name));
}

TEST_F(named, info_tells_what_it_is)
{
	struct shatomic_info info;

	umask(027);
	ASSERT_EQ(0, create_named(self, 0666));
	ASSERT_EQ(0, shatomic_get_info(self->region, &info));
	EXPECT_EQ(4096, info.size);
	EXPECT_EQ(0640, info.mode);
	EXPECT_EQ(getuid(), info.uid);
	EXPECT_EQ(getgid(), info.gid);
	EXPECT_EQ(1, info.writable);
	EXPECT_STREQ(self->name, info.name);
	EXPECT_EQ(0, info.huge_bytes);

	ASSERT_EQ(0, shatomic_unlink(SHATOMIC_BACKEND_AUTO, self->name));
	ASSERT_EQ(0, shatomic_get_info(self->region, &info));
	EXPECT_STREQ("", info.name);
	EXPECT_EQ(0640, info.mode);
}

/* What a list tells of huge pages in the region of that name. */
static size_t listed_huge_bytes(const char *name)
{
	struct shatomic_listed *entries;
	size_t count, i, found = SIZE_MAX;

	if (shatomic_list(SHATOMIC_BACKEND_AUTO, &entries, &count))
		return found;
	for (i = 0; i < count; i++) {
		if (!strcmp(entries[i].name, name))
			found = entries[i].huge_bytes;
	}
	free(entries);
	return found;
}

/* The region is asked, which takes the right to read it. */
TEST_F(named, huge_pages_in_lists)
{
	struct shatomic_create_options options = { .size = 4 << 20,
						   .name = self->name };
	struct shatomic_info info;
	pid_t child;

	ASSERT_EQ(0, shatomic_create(&options, &self->region));
	ASSERT_EQ(0, shatomic_get_info(self->region, &info));
	if (!on_device(self->region)) {
		EXPECT_EQ(0, listed_huge_bytes(self->name));
		return;
	}
	EXPECT_EQ(has_huge_pages() ? 4 << 20 : 0, info.huge_bytes);
	EXPECT_EQ(info.huge_bytes, listed_huge_bytes(self->name));
	child = fork();
	if (!child)
		_exit(setgid(NOBODY) || setuid(NOBODY) ||
		      setenv("SHATOMIC_BACKEND", "device", 1) ||
		      listed_huge_bytes(self->name));
	EXPECT_EQ(0, wait_child(child));
}

/* Each call that takes a name; unnamed regions need no place for one. */
TEST_F(named, no_place_for_names)
{
	struct shatomic_listed *entries;
	struct shatomic_region *region;
	const char *places[] = { "/tmp", "/none" };
	size_t count;
	unsigned int i;

	region = new_region(8);
	ASSERT_NE(NULL, region);
	if (!on_device(region)) {
		shatomic_close(region);
		SKIP(return, "names of this backend are in /dev/shm");
	}
	shatomic_close(region);
	for (i = 0; i < COUNT_OF(places); i++) {
		setenv("SHATOMIC_DIRECTORY", places[i], 1);
		EXPECT_EQ(-ENOENT, create_named(self, 0));
		EXPECT_NE(NULL, strstr(shatomic_error(), "mount -t shatomic"));
		EXPECT_NE(NULL, strstr(shatomic_error(), places[i]));
		EXPECT_EQ(-ENOENT, open_named(self, 0, &region));
		EXPECT_NE(NULL, strstr(shatomic_error(), "mount -t shatomic"));
		EXPECT_EQ(-ENOENT, shatomic_unlink(SHATOMIC_BACKEND_AUTO,
						   self->name));
		EXPECT_NE(NULL, strstr(shatomic_error(), "mount -t shatomic"));
		EXPECT_EQ(-ENOENT, shatomic_list(SHATOMIC_BACKEND_AUTO,
						 &entries, &count));
		EXPECT_NE(NULL, strstr(shatomic_error(), "mount -t shatomic"));
		region = new_region(8);
		EXPECT_NE(NULL, region);
		shatomic_close(region);
	}
	unsetenv("SHATOMIC_DIRECTORY");
	ASSERT_EQ(0, create_named(self, 0));
}

/* A creation that fails after the name was given takes it back. */
TEST_F(named, taken_back)
{
	struct shatomic_create_options options = {
		.size = 8, .name = self->name, .standalone_path = "/",
	};

	EXPECT_EQ(-EISDIR, shatomic_create(&options, &self->region));
	EXPECT_EQ(-ENOENT, open_named(self, 0, &self->region));
}

FIXTURE(nobody)
{
	mode_t device_mode;
};

/* Who may open the device is another matter. */
FIXTURE_SETUP(nobody)
{
	struct stat st;

	self->device_mode = 0;
	if (!stat("/dev/shatomic", &st)) {
		self->device_mode = st.st_mode & 0777;
		ASSERT_EQ(0, chmod("/dev/shatomic", 0666));
	}
}

FIXTURE_TEARDOWN(nobody)
{
	if (self->device_mode)
		chmod("/dev/shatomic", self->device_mode);
}

/* In a child, as nobody: a region of 1 MiB with @memlock bytes allowed. */
static int create_as_nobody(rlim_t memlock, unsigned int flags, int *pinned)
{
	struct shatomic_create_options options = { .size = 1 << 20,
						   .flags = flags };
	struct rlimit limit = { memlock, memlock };
	struct shatomic_region *region;
	struct shatomic_info info = { 0 };
	int ret;

	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		_exit(1);
	ret = shatomic_create(&options, &region);
	if (ret)
		return ret;
	if (shatomic_get_info(region, &info))
		_exit(2);
	*pinned = info.pinned;
	shatomic_close(region);
	return 0;
}

/* The device pins or refuses; memfd does so only when it is asked to. */
TEST_F(nobody, pinned_as_far_as_allowed)
{
	struct shatomic_region *region = new_region(8);
	bool device;
	pid_t child;

	if (getuid())
		SKIP(return, "only root can become another user");
	ASSERT_NE(NULL, region);
	device = on_device(region);
	shatomic_close(region);
	child = fork();
	if (!child) {
		int pinned = -1;

		if (setgid(NOBODY) || setuid(NOBODY))
			_exit(3);
		if (create_as_nobody(2 << 20, SHATOMIC_CREATE_PINNED, &pinned) ||
		    pinned != 1)
			_exit(4);
		if (create_as_nobody(2 << 20, 0, &pinned) || pinned != 1)
			_exit(5);
		if (create_as_nobody(4096, SHATOMIC_CREATE_PINNED, &pinned) !=
		    -EPERM)
			_exit(6);
		if (!strstr(shatomic_error(), "RLIMIT_MEMLOCK"))
			_exit(7);
		if (create_as_nobody(4096, 0, &pinned) != (device ? -EPERM : 0))
			_exit(8);
		_exit(device || pinned == 0 ? 0 : 9);
	}
	EXPECT_EQ(0, wait_child(child));
}

/* Which a lock on a mapping is not. */
TEST(a_child_is_pinned_where_the_memory_is)
{
	struct shatomic_create_options options = {
		.size = 8, .flags = SHATOMIC_CREATE_PINNED,
	};
	struct shatomic_region *region;
	struct shatomic_info info;
	pid_t child;

	ASSERT_EQ(0, shatomic_create(&options, &region));
	ASSERT_EQ(0, shatomic_get_info(region, &info));
	EXPECT_EQ(1, info.pinned);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		struct shatomic_region *imported;

		if (shatomic_get_info(region, &info) ||
		    info.pinned != on_device(region))
			_exit(1);
		if (shatomic_import(shatomic_fd(region), &imported) ||
		    shatomic_get_info(imported, &info) || info.pinned != 1)
			_exit(2);
		shatomic_close(imported);
		_exit(0);
	}
	EXPECT_EQ(0, wait_child(child));
	ASSERT_EQ(0, shatomic_get_info(region, &info));
	EXPECT_EQ(1, info.pinned);
	shatomic_close(region);
}

/* Each call that chooses a backend; none gives anything. */
static void expect_no_backend(struct __test_metadata *_metadata,
			      enum shatomic_backend backend, int err)
{
	struct shatomic_create_options options = { .backend = backend };
	struct shatomic_listed *entries = (void *)1;
	struct shatomic_region *region = (void *)1;
	size_t count = 1;

	EXPECT_EQ(err, shatomic_create(&options, &region));
	EXPECT_EQ(err, shatomic_open(backend, "x", 0, &region));
	EXPECT_EQ(err, shatomic_unlink(backend, "x"));
	EXPECT_EQ(err, shatomic_list(backend, &entries, &count));
	EXPECT_EQ((void *)1, region);
	EXPECT_EQ((void *)1, entries);
	EXPECT_EQ(1, count);
}

TEST(backends_that_there_are_none_of)
{
	static const struct {
		enum shatomic_backend backend;
		const char *variable;
		int err;
		const char *says;
	} cases[] = {
		{ 9, "memfd", -EOPNOTSUPP, "backend 9" },
		{ SHATOMIC_BACKEND_AUTO, "", -EINVAL, "SHATOMIC_BACKEND" },
		{ SHATOMIC_BACKEND_AUTO, "foo", -EINVAL, "'foo'" },
		{ SHATOMIC_BACKEND_DEVICE, "memfd", -ENOENT, "/dev/shatomic" },
	};
	unsigned int i;

	for (i = 0; i < COUNT_OF(cases); i++) {
		if (cases[i].err == -ENOENT && !access("/dev/shatomic", F_OK))
			continue;
		setenv("SHATOMIC_BACKEND", cases[i].variable, 1);
		expect_no_backend(_metadata, cases[i].backend, cases[i].err);
		EXPECT_NE(NULL, strstr(shatomic_error(), cases[i].says))
		{
			TH_LOG("%s", shatomic_error());
		}
	}
}

TEST_F(named, bad_arguments_of_open_and_unlink)
{
	static const char *const names[] = { NULL, "", ".a", "a/b", "a b",
					     "a\n", "\xc3\xa9" };
	struct shatomic_region *region = (void *)1;
	unsigned int i;

	for (i = 0; i < COUNT_OF(names); i++) {
		EXPECT_EQ(-EINVAL, shatomic_open(SHATOMIC_BACKEND_AUTO,
						 names[i], 0, &region))
		{
			TH_LOG("name %u", i);
		}
		EXPECT_EQ(-EINVAL, shatomic_unlink(SHATOMIC_BACKEND_AUTO,
						   names[i]));
	}
	ASSERT_EQ(0, create_named(self, 0));
	EXPECT_EQ(-EOPNOTSUPP, open_named(self, 1U << 31, &region));
	EXPECT_EQ(-EOPNOTSUPP, shatomic_open(9, self->name, 0, &region));
	EXPECT_EQ((void *)1, region);
}

TEST_F(named, an_imported_reader_stays_one)
{
	struct shatomic_region *reader, *imported;
	struct shatomic_info info;

	ASSERT_EQ(0, create_named(self, 0));
	ASSERT_EQ(0, open_named(self, SHATOMIC_OPEN_READ_ONLY, &reader));
	ASSERT_EQ(0, shatomic_import(shatomic_fd(reader), &imported));
	ASSERT_EQ(0, shatomic_get_info(imported, &info));
	EXPECT_EQ(0, info.writable);
	EXPECT_EQ(4096, info.size);
	EXPECT_STREQ(self->name, info.name);
	EXPECT_EQ(-1, mprotect(shatomic_buf(imported, NULL), 4096,
			       PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_NE(shatomic_fd(reader), shatomic_fd(imported));
	shatomic_close(reader);
	*(char *)shatomic_buf(self->region, NULL) = 4;
	EXPECT_EQ(4, *(char *)shatomic_buf(imported, NULL));
	shatomic_close(imported);
}

/* Whoever made it: what nobody may write to is read. */
TEST(a_memfd_that_is_sealed_against_writing)
{
	int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct shatomic_region *region = NULL;
	struct shatomic_info info;
	unsigned char word[8] = { 1 };

	ASSERT_LE(0, fd);
	ASSERT_EQ(8, pwrite(fd, "content", 8, 0));
	/* Its size might change under the mapping. */
	EXPECT_EQ(-EBADF, shatomic_import(fd, &region));
	ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
						    F_SEAL_FUTURE_WRITE));
	ASSERT_EQ(0, shatomic_import(fd, &region));
	ASSERT_EQ(0, shatomic_get_info(region, &info));
	EXPECT_EQ(0, info.writable);
	EXPECT_EQ(SHATOMIC_BACKEND_MEMFD, info.backend);
	EXPECT_EQ(-EACCES, shatomic_set(region, 0, 8, word));
	EXPECT_EQ(0, shatomic_get(region, 0, 8, word));
	EXPECT_EQ(0, memcmp("content", word, 8));
	shatomic_close(region);
	close(fd);
}

/* Bringing it in would take all memory that there is, and then kill. */
TEST(a_sparse_memfd_larger_than_memory)
{
	int fd = memfd_create("sparse", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct shatomic_region *region;

	ASSERT_LE(0, fd);
	/* More than there are addresses for, lest a failure does just that. */
	ASSERT_EQ(0, ftruncate(fd, 1LL << 50));
	ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	EXPECT_EQ(-ENOMEM, shatomic_import(fd, &region));
	EXPECT_NE(NULL, strstr(shatomic_error(), "the region lacks"));
	close(fd);
}

TEST(other_descriptors_are_no_regions)
{
	struct shatomic_region *region;
	int fds[] = { -1, open("/dev/null", O_RDWR), open("/tmp", O_RDONLY),
		      memfd_create("unsealed", MFD_CLOEXEC) };
	unsigned int i;

	for (i = 0; i < COUNT_OF(fds); i++)
		EXPECT_EQ(-EBADF, shatomic_import(fds[i], &region))
		{
			TH_LOG("descriptor %u", i);
		}
}

/* A DMA buffer of the device's regions, and a sentence of the others. */
TEST(dma_buffers)
{
	struct shatomic_create_options options = { .size = 8192 };
	struct shatomic_region *region, *reader;
	char name[SHATOMIC_NAME_SIZE];
	uint64_t *words;
	int fd = -5;

	unique_name(name, "dmabuf");
	options.name = name;
	ASSERT_EQ(0, shatomic_create(&options, &region));
	EXPECT_EQ(-EINVAL, shatomic_export_dmabuf(NULL, 0, &fd));
	EXPECT_EQ(-EINVAL, shatomic_export_dmabuf(region, 0, NULL));
	EXPECT_EQ(-EOPNOTSUPP, shatomic_export_dmabuf(region, 1, &fd));
	EXPECT_NE(NULL, strstr(shatomic_error(), "flags"));
	EXPECT_EQ(-5, fd);
	if (on_device(region)) {
		ASSERT_EQ(0, shatomic_open(SHATOMIC_BACKEND_DEVICE, name,
					   SHATOMIC_OPEN_READ_ONLY, &reader));
		EXPECT_EQ(-EACCES, shatomic_export_dmabuf(reader, 0, &fd));
		EXPECT_NE(NULL, strstr(shatomic_error(), "read-only"));
		EXPECT_EQ(-5, fd);
		shatomic_close(reader);
	}

	if (shatomic_export_dmabuf(region, 0, &fd)) {
		EXPECT_EQ(-5, fd);
		/* The device's, when the kernel has no DMA buffers. */
		EXPECT_NE(NULL, strstr(shatomic_error(), on_device(region) ?
				       "this kernel has none" : "memfd"));
	} else {
		words = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED,
			     fd, 0);
		ASSERT_NE(MAP_FAILED, words);
		shatomic_fetch_and_add_u64(&words[1000], 3);
		EXPECT_EQ(3, ((uint64_t *)shatomic_buf(region, NULL))[1000]);
		munmap(words, 8192);
		close(fd);
	}
	shatomic_close(region);
	EXPECT_EQ(0, shatomic_unlink(SHATOMIC_BACKEND_AUTO, name));
}

TEST(huge_pages_where_they_can_be_had)
{
	struct shatomic_region *region = new_region(8 << 20);
	struct shatomic_info info;

	ASSERT_NE(NULL, region);
	ASSERT_EQ(0, shatomic_get_info(region, &info));
	EXPECT_LE(info.huge_bytes, info.size);
	if (on_device(region)) {
		EXPECT_EQ(1, info.pinned);
		EXPECT_EQ(has_huge_pages() ? 8 << 20 : 0, info.huge_bytes);
	}
	shatomic_close(region);
}

TEST_HARNESS_MAIN
