// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filesystem that regions are files of. A region without a name is one of an
 * instance of our own that nobody can mount. Each mount of type shatomic makes
 * another instance, with one directory, in which regions can have names; what
 * names are, whose they are and who may see them is the VFS's.
 *
 * Lifetimes: a region's inode has the structure of the region, from before it can
 * be found until it is evicted. An inode keeps its superblock, and that the
 * module. Our own instance is mounted by who opened the device and creates
 * regions, until the device is closed: from then on just the files of it keep it,
 * and so it goes with the last of them. Were it always mounted, the module could
 * not be unloaded.
 */
#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <linux/user_namespace.h>

#include "compat.h"
#include "shatomic.h"

static struct file_system_type fs_type;
/* By what sget() finds our own instance; that of others have none. */
static char own_instance;

/* Held pages can't move, whoever asks. */
static int region_migrate_folio(struct address_space *mapping,
				struct folio *to, struct folio *from,
				enum migrate_mode mode)
{
	return -EBUSY;
}

static const struct address_space_operations region_aops = {
	.dirty_folio	= noop_dirty_folio,
	.migrate_folio	= region_migrate_folio,
};

/* The size is fixed for life, for everybody. */
static int region_setattr(struct compat_idmap *idmap, struct dentry *dentry,
			  struct iattr *attr)
{
	if (attr->ia_valid & ATTR_SIZE) {
		if (attr->ia_size != i_size_read(d_inode(dentry)))
			return -EPERM;
		attr->ia_valid &= ~ATTR_SIZE;
	}
	return simple_setattr(idmap, dentry, attr);
}

static const struct inode_operations region_iops = {
	.setattr	= region_setattr,
};

/* See SHATOMIC_NAME_SIZE. */
static bool is_name(const struct qstr *name)
{
	unsigned int i;

	if (name->len >= SHATOMIC_NAME_SIZE || name->name[0] == '.')
		return false;
	for (i = 0; i < name->len; i++) {
		if (!isascii(name->name[i]) || !isgraph(name->name[i]))
			return false;
	}
	return true;
}

static int directory_link(struct dentry *old, struct inode *directory,
			  struct dentry *dentry)
{
	struct shatomic_region *region = d_inode(old)->i_private;
	int ret;

	if (!is_name(&dentry->d_name))
		return -EINVAL;
	/* Whatever fs.protected_hardlinks says: a name has its owner pay. */
	if (!inode_owner_or_capable(compat_no_idmap, d_inode(old)))
		return -EPERM;
	ret = shatomic_hold_name(region, dentry->d_name.name);
	return ret ? ret : simple_link(old, directory, dentry);
}

static int directory_unlink(struct inode *directory, struct dentry *dentry)
{
	struct shatomic_region *region = d_inode(dentry)->i_private;
	int ret = simple_unlink(directory, dentry);

	if (shatomic_release_name(region))
		shatomic_region_end_later(region);
	return ret;
}

static int directory_rename(struct compat_idmap *idmap,
			    struct inode *old_directory, struct dentry *old,
			    struct inode *new_directory, struct dentry *new,
			    unsigned int flags)
{
	struct shatomic_region *region = d_inode(old)->i_private;
	struct shatomic_region *other =
		d_inode(new) ? d_inode(new)->i_private : NULL;
	int ret;

	if (!is_name(&new->d_name))
		return -EINVAL;
	ret = simple_rename(idmap, old_directory, old, new_directory, new,
			    flags);
	if (ret)
		return ret;
	shatomic_rename(region, new->d_name.name);
	if (flags & RENAME_EXCHANGE)
		shatomic_rename(other, old->d_name.name);
	else if (other && shatomic_release_name(other))
		shatomic_region_end_later(other);
	return 0;
}

static const struct inode_operations directory_iops = {
	.lookup	= simple_lookup,
	.link	= directory_link,
	.unlink	= directory_unlink,
	.rename	= directory_rename,
};

static void evict_inode(struct inode *inode)
{
	struct shatomic_region *region = inode->i_private;

	if (region)
		shatomic_region_evict(region);
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	shatomic_region_free(region);
}

static int show_options(struct seq_file *seq, struct dentry *root)
{
	const struct inode *inode = d_inode(root);
	struct user_namespace *user_ns = seq_user_ns(seq);

	seq_printf(seq, ",mode=%o,uid=%u,gid=%u",
		   read_foreign(inode->i_mode) & 07777,
		   from_kuid_munged(user_ns, read_foreign(inode->i_uid)),
		   from_kgid_munged(user_ns, read_foreign(inode->i_gid)));
	return 0;
}

static const struct super_operations super_ops = {
	.statfs		= simple_statfs,
	.evict_inode	= evict_inode,
	.show_options	= show_options,
};

