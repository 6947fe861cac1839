/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the module share. Each group is implemented in the file
 * that heads it.
 */
#ifndef KMOD_SHATOMIC_H
#define KMOD_SHATOMIC_H

#include <linux/compiler.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jump_label.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/path.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <uapi/linux/shatomic.h>

#include "engine/engine.h"

/*
 * What the rest of the kernel writes plainly, under a lock that is not ours to
 * take: a parameter, the mode or owner of an inode. As an aligned word it is
 * seen as it was or as it is; read once, so that what is checked is what is used.
 */
#define read_foreign(x) data_race(READ_ONCE(x))

struct address_space;
struct io_uring_cmd;
struct shatomic_account;
struct shatomic_counters;
struct shatomic_holder;
struct shatomic_region;
struct vfsmount;
struct vm_area_struct;

/* limits.c: module parameters and what is charged against them. */

/**
 * struct shatomic_charge - What a region is charged for
 * @account: The user whose locked memory and region it is; NULL for whoever has
 *	CAP_IPC_LOCK, which lifts these limits, and once it is nobody's.
 * @bytes: How many, whole pages.
 */
struct shatomic_charge {
	struct shatomic_account *account;
	u64 bytes;
};

/*
 * Largest region: the table of its pages is one allocation, and the kernel
 * allows none above INT_MAX bytes. Somewhat below 1 TiB.
 */
#define SHATOMIC_MAX_REGION_BYTES \
	((u64)INT_MAX / sizeof(void *) << PAGE_SHIFT)

void shatomic_limits_init(void);
struct shatomic_account *shatomic_account_get(void);
void shatomic_account_share(struct shatomic_account *account);
void shatomic_account_put(struct shatomic_account *account);
int shatomic_charge_region(struct shatomic_charge *charge,
			   struct shatomic_account *account, u64 bytes,
			   u32 *limit);
void shatomic_move_charge(struct shatomic_charge *charge,
			  struct shatomic_account *account);
void shatomic_end_charge(struct shatomic_charge *charge, u64 left,
			 bool is_users);
void shatomic_shrink_charge(struct shatomic_charge *charge, u64 left);
int shatomic_charge_batch(struct shatomic_region *region, kuid_t user,
			  u32 *limit);
void shatomic_uncharge_batch(struct shatomic_region *region, kuid_t user);
bool shatomic_charge_shared(kuid_t user);
void shatomic_uncharge_shared(kuid_t user);
u64 shatomic_max_batch_rows(void);
u32 shatomic_slice_rows(void);
u32 shatomic_parallelism(u32 asked);
void shatomic_limits_info(struct shatomic_ioc_info *info);

/* memory.c: the pages of regions, and what remains of them. */

/**
 * struct shatomic_pages - The pages that a region holds
 * @extents: One for each 1 << @extent_shift bytes of the region: what to add to
 *	an offset there for its address.
 * @extent_shift: PAGE_SHIFT, or PMD_SHIFT when all are huge but for a tail of
 *	small ones in one stretch.
 * @count: How many pages of PAGE_SIZE, from the first on, are held.
 * @huge_bytes: How many bytes of them lie in huge pages.
 */
struct shatomic_pages {
	uintptr_t *extents;
	unsigned int extent_shift;
	unsigned long count;
	u64 huge_bytes;
};

/**
 * struct shatomic_remains - What is left of a region that has ended
 * @node: Its place among all that remain.
 * @pages: The pages; extents of those that are free are 0.
 * @charge: What it is charged for.
 * @is_users: Whether what remains is charged to a user, too.
 */
struct shatomic_remains {
	struct list_head node;
	struct shatomic_pages pages;
	struct shatomic_charge charge;
	bool is_users;
};

int shatomic_pages_fill(struct shatomic_pages *pages,
			struct address_space *mapping, u64 size);
void shatomic_pages_drop(struct shatomic_remains *ended);
struct page *shatomic_page_at(const struct shatomic_pages *pages,
			      unsigned long index);
bool shatomic_remains_drop(void);
int shatomic_memory_init(void);
void shatomic_memory_exit(void);

/* region.c: regions, from their creation to their end. */

/**
 * struct shatomic_region - A region; its inode's i_private
 * @size: Size in bytes.
 * @create_flags: enum shatomic_create_flags
 * @pages: Its memory.
 * @batches: How many batches are in flight on it.
 * @counters: What has run on it.
 * @inode: Its inode.
 * @node: In shatomic_regions.
 * @cpu: Where it was created.
 * @lock: Of what follows, up to @charge; see holders.c.
 * @holds: How many opened files and names keep it, 0 when it has ended.
 * @shared: Whether a user who did not pay for it has had it open.
 * @name: Its name, all zero while it has none.
 * @holders: Users who have it open, and @payer.
 * @payer: Who pays for it.
 * @charge: What it is charged for.
 * @remains: Room for what is left when it has ended.
 * @ended: Whether it has, and all but this structure is gone.
 * @path: Keeps the inode while @close_work is under way.
 * @close_work: Ends a region that a file kept to the last.
 * @end_work: Ends a region that its name kept to the last.
 */
