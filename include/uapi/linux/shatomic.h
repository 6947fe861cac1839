/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The kernel ABI of /dev/shatomic: the only thing that the module and the
 * library agree on.
 */
#ifndef _UAPI_LINUX_SHATOMIC_H
#define _UAPI_LINUX_SHATOMIC_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: General ioctl format
 *
 * Every command is an ioctl number made by _IO() whose argument points to a
 * structure. A structure begins with @size, which the caller sets to the
 * sizeof() that it was compiled with, then @flags. The kernel copies as much
 * as both sides know: a shorter structure is taken as if the missing tail were
 * zero, a longer one, of up to SHATOMIC_MAX_ARGS_SIZE bytes, is taken if what
 * the kernel does not know is zero.
 * Fields marked [out] are written back, on failure too when they tell why.
 * Padding and fields named reserved must be zero.
 *
 * The errors mean the same for every command:
 *
 *  - ENOTTY: the command number is unknown, or not for this kind of file.
 *  - E2BIG: the structure has a non-zero tail that this kernel does not know,
 *    or more than SHATOMIC_MAX_ARGS_SIZE bytes.
 *  - EOPNOTSUPP: a known field has a value that this kernel does not support
 *    (an unknown flag, an operation or width that INFO does not list).
 *  - EINVAL: a field has a value that can never be right.
 *  - EFAULT: a pointer does not lead to memory that can be read or written.
 *  - ERANGE: an offset, alone or with its width, lies outside the region.
 *  - EACCES: the mode of the region or of the file descriptor forbids it.
 *  - EPERM: a limit on what this user may do is reached; the structure says
 *    which.
 *  - ENOMEM: a limit on memory is reached; the structure says which.
 *  - EBADF: a descriptor in the structure is not that of a region, or not that
 *    of a directory of regions.
 *  - EROFS: the directory is mounted read-only.
 *  - EOVERFLOW: the filesystem of the directory has no number for the caller's
 *    user or group.
 *  - ENXIO: the region has ended: no file and no name keeps it.
 *  - EBUSY: words changed all the time while a snapshot was wanted.
 *  - EINTR: a fatal signal arrived.
 *  - EMFILE, ENFILE: the process, or the machine, has no descriptor left.
 */

/* Nobody else has it in Documentation/userspace-api/ioctl/ioctl-number.rst. */
#define SHATOMIC_IOC_MAGIC 0xD7

/** define SHATOMIC_MAX_ARGS_SIZE - Bytes in a structure of any version. */
#define SHATOMIC_MAX_ARGS_SIZE 4096

/** define SHATOMIC_ABI_VERSION - Grows when something is added to this file. */
#define SHATOMIC_ABI_VERSION 1

/**
 * DOC: Names of regions
 *
 * A region may have a name, which is that of a file in a filesystem of type
 * shatomic. Each mount of one makes a new, empty instance:
 *
 *	mount -t shatomic -o mode=1770,gid=shatomic shatomic /run/shatomic
 *
 * Its options are those of its one directory: mode (01777 unless given), uid and
 * gid (those of whoever mounts it). A region is created there by
 * SHATOMIC_IOC_CREATE with SHATOMIC_CREATE_IN_DIRECTORY, as a file without a
 * name, as by O_TMPFILE, and gets its name by linkat(2):
 *
 *	linkat(AT_FDCWD, "/proc/self/fd/7", directory, name, AT_SYMLINK_FOLLOW);
 *
 * if 7 is its descriptor. So nobody finds a region by a name before it is whole.
 * All else about names is as with any file: open(2) opens the region, unlink(2)
 * removes the name, rename(2) changes it, readdir(3) lists, chmod(2) and chown(2)
 * say who may open it, inotify(7) watches. What differs:
 *
 *  - A name obeys the rules at SHATOMIC_NAME_SIZE, else EINVAL.
 *  - Only the region's owner gives it a name, and whoever has CAP_FOWNER over
 *    him, else EPERM, whatever fs.protected_hardlinks says.
 *  - A region has one name at most, else EMLINK. Once it had one and lost it, it
 *    can't be given another, ENOENT.
 *  - open(2) makes no regions: O_CREAT where there is no such name is EACCES.
 *  - There are no directories, links or special files in it.
 *
 * A named region stays until its name is removed, or the last mount of its
 * filesystem is gone, and the last descriptor and mapping are gone as well.
 */