/**
 * struct options - Of a mount
 * @mode: The directory's mode.
 * @uid: Its owner.
 * @gid: Its group.
 */
struct options {
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
};

enum { OPTION_MODE, OPTION_UID, OPTION_GID };

static const struct fs_parameter_spec parameters[] = {
	fsparam_u32oct("mode", OPTION_MODE),
	fsparam_u32("uid", OPTION_UID),
	fsparam_u32("gid", OPTION_GID),
	{}
};

static int set_mode(struct fs_context *fc, u32 mode)
{
	struct options *options = fc->fs_private;

	if (mode & ~01777U)
		return invalf(fc, "shatomic: mode %o is more than 1777", mode);
	options->mode = mode;
	return 0;
}

static int set_uid(struct fs_context *fc, u32 uid)
{
	struct options *options = fc->fs_private;

	options->uid = make_kuid(current_user_ns(), uid);
	if (!uid_valid(options->uid) ||
	    !kuid_has_mapping(fc->user_ns, options->uid))
		return invalf(fc, "shatomic: there is no user %u here", uid);
	return 0;
}

static int set_gid(struct fs_context *fc, u32 gid)
{
	struct options *options = fc->fs_private;

	options->gid = make_kgid(current_user_ns(), gid);
	if (!gid_valid(options->gid) ||
	    !kgid_has_mapping(fc->user_ns, options->gid))
		return invalf(fc, "shatomic: there is no group %u here", gid);
	return 0;
}

/* Of a remount, too, which repeats what /proc/mounts says; it changes nothing. */
static int parse_parameter(struct fs_context *fc, struct fs_parameter *param)
{
	struct fs_parse_result result;
	int option = fs_parse(fc, parameters, param, &result);

	switch (option) {
	case OPTION_MODE:
		return set_mode(fc, result.uint_32);
	case OPTION_UID:
		return set_uid(fc, result.uint_32);
	case OPTION_GID:
		return set_gid(fc, result.uint_32);
	default:
		return option;
	}
}

static struct inode *directory_inode(struct super_block *super,
				     const struct options *options)
{
	struct inode *inode = new_inode(super);

	if (!inode)
		return NULL;
	inode->i_ino = 1;
	inode->i_mode = S_IFDIR | options->mode;
	inode->i_uid = options->uid;
	inode->i_gid = options->gid;
	inode->i_op = &directory_iops;
	inode->i_fop = &simple_dir_operations;
	compat_init_times(inode);
	set_nlink(inode, 2);
	return inode;
}

static int fill_super(struct super_block *super, struct fs_context *fc)
{
	super->s_maxbytes = MAX_LFS_FILESIZE;
	super->s_blocksize = PAGE_SIZE;
	super->s_blocksize_bits = PAGE_SHIFT;
	super->s_magic = SHATOMIC_SUPER_MAGIC;
	super->s_op = &super_ops;
	super->s_time_gran = 1;
	super->s_max_links = 1;
	super->s_root = d_make_root(directory_inode(super, fc->fs_private));
	return super->s_root ? 0 : -ENOMEM;
}

static int get_tree(struct fs_context *fc)
{
	if (fc->sb_flags & SB_KERNMOUNT)
		return get_tree_keyed(fc, fill_super, &own_instance);
	return get_tree_nodev(fc, fill_super);
}

static void free_context(struct fs_context *fc)
{
	kfree(fc->fs_private);
}

static const struct fs_context_operations context_ops = {
	.parse_param	= parse_parameter,
	.get_tree	= get_tree,
	.free		= free_context,
};

static int init_context(struct fs_context *fc)
{
	struct options *options = kzalloc(sizeof(*options), GFP_KERNEL);

	if (!options)
		return -ENOMEM;
	options->mode = 01777;
	options->uid = current_fsuid();
	options->gid = current_fsgid();
	fc->fs_private = options;
	fc->ops = &context_ops;
	/* Regions have words. Code in one could be changed while it runs. */
	fc->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;
	/* Our own is one, whatever namespace it is first used from. */
	if (fc->sb_flags & SB_KERNMOUNT) {
		fc->sb_flags |= SB_NOUSER;
		fc->global = true;
	}
	return 0;
}

static struct file_system_type fs_type = {
	.owner			= THIS_MODULE,
	.name			= "shatomic",
	.init_fs_context	= init_context,
	.parameters		= parameters,
	.kill_sb		= compat_kill_super,
	/* To create a region takes the device, wherever it is to be. */
	.fs_flags		= FS_USERNS_MOUNT,
};

/**
 * shatomic_fs_mount_own() - Our own instance, for an opened device
 * @device: The opened device, which pins the module as this pins the instance:
 *	what is created by it needs no mount of its own.
 *
 * Return: The mount, which is the device's, or an error pointer: -ENOMEM.
 */
