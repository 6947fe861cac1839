// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions as DMA buffers: what a driver that imports one sees and changes, what
 * a mapping of one is, how long it keeps the region, what is refused. The driver
 * is tests/importer, which root loads.
 */
#include "device.h"
#include "names.h"
#include "importer/importer.h"

#include <linux/dma-buf.h>
#include <sys/syscall.h>

#define IMPORTER "/dev/importer"
#define IMPORTER_MODULE "/tests/importer.ko"
#define NAME "dmabuf-test"

FIXTURE(dmabuf)
{
	int device;
	int importer;
	struct shatomic_ioc_info before;
};

static void load_importer(void)
{
	int fd = open(IMPORTER_MODULE, O_RDONLY | O_CLOEXEC);

	syscall(SYS_finit_module, fd, "", 0);
	close(fd);
}

FIXTURE_SETUP(dmabuf)
{
	self->device = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->device);
	self->before = get_info(self->device);
	if (access(IMPORTER, F_OK))
		load_importer();
	self->importer = open(IMPORTER, O_RDWR);
	ASSERT_LE(0, self->importer);
}

FIXTURE_TEARDOWN(dmabuf)
{
	close(self->importer);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	EXPECT_EQ(0, syscall(SYS_delete_module, "importer", O_NONBLOCK));
	close(self->device);
}

static int create_region(int device, uint64_t size)
{
	struct shatomic_ioc_create create = { .size = sizeof(create),
					      .region_size = size };

	return ioctl(device, SHATOMIC_IOC_CREATE, &create) ? -errno : create.fd;
}

static int export(int region)
{
	struct shatomic_ioc_export_dmabuf export = { .size = sizeof(export) };

	return ioctl(region, SHATOMIC_IOC_EXPORT_DMABUF, &export) ? -errno :
								   export.fd;
}

static uint64_t *map(int fd, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			    0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* What the importer found in a word, into which it put @value; or -1. */
static int64_t exchange(int importer, enum importer_way way, uint64_t offset,
			uint64_t value)
{
	struct importer_exchange args = { .way = way, .offset = offset,
					  .value = value };

	return ioctl(importer, IMPORTER_EXCHANGE, &args) ? -1 :
							   (int64_t)args.old;
}

/* Each word that the process or the driver changes is seen by the other. */
static void compare(struct __test_metadata *_metadata, int importer,
		    uint64_t *words, size_t size)
{
	enum importer_way way;
	uint64_t offset, i;

	for (way = IMPORTER_BY_PAGE; way <= IMPORTER_BY_VMAP; way++) {
		for (i = 0; i < 100; i++) {
			/* The first and the last too. */
			offset = i < 2 ? i * (size / 8 - 1) * 8 :
					 next_random() % (size / 8) * 8;
			__atomic_store_n(&words[offset / 8], 1000 + i,
					 __ATOMIC_SEQ_CST);
			ASSERT_EQ(1000 + i,
				  __atomic_fetch_add(&words[offset / 8], 7,
						     __ATOMIC_SEQ_CST));
			ASSERT_EQ((int64_t)(1007 + i),
				  exchange(importer, way, offset, i));
			ASSERT_EQ(i, __atomic_load_n(&words[offset / 8],
						     __ATOMIC_SEQ_CST));
		}
	}
}

/* Regions of one page, of some, with huge pages, and that end in a page. */
TEST_F(dmabuf, words_are_shared)
{
	static const uint64_t sizes[] = { 4096, 40960, 4 * MIB,
					  2 * MIB + 12288, 10000 };
	unsigned int i;

	seed_random();
	for (i = 0; i < COUNT_OF(sizes); i++) {
		uint64_t size = (sizes[i] + 4095) / 4096 * 4096, bytes = 0;
		int region = create_region(self->device, sizes[i]);
		int buffer = export(region);
		uint64_t *words = map(region, size);

		TH_LOG("%llu bytes", (unsigned long long)sizes[i]);
		ASSERT_LE(0, buffer);
		ASSERT_NE(NULL, words);
		EXPECT_EQ((off_t)size, lseek(buffer, 0, SEEK_END));
		ASSERT_EQ(0, ioctl(self->importer, IMPORTER_ATTACH, buffer));
		ASSERT_EQ(0, ioctl(self->importer, IMPORTER_BYTES, &bytes));
		EXPECT_EQ(size, bytes);
		compare(_metadata, self->importer, words, size);
		ASSERT_EQ(0, ioctl(self->importer, IMPORTER_DETACH));
		munmap(words, size);
		close(buffer);
		close(region);
	}
}

/* A batch of the kernel's and the driver work on the same words. */
TEST_F(dmabuf, batches_see_the_driver)
{
	uint64_t offsets[] = { 8, 8 }, operands[] = { 5, 6 }, results[2];
	struct shatomic_ioc_batch batch = {
		.size = sizeof(batch), .op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8, .rows = 2, .offsets = (uintptr_t)offsets,
		.operands = (uintptr_t)operands, .results = (uintptr_t)results,
	};
	int region = create_region(self->device, 4096);
	int buffer = export(region);

	ASSERT_LE(0, buffer);
	ASSERT_EQ(0, ioctl(self->importer, IMPORTER_ATTACH, buffer));
	ASSERT_EQ(0, exchange(self->importer, IMPORTER_BY_PAGE, 8, 30));
	ASSERT_EQ(0, ioctl(region, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(30, results[0]);
	EXPECT_EQ(35, results[1]);
	EXPECT_EQ(41, exchange(self->importer, IMPORTER_BY_DMA_ADDRESS, 8, 0));
	ASSERT_EQ(0, ioctl(self->importer, IMPORTER_DETACH));
	close(buffer);
	close(region);
}

TEST_F(dmabuf, a_mapping_is_one_of_the_region)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START |
					      DMA_BUF_SYNC_RW };
	int region = create_region(self->device, 2 * MIB);
	int buffer = export(region);
	uint64_t *words = map(region, 2 * MIB), *mapped = map(buffer, 2 * MIB);

	ASSERT_LE(0, buffer);
	ASSERT_NE(NULL, words);
	ASSERT_NE(NULL, mapped);
	ASSERT_EQ(0, ioctl(self->importer, IMPORTER_ATTACH, buffer));
	EXPECT_EQ(0, ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync));
	__atomic_fetch_add(&mapped[1000], 3, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&words[1000], 4, __ATOMIC_SEQ_CST);
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	EXPECT_EQ(0, ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync));
	EXPECT_EQ(7, mapped[1000]);
	ASSERT_EQ(0, ioctl(self->importer, IMPORTER_DETACH));

	/* As of the region: neither private nor beyond it. */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE, buffer, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, buffer,
				   2 * MIB));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 8192, PROT_READ, MAP_SHARED, buffer,
				   2 * MIB - 4096));
	/* Nor to be executed. */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ | PROT_EXEC,
				   MAP_SHARED, buffer, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, mprotect(mapped, 2 * MIB, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);

	/* It keeps the region when nothing else does. */
	close(region);
	close(buffer);
	munmap(words, 2 * MIB);
	EXPECT_EQ(self->before.regions + 1, get_info(self->device).regions);
	__atomic_fetch_add(&mapped[1000], 1, __ATOMIC_SEQ_CST);
	EXPECT_EQ(8, mapped[1000]);
	munmap(mapped, 2 * MIB);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
}