/** define SHATOMIC_SUPER_MAGIC - f_type of the filesystem, by statfs(2). */
#define SHATOMIC_SUPER_MAGIC 0x73686174

/**
 * define SHATOMIC_NAME_SIZE - Bytes in a name field, closing NUL included.
 *
 * A name has 1 to SHATOMIC_NAME_SIZE - 1 bytes, each printable ASCII other
 * than '/' and space; it does not begin with '.'.
 */
#define SHATOMIC_NAME_SIZE 64

/* Commands on /dev/shatomic. */
#define SHATOMIC_IOC_INFO		_IO(SHATOMIC_IOC_MAGIC, 0x00)
#define SHATOMIC_IOC_CREATE		_IO(SHATOMIC_IOC_MAGIC, 0x01)

/* Commands on the file descriptor of a region. */
#define SHATOMIC_IOC_REGION_INFO	_IO(SHATOMIC_IOC_MAGIC, 0x40)
#define SHATOMIC_IOC_BATCH		_IO(SHATOMIC_IOC_MAGIC, 0x41)
#define SHATOMIC_IOC_STATS		_IO(SHATOMIC_IOC_MAGIC, 0x43)
#define SHATOMIC_IOC_EXPORT_DMABUF	_IO(SHATOMIC_IOC_MAGIC, 0x44)

/**
 * enum shatomic_op - Operations
 * @SHATOMIC_OP_GET: result = self.
 * @SHATOMIC_OP_SET: self = operand; result = operand.
 * @SHATOMIC_OP_STORE: self = peer; result = the value stored.
 * @SHATOMIC_OP_GET_AND_SET: result = self; self = operand.
 * @SHATOMIC_OP_COMPARE_AND_SET: when self equals peer, self = operand and
 *	result = 1; else peer = what was seen in self and result = 0.
 * @SHATOMIC_OP_COMPARE_AND_SET_VALUE: when self equals comparand, self =
 *	operand. result = what was seen in self, in both cases.
 * @SHATOMIC_OP_FETCH_AND_ADD: result = self; self += operand.
 * @SHATOMIC_OP_FETCH_AND_SUB: result = self; self -= operand.
 * @SHATOMIC_OP_FETCH_AND_AND: result = self; self &= operand.
 * @SHATOMIC_OP_FETCH_AND_OR: result = self; self |= operand.
 * @SHATOMIC_OP_FETCH_AND_XOR: result = self; self ^= operand.
 * @SHATOMIC_OP_FETCH_AND_NAND: result = self; self = ~(self & operand).
 * @SHATOMIC_OP_ADD_AND_FETCH: self += operand; result = self.
 * @SHATOMIC_OP_SUB_AND_FETCH: self -= operand; result = self.
 * @SHATOMIC_OP_AND_AND_FETCH: self &= operand; result = self.
 * @SHATOMIC_OP_OR_AND_FETCH: self |= operand; result = self.
 * @SHATOMIC_OP_XOR_AND_FETCH: self ^= operand; result = self.
 * @SHATOMIC_OP_NAND_AND_FETCH: self = ~(self & operand); result = self.
 * @SHATOMIC_OP_FETCH_AND_SMIN: result = self; self = the smaller of self and
 *	operand as signed (two's complement) integers of the row's width.
 * @SHATOMIC_OP_FETCH_AND_SMAX: The same, the larger.
 * @SHATOMIC_OP_FETCH_AND_UMIN: result = self; self = the smaller of self and
 *	operand as unsigned integers.
 * @SHATOMIC_OP_FETCH_AND_UMAX: The same, the larger.
 * @SHATOMIC_OP_FETCH_AND_ADD_BOUNDED: result = self; when self + operand,
 *	unsigned and without wrapping, is at most comparand, self += operand.
 *	With operand 1 it increments if below: a semaphore or limiter.
 * @SHATOMIC_OP_MASKED_GET_AND_SET: result = self; the bits of self that are
 *	set in mask become those of operand.
 * @SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE: result = self; when self and
 *	comparand agree in the bits that are set in comparand_mask, the bits
 *	of self that are set in mask become those of operand.
 * @SHATOMIC_OP_TEST_AND_SET_BIT: result = the bit of self that operand numbers,
 *	0 the least significant; the bit becomes 1.
 * @SHATOMIC_OP_TEST_AND_CLEAR_BIT: The same; the bit becomes 0.
 * @SHATOMIC_OP_COUNT: Number of operations; not an operation.
 *
 * self is the word at the row's offset in the region that the batch is for;
 * peer is the word at the row's peer offset in the row's peer region. Each
 * access to self and each access to peer is one atomic, sequentially
 * consistent operation; the two together are not atomic: peer is loaded, then
 * self is updated, then, where an operation says so, peer is stored. Integers
 * are in the machine's byte order and arithmetic wraps.
 */
