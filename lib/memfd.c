// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The memfd backend: regions without the module and without privilege.
 * Unnamed ones are sealed memfds; named ones are files, see shm.c.
 */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Newer than some C libraries. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* With these nobody can shrink a region under the feet of those who map it. */
#define SIZE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)
#define WRITE_SEALS (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

/* A piece of a fallocate(2) which a signal makes it start again. */
#define ALLOCATE_STEP ((__u64)64 << 20)

static int create_memfd(int *fd)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;

	/* Some systems demand this flag, kernels before 6.3 do not know it. */
	*fd = memfd_create("shatomic", flags | MFD_NOEXEC_SEAL);
	if (*fd < 0 && errno == EINVAL)
		*fd = memfd_create("shatomic", flags);
	if (*fd < 0) {
		int err = errno;

		return shatomic_fail(err, "memfd_create: %s", strerror(err));
	}
	return 0;
}

/*
 * The kernel answers a memfd that is larger than memory by killing processes,
 * not by an error, so ask it first how much there is.
 */
static int check_available(const char *what, __u64 size)
{
	unsigned long long kib, available = 0;
	bool known = false;
	char line[128];
	FILE *meminfo;

	meminfo = fopen("/proc/meminfo", "re");
	if (!meminfo)
		return 0;
	while (fgets(line, sizeof(line), meminfo)) {
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) {
			available += kib << 10;
			known = true;
		} else if (sscanf(line, "SwapFree: %llu kB", &kib) == 1) {
			available += kib << 10;
		}
	}
	fclose(meminfo);
	if (known && size > available)
		return shatomic_fail(ENOMEM,
				     "%s %llu exceeds the memory available (%llu bytes)",
				     what, size, available);
	return 0;
}

static int set_size(int fd, __u64 size)
{
	int err;

	if (!ftruncate(fd, size))
		return 0;
	err = errno;
	return shatomic_fail(err == EFBIG || err == EINVAL ? ENOMEM : err,
			     "size %llu: %s", size, strerror(err));
}

/*
 * Every page is had now, so that touching one later cannot fail, which would
 * be SIGBUS.
 */
static int allocate(int fd, __u64 size)
{
	__u64 done = 0, step;
	int err;

	while (done < size) {
		step = size - done < ALLOCATE_STEP ? size - done :
						     ALLOCATE_STEP;
		if (!fallocate(fd, 0, done, step)) {
			done += step;
			continue;
		}
		err = errno;
		if (err == EINTR)
			continue;
		return shatomic_fail(err == ENOSPC ? ENOMEM : err,
				     "allocating %llu bytes: %s", size,
				     strerror(err));
	}
	return 0;
}

/*
 * Huge pages as they can be had; whether they were is seen afterwards. The
 * kernel collapses what has at least one page. One it is, which has to be
 * copied; the rest of the huge page is filled with zeros.
 */
static void collapse(const struct shatomic_region *region)
{
	size_t whole = region->memory.size & ~(SHATOMIC_HUGE_PAGE_SIZE - 1);
	size_t at;

	if (!whole)
		return;
	for (at = 0; at < whole; at += SHATOMIC_HUGE_PAGE_SIZE) {
		/* allocate() meets the same error, and tells it. */
		if (fallocate(region->fd, 0, at, 1))
			return;
	}
	madvise(region->memory.base, region->memory.size, MADV_HUGEPAGE);
	madvise(region->memory.base, whole, MADV_COLLAPSE);
}

static int check_huge(const struct shatomic_memory *memory)
{
	size_t whole = memory->size & ~(SHATOMIC_HUGE_PAGE_SIZE - 1);
	size_t huge = shatomic_mapped_huge_bytes(memory);

	if (huge >= whole)
		return 0;
	return shatomic_fail(ENOMEM,
			     "only %zu of %zu bytes could be had in huge pages (see /sys/kernel/mm/transparent_hugepage/shmem_enabled)",
			     huge, whole);
}

/*
 * Lock the mapping where that is allowed, and bring it in anyway. Returns a
 * positive errno value when it is not locked.
 */
static int pin(struct shatomic_region *region)
{
	int err;

	/* Not mlock(), which sanitizers replace by one without effect. */
	if (!mlock2(region->memory.base, region->memory.size, 0)) {
		region->pinned_by = getpid();
		return 0;
	}
	err = errno;
	madvise(region->memory.base, region->memory.size, MADV_POPULATE_READ);
	return err;
}

static int fail_pinned(int err, __u64 size)
{
	char limit[SHATOMIC_LIMIT_TEXT_SIZE];

	if (err == EAGAIN)
		return shatomic_fail(ENOMEM, "pinning %llu bytes: %s", size,
				     strerror(err));
	shatomic_limit_text(SHATOMIC_LIMIT_MEMLOCK, limit);
	return shatomic_fail(EPERM,
			     "%s does not let this process pin %llu bytes more",
			     limit, size);
}

/* Make the empty file @region->fd the memory of a new region. */
static int fill(struct shatomic_region *region, unsigned int flags)
{
	int err;

	err = set_size(region->fd, region->memory.size);
	if (err)
		return err;
	err = shatomic_map_region(region);
	if (err)
		return err;
	/* First, while there are few small pages to be copied. */
	collapse(region);
	err = allocate(region->fd, region->memory.size);
	if (err)
		return err;
	err = pin(region);
	if (err && flags & SHATOMIC_CREATE_PINNED)
		return fail_pinned(err, region->memory.size);
	if (flags & SHATOMIC_CREATE_HUGE)
		return check_huge(&region->memory);
	return 0;
}

