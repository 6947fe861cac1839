// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be seen of regions from outside: by root in debugfs, by who may in
 * /proc/PID/maps.
 */
#include "common.h"
#include "names.h"

#include <inttypes.h>

#define NAMES "/run/shatomic"
#define DEBUGFS "/sys/kernel/debug/shatomic/"
#define NOBODY 65534
#define HEADER "inode uid gid mode bytes huge_bytes files in_flight batches errors rows name"

/* A line of debugfs' regions. */
struct line {
	uint64_t inode;
	unsigned int uid, gid, mode;
	uint64_t bytes, huge_bytes;
	unsigned int files;
	uint64_t in_flight, batches, errors, rows;
	char name[SHATOMIC_NAME_SIZE];
};

static bool parse_line(const char *text, struct line *line)
{
	int end = 0;

	memset(line, 0, sizeof(*line));
	if (sscanf(text, "%" SCNu64 " %u %u %o %" SCNu64 " %" SCNu64
		   " %u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 "%n",
		   &line->inode, &line->uid, &line->gid, &line->mode,
		   &line->bytes, &line->huge_bytes, &line->files,
		   &line->in_flight, &line->batches, &line->errors, &line->rows,
		   &end) != 11 || text[end] != ' ')
		return false;
	return sscanf(text + end, " %63[^\n]", line->name) < 2;
}

/* How many lines there are of an inode, the last of them; -1 if any is odd. */
static int find_line(uint64_t inode, struct line *line)
{
	FILE *regions = fopen(DEBUGFS "regions", "re");
	struct line one;
	char text[512];
	int found = 0;

	if (!regions || !fgets(text, sizeof(text), regions) ||
	    strcmp(text, HEADER "\n"))
		return -1;
	while (fgets(text, sizeof(text), regions)) {
		if (!parse_line(text, &one)) {
			found = -1;
			break;
		}
		if (one.inode == inode) {
			*line = one;
			found++;
		}
	}
	fclose(regions);
	return found;
}

/* A line "@what NUMBER" of debugfs' stats, or ~0. */
static uint64_t total_of(const char *what)
{
	FILE *stats = fopen(DEBUGFS "stats", "re");
	uint64_t value = UINT64_MAX, one;
	char name[64];

	if (!stats)
		return value;
	while (fscanf(stats, "%63s %" SCNu64, name, &one) == 2) {
		if (!strcmp(name, what))
			value = one;
	}
	fclose(stats);
	return value;
}

static uint64_t inode_of(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) ? 0 : stat.st_ino;
}

static int rename_there(const char *from, const char *to)
{
	int names = open(NAMES, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int err = renameat(names, from, names, to) ? -errno : 0;

	close(names);
	return err;
}

FIXTURE(visible)
{
	struct shatomic_region *region;
	uint64_t inode;
	char name[SHATOMIC_NAME_SIZE];
};

static struct shatomic_region *create(const char *name, size_t length)
{
	struct shatomic_create_options options = {
		.backend = SHATOMIC_BACKEND_DEVICE, .size = length,
		.name = name, .mode = name ? 0640 : 0,
	};
	struct shatomic_region *region = NULL;

	if (shatomic_create(&options, &region))
		printf("# shatomic_create: %s\n", shatomic_error());
	return region;
}

FIXTURE_SETUP(visible)
{
	umask(022);
	unique_name(self->name, "visible");
	self->region = create(self->name, 5000);
	ASSERT_NE(NULL, self->region);
	self->inode = inode_of(shatomic_fd(self->region));
}

FIXTURE_TEARDOWN(visible)
{
	shatomic_unlink(SHATOMIC_BACKEND_DEVICE, self->name);
	shatomic_close(self->region);
}

/* Two rows, the second of which can be wrong. */
static int run_two(struct shatomic_region *region, uint64_t second)
{
	uint64_t offsets[] = { 0, second }, operands[] = { 1, 1 };
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_UMAX, .width = 8, .rows = 2,
		.offsets = offsets, .operands = operands,
	};

	return shatomic_batch_run(region, &batch);
}

