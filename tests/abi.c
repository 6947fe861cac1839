// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel ABI by bare ioctls: extensible structures, the errno contract,
 * and what is in the structures.
 */
/* No structure has padding that the compiler put there. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
#include <linux/shatomic.h>
#pragma GCC diagnostic pop

#include "harness.h"
#include "names.h"

#include <stddef.h>
#include <sys/file.h>
#include <sys/ioctl.h>

#define DEVICE "/dev/shatomic"

/* The ABI: neither sizes nor places may ever change, only grow at the end. */
#define SIZE_IS(type, size)                                                   \
	_Static_assert(sizeof(struct type) == (size), #type)
#define PLACE_IS(type, field, place)                                          \
	_Static_assert(offsetof(struct type, field) == (place), #type "." #field)

SIZE_IS(shatomic_ioc_info, 216);
PLACE_IS(shatomic_ioc_info, max_region_bytes, 16);
PLACE_IS(shatomic_ioc_info, max_regions, 40);
PLACE_IS(shatomic_ioc_info, max_batch_rows, 48);
PLACE_IS(shatomic_ioc_info, op_widths, 64);
PLACE_IS(shatomic_ioc_info, max_batches, 192);
PLACE_IS(shatomic_ioc_info, batches, 204);
PLACE_IS(shatomic_ioc_info, user_regions, 212);
SIZE_IS(shatomic_ioc_create, 40);
PLACE_IS(shatomic_ioc_create, region_size, 8);
PLACE_IS(shatomic_ioc_create, fd, 16);
PLACE_IS(shatomic_ioc_create, limit, 24);
PLACE_IS(shatomic_ioc_create, directory, 32);
SIZE_IS(shatomic_ioc_region_info, 112);
PLACE_IS(shatomic_ioc_region_info, create_flags, 24);
PLACE_IS(shatomic_ioc_region_info, name, 48);
SIZE_IS(shatomic_ioc_batch, 168);
SIZE_IS(shatomic_ioc_export_dmabuf, 24);
PLACE_IS(shatomic_ioc_export_dmabuf, fd, 8);
PLACE_IS(shatomic_ioc_export_dmabuf, limit, 16);
PLACE_IS(shatomic_ioc_batch, rows, 24);
PLACE_IS(shatomic_ioc_batch, offsets, 48);
PLACE_IS(shatomic_ioc_batch, peers, 88);
PLACE_IS(shatomic_ioc_batch, rows_done, 112);
PLACE_IS(shatomic_ioc_batch, limit, 132);
PLACE_IS(shatomic_ioc_batch, comparand_masks, 144);
PLACE_IS(shatomic_ioc_batch, columns, 152);
PLACE_IS(shatomic_ioc_batch, columns_base, 160);
SIZE_IS(shatomic_ioc_stats, 560);
PLACE_IS(shatomic_ioc_stats, counting, 8);
PLACE_IS(shatomic_ioc_stats, batches, 16);
PLACE_IS(shatomic_ioc_stats, op_rows, 48);
SIZE_IS(shatomic_uring_batch, 16);
PLACE_IS(shatomic_uring_batch, size, 8);

_Static_assert(SHATOMIC_OP_NAND_AND_FETCH == 17, "operations keep their numbers");
_Static_assert(SHATOMIC_IOC_BATCH == _IO(0xD7, 0x41), "so do commands");

FIXTURE(abi)
{
	int device;
	int region;
	int names;
};

static int create_region(int device, uint64_t size)
{
	struct shatomic_ioc_create create = { .size = sizeof(create),
					      .region_size = size };

	return ioctl(device, SHATOMIC_IOC_CREATE, &create) ? -1 : create.fd;
}

FIXTURE_SETUP(abi)
{
	self->device = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->device);
	self->region = create_region(self->device, 4096);
	ASSERT_LE(0, self->region);
	self->names = new_names();
	ASSERT_LE(0, self->names);
}

FIXTURE_TEARDOWN(abi)
{
	close(self->names);
	close(self->region);
	close(self->device);
}

/* Each command with arguments that succeed. */
union arguments {
	uint32_t size;
	struct shatomic_ioc_info info;
	struct shatomic_ioc_create create;
	struct shatomic_ioc_region_info region_info;
	struct shatomic_ioc_batch batch;
	struct shatomic_ioc_stats stats;
	struct shatomic_ioc_export_dmabuf export_dmabuf;
	unsigned char bytes[SHATOMIC_MAX_ARGS_SIZE + 1];
};

struct command {
	const char *what;
	unsigned long number;
	size_t size;
	/* What a caller must have at least. */
	size_t min_size;
	bool on_region;
	/* Where flags are, and a reserved field or 0. */
	size_t reserved;
};

#define END_OF(type, field)                                                   \
	(offsetof(struct type, field) + sizeof(((struct type *)0)->field))

static const struct command commands[] = {
	{ "INFO", SHATOMIC_IOC_INFO, sizeof(struct shatomic_ioc_info), 8,
	  false, 0 },
	{ "CREATE", SHATOMIC_IOC_CREATE, sizeof(struct shatomic_ioc_create),
	  END_OF(shatomic_ioc_create, mode), false,
	  offsetof(struct shatomic_ioc_create, reserved) },
	{ "REGION_INFO", SHATOMIC_IOC_REGION_INFO,
	  sizeof(struct shatomic_ioc_region_info), 8, true,
	  offsetof(struct shatomic_ioc_region_info, reserved) },
	{ "BATCH", SHATOMIC_IOC_BATCH, sizeof(struct shatomic_ioc_batch),
	  END_OF(shatomic_ioc_batch, offsets), true,
	  offsetof(struct shatomic_ioc_batch, reserved) },
	{ "STATS", SHATOMIC_IOC_STATS, sizeof(struct shatomic_ioc_stats), 8,
	  true, offsetof(struct shatomic_ioc_stats, reserved) },
	{ "EXPORT_DMABUF", SHATOMIC_IOC_EXPORT_DMABUF,
	  sizeof(struct shatomic_ioc_export_dmabuf),
	  END_OF(shatomic_ioc_export_dmabuf, error_field), true,
	  offsetof(struct shatomic_ioc_export_dmabuf, reserved) },
};

/* Make @args those of a call that succeeds. */
static void good_arguments(const struct command *command, union arguments *args)
{
	memset(args, 0, sizeof(*args));
	args->size = command->size;
	switch (command->number) {
	case SHATOMIC_IOC_CREATE:
		args->create.region_size = 4096;
		break;
	case SHATOMIC_IOC_BATCH:
		args->batch.width = 8;
		break;
	}
}

static int call(FIXTURE_DATA(abi) *self, const struct command *command,
		void *args)
{
	union arguments *out = args;
	int fd = command->on_region ? self->region : self->device;

	if (ioctl(fd, command->number, args)) {
		/* Not every kernel has DMA buffers, which is no bad flag. */
		if (command->number == SHATOMIC_IOC_EXPORT_DMABUF &&
		    errno == EOPNOTSUPP &&
		    out->export_dmabuf.error_field == SHATOMIC_FIELD_NONE)
			return 0;
		return -errno;
	}
	if (command->number == SHATOMIC_IOC_EXPORT_DMABUF)
		close(out->export_dmabuf.fd);
	if (command->number == SHATOMIC_IOC_CREATE)
		close(out->create.fd);
	return 0;
}

TEST_F(abi, structures_are_extensible)
{
	union arguments args;
	unsigned int i;

	for (i = 0; i < COUNT_OF(commands); i++) {
		const struct command *command = &commands[i];

		TH_LOG("%s", command->what);
		good_arguments(command, &args);
		EXPECT_EQ(0, call(self, command, &args));
		EXPECT_EQ(command->size, args.size);

		good_arguments(command, &args);
		args.size = command->min_size;
		EXPECT_EQ(0, call(self, command, &args));

		good_arguments(command, &args);
		args.size = command->min_size - 1;
		EXPECT_EQ(-EINVAL, call(self, command, &args));
		args.size = 0;
		EXPECT_EQ(-EINVAL, call(self, command, &args));

		good_arguments(command, &args);
		args.size = command->size + 8;
		EXPECT_EQ(0, call(self, command, &args));

		good_arguments(command, &args);
		args.size = command->size + 8;
		args.bytes[command->size] = 1;
		EXPECT_EQ(-E2BIG, call(self, command, &args));
		args.bytes[command->size] = 0;
		args.bytes[command->size + 7] = 1;
		EXPECT_EQ(-E2BIG, call(self, command, &args));
		good_arguments(command, &args);
		args.size = SHATOMIC_MAX_ARGS_SIZE;
		EXPECT_EQ(0, call(self, command, &args));
		args.size = SHATOMIC_MAX_ARGS_SIZE + 1;
		EXPECT_EQ(-E2BIG, call(self, command, &args));
		args.size = UINT32_MAX;
		EXPECT_EQ(-E2BIG, call(self, command, &args));
	}
}

/* What is beyond the size that the caller gave is not written to. */
TEST_F(abi, short_structures_are_not_overrun)
{
	union arguments args;
	unsigned int i, at;

	for (i = 0; i < COUNT_OF(commands); i++) {
		const struct command *command = &commands[i];

		good_arguments(command, &args);
		args.size = command->min_size;
		memset(args.bytes + command->min_size, 0xa5,
		       sizeof(args) - command->min_size);
		EXPECT_EQ(0, call(self, command, &args));
		for (at = command->min_size; at < sizeof(args); at++)
			ASSERT_EQ(0xa5, args.bytes[at])
			{
				TH_LOG("%s byte %u", command->what, at);
			}
	}
}

TEST_F(abi, unknown_flags_and_reserved_fields)
{
	union arguments args;
	unsigned int i;

	for (i = 0; i < COUNT_OF(commands); i++) {
		const struct command *command = &commands[i];

		good_arguments(command, &args);
		args.info.flags = 1U << 31;
		EXPECT_EQ(-EOPNOTSUPP, call(self, command, &args))
		{
			TH_LOG("%s", command->what);
		}
		if (!command->reserved)
			continue;
		good_arguments(command, &args);
		args.bytes[command->reserved] = 1;
		EXPECT_EQ(-EINVAL, call(self, command, &args))
		{
			TH_LOG("%s", command->what);
		}
	}
}

TEST_F(abi, bad_pointers)
{
	union arguments *edge;
	unsigned int i;
	char *pages;

	/* A page that is there, and one that is not. */
	pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, munmap(pages + 4096, 4096));

	for (i = 0; i < COUNT_OF(commands); i++) {
		const struct command *command = &commands[i];

		EXPECT_EQ(-EFAULT, call(self, command, NULL));
		EXPECT_EQ(-EFAULT, call(self, command, (void *)-4096L));
		edge = (void *)(pages + 4096 - 4);
		edge->size = command->size;
		EXPECT_EQ(-EFAULT, call(self, command, edge));
	}
	munmap(pages, 4096);
}