struct vfsmount *shatomic_fs_mount_own(struct file *device)
{
	struct vfsmount *mount = READ_ONCE(device->private_data), *other;

	if (mount)
		return mount;
	mount = vfs_kern_mount(&fs_type, SB_KERNMOUNT, "shatomic", NULL);
	if (IS_ERR(mount))
		return mount;
	other = cmpxchg(&device->private_data, NULL, mount);
	if (!other)
		return mount;
	mntput(mount);
	return other;
}

/**
 * shatomic_fs_unmount_own() - Undo shatomic_fs_mount_own()
 * @device: The device, which is about to be closed.
 */
void shatomic_fs_unmount_own(struct file *device)
{
	mntput(device->private_data);
}

/**
 * shatomic_fs_check() - Check that the caller may create a region somewhere
 * @directory: A file of the directory where it may have a name.
 *
 * Return: 0; -EBADF when it is no directory of ours, -EROFS, -EOVERFLOW, -EACCES.
 */
int shatomic_fs_check(struct file *directory)
{
	struct super_block *super = file_inode(directory)->i_sb;

	if (super->s_type != &fs_type || !S_ISDIR(file_inode(directory)->i_mode))
		return -EBADF;
	if (__mnt_is_readonly(directory->f_path.mnt))
		return -EROFS;
	if (!fsuidgid_has_mapping(super, compat_file_idmap(directory)))
		return -EOVERFLOW;
	return file_permission(directory, MAY_WRITE | MAY_EXEC);
}

/* One that linkat(2) takes, as it does that of O_TMPFILE. */
static void init_named(struct inode *inode, struct file *directory,
		       umode_t mode)
{
	inode_init_owner(compat_file_idmap(directory), inode,
			 file_inode(directory), mode);
	compat_set_linkable(inode);
}

static void init_nameless(struct inode *inode, umode_t mode)
{
	inode->i_uid = current_fsuid();
	inode->i_gid = current_fsgid();
	inode->i_mode = mode;
}

/**
 * shatomic_fs_new_inode() - An inode for a new region
 * @mount: The mount that it is to be on.
 * @directory: Where it may have a name there, or NULL.
 * @mode: Permission bits.
 * @region: The region, which from now on ends and is freed with the inode.
 *
 * Return: The inode, NULL for lack of memory.
 */
struct inode *shatomic_fs_new_inode(struct vfsmount *mount,
				    struct file *directory, umode_t mode,
				    struct shatomic_region *region)
{
	struct inode *inode = new_inode(mount->mnt_sb);

	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	if (directory)
		init_named(inode, directory, S_IFREG | mode);
	else
		init_nameless(inode, S_IFREG | mode);
	clear_nlink(inode);
	compat_init_times(inode);
	inode->i_op = &region_iops;
	inode->i_fop = &shatomic_region_fops;
	inode->i_private = region;
	i_size_write(inode, region->size);
	/* As stat(2) counts: of 512 bytes, all of them there. */
	inode->i_blocks = round_up(region->size, PAGE_SIZE) / 512;
#ifdef S_ANON_INODE
	/* Where khugepaged takes any file's pages, it leaves ours alone. */
	inode->i_flags |= S_ANON_INODE;
#endif
	inode->i_mapping->a_ops = &region_aops;
	mapping_set_unevictable(inode->i_mapping);
	mapping_set_large_folios(inode->i_mapping);
	/*
	 * Held pages can't move, so they must not lie in movable zones. Else they
	 * are user memory, of which KASAN must not tag what PROT_MTE tags anew.
	 */
	mapping_set_gfp_mask(inode->i_mapping, GFP_HIGHUSER_MOVABLE &
			     ~(__GFP_HIGHMEM | __GFP_MOVABLE));
	return inode;
}

/* Without an owner: nobody counts the file that is not opened. */
static const struct file_operations unopened_fops = {};

/**
 * shatomic_fs_open_new() - The first file of a new region
 * @inode: Its inode, which is the file's from now on, on failure too.
 * @mount: The mount that it is on.
 *
 * Return: The file, open for reading and writing, or an error pointer.
 */
struct file *shatomic_fs_open_new(struct inode *inode, struct vfsmount *mount)
{
	struct file *unopened, *file;

	unopened = alloc_file_pseudo(inode, mount, "shatomic", O_RDWR,
				     &unopened_fops);
	if (IS_ERR(unopened)) {
		iput(inode);
		return unopened;
	}
	/* As every later one, the first is an opened file. */
	file = dentry_open(&unopened->f_path, O_RDWR | O_LARGEFILE,
			   current_cred());
	fput(unopened);
	return file;
}

int shatomic_fs_init(void)
{
	return register_filesystem(&fs_type);
}

void shatomic_fs_exit(void)
{
	unregister_filesystem(&fs_type);
}
