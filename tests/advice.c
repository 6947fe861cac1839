// SPDX-License-Identifier: GPL-2.0-only
/*
 * Advice and requests about a region's memory. None of them takes a page away,
 * replaces it or has others answer for it: the same physical page holds the same
 * words, until the region ends. Root runs it.
 */
#include "pages.h"

#include <linux/userfaultfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/*
 * What the C library's headers are too old for, or leave out. These numbers are
 * the same on all architectures that have tests.
 */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

#define SIZE (4 * MIB + 16 * PAGE)

/* Two pages are enough to tell: one of a huge page, one of the tail. */
static const size_t samples[] = { PAGE, 4 * MIB + 3 * PAGE };

FIXTURE(advice)
{
	int device;
	struct shatomic_ioc_info before;
	int region;
	char *memory;
	uint64_t frames[COUNT_OF(samples)];
};

FIXTURE_SETUP(advice)
{
	unsigned int i;

	self->device = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->device);
	self->before = get_info(self->device);
	self->region = new_region_fd(self->device, SIZE, 0);
	ASSERT_LE(0, self->region);
	self->memory = map(self->region, SIZE);
	ASSERT_NE(NULL, self->memory);
	fill_pages(self->memory, SIZE);
	for (i = 0; i < COUNT_OF(samples); i++) {
		self->frames[i] = page_frame(self->memory + samples[i]);
		ASSERT_NE(0, self->frames[i]);
	}
}

FIXTURE_TEARDOWN(advice)
{
	munmap(self->memory, SIZE);
	close(self->region);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	close(self->device);
}

/* The same pages with the same words, mapped as before and mapped anew. */
static bool is_same(const FIXTURE_DATA(advice) *self)
{
	char *again = map(self->region, SIZE);
	bool same = again && are_filled(self->memory, SIZE) &&
		    are_filled(again, SIZE);
	unsigned int i;

	for (i = 0; same && i < COUNT_OF(samples); i++)
		same = page_frame(self->memory + samples[i]) ==
			       self->frames[i] &&
		       page_frame(again + samples[i]) == self->frames[i];
	if (again)
		munmap(again, SIZE);
	return same;
}

static const struct advised {
	const char *what;
	int advice;
} advised[] = {
	{ "MADV_NORMAL", MADV_NORMAL },
	{ "MADV_RANDOM", MADV_RANDOM },
	{ "MADV_SEQUENTIAL", MADV_SEQUENTIAL },
	{ "MADV_WILLNEED", MADV_WILLNEED },
	{ "MADV_DONTNEED", MADV_DONTNEED },
	{ "MADV_DONTNEED_LOCKED", MADV_DONTNEED_LOCKED },
	{ "MADV_FREE", MADV_FREE },
	{ "MADV_COLD", MADV_COLD },
	{ "MADV_PAGEOUT", MADV_PAGEOUT },
	{ "MADV_HUGEPAGE", MADV_HUGEPAGE },
	{ "MADV_COLLAPSE", MADV_COLLAPSE },
	{ "MADV_NOHUGEPAGE", MADV_NOHUGEPAGE },
	{ "MADV_MERGEABLE", MADV_MERGEABLE },
	{ "MADV_UNMERGEABLE", MADV_UNMERGEABLE },
	{ "MADV_DONTDUMP", MADV_DONTDUMP },
	{ "MADV_POPULATE_READ", MADV_POPULATE_READ },
	{ "MADV_POPULATE_WRITE", MADV_POPULATE_WRITE },
	{ "MADV_SOFT_OFFLINE", MADV_SOFT_OFFLINE },
};

/* Whether a kernel takes the advice is its own matter. */
TEST_F(advice, none_takes_a_page_away)
{
	uint64_t huge_bytes = region_info(self->region).huge_bytes;
	unsigned int i;

	for (i = 0; i < COUNT_OF(advised); i++) {
		/* All of it, and a part of what may be a huge page. */
		madvise(self->memory, SIZE, advised[i].advice);
		EXPECT_EQ(true, is_same(self))
			TH_LOG("%s", advised[i].what);
		madvise(self->memory + 3 * PAGE, 2 * PAGE, advised[i].advice);
		EXPECT_EQ(true, is_same(self))
			TH_LOG("%s of two pages", advised[i].what);
	}
	EXPECT_EQ(huge_bytes, region_info(self->region).huge_bytes);
}