TEST_F(abi, unknown_commands)
{
	uint32_t size = 8;

	EXPECT_EQ(-1, ioctl(self->device, _IO(SHATOMIC_IOC_MAGIC, 0xff), &size));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->region, _IO(SHATOMIC_IOC_MAGIC, 0xff), &size));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->region, SHATOMIC_IOC_CREATE, &size));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->device, SHATOMIC_IOC_BATCH, &size));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->device, _IO(0xD8, 0), &size));
	EXPECT_EQ(ENOTTY, errno);
}

/* Whether the descriptor of a directory is one, tests/names.c looks at. */
TEST_F(abi, create_is_checked_by_field)
{
	const uint32_t named = SHATOMIC_CREATE_IN_DIRECTORY;
	const struct {
		uint64_t region_size;
		uint32_t flags;
		uint32_t mode;
		int directory;
		uint32_t field;
	} cases[] = {
		{ 0, 0, 0, 0, SHATOMIC_FIELD_REGION_SIZE },
		{ UINT64_MAX, 0, 0, 0, SHATOMIC_FIELD_REGION_SIZE },
		{ 8, 0, 0600, 0, SHATOMIC_FIELD_MODE },
		{ 8, named, 01000, self->names, SHATOMIC_FIELD_MODE },
		{ 8, named, UINT32_MAX, self->names, SHATOMIC_FIELD_MODE },
		{ 8, 0, 0, self->names, SHATOMIC_FIELD_DIRECTORY },
	};
	struct shatomic_ioc_create create;
	unsigned int i;

	for (i = 0; i < COUNT_OF(cases); i++) {
		create = (struct shatomic_ioc_create){
			.size = sizeof(create), .fd = -7,
			.region_size = cases[i].region_size,
			.flags = cases[i].flags, .mode = cases[i].mode,
			.directory = cases[i].directory,
		};
		EXPECT_EQ(-1, ioctl(self->device, SHATOMIC_IOC_CREATE, &create));
		EXPECT_EQ(EINVAL, errno)
		{
			TH_LOG("case %u", i);
		}
		EXPECT_EQ(cases[i].field, create.error_field)
		{
			TH_LOG("case %u", i);
		}
		EXPECT_EQ(-7, create.fd);
	}
}

