// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading what the module tells in debugfs, see kmod/debugfs.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "debugfs.h"
#include "tool.h"

#define REGIONS DEBUGFS_SHATOMIC "/regions"
#define STATS DEBUGFS_SHATOMIC "/stats"
#define REGIONS_HEADER "inode uid gid mode bytes huge_bytes files in_flight batches errors rows name\n"

bool debugfs_is_mounted(void)
{
	struct statfs mount;

	return !statfs(DEBUGFS_MOUNT, &mount) && mount.f_type == DEBUGFS_MAGIC;
}

/* Why a file can't be had, from the ground up; then the end. */
static void __attribute__((noreturn)) fail_open(const char *path, int error)
{
	if (access("/sys/module/shatomic", F_OK))
		tool_die("the module shatomic is not loaded; load it with: modprobe shatomic");
	if (!debugfs_is_mounted())
		tool_die("debugfs is not mounted; mount it with: mount -t debugfs debugfs " DEBUGFS_MOUNT);
	if (error == EACCES)
		tool_die("%s: only root may read it; run it as root, for example with sudo",
			 path);
	if (error == EPERM)
		tool_die("%s: %s; kernel lockdown forbids debugfs (see kernel_lockdown(7))",
			 path, strerror(error));
	if (error == ENOENT)
		tool_die("%s is not there: the module that is loaded is of another version, or its kernel has debugfs turned off (debugfs=off)",
			 path);
	tool_die("%s: %s", path, strerror(error));
}

static FILE *open_file(const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		fail_open(path, errno);
	return file;
}

static void __attribute__((noreturn)) fail_line(const char *path,
						const char *line)
{
	tool_die("%s: the module that is loaded is of another version: '%.*s'",
		 path, (int)strcspn(line, "\n"), line);
}

/* fgets(3), or the end when reading fails. */
static bool next_line(char *line, size_t size, FILE *file, const char *path)
{
	if (fgets(line, size, file))
		return true;
	if (ferror(file))
		tool_die("%s: %s", path, strerror(errno));
	return false;
}

static void set_total(struct debugfs_reading *reading, const char *what,
		      uint64_t value)
{
	int op;

	if (!strcmp(what, "counting"))
		reading->counting = value;
	else if (!strcmp(what, "pinned_bytes"))
		reading->pinned_bytes = value;
	else if (!strcmp(what, "in_flight"))
		reading->total.in_flight = value;
	else if (!strcmp(what, "batches"))
		reading->total.batches = value;
	else if (!strcmp(what, "errors"))
		reading->total.errors = value;
	else if (!strcmp(what, "rows"))
		reading->total.rows = value;
	op = shatomic_op_from_name(what);
	/* What it does not know is a newer module's. */
	if (op >= 0)
		reading->op_rows[op] = value;
}

static void read_stats(struct debugfs_reading *reading)
{
	FILE *file = open_file(STATS);
	char line[128], what[64];
	uint64_t value;

	while (next_line(line, sizeof(line), file, STATS)) {
		if (sscanf(line, "%63s %" SCNu64, what, &value) != 2)
			fail_line(STATS, line);
		set_total(reading, what, value);
	}
	fclose(file);
}

static bool parse_region(const char *line, struct debugfs_region *region)
{
	struct debugfs_counts *counts = &region->counts;
	int end = 0;

	if (sscanf(line, "%" SCNu64 " %u %u %o %" SCNu64 " %" SCNu64
		   " %u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 "%n",
		   &region->inode, &region->uid, &region->gid, &region->mode,
		   &region->bytes, &region->huge_bytes, &region->files,
		   &counts->in_flight, &counts->batches, &counts->errors,
		   &counts->rows, &end) != 11 ||
	    line[end] != ' ')
		return false;
	/* There may be none. */
	if (sscanf(line + end, " %63s", region->name) != 1)
		region->name[0] = '\0';
	return true;
}

static void read_regions(struct debugfs_reading *reading)
{
	FILE *file = open_file(REGIONS);
	size_t room = 0;
	char line[512];

	reading->region_count = 0;
	if (!next_line(line, sizeof(line), file, REGIONS) ||
	    strcmp(line, REGIONS_HEADER))
		fail_line(REGIONS, line);
	while (next_line(line, sizeof(line), file, REGIONS)) {
		if (reading->region_count == room) {
			room = room ? 2 * room : 64;
			reading->regions = tool_realloc(reading->regions, room,
							sizeof(*reading->regions));
		}
		if (!parse_region(line, &reading->regions[reading->region_count++]))
			fail_line(REGIONS, line);
	}
	fclose(file);
}

void debugfs_read(struct debugfs_reading *reading)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	reading->when = now.tv_sec + now.tv_nsec / 1e9;
	read_stats(reading);
	read_regions(reading);
}
