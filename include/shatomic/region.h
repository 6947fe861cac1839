/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Regions: creating, opening, passing on, naming, closing them, and what they
 * are.
 */
#ifndef SHATOMIC_REGION_H
#define SHATOMIC_REGION_H

#include <linux/shatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum shatomic_backend - What a region's memory comes from
 * @SHATOMIC_BACKEND_AUTO: The environment variable SHATOMIC_BACKEND when it is
 *	set ("device" or "memfd"); else the device where /dev/shatomic exists,
 *	and memfd where it does not.
 * @SHATOMIC_BACKEND_DEVICE: The kernel module: pinned memory, batches run in
 *	the kernel. Named regions are files in a filesystem of type shatomic,
 *	which is mounted at /run/shatomic, or where the environment variable
 *	SHATOMIC_DIRECTORY says.
 * @SHATOMIC_BACKEND_MEMFD: memfd_create(2), or shm_open(3) for named regions:
 *	no module and no privilege; batches run in the calling process. Who may
 *	write to a region can also punch holes into it, and truncate a named
 *	one, which is SIGBUS for who uses it then.
 */
enum shatomic_backend {
	SHATOMIC_BACKEND_AUTO	= 0,
	SHATOMIC_BACKEND_DEVICE	= 1,
	SHATOMIC_BACKEND_MEMFD	= 2,
};

/**
 * define SHATOMIC_CREATE_PINNED - A region's memory must be pinned
 *
 * Goes with enum shatomic_create_flags. Regions of the device backend are
 * always pinned. The memfd backend locks what RLIMIT_MEMLOCK allows and tells
 * by shatomic_get_info() whether it could; with this flag failing to do so is
 * an error (-EPERM). Such a region is pinned only while a process that locked
 * it has it open: each that creates, opens or imports it tries to, and a child
 * of fork(2) inherits no lock.
 */
#define SHATOMIC_CREATE_PINNED (1U << 31)

/**
 * define SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE - Remove previous_path
 *
 * Goes with enum shatomic_create_flags, and with a source of
 * SHATOMIC_SOURCE_FILE: once the region has been created, with the file's
 * content in it, the file's path is removed. A creation that fails removes
 * nothing. It fails (-EBUSY) when the path leads to another file, or to other
 * content, than was read; that is looked at right before it is removed, not at
 * the same instant.
 */
#define SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE (1U << 30)

/**
 * enum shatomic_source - Where a region's first content comes from
 * @SHATOMIC_SOURCE_PARAMETER: The bytes at initial.
 * @SHATOMIC_SOURCE_FILE: The file previous_path.
 */
enum shatomic_source {
	SHATOMIC_SOURCE_PARAMETER	= 0,
	SHATOMIC_SOURCE_FILE		= 1,
};

/**
 * enum shatomic_direction - An end of a sequence of bytes
 * @SHATOMIC_DIRECTION_NONE: Not said.
 * @SHATOMIC_DIRECTION_LEFT: That of the lowest offset.
 * @SHATOMIC_DIRECTION_RIGHT: That of the highest offset.
 */
enum shatomic_direction {
	SHATOMIC_DIRECTION_NONE		= 0,
	SHATOMIC_DIRECTION_LEFT		= 1,
	SHATOMIC_DIRECTION_RIGHT	= 2,
};

/**
 * enum shatomic_numa - Which NUMA nodes a region's memory comes from
 * @SHATOMIC_NUMA_DEFAULT: As the calling thread's memory policy has it: from
 *	the node that it runs on, where nothing was said.
 * @SHATOMIC_NUMA_BIND: From the given nodes only, or not at all.
 * @SHATOMIC_NUMA_INTERLEAVE: From the given nodes in turn, page by page (huge
 *	page by huge page).
 */
enum shatomic_numa {
	SHATOMIC_NUMA_DEFAULT		= 0,
	SHATOMIC_NUMA_BIND		= 1,
	SHATOMIC_NUMA_INTERLEAVE	= 2,
};

