// SPDX-License-Identifier: GPL-2.0-only
/*
 * Named regions. As POSIX shared memory does, a name keeps its region until it
 * is unlinked or its namespace ends; names belong to an IPC namespace.
 */
#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/ipc_namespace.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/nsproxy.h>
#include <linux/proc_ns.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>

#include "shatomic.h"

/* There may be no namespace at all, nor a count of who is in it. */
#ifndef CONFIG_IPC_NS
#error "shatomic needs CONFIG_IPC_NS"
#endif

/* How soon after its end a namespace's names are dropped. */
#define REAP_INTERVAL (5 * HZ)

/**
 * struct directory - The names of one IPC namespace
 * @node: In directories.
 * @ns: The namespace; the directory holds one reference.
 * @entries: Its names, sorted.
 */
struct directory {
	struct list_head node;
	struct ipc_namespace *ns;
	struct list_head entries;
};

/**
 * struct entry - One name
 * @node: In directory.entries.
 * @file: Keeps the region. A file of its own, so that what belongs to a user's
 *	file, such as a flock(2), ends with that.
 * @name: The name.
 */
struct entry {
	struct list_head node;
	struct file *file;
	char name[SHATOMIC_NAME_SIZE];
};

static LIST_HEAD(directories);
static DEFINE_MUTEX(directories_lock);

static void reap(struct work_struct *work);
static DECLARE_DELAYED_WORK(reap_work, reap);

/* put_ipc_ns() is not exported; the namespace itself knows how. */
static void put_namespace(struct ipc_namespace *ns)
{
	ns->ns.ops->put(&ns->ns);
}

/* A name for a region, which nobody finds yet. */
static struct entry *entry_new(struct file *file)
{
	struct entry *entry = kzalloc(sizeof(*entry), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!entry)
		return ERR_PTR(-ENOMEM);
	strscpy(entry->name, shatomic_region_of(file)->name,
		sizeof(entry->name));
	entry->file = dentry_open(&file->f_path, O_RDONLY | O_LARGEFILE,
				  current_cred());
	if (IS_ERR(entry->file)) {
		ret = PTR_ERR(entry->file);
		kfree(entry);
		return ERR_PTR(ret);
	}
	return entry;
}

static void entry_free(struct entry *entry)
{
	fput(entry->file);
	kfree(entry);
}

static void entry_remove(struct entry *entry)
{
	WRITE_ONCE(shatomic_region_of(entry->file)->ipc_ns, 0);
	list_del(&entry->node);
	entry_free(entry);
}

static void directory_free(struct directory *directory)
{
	struct entry *entry, *next;

	list_for_each_entry_safe(entry, next, &directory->entries, node)
		entry_remove(entry);
	list_del(&directory->node);
	put_namespace(directory->ns);
	kfree(directory);
}

/* See that names go with their namespace; the initial one never ends. */
static void reap_later(const struct ipc_namespace *ns)
{
	if (ns->ns.inum != PROC_IPC_INIT_INO)
		queue_delayed_work(system_power_efficient_wq, &reap_work,
				   REAP_INTERVAL);
}

/*
 * There is no call when an IPC namespace ends. But once ours is the only
 * reference to it, nobody is in it and nobody can get in again.
 */
static void reap(struct work_struct *work)
{
	struct directory *directory, *next;

	mutex_lock(&directories_lock);
	list_for_each_entry_safe(directory, next, &directories, node) {
		if (list_empty(&directory->entries) ||
		    refcount_read(&directory->ns->ns.count) == 1)
			directory_free(directory);
		else
			reap_later(directory->ns);
	}
	mutex_unlock(&directories_lock);
}

/* The directory of the caller's namespace, NULL when it has none. */
static struct directory *directory_find(void)
{
	struct directory *directory;

	lockdep_assert_held(&directories_lock);
	list_for_each_entry(directory, &directories, node) {
		if (directory->ns == current->nsproxy->ipc_ns)
			return directory;
	}
	return NULL;
}

/* The directory of the caller's namespace; @spare becomes it, and then is NULL. */
static struct directory *directory_find_or_add(struct directory **spare)
{
	struct directory *directory = directory_find();

	if (directory)
		return directory;

	directory = *spare;
	*spare = NULL;
	directory->ns = get_ipc_ns(current->nsproxy->ipc_ns);
	INIT_LIST_HEAD(&directory->entries);
	list_add(&directory->node, &directories);
	reap_later(directory->ns);
	return directory;
}

static struct entry *entry_find(const char *name)
{
	struct directory *directory = directory_find();
	struct entry *entry;

	if (!directory)
		return NULL;
	list_for_each_entry(entry, &directory->entries, node) {
		if (!strcmp(entry->name, name))
			return entry;
	}
	return NULL;
}

