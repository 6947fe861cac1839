// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of a region: what is touched past its end is SIGBUS and nothing else,
 * however the mapping came to reach there.
 */
#include "device.h"

#include <signal.h>

DEVICE_FIXTURE(mappings)

/* Whatever a structure of the module has at its head, one of these finds it. */
static const uint64_t sizes[] = {
	1, 8, 4095, 4096, 4097, 8192, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1,
};

static const uint32_t create_flags[] = { 0, SHATOMIC_CREATE_ASYNC_FREE };

/* How many descriptors of the region there are besides its first. */
static const unsigned int more_files[] = { 0, 1, 63 };

static uint64_t whole_pages(uint64_t size)
{
	return (size + 4095) / 4096 * 4096;
}

/* In a child, which does not come back when the kernel has a fault. */
static int touch(volatile char *at, bool write)
{
	pid_t pid = fork();

	if (!pid) {
		if (write)
			*at = 1;
		else
			(void)*at;
		_exit(0);
	}
	return wait_child(pid);
}

/* Map it, have the mapping reach past the end, and touch what is there. */
static int touch_past_the_end(int region, uint64_t size, bool write)
{
	uint64_t end = whole_pages(size);
	char *memory = mmap(NULL, end, PROT_READ | PROT_WRITE, MAP_SHARED,
			    region, 0);
	int ret;

	if (memory == MAP_FAILED)
		return -errno;
	memory = mremap(memory, end, end + 8 * 4096, MREMAP_MAYMOVE);
	if (memory == MAP_FAILED)
		return -errno;
	ret = touch(memory + end, write);
	if (ret == 256 + SIGBUS)
		ret = touch(memory + end + 7 * 4096, write);
	/* What is in it is as ever. */
	if (ret == 256 + SIGBUS && touch(memory + end - 1, write))
		ret = -EIO;
	munmap(memory, end + 8 * 4096);
	return ret;
}

static int try_region(int device, uint64_t size, uint32_t flags,
		      unsigned int files)
{
	int more[64], region, ret;
	char path[64];
	uint32_t limit;
	unsigned int i;

	region = create(device, size, flags, &limit);
	if (region < 0)
		return region;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", region);
	for (i = 0; i < files; i++)
		more[i] = open(path, O_RDWR | O_CLOEXEC);
	ret = touch_past_the_end(region, size, false);
	if (ret == 256 + SIGBUS)
		ret = touch_past_the_end(region, size, true);
	for (i = 0; i < files; i++)
		close(more[i]);
	close(region);
	return ret;
}

TEST_F_TIMEOUT(mappings, past_the_end_is_sigbus, 120)
{
	unsigned int i, j, k;

	for (i = 0; i < COUNT_OF(sizes); i++) {
		for (j = 0; j < COUNT_OF(create_flags); j++) {
			for (k = 0; k < COUNT_OF(more_files); k++)
				EXPECT_EQ(256 + SIGBUS,
					  try_region(self->device, sizes[i],
						     create_flags[j],
						     more_files[k]))
					TH_LOG("size %llu, flags %u, %u files more",
					       (unsigned long long)sizes[i],
					       create_flags[j], more_files[k]);
		}
	}
}

TEST_HARNESS_MAIN