/** struct shatomic_region - A handle to a region; opaque. */
struct shatomic_region;

/**
 * struct shatomic_create_options - What kind of region shatomic_create() makes
 * @backend: What its memory comes from.
 * @flags: enum shatomic_create_flags without SHATOMIC_CREATE_IN_DIRECTORY,
 *	SHATOMIC_CREATE_PINNED, SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE.
 * @size: Size in bytes; 0 stands for that of the first content, or for 1
 *	when that is empty.
 * @name: A name by which other processes open it, as
 *	SHATOMIC_NAME_SIZE describes, or NULL. The region then stays until
 *	shatomic_unlink(). Nobody sees it before it has its first content.
 * @mode: Permission bits of a named region as of open(2), less the umask; 0
 *	stands for 0600. Must be 0 without a name.
 * @source: Where the first content comes from.
 * @initial: First content with SHATOMIC_SOURCE_PARAMETER; NULL when
 *	@initial_size is 0. Must be NULL with SHATOMIC_SOURCE_FILE.
 * @initial_size: Its size in bytes.
 * @previous_path: The regular file that is the first content with
 *	SHATOMIC_SOURCE_FILE; else must be NULL.
 * @standalone_path: A regular file that the region stands on, or NULL for none;
 *	it is made, empty, where there is none. See shatomic_file_sync(). It
 *	may be @previous_path, which is how what was synced comes back.
 * @padding_direction: Where padding goes when @size exceeds the first
 *	content: RIGHT, after it; LEFT, before it; NONE, the content is followed
 *	by zeros whatever @padding_bytes is.
 * @padding_bytes: What to pad with, repeated from the start of the padded
 *	area on; NULL for zeros.
 * @padding_size: Bytes in @padding_bytes; 0 when that is NULL.
 * @trimming_direction: Which end of the first content is cut off when it
 *	exceeds @size: LEFT, or else RIGHT.
 * @numa: Which NUMA nodes its memory comes from. All of it is had at creation,
 *	so that nothing moves it later.
 * @numa_nodes: The nodes, bit n for node n; 0 with SHATOMIC_NUMA_DEFAULT.
 *
 * Zero what is not used.
 */
struct shatomic_create_options {
	enum shatomic_backend backend;
	unsigned int flags;
	size_t size;
	const char *name;
	mode_t mode;
	enum shatomic_source source;
	const void *initial;
	size_t initial_size;
	const char *previous_path;
	const char *standalone_path;
	enum shatomic_direction padding_direction;
	const void *padding_bytes;
	size_t padding_size;
	enum shatomic_direction trimming_direction;
	enum shatomic_numa numa;
	uint64_t numa_nodes;
};

/**
 * struct shatomic_info - What shatomic_get_info() tells of a region
 * @backend: Never SHATOMIC_BACKEND_AUTO.
 * @size: Size in bytes.
 * @huge_bytes: How many of them lie in huge pages.
 * @pinned: Non-zero when the memory cannot be swapped out: on the memfd backend,
 *	when the calling process has locked it by this handle.
 * @writable: Zero when it was opened read-only.
 * @mode: Permission bits.
 * @uid: Owner.
 * @gid: Group.
 * @name: Its name, "" when it has none or has lost it. On the memfd backend it
 *	is the one that the handle was opened by, renamed since or not.
 */
struct shatomic_info {
	enum shatomic_backend backend;
	size_t size;
	size_t huge_bytes;
	int pinned;
	int writable;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	char name[SHATOMIC_NAME_SIZE];
};

/**
 * struct shatomic_listed - What shatomic_list() tells of a named region
 * @size: Size in bytes.
 * @huge_bytes: How many of them lie in huge pages. Only the region itself can
 *	tell: it is 0 when the caller may not read the region, and always on the
 *	memfd backend.
 * @mode: Permission bits.
 * @uid: Owner.
 * @gid: Group.
 * @name: Its name.
 */
