// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Processes that serve requests count them in one region: each request by
 * single operations, their sizes by a batch now and then. The parent reads all
 * counters as of one instant.
 */
#include <shatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 4
#define REQUESTS 1000000
#define SIZES 8
#define ROWS 500

/* What the region holds. */
struct counters {
	uint64_t requests;
	uint64_t slowest;
	uint64_t by_size[SIZES];
};

static void check(int err)
{
	if (err < 0) {
		fprintf(stderr, "%s\n", shatomic_error());
		exit(1);
	}
}

/* Add one to a counter for each of the sizes. */
static void count_sizes(struct shatomic_region *region,
			const unsigned int *sizes)
{
	uint64_t offsets[ROWS], operands[ROWS];
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8, .rows = ROWS,
		.offsets = offsets, .operands = operands,
	};

	for (int i = 0; i < ROWS; i++) {
		offsets[i] = offsetof(struct counters, by_size) + 8 * sizes[i];
		operands[i] = 1;
	}
	check(shatomic_batch_run(region, &batch));
}

static void serve(struct shatomic_region *region, unsigned int seed)
{
	struct counters *counters = shatomic_buf(region, NULL);
	unsigned int sizes[ROWS];

	for (unsigned int i = 0; i < REQUESTS; i++) {
		uint64_t took = (i * 7919 + seed) % 10000;

		/* Nothing else is told by this counter: it needs no order. */
		shatomic_fetch_and_add_u64_explicit(&counters->requests, 1,
						    __ATOMIC_RELAXED);
		shatomic_fetch_and_max_u64(&counters->slowest, took);
		sizes[i % ROWS] = i % SIZES;
		if (i % ROWS == ROWS - 1)
			count_sizes(region, sizes);
	}
}

/* All counters; none has changed while they were read. */
static void read_all(struct shatomic_region *region, uint64_t *values,
		     unsigned int count)
{
	uint64_t offsets[SHATOMIC_SNAPSHOT_ROWS];
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_GET, .width = 8, .rows = count,
		.flags = SHATOMIC_BATCH_SNAPSHOT,
		.offsets = offsets, .results = values,
	};

	for (unsigned int i = 0; i < count; i++)
		offsets[i] = 8 * i;
	check(shatomic_batch_run(region, &batch));
}

int main(void)
{
	struct shatomic_create_options options = {
		.size = sizeof(struct counters),
	};
	struct shatomic_region *region;
	struct counters seen;
	int failed = 0, status;

	check(shatomic_create(&options, &region));
	for (unsigned int i = 0; i < PROCESSES; i++) {
		if (fork() == 0) {
			serve(region, i);
			return 0;
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	read_all(region, (uint64_t *)&seen, sizeof(seen) / 8);
	printf("%lu requests, the slowest took %lu us, by size", seen.requests,
	       seen.slowest);
	for (int i = 0; i < SIZES; i++)
		printf(" %lu", seen.by_size[i]);
	printf("\n");
	shatomic_close(region);
	return failed != 0;
}
