/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests of the device as a whole share: what is there, and is to be again
 * when a test ends; regions and batches that a limit may refuse; a module
 * parameter, which a test leaves as it found it.
 */
#ifndef TESTS_DEVICE_H
#define TESTS_DEVICE_H

#include "harness.h"

#include <sys/ioctl.h>

#define DEVICE "/dev/shatomic"
#define PARAMETERS "/sys/module/shatomic/parameters/"
#define NOBODY 65534
#define MIB (1ULL << 20)

/* What is there now, and may be. */
static inline struct shatomic_ioc_info get_info(int device)
{
	struct shatomic_ioc_info info = { .size = sizeof(info) };

	ioctl(device, SHATOMIC_IOC_INFO, &info);
	return info;
}

/* Whether nothing is there that was not @before. */
static inline bool is_back(int device, const struct shatomic_ioc_info *before)
{
	struct shatomic_ioc_info now = get_info(device);

	/* Less is left when programs before had not ended wholly. */
	return now.regions <= before->regions &&
	       now.pinned_bytes <= before->pinned_bytes &&
	       now.batches <= before->batches;
}

/* The same soon: files of killed processes and async frees take a moment. */
static inline bool all_is_back(int device,
			       const struct shatomic_ioc_info *before)
{
	unsigned int i;

	for (i = 0; i < 1500; i++) {
		if (is_back(device, before))
			return true;
		usleep(10000);
	}
	return false;
}

/* A region's descriptor; or -errno, with the limit that refused it. */
static inline int create(int device, uint64_t size, uint32_t flags,
			 uint32_t *limit)
{
	struct shatomic_ioc_create create = { .size = sizeof(create),
					      .region_size = size,
					      .flags = flags };
	int ret = ioctl(device, SHATOMIC_IOC_CREATE, &create) ? -errno :
								create.fd;

	*limit = create.limit;
	return ret;
}

/* A batch of @rows gets of the word at 0: 0 or -errno, and what it tells. */
static inline int run_gets(int region, uint64_t rows,
			   struct shatomic_ioc_batch *batch)
{
	uint64_t *offsets = calloc(rows, sizeof(*offsets));
	int ret;

	*batch = (struct shatomic_ioc_batch){
		.size = sizeof(*batch), .op = SHATOMIC_OP_GET, .width = 8,
		.rows = rows, .offsets = (uintptr_t)offsets,
	};
	ret = ioctl(region, SHATOMIC_IOC_BATCH, batch) ? -errno : 0;
	free(offsets);
	return ret;
}

/* What a file of /proc or /sys begins with, as text; 0 or a negative errno. */
static inline int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t length;

	memset(text, 0, size);
	if (fd < 0)
		return -errno;
	length = read(fd, text, size - 1);
	if (length < 0)
		err = -errno;
	close(fd);
	return err;
}

/* The number that it begins with, or 0. */
static inline long long read_number(const char *path)
{
	char text[32];

	return read_text(path, text, sizeof(text)) ? 0 :
						     strtoll(text, NULL, 10);
}

/* The parameter that a test has set, or "", and what it was. */
static char parameter_path[128], parameter_value[32];

/*
 * Set a parameter to any text; 0 or a negative errno. Another one only after
 * restore_parameter().
 */
static inline int set_parameter_text(const char *name, const char *text)
{
	char path[sizeof(parameter_path)];
	int err;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	if (!parameter_path[0]) {
		err = read_text(path, parameter_value, sizeof(parameter_value));
		if (err)
			return err;
		memcpy(parameter_path, path, sizeof(path));
	}
	return write_text(path, text);
}

static inline int set_parameter(const char *name, unsigned long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", value);
	return set_parameter_text(name, text);
}

/* To what it was, if one has been set. */
static inline int restore_parameter(void)
{
	int err = 0;

	if (parameter_path[0])
		err = write_text(parameter_path, parameter_value);
	parameter_path[0] = '\0';
	return err;
}

/* The device, for tests after which there is nothing more than before. */
#define DEVICE_FIXTURE(name)                                                  \
	FIXTURE(name)                                                         \
	{                                                                     \
		int device;                                                   \
		struct shatomic_ioc_info before;                              \
	};                                                                    \
	FIXTURE_SETUP(name)                                                   \
	{                                                                     \
		self->device = open(DEVICE, O_RDWR);                          \
		ASSERT_LE(0, self->device);                                   \
		self->before = get_info(self->device);                        \
	}                                                                     \
	FIXTURE_TEARDOWN(name)                                                \
	{                                                                     \
		EXPECT_EQ(0, restore_parameter());                            \
		EXPECT_EQ(true, all_is_back(self->device, &self->before));    \
		close(self->device);                                          \
	}

#endif /* TESTS_DEVICE_H */
