// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of a region. An access past the region's end is SIGBUS and nothing
 * else, however the mapping came to reach there. A mapping is shared, never
 * private and never executable. However it is made, moved, protected and
 * inherited, it shows the region's words.
 */
#include "pages.h"

#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/uio.h>

DEVICE_FIXTURE(mappings)

/* Whatever a structure of the module has at its head, one of these finds it. */
static const uint64_t sizes[] = {
	1, 8, 4095, 4096, 4097, 8192, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1,
};

static const uint32_t create_flags[] = { 0, SHATOMIC_CREATE_ASYNC_FREE };

/* How many descriptors of the region there are besides its first. */
static const unsigned int more_files[] = { 0, 1, 63 };

/* Map it, have the mapping reach past the end, and touch what is there. */
static int touch_past_the_end(int region, uint64_t size, bool write)
{
	uint64_t end = round_up_pages(size);
	char *memory = mmap(NULL, end, PROT_READ | PROT_WRITE, MAP_SHARED,
			    region, 0);
	int ret;

	if (memory == MAP_FAILED)
		return -errno;
	memory = mremap(memory, end, end + 8 * 4096, MREMAP_MAYMOVE);
	if (memory == MAP_FAILED)
		return -errno;
	ret = touch(memory + end, write);
	if (ret == TOUCH_SIGBUS)
		ret = touch(memory + end + 7 * 4096, write);
	/* What is in it is as ever. */
	if (ret == TOUCH_SIGBUS && touch(memory + end - 1, write))
		ret = -EIO;
	munmap(memory, end + 8 * 4096);
	return ret;
}

static int try_region(int device, uint64_t size, uint32_t flags,
		      unsigned int files)
{
	int more[64], region, ret;
	unsigned int i;

	region = new_region_fd(device, size, flags);
	if (region < 0)
		return region;
	for (i = 0; i < files; i++)
		more[i] = reopen(region, O_RDWR);
	ret = touch_past_the_end(region, size, false);
	if (ret == TOUCH_SIGBUS)
		ret = touch_past_the_end(region, size, true);
	for (i = 0; i < files; i++)
		close(more[i]);
	close(region);
	return ret;
}

TEST_F_TIMEOUT(mappings, past_the_end_is_sigbus, 120)
{
	unsigned int i, j, k;

	for (i = 0; i < COUNT_OF(sizes); i++) {
		for (j = 0; j < COUNT_OF(create_flags); j++) {
			for (k = 0; k < COUNT_OF(more_files); k++) {
				EXPECT_EQ(TOUCH_SIGBUS,
					  try_region(self->device, sizes[i],
						     create_flags[j],
						     more_files[k]))
					TH_LOG("size %llu, flags %u, %u files more",
					       (unsigned long long)sizes[i],
					       create_flags[j], more_files[k]);
			}
		}
	}
}