/* Programs rely on what these answer, where the kernel has them. */
TEST_F(advice, some_is_refused)
{
	EXPECT_EQ(0, madvise(self->memory, SIZE, MADV_DONTNEED));
	EXPECT_EQ(-1, madvise(self->memory, SIZE, MADV_FREE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, madvise(self->memory, PAGE, MADV_REMOVE));
	EXPECT_EQ(-1, madvise(self->memory, SIZE, MADV_REMOVE));
	EXPECT_EQ(true, is_same(self));
}

/* By others who have the right to advise about the process's memory. */
TEST_F(advice, another_process_gives_it)
{
	static const int advice[] = { MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED,
				      MADV_COLLAPSE };
	struct iovec range = { self->memory, SIZE };
	int process = syscall(SYS_pidfd_open, getpid(), 0);
	unsigned int i;
	pid_t child;
	long ret;

	ASSERT_LE(0, process);
	for (i = 0; i < COUNT_OF(advice); i++) {
		child = fork();
		if (!child) {
			munmap(self->memory, SIZE);
			ret = syscall(SYS_process_madvise, process, &range,
				      1UL, (long)advice[i], 0UL);
			/* What there has been longest is there everywhere. */
			_exit(i < 2 && ret < 0);
		}
		EXPECT_EQ(0, wait_child(child));
		EXPECT_EQ(true, is_same(self));
	}
	close(process);
}

/* Small pages stay so, however much a huge one might be wanted. */
TEST_F(advice, small_pages_are_not_collapsed)
{
	const size_t size = 2 * MIB - PAGE;
	int region = new_region_fd(self->device, size, 0);
	char *memory = map(region, size);
	uint64_t frame;

	ASSERT_NE(NULL, memory);
	fill_pages(memory, size);
	frame = page_frame(memory + PAGE);
	madvise(memory, size, MADV_HUGEPAGE);
	madvise(memory, size, MADV_COLLAPSE);
	EXPECT_EQ(true, are_filled(memory, size));
	EXPECT_EQ(frame, page_frame(memory + PAGE));
	EXPECT_EQ(0, huge_mapped_kib(memory));
	EXPECT_EQ(0, region_info(region).huge_bytes);
	munmap(memory, size);
	close(region);
}

/* Modes of fallocate(2), each with bits that others go with. */
static const int allocations[] = {
	0, FALLOC_FL_KEEP_SIZE,
	FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_ZERO_RANGE,
	FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	FALLOC_FL_INSERT_RANGE, FALLOC_FL_UNSHARE_RANGE,
};

/*
 * Not even where it would change nothing: then nobody has to think about what
 * an allocation does.
 */
TEST_F(advice, the_file_takes_no_page_away)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(allocations); i++) {
		EXPECT_EQ(-1, fallocate(self->region, allocations[i], 0, PAGE))
			TH_LOG("mode %d", allocations[i]);
		EXPECT_EQ(-1, fallocate(self->region, allocations[i], SIZE,
					PAGE))
			TH_LOG("mode %d", allocations[i]);
		EXPECT_EQ(true, is_same(self));
	}
}

TEST_F(advice, the_size_is_fixed)
{
	static const off_t sizes[] = {
		0, 1, PAGE, SIZE - 1, SIZE + 1, SIZE + PAGE, 1LL << 40,
	};
	struct fd_path path = fd_path(self->region);
	struct stat st;
	unsigned int i;

	for (i = 0; i < COUNT_OF(sizes); i++) {
		EXPECT_EQ(-1, ftruncate(self->region, sizes[i]));
		EXPECT_EQ(EPERM, errno);
		EXPECT_EQ(-1, truncate(path.text, sizes[i]));
		EXPECT_EQ(EPERM, errno);
	}
	EXPECT_EQ(-EPERM, reopen(self->region, O_RDWR | O_TRUNC));
	EXPECT_EQ(-EPERM, reopen(self->region, O_WRONLY | O_TRUNC));
	ASSERT_EQ(0, fstat(self->region, &st));
	EXPECT_EQ((off_t)SIZE, st.st_size);
	EXPECT_EQ(true, is_same(self));
}

