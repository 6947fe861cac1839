/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libshatomic: atomic operations on memory that processes share.
 *
 * Operations, batch flags, row statuses and limits have one name everywhere:
 * they come from the kernel ABI, <linux/shatomic.h>.
 */
#ifndef SHATOMIC_H
#define SHATOMIC_H

#include <linux/shatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * DOC: Errors
 *
 * Functions that return int return 0, or a negative errno value which means
 * what the errno contract in <linux/shatomic.h> says. On failure they change
 * nothing, leave out parameters alone, and keep a sentence for
 * shatomic_error() that names the field, row, limit or path.
 *
 * DOC: Threads and processes
 *
 * Every function may be called by many threads at once, on one region too,
 * except that shatomic_close() must be the last use of its region. After
 * fork() parent and child both have the region and each closes its own.
 */

/**
 * enum shatomic_backend - What a region's memory comes from
 * @SHATOMIC_BACKEND_AUTO: The environment variable SHATOMIC_BACKEND when it is
 *	set ("device" or "memfd"); else the device where /dev/shatomic exists,
 *	and memfd where it does not.
 * @SHATOMIC_BACKEND_DEVICE: The kernel module: pinned memory, batches run in
 *	the kernel.
 * @SHATOMIC_BACKEND_MEMFD: memfd_create(2), or shm_open(3) for named regions:
 *	no module and no privilege; batches run in the calling process.
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
 * an error (-EPERM).
 */
#define SHATOMIC_CREATE_PINNED (1U << 31)

/** struct shatomic_region - A handle to a region; opaque. */
struct shatomic_region;

/**
 * struct shatomic_create_options - What kind of region shatomic_create() makes
 * @backend: What its memory comes from.
 * @flags: enum shatomic_create_flags, SHATOMIC_CREATE_PINNED.
 * @length: Size in bytes, at least 1.
 * @name: A name by which other processes open it, as
 *	SHATOMIC_NAME_SIZE describes, or NULL. The region then stays until
 *	shatomic_unlink().
 * @mode: Permission bits of a named region as of open(2), less the umask; 0
 *	stands for 0600. Must be 0 without a name.
 */
struct shatomic_create_options {
	enum shatomic_backend backend;
	unsigned int flags;
	size_t length;
	const char *name;
	mode_t mode;
};

/**
 * struct shatomic_info - What shatomic_get_info() tells of a region
 * @backend: Never SHATOMIC_BACKEND_AUTO.
 * @size: Size in bytes.
 * @huge_bytes: How many of them lie in huge pages.
 * @pinned: Non-zero when the memory cannot be swapped out.
 * @writable: Zero when it was opened read-only.
 * @mode: Permission bits.
 * @uid: Owner.
 * @gid: Group.
 * @name: Its name, "" when it has none.
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
 * shatomic_create() - Create a region
 * @options: What kind of region.
 * @region: [out] The handle; shatomic_close() ends it.
 *
 * Its memory is zero, mapped shared, for reading and writing.
 *
 * Return: 0; -EINVAL (length 0, a bad name or mode), -EOPNOTSUPP (unknown
 * flag or backend), -EEXIST (the name is taken), -EPERM or -ENOMEM (a limit),
 * -ENOENT (the device backend was asked for and /dev/shatomic is absent),
 * -EACCES (no permission to open it).
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
 * Return: 0; -ENOENT (no such name), -EACCES (its mode forbids it), -EINVAL,
 * -EOPNOTSUPP.
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
 * and /proc is not mounted, where its name is read), -EMFILE, or what mmap(2)
 * answered.
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
 * Return: 0; -ENOENT, -EACCES (neither its owner nor privileged), -EINVAL.
 */
int shatomic_unlink(enum shatomic_backend backend, const char *name);

