// SPDX-License-Identifier: GPL-2.0-only
/*
 * A region's last end, made by the helper, and an open that still finds it, made
 * at the same time: by its descriptor in /proc, one by O_PATH, or a mapping.
 */
#include "calls.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROUNDS 16

/**
 * struct race - One that is run
 * @bytes: Of what.
 * @fd: The region's descriptor, -1 when a mapping keeps it.
 * @path_fd: One by O_PATH, -1 for none.
 * @path: Where it is opened.
 * @end: The helper's call.
 */
struct race {
	const uint8_t *bytes;
	int fd;
	int path_fd;
	char path[80];
	uint8_t end[CALL_BYTES];
};

static int make_region(struct actor *actor, const uint8_t *bytes)
{
	static const uint64_t sizes[] = { 1, 4096, 4097, 65536, 2 * MIB };
	struct shatomic_ioc_create args = {
		.size = sizeof(args),
		.flags = bytes[3] % 4,
		.region_size = sizes[bytes[4] % COUNT_OF(sizes)],
	};

	return CALL(actor, RACE, ioctl(actor->world->device,
				       SHATOMIC_IOC_CREATE, &args)) ?
		       -1 : args.fd;
}

/* The region is kept by its descriptor, which the helper closes. */
static void keep_by_descriptor(struct world *world, struct race *race)
{
	race->end[0] = CLOSE;
	race->end[1] = world_add_fd(world, race->fd, 4096);
	snprintf(race->path, sizeof(race->path), "/proc/self/fd/%d", race->fd);
}

/* It is opened by another, which keeps no region open, but what it leads to. */
static void find_by_path(struct race *race)
{
	race->path_fd = open(race->path, O_PATH | O_CLOEXEC);
	snprintf(race->path, sizeof(race->path), "/proc/self/fd/%d",
		 race->path_fd);
}

/* It is kept by a mapping, which the helper removes. */
static void keep_by_mapping(struct race *race)
{
	unsigned char *window = world_window(0);

	if (mmap(window, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 race->fd, 0) == MAP_FAILED)
		return;
	close(race->fd);
	race->fd = -1;
	race->end[0] = MEMORY;
	race->end[4] = 1;	/* of a page */
	snprintf(race->path, sizeof(race->path),
		 "/proc/self/map_files/%lx-%lx", (unsigned long)window,
		 (unsigned long)window + 4096);
}

static void prepare(struct world *world, struct race *race)
{
	uint8_t way = race->bytes[2] % 4;

	race->path_fd = -1;
	if (way >= 2)
		keep_by_mapping(race);
	if (race->fd >= 0)
		keep_by_descriptor(world, race);
	if (way % 2)
		find_by_path(race);
}

/* Once sooner, once later. */
static void wait_a_little(unsigned int round, uint8_t how)
{
	volatile unsigned int i;

	for (i = 0; i < round * how; i++)
		;
}

/* What was opened, or found to be no more, is looked at and given back. */
static void use(struct actor *actor, int fd)
{
	struct shatomic_ioc_region_info info = { .size = sizeof(info) };

	if (fd < 0)
		return;
	CALL(actor, RACE, ioctl(fd, SHATOMIC_IOC_REGION_INFO, &info));
	CALL(actor, RACE, close(fd));
}

static void run_round(struct actor *actor, const uint8_t *bytes,
		      unsigned int round)
{
	static const int flags[] = { O_RDWR, O_RDONLY, O_PATH, O_WRONLY,
				     O_RDWR | O_TRUNC, O_RDWR | O_DIRECT };
	struct race race = { .bytes = bytes };

	race.fd = make_region(actor, bytes);
	if (race.fd < 0)
		return;
	prepare(actor->world, &race);
	perform_meanwhile(actor->world, race.end);
	wait_a_little(round, bytes[7]);
	use(actor, CALL(actor, RACE,
			open(race.path, flags[bytes[6] % COUNT_OF(flags)] |
						O_CLOEXEC)));
	perform_wait(actor->world);
	/* It is gone, but for what leads to it. */
	if (race.path_fd >= 0) {
		use(actor, CALL(actor, RACE, open(race.path, O_RDWR)));
		close(race.path_fd);
	}
}

void run_race(struct actor *actor, const uint8_t *bytes)
{
	struct world *world = actor->world;
	unsigned int round;

	/* A child has no helper. */
	if (actor != &world->main || world->is_child)
		return;
	actor->fault = 0;
	world->has_mappings = true;
	for (round = 0; round < ROUNDS; round++)
		run_round(actor, bytes, round);
}