/* Pages stay, and stay charged for, until the driver lets go. */
TEST_F(dmabuf, a_driver_keeps_the_region)
{
	int region = create_region(self->device, MIB);
	int buffer = export(region);

	ASSERT_LE(0, buffer);
	ASSERT_EQ(0, ioctl(self->importer, IMPORTER_ATTACH, buffer));
	ASSERT_EQ(0, exchange(self->importer, IMPORTER_BY_PAGE, 800, 42));
	close(region);
	close(buffer);
	EXPECT_EQ(self->before.pinned_bytes + MIB,
		  get_info(self->device).pinned_bytes);
	EXPECT_TRUE(module_is_used());
	EXPECT_EQ(42, exchange(self->importer, IMPORTER_BY_VMAP, 800, 43));
	ASSERT_EQ(0, ioctl(self->importer, IMPORTER_DETACH));
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
}

/* Nor does unlinking a region's name take anything from it. */
TEST_F(dmabuf, a_name_makes_no_difference)
{
	int names = new_names();
	int region = create_named(self->device, names, NAME, 4096, 0, 0600);
	uint64_t *words;
	int buffer;

	ASSERT_LE(0, region);
	buffer = export(region);
	ASSERT_LE(0, buffer);
	words = map(region, 4096);
	ASSERT_NE(NULL, words);
	close(region);
	ASSERT_EQ(0, remove_name(names, NAME));
	close(names);
	ASSERT_EQ(0, ioctl(self->importer, IMPORTER_ATTACH, buffer));
	close(buffer);
	words[1] = 5;
	EXPECT_EQ(5, exchange(self->importer, IMPORTER_BY_PAGE, 8, 6));
	EXPECT_EQ(6, words[1]);
	munmap(words, 4096);
	ASSERT_EQ(0, ioctl(self->importer, IMPORTER_DETACH));
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
}

TEST_F(dmabuf, who_may_only_read_exports_nothing)
{
	int names = new_names();
	int region = create_named(self->device, names, NAME, 4096, 0, 0600);
	int reader = open_named(names, NAME, O_RDONLY);

	ASSERT_LE(0, region);
	ASSERT_LE(0, reader);
	EXPECT_EQ(-EACCES, export(reader));
	close(reader);
	close(region);
	close(names);
}

/* Else whoever may only write could read by way of the buffer. */
TEST_F(dmabuf, who_may_only_write_exports_nothing)
{
	int region = create_region(self->device, 4096), writer;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", region);
	writer = open(path, O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, writer);
	EXPECT_EQ(-EACCES, export(writer));
	close(writer);
	close(region);
}

TEST_F(dmabuf, what_is_refused)
{
	struct shatomic_ioc_export_dmabuf args = { .size = sizeof(args),
						   .flags = 1 };
	int region = create_region(self->device, 4096);
	int buffer = export(region);

	EXPECT_EQ(-1, ioctl(region, SHATOMIC_IOC_EXPORT_DMABUF, &args));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(SHATOMIC_FIELD_FLAGS, args.error_field);

	/* A buffer is no region, nor is the device. */
	EXPECT_GT(0, export(buffer));
	EXPECT_EQ(-ENOTTY, export(self->device));
	EXPECT_EQ(FD_CLOEXEC, fcntl(buffer, F_GETFD));
	close(buffer);
	close(region);
}

/* An answer that can't be written leaves no buffer. */
TEST_F(dmabuf, nobody_to_tell)
{
	struct shatomic_ioc_export_dmabuf args = { .size = sizeof(args) };
	int region = create_region(self->device, 4096);
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int next = dup(region);

	close(next);
	ASSERT_NE(MAP_FAILED, page);
	memcpy(page, &args, sizeof(args));
	ASSERT_EQ(0, mprotect(page, 4096, PROT_READ));
	EXPECT_EQ(-1, ioctl(region, SHATOMIC_IOC_EXPORT_DMABUF, page));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(next, dup(region));
	close(next);
	munmap(page, 4096);
	close(region);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
}

TEST_HARNESS_MAIN
