// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that map regions, and what is done to mappings.
 */
#include "calls.h"

#include <sys/mman.h>

static size_t map_length(const struct world *world, uint8_t which, uint8_t fd)
{
	static const size_t lengths[] = { 0, 4096, 8192, 1, 65536, 2 * MIB,
					  4 * MIB, 12288 };
	size_t size;

	if (which % 16 < COUNT_OF(lengths) && which % 16)
		return lengths[which % 16];
	size = world_size(world, fd);
	if (size > WINDOW_BYTES)
		size = WINDOW_BYTES;
	if (which % 16 == 8)
		return 0;
	return which % 16 == 9 ? size + 4096 : size;
}

/* Remember a mapping that is in no window. */
static void keep_loose(struct world *world, void *memory, size_t length)
{
	unsigned int which;

	if (memory == MAP_FAILED)
		return;
	which = __atomic_fetch_add(&world->loose_count, 1, __ATOMIC_RELAXED);
	if (which >= MAX_LOOSE) {
		munmap(memory, length);
		return;
	}
	world->loose[which].memory = memory;
	world->loose[which].bytes = length;
}

void run_map(struct actor *actor, const uint8_t *bytes)
{
	static const int protections[] = {
		PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE, PROT_WRITE,
		PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC,
	};
	static const int kinds[] = {
		MAP_SHARED, MAP_PRIVATE, MAP_SHARED | MAP_POPULATE,
		MAP_SHARED_VALIDATE, MAP_SHARED | MAP_LOCKED,
		MAP_SHARED | MAP_NORESERVE, MAP_SHARED_VALIDATE | MAP_SYNC,
		MAP_SHARED | MAP_HUGETLB,
	};
	static const off_t pages[] = { 0, 1, 2, 16, 512, 1L << 31, 1L << 50,
				       -1 };
	struct world *world = actor->world;
	size_t length = map_length(world, bytes[5], bytes[1]);
	int flags = kinds[bytes[4] % COUNT_OF(kinds)];
	unsigned char *at = world_window(bytes[2] % WINDOWS);
	bool anywhere = bytes[2] & 0x80;
	void *memory;

	world->has_mappings = true;
	memory = (void *)CALL(actor, MAP, (long)mmap(
		anywhere ? NULL : at + (size_t)bytes[7] % 16 * 4096 %
				       (WINDOW_BYTES - length + 1),
		length, protections[bytes[3] % COUNT_OF(protections)],
		anywhere ? flags : flags | MAP_FIXED,
		world_fd(world, bytes[1]),
		pages[bytes[6] % COUNT_OF(pages)] << 12));
	if (anywhere)
		keep_loose(world, memory, length);
}

static const int advices[] = {
	MADV_DONTNEED, MADV_REMOVE, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
	MADV_DONTFORK, MADV_DOFORK, MADV_WIPEONFORK, MADV_FREE, MADV_WILLNEED,
	MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
	25 /* MADV_COLLAPSE */, MADV_DONTDUMP, MADV_MERGEABLE,
};

/* What is done to mappings. */
void run_memory(struct actor *actor, const uint8_t *bytes)
{
	static unsigned char resident[WINDOW_BYTES / 4096];
	unsigned char *at = world_window(bytes[2] % WINDOWS) +
			    (size_t)bytes[3] % 32 * 4096;
	unsigned char *other = world_window(bytes[6] % WINDOWS);
	size_t length = map_length(actor->world, bytes[4], bytes[1]);
	int rw = PROT_READ | PROT_WRITE;

	if (length > WINDOW_BYTES)
		length = WINDOW_BYTES;
	if (bytes[2] & 0x80)
		at = other;
	actor->world->has_mappings = true;
	switch (bytes[5] % 12) {
	case 0:
		CALL(actor, MEMORY, munmap(at, length));
		break;
	case 1:
		CALL(actor, MEMORY,
		     (long)mremap(at, length, length,
				  MREMAP_MAYMOVE | MREMAP_FIXED, other));
		break;
	case 2:
		CALL(actor, MEMORY, (long)mremap(at, length, 4096, 0));
		break;
	case 3:
		CALL(actor, MEMORY, (long)mremap(at, 4096, length, 0));
		break;
	case 4:
		CALL(actor, MEMORY, (long)mremap(at, 0, length,
						 MREMAP_MAYMOVE | MREMAP_FIXED,
						 other));
		break;
	case 5:
	case 6:
		CALL(actor, MEMORY,
		     madvise(at, length,
			     advices[bytes[6] % COUNT_OF(advices)]));
		break;
	case 7:
		CALL(actor, MEMORY, mprotect(at, length, bytes[6] % 8 ?
						     bytes[6] % 8 : rw));
		break;
	case 8:
		CALL(actor, MEMORY, msync(at, length, bytes[6] % 8));
		break;
	case 9:
		CALL(actor, MEMORY, mlock(at, length));
		break;
	case 10:
		CALL(actor, MEMORY, munlock(at, length));
		break;
	case 11:
		CALL(actor, MEMORY, mincore(at, length, resident));
		break;
	}
}

/*
 * Have a mapping go elsewhere and reach beyond its region, or leave a twin or a
 * hole behind. Behind a window is something else, which goes for it to grow.
 */
void run_remap(struct actor *actor, const uint8_t *bytes)
{
	static const size_t grown[] = { 8192, 4096, 12288, 65536, 2 * MIB,
					2 * MIB + 4096, 4 * MIB, 0 };
	static const int ways[] = {
		MREMAP_MAYMOVE | MREMAP_FIXED, MREMAP_MAYMOVE, 0,
		MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
		MREMAP_MAYMOVE | MREMAP_FIXED,
	};
	struct world *world = actor->world;
	unsigned int way = bytes[5] % COUNT_OF(ways);
	unsigned char *at = world_mapping(world, bytes[2]);
	unsigned char *other = world_window((bytes[2] + 1 + bytes[6] % 4) %
					    WINDOWS);
	size_t from = map_length(world, bytes[3], bytes[1]);
	size_t to = grown[bytes[4] % COUNT_OF(grown)];
	void *memory;

	/* The one is of as much as it was, the other is a twin. */
	if (ways[way] & MREMAP_DONTUNMAP)
		to = from;
	if (way == 5)
		from = 0;
	if (!ways[way] && !(bytes[2] & 0x80))
		munmap(at + ((from + 4095) & ~4095UL), 4 * MIB);
	world->has_mappings = true;
	memory = (void *)CALL(actor, REMAP, (long)mremap(at, from, to, ways[way],
							 other));
	if (ways[way] && !(ways[way] & MREMAP_FIXED))
		keep_loose(world, memory, to);
}
