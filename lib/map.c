// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Mapping a region, and telling how much of it is mapped by huge pages.
 */
#include "backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uintptr_t round_up(uintptr_t value, uintptr_t to)
{
	return (value + to - 1) & ~(to - 1);
}

/*
 * Map at a multiple of the huge page size, without which huge pages in the
 * file are mapped as small ones. The kernel chooses such addresses by itself
 * only where its settings allow huge pages at all.
 */
static void *map_aligned(size_t size, int protection, int fd)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t used = round_up(size, page);
	size_t reserved = used + SHATOMIC_HUGE_PAGE_SIZE;
	size_t head;
	char *start, *base;

	start = mmap(NULL, reserved, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (start == MAP_FAILED)
		return MAP_FAILED;
	head = round_up((uintptr_t)start, SHATOMIC_HUGE_PAGE_SIZE) -
	       (uintptr_t)start;
	base = mmap(start + head, size, protection, MAP_SHARED | MAP_FIXED, fd,
		    0);
	if (base == MAP_FAILED) {
		int err = errno;

		munmap(start, reserved);
		errno = err;
		return MAP_FAILED;
	}
	if (head)
		munmap(start, head);
	if (reserved > head + used)
		munmap(base + used, reserved - head - used);
	return base;
}

/* 0 where that is not known. */
static __u64 l2_cache_size(void)
{
	long size = sysconf(_SC_LEVEL2_CACHE_SIZE);

	return size > 0 ? size : 0;
}

int shatomic_map_region(struct shatomic_region *region)
{
	int protection = PROT_READ | (region->memory.writable ? PROT_WRITE : 0);
	__u64 size = region->memory.size;
	void *base;

	/* Leaves room for aligning. */
	if (size > PTRDIFF_MAX - 2 * SHATOMIC_HUGE_PAGE_SIZE)
		return shatomic_fail(ENOMEM,
				     "%llu bytes exceed the address space",
				     size);
	if (size >= SHATOMIC_HUGE_PAGE_SIZE)
		base = map_aligned(size, protection, region->fd);
	else
		base = mmap(NULL, size, protection, MAP_SHARED, region->fd, 0);
	if (base == MAP_FAILED) {
		int err = errno;

		return shatomic_fail(err, "mapping %llu bytes: %s", size,
				     strerror(err));
	}
	region->memory.base = base;
	region->memory.prefetch =
		shatomic_prefetch_pays(size, l2_cache_size());
	return 0;
}

size_t shatomic_mapped_huge_bytes(const struct shatomic_memory *memory)
{
	uintptr_t first = (uintptr_t)memory->base;
	uintptr_t last = first + memory->size - 1;
	unsigned long start, end;
	size_t bytes = 0, kib, room = 0;
	bool inside = false;
	char *line = NULL;
	FILE *smaps;

	/* Small ones need no look, which costs a walk of the address space. */
	if (memory->size < SHATOMIC_HUGE_PAGE_SIZE)
		return 0;
	smaps = fopen("/proc/self/smaps", "re");
	if (!smaps)
		return 0;
	while (getline(&line, &room, smaps) > 0) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start >= first && start <= last;
		else if (inside &&
			 sscanf(line, "ShmemPmdMapped: %zu kB", &kib) == 1)
			bytes += kib << 10;
	}
	free(line);
	fclose(smaps);
	return bytes < memory->size ? bytes : memory->size;
}