enum shatomic_op {
	SHATOMIC_OP_GET				= 0,
	SHATOMIC_OP_SET				= 1,
	SHATOMIC_OP_STORE			= 2,
	SHATOMIC_OP_GET_AND_SET			= 3,
	SHATOMIC_OP_COMPARE_AND_SET		= 4,
	SHATOMIC_OP_COMPARE_AND_SET_VALUE	= 5,
	SHATOMIC_OP_FETCH_AND_ADD		= 6,
	SHATOMIC_OP_FETCH_AND_SUB		= 7,
	SHATOMIC_OP_FETCH_AND_AND		= 8,
	SHATOMIC_OP_FETCH_AND_OR		= 9,
	SHATOMIC_OP_FETCH_AND_XOR		= 10,
	SHATOMIC_OP_FETCH_AND_NAND		= 11,
	SHATOMIC_OP_ADD_AND_FETCH		= 12,
	SHATOMIC_OP_SUB_AND_FETCH		= 13,
	SHATOMIC_OP_AND_AND_FETCH		= 14,
	SHATOMIC_OP_OR_AND_FETCH		= 15,
	SHATOMIC_OP_XOR_AND_FETCH		= 16,
	SHATOMIC_OP_NAND_AND_FETCH		= 17,
	SHATOMIC_OP_FETCH_AND_SMIN		= 18,
	SHATOMIC_OP_FETCH_AND_SMAX		= 19,
	SHATOMIC_OP_FETCH_AND_UMIN		= 20,
	SHATOMIC_OP_FETCH_AND_UMAX		= 21,
	SHATOMIC_OP_FETCH_AND_ADD_BOUNDED	= 22,
	SHATOMIC_OP_MASKED_GET_AND_SET		= 23,
	SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE = 24,
	SHATOMIC_OP_TEST_AND_SET_BIT		= 25,
	SHATOMIC_OP_TEST_AND_CLEAR_BIT		= 26,
	SHATOMIC_OP_COUNT
};

/**
 * enum shatomic_row_status - What became of a row, in the statuses column
 * @SHATOMIC_ROW_NOT_RUN: The row was not run. The kernel writes a status only
 *	for rows that ran: a caller who wants to tell them apart after a
 *	failure zeroes the column first.
 * @SHATOMIC_ROW_DONE: The row took effect.
 * @SHATOMIC_ROW_COMPARE_FAILED: The row ran and its comparison did not hold:
 *	self is unchanged.
 */
enum shatomic_row_status {
	SHATOMIC_ROW_NOT_RUN		= 0,
	SHATOMIC_ROW_DONE		= 1,
	SHATOMIC_ROW_COMPARE_FAILED	= 2,
};

/**
 * enum shatomic_field - Which field or column an error is about
 * @SHATOMIC_FIELD_NONE: None in particular.
 * @SHATOMIC_FIELD_FLAGS: flags
 * @SHATOMIC_FIELD_OP: op, or the row's entry in ops
 * @SHATOMIC_FIELD_WIDTH: width, or the row's entry in widths
 * @SHATOMIC_FIELD_PARALLELISM: parallelism; not reported, as no value is wrong
 * @SHATOMIC_FIELD_ROWS: rows
 * @SHATOMIC_FIELD_OFFSETS: offsets
 * @SHATOMIC_FIELD_OPERANDS: operands
 * @SHATOMIC_FIELD_COMPARANDS: comparands
 * @SHATOMIC_FIELD_RESULTS: results
 * @SHATOMIC_FIELD_STATUSES: statuses
 * @SHATOMIC_FIELD_PEERS: peers or peer_count
 * @SHATOMIC_FIELD_PEER_INDEXES: peer_indexes
 * @SHATOMIC_FIELD_PEER_OFFSETS: peer_offsets
 * @SHATOMIC_FIELD_REGION_SIZE: region_size
 * @SHATOMIC_FIELD_MODE: mode
 * @SHATOMIC_FIELD_DIRECTORY: directory
 * @SHATOMIC_FIELD_RESERVED: a reserved field
 * @SHATOMIC_FIELD_MASKS: masks
 * @SHATOMIC_FIELD_COMPARAND_MASKS: comparand_masks
 * @SHATOMIC_FIELD_COLUMNS: columns or columns_base
 */