/* The descriptor that the next open(2) would get. */
static int next_descriptor(int any)
{
	int fd = dup(any);

	close(fd);
	return fd;
}

static void expect_nothing_made(struct __test_metadata *_metadata,
				FIXTURE_DATA(abi) *self, int descriptor,
				uint32_t regions)
{
	struct shatomic_ioc_info info = { .size = sizeof(info) };

	EXPECT_EQ(descriptor, next_descriptor(self->device));
	ASSERT_EQ(0, ioctl(self->device, SHATOMIC_IOC_INFO, &info));
	EXPECT_EQ(regions, info.regions);
	EXPECT_EQ(regions * 4096, info.pinned_bytes);
}

/* Big mappings are put where huge pages can be mapped as such. */
TEST_F(abi, big_mappings_are_aligned)
{
	int fd = create_region(self->device, 8 << 20);
	char *hint, *base;

	ASSERT_LE(0, fd);
	if (!has_huge_pages()) {
		close(fd);
		SKIP(return, "this kernel has no huge pages");
	}
	base = mmap(NULL, 4 << 20, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, base);
	EXPECT_EQ(0, (uintptr_t)base % (2 << 20));
	munmap(base, 4 << 20);

	/* What the caller asks for is had, aligned or not. */
	hint = base + 4096;
	base = mmap(hint, 4 << 20, PROT_READ, MAP_SHARED, fd, 4096);
	EXPECT_EQ(hint, base);
	base = mmap(hint, 2 << 20, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		    2 << 20);
	EXPECT_EQ(hint, base);
	munmap(hint, 4 << 20);
	close(fd);
}

