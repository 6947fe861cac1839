/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the library share and its users do not see: the region
 * behind the handle, the table of functions that makes a backend, helpers.
 */
#ifndef SHATOMIC_BACKEND_H
#define SHATOMIC_BACKEND_H

/*
 * The library is compiled with -fvisibility=hidden: what is declared in the
 * public header can be exported, and nothing else.
 */
#pragma GCC visibility push(default)
#include "../include/shatomic.h"
#pragma GCC visibility pop

#include "engine/engine.h"

#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#define SHATOMIC_HUGE_PAGE_SIZE ((size_t)2 << 20)

/* Room for the name of a file of shm.c. */
#define SHATOMIC_SHM_NAME_SIZE (SHATOMIC_NAME_SIZE + 16)

/**
 * struct shatomic_file - The file that a standalone region stands on
 * @fd: The file, or -1.
 * @made: Whether it was made with the region.
 * @directory: Its directory when it was, else -1.
 * @named_on_disk: Whether that has been synced since.
 */
struct shatomic_file {
	int fd;
	bool made;
	int directory;
	bool named_on_disk;
};

/**
 * struct shatomic_region - What a handle leads to
 * @ops: Its backend.
 * @memory: Where it is mapped; @memory.base is NULL until it is.
 * @fd: Its descriptor, or -1.
 * @pinned_by: Backend memfd: the process that has its mapping locked, 0 for
 *	none; one that inherits the handle by fork(2) inherits no lock.
 * @async_free: Whether it is known to be made with SHATOMIC_CREATE_ASYNC_FREE.
 * @close_by_thread: Whether shatomic_close() leaves unmapping to a thread.
 * @file: The file that it stands on.
 * @name: Its name, "" when it has none.
 * @published: Whether this handle has let it be found by its name.
 * @hidden: Backend memfd: its file's name in shm.c until it is published, else
 *	"".
 */
struct shatomic_region {
	const struct shatomic_backend_ops *ops;
	struct shatomic_memory memory;
	int fd;
	pid_t pinned_by;
	bool async_free;
	bool close_by_thread;
	struct shatomic_file file;
	char name[SHATOMIC_NAME_SIZE];
	bool published;
	char hidden[SHATOMIC_SHM_NAME_SIZE];
};

/**
 * struct shatomic_backend_ops - A backend
 * @backend: Which one.
 * @create: Make a region of zeros and map it. Nobody else sees its name yet.
 * @publish: Let it be found by its name, which it has; -EEXIST when that is
 *	taken.
 * @discard: Take back its name, published or not, when creating it has failed.
 *	It keeps no sentence.
 * @open: Map the region with a name.
 * @import: Map the region that @region->fd is; -EBADF when it is none of this
 *	backend, for which the device keeps no sentence, as memfd is asked next.
 * @unlink: Remove a name.
 * @list: Tell all names.
 * @get_info: Fill in what each backend knows in its way: huge_bytes, pinned,
 *	mode, owner, and the name where that may have changed.
 * @get_stats: Fill in what has run on the region.
 * @run_batch: Run a batch; its [out] fields have been reset and its peers
 *	checked.
 *
 * Those that return int return 0, or a negative errno value after
 * shatomic_fail(). @create, @open and @import get a blank region and on failure
 * leave it for region.c to release, however far they came. Arguments have been
 * checked.
 */
struct shatomic_backend_ops {
	enum shatomic_backend backend;
	int (*create)(const struct shatomic_create_options *options,
		      struct shatomic_region *region);
	int (*publish)(struct shatomic_region *region);
	void (*discard)(struct shatomic_region *region);
	int (*open)(const char *name, unsigned int flags,
		    struct shatomic_region *region);
	int (*import)(struct shatomic_region *region);
	int (*unlink)(const char *name);
	int (*list)(struct shatomic_listed **entries, size_t *count);
	int (*get_info)(const struct shatomic_region *region,
			struct shatomic_info *info);
	int (*get_stats)(const struct shatomic_region *region,
			 struct shatomic_stats *stats);
	int (*run_batch)(const struct shatomic_region *region,
			 struct shatomic_batch *batch);
};