enum shatomic_field {
	SHATOMIC_FIELD_NONE		= 0,
	SHATOMIC_FIELD_FLAGS		= 1,
	SHATOMIC_FIELD_OP		= 2,
	SHATOMIC_FIELD_WIDTH		= 3,
	SHATOMIC_FIELD_PARALLELISM	= 4,
	SHATOMIC_FIELD_ROWS		= 5,
	SHATOMIC_FIELD_OFFSETS		= 6,
	SHATOMIC_FIELD_OPERANDS		= 7,
	SHATOMIC_FIELD_COMPARANDS	= 8,
	SHATOMIC_FIELD_RESULTS		= 9,
	SHATOMIC_FIELD_STATUSES		= 10,
	SHATOMIC_FIELD_PEERS		= 11,
	SHATOMIC_FIELD_PEER_INDEXES	= 12,
	SHATOMIC_FIELD_PEER_OFFSETS	= 13,
	SHATOMIC_FIELD_REGION_SIZE	= 14,
	SHATOMIC_FIELD_MODE		= 15,
	SHATOMIC_FIELD_DIRECTORY	= 16,
	SHATOMIC_FIELD_RESERVED		= 17,
	SHATOMIC_FIELD_MASKS		= 18,
	SHATOMIC_FIELD_COMPARAND_MASKS	= 19,
	SHATOMIC_FIELD_COLUMNS		= 20,
};

/**
 * enum shatomic_limit - Which limit refused a request
 * @SHATOMIC_LIMIT_NONE: None.
 * @SHATOMIC_LIMIT_MEMLOCK: RLIMIT_MEMLOCK of the caller (ulimit -l), over all
 *	the real user's regions and what else the kernel counts with them, such
 *	as io_uring's buffers; CAP_IPC_LOCK lifts it.
 * @SHATOMIC_LIMIT_PINNED_BYTES: The module parameter max_pinned_bytes.
 * @SHATOMIC_LIMIT_REGIONS: The module parameter max_regions.
 * @SHATOMIC_LIMIT_MEMORY: Memory itself: the machine's, or the memory
 *	cgroup's.
 * @SHATOMIC_LIMIT_BATCH_ROWS: The module parameter max_batch_rows.
 * @SHATOMIC_LIMIT_BATCHES: The module parameter max_batches.
 * @SHATOMIC_LIMIT_USER_BATCHES: The module parameter max_user_batches.
 * @SHATOMIC_LIMIT_REGION_BATCHES: The module parameter max_region_batches.
 * @SHATOMIC_LIMIT_USER_REGIONS: The module parameter max_user_regions, over all
 *	the user's regions; CAP_IPC_LOCK lifts it.
 */
enum shatomic_limit {
	SHATOMIC_LIMIT_NONE		= 0,
	SHATOMIC_LIMIT_MEMLOCK		= 1,
	SHATOMIC_LIMIT_PINNED_BYTES	= 2,
	SHATOMIC_LIMIT_REGIONS		= 3,
	SHATOMIC_LIMIT_MEMORY		= 4,
	SHATOMIC_LIMIT_BATCH_ROWS	= 5,
	SHATOMIC_LIMIT_BATCHES		= 6,
	SHATOMIC_LIMIT_USER_BATCHES	= 7,
	SHATOMIC_LIMIT_REGION_BATCHES	= 8,
	SHATOMIC_LIMIT_USER_REGIONS	= 9,
};

/* Room for operations in structures with an entry for each. */
#define SHATOMIC_OP_SLOTS 64