struct shatomic_listed {
	size_t size;
	size_t huge_bytes;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	char name[SHATOMIC_NAME_SIZE];
};

/**
 * shatomic_create() - Create a region
 * @options: What kind of region.
 * @region: [out] The handle; shatomic_close() ends it.
 *
 * Its memory is mapped shared, for reading and writing; what has no first
 * content is zero.
 *
 * Return: 0; -EINVAL (a bad name, mode, source or direction, no path for a
 * source file, a path that is no regular file), -EOPNOTSUPP (unknown flag or
 * backend), -EEXIST (the name is taken), -EPERM or -ENOMEM (a limit), -ENOENT
 * (no file previous_path; or the device backend was asked for and /dev/shatomic
 * is absent, or the filesystem that names are in), -EISDIR (a path is that of a
 * directory), -EACCES (no permission to open the device or a file, or to write
 * to the directory of names), -EROFS (that is mounted read-only), -EOVERFLOW
 * (its filesystem has no number for the caller's user or group), -EBUSY
 * (previous_path, which was to be removed, has changed meanwhile), -EIO (it ended
 * early, or went on beyond its size, as files in /proc do); what open(2), read(2)
 * or unlink(2) answered for a file.
 */
int shatomic_create(const struct shatomic_create_options *options,
		    struct shatomic_region **region);

/**
 * shatomic_open() - Open a region by its name
 * @backend: Where to look; with SHATOMIC_BACKEND_AUTO, where shatomic_create()
 *	would put it.
 * @name: The name.
 * @flags: 0 or SHATOMIC_OPEN_READ_ONLY.
 * @region: [out] The handle; shatomic_close() ends it.
 *
 * Return: 0; -ENOENT (no such name; or no device, or no filesystem that names
 * are in), -EACCES (its mode forbids it, or that of the directory of names),
 * -EROFS (the directory is mounted read-only, and flags are 0), -ENOMEM (as
 * with shatomic_import()), -EINVAL, -EOPNOTSUPP.
 */
int shatomic_open(enum shatomic_backend backend, const char *name,
		  unsigned int flags, struct shatomic_region **region);

/**
 * shatomic_import() - Make a handle from a region's descriptor
 * @fd: From shatomic_fd(), got by inheritance or over a Unix socket. It is
 *	duplicated; the caller keeps and closes its own.
 * @region: [out] The handle; shatomic_close() ends it.
 *
 * Return: 0; -EBADF (not the descriptor of a region, or the memfd backend's
 * and /proc is not mounted, where its name is read), -EMFILE, -ENOMEM (a sparse
 * memfd of somebody else's, of which more is missing than there is memory), or
 * what mmap(2) answered.
 */
int shatomic_import(int fd, struct shatomic_region **region);

/**
 * shatomic_close() - Unmap a region and end its handle
 * @region: The handle, or NULL, which does nothing.
 */
void shatomic_close(struct shatomic_region *region);

/**
 * shatomic_unlink() - Remove a region's name
 * @backend: As with shatomic_open().
 * @name: The name.
 *
 * The memory stays for those who have it open.
 *
 * The directory of names says who may: where it is sticky, the owner of the
 * region or of the directory, and callers with CAP_FOWNER; else all who may
 * write to it.
 *
 * Return: 0; -ENOENT (no such name; or no device, or no filesystem that names
 * are in), -EACCES (none of these), -EROFS (the directory is mounted read-only),
 * -EINVAL (a bad name, or SHATOMIC_BACKEND is none of the two), -EOPNOTSUPP
 * (unknown backend).
 */
int shatomic_unlink(enum shatomic_backend backend, const char *name);