/**
 * shatomic_name_check() - Check a name field
 * @name: SHATOMIC_NAME_SIZE bytes.
 *
 * Return: 0, or -EINVAL when it breaks the rules at SHATOMIC_NAME_SIZE.
 */
int shatomic_name_check(const u8 *name)
{
	size_t length = strnlen(name, SHATOMIC_NAME_SIZE), i;

	if (!length || length == SHATOMIC_NAME_SIZE || name[0] == '.')
		return -EINVAL;
	for (i = 0; i < length; i++) {
		if (!isascii(name[i]) || !isgraph(name[i]) || name[i] == '/')
			return -EINVAL;
	}
	return memchr_inv(name + length, 0, SHATOMIC_NAME_SIZE - length) ?
		       -EINVAL : 0;
}

/**
 * shatomic_name_check_free() - Check that no region has a name already
 * @name: The name, checked.
 *
 * One in the caller's namespace counts, which may get it or lose it at any
 * time.
 *
 * Return: 0, -EEXIST or -EINTR.
 */
int shatomic_name_check_free(const char *name)
{
	int ret;

	if (mutex_lock_killable(&directories_lock))
		return -EINTR;
	ret = entry_find(name) ? -EEXIST : 0;
	mutex_unlock(&directories_lock);
	return ret;
}

static int entry_add(struct entry *entry, struct directory **spare)
{
	struct shatomic_region *region = shatomic_region_of(entry->file);
	struct directory *directory;
	struct list_head *before;

	if (region->published)
		return -EALREADY;
	directory = directory_find_or_add(spare);
	list_for_each(before, &directory->entries) {
		int order = strcmp(entry->name,
				   list_entry(before, struct entry,
					      node)->name);

		if (!order)
			return -EEXIST;
		if (order < 0)
			break;
	}
	list_add_tail(&entry->node, before);
	region->published = true;
	WRITE_ONCE(region->ipc_ns, directory->ns->ns.inum);
	return 0;
}

/**
 * shatomic_name_add() - Give a region its name in the caller's namespace
 * @file: A file of the region.
 *
 * Return: 0, -EALREADY, -EEXIST, -ENOMEM or -EINTR.
 */
int shatomic_name_add(struct file *file)
{
	struct directory *spare;
	struct entry *entry;
	int ret;

	entry = entry_new(file);
	if (IS_ERR(entry))
		return PTR_ERR(entry);
	/* Few names need it, but none may wait for memory with the lock held. */
	spare = kzalloc(sizeof(*spare), GFP_KERNEL_ACCOUNT);
	if (!spare) {
		ret = -ENOMEM;
		goto out;
	}
	ret = -EINTR;
	if (mutex_lock_killable(&directories_lock))
		goto out;
	ret = entry_add(entry, &spare);
	mutex_unlock(&directories_lock);
out:
	kfree(spare);
	if (ret)
		entry_free(entry);
	return ret;
}

/**
 * shatomic_name_drop() - Undo shatomic_name_add()
 * @file: A file of the region.
 *
 * A name that has been unlinked, and may be another region's, is left alone.
 */
void shatomic_name_drop(struct file *file)
{
	struct shatomic_region *region = shatomic_region_of(file);
	struct entry *entry;

	mutex_lock(&directories_lock);
	region->published = false;
	entry = entry_find(region->name);
	if (entry && file_inode(entry->file) == file_inode(file))
		entry_remove(entry);
	mutex_unlock(&directories_lock);
}

/**
 * shatomic_name_open() - Open a region by its name
 * @name: The name, checked.
 * @flags: enum shatomic_open_flags
 *
 * Return: A new file, or an error pointer: -ENOENT, -EACCES, -ENOMEM, -EINTR.
 */
struct file *shatomic_name_open(const char *name, unsigned int flags)
{
	struct file *kept = NULL, *file;
	struct entry *entry;

	if (mutex_lock_killable(&directories_lock))
		return ERR_PTR(-EINTR);
	entry = entry_find(name);
	if (entry)
		kept = get_file(entry->file);
	mutex_unlock(&directories_lock);
	if (!kept)
		return ERR_PTR(-ENOENT);

	/* Opening may sleep for as long as others like. */
	file = shatomic_region_open(kept, flags);
	fput(kept);
	return file;
}

/**
 * shatomic_name_is_owned() - Whether the caller owns a region or may act as if
 * @file: A file of the region.
 *
 * As with files, who makes a user namespace has CAP_FOWNER there, over those who
 * are mapped to it.
 *
 * Return: Whether so.
 */
bool shatomic_name_is_owned(struct file *file)
{
	kuid_t owner = read_foreign(file_inode(file)->i_uid);

	return uid_eq(current_fsuid(), owner) ||
	       (kuid_has_mapping(current_user_ns(), owner) &&
		ns_capable(current_user_ns(), CAP_FOWNER));
}