/**
 * struct shatomic_ioc_info - ioctl(SHATOMIC_IOC_INFO): what this kernel offers
 * @size: sizeof(struct shatomic_ioc_info)
 * @flags: Must be 0.
 * @abi_version: [out] SHATOMIC_ABI_VERSION of the module.
 * @op_count: [out] Number of operations the module knows.
 * @max_region_bytes: [out] Largest region that could be created were nothing
 *	else pinned, in bytes.
 * @max_pinned_bytes: [out] Most bytes in all regions together.
 * @pinned_bytes: [out] Bytes in all regions together now.
 * @max_regions: [out] Most regions at a time.
 * @regions: [out] Regions now.
 * @max_batch_rows: [out] Most rows in a batch.
 * @slice_rows: [out] A batch with more rows than this is cut into slices that
 *	run on several CPUs, see struct shatomic_ioc_batch.
 * @op_widths: [out] For each operation the widths it supports: bit w - 1 is
 *	set for a width of w bytes.
 * @max_batches: [out] Most batches in flight.
 * @max_user_batches: [out] Most of them of one user, by real user ID.
 * @max_region_batches: [out] Most of them on one region.
 * @batches: [out] Batches in flight now.
 * @max_user_regions: [out] Most regions of one user, by real user ID, created
 *	without CAP_IPC_LOCK.
 * @user_regions: [out] Those of the caller now.
 *
 * A batch is in flight from its start until its call has returned; when its
 * caller is killed, until the last CPU has left it. Those that each CPU has
 * memory ready for, one at a time, are not counted: most without peers that are
 * not shared between CPUs.
 */
struct shatomic_ioc_info {
	__u32 size;
	__u32 flags;
	__u32 abi_version;
	__u32 op_count;
	__u64 max_region_bytes;
	__u64 max_pinned_bytes;
	__u64 pinned_bytes;
	__u32 max_regions;
	__u32 regions;
	__u64 max_batch_rows;
	__u64 slice_rows;
	__u16 op_widths[SHATOMIC_OP_SLOTS];
	__u32 max_batches;
	__u32 max_user_batches;
	__u32 max_region_batches;
	__u32 batches;
	__u32 max_user_regions;
	__u32 user_regions;
};

/**
 * enum shatomic_create_flags - Flags of struct shatomic_ioc_create
 * @SHATOMIC_CREATE_HUGE: Every whole 2 MiB of the region, or what else is the
 *	size of the machine's huge pages, must be one huge page; ENOMEM when
 *	there are not enough. Without it they are used as they can be had.
 * @SHATOMIC_CREATE_ASYNC_FREE: The last close returns at once and a kernel
 *	worker frees the memory; else it is freed when close() returns.
 * @SHATOMIC_CREATE_IN_DIRECTORY: The region is a file of the filesystem of
 *	@directory and can be given a name there. Else it can have none.
 */
enum shatomic_create_flags {
	SHATOMIC_CREATE_HUGE		= 1 << 0,
	SHATOMIC_CREATE_ASYNC_FREE	= 1 << 1,
	SHATOMIC_CREATE_IN_DIRECTORY	= 1 << 2,
};

/**
 * struct shatomic_ioc_create - ioctl(SHATOMIC_IOC_CREATE): a new region
 * @size: sizeof(struct shatomic_ioc_create)
 * @flags: enum shatomic_create_flags
 * @region_size: Size of the region in bytes, 1 to max_region_bytes; fixed for
 *	life. Its memory is zero, rounded up to whole pages, and pinned.
 * @fd: [out] The region's descriptor, close-on-exec, open for reading and
 *	writing.
 * @mode: Who may open the region by its name: permission bits as of open(2),
 *	less the umask. At most 0777; 0 without SHATOMIC_CREATE_IN_DIRECTORY,
 *	whose mode is 0600.
 * @limit: [out] On EPERM and ENOMEM, enum shatomic_limit: which limit.
 * @error_field: [out] On EINVAL, EOPNOTSUPP, EBADF, EACCES, EROFS and
 *	EOVERFLOW, enum shatomic_field.
 * @directory: With SHATOMIC_CREATE_IN_DIRECTORY a descriptor of the directory of
 *	a filesystem of type shatomic, by O_PATH too, else EBADF; the caller
 *	must have the right to write to it, else EACCES. Else 0.
 * @reserved: Must be 0.
 *
 * The memory comes from the NUMA nodes that the calling thread's memory policy
 * has (set_mempolicy(2)), all of it before the call returns.
 *
 * It can be mapped shared, to read and to write, never to be executed: mmap(2)
 * answers EPERM, mprotect(2) and execve(2) EACCES.
 */
struct shatomic_ioc_create {
	__u32 size;
	__u32 flags;
	__u64 region_size;
	__s32 fd;
	__u32 mode;
	__u32 limit;
	__u32 error_field;
	__s32 directory;
	__u32 reserved;
};

/**
 * enum shatomic_open_flags - How a descriptor of a region was opened
 * @SHATOMIC_OPEN_READ_ONLY: The descriptor maps read-only, and its batches may
 *	only have rows that do not write to the region.
 */
