// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The example of shatomic(3), which is printed there from the next line on.
 */
#include <shatomic.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "example-counters"
#define FILE_PATH "counters"

static void check(int err)
{
	if (err < 0) {
		fprintf(stderr, "%s\n", shatomic_error());
		exit(1);
	}
}

/* The counters that the last run left, or new ones. */
static struct shatomic_region *create(void)
{
	struct shatomic_create_options options = {
		.size = 4096, .name = NAME, .standalone_path = FILE_PATH,
		.source = SHATOMIC_SOURCE_FILE, .previous_path = FILE_PATH,
	};
	struct shatomic_region *region;
	int err = shatomic_create(&options, &region);

	if (err == -ENOENT) {
		options.source = SHATOMIC_SOURCE_PARAMETER;
		options.previous_path = NULL;
		err = shatomic_create(&options, &region);
	}
	check(err);
	return region;
}

/* Another process, which knows the name only. */
static int count(void)
{
	uint64_t offsets[] = { 0, 8, 8 }, operands[] = { 1, 2, 3 };
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8, .rows = 3,
		.offsets = offsets, .operands = operands,
	};
	struct shatomic_region *region;

	check(shatomic_open(SHATOMIC_BACKEND_AUTO, NAME, 0, &region));
	check(shatomic_batch_run(region, &batch));
	check(shatomic_wake(region, 0, 8, INT_MAX));
	shatomic_close(region);
	return 0;
}

int main(void)
{
	struct shatomic_region *region = create();
	uint64_t *counters = shatomic_buf(region, NULL);
	uint64_t before = shatomic_get_u64(&counters[0]);
	struct timespec timeout = { .tv_sec = 10 };

	if (fork() == 0)
		return count();
	check(shatomic_wait(region, 0, 8, &before, &timeout));
	wait(NULL);
	check(shatomic_file_sync(region, 0, 0, 0));
	check(shatomic_unlink(SHATOMIC_BACKEND_AUTO, NAME));
	printf("%lu %lu\n", shatomic_get_u64(&counters[0]),
	       shatomic_get_u64(&counters[1]));
	shatomic_close(region);
	return 0;
}
