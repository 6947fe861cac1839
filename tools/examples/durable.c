// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Counters that outlive their process: they begin with what their file holds,
 * and are written to it now and then. Killed at any time, the program goes on
 * where it last said "synced", or later.
 *
 *	durable FILE EVENTS
 */
#include <shatomic.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SYNC_EACH 1000

struct counters {
	uint64_t events;
	uint64_t bytes;
};

static void check(int err)
{
	if (err < 0) {
		fprintf(stderr, "%s\n", shatomic_error());
		exit(1);
	}
}

/* On a file that is there, or else on a new one. */
static struct shatomic_region *stand_on(const char *path)
{
	struct shatomic_create_options options = {
		.size = sizeof(struct counters), .standalone_path = path,
		.source = SHATOMIC_SOURCE_FILE, .previous_path = path,
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

/* Says so only when it is on disk. */
static void sync_counters(struct shatomic_region *region, uint64_t events)
{
	check(shatomic_file_sync(region, 0, 0, 0));
	printf("synced %lu\n", events);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct shatomic_region *region;
	struct counters *counters;
	uint64_t events;
	long wanted;

	if (argc != 3) {
		fprintf(stderr, "usage: durable FILE EVENTS\n");
		return 2;
	}
	region = stand_on(argv[1]);
	counters = shatomic_buf(region, NULL);
	printf("found %lu events of %lu bytes\n",
	       shatomic_get_u64(&counters->events),
	       shatomic_get_u64(&counters->bytes));
	wanted = atol(argv[2]);
	for (long i = 0; i < wanted; i++) {
		shatomic_fetch_and_add_u64(&counters->bytes, 64);
		events = shatomic_add_and_fetch_u64(&counters->events, 1);
		if (events % SYNC_EACH == 0)
			sync_counters(region, events);
	}
	sync_counters(region, shatomic_get_u64(&counters->events));
	shatomic_close(region);
	return 0;
}