enum shatomic_open_flags {
	SHATOMIC_OPEN_READ_ONLY		= 1 << 0,
};

/**
 * struct shatomic_ioc_region_info - ioctl(SHATOMIC_IOC_REGION_INFO)
 * @size: sizeof(struct shatomic_ioc_region_info)
 * @flags: Must be 0.
 * @region_size: [out] Size in bytes.
 * @huge_bytes: [out] How many bytes lie in huge pages.
 * @create_flags: [out] enum shatomic_create_flags it was created with.
 * @mode: [out] Permission bits.
 * @uid: [out] Owner, in the caller's user namespace.
 * @gid: [out] Group, in the caller's user namespace.
 * @open_flags: [out] enum shatomic_open_flags of this descriptor.
 * @reserved: Must be 0.
 * @name: [out] Its name now, all zero when it has none.
 */
struct shatomic_ioc_region_info {
	__u32 size;
	__u32 flags;
	__u64 region_size;
	__u64 huge_bytes;
	__u32 create_flags;
	__u32 mode;
	__u32 uid;
	__u32 gid;
	__u32 open_flags;
	__u32 reserved;
	__u8 name[SHATOMIC_NAME_SIZE];
};

/**
 * struct shatomic_ioc_stats - ioctl(SHATOMIC_IOC_STATS): what ran on a region
 * @size: sizeof(struct shatomic_ioc_stats)
 * @flags: Must be 0.
 * @counting: [out] 1 when batches are counted now, 0 when the module parameter
 *	stats is off.
 * @reserved: Must be 0.
 * @batches: [out] Batches that have ended, well or not.
 * @errors: [out] Those of them that failed.
 * @in_flight: [out] Batches that have begun and not ended.
 * @rows: [out] Rows that ran: the sum of @op_rows.
 * @op_rows: [out] The same by operation, be it that of its batch or its own in
 *	a column.
 *
 * Counted is, since the region was created, what the kernel runs as a batch on
 * the region, by ioctl and io_uring and by whatever descriptor: not what is done
 * to its memory through mappings, nor as a peer. A batch begins when its
 * structure has been read and ends when its call returns; of a caller that was
 * killed, rows that other CPUs still run are counted when they have. Each CPU
 * counts by itself, so that figures that are read while batches run are of no
 * one instant; when none runs they are exact. A batch that began while the
 * module parameter was off is not counted, but those of its rows that run after
 * it was turned on are.
 */
struct shatomic_ioc_stats {
	__u32 size;
	__u32 flags;
	__u32 counting;
	__u32 reserved;
	__u64 batches;
	__u64 errors;
	__u64 in_flight;
	__u64 rows;
	__u64 op_rows[SHATOMIC_OP_SLOTS];
};

/**
 * struct shatomic_ioc_export_dmabuf - ioctl(SHATOMIC_IOC_EXPORT_DMABUF): the
 *	region as a DMA buffer
 * @size: sizeof(struct shatomic_ioc_export_dmabuf)
 * @flags: Must be 0.
 * @fd: [out] The DMA buffer's descriptor, close-on-exec.
 * @error_field: [out] On EOPNOTSUPP, enum shatomic_field.
 * @limit: [out] On EPERM and ENOMEM, enum shatomic_limit: which limit.
 * @reserved: Must be 0.
 *
 * Other drivers import it and have their devices read and write the region's
 * memory, rounded up to whole pages. It can be mapped as the region can, and
 * keeps the region as a descriptor does. Each call makes another one, which the
 * limits on how many regions there may be count as a region. EACCES by
 * a descriptor that is not open for both reading and writing, as the buffer is;
 * EOPNOTSUPP with error_field SHATOMIC_FIELD_NONE when the kernel has no DMA
 * buffers.
 *
 * What a device does is atomic as far as the device and its bus make it. Where
 * devices are not coherent with CPUs, or reach memory through bounce buffers,
 * what one side does is seen by the other after DMA_BUF_IOCTL_SYNC only, and
 * words that both change between are lost.
 */
struct shatomic_ioc_export_dmabuf {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 error_field;
	__u32 limit;
	__u32 reserved;
};

/** define SHATOMIC_SNAPSHOT_ROWS - Most rows with SHATOMIC_BATCH_SNAPSHOT. */
#define SHATOMIC_SNAPSHOT_ROWS 128