TEST_F(visible, a_named_region)
{
	struct line line;

	ASSERT_EQ(0, run_two(self->region, 8));
	ASSERT_EQ(-ERANGE, run_two(self->region, 8000));
	ASSERT_EQ(1, find_line(self->inode, &line));
	EXPECT_STREQ(self->name, line.name);
	EXPECT_EQ(0U, line.uid);
	EXPECT_EQ(0U, line.gid);
	EXPECT_EQ(0640U, line.mode);
	EXPECT_EQ(5000U, line.bytes);
	EXPECT_EQ(0U, line.huge_bytes);
	EXPECT_EQ(1U, line.files);
	EXPECT_EQ(0U, line.in_flight);
	EXPECT_EQ(2U, line.batches);
	EXPECT_EQ(1U, line.errors);
	EXPECT_EQ(2U, line.rows);
}

TEST_F(visible, one_without_a_name)
{
	struct shatomic_region *region = create(NULL, 4 << 20);
	uint64_t inode = inode_of(shatomic_fd(region));
	struct shatomic_info info;
	struct line line;

	ASSERT_EQ(0, shatomic_get_info(region, &info));
	ASSERT_EQ(1, find_line(inode, &line));
	EXPECT_STREQ("", line.name);
	EXPECT_EQ(0600U, line.mode);
	EXPECT_EQ(4U << 20, line.bytes);
	EXPECT_EQ(info.huge_bytes, line.huge_bytes);
	EXPECT_EQ(1U, line.files);
	shatomic_close(region);
	EXPECT_EQ(0, find_line(inode, &line));
}

TEST_F(visible, one_that_has_been_unlinked)
{
	struct line line;

	ASSERT_EQ(0, shatomic_unlink(SHATOMIC_BACKEND_DEVICE, self->name));
	ASSERT_EQ(1, find_line(self->inode, &line));
	EXPECT_STREQ("", line.name);
	EXPECT_EQ(1U, line.files);
}

/* As long as anything keeps it: here a mapping. */
TEST_F(visible, until_the_last_reference_is_gone)
{
	void *mapping = mmap(NULL, 4096, PROT_READ, MAP_SHARED,
			     shatomic_fd(self->region), 0);
	struct line line;

	ASSERT_NE(MAP_FAILED, mapping);
	ASSERT_EQ(0, shatomic_unlink(SHATOMIC_BACKEND_DEVICE, self->name));
	shatomic_close(self->region);
	EXPECT_EQ(1, find_line(self->inode, &line));
	EXPECT_EQ(1U, line.files);
	munmap(mapping, 4096);
	EXPECT_EQ(0, find_line(self->inode, &line));
	self->region = NULL;
}

/* Of two instances, which have the same name, and with another owner. */
TEST_F(visible, owners_and_instances)
{
	int device = open("/dev/shatomic", O_RDWR | O_CLOEXEC);
	int names = new_names();
	int region = create_named(device, names, self->name, 4096, 0, 0600);
	struct line line;

	ASSERT_LE(0, region);
	ASSERT_EQ(0, fchown(region, NOBODY, 900));
	ASSERT_EQ(1, find_line(inode_of(region), &line));
	EXPECT_STREQ(self->name, line.name);
	EXPECT_EQ(NOBODY, line.uid);
	EXPECT_EQ(900U, line.gid);
	EXPECT_EQ(4096U, line.bytes);
	ASSERT_EQ(1, find_line(self->inode, &line));
	EXPECT_STREQ(self->name, line.name);
	EXPECT_EQ(0U, line.uid);
	EXPECT_EQ(5000U, line.bytes);
	close(region);
	close(names);
	close(device);
}

/* The name is the one that a region has now. */
TEST_F(visible, one_that_has_been_renamed)
{
	struct line line;

	ASSERT_EQ(0, rename_there(self->name, "visible-renamed"));
	ASSERT_EQ(1, find_line(self->inode, &line));
	EXPECT_STREQ("visible-renamed", line.name);
	ASSERT_EQ(0, rename_there("visible-renamed", self->name));
}

/* More than one buffer of the kernel's holds. */
TEST_F(visible, many_regions)
{
	struct shatomic_region *regions[200];
	struct line line;
	unsigned int i;

	for (i = 0; i < COUNT_OF(regions); i++) {
		regions[i] = create(NULL, 1);
		ASSERT_NE(NULL, regions[i]);
	}
	for (i = 0; i < COUNT_OF(regions); i++)
		EXPECT_EQ(1, find_line(inode_of(shatomic_fd(regions[i])),
				       &line));
	for (i = 0; i < COUNT_OF(regions); i++)
		shatomic_close(regions[i]);
}

