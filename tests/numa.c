// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which NUMA nodes a region's memory comes from. The guest has two; a machine
 * with one shows that this one is taken, and that others are refused.
 */
#include "common.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>

#define PAGE 4096
#define PAGES 64
#define HUGE_PAGE (2UL << 20)

/* The kernel of s390x, for one, is built without. */
#define NEEDS_NUMA()                                                          \
	do {                                                                  \
		if (syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 0))       \
			SKIP(return, "this kernel knows no NUMA");            \
	} while (0)

/* Bit n for each node n that the machine has, of the first 64. */
static uint64_t machine_nodes(void)
{
	uint64_t nodes = 0;
	char path[64];
	int node;

	for (node = 0; node < 64; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", node);
		if (!access(path, F_OK))
			nodes |= 1ULL << node;
	}
	/* Kernels without NUMA show none. */
	return nodes ? nodes : 1;
}

/* The node that a byte of memory is on, which has to be mapped for that. */
static int node_of(void *memory)
{
	int node = -1;

	*(volatile unsigned char *)memory;
	syscall(SYS_move_pages, 0, 1UL, &memory, NULL, &node, 0);
	return node;
}

static struct shatomic_region *create(size_t length, enum shatomic_numa numa,
				      uint64_t nodes)
{
	struct shatomic_create_options options = {
		.size = length, .numa = numa, .numa_nodes = nodes,
	};
	struct shatomic_region *region = NULL;

	if (shatomic_create(&options, &region))
		printf("# shatomic_create: %s\n", shatomic_error());
	return region;
}

/* How many pages of a region are on each node. */
static void count_pages(struct shatomic_region *region, size_t step,
			unsigned int counts[64])
{
	size_t size, at;
	unsigned char *memory = shatomic_buf(region, &size);
	int node;

	memset(counts, 0, 64 * sizeof(*counts));
	for (at = 0; at < size; at += step) {
		node = node_of(memory + at);
		if (node >= 0 && node < 64)
			counts[node]++;
	}
}

TEST(bound_to_each_node)
{
	uint64_t nodes = machine_nodes();
	unsigned int counts[64], node;

	NEEDS_NUMA();
	for (node = 0; node < 64; node++) {
		struct shatomic_region *region;

		if (!(nodes & 1ULL << node))
			continue;
		region = create(PAGES * PAGE, SHATOMIC_NUMA_BIND, 1ULL << node);
		ASSERT_NE(NULL, region);
		count_pages(region, PAGE, counts);
		EXPECT_EQ(PAGES, counts[node]);
		shatomic_close(region);
	}
}

TEST(interleaved_between_all)
{
	uint64_t nodes = machine_nodes();
	unsigned int counts[64], node;
	struct shatomic_region *region;

	NEEDS_NUMA();
	region = create(PAGES * PAGE, SHATOMIC_NUMA_INTERLEAVE, nodes);
	ASSERT_NE(NULL, region);
	count_pages(region, PAGE, counts);
	for (node = 0; node < 64; node++)
		EXPECT_EQ(nodes & 1ULL << node ?
				  PAGES / __builtin_popcountll(nodes) : 0,
			  counts[node]);
	shatomic_close(region);
}

/* As huge pages where these are the default, or as many small ones. */
TEST(big_ones_too)
{
	uint64_t nodes = machine_nodes();
	unsigned int counts[64], node = 63 - __builtin_clzll(nodes);
	struct shatomic_region *region;

	NEEDS_NUMA();
	region = create(4 * HUGE_PAGE, SHATOMIC_NUMA_BIND, 1ULL << node);
	ASSERT_NE(NULL, region);
	count_pages(region, PAGE, counts);
	EXPECT_EQ(4 * HUGE_PAGE / PAGE, counts[node]);
	shatomic_close(region);
}

/* Creating a region leaves the thread's own policy as it was. */
TEST(the_thread_keeps_its_policy)
{
	unsigned long nodes[64] = { 1 }, seen[64];
	struct shatomic_region *region;
	int mode;

	NEEDS_NUMA();
	ASSERT_EQ(0, syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, nodes,
			     64 * 64 + 1));
	region = create(PAGE, SHATOMIC_NUMA_BIND, 1);
	ASSERT_NE(NULL, region);
	shatomic_close(region);
	ASSERT_EQ(NULL, create(PAGE, SHATOMIC_NUMA_BIND, 1ULL << 63));
	ASSERT_EQ(0, syscall(SYS_get_mempolicy, &mode, seen, 64 * 64, NULL, 0));
	EXPECT_EQ(MPOL_INTERLEAVE, mode);
	EXPECT_EQ(0, memcmp(nodes, seen, sizeof(seen)));
}

static int create_error(enum shatomic_numa numa, uint64_t nodes)
{
	struct shatomic_create_options options = {
		.size = PAGE, .numa = numa, .numa_nodes = nodes,
	};
	struct shatomic_region *region;

	return shatomic_create(&options, &region);
}

TEST(bad_input)
{
	EXPECT_EQ(-EOPNOTSUPP, create_error(3, 1));
	EXPECT_EQ(-EOPNOTSUPP, create_error(-1, 1));
	EXPECT_EQ(-EINVAL, create_error(SHATOMIC_NUMA_DEFAULT, 1));
	EXPECT_EQ(-EINVAL, create_error(SHATOMIC_NUMA_BIND, 0));
	EXPECT_EQ(-EINVAL, create_error(SHATOMIC_NUMA_INTERLEAVE, 0));
}

TEST(a_node_that_is_not_there)
{
	uint64_t nodes = machine_nodes(), missing = ~nodes & -~nodes;

	NEEDS_NUMA();
	EXPECT_EQ(-EINVAL, create_error(SHATOMIC_NUMA_BIND, missing));
	EXPECT_NE(NULL, strstr(shatomic_error(), "numa_nodes"));
	/* One that is there does not make up for one that is not. */
	EXPECT_EQ(-EINVAL, create_error(SHATOMIC_NUMA_BIND, nodes | missing));
}

TEST_HARNESS_MAIN