/* As in a sticky directory such as /dev/shm, which the IPC namespace owns. */
static bool may_unlink(const struct entry *entry)
{
	return shatomic_name_is_owned(entry->file) ||
	       ns_capable(current->nsproxy->ipc_ns->user_ns, CAP_FOWNER);
}

/**
 * shatomic_name_unlink() - Remove a name
 * @name: The name, checked.
 *
 * Return: 0, -ENOENT, -EACCES or -EINTR.
 */
int shatomic_name_unlink(const char *name)
{
	struct entry *entry;
	int ret = 0;

	if (mutex_lock_killable(&directories_lock))
		return -EINTR;
	entry = entry_find(name);
	if (!entry)
		ret = -ENOENT;
	else if (!may_unlink(entry))
		ret = -EACCES;
	else
		entry_remove(entry);
	mutex_unlock(&directories_lock);
	return ret;
}

static void list_entry_fill(struct shatomic_list_entry *to,
			    const struct entry *entry)
{
	struct shatomic_region *region = shatomic_region_of(entry->file);
	struct inode *inode = file_inode(entry->file);

	to->region_size = region->size;
	to->huge_bytes = region->pages.huge_bytes;
	to->uid = from_kuid_munged(current_user_ns(),
				   read_foreign(inode->i_uid));
	to->gid = from_kgid_munged(current_user_ns(),
				   read_foreign(inode->i_gid));
	to->mode = read_foreign(inode->i_mode) & 0777;
	memcpy(to->name, entry->name, sizeof(to->name));
}

static int list_entry_save(u64 address, u32 entry_size,
			   const struct shatomic_list_entry *entry)
{
	u32 known = min_t(u32, entry_size, sizeof(*entry));

	if (copy_to_user(u64_to_user_ptr(address), entry, known) ||
	    clear_user(u64_to_user_ptr(address + known), entry_size - known))
		return -EFAULT;
	return 0;
}

/* Copy the first @room names of the caller's namespace, and count all. */
static int list_copy(struct shatomic_list_entry *entries, u32 room, u32 *count)
{
	struct directory *directory;
	struct entry *entry;
	u32 i = 0;

	if (mutex_lock_killable(&directories_lock))
		return -EINTR;
	directory = directory_find();
	if (directory) {
		list_for_each_entry(entry, &directory->entries, node) {
			if (i < room)
				list_entry_fill(&entries[i], entry);
			i++;
		}
	}
	mutex_unlock(&directories_lock);
	*count = i;
	return 0;
}

/*
 * Copy up to @capacity names of the caller's namespace; *count is how many there
 * were at that moment. *entries is for kvfree(), on failure too.
 *
 * The caller may have to wait for memory, by what his memory cgroup allows, and
 * others are not to wait with him. So it is allocated without the lock, and
 * again when names have been added meanwhile.
 */
static int list_snapshot(u32 capacity, struct shatomic_list_entry **entries,
			 u32 *count)
{
	u32 room = 0, wanted;
	int ret;

	*entries = NULL;
	for (;;) {
		ret = list_copy(*entries, room, count);
		if (ret)
			return ret;
		wanted = min(capacity, *count);
		if (wanted <= room)
			return 0;

		kvfree(*entries);
		*entries = kvcalloc(wanted, sizeof(**entries),
				    GFP_KERNEL_ACCOUNT);
		if (!*entries)
			return -ENOMEM;
		room = wanted;
	}
}

/**
 * shatomic_name_list() - List the names in the caller's namespace
 * @list: The arguments.
 *
 * Return: 0, -EINVAL, -EOPNOTSUPP, -EFAULT, -ENOMEM or -EINTR.
 */
int shatomic_name_list(struct shatomic_ioc_list *list)
{
	struct shatomic_list_entry *entries;
	u32 i, room;
	int ret;

	if (list->flags)
		return -EOPNOTSUPP;
	if (list->reserved || (list->capacity && !list->entry_size) ||
	    list->entry_size > SHATOMIC_MAX_LIST_ENTRY_SIZE)
		return -EINVAL;

	ret = list_snapshot(list->capacity, &entries, &list->count);
	room = min(list->capacity, list->count);
	for (i = 0; i < room && !ret; i++)
		ret = list_entry_save(list->entries + (u64)i * list->entry_size,
				      list->entry_size, &entries[i]);
	kvfree(entries);
	return ret;
}

void shatomic_names_exit(void)
{
	struct directory *directory, *next;

	cancel_delayed_work_sync(&reap_work);
	/* No name is left, since each holds the module; directories may be. */
	list_for_each_entry_safe(directory, next, &directories, node)
		directory_free(directory);
}