/**
 * shatomic_list() - The named regions, sorted by name
 * @backend: As with shatomic_open().
 * @entries: [out] An array; free() it. On the memfd backend huge_bytes is 0
 *	whatever it is, since only a mapping can tell.
 * @count: [out] Its length.
 *
 * Return: 0; -ENOMEM.
 */
int shatomic_list(enum shatomic_backend backend,
		  struct shatomic_list_entry **entries, size_t *count);

/**
 * shatomic_buf() - Where a region is mapped
 * @region: The region.
 * @size: [out] Its size in bytes; may be NULL.
 *
 * Return: Address of its first byte, aligned to a page at least.
 */
void *shatomic_buf(const struct shatomic_region *region, size_t *size);

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
 * Return: The descriptor.
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
 * shatomic_error() - What went wrong in the calling thread
 *
 * Return: A sentence on the thread's last failed call of this library, without
 * a newline; "" before the first. It stays until the thread's next failure.
 */
const char *shatomic_error(void);

/**
 * shatomic_op_name() - An operation's name, such as "fetch_and_add"
 * @op: The operation.
 *
 * Return: The name, or NULL when there is no such operation.
 */
const char *shatomic_op_name(unsigned int op);

/**
 * shatomic_op_from_name() - The operation with a name
 * @name: Such as "fetch_and_add".
 *
 * Return: enum shatomic_op, or -EINVAL.
 */
int shatomic_op_from_name(const char *name);

/**
 * shatomic_op_needs() - Which columns an operation reads
 * @op: The operation.
 *
 * Return: A set of enum shatomic_op_needs bits, or -EINVAL.
 */
int shatomic_op_needs(unsigned int op);

/**
 * enum shatomic_op_needs - Columns that an operation reads
 * @SHATOMIC_NEEDS_OPERAND: operands
 * @SHATOMIC_NEEDS_COMPARAND: comparands
 * @SHATOMIC_NEEDS_PEER: peers and peer_offsets
 */
enum shatomic_op_needs {
	SHATOMIC_NEEDS_OPERAND		= 1 << 0,
	SHATOMIC_NEEDS_COMPARAND	= 1 << 1,
	SHATOMIC_NEEDS_PEER		= 1 << 2,
};

/**
 * struct shatomic_batch - Many operations on one region
 * @op: Operation for all rows; must be 0 when @ops is given.
 * @width: Width for all rows in bytes: 1, 2, 4 or 8; must be 0 when @widths is
 *	given.
 * @flags: enum shatomic_batch_flags
 * @parallelism: Most CPUs to use, 0 to choose.
 * @rows: Number of rows.
 * @ops: Each row's operation, or NULL.
 * @widths: Each row's width in bytes, or NULL.
 * @offsets: Each row's offset in bytes, a multiple of its width.
 * @operands: Each row's operand; needed when any row has one.
 * @comparands: Each row's comparand; needed when any row has one.
 * @results: [out] Each row's result, zero extended, or NULL. May be @operands
 *	or @comparands.
 * @statuses: [out] Each row's enum shatomic_row_status, or NULL.
 * @peers: Table of regions that rows take their operand from, all of the same
 *	backend as the batch's region when that is the device.
 * @peer_indexes: Each row's place in @peers, or NULL: the first for all.
 * @peer_offsets: Each row's offset in its peer region in bytes; needed when any
 *	row has a peer.
 * @peer_count: Number of entries in @peers, 0 to SHATOMIC_MAX_PEERS.
 * @rows_done: [out] How many rows ran.
 * @error_row: [out] The row that an error is about, or UINT64_MAX.
 * @error_field: [out] enum shatomic_field: which field or column.
 * @limit: [out] On -EPERM and -ENOMEM, enum shatomic_limit: which limit.
 *
 * Zero what is not used. Checks, row order and partial failure are as struct
 * shatomic_ioc_batch describes, on both backends. The columns must stay as
 * they are until the call returns.
 */