extern const struct shatomic_backend_ops shatomic_device_ops;
extern const struct shatomic_backend_ops shatomic_memfd_ops;

/* device.c */

/* A descriptor of the device, or a negative errno value after shatomic_fail(). */
int shatomic_device_open(void);

/*
 * 0, or a negative errno value: -ENOENT when there is no device, for which it
 * keeps no sentence.
 */
int shatomic_device_probe(void);

/* Whether the peers of a batch for @region of the device are too: 0 or -EBADF. */
int shatomic_device_check_peers(const struct shatomic_region *region,
				struct shatomic_batch *batch);

/*
 * What the kernel wants in place of a batch whose peers have been checked: @arg,
 * with their descriptors in @fds, which has room for them.
 */
void shatomic_device_begin(const struct shatomic_batch *batch, __s32 *fds,
			   struct shatomic_ioc_batch *arg);

/* Set the [out] fields of @batch to what the kernel wrote to @arg. */
void shatomic_device_end(struct shatomic_batch *batch,
			 const struct shatomic_ioc_batch *arg);

/* Make @region of the device a DMA buffer, open for writing as it is. */
int shatomic_device_export_dmabuf(const struct shatomic_region *region,
				  int *fd);

/* error.c */

/* Room for a sentence; a longer one lacks its middle. */
#define SHATOMIC_SENTENCE_SIZE 512

/**
 * shatomic_fail() - Keep a sentence for shatomic_error()
 * @err: A positive errno value.
 * @format: The sentence, as for printf(3).
 *
 * Return: -@err.
 */