/* All of it is in memory from the first to the last, locked or not. */
TEST_F(advice, locking_is_for_nothing_and_works)
{
	unsigned char resident[SIZE / PAGE];
	unsigned int i;

	ASSERT_EQ(0, mincore(self->memory, SIZE, resident));
	for (i = 0; i < SIZE / PAGE; i++) {
		ASSERT_EQ(1, resident[i] & 1);
	}
	EXPECT_EQ(0, mlock(self->memory, SIZE));
	EXPECT_EQ(true, is_same(self));
	EXPECT_EQ(0, munlock(self->memory + PAGE, PAGE));
	EXPECT_EQ(0, munlock(self->memory, SIZE));
	EXPECT_EQ(0, mlock2(self->memory, SIZE, MLOCK_ONFAULT));
	EXPECT_EQ(0, munlock(self->memory, SIZE));
	EXPECT_EQ(0, mlockall(MCL_CURRENT));
	EXPECT_EQ(0, munlockall());
	EXPECT_EQ(true, is_same(self));
	/* Another mapping of what is locked in the first. */
	EXPECT_EQ(0, mlock(self->memory, SIZE));
	EXPECT_EQ(true, is_same(self));
}

TEST_F(advice, writing_back_has_nothing_to_do)
{
	EXPECT_EQ(0, msync(self->memory, SIZE, MS_SYNC));
	EXPECT_EQ(0, msync(self->memory, SIZE, MS_ASYNC));
	EXPECT_EQ(0, fsync(self->region));
	EXPECT_EQ(0, fdatasync(self->region));
	EXPECT_EQ(0, syncfs(self->region));
	sync();
	posix_fadvise(self->region, 0, 0, POSIX_FADV_DONTNEED);
	posix_fadvise(self->region, 0, 0, POSIX_FADV_WILLNEED);
	readahead(self->region, 0, SIZE);
	sync_file_range(self->region, 0, SIZE, SYNC_FILE_RANGE_WRITE |
						       SYNC_FILE_RANGE_WAIT_AFTER);
	EXPECT_EQ(true, is_same(self));
}

/* How userfaultfd could answer for pages. */
static const struct answer {
	const char *what;
	uint64_t mode;
	uint64_t features;
} answers[] = {
	{ "missing pages", UFFDIO_REGISTER_MODE_MISSING,
	  UFFD_FEATURE_MISSING_SHMEM },
	{ "pages that are not mapped", UFFDIO_REGISTER_MODE_MINOR,
	  UFFD_FEATURE_MINOR_SHMEM },
	{ "protected pages", UFFDIO_REGISTER_MODE_WP,
	  UFFD_FEATURE_PAGEFAULT_FLAG_WP },
};

