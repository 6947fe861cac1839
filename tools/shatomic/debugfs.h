/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module tells of its regions in debugfs, as read at one time.
 */
#ifndef SHATOMIC_DEBUGFS_H
#define SHATOMIC_DEBUGFS_H

#include <shatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEBUGFS_MOUNT "/sys/kernel/debug"

/* What the module has there, a directory. */
#define DEBUGFS_SHATOMIC DEBUGFS_MOUNT "/shatomic"

/**
 * struct debugfs_counts - What has been counted
 * @in_flight: Batches under way.
 * @batches: Batches that have ended.
 * @errors: Those of them that failed.
 * @rows: Rows that ran.
 */
struct debugfs_counts {
	uint64_t in_flight;
	uint64_t batches;
	uint64_t errors;
	uint64_t rows;
};

/**
 * struct debugfs_region - A line of the file regions
 * @inode: Inode number, by which it is the same the next time.
 * @uid: Owner.
 * @gid: Group.
 * @mode: Permission bits.
 * @bytes: Size.
 * @huge_bytes: How many of @bytes lie in huge pages.
 * @files: How often it is open.
 * @counts: What has been counted on it.
 * @name: Its name, "" when it has none.
 */
struct debugfs_region {
	uint64_t inode;
	unsigned int uid;
	unsigned int gid;
	unsigned int mode;
	uint64_t bytes;
	uint64_t huge_bytes;
	unsigned int files;
	struct debugfs_counts counts;
	char name[SHATOMIC_NAME_SIZE];
};

/**
 * struct debugfs_reading - What both files tell
 * @when: Seconds by CLOCK_MONOTONIC.
 * @counting: Whether the module counts.
 * @pinned_bytes: Bytes in all regions together.
 * @total: What has been counted on all of them, also on those that are no more.
 * @op_rows: @total's rows, by operation.
 * @regions: The regions.
 * @region_count: How many.
 */
struct debugfs_reading {
	double when;
	bool counting;
	uint64_t pinned_bytes;
	struct debugfs_counts total;
	uint64_t op_rows[SHATOMIC_OP_COUNT];
	struct debugfs_region *regions;
	size_t region_count;
};

bool debugfs_is_mounted(void);

/*
 * Read both files, or end the process saying what is missing and what helps.
 * @reading may hold an earlier reading, or zeros.
 */
void debugfs_read(struct debugfs_reading *reading);

#endif /* SHATOMIC_DEBUGFS_H */
