// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's parameters: what they take, who may set them, and what holds
 * then. Root runs it.
 */
#include "device.h"

#include <stddef.h>

DEVICE_FIXTURE(parameters)

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
static void expect_use(struct __test_metadata *_metadata, int device,
		       const struct setting *setting)
{
	bool none = !setting->holds, creates, runs;
	struct shatomic_ioc_batch batch;
	uint32_t limit;
	int region, fd;

	creates = !(none && (setting->member == MEMBER(max_pinned_bytes) ||
			     setting->member == MEMBER(max_regions)));
	runs = !(none && setting->member == MEMBER(max_batch_rows));
	fd = create(device, 8, 0, &limit);
	EXPECT_EQ(creates, fd >= 0);
	close(fd);
	if (!creates)
		return;
	region = create(device, 8, 0, &limit);
	EXPECT_EQ(runs ? 0 : -EPERM, run_gets(region, 3000, &batch));
	close(region);
}

TEST_F(parameters, what_parameters_take)
{
	unsigned int i;
	uint64_t before;

	for (i = 0; i < COUNT_OF(settings); i++) {
		const struct setting *setting = &settings[i];

		before = member_of_info(self->device, setting->member);

		EXPECT_EQ(setting->err,
			  set_parameter_text(setting->parameter,
					     setting->text))
		{
			TH_LOG("%s=%s", setting->parameter, setting->text);
		}
		EXPECT_EQ(setting->err ? before : setting->holds,
			  member_of_info(self->device, setting->member))
		{
			TH_LOG("%s=%s", setting->parameter, setting->text);
		}
		if (!setting->err)
			expect_use(_metadata, self->device, setting);
		EXPECT_EQ(0, restore_parameter());
	}
}

/* They are root's to change, and anybody's to read. */
TEST_F(parameters, parameters_are_roots)
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
TEST_F(parameters, slice_rows)
{
	const unsigned int rows = 200000;
	uint64_t *offsets = calloc(rows, 8), *operands = calloc(rows, 8);
	uint64_t *results = calloc(rows, 8), word = 0;
	struct shatomic_ioc_batch batch = {
		.size = sizeof(batch), .op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8, .rows = rows, .offsets = (uintptr_t)offsets,
		.operands = (uintptr_t)operands, .parallelism = 2,
	};
	unsigned int i;
	uint32_t limit;
	int fd = create(self->device, 4096, 0, &limit);

	ASSERT_EQ(0, set_parameter("slice_rows", 1));
	EXPECT_EQ(1024, get_info(self->device).slice_rows);
	ASSERT_EQ(0, set_parameter("slice_rows", 1025));
	EXPECT_EQ(1025, get_info(self->device).slice_rows);
	for (i = 0; i < rows; i++)
		operands[i] = 1;

	/* In slices, as nobody sees the order; then in lanes, as it is seen. */
	ASSERT_EQ(0, ioctl(fd, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(rows, batch.rows_done);
	ASSERT_EQ(8, pread(fd, &word, 8, 0));
	EXPECT_EQ(rows, word);
	batch.results = (uintptr_t)results;
	ASSERT_EQ(0, ioctl(fd, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(rows, batch.rows_done);
	for (i = 0; i < rows; i++)
		ASSERT_EQ(rows + i, results[i]);
	free(offsets);
	free(operands);
	free(results);
	close(fd);
}

TEST_HARNESS_MAIN
