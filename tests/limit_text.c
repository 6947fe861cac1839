// SPDX-License-Identifier: GPL-2.0-only
/*
 * The library says in words which limit of the device refused a request, and
 * how much it is. Root runs it; it leaves the module's parameters as it found
 * them.
 */
#include "common.h"

#include <sys/resource.h>

#define DEVICE "/dev/shatomic"
#define MAX_USER_BATCHES "/sys/module/shatomic/parameters/max_user_batches"
#define MAX_USER_REGIONS "/sys/module/shatomic/parameters/max_user_regions"
#define NOBODY 65534
/* More than a CPU has memory ready for, so that the batch counts. */
#define ROWS 200000

FIXTURE(limit_text)
{
	mode_t device_mode;
	char max_user_batches[32];
	char max_user_regions[32];
};

/* What a parameter is, to be written back. */
static bool read_parameter(const char *path, char text[32])
{
	int fd = open(path, O_RDONLY);
	ssize_t size;

	memset(text, 0, 32);
	size = read(fd, text, 31);
	close(fd);
	return size > 0;
}

FIXTURE_SETUP(limit_text)
{
	struct stat st;

	ASSERT_TRUE(read_parameter(MAX_USER_BATCHES, self->max_user_batches));
	ASSERT_TRUE(read_parameter(MAX_USER_REGIONS, self->max_user_regions));
	ASSERT_EQ(0, stat(DEVICE, &st));
	self->device_mode = st.st_mode & 0777;
}

FIXTURE_TEARDOWN(limit_text)
{
	EXPECT_EQ(0, write_text(MAX_USER_BATCHES, self->max_user_batches));
	EXPECT_EQ(0, write_text(MAX_USER_REGIONS, self->max_user_regions));
	EXPECT_EQ(0, chmod(DEVICE, self->device_mode));
}

/* Who may lock @bytes creates a region of @length; whether the error has @text. */
static void expect_refused(struct __test_metadata *_metadata,
			   unsigned long bytes, size_t length, const char *text)
{
	struct rlimit memlock = { bytes, bytes };
	pid_t child;

	ASSERT_EQ(0, chmod(DEVICE, 0666));
	child = fork();
	if (!child) {
		struct shatomic_create_options options = {
			.size = length, .backend = SHATOMIC_BACKEND_DEVICE,
		};
		struct shatomic_region *region;

		if (setrlimit(RLIMIT_MEMLOCK, &memlock) || setgid(NOBODY) ||
		    setuid(NOBODY))
			_exit(1);
		if (shatomic_create(&options, &region) != -EPERM)
			_exit(2);
		_exit(strstr(shatomic_error(), text) ? 0 : 3);
	}
	EXPECT_EQ(0, wait_child(child));
}

TEST_F(limit_text, locked_memory)
{
	expect_refused(_metadata, 8192, 1 << 20, "RLIMIT_MEMLOCK");
}

TEST_F(limit_text, regions_of_a_user)
{
	ASSERT_EQ(0, write_text(MAX_USER_REGIONS, "0"));
	expect_refused(_metadata, 1 << 20, 8,
		       "module parameter max_user_regions (0)");
}

TEST_F(limit_text, length_that_no_region_can_have)
{
	struct shatomic_create_options options = {
		.size = 1ULL << 40, .backend = SHATOMIC_BACKEND_DEVICE,
	};
	struct shatomic_region *region;

	EXPECT_EQ(-EINVAL, shatomic_create(&options, &region));
	EXPECT_NE(NULL, strstr(shatomic_error(), "size 1099511627776"));
	EXPECT_NE(NULL, strstr(shatomic_error(), "more than any region"));
}

TEST_F(limit_text, batches_of_a_user)
{
	struct shatomic_create_options options = {
		.size = 8, .backend = SHATOMIC_BACKEND_DEVICE,
	};
	uint64_t *offsets = calloc(ROWS, sizeof(*offsets));
	uint64_t *results = calloc(ROWS, sizeof(*results));
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_GET, .width = 8, .rows = ROWS,
		.offsets = offsets, .results = results,
	};
	struct shatomic_region *region;

	ASSERT_EQ(0, shatomic_create(&options, &region));
	ASSERT_EQ(0, write_text(MAX_USER_BATCHES, "0"));
	EXPECT_EQ(-EPERM, shatomic_batch_run(region, &batch));
	EXPECT_NE(NULL, strstr(shatomic_error(),
			       "module parameter max_user_batches (0)"));
	shatomic_close(region);
	free(offsets);
	free(results);
}

TEST_HARNESS_MAIN