/* Calls that have the kernel itself access what is past the end. */
TEST_F(mappings, the_kernel_is_refused_past_the_end)
{
	int region = new_region_fd(self->device, 3 * PAGE, 0);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char *memory = map(region, 3 * PAGE), *past;
	struct iovec from = { "x", 1 }, to;
	int pipes[2];
	ssize_t got;

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_NE(NULL, memory);
	memory = mremap(memory, 3 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, memory);
	past = memory + 3 * PAGE;
	to = (struct iovec){ past, 1 };
	EXPECT_EQ(-1, read(zero, past, 1));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, write(pipes[1], past, 1));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, process_vm_writev(getpid(), &from, 1, &to, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, vmsplice(pipes[1], &to, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, madvise(past, PAGE, MADV_POPULATE_WRITE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, madvise(past, PAGE, MADV_POPULATE_READ));
	EXPECT_EQ(EFAULT, errno);
	/* One that reaches over the end stops there, or is refused (arm64). */
	got = read(zero, past - 1, 2);
	EXPECT_TRUE(got == 1 || (got == -1 && errno == EFAULT))
		TH_LOG("%zd", got);
	munmap(memory, 8 * PAGE);
	close(pipes[0]);
	close(pipes[1]);
	close(zero);
	close(region);
}

TEST_F(mappings, none_is_made_past_the_end)
{
	static const uint64_t sizes[] = { 1, PAGE, 5 * PAGE + 1, 2 * MIB };
	unsigned int i;

	for (i = 0; i < COUNT_OF(sizes); i++) {
		uint64_t end = round_up_pages(sizes[i]);
		int region = new_region_fd(self->device, sizes[i], 0);
		void *memory;

		ASSERT_LE(0, region);
		EXPECT_EQ(NULL, map(region, end + PAGE));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(NULL, map_from(region, end, PAGE, PROT_READ));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(NULL, map_from(region, PAGE, end, PROT_READ));
		EXPECT_EQ(EINVAL, errno);
		/* The kernel has an error of its own for an end that wraps. */
		EXPECT_EQ(NULL, map_from(region, -PAGE, 2 * PAGE, PROT_READ));
		/* All of the last page is there to be used. */
		memory = map(region, end);
		ASSERT_NE(NULL, memory);
		EXPECT_EQ(0, touch((char *)memory + end - 1, true));
		munmap(memory, end);
		close(region);
	}
}

/* Moved to where huge pages do not fit, doubled, left in both places, cut. */
TEST_F(mappings, moved_they_show_the_same_words)
{
	int region = new_region_fd(self->device, 8 * MIB, 0);
	char *memory = map(region, 8 * MIB), *room, *moved, *twin, *other;

	ASSERT_NE(NULL, memory);
	fill_pages(memory, 8 * MIB);
	room = mmap(NULL, 32 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	ASSERT_NE(MAP_FAILED, room);
	moved = mremap(memory, 8 * MIB, 8 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED,
		       room + PAGE);
	ASSERT_EQ(room + PAGE, moved);
	EXPECT_EQ(true, are_filled(moved, 8 * MIB));
	EXPECT_EQ(TOUCH_SIGSEGV, touch(memory, false));

	twin = mremap(moved, 0, 8 * MIB, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, twin);
	EXPECT_EQ(true, are_filled(twin, 8 * MIB));
	twin[PAGE + 8] = 7;
	EXPECT_EQ(7, moved[PAGE + 8]);

	other = mremap(twin, 8 * MIB, 8 * MIB,
		       MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	ASSERT_NE(MAP_FAILED, other);
	EXPECT_EQ(true, are_filled(other, 8 * MIB));
	EXPECT_EQ(true, are_filled(twin, 8 * MIB));
	other[PAGE + 8] = 8;
	EXPECT_EQ(8, twin[PAGE + 8]);
	munmap(other, 8 * MIB);

	EXPECT_EQ(twin, mremap(twin, 8 * MIB, 3 * MIB, 0));
	EXPECT_EQ(true, are_filled(twin, 3 * MIB));
	EXPECT_EQ(TOUCH_SIGSEGV, touch(twin + 3 * MIB, false));
	munmap(twin, 3 * MIB);
	munmap(room, 32 * MIB);
	close(region);
}

/* A private mapping would have words that nobody else sees. */
TEST_F(mappings, none_is_private)
{
	static const int protections[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
	};
	int region = new_region_fd(self->device, MIB, 0);
	int reader = reopen(region, O_RDONLY);
	unsigned int i;

	ASSERT_LE(0, reader);
	for (i = 0; i < COUNT_OF(protections); i++) {
		EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, protections[i],
					   MAP_PRIVATE, region, 0));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, protections[i],
					   MAP_PRIVATE, reader, 0));
		EXPECT_EQ(EINVAL, errno);
	}
	/* There is no storage below that could be in step. */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ,
				   MAP_SHARED_VALIDATE | MAP_SYNC, region, 0));
	EXPECT_EQ(EOPNOTSUPP, errno);
	close(reader);
	close(region);
}