/**
 * shatomic_list() - The named regions, sorted by name
 * @backend: As with shatomic_open().
 * @entries: [out] An array; free() it.
 * @count: [out] How many there are.
 *
 * A region that is named or unlinked meanwhile may be listed or not.
 *
 * Return: 0; -ENOMEM, -ENOENT (no device, or no filesystem that names are in),
 * -EACCES (no permission to read the directory of names), -EINVAL (a NULL, or
 * SHATOMIC_BACKEND is none of the two), -EOPNOTSUPP (unknown backend).
 */
int shatomic_list(enum shatomic_backend backend,
		  struct shatomic_listed **entries, size_t *count);

/**
 * shatomic_buf() - Where a region is mapped
 * @region: The region.
 * @size: [out] Its size in bytes; may be NULL.
 *
 * Return: Address of its first byte, aligned to a page at least; NULL when
 * @region is.
 */
void *shatomic_buf(const struct shatomic_region *region, size_t *size);

/**
 * shatomic_size() - The size of a region
 * @region: The region.
 *
 * Return: Its size in bytes; 0 when @region is NULL.
 */
size_t shatomic_size(const struct shatomic_region *region);

/**
 * shatomic_dealloc_async() - Whether a region is freed asynchronously
 * @region: The region.
 *
 * Return: 1 when it was created with SHATOMIC_CREATE_ASYNC_FREE (on the memfd
 * backend: by this handle), 0 when not, -EINVAL when @region is NULL.
 */
int shatomic_dealloc_async(const struct shatomic_region *region);

/**
 * shatomic_at() - The address of one word of a region
 * @region: The region.
 * @offset: Offset of the word in bytes, a multiple of @width.
 * @width: Width of the word in bytes: 1, 2, 4 or 8.
 *
 * For the typed operations below. Do it once, not for each operation.
 *
 * Return: The address; NULL when the word is misaligned or not all inside the
 * region (shatomic_error() says which).
 */
void *shatomic_at(const struct shatomic_region *region, uint64_t offset,
		  unsigned int width);

/**
 * shatomic_fd() - The region's descriptor
 * @region: The region.
 *
 * For passing the region on, see shatomic_import(), and for poll-free system
 * calls such as fstat(2), pread(2) and sendfile(2). It is close-on-exec and
 * stays the handle's: do not close it.
 *
 * Return: The descriptor; -EINVAL when @region is NULL.
 */
int shatomic_fd(const struct shatomic_region *region);

/**
 * shatomic_get_info() - What a region is
 * @region: The region.
 * @info: [out] Filled in.
 *
 * Return: 0, or what fstat(2) or the kernel answered.
 */
int shatomic_get_info(const struct shatomic_region *region,
		      struct shatomic_info *info);

/**
 * shatomic_export_dmabuf() - A region as a DMA buffer
 * @region: The region, on the device backend, open for writing.
 * @flags: Must be 0.
 * @fd: [out] The buffer's descriptor, close-on-exec; close() it.
 *
 * Other drivers import the buffer and have their devices read and write the
 * region's memory, rounded up to whole pages. It keeps the memory, and can be
 * mapped by mmap(2). Where devices are not coherent with CPUs,
 * DMA_BUF_IOCTL_SYNC (see <linux/dma-buf.h>) stands between what the two do.
 *
 * Return: 0; -EOPNOTSUPP (a region of the memfd backend, a kernel without DMA
 * buffers, or unknown flags), -EACCES (it is open read-only), -EPERM or -ENOMEM
 * (a limit: a buffer counts as a region), -EMFILE.
 */
int shatomic_export_dmabuf(const struct shatomic_region *region,
			   unsigned int flags, int *fd);

/**
 * shatomic_error() - What went wrong in the calling thread
 *
 * Return: A sentence on the thread's last failed call of this library, without
 * a newline; "" before the first. It has up to 511 bytes: where a path is too
 * long for that, "..." stands for the middle. It stays until the thread's next
 * failure.
 */
const char *shatomic_error(void);

#ifdef __cplusplus
}
#endif

#endif /* SHATOMIC_REGION_H */