/** define SHATOMIC_SNAPSHOT_TRIES - How often it is tried before EBUSY. */
#define SHATOMIC_SNAPSHOT_TRIES 32

/**
 * enum shatomic_batch_flags - Flags of struct shatomic_ioc_batch
 * @SHATOMIC_BATCH_UNORDERED: Rows may run in any order, those on one word too.
 * @SHATOMIC_BATCH_SNAPSHOT: The batch is one of gets, of up to
 *	SHATOMIC_SNAPSHOT_ROWS words of up to 8 bytes, with results, and these
 *	are as of one instant; EBUSY, with results undefined, when the words did
 *	not hold still. Not together with SHATOMIC_BATCH_UNORDERED.
 *
 *	Words are loaded again until two loads of all of them agree. Then every
 *	word had its value at any instant between these two, whoever changes
 *	words and by what means, batches and single operations alike, as long
 *	as no word was changed and changed back between its two loads. Words
 *	that never come back to a value, as counters and sequence numbers, are
 *	thus exact. No lock could promise more: nothing can hold up a single
 *	operation on a mapped page, and a lock that held up batches would be
 *	paid for by each of them, and let one that waits for a page fault hold
 *	up its readers.
 * @SHATOMIC_BATCH_COLUMNS_IN_REGION: The columns lie in the region @columns.
 */
enum shatomic_batch_flags {
	SHATOMIC_BATCH_UNORDERED		= 1 << 0,
	SHATOMIC_BATCH_SNAPSHOT			= 1 << 1,
	SHATOMIC_BATCH_COLUMNS_IN_REGION	= 1 << 2,
};

/* Most peer regions of one batch. */
#define SHATOMIC_MAX_PEERS 1024

/**
 * struct shatomic_ioc_batch - ioctl(SHATOMIC_IOC_BATCH): run many operations
 * @size: sizeof(struct shatomic_ioc_batch)
 * @flags: enum shatomic_batch_flags
 * @op: enum shatomic_op for all rows; must be 0 when @ops is given.
 * @width: Width for all rows in bytes, 1 to 8 or 16; must be 0 when @widths is
 *	given. Up to 8, a row's word lies inside one aligned 8-byte word: its
 *	offset modulo 8 plus its width is at most 8. Words of 1, 2, 4 and 8
 *	bytes whose offset is a multiple of their width are fastest: most
 *	operations are one instruction where the machine has it, else are tried
 *	until nobody changes the word meanwhile. Words of 16 bytes, which a
 *	machine has where INFO's op_widths says so, have offsets that are
 *	multiples of 16 in regions that were not opened read-only, as loading
 *	them takes a mapping that can be written to (else EACCES); their
 *	operands, comparands, masks and results are two entries a row, the
 *	lower half first.
 * @parallelism: Most CPUs to use, 0 to choose.
 * @peer_count: Number of entries in @peers, 0 to SHATOMIC_MAX_PEERS.
 * @rows: Number of rows, and so of entries in each column.
 * @ops: Column of __u8, optional: each row's operation.
 * @widths: Column of __u8, optional: each row's width in bytes, 1 to 8.
 * @offsets: Column of __u64: each row's offset in the region, in bytes.
 * @operands: Column of __u64: each row's operand, of which the low width bytes
 *	count (as an integer, in any byte order). Needed when any row's
 *	operation has an operand.
 *	For an operation on a bit it is the bit's number, less than 8 times the
 *	row's width, else EINVAL.
 * @comparands: Column of __u64, in the same form as operands are. Needed when
 *	any row's operation has a comparand.
 * @results: Column of __u64, optional: where each row's result goes, zero
 *	extended. May be the same address as @operands, @comparands, @masks or
 *	@comparand_masks, else must not overlap a column that is read.
 * @statuses: Column of __u8, optional: where each row's enum
 *	shatomic_row_status goes.
 * @peers: Table of __s32: descriptors of peer regions. It may hold that of the
 *	batch's own region.
 * @peer_indexes: Column of __u32: each row's place in @peers. Needed when any
 *	row's operation has a peer and @peer_count is above 1; without it every
 *	row uses the first.
 * @peer_offsets: Column of __u64: each row's offset in its peer region, in
 *	bytes. Needed when any row's operation has a peer.
 * @rows_done: [out] How many rows ran.
 * @error_row: [out] On EINVAL, EOPNOTSUPP, ERANGE and EACCES about a row: its
 *	index. ~0 when the error is about no row.
 * @error_field: [out] enum shatomic_field: which field or column.
 * @limit: [out] On EPERM and ENOMEM, enum shatomic_limit: which limit.
 * @masks: Column of __u64, in the same form as operands: which bits a masked
 *	operation may change. Needed when any row's operation has a mask.
 * @comparand_masks: Column of __u64, in the same form: which bits it compares.
 *	Needed when any row is a masked_compare_and_set_value.
 * @columns: With SHATOMIC_BATCH_COLUMNS_IN_REGION the descriptor of the region
 *	that all columns lie in, open for reading, and for writing when there
 *	are @results or @statuses; it may be that of the batch's own region.
 *	Else 0.
 * @reserved: Must be 0.
 * @columns_base: With SHATOMIC_BATCH_COLUMNS_IN_REGION what stands for the
 *	first byte of that region: a column begins as many bytes into it as its
 *	member exceeds @columns_base. It need not be an address; for who has
 *	mapped the region it is where, and members are addresses as ever. Else
 *	0.
 *
 * The whole batch is checked before its first row runs: when a row is wrong,
 * nothing has changed. Columns must stay as they are until the call returns;
 * the kernel checks again what it reads again, and stops at a row that has
 * become wrong.
 *
 * The kernel copies columns from and to user memory. Those in a region it uses
 * where they are but for what rows are checked by, which it copies before.
 * There a column that is not all inside the region is ERANGE, one whose first
 * entry is not aligned to its size, up to 8, EINVAL, and one that would have to
 * be written to a region open read-only EACCES, each with @error_field and
 * without @error_row. Operands, comparands and masks that change while the
 * batch runs, by one of its rows or by others, are what they were at one time
 * or another, maybe not the same for all that comes of a row; no word changes
 * but those that rows are on.
 *
 * Rows run in row order when the batch has no more than slice_rows rows, when
 * @parallelism is 1, and when a row's operation has a peer. Else up to
 * @parallelism CPUs of the caller's CPU mask share the rows, but no more than
 * the module parameter max_parallelism says, and the caller's alone while the
 * user, by real user ID, shares as many batches as there are CPUs. Those on the
 * same aligned 8-byte word still run in row order, unless the order can't be
 * seen (one operation of those that commute, and neither @results nor
 * @statuses) or SHATOMIC_BATCH_UNORDERED says that it does not matter.
 *
 * EFAULT or EINTR in the middle leave the batch partly done: @rows_done tells
 * how many rows ran, the statuses column which. A row whose result could not
 * be written has run.
 */
