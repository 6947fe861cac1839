// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/shatomic, for root: regions tells of each region, named or
 * not, stats of all together, those that are no more included. Where the kernel
 * has no debugfs the module does without.
 */
#include <linux/cred.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>

#include "shatomic.h"

static const char *const op_names[SHATOMIC_OP_COUNT] = {
#define NAME(constant, name, ...) \
	[SHATOMIC_OP_##constant] = #name,
	SHATOMIC_OPS(NAME)
#undef NAME
};

static struct dentry *debugfs_root;

static void *regions_start(struct seq_file *seq, loff_t *pos)
{
	mutex_lock(&shatomic_regions_lock);
	return seq_list_start_head(&shatomic_regions, *pos);
}

static void *regions_next(struct seq_file *seq, void *v, loff_t *pos)
{
	return seq_list_next(v, &shatomic_regions, pos);
}

static void regions_stop(struct seq_file *seq, void *v)
{
	mutex_unlock(&shatomic_regions_lock);
}

static unsigned int count_files(struct shatomic_region *region)
{
	unsigned int files;

	spin_lock(&region->lock);
	files = region->holds - !!region->name[0];
	spin_unlock(&region->lock);
	return files;
}

/* The name comes last, since it may be none; it has neither space nor newline. */
static int regions_show(struct seq_file *seq, void *v)
{
	struct user_namespace *user_ns = seq_user_ns(seq);
	struct shatomic_ioc_stats sum = {};
	struct shatomic_region *region;
	u8 name[SHATOMIC_NAME_SIZE];
	const struct inode *inode;

	if (v == &shatomic_regions) {
		seq_puts(seq, "inode uid gid mode bytes huge_bytes files in_flight batches errors rows name\n");
		return 0;
	}
	region = list_entry(v, struct shatomic_region, node);
	inode = region->inode;
	shatomic_stats_add_up(region, &sum);
	shatomic_copy_name(region, name);
	seq_printf(seq, "%llu %u %u %04o %llu %llu %u %llu %llu %llu %llu %s\n",
		   (u64)inode->i_ino,
		   from_kuid_munged(user_ns, read_foreign(inode->i_uid)),
		   from_kgid_munged(user_ns, read_foreign(inode->i_gid)),
		   read_foreign(inode->i_mode) & 0777, region->size,
		   region->pages.huge_bytes, count_files(region), sum.in_flight,
		   sum.batches, sum.errors, sum.rows, name);
	return 0;
}

static const struct seq_operations regions_sops = {
	.start	= regions_start,
	.next	= regions_next,
	.stop	= regions_stop,
	.show	= regions_show,
};
DEFINE_SEQ_ATTRIBUTE(regions);

static int stats_show(struct seq_file *seq, void *v)
{
	struct shatomic_ioc_info info = {};
	struct shatomic_ioc_stats sum;
	u32 op;

	shatomic_limits_info(&info);
	shatomic_stats_total(&sum);
	seq_printf(seq, "counting %u\n", sum.counting);
	seq_printf(seq, "regions %u\n", info.regions);
	seq_printf(seq, "pinned_bytes %llu\n", info.pinned_bytes);
	seq_printf(seq, "in_flight %llu\n", sum.in_flight);
	seq_printf(seq, "batches %llu\n", sum.batches);
	seq_printf(seq, "errors %llu\n", sum.errors);
	seq_printf(seq, "rows %llu\n", sum.rows);
	for (op = 0; op < SHATOMIC_OP_COUNT; op++)
		seq_printf(seq, "%s %llu\n", op_names[op], sum.op_rows[op]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/* Nothing depends on it: as with all of debugfs, errors don't matter. */
void shatomic_debugfs_init(void)
{
	debugfs_root = debugfs_create_dir("shatomic", NULL);
	debugfs_create_file("regions", 0400, debugfs_root, NULL, &regions_fops);
	debugfs_create_file("stats", 0400, debugfs_root, NULL, &stats_fops);
}

void shatomic_debugfs_exit(void)
{
	debugfs_remove(debugfs_root);
}
