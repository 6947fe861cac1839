// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A count-min sketch: how often each key was seen, in little memory and never
 * too low. Processes add what they see by batches, which may run in any order;
 * one batch of loads estimates all keys.
 */
#include <shatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 4
#define ITEMS 100000	/* that each process sees */
#define KEYS 4096
#define DEPTH 4
#define WIDTH 1024
#define CHUNK 1000
#define ROWS (DEPTH * (CHUNK > KEYS ? CHUNK : KEYS))

static uint64_t offsets[ROWS], values[ROWS];

/* splitmix64's mixing of bits: any good hash does. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* The key that a process sees as its nth: few often, most seldom. */
static uint64_t key_of(uint64_t process, uint64_t n)
{
	uint64_t random = mix(process * ITEMS + n + 1);

	return random % ((random >> 32) % KEYS + 1);
}

/* The rows of one key: a counter in each line of the sketch. */
static void add_rows(uint64_t *rows, uint64_t key)
{
	for (uint64_t line = 0; line < DEPTH; line++)
		rows[line] = 4 * (line * WIDTH +
				  mix(key << 8 | line) % WIDTH);
}

static void run(struct shatomic_region *region, struct shatomic_batch *batch)
{
	batch->width = 4;
	batch->offsets = offsets;
	if (shatomic_batch_run(region, batch)) {
		fprintf(stderr, "%s\n", shatomic_error());
		exit(1);
	}
}

static void see(struct shatomic_region *region, uint64_t process)
{
	for (int i = 0; i < ROWS; i++)
		values[i] = 1;
	for (uint64_t n = 0; n < ITEMS; n++) {
		add_rows(&offsets[n % CHUNK * DEPTH], key_of(process, n));
		if (n % CHUNK == CHUNK - 1)
			run(region, &(struct shatomic_batch){
				.op = SHATOMIC_OP_FETCH_AND_ADD,
				.flags = SHATOMIC_BATCH_UNORDERED,
				.rows = CHUNK * DEPTH, .operands = values,
			});
	}
}

/* The least of the counters of each key, and how many of those are off. */
static void estimate(struct shatomic_region *region)
{
	static uint64_t truth[KEYS];
	unsigned int low = 0, high = 0;

	for (uint64_t i = 0; i < PROCESSES * ITEMS; i++)
		truth[key_of(i / ITEMS, i % ITEMS)]++;
	for (uint64_t key = 0; key < KEYS; key++)
		add_rows(&offsets[key * DEPTH], key);
	run(region, &(struct shatomic_batch){ .op = SHATOMIC_OP_GET,
		.rows = KEYS * DEPTH, .results = values });
	for (uint64_t key = 0; key < KEYS; key++) {
		uint64_t least = UINT64_MAX;

		for (int line = 0; line < DEPTH; line++)
			if (values[key * DEPTH + line] < least)
				least = values[key * DEPTH + line];
		low += least < truth[key];
		/* What theory has for all but e^-DEPTH of keys: e/WIDTH. */
		high += least - truth[key] > 2.718 / WIDTH * PROCESSES * ITEMS;
	}
	printf("%d items, %d keys: %u too low, %u much too high\n",
	       PROCESSES * ITEMS, KEYS, low, high);
}

int main(void)
{
	struct shatomic_create_options options = {
		.size = 4 * DEPTH * WIDTH,
	};
	struct shatomic_region *region;
	int failed = 0, status;

	if (shatomic_create(&options, &region)) {
		fprintf(stderr, "%s\n", shatomic_error());
		return 1;
	}
	for (uint64_t i = 0; i < PROCESSES; i++) {
		if (fork() == 0) {
			see(region, i);
			return 0;
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	estimate(region);
	shatomic_close(region);
	return failed != 0;
}