struct shatomic_region {
	u64 size;
	u32 create_flags;
	struct shatomic_pages pages;
	atomic_t batches;
	struct shatomic_counters __percpu *counters;
	struct inode *inode;
	struct list_head node;
	int cpu;
	spinlock_t lock; /* of who keeps it, and of its name */
	unsigned int holds;
	bool shared;
	char name[SHATOMIC_NAME_SIZE];
	struct list_head holders;
	struct shatomic_holder *payer;
	struct shatomic_charge charge;
	struct shatomic_remains *remains;
	bool ended;
	struct path path;
	struct work_struct close_work;
	struct work_struct end_work;
};

int shatomic_region_init(void);
void shatomic_region_exit(void);
struct file *shatomic_region_create(const struct shatomic_ioc_create *create,
				    struct file *directory,
				    struct vfsmount *mount, u32 *limit);
void shatomic_region_close(struct shatomic_region *region,
			   const struct path *path);
void shatomic_region_end_later(struct shatomic_region *region);
void shatomic_region_evict(struct shatomic_region *region);
void shatomic_region_free(struct shatomic_region *region);
void shatomic_region_as_memory(struct file *file,
			       struct shatomic_memory *memory);
int shatomic_region_info(struct file *file,
			 struct shatomic_ioc_region_info *info);

/* holders.c: who keeps a region, and who of them pays for it. */
struct shatomic_holder *shatomic_holders_init(struct shatomic_region *region,
					      u32 *limit);
void shatomic_holders_exit(struct shatomic_region *region);
struct shatomic_holder *shatomic_hold_file(struct shatomic_region *region);
bool shatomic_release_file(struct shatomic_region *region,
			   struct shatomic_holder *holder);
int shatomic_hold_name(struct shatomic_region *region, const char *name);
bool shatomic_release_name(struct shatomic_region *region);
void shatomic_rename(struct shatomic_region *region, const char *name);
void shatomic_copy_name(struct shatomic_region *region, u8 *name);

/* filesystem.c: where regions are files. */
int shatomic_fs_init(void);
void shatomic_fs_exit(void);
struct vfsmount *shatomic_fs_mount_own(struct file *device);
void shatomic_fs_unmount_own(struct file *device);
int shatomic_fs_check(struct file *directory);
struct inode *shatomic_fs_new_inode(struct vfsmount *mount,
				    struct file *directory, umode_t mode,
				    struct shatomic_region *region);
struct file *shatomic_fs_open_new(struct inode *inode, struct vfsmount *mount);

/* file.c: the files of regions. */
extern const struct file_operations shatomic_region_fops;

int shatomic_region_map(const struct shatomic_region *region,
			struct vm_area_struct *vma);

/**
 * shatomic_region_of() - The region that a file is of
 * @file: Any file.
 *
 * Return: The region, NULL when the file is not that of a region.
 */
static inline struct shatomic_region *shatomic_region_of(struct file *file)
{
	return file->f_op == &shatomic_region_fops ?
		       file_inode(file)->i_private : NULL;
}

/* stats.c: what has run, counted by each CPU. */

/**
 * struct shatomic_counters - What one CPU has counted of a region
 * @begun: Batches that began.
 * @ended: Batches that ended.
 * @errors: Those of them that failed.
 * @op_rows: Rows that ran, by operation.
 */
struct shatomic_counters {
	u64 begun;
	u64 ended;
	u64 errors;
	u64 op_rows[SHATOMIC_OP_COUNT];
};

DECLARE_STATIC_KEY_TRUE(shatomic_counting);

/* All regions, from the time they are one until they are about to be freed. */
extern struct list_head shatomic_regions;
extern struct mutex shatomic_regions_lock;

int shatomic_stats_alloc(struct shatomic_region *region);
void shatomic_stats_free(struct shatomic_region *region);
void shatomic_stats_add(struct shatomic_region *region);
void shatomic_stats_retire(struct shatomic_region *region);
int shatomic_stats(struct shatomic_region *region,
		   struct shatomic_ioc_stats *stats);
void shatomic_stats_add_up(const struct shatomic_region *region,
			   struct shatomic_ioc_stats *sum);
void shatomic_stats_total(struct shatomic_ioc_stats *sum);
void shatomic_stats_count_rows(struct shatomic_counters __percpu *counters,
			       const struct shatomic_rows *rows);

