/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A region and files: the file that a standalone region stands on, dumping a
 * region to a file, copying bytes in and out.
 */
#ifndef SHATOMIC_FILE_H
#define SHATOMIC_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "region.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * DOC: Copies of many words
 *
 * The functions here copy any number of bytes, while others may go on changing
 * them. The copy is not one of an instant, but each aligned 8-byte word that
 * lies whole in it is loaded or stored by one atomic operation.
 */

/**
 * shatomic_standalone() - Where a standalone region begins
 * @region: The region.
 *
 * A region is standalone when it was created with a standalone_path, and only
 * for the handle (and its copies by fork) that it was created by.
 *
 * Return: Address of its first byte; NULL when it is not standalone.
 */
void *shatomic_standalone(const struct shatomic_region *region);

/**
 * shatomic_f() - The descriptor of the file of a standalone region
 * @region: The region.
 *
 * Its content is that of the last shatomic_file_sync(). It stays the handle's:
 * do not close it.
 *
 * Return: The descriptor; -EINVAL when the region is not standalone.
 */
int shatomic_f(const struct shatomic_region *region);

/**
 * enum shatomic_sync_flags - Flags of shatomic_file_sync()
 * @SHATOMIC_SYNC_ASYNC: Start the writing and do not wait for it; an error of
 *	the disk is then told by a later shatomic_file_sync().
 */
enum shatomic_sync_flags {
	SHATOMIC_SYNC_ASYNC	= 1 << 0,
};

/**
 * shatomic_file_sync() - Write a standalone region to its file
 * @region: The region.
 * @flags: enum shatomic_sync_flags
 * @start: Offset of the first byte.
 * @length: Number of bytes; 0 for all from @start on.
 *
 * The file is given the size of the region, and the bytes their place in it.
 * Without SHATOMIC_SYNC_ASYNC they are on disk on return (fdatasync(2), and for
 * a new file its directory). A crash of the machine in the middle may leave
 * some of the bytes old and some new: where that matters use
 * shatomic_memdump().
 *
 * Return: 0; -EINVAL (the region is not standalone), -EOPNOTSUPP (unknown
 * flag), -ERANGE (outside the region), -ENOSPC, -EIO and others of write(2)
 * and fdatasync(2), after which the file's content is not certain.
 */
int shatomic_file_sync(struct shatomic_region *region, unsigned int flags,
		       uint64_t start, uint64_t length);

/**
 * shatomic_memdump() - Write bytes of a region to a file of their own
 * @region: The region.
 * @path: The file; replaced, with its mode kept, when there is one. A symbolic
 *	link is followed.
 * @start: Offset of the first byte.
 * @length: Number of bytes; 0 for all from @start on.
 *
 * The file appears whole and on disk, or not at all: the bytes go to a new file
 * beside it, which is synced and then renamed, and the directory is synced.
 * Who kills the caller in the middle may leave that file, whose name is
 * @path with a suffix of six characters, but never a mixture at @path.
 *
 * Return: How many bytes were written; -ERANGE (outside the region), -EINVAL (a
 * NULL; @path is not a regular file), -EISDIR (it is a directory), -ENOSPC and
 * others of open(2), write(2), fsync(2) and rename(2).
 */
ssize_t shatomic_memdump(const struct shatomic_region *region,
			 const char *path, uint64_t start, uint64_t length);

/**
 * enum shatomic_memmove_direction - Which way shatomic_memmove() copies
 * @SHATOMIC_MEMMOVE_OUT: From the region to the buffer.
 * @SHATOMIC_MEMMOVE_IN: From the buffer to the region.
 */
enum shatomic_memmove_direction {
	SHATOMIC_MEMMOVE_OUT	= 0,
	SHATOMIC_MEMMOVE_IN	= 1,
};

/**
 * shatomic_memmove() - Copy bytes between a region and a buffer
 * @region: The region.
 * @buffer: Private memory of the caller, of @length bytes.
 * @offset: Offset of the first byte in the region.
 * @length: Number of bytes; 0 copies none.
 * @direction: Which way.
 *
 * Return: 0; -ERANGE (outside the region), -EACCES (into one that is open
 * read-only), -EINVAL.
 */
int shatomic_memmove(struct shatomic_region *region, void *buffer,
		     uint64_t offset, size_t length,
		     enum shatomic_memmove_direction direction);

#ifdef __cplusplus
}
#endif

#endif /* SHATOMIC_FILE_H */