int shatomic_fail(int err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* directory.c */

/* Where it is, or is to be. */
const char *shatomic_directory_path(void);

/*
 * A descriptor of it to create a region by that will be called @name; -EEXIST
 * when that is taken.
 */
int shatomic_directory_open(const char *name);

/* Keep a sentence for a region that could not be created there; returns -@err. */
int shatomic_directory_fail_create(int err);

/* Give @region, which was created there, its name. */
int shatomic_directory_publish(int region, const char *name);

/* Take a name back. It keeps no sentence. */
void shatomic_directory_withdraw(const char *name);

int shatomic_directory_open_region(const char *name, bool writable, int *fd);
int shatomic_directory_unlink(const char *name);
int shatomic_directory_list(struct shatomic_listed **entries, size_t *count);

/* list.c */

/* Make an entry of a file in a directory; false when it is no region. */
typedef bool shatomic_list_fill(int directory, const char *file,
				struct shatomic_listed *entry);

/* All entries of the directory @fd, sorted by name. It closes @fd. */
int shatomic_list_directory(int fd, shatomic_list_fill *fill,
			    struct shatomic_listed **entries, size_t *count);

/* name.c */

/* Whether @name is one that a region may have. */
bool shatomic_name_is_valid(const char *name);

/* map.c */

/* Map @region->fd, of @region->memory.size bytes, into @region->memory. */
int shatomic_map_region(struct shatomic_region *region);

/* How many bytes of the mapping of @memory lie in huge pages. */
size_t shatomic_mapped_huge_bytes(const struct shatomic_memory *memory);

/* content.c */

/**
 * struct shatomic_content - What a new region begins with
 * @fd: The file previous_path, or -1.
 * @stat: What it is.
 * @bytes: The bytes without a file.
 * @size: How many bytes.
 */
struct shatomic_content {
	int fd;
	struct stat stat;
	const unsigned char *bytes;
	__u64 size;
};

/*
 * Check what options say of the first content, and open it. On success
 * shatomic_content_close() ends it.
 */
int shatomic_content_open(const struct shatomic_create_options *options,
			  struct shatomic_content *content);
void shatomic_content_close(struct shatomic_content *content);

/*
 * Write it to a region of zeros that nobody else sees. @options->size is
 * still 0 when the content gave the region its size.
 */
int shatomic_content_fill(const struct shatomic_create_options *options,
			  const struct shatomic_content *content,
			  const struct shatomic_memory *memory);

/*
 * Whether the path of a source file still leads to what was read: 0, -EBUSY, or
 * what stat(2) answers.
 */
int shatomic_content_check_unchanged(const struct shatomic_create_options *options,
				     const struct shatomic_content *content);

/* copy.c */

/* Copy bytes out, the range of which has been checked. */
void shatomic_copy_out(const struct shatomic_memory *memory, __u64 offset,
		       unsigned char *buffer, __u64 length);

/* file.c; in a sentence @field says what @path is. */

/*
 * Open a regular file with the flags of open(2), and tell what it is. Returns
 * a descriptor, or -EISDIR, -EINVAL or what open(2) answered.
 */
int shatomic_open_regular(const char *field, const char *path, int flags,
			  struct stat *stat);

/* Whether that is what a path leads to: 0, -EISDIR or -EINVAL. */
int shatomic_check_regular(const char *field, const char *path,
			   const struct stat *stat);

/* Open the directory that @path is in; returns a descriptor. */
int shatomic_open_directory(const char *field, const char *path);

/* A file's name lasts only once its directory is on disk: bring it there. */
int shatomic_sync_directory(int directory, const char *path);

/*
 * Write bytes of a region to their place in a file whose first byte is that at
 * @origin.
 */
int shatomic_write_bytes(const struct shatomic_memory *memory, int fd,
			 const char *path, __u64 start, __u64 length,
			 __u64 origin);

/* Check a range of which @length 0 means all from @start on, and resolve it. */
int shatomic_resolve_range(const struct shatomic_region *region, __u64 start,
			   __u64 *length);

/* standalone.c */

/*
 * Open or make the file standalone_path. On failure too,
 * shatomic_file_remove() and shatomic_file_close() take the rest.
 */
int shatomic_file_attach(const struct shatomic_create_options *options,
			 const struct shatomic_content *content,
			 struct shatomic_file *file);

/* Remove the file again if it was made. */
void shatomic_file_remove(const struct shatomic_create_options *options,
			  const struct shatomic_file *file);
void shatomic_file_close(struct shatomic_file *file);

/* limit.c */

/* Room for what shatomic_limit_text() says. */
#define SHATOMIC_LIMIT_TEXT_SIZE 96

/* Which limit @limit is, and where that is known its value. */
void shatomic_limit_text(unsigned int limit,
			 char text[SHATOMIC_LIMIT_TEXT_SIZE]);

/* shm.c: the files of named regions of the memfd backend. */

/* A new empty file under a name that no region can have, which it tells. */
int shatomic_shm_create(const char *name, mode_t mode,
			char hidden[SHATOMIC_SHM_NAME_SIZE], int *fd);

/* Give that file the name of its region; -EEXIST when it is taken. */
int shatomic_shm_publish(const char *hidden, const char *name);

/* Remove a file that is not to be published. */
void shatomic_shm_discard(const char *hidden);

/* Remove one that has been, keeping no sentence. */
void shatomic_shm_withdraw(const char *name);

int shatomic_shm_open(const char *name, bool writable, int *fd);
int shatomic_shm_unlink(const char *name);
int shatomic_shm_list(struct shatomic_listed **entries, size_t *count);

/* The name of the region whose file @fd is; -EBADF when it is none. */
int shatomic_shm_name_of(int fd, char name[SHATOMIC_NAME_SIZE]);

/* batch.c */

/*
 * Get a batch ready for whoever runs it: its [out] fields reset, and what a
 * backend relies on checked.
 */
int shatomic_prepare_batch(const struct shatomic_region *region,
			   struct shatomic_batch *batch);

/* Run a batch on the region's mapping; as run_batch above. */
int shatomic_run_mapped(const struct shatomic_region *region,
			struct shatomic_batch *batch);

/* peers.c */

/* Peers whose table callers have room for on their stack. */
#define SHATOMIC_FEW_PEERS 32

/*
 * Room for an entry of @size bytes for each peer of @batch: @few when that has
 * SHATOMIC_FEW_PEERS of them and is enough, else memory to be freed. NULL after
 * -ENOMEM, with a sentence.
 */
void *shatomic_peer_table(const struct shatomic_region *region,
			  struct shatomic_batch *batch, void *few,
			  size_t size);

/* single.c */

/*
 * Whether there is such a word, of 1 to 8 bytes; 0, or -EINVAL or -ERANGE after
 * shatomic_fail().
 */
int shatomic_check_single(const struct shatomic_region *region, uint64_t offset,
			  unsigned int width);

/*
 * Run one operation without a peer on the mapping of @region. Values are
 * integers. @result, and @held, which tells whether a condition held, may be
 * NULL. 0 or a negative errno value after shatomic_fail().
 */
int shatomic_run_single(const struct shatomic_region *region, unsigned int op,
			uint64_t offset, unsigned int width, uint64_t operand,
			uint64_t comparand, uint64_t *result, bool *held);

/* byte_batch.c */

/*
 * Set the [out] fields of a batch to what they are before it is run; -EINVAL
 * when it or its region is NULL.
 */
int shatomic_byte_batch_begin(const struct shatomic_region *region,
			      struct shatomic_byte_batch *batch);

/* object.c */

/* Whether there is such an object; as shatomic_object_init() otherwise. */
int shatomic_object_check(const struct shatomic_object *object);

/* batch_error.c */

/*
 * Keep a sentence on why @batch failed: from @err, a positive errno value, and
 * from its [out] fields. Returns -@err.
 */
int shatomic_fail_batch(int err, const struct shatomic_region *region,
			const struct shatomic_batch *batch);

/* The same for a single operation, whose one row is not spoken of. */
int shatomic_fail_single(int err, const struct shatomic_region *region,
			 const struct shatomic_batch *batch);

/* numa.c */

/* Nodes that a memory policy can name, more than any kernel has. */
#define SHATOMIC_NUMA_MOST_NODES 4096

/* A thread's memory policy. */
struct shatomic_numa_policy {
	int mode;
	unsigned long nodes[SHATOMIC_NUMA_MOST_NODES / (8 * sizeof(long))];
};

/* 0, or -EINVAL or -EOPNOTSUPP after shatomic_fail(). */
int shatomic_numa_check(const struct shatomic_create_options *options);

/*
 * Have memory come from the nodes of @options, for this thread, until
 * shatomic_numa_leave() brings back what was @before.
 */
int shatomic_numa_enter(const struct shatomic_create_options *options,
			struct shatomic_numa_policy *before);
void shatomic_numa_leave(const struct shatomic_create_options *options,
			 const struct shatomic_numa_policy *before);

/* combine.c */

/* Whether rows can be combined, which the next tries. */
bool shatomic_can_combine(const struct shatomic_rows *rows, bool has_fields);

/*
 * Run rows that have been checked in an order that suits them, those on hot
 * words together. Returns false, and runs none, when no words are hot.
 */
bool shatomic_combine_rows(const struct shatomic_memory *memory,
			   const struct shatomic_rows *rows);

/* parallel.c */

/*
 * Run rows that have been checked, which told @has_fields, on up to
 * @parallelism CPUs (0: all).
 */
void shatomic_run_parallel(const struct shatomic_memory *memory,
			   const struct shatomic_rows *rows, __u32 flags,
			   bool has_fields, unsigned int parallelism);

/* wait.c */

/* Whether @timeout, which may be NULL, is one: 0 or -EINVAL. */
int shatomic_check_timeout(const struct timespec *timeout);

/* thread.c */

/*
 * Start a thread that takes no signals; a positive errno value on failure.
 * Nobody can join it when @thread is NULL.
 */
int shatomic_thread_start(pthread_t *thread, void *(*run)(void *), void *arg);

#endif /* SHATOMIC_BACKEND_H */