/**
 * shatomic_counters_of() - The counters of the region that a file is of
 * @file: A file that is known to be that of a region, unlike
 *	shatomic_region_of()'s.
 *
 * Return: The counters.
 */
static inline struct shatomic_counters __percpu *
shatomic_counters_of(const struct file *file)
{
	const struct shatomic_region *region = file_inode(file)->i_private;

	return region->counters;
}

/**
 * shatomic_count_rows() - Count rows that have run
 * @file: A file of their region.
 * @rows: The rows.
 */
static inline void shatomic_count_rows(const struct file *file,
				       const struct shatomic_rows *rows)
{
	if (static_branch_likely(&shatomic_counting))
		shatomic_stats_count_rows(shatomic_counters_of(file), rows);
}

/* debugfs.c: what root can see of regions. */
void shatomic_debugfs_init(void);
void shatomic_debugfs_exit(void);

/* dmabuf.c: regions as DMA buffers, where the kernel has such. */
#ifdef CONFIG_DMA_SHARED_BUFFER
struct file *shatomic_dmabuf(struct file *file, u32 *limit);
#else
static inline struct file *shatomic_dmabuf(struct file *file, u32 *limit)
{
	return ERR_PTR(-EOPNOTSUPP);
}
#endif

/* ioctl.c: the tables of commands. */
long shatomic_device_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg);
long shatomic_region_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg);
int shatomic_batch_command(struct file *file, void __user *user, u32 size,
			   bool inline_only);

/* uring.c: the same by io_uring. */
int shatomic_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);

/* submit.c: batches as they come. */
int shatomic_submit(struct file *file, struct shatomic_ioc_batch *args);

/* batch.c: running a batch, alone or shared between CPUs. */
int shatomic_batch_init(void);
void shatomic_batch_exit(void);
int shatomic_batch_check_args(struct file *file,
			      struct shatomic_ioc_batch *args,
			      const struct shatomic_rows *shape);
int shatomic_batch_run(struct file *file, struct shatomic_ioc_batch *args,
		       u32 *cpus);

/* solo.c: batches that their caller runs alone. */
int shatomic_solo_init(void);
void shatomic_solo_exit(void);
bool shatomic_solo_run(struct file *file, struct shatomic_ioc_batch *args,
		       int *ret);

/* columns.c: a batch's columns, in user memory or in a region. */

/**
 * struct shatomic_columns - Where the columns of a batch are
 * @args: The batch, whose members tell where in user memory or in the region.
 * @file: Keeps the region, NULL when they are in user memory.
 * @memory: The region.
 */
struct shatomic_columns {
	const struct shatomic_ioc_batch *args;
	struct file *file;
	struct shatomic_memory memory;
};

int shatomic_columns_open_region(struct shatomic_columns *columns, u32 *field);

/**
 * shatomic_columns_open() - Find out where a batch's columns are
 * @columns: [out] Where; shatomic_columns_close() ends it.
 * @args: The batch, whose shape has been checked.
 * @field: [out] On failure, which field.
 *
 * Return: 0, -EINVAL, -EBADF, -EACCES or -ERANGE.
 */
static inline int shatomic_columns_open(struct shatomic_columns *columns,
					const struct shatomic_ioc_batch *args,
					u32 *field)
{
	columns->args = args;
	columns->file = NULL;
	if (!(args->flags & SHATOMIC_BATCH_COLUMNS_IN_REGION) &&
	    !(args->columns | args->reserved | args->columns_base))
		return 0;
	return shatomic_columns_open_region(columns, field);
}

static inline void shatomic_columns_close(struct shatomic_columns *columns)
{
	if (columns->file)
		fput(columns->file);
}

struct shatomic_rows
shatomic_columns_shape(const struct shatomic_ioc_batch *args);
bool shatomic_columns_offsets_are_keys(const struct shatomic_ioc_batch *args);
int shatomic_columns_load_keys(const struct shatomic_columns *columns,
			       struct shatomic_chunk *chunk, u64 *offsets,
			       u64 first, u32 count, u32 *field);
int shatomic_columns_load_values(const struct shatomic_columns *columns,
				 struct shatomic_chunk *chunk,
				 struct shatomic_rows *rows, u64 first,
				 u32 *field);
int shatomic_columns_save(const struct shatomic_columns *columns,
			  const struct shatomic_chunk *chunk,
			  const struct shatomic_rows *rows, u64 first,
			  u32 *field);
int shatomic_columns_save_lane(const struct shatomic_columns *columns,
			       const struct shatomic_chunk *chunk, u64 first,
			       u32 count, u32 *field);

#endif /* KMOD_SHATOMIC_H */