/* A descriptor with these features, or -1 where the kernel has not got them. */
static int open_userfaultfd(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * Whoever maps a region may not have others wait at its pages: batches of the
 * kernel's, and processes that share nothing with it but the region.
 */
TEST_F(advice, nobody_answers_for_its_pages)
{
	unsigned int i, tried = 0;

	for (i = 0; i < COUNT_OF(answers); i++) {
		struct uffdio_register range = {
			.range = { (uintptr_t)self->memory, 4 * MIB },
			.mode = answers[i].mode,
		};
		int fd = open_userfaultfd(answers[i].features);

		if (fd < 0)
			continue;
		tried++;
		EXPECT_EQ(-1, ioctl(fd, UFFDIO_REGISTER, &range))
			TH_LOG("%s", answers[i].what);
		close(fd);
	}
	if (!tried)
		SKIP(return, "this kernel has no userfaultfd");
	EXPECT_EQ(true, is_same(self));
}

/*
 * Since 6.7 a kernel can protect pages and note who writes, without any wait.
 * That it does so for files of any kind is fine.
 */
TEST_F(advice, writes_are_noted_without_a_wait)
{
	struct uffdio_register range = {
		.range = { (uintptr_t)self->memory, 4 * MIB },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect protect = {
		.range = range.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd = open_userfaultfd(UFFD_FEATURE_PAGEFAULT_FLAG_WP |
				  UFFD_FEATURE_WP_ASYNC);

	if (fd < 0)
		SKIP(return, "this kernel has no asynchronous write protection");
	if (!ioctl(fd, UFFDIO_REGISTER, &range))
		EXPECT_EQ(0, ioctl(fd, UFFDIO_WRITEPROTECT, &protect));
	EXPECT_EQ(true, are_filled(self->memory, SIZE));
	fill_pages(self->memory, SIZE);
	EXPECT_EQ(true, is_same(self));
	close(fd);
	fill_pages(self->memory, SIZE);
	EXPECT_EQ(true, is_same(self));
}

/*
 * Report a page as broken, in a child since the kernel may kill whoever has it
 * mapped.
 */
static bool break_page(char *page)
{
	pid_t child = fork();

	/* Linux 6.1 says EBUSY where somebody else, as we do, still has the page. */
	if (!child)
		_exit(madvise(page, PAGE, MADV_HWPOISON) && errno != EBUSY);
	return wait_child(child) != 1;
}

#define NEEDS_MEMORY_FAILURE()                                                \
	do {                                                                  \
		if (counter("/proc/meminfo", "HardwareCorrupted") < 0)        \
			SKIP(return, "this kernel handles no memory failure"); \
	} while (0)

/* What is lost of a page that broke, in whichever mapping. */
static void expect_broken(struct __test_metadata *_metadata, char *memory,
			  size_t size, size_t broken, size_t unit)
{
	size_t at, from = broken / unit * unit;

	EXPECT_EQ(TOUCH_SIGBUS, touch(memory + broken, false));
	EXPECT_EQ(TOUCH_SIGBUS, touch(memory + broken, true));
	for (at = 0; at < size; at += PAGE) {
		/* What shares the huge page may be lost with it, or not. */
		if (at >= from && at < from + unit)
			continue;
		ASSERT_EQ(at ^ 0x5a5a5a5a, *(uint64_t *)(memory + at));
	}
}

/* The machine's memory fails: who uses that page is told, others go on. */
static void try_broken(struct __test_metadata *_metadata, int device,
		       size_t size, uint32_t flags, size_t broken)
{
	size_t unit = flags & SHATOMIC_CREATE_HUGE ? huge_page_size() : PAGE;
	int region = new_region_fd(device, size, flags);
	char *memory = map(region, size), *again;

	ASSERT_NE(NULL, memory);
	fill_pages(memory, size);
	EXPECT_EQ(true, break_page(memory + broken));
	expect_broken(_metadata, memory, size, broken, unit);
	again = map(region, size);
	ASSERT_NE(NULL, again);
	expect_broken(_metadata, again, size, broken, unit);
	munmap(again, size);
	munmap(memory, size);
	close(region);
}

TEST_F(advice, a_page_that_breaks_is_lost_alone)
{
	NEEDS_MEMORY_FAILURE();
	/* Else the kernel would kill us for having it mapped. */
	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0);
	try_broken(_metadata, self->device, 8 * PAGE, 0, 3 * PAGE);
}

TEST_F(advice, a_page_of_a_huge_one_that_breaks_is_lost)
{
	size_t huge = huge_page_size();

	NEEDS_MEMORY_FAILURE();
	if (!huge)
		SKIP(return, "this kernel has no huge pages");
	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0);
	try_broken(_metadata, self->device, 3 * huge, SHATOMIC_CREATE_HUGE,
		   huge + 5 * PAGE);
}

TEST_HARNESS_MAIN