/* Neither by mappings nor as a program. */
TEST_F(abi, a_region_is_never_executed)
{
	static const char script[] = "#!/bin/true\n";
	char *arguments[] = { "program", NULL };
	char *environment[] = { NULL };
	void *memory;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ | PROT_EXEC,
				   MAP_SHARED, self->region, 0));
	EXPECT_EQ(EPERM, errno);
	memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->region, 0);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(-1, mprotect(memory, 4096, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	munmap(memory, 4096);

	ASSERT_EQ(sizeof(script), pwrite(self->region, script, sizeof(script),
					 0));
	ASSERT_EQ(0, fchmod(self->region, 0700));
	EXPECT_EQ(-1, fexecve(self->region, arguments, environment));
	EXPECT_EQ(EACCES, errno);
}

/* A name keeps the region, and nothing of the file that it was made with. */
TEST_F(abi, a_name_does_not_keep_the_creators_lock)
{
	int creator = create_named(self->device, self->names, "lock", 8, 0,
				   0600);
	int other = open_named(self->names, "lock", O_RDWR);

	ASSERT_LE(0, creator);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, flock(creator, LOCK_EX));
	EXPECT_EQ(-1, flock(other, LOCK_EX | LOCK_NB));
	close(creator);
	EXPECT_EQ(0, flock(other, LOCK_EX | LOCK_NB));
	close(other);
}

/* Who holds a lease makes others wait who open the file. */
TEST_F(abi, a_region_takes_no_lease)
{
	int creator = create_named(self->device, self->names, "lease", 8, 0,
				   0600);
	int reader = open_named(self->names, "lease", O_RDONLY);

	ASSERT_LE(0, creator);
	ASSERT_LE(0, reader);
	close(creator);
	EXPECT_EQ(-1, fcntl(reader, F_SETLEASE, F_RDLCK));
	EXPECT_EQ(EINVAL, errno);
	close(reader);
}

/* A caller who can't be told the descriptor does not have it. */
TEST_F(abi, an_answer_that_cannot_be_written_leaves_nothing)
{
	struct shatomic_ioc_create create = { .size = sizeof(create),
					      .region_size = 8 };
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int descriptor = next_descriptor(self->device);

	ASSERT_NE(MAP_FAILED, page);
	memcpy(page, &create, sizeof(create));
	ASSERT_EQ(0, mprotect(page, 4096, PROT_READ));
	EXPECT_EQ(-1, ioctl(self->device, SHATOMIC_IOC_CREATE, page));
	EXPECT_EQ(EFAULT, errno);
	expect_nothing_made(_metadata, self, descriptor, 1);

	ASSERT_EQ(0, mprotect(page, 4096, PROT_READ | PROT_WRITE));
	create.flags = SHATOMIC_CREATE_IN_DIRECTORY;
	create.directory = self->names;
	memcpy(page, &create, sizeof(create));
	ASSERT_EQ(0, mprotect(page, 4096, PROT_READ));
	EXPECT_EQ(-1, ioctl(self->device, SHATOMIC_IOC_CREATE, page));
	EXPECT_EQ(EFAULT, errno);
	expect_nothing_made(_metadata, self, descriptor, 1);
	munmap(page, 4096);
}

TEST_F(abi, descriptors_are_close_on_exec)
{
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->region, F_GETFD));
}

TEST_F(abi, info_is_sane)
{
	struct shatomic_ioc_info info = { .size = sizeof(info) };
	unsigned int op;

	/* What is told is told wholly. */
	memset(info.op_widths, 0xff, sizeof(info.op_widths));
	ASSERT_EQ(0, ioctl(self->device, SHATOMIC_IOC_INFO, &info));
	EXPECT_EQ(SHATOMIC_ABI_VERSION, info.abi_version);
	EXPECT_EQ(SHATOMIC_OP_COUNT, info.op_count);
	EXPECT_LT(0, info.max_region_bytes);
	EXPECT_LE(info.max_region_bytes, info.max_pinned_bytes);
	EXPECT_EQ(4096, info.pinned_bytes);
	EXPECT_EQ(1, info.regions);
	EXPECT_LT(1, info.max_user_regions);
	EXPECT_LT(info.max_user_regions, info.max_regions);
	EXPECT_LE(256, info.slice_rows);
	EXPECT_LT(info.slice_rows, info.max_batch_rows);
	EXPECT_LT(1, info.max_user_batches);
	EXPECT_LT(info.max_user_batches, info.max_region_batches);
	EXPECT_LT(info.max_region_batches, info.max_batches);
	EXPECT_EQ(0, info.batches);
	for (op = 0; op < SHATOMIC_OP_SLOTS; op++)
		/* 16 bytes are the machine's to have or not. */
		EXPECT_EQ(op < SHATOMIC_OP_COUNT ? 0xff : 0,
			  info.op_widths[op] & 0x7fff);
}