struct shatomic_batch {
	unsigned int op;
	unsigned int width;
	unsigned int flags;
	unsigned int parallelism;
	uint64_t rows;
	const uint8_t *ops;
	const uint8_t *widths;
	const uint64_t *offsets;
	const uint64_t *operands;
	const uint64_t *comparands;
	uint64_t *results;
	uint8_t *statuses;
	struct shatomic_region *const *peers;
	const uint32_t *peer_indexes;
	const uint64_t *peer_offsets;
	uint32_t peer_count;
	unsigned int error_field;
	uint64_t rows_done;
	uint64_t error_row;
	unsigned int limit;
};

/**
 * shatomic_batch_run() - Run a batch on the region's backend
 * @region: The region.
 * @batch: The batch; its [out] fields are set on success and failure.
 *
 * The device backend runs it in the kernel, the memfd backend in the calling
 * process. Each row is sequentially consistent.
 *
 * Return: 0 when all rows ran, or a negative errno value: -EINVAL, -EOPNOTSUPP,
 * -ERANGE or -EACCES with error_row and error_field set and nothing changed;
 * -EBADF with error_field SHATOMIC_FIELD_PEERS when the region is the device's
 * and a peer is not; -EPERM or -ENOMEM with limit set and nothing changed;
 * -EFAULT or -EINTR in the middle, with rows_done rows run.
 */
int shatomic_batch_run(struct shatomic_region *region,
		       struct shatomic_batch *batch);

/**
 * shatomic_batch_run_local() - Run a batch in the calling process
 * @region: The region, of any backend.
 * @batch: The batch; its [out] fields are set on success and failure.
 *
 * The same as shatomic_batch_run() without entering the kernel, which wins
 * for small batches.
 *
 * Return: As shatomic_batch_run().
 */
int shatomic_batch_run_local(struct shatomic_region *region,
			     struct shatomic_batch *batch);

/**
 * DOC: Typed single operations
 *
 * For each type T of u8, u16, u32, u64, i8, i16, i32, i64, on a word in a
 * region (see shatomic_at()):
 *
 *  - shatomic_get_T(word): its value
 *  - shatomic_set_T(word, value)
 *  - shatomic_get_and_set_T(word, value): the old value
 *  - shatomic_compare_and_set_value_T(word, comparand, value): sets it when it equals
 *    comparand; the old value in both cases, so that it was set if and only if
 *    that equals comparand
 *  - shatomic_fetch_and_{add,sub,and,or,xor,nand}_T(word, operand): the old
 *    value
 *  - shatomic_{add,sub,and,or,xor,nand}_and_fetch_T(word, operand): the new
 *    value
 *
 * These are sequentially consistent. Each has a form with the suffix _explicit
 * and one more parameter, order: __ATOMIC_RELAXED, __ATOMIC_ACQUIRE,
 * __ATOMIC_RELEASE, __ATOMIC_ACQ_REL or __ATOMIC_SEQ_CST, with the meaning and
 * the restrictions of the same order in GCC's __atomic builtins, which they
 * compile to. They cannot fail. Arithmetic wraps, for signed types too.
 */
#define SHATOMIC_TYPED_RMW_(name, suffix, type, builtin)                      \
	static inline __attribute__((always_inline)) type                     \
	shatomic_##name##_##suffix##_explicit(type *word, type operand,       \
					      int order)                      \
	{                                                                     \
		return builtin(word, operand, order);                         \
	}                                                                     \
	static inline __attribute__((always_inline)) type                     \
	shatomic_##name##_##suffix(type *word, type operand)                  \
	{                                                                     \
		return builtin(word, operand, __ATOMIC_SEQ_CST);              \
	}