static int create_named(const struct shatomic_create_options *options,
			struct shatomic_region *region)
{
	char hidden[SHATOMIC_SHM_NAME_SIZE];
	int err;

	err = shatomic_shm_create(options->name, options->mode, hidden,
				  &region->fd);
	if (err)
		return err;
	strcpy(region->name, options->name);
	strcpy(region->hidden, hidden);
	return fill(region, options->flags);
}

static int publish(struct shatomic_region *region)
{
	return shatomic_shm_publish(region->hidden, region->name);
}

static void discard(struct shatomic_region *region)
{
	if (region->published)
		shatomic_shm_withdraw(region->name);
	else if (region->hidden[0])
		shatomic_shm_discard(region->hidden);
}

static int create_unnamed(const struct shatomic_create_options *options,
			  struct shatomic_region *region)
{
	int err;

	err = create_memfd(&region->fd);
	if (err)
		return err;
	/* Else anybody who is passed it read-only could open it to write. */
	if (fchmod(region->fd, 0600)) {
		err = errno;
		return shatomic_fail(err, "fchmod: %s", strerror(err));
	}
	err = fill(region, options->flags);
	if (err)
		return err;
	if (fcntl(region->fd, F_ADD_SEALS, SIZE_SEALS | F_SEAL_SEAL)) {
		err = errno;
		return shatomic_fail(err, "sealing: %s", strerror(err));
	}
	return 0;
}

static int create(const struct shatomic_create_options *options,
		  struct shatomic_region *region)
{
	int err;

	err = check_available("size", options->size);
	if (err)
		return err;
	region->memory.size = options->size;
	region->memory.writable = true;
	/*
	 * It is the last close that frees memory, in the kernel; the creator's
	 * is made asynchronous. A memfd has nowhere to keep the flag for
	 * others.
	 */
	region->async_free = options->flags & SHATOMIC_CREATE_ASYNC_FREE;
	region->close_by_thread = region->async_free;
	if (options->name)
		return create_named(options, region);
	return create_unnamed(options, region);
}

/* Map what @region->fd has become, of whoever made it. */
static int attach(struct shatomic_region *region)
{
	__u64 allocated;
	struct stat stat;
	int err;

	if (fstat(region->fd, &stat)) {
		err = errno;
		return shatomic_fail(err, "fstat: %s", strerror(err));
	}
	region->memory.size = stat.st_size;
	/* Others make sparse ones, of which all is brought in. */
	allocated = stat.st_blocks * 512ULL;
	if (allocated < region->memory.size) {
		err = check_available("what the region lacks,",
				      region->memory.size - allocated);
		if (err)
			return err;
	}
	err = shatomic_map_region(region);
	if (err)
		return err;
	pin(region);
	return 0;
}

static int open_named(const char *name, unsigned int flags,
		      struct shatomic_region *region)
{
	int err;

	region->memory.writable = !(flags & SHATOMIC_OPEN_READ_ONLY);
	err = shatomic_shm_open(name, region->memory.writable, &region->fd);
	if (err)
		return err;
	strcpy(region->name, name);
	return attach(region);
}

/*
 * A region is a memfd whose size is sealed, of this library or not, or the
 * file of a named region, still named or not.
 */
static int import(struct shatomic_region *region)
{
	int access = fcntl(region->fd, F_GETFL) & O_ACCMODE;
	int seals = fcntl(region->fd, F_GET_SEALS);
	struct stat stat;

	/* Only what is on shmem or hugetlbfs has seals at all. */
	if (seals < 0 || access == O_WRONLY || fstat(region->fd, &stat) ||
	    !stat.st_size)
		return shatomic_fail(EBADF, "the descriptor is not one of readable shared memory");
	if (shatomic_shm_name_of(region->fd, region->name) &&
	    (seals & SIZE_SEALS) != SIZE_SEALS)
		return shatomic_fail(EBADF,
				     "the descriptor is neither a memfd of sealed size nor the file of a named region");
	region->memory.writable = access == O_RDWR && !(seals & WRITE_SEALS);
	return attach(region);
}

static int get_info(const struct shatomic_region *region,
		    struct shatomic_info *info)
{
	struct stat stat;

	if (fstat(region->fd, &stat)) {
		int err = errno;

		return shatomic_fail(err, "fstat: %s", strerror(err));
	}
	info->huge_bytes = shatomic_mapped_huge_bytes(&region->memory);
	info->pinned = region->pinned_by == getpid();
	/* The mode of a memfd lets nobody in: there is no name to open. */
	info->mode = region->name[0] ? stat.st_mode & 0777 : 0;
	if (!stat.st_nlink)
		info->name[0] = '\0';
	info->uid = stat.st_uid;
	info->gid = stat.st_gid;
	return 0;
}

static int get_stats(const struct shatomic_region *region,
		     struct shatomic_stats *stats)
{
	(void)region;
	(void)stats;
	return shatomic_fail(EOPNOTSUPP,
			     "the memfd backend has no statistics: they are the kernel's, of the device backend");
}

const struct shatomic_backend_ops shatomic_memfd_ops = {
	.backend = SHATOMIC_BACKEND_MEMFD,
	.create = create,
	.publish = publish,
	.discard = discard,
	.open = open_named,
	.import = import,
	.unlink = shatomic_shm_unlink,
	.list = shatomic_shm_list,
	.get_info = get_info,
	.get_stats = get_stats,
	.run_batch = shatomic_run_mapped,
};