TEST_F(abi, batch_tells_bad_columns)
{
	uint64_t offset = 0, operand = 5, result;
	struct shatomic_ioc_batch good = {
		.size = sizeof(good), .op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8, .rows = 1, .offsets = (uintptr_t)&offset,
		.operands = (uintptr_t)&operand,
		.results = (uintptr_t)&result,
	};
	struct shatomic_ioc_batch batch = good;
	uint64_t word = 0;

	batch.offsets = 8;
	EXPECT_EQ(-1, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(SHATOMIC_FIELD_OFFSETS, batch.error_field);
	EXPECT_EQ(0, batch.rows_done);

	batch = good;
	batch.operands = UINT64_MAX - 4096;
	EXPECT_EQ(-1, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(SHATOMIC_FIELD_OPERANDS, batch.error_field);
	EXPECT_EQ(0, batch.rows_done);
	EXPECT_EQ(8, pread(self->region, &word, 8, 0));
	EXPECT_EQ(0, word);

	/* A row whose result can't be written has run. */
	batch = good;
	batch.results = 8;
	EXPECT_EQ(-1, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(SHATOMIC_FIELD_RESULTS, batch.error_field);
	EXPECT_EQ(1, batch.rows_done);
	EXPECT_EQ(8, pread(self->region, &word, 8, 0));
	EXPECT_EQ(5, word);
}

/* The column of results ends in its middle: the rows that ran are told. */
TEST_F(abi, results_that_cannot_be_written)
{
	/* More than a CPU has memory ready for. */
	const uint64_t rows = 200000;
	uint64_t *offsets = calloc(rows, 8), *operands = calloc(rows, 8);
	char *results = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct shatomic_ioc_batch batch = {
		.size = sizeof(batch), .op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8, .parallelism = 1, .rows = rows,
		.offsets = (uintptr_t)offsets,
		.operands = (uintptr_t)operands,
		.results = (uintptr_t)results,
	};
	uint64_t word = 0, i;

	ASSERT_NE(MAP_FAILED, results);
	for (i = 0; i < rows; i++)
		operands[i] = 1;
	ASSERT_EQ(0, munmap(results + 32 * 4096, 32 * 4096));
	EXPECT_EQ(-1, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(SHATOMIC_FIELD_RESULTS, batch.error_field);
	EXPECT_LE(32 * 512, batch.rows_done);
	EXPECT_GT(rows, batch.rows_done);
	ASSERT_EQ(8, pread(self->region, &word, 8, 0));
	EXPECT_EQ(batch.rows_done, word);
	munmap(results, 32 * 4096);
	free(offsets);
	free(operands);
}

TEST_F(abi, batch_tells_bad_peers)
{
	uint64_t offset = 0;
	int32_t peers[2] = { self->region, self->device };
	struct shatomic_ioc_batch batch = {
		.size = sizeof(batch), .op = SHATOMIC_OP_STORE, .width = 8,
		.rows = 1, .offsets = (uintptr_t)&offset,
		.peers = (uintptr_t)peers, .peer_count = 1,
		.peer_offsets = (uintptr_t)&offset,
	};

	EXPECT_EQ(0, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(SHATOMIC_FIELD_NONE, batch.error_field);
	peers[0] = self->device;
	EXPECT_EQ(-1, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(SHATOMIC_FIELD_PEERS, batch.error_field);
	peers[0] = memfd_create("other", MFD_CLOEXEC);
	ASSERT_LE(0, peers[0]);
	EXPECT_EQ(-1, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(EBADF, errno);
	close(peers[0]);
	peers[0] = -1;
	EXPECT_EQ(-1, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(EBADF, errno);
	batch.peers = 8;
	EXPECT_EQ(-1, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(EFAULT, errno);
}

/* Columns in a region: 3 rows of each column that a batch can have. */
struct column_bytes {
	uint64_t offsets[3];
	uint64_t operands[3];
	uint64_t comparands[3];
	uint64_t masks[3];
	uint64_t comparand_masks[3];
	uint64_t results[3];
	uint64_t peer_offsets[3];
	uint32_t peer_indexes[3];
	uint8_t ops[3];
	uint8_t widths[3];
	uint8_t statuses[3];
};

#define COLUMNS_BYTES 2048

/* What stands for the first byte; as good as any. */
#define BASE 0x1000

#define COLUMN(name) (BASE + offsetof(struct column_bytes, name))

static struct shatomic_ioc_batch batch_in(int columns)
{
	return (struct shatomic_ioc_batch) {
		.size = sizeof(struct shatomic_ioc_batch),
		.flags = SHATOMIC_BATCH_COLUMNS_IN_REGION,
		.rows = 3,
		.columns = columns,
		.columns_base = BASE,
		.ops = COLUMN(ops),
		.widths = COLUMN(widths),
		.offsets = COLUMN(offsets),
		.operands = COLUMN(operands),
		.comparands = COLUMN(comparands),
		.results = COLUMN(results),
		.statuses = COLUMN(statuses),
		.peer_indexes = COLUMN(peer_indexes),
		.peer_offsets = COLUMN(peer_offsets),
		.masks = COLUMN(masks),
		.comparand_masks = COLUMN(comparand_masks),
	};
}

static void *map_columns(int columns)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, columns, 0);
}

static void fill_columns(struct column_bytes *bytes)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		bytes->offsets[i] = 8;
		bytes->operands[i] = i + 1;
		bytes->ops[i] = SHATOMIC_OP_FETCH_AND_ADD;
		bytes->widths[i] = 8;
		bytes->results[i] = 99;
		bytes->statuses[i] = 99;
	}
}

/* The kinds of batches that the kernel runs apart: without peers and with. */
static void with_peers(struct shatomic_ioc_batch *batch, int32_t *peer)
{
	batch->peers = (uintptr_t)peer;
	batch->peer_count = 1;
}

TEST_F(abi, columns_lie_in_a_region)
{
	int columns = create_region(self->device, COLUMNS_BYTES), with;
	struct column_bytes *bytes = map_columns(columns);
	struct shatomic_ioc_batch batch;
	uint64_t word;

	ASSERT_NE(MAP_FAILED, bytes);
	for (with = 0; with < 2; with++) {
		fill_columns(bytes);
		word = 10;
		ASSERT_EQ(8, pwrite(self->region, &word, 8, 8));
		batch = batch_in(columns);
		if (with)
			with_peers(&batch, &self->region);
		EXPECT_EQ(0, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
		EXPECT_EQ(3, batch.rows_done);
		EXPECT_EQ(SHATOMIC_FIELD_NONE, batch.error_field);
		EXPECT_EQ(10, bytes->results[0]);
		EXPECT_EQ(11, bytes->results[1]);
		EXPECT_EQ(13, bytes->results[2]);
		EXPECT_EQ(SHATOMIC_ROW_DONE, bytes->statuses[2]);
		ASSERT_EQ(8, pread(self->region, &word, 8, 8));
		EXPECT_EQ(16, word);
	}

	/* To the last byte, and from any number on that is not 0. */
	batch = batch_in(columns);
	batch.columns_base = (uint64_t)-BASE;
	batch.ops = batch.columns_base + COLUMN(ops) - BASE;
	batch.widths = batch.columns_base + COLUMN(widths) - BASE;
	batch.offsets = batch.columns_base + COLUMN(offsets) - BASE;
	batch.operands = batch.columns_base + COLUMN(operands) - BASE;
	batch.comparands = 0;
	batch.masks = 0;
	batch.comparand_masks = 0;
	batch.peer_indexes = 0;
	batch.peer_offsets = 0;
	batch.results = batch.columns_base + COLUMNS_BYTES - 3 * 8;
	batch.statuses = 0;
	EXPECT_EQ(0, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(19, ((uint64_t *)bytes)[COLUMNS_BYTES / 8 - 1]);
	EXPECT_EQ(0, ((uint64_t *)bytes)[COLUMNS_BYTES / 8]);
	munmap(bytes, 4096);
	close(columns);
}

/* Where a column is wrong, by itself. */
static const struct {
	size_t member;
	uint64_t value;
	int err;
	uint32_t field;
} misplaced[] = {
#define MISPLACED(name, value, err, field)                                    \
	{ offsetof(struct shatomic_ioc_batch, name), value, err,              \
	  SHATOMIC_FIELD_##field }
#define OUTSIDE(name, entry, field)                                           \
	MISPLACED(name, BASE - (entry), ERANGE, field),                       \
	MISPLACED(name, 8, ERANGE, field),                                    \
	MISPLACED(name, UINT64_MAX - 7, ERANGE, field),                       \
	MISPLACED(name, BASE + COLUMNS_BYTES, ERANGE, field),                 \
	MISPLACED(name, BASE + COLUMNS_BYTES - 2 * (entry), ERANGE, field)
#define MISALIGNED(name, entry, field)                                        \
	MISPLACED(name, COLUMN(name) + 1, EINVAL, field),                     \
	MISPLACED(name, COLUMN(name) + (entry) / 2, EINVAL, field)
	OUTSIDE(ops, 1, OP),
	OUTSIDE(widths, 1, WIDTH),
	OUTSIDE(offsets, 8, OFFSETS),
	MISALIGNED(offsets, 8, OFFSETS),
	OUTSIDE(operands, 8, OPERANDS),
	MISALIGNED(operands, 8, OPERANDS),
	OUTSIDE(comparands, 8, COMPARANDS),
	MISALIGNED(comparands, 8, COMPARANDS),
	OUTSIDE(masks, 8, MASKS),
	MISALIGNED(masks, 8, MASKS),
	OUTSIDE(comparand_masks, 8, COMPARAND_MASKS),
	MISALIGNED(comparand_masks, 8, COMPARAND_MASKS),
	OUTSIDE(results, 8, RESULTS),
	MISALIGNED(results, 8, RESULTS),
	OUTSIDE(statuses, 1, STATUSES),
	OUTSIDE(peer_indexes, 4, PEER_INDEXES),
	MISALIGNED(peer_indexes, 4, PEER_INDEXES),
	OUTSIDE(peer_offsets, 8, PEER_OFFSETS),
	MISALIGNED(peer_offsets, 8, PEER_OFFSETS),
};

/* The batch is refused for @field as a whole, and changes nothing. */
static void expect_refused(struct __test_metadata *_metadata,
			   FIXTURE_DATA(abi) *self,
			   struct shatomic_ioc_batch batch, int err,
			   uint32_t field)
{
	struct shatomic_ioc_batch tried;
	uint64_t word;
	int with;

	for (with = 0; with < 2; with++) {
		tried = batch;
		if (with)
			with_peers(&tried, &self->region);
		EXPECT_EQ(-1, ioctl(self->region, SHATOMIC_IOC_BATCH, &tried));
		EXPECT_EQ(err, errno);
		EXPECT_EQ(field, tried.error_field);
		EXPECT_EQ(UINT64_MAX, tried.error_row);
		EXPECT_EQ(0, tried.rows_done);
		EXPECT_EQ(8, pread(self->region, &word, 8, 8));
		EXPECT_EQ(0, word);
	}
}

TEST_F(abi, columns_that_are_misplaced)
{
	int columns = create_region(self->device, COLUMNS_BYTES);
	struct column_bytes *bytes = map_columns(columns);
	struct shatomic_ioc_batch batch;
	unsigned int i;

	ASSERT_NE(MAP_FAILED, bytes);
	fill_columns(bytes);
	for (i = 0; i < COUNT_OF(misplaced); i++) {
		batch = batch_in(columns);
		memcpy((char *)&batch + misplaced[i].member,
		       &misplaced[i].value, sizeof(misplaced[i].value));
		expect_refused(_metadata, self, batch, misplaced[i].err,
			       misplaced[i].field);
	}
	EXPECT_EQ(99, bytes->results[0]);

	/* Rows of so many bytes that their sum is small again. */
	batch = batch_in(columns);
	batch.rows = (1ULL << 61) + 1;
	EXPECT_EQ(-1, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(SHATOMIC_FIELD_ROWS, batch.error_field);

	/* Without rows there is nothing that could be misplaced. */
	batch = batch_in(columns);
	batch.rows = 0;
	batch.offsets = 8;
	batch.results = UINT64_MAX - 7;
	EXPECT_EQ(0, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	with_peers(&batch, &self->region);
	EXPECT_EQ(0, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	munmap(bytes, 4096);
	close(columns);
}

/* Halves of doubles are aligned as words are; there are two a row. */
TEST_F(abi, columns_of_doubles)
{
	int columns = create_region(self->device, COLUMNS_BYTES);
	struct column_bytes *bytes = map_columns(columns);
	struct shatomic_ioc_batch batch = batch_in(columns);
	struct shatomic_ioc_info info = { .size = sizeof(info) };

	ASSERT_NE(MAP_FAILED, bytes);
	ASSERT_EQ(0, ioctl(self->device, SHATOMIC_IOC_INFO, &info));
	if (!(info.op_widths[SHATOMIC_OP_GET] >> 15)) {
		TH_LOG("this machine has no words of 16 bytes");
		return;
	}
	batch.op = SHATOMIC_OP_GET;
	batch.width = 16;
	batch.ops = 0;
	batch.widths = 0;
	batch.results = BASE + COLUMNS_BYTES - 3 * 16 + 8;
	expect_refused(_metadata, self, batch, ERANGE, SHATOMIC_FIELD_RESULTS);
	batch.results -= 16;
	EXPECT_EQ(0, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	munmap(bytes, 4096);
	close(columns);
}

static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

TEST_F(abi, columns_that_may_not_be_used)
{
	int columns = create_region(self->device, COLUMNS_BYTES), other;
	struct column_bytes *bytes = map_columns(columns);
	struct shatomic_ioc_batch batch;
	uint64_t word;

	ASSERT_NE(MAP_FAILED, bytes);
	fill_columns(bytes);
	expect_refused(_metadata, self, batch_in(-1), EBADF,
		       SHATOMIC_FIELD_COLUMNS);
	expect_refused(_metadata, self, batch_in(self->device), EBADF,
		       SHATOMIC_FIELD_COLUMNS);
	other = memfd_create("other", MFD_CLOEXEC);
	ASSERT_EQ(0, ftruncate(other, 4096));
	expect_refused(_metadata, self, batch_in(other), EBADF,
		       SHATOMIC_FIELD_COLUMNS);
	batch = batch_in(other);
	batch.rows = 0;
	expect_refused(_metadata, self, batch, EBADF, SHATOMIC_FIELD_COLUMNS);
	close(other);

	other = reopen(columns, O_WRONLY);
	ASSERT_LE(0, other);
	expect_refused(_metadata, self, batch_in(other), EACCES,
		       SHATOMIC_FIELD_COLUMNS);
	close(other);

	other = reopen(columns, O_RDONLY);
	ASSERT_LE(0, other);
	batch = batch_in(other);
	expect_refused(_metadata, self, batch, EACCES, SHATOMIC_FIELD_RESULTS);
	batch.results = 0;
	expect_refused(_metadata, self, batch, EACCES, SHATOMIC_FIELD_STATUSES);
	batch.statuses = 0;
	EXPECT_EQ(0, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(8, pread(self->region, &word, 8, 8));
	EXPECT_EQ(6, word);
	EXPECT_EQ(99, bytes->results[0]);
	EXPECT_EQ(99, bytes->statuses[0]);
	close(other);
	munmap(bytes, 4096);
	close(columns);
}

/* Fields that mean nothing without the flag. */
TEST_F(abi, columns_in_user_memory_have_no_region)
{
	struct column_bytes bytes;
	struct shatomic_ioc_batch batch;

	memset(&bytes, 0, sizeof(bytes));
	fill_columns(&bytes);
	batch = (struct shatomic_ioc_batch){
		.size = sizeof(batch), .op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8, .rows = 3, .offsets = (uintptr_t)bytes.offsets,
		.operands = (uintptr_t)bytes.operands,
	};
	batch.columns = self->region;
	expect_refused(_metadata, self, batch, EINVAL, SHATOMIC_FIELD_COLUMNS);
	batch.columns = 0;
	batch.columns_base = 1ULL << 32;
	expect_refused(_metadata, self, batch, EINVAL, SHATOMIC_FIELD_COLUMNS);
	batch.columns_base = 0;
	batch.reserved = 1;
	expect_refused(_metadata, self, batch, EINVAL, SHATOMIC_FIELD_RESERVED);
	batch.reserved = 0;
	EXPECT_EQ(0, ioctl(self->region, SHATOMIC_IOC_BATCH, &batch));
}

/* A descriptor opened anew by way of /proc, with less than the first had. */
TEST_F(abi, reopened_read_only)
{
	uint64_t offset = 0, operand = 1;
	struct shatomic_ioc_batch batch = {
		.size = sizeof(batch), .op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8, .rows = 1, .offsets = (uintptr_t)&offset,
		.operands = (uintptr_t)&operand,
	};
	struct shatomic_ioc_region_info info = { .size = sizeof(info) };
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->region);
	fd = open(path, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, SHATOMIC_IOC_REGION_INFO, &info));
	EXPECT_EQ(SHATOMIC_OPEN_READ_ONLY, info.open_flags);
	EXPECT_EQ(-1, ioctl(fd, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(EACCES, errno);
	close(fd);
	fd = open(path, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, ioctl(fd, SHATOMIC_IOC_BATCH, &batch));
	EXPECT_EQ(EACCES, errno);
	close(fd);
}

/* A path outlives the region; what is left there is no region and no memory. */
TEST_F(abi, a_path_kept_does_not_keep_the_region)
{
	struct shatomic_ioc_create create = { .size = sizeof(create),
					      .region_size = 1 << 20 };
	struct shatomic_ioc_region_info info = { .size = sizeof(info) };
	struct shatomic_ioc_info device = { .size = sizeof(device) };
	struct stat st;
	char path[64];
	int kept, fd, i;
	unsigned int flags;

	for (flags = 0; flags <= SHATOMIC_CREATE_ASYNC_FREE;
	     flags += SHATOMIC_CREATE_ASYNC_FREE) {
		create.flags = flags;
		ASSERT_EQ(0, ioctl(self->device, SHATOMIC_IOC_CREATE, &create));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", create.fd);
		kept = open(path, O_PATH);
		ASSERT_LE(0, kept);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", kept);

		/* While the region is there, it can be opened by the path. */
		fd = open(path, O_RDWR);
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, ioctl(fd, SHATOMIC_IOC_REGION_INFO, &info));
		close(fd);
		close(create.fd);

		for (i = 0; i < 3; i++) {
			fd = open(path, O_RDWR);
			if (fd < 0) {
				EXPECT_EQ(ENXIO, errno);
				continue;
			}
			EXPECT_EQ(-1, ioctl(fd, SHATOMIC_IOC_REGION_INFO,
					    &info));
			EXPECT_EQ(ENOTTY, errno);
			EXPECT_EQ(-1, pwrite(fd, "x", 1, 0));
			EXPECT_EQ(EPERM, errno);
			close(fd);
		}
		for (i = 0; i < 50; i++) {
			ASSERT_EQ(0, ioctl(self->device, SHATOMIC_IOC_INFO,
					   &device));
			ASSERT_EQ(0, fstat(kept, &st));
			if (device.regions == 1 && !st.st_blocks)
				break;
			usleep(100000);
		}
		EXPECT_EQ(1, device.regions);
		EXPECT_EQ(4096, device.pinned_bytes);
		EXPECT_EQ(0, st.st_size);
		EXPECT_EQ(0, st.st_blocks);
		close(kept);
	}
}

TEST_HARNESS_MAIN