#define SHATOMIC_TYPED_(suffix, type)                                         \
	static inline __attribute__((always_inline)) type                     \
	shatomic_get_##suffix##_explicit(const type *word, int order)         \
	{                                                                     \
		return __atomic_load_n(word, order);                          \
	}                                                                     \
	static inline __attribute__((always_inline)) type                     \
	shatomic_get_##suffix(const type *word)                               \
	{                                                                     \
		return __atomic_load_n(word, __ATOMIC_SEQ_CST);               \
	}                                                                     \
	static inline __attribute__((always_inline)) void                     \
	shatomic_set_##suffix##_explicit(type *word, type value, int order)   \
	{                                                                     \
		__atomic_store_n(word, value, order);                         \
	}                                                                     \
	static inline __attribute__((always_inline)) void                     \
	shatomic_set_##suffix(type *word, type value)                         \
	{                                                                     \
		__atomic_store_n(word, value, __ATOMIC_SEQ_CST);              \
	}                                                                     \
	static inline __attribute__((always_inline)) type                     \
	shatomic_compare_and_set_value_##suffix##_explicit(                         \
		type *word, type comparand, type value, int order)            \
	{                                                                     \
		/* A failed comparison stores nothing: no release then. */    \
		__atomic_compare_exchange_n(                                  \
			word, &comparand, value, 0, order,                    \
			order == __ATOMIC_ACQ_REL   ? __ATOMIC_ACQUIRE :      \
			order == __ATOMIC_RELEASE   ? __ATOMIC_RELAXED :      \
						      order);                 \
		return comparand;                                             \
	}                                                                     \
	static inline __attribute__((always_inline)) type                     \
	shatomic_compare_and_set_value_##suffix(type *word, type comparand,         \
					  type value)                         \
	{                                                                     \
		return shatomic_compare_and_set_value_##suffix##_explicit(          \
			word, comparand, value, __ATOMIC_SEQ_CST);            \
	}                                                                     \
	SHATOMIC_TYPED_RMW_(get_and_set, suffix, type, __atomic_exchange_n)   \
	SHATOMIC_TYPED_RMW_(fetch_and_add, suffix, type, __atomic_fetch_add)  \
	SHATOMIC_TYPED_RMW_(fetch_and_sub, suffix, type, __atomic_fetch_sub)  \
	SHATOMIC_TYPED_RMW_(fetch_and_and, suffix, type, __atomic_fetch_and)  \
	SHATOMIC_TYPED_RMW_(fetch_and_or, suffix, type, __atomic_fetch_or)    \
	SHATOMIC_TYPED_RMW_(fetch_and_xor, suffix, type, __atomic_fetch_xor)  \
	SHATOMIC_TYPED_RMW_(fetch_and_nand, suffix, type,                     \
			    __atomic_fetch_nand)                              \
	SHATOMIC_TYPED_RMW_(add_and_fetch, suffix, type, __atomic_add_fetch)  \
	SHATOMIC_TYPED_RMW_(sub_and_fetch, suffix, type, __atomic_sub_fetch)  \
	SHATOMIC_TYPED_RMW_(and_and_fetch, suffix, type, __atomic_and_fetch)  \
	SHATOMIC_TYPED_RMW_(or_and_fetch, suffix, type, __atomic_or_fetch)    \
	SHATOMIC_TYPED_RMW_(xor_and_fetch, suffix, type, __atomic_xor_fetch)  \
	SHATOMIC_TYPED_RMW_(nand_and_fetch, suffix, type,                     \
			    __atomic_nand_fetch)

SHATOMIC_TYPED_(u8, uint8_t)
SHATOMIC_TYPED_(u16, uint16_t)
SHATOMIC_TYPED_(u32, uint32_t)
SHATOMIC_TYPED_(u64, uint64_t)
SHATOMIC_TYPED_(i8, int8_t)
SHATOMIC_TYPED_(i16, int16_t)
SHATOMIC_TYPED_(i32, int32_t)
SHATOMIC_TYPED_(i64, int64_t)

#undef SHATOMIC_TYPED_
#undef SHATOMIC_TYPED_RMW_

#ifdef __cplusplus
}
#endif

#endif /* SHATOMIC_H */