/* What ran on regions that are no more stays in the totals. */
TEST_F(visible, totals)
{
	struct shatomic_ioc_info info = { .size = sizeof(info) };
	uint64_t batches = total_of("batches"), errors = total_of("errors");
	uint64_t rows = total_of("rows"), umax = total_of("fetch_and_umax");
	struct shatomic_region *region = create(NULL, 4096);
	int device = open("/dev/shatomic", O_RDWR | O_CLOEXEC);

	ASSERT_NE(NULL, region);
	ASSERT_EQ(0, run_two(region, 8));
	ASSERT_EQ(0, run_two(self->region, 8));
	ASSERT_EQ(-ERANGE, run_two(region, 4096));
	EXPECT_EQ(batches + 3, total_of("batches"));
	shatomic_close(region);
	EXPECT_EQ(batches + 3, total_of("batches"));
	EXPECT_EQ(errors + 1, total_of("errors"));
	EXPECT_EQ(rows + 4, total_of("rows"));
	EXPECT_EQ(umax + 4, total_of("fetch_and_umax"));
	EXPECT_EQ(1U, total_of("counting"));
	EXPECT_EQ(0U, total_of("in_flight"));

	ASSERT_EQ(0, ioctl(device, SHATOMIC_IOC_INFO, &info));
	EXPECT_EQ(info.regions, total_of("regions"));
	EXPECT_EQ(info.pinned_bytes, total_of("pinned_bytes"));
	close(device);
}

TEST_F(visible, by_root_only)
{
	static const char *const files[] = { DEBUGFS "regions",
					     DEBUGFS "stats" };
	struct stat stat_buf;
	unsigned int i;

	for (i = 0; i < COUNT_OF(files); i++) {
		ASSERT_EQ(0, stat(files[i], &stat_buf));
		EXPECT_EQ(0400U, stat_buf.st_mode & 07777);
		EXPECT_EQ(0U, stat_buf.st_uid);
	}
}

/* Whether just one line of our maps ends so, and the mapping has it. */
static bool is_mapped_as(const void *mapping, const char *label)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned int found = 0;
	bool right = false;
	char text[512];
	char path[256];
	uint64_t start;

	while (maps && fgets(text, sizeof(text), maps)) {
		if (sscanf(text, "%" SCNx64 "-%*s %*s %*s %*s %*s %255[^\n]",
			   &start, path) != 2 || strcmp(path, label))
			continue;
		found++;
		right = start == (uintptr_t)mapping;
	}
	if (maps)
		fclose(maps);
	return found == 1 && right;
}

/*
 * A handle by a name shows the path, as that of any file; one to a new region, as
 * it had none when it was made, does not.
 */
TEST_F(visible, in_maps)
{
	/* The longest name, of what names may be made of. */
	static const char odd[] =
		"(deleted)\\n7f0000000000-7f0000001000~[heap]`$%\"'<>|&;*?{}#!=+,:";
	struct shatomic_region *creator, *opener;
	char label[128];

	EXPECT_TRUE(is_mapped_as(shatomic_buf(self->region, NULL),
				 "/shatomic (deleted)"));
	ASSERT_EQ((size_t)SHATOMIC_NAME_SIZE, sizeof(odd));
	creator = create(odd, 4096);
	ASSERT_NE(NULL, creator);
	ASSERT_EQ(0, shatomic_open(SHATOMIC_BACKEND_DEVICE, odd, 0, &opener));
	snprintf(label, sizeof(label), NAMES "/%s", odd);
	EXPECT_TRUE(is_mapped_as(shatomic_buf(opener, NULL), label));
	shatomic_unlink(SHATOMIC_BACKEND_DEVICE, odd);
	snprintf(label, sizeof(label), NAMES "/%s (deleted)", odd);
	EXPECT_TRUE(is_mapped_as(shatomic_buf(opener, NULL), label));
	shatomic_close(opener);
	shatomic_close(creator);
}

TEST_HARNESS_MAIN