struct shatomic_ioc_batch {
	__u32 size;
	__u32 flags;
	__u32 op;
	__u32 width;
	__u32 parallelism;
	__u32 peer_count;
	__u64 rows;
	__u64 ops;
	__u64 widths;
	__u64 offsets;
	__u64 operands;
	__u64 comparands;
	__u64 results;
	__u64 statuses;
	__u64 peers;
	__u64 peer_indexes;
	__u64 peer_offsets;
	__u64 rows_done;
	__u64 error_row;
	__u32 error_field;
	__u32 limit;
	__u64 masks;
	__u64 comparand_masks;
	__s32 columns;
	__u32 reserved;
	__u64 columns_base;
};

/**
 * struct shatomic_uring_batch - IORING_OP_URING_CMD: a batch by io_uring
 * @args: Address of a struct shatomic_ioc_batch.
 * @size: Its size, the same as in its own @size, else EINVAL.
 * @reserved: Must be 0.
 *
 * A command on a region's descriptor whose cmd_op is SHATOMIC_IOC_BATCH; this
 * structure is its payload, in the 16 bytes that an SQE of 64 bytes has for
 * one. Any other cmd_op is ENOTTY. The batch is checked, run and written back
 * as by ioctl; the completion's result is the number of rows that ran, or a
 * negative errno value where the ioctl would have failed. Structure and columns
 * must stay until then.
 *
 * A batch of up to 1024 rows, of 512 with a width of 16, is done when it has
 * been submitted; one of the ring's workers runs what is bigger. Rings of each
 * kind serve, except that most kernels answer EOPNOTSUPP in those with
 * IORING_SETUP_IOPOLL.
 */
struct shatomic_uring_batch {
	__u64 args;
	__u32 size;
	__u32 reserved;
};

#endif /* _UAPI_LINUX_SHATOMIC_H */