static void expect_no_execution(struct __test_metadata *_metadata, int fd)
{
	void *memory = map_from(fd, 0, PAGE, PROT_READ);
	int before;

	ASSERT_NE(NULL, memory);
	EXPECT_EQ(-1, mprotect(memory, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(memory, PAGE, PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	munmap(memory, PAGE);
	EXPECT_EQ(NULL, map_from(fd, 0, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(NULL, map_from(fd, 0, PAGE, PROT_EXEC));
	EXPECT_EQ(EPERM, errno);

	/* Old programs have all that they may read be executable. */
	before = personality(READ_IMPLIES_EXEC);
	memory = map_from(fd, 0, PAGE, PROT_READ);
	personality(before);
	if (!memory)
		return;
	EXPECT_EQ(-1, mprotect(memory, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	munmap(memory, PAGE);
}

TEST_F(mappings, none_is_executed)
{
	int region = new_region_fd(self->device, MIB, 0);
	int buffer = export_dmabuf(region);

	ASSERT_LE(0, region);
	expect_no_execution(_metadata, region);
	if (buffer >= 0)
		expect_no_execution(_metadata, buffer);
	else
		EXPECT_EQ(-EOPNOTSUPP, buffer);
	close(buffer);
	close(region);
}

/* Nor does the kernel write by it for a debugger, which may force writes. */
TEST_F(mappings, a_reader_never_writes_by_his)
{
	int region = new_region_fd(self->device, MIB, 0);
	int reader = reopen(region, O_RDONLY);
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	char *memory = map_from(reader, 0, MIB, PROT_READ);
	struct iovec from = { "x", 1 }, to = { memory, 1 };

	ASSERT_NE(NULL, memory);
	ASSERT_LE(0, mem);
	EXPECT_EQ(NULL, map(reader, MIB));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(memory, MIB, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(TOUCH_SIGSEGV, touch(memory, true));
	EXPECT_EQ(-1, pwrite(mem, "x", 1, (uintptr_t)memory));
	EXPECT_EQ(-1, process_vm_writev(getpid(), &from, 1, &to, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, memory[0]);
	munmap(memory, MIB);

	/* What may be written to can be protected for a while. */
	memory = map(region, MIB);
	ASSERT_NE(NULL, memory);
	ASSERT_EQ(0, mprotect(memory, PAGE, PROT_READ));
	EXPECT_EQ(TOUCH_SIGSEGV, touch(memory, true));
	EXPECT_EQ(0, touch(memory + PAGE, true));
	ASSERT_EQ(0, mprotect(memory, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, touch(memory, true));
	munmap(memory, MIB);
	close(mem);
	close(reader);
	close(region);
}

TEST_F(mappings, a_child_has_those_of_its_parent)
{
	int region = new_region_fd(self->device, 4 * MIB + PAGE, 0);
	char *memory = map(region, 4 * MIB + PAGE);
	char *kept = map_from(region, 0, PAGE, PROT_READ);
	pid_t child;

	ASSERT_NE(NULL, memory);
	ASSERT_NE(NULL, kept);
	fill_pages(memory, 4 * MIB + PAGE);
	/* What a child is to find empty must be its own. */
	EXPECT_EQ(-1, madvise(kept, PAGE, MADV_WIPEONFORK));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, madvise(kept, PAGE, MADV_DONTFORK));
	child = fork();
	if (!child) {
		if (!are_filled(memory, 4 * MIB + PAGE))
			_exit(1);
		if (touch(kept, false) != TOUCH_SIGSEGV)
			_exit(2);
		memory[8] = 1;
		memory[4 * MIB + 8] = 2;
		_exit(0);
	}
	EXPECT_EQ(0, wait_child(child));
	EXPECT_EQ(1, memory[8]);
	EXPECT_EQ(2, memory[4 * MIB + 8]);
	munmap(kept, PAGE);
	munmap(memory, 4 * MIB + PAGE);
	close(region);
}

/* One fault maps a whole huge page, whether it is by reading or writing. */
TEST_F(mappings, huge_pages_are_mapped_as_such)
{
	size_t huge = huge_page_size(), at, size = 8 * huge;
	volatile char *writer, *reader;
	int region;

	if (!huge)
		SKIP(return, "this kernel has no huge pages");
	region = new_region_fd(self->device, size + 2 * PAGE,
			       SHATOMIC_CREATE_HUGE);
	ASSERT_LE(0, region);
	writer = map(region, size + 2 * PAGE);
	reader = map_from(region, 0, size + 2 * PAGE, PROT_READ);
	ASSERT_NE(NULL, writer);
	ASSERT_NE(NULL, reader);
	for (at = 0; at < size; at += huge)
		writer[at + 5000] = 1;
	for (at = 0; at < size; at += huge)
		EXPECT_EQ(1, reader[at + 5000]);
	EXPECT_EQ(size >> 10, huge_mapped_kib(writer));
	EXPECT_EQ(size >> 10, huge_mapped_kib(reader));

	/* Protecting whole ones splits none, protecting a part splits one. */
	ASSERT_EQ(0, mprotect((void *)writer, 2 * huge, PROT_READ));
	ASSERT_EQ(0, mprotect((void *)writer, 2 * huge,
			      PROT_READ | PROT_WRITE));
	for (at = 0; at < 2 * huge; at += huge)
		writer[at] = 1;
	EXPECT_EQ(size >> 10, huge_mapped_kib(writer));
	ASSERT_EQ(0, mprotect((void *)(writer + huge + PAGE), PAGE, PROT_READ));
	EXPECT_EQ(TOUCH_SIGSEGV, touch(writer + huge + PAGE, true));
	EXPECT_EQ(0, touch(writer + huge + 2 * PAGE, true));
	EXPECT_EQ(huge >> 10, huge_mapped_kib(writer));
	munmap((void *)writer, size + 2 * PAGE);
	munmap((void *)reader, size + 2 * PAGE);
	EXPECT_EQ(size, region_info(region).huge_bytes);
	close(region);
}

/* What checkpoint tools clear to see which pages change. */
TEST_F(mappings, soft_dirty_bits_change_no_word)
{
	int region = new_region_fd(self->device, 4 * MIB + PAGE, 0);
	char *memory = map(region, 4 * MIB + PAGE);

	ASSERT_NE(NULL, memory);
	fill_pages(memory, 4 * MIB + PAGE);
	ASSERT_EQ(0, write_text("/proc/self/clear_refs", "4"));
	EXPECT_EQ(true, are_filled(memory, 4 * MIB + PAGE));
	fill_pages(memory, 4 * MIB + PAGE);
	EXPECT_EQ(true, are_filled(memory, 4 * MIB + PAGE));
	munmap(memory, 4 * MIB + PAGE);
	close(region);
}

/* Another process reads and writes what it has no mapping of. */
TEST_F(mappings, another_process_reaches_its_words)
{
	int region = new_region_fd(self->device, 4 * MIB, 0);
	char *memory = map(region, 4 * MIB), text[32] = "", name[64];
	struct iovec here = { text, 17 }, there = { memory + MIB + 4090, 17 };
	int pipes[2], mem;
	pid_t child;

	ASSERT_NE(NULL, memory);
	ASSERT_EQ(0, pipe(pipes));
	child = fork();
	if (!child) {
		strcpy(memory + MIB + 4090, "process_vm_readv");
		if (write(pipes[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	ASSERT_EQ(1, read(pipes[0], text, 1));
	munmap(memory, 4 * MIB);
	EXPECT_EQ(17, process_vm_readv(child, &here, 1, &there, 1, 0));
	EXPECT_STREQ("process_vm_readv", text);
	strcpy(text, "written by others");
	EXPECT_EQ(17, process_vm_writev(child, &here, 1, &there, 1, 0));
	memset(text, 0, sizeof(text));
	EXPECT_EQ(17, pread(region, text, 17, MIB + 4090));
	EXPECT_STREQ("written by others", text);

	snprintf(name, sizeof(name), "/proc/%d/mem", child);
	mem = open(name, O_RDWR | O_CLOEXEC);
	EXPECT_EQ(5, pwrite(mem, "mem's", 5, (uintptr_t)memory + 10));
	EXPECT_EQ(5, pread(region, text, 5, 10));
	EXPECT_EQ(0, memcmp("mem's", text, 5));
	close(mem);
	kill(child, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, wait_child(child));
	close(pipes[0]);
	close(pipes[1]);
	close(region);
}

/* Processes that fault, unmap, protect and discard the same pages at once. */
static void disturb(int region, size_t size, unsigned int own)
{
	char *memory = map(region, size), buffer[4 * PAGE];
	unsigned int i;

	for (i = 0; i < 300 && memory; i++) {
		size_t at = next_random() % (size / PAGE) * PAGE;
		int again;

		__atomic_fetch_add((uint64_t *)(memory + at) + 1 + own, 1,
				   __ATOMIC_RELAXED);
		switch (next_random() % 5) {
		case 0:
			madvise(memory, size, MADV_DONTNEED);
			break;
		case 1:
			munmap(memory, size);
			memory = map(region, size);
			break;
		case 2:
			mprotect(memory + at, PAGE, PROT_READ);
			mprotect(memory + at, PAGE, PROT_READ | PROT_WRITE);
			break;
		case 3:
			again = reopen(region, O_RDWR);
			if (pread(again, buffer, sizeof(buffer), at) < 0)
				_exit(2);
			close(again);
			break;
		case 4:
			madvise(memory, size, MADV_PAGEOUT);
			break;
		}
	}
	_exit(!memory);
}

static uint64_t sum_of_counts(const char *memory, size_t size,
			      unsigned int own)
{
	uint64_t sum = 0;
	size_t at;

	for (at = 0; at < size; at += PAGE)
		sum += ((const uint64_t *)(memory + at))[1 + own];
	return sum;
}

TEST_F_TIMEOUT(mappings, processes_disturb_each_other_and_lose_nothing, 60)
{
	const size_t size = 8 * MIB + 3 * PAGE;
	int region = new_region_fd(self->device, size, 0);
	char *memory = map(region, size);
	pid_t children[4];
	unsigned int i;

	ASSERT_NE(NULL, memory);
	seed_random();
	fill_pages(memory, size);
	for (i = 0; i < COUNT_OF(children); i++) {
		random_state += 2;
		children[i] = fork();
		if (!children[i])
			disturb(region, size, i);
	}
	for (i = 0; i < COUNT_OF(children); i++) {
		EXPECT_EQ(0, wait_child(children[i]));
		EXPECT_EQ(300, sum_of_counts(memory, size, i));
	}
	EXPECT_EQ(true, are_filled(memory, size));
	munmap(memory, size);
	close(region);
}

TEST_HARNESS_MAIN
