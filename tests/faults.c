// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of a call in which an allocation or a copy from or to user memory
 * fails: the first such place that it comes by, then the second, and so on until
 * it comes by no more; and after each such place a second one, each that the call
 * comes by from there on, so that what makes up for a failure fails too, and what
 * undoes the rest. Each time it fails with a clean error or does without; then
 * nothing has changed that should not have, and nothing is left behind. It takes a
 * kernel with fault injection (tests/vm/debug-kernel), and root.
 */
#include <linux/shatomic.h>

#include "common.h"
#include "fault_injection.h"
#include "names.h"

#include <dirent.h>
#include <liburing.h>
#include <linux/capability.h>
#include <linux/mempolicy.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define CGROUP_ROOT "/sys/fs/cgroup"
#define CGROUP CGROUP_ROOT "/shatomic-faults"
#define SLICE_ROWS "/sys/module/shatomic/parameters/slice_rows"

#define REGION_SIZE 8192UL
#define HUGE_SIZE (4UL << 20)
#define MAX_ROWS 8192
/* What no call leaves where it writes. */
#define UNTOUCHED 0x5a5a5a5aU

/*
 * The kinds of places. Which place is the first to fail the thread's fail-nth
 * counts. The second is told by its kind's "space", from which each place of the
 * kind takes its size until there is no more than that left. As a place that
 * fails takes nothing, what is left tells where to have the one before it fail.
 * Each place that fails, the first as well, takes one of its kind's "times": they
 * tell how many have. For a call does not always come by the same places.
 */
static const char *const kinds[] = {
	"failslab", "fail_page_alloc", "fail_usercopy",
};

/* More than any call takes: no second place fails. */
#define ALL_SPACE (1L << 30)

/* What is to be as it was after each call. */
struct state {
	struct shatomic_ioc_info info;
	unsigned int names;
	unsigned int descriptors;
	int next_descriptor;
	long long module_references;
};

FIXTURE(faults)
{
	int fail_nth;
	int make_it_fail;
	bool goes_on;
	/* The first to fail, and of which kind it last was. */
	unsigned int nth;
	unsigned int first_kind;
	/* Whether there are to be second ones, and where. */
	bool in_pairs;
	unsigned int kind;
	long space;
	long left;
	/* How many failed in the last call. */
	unsigned int injected;
	unsigned int injected_count;
	unsigned int pair_count;
	unsigned int failed_count;

	int device;
	struct state before;
	/* In our memory cgroup. */
	long long charged_before;
	/* Two regions, and columns in memory and in the second of them. */
	int region;
	uint64_t *words;
	int other;
	unsigned char *other_memory;
	uint64_t *offsets;
	uint64_t *operands;
	uint64_t *results;
	uint8_t *ops;
	int names;
};

/* The number after @key, which begins a line, or the first of all. */
static long long read_number(const char *path, const char *key)
{
	long long number = -1;
	char line[256];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, key, strlen(key))) {
			number = strtoll(line + strlen(key), NULL, 10);
			break;
		}
	}
	if (file)
		fclose(file);
	return number;
}

/* The file of a number of a kind's. */
struct fault_path {
	char text[64];
};

static struct fault_path fault_path(unsigned int kind, const char *what)
{
	struct fault_path path;

	snprintf(path.text, sizeof(path.text), "/sys/kernel/debug/%s/%s",
		 kinds[kind], what);
	return path;
}

static bool put_number(unsigned int kind, const char *what, long number)
{
	char text[16];

	snprintf(text, sizeof(text), "%ld", number);
	return !write_text(fault_path(kind, what).text, text);
}

static long get_number(unsigned int kind, const char *what)
{
	return read_number(fault_path(kind, what).text, "");
}

/* Second faults, of threads that say so, as often as "times" says. */
static bool prepare_second(FIXTURE_DATA(faults) *self)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(kinds); i++) {
		if (!put_number(i, "task-filter", 1) ||
		    !put_number(i, "probability", 100))
			return false;
	}
	self->make_it_fail = open("/proc/thread-self/make-it-fail", O_RDWR);
	return self->make_it_fail >= 0;
}

/* Without this one RLIMIT_MEMLOCK holds for root too. */
static bool drop_ipc_lock(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return false;
	data[0].effective &= ~(1U << CAP_IPC_LOCK);
	return !syscall(SYS_capset, &header, data);
}

static bool limit_locked_memory(unsigned long bytes)
{
	struct rlimit limit = { bytes, bytes };

	return drop_ipc_lock() && !setrlimit(RLIMIT_MEMLOCK, &limit);
}

/* What getdents64() fills in. */
struct entry {
	uint64_t inode;
	int64_t next;
	uint16_t size;
	uint8_t type;
	char name[];
};

/* The entries behind what fills a buffer; that many, less "." and "..". */
static unsigned int count_entries(const char *buffer, ssize_t length)
{
	unsigned int count = 0;
	ssize_t at;

	for (at = 0; at < length; count++)
		at += ((const struct entry *)(buffer + at))->size;
	return count > 2 ? count - 2 : 0;
}

static unsigned int count_names(int names)
{
	int fd = openat(names, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(struct entry) char buffer[4096];
	ssize_t length = syscall(SYS_getdents64, fd, buffer, sizeof(buffer));

	close(fd);
	return count_entries(buffer, length);
}

static unsigned int count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned int count = 0;

	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* One that was taken, and not given back, is not among those that are open. */
static int next_descriptor(void)
{
	int fd = dup(STDIN_FILENO);

	close(fd);
	return fd;
}

static struct state get_state(int device, int names)
{
	struct state state = { .info.size = sizeof(state.info) };

	ioctl(device, SHATOMIC_IOC_INFO, &state.info);
	state.names = count_names(names);
	state.descriptors = count_descriptors();
	state.next_descriptor = next_descriptor();
	state.module_references = read_number("/sys/module/shatomic/refcnt", "");
	return state;
}

static long long memory_stat(const char *key)
{
	return read_number(CGROUP "/memory.stat", key);
}

/* Each CPU keeps some pages until it puts them on lists for reclaim: have it. */
static void list_pages(void)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (syscall(SYS_mbind, page, 4096, MPOL_DEFAULT, NULL, 0, MPOL_MF_MOVE))
		abort();
	munmap(page, 4096);
}

/*
 * Of regions, and of what is left of them: a page that somebody still holds when
 * its file is gone is no shared memory any more, but on a list for reclaim, as
 * pages of processes are.
 */
static long long charged_bytes(void)
{
	list_pages();
	/* Reading this sums up what each CPU has counted for itself. */
	read_number(CGROUP "/cpu.stat", "");
	return memory_stat("inactive_anon ") + memory_stat("active_anon ") +
	       memory_stat("unevictable ") - memory_stat("anon ");
}

static bool charge_is_back(FIXTURE_DATA(faults) *self)
{
	long long bytes = 0;
	int i;

	for (i = 0; i < 100; i++) {
		bytes = charged_bytes();
		if (bytes == self->charged_before)
			return true;
		usleep(100000);
	}
	printf("# %lld bytes are charged, %lld before\n", bytes,
	       self->charged_before);
	fflush(stdout);
	return false;
}

/* What is freed later takes a moment. */
static bool is_as_before(FIXTURE_DATA(faults) *self)
{
	const struct state *before = &self->before;
	struct state now;
	int i;

	for (i = 0; i < 500; i++) {
		now = get_state(self->device, self->names);
		if (now.info.regions == before->info.regions &&
		    now.info.user_regions == before->info.user_regions &&
		    now.info.pinned_bytes == before->info.pinned_bytes &&
		    now.info.batches == before->info.batches &&
		    now.names == before->names &&
		    now.descriptors == before->descriptors &&
		    now.next_descriptor == before->next_descriptor &&
		    now.module_references == before->module_references)
			return true;
		usleep(10000);
	}
	printf("# regions %u, %u before; of the user %u, %u; pinned %llu, %llu; batches %u, %u; names %u, %u; descriptors %u, %u, the next %d, %d; module %lld, %lld\n",
	       now.info.regions, before->info.regions, now.info.user_regions,
	       before->info.user_regions,
	       (unsigned long long)now.info.pinned_bytes,
	       (unsigned long long)before->info.pinned_bytes, now.info.batches,
	       before->info.batches, now.names, before->names, now.descriptors,
	       before->descriptors, now.next_descriptor,
	       before->next_descriptor, now.module_references,
	       before->module_references);
	return false;
}

#define NAME "faults"
#define OTHER_NAME "faults-other"

static int create(FIXTURE_DATA(faults) *self)
{
	struct shatomic_ioc_create args = { .size = sizeof(args),
					    .region_size = REGION_SIZE };

	return ioctl(self->device, SHATOMIC_IOC_CREATE, &args) ? -1 : args.fd;
}

/* One in the directory, with the name or without. */
static int create_there(FIXTURE_DATA(faults) *self, bool named)
{
	return named ? create_named(self->device, self->names, NAME,
				    REGION_SIZE, 0, 0600) :
		       create_nameless(self->device, self->names, REGION_SIZE,
				       0, 0600);
}

/* By root, who needs no path in /proc for it, which has places of its own. */
static int link_there(FIXTURE_DATA(faults) *self, int region)
{
	return linkat(region, "", self->names, NAME, AT_EMPTY_PATH) ? -errno :
								      0;
}

static void *map(int fd, size_t bytes)
{
	int flags = MAP_SHARED | MAP_POPULATE | (fd < 0 ? MAP_ANONYMOUS : 0);
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

FIXTURE_SETUP(faults)
{
	self->fail_nth = open("/proc/thread-self/fail-nth", O_RDWR);
	if (self->fail_nth < 0)
		SKIP(return, "this kernel has no fault injection");
	ASSERT_TRUE(prepare_faults() && prepare_second(self));
	self->goes_on = true;
	self->in_pairs = true;

	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	ASSERT_EQ(0, write_text(CGROUP "/cgroup.procs", "0"));
	self->device = open("/dev/shatomic", O_RDWR);
	ASSERT_LE(0, self->device);
	self->names = new_names();
	ASSERT_LE(0, self->names);
	self->region = create(self);
	self->other = create(self);
	self->words = map(self->region, REGION_SIZE);
	self->other_memory = map(self->other, REGION_SIZE);
	self->offsets = map(-1, MAX_ROWS * 8);
	self->operands = map(-1, MAX_ROWS * 8);
	self->results = map(-1, MAX_ROWS * 8);
	self->ops = map(-1, MAX_ROWS);
	ASSERT_TRUE(self->words && self->other_memory && self->offsets &&
		    self->operands && self->results && self->ops);
	self->before = get_state(self->device, self->names);
	self->charged_before = charged_bytes();
}

FIXTURE_TEARDOWN(faults)
{
	if (self->fail_nth < 0)
		return;
	printf("# %u faults injected, %u of them with a second one; %u calls failed\n",
	       self->injected_count, self->pair_count, self->failed_count);
	fflush(stdout);
	EXPECT_TRUE(is_as_before(self));
	EXPECT_TRUE(charge_is_back(self));
	EXPECT_EQ(0, write_text(CGROUP_ROOT "/cgroup.procs", "0"));
	EXPECT_EQ(0, rmdir(CGROUP));
}

/* How many places of a kind may fail: the first, and one more of those it is to. */
static long times_of(FIXTURE_DATA(faults) *self, unsigned int kind)
{
	return kind == self->kind && kind == self->first_kind ? 2 : 1;
}

/* Have what comes fail at the @nth place where it can, and at a second one. */
static void begin_fault(FIXTURE_DATA(faults) *self)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(kinds); i++) {
		if (!put_number(i, "space",
				i == self->kind ? self->space : ALL_SPACE) ||
		    !put_number(i, "times", times_of(self, i)))
			abort();
	}
	/* Having a second one fail is such a place as well. */
	set_fault(self->fail_nth, self->nth + self->in_pairs);
	if (self->in_pairs && pwrite(self->make_it_fail, "1", 1, 0) != 1)
		abort();
}

/* None from here on; how many failed only in saying so. */
static unsigned int stop_faults(FIXTURE_DATA(faults) *self)
{
	unsigned int late = 0;

	while (self->in_pairs && pwrite(self->make_it_fail, "0", 1, 0) != 1)
		late++;
	return late + !clear_fault(self->fail_nth);
}

/* How many failed since begin_fault(). */
static unsigned int count_faults(FIXTURE_DATA(faults) *self)
{
	unsigned int first_kind = self->kind, count = 0, i;

	for (i = 0; i < COUNT_OF(kinds); i++) {
		long failed = times_of(self, i) - get_number(i, "times");

		count += failed;
		if (failed && i != self->kind)
			first_kind = i;
	}
	if (count)
		self->first_kind = first_kind;
	return count;
}

/* Find out what failed; @ret is what came of it. */
static int end_fault(FIXTURE_DATA(faults) *self, int ret)
{
	unsigned int late = stop_faults(self);

	self->injected = count_faults(self) - late;
	self->left = get_number(self->kind, "space");
	self->injected_count += self->injected > 0;
	self->pair_count += self->injected > 1;
	self->failed_count += self->injected && ret < 0;
	return ret;
}

/* Whether it is a call with the first fault alone, which comes before others. */
static bool is_first_with(FIXTURE_DATA(faults) *self)
{
	return !self->in_pairs || (!self->kind && self->space == ALL_SPACE);
}

/* What is to fail in the next call, unless no first one is left. */
static void next_fault(FIXTURE_DATA(faults) *self)
{
	if (!self->injected && is_first_with(self))
		self->goes_on = false;
	self->space -= self->left;
	if (self->in_pairs && self->space > 0)
		return;
	self->space = ALL_SPACE;
	if (self->in_pairs && ++self->kind < COUNT_OF(kinds))
		return;
	self->kind = 0;
	self->nth++;
}

static void first_fault(FIXTURE_DATA(faults) *self)
{
	self->space = ALL_SPACE;
	self->nth = 1;
}

/* One call for each fault, and one without, in the body of the loop. */
#define FOR_EACH_FAULT(self)                                                  \
	for (first_fault(self); (self)->goes_on; next_fault(self))

static int call(FIXTURE_DATA(faults) *self, int fd, unsigned long command,
		void *args)
{
	int ret;

	begin_fault(self);
	ret = ioctl(fd, command, args) ? -errno : 0;
	return end_fault(self, ret);
}

/* Whether a call came to what it may come to. */
static bool is_clean(FIXTURE_DATA(faults) *self, int ret)
{
	if (!ret || (self->injected && (ret == -ENOMEM || ret == -EFAULT)))
		return true;
	printf("# fault %u%s%s: %s\n", self->nth,
	       self->injected ? "" : ", which was none",
	       self->injected > 1 ? ", and a second" : "", strerror(-ret));
	return false;
}

TEST_F(faults, info)
{
	FOR_EACH_FAULT(self) {
		struct shatomic_ioc_info args = { .size = sizeof(args) };
		int ret = call(self, self->device, SHATOMIC_IOC_INFO, &args);

		ASSERT_TRUE(is_clean(self, ret));
		if (!ret)
			EXPECT_EQ(SHATOMIC_ABI_VERSION, args.abi_version);
	}
}

/* Whether a new region can be given a name, which is removed again. */
static bool can_be_named(FIXTURE_DATA(faults) *self, int region)
{
	return !link_there(self, region) && !remove_name(self->names, NAME);
}

/* Try to create a region of @size; whether all is as it should be. */
static bool try_create(FIXTURE_DATA(faults) *self, uint64_t size,
		       uint32_t flags)
{
	bool in_directory = flags & SHATOMIC_CREATE_IN_DIRECTORY;
	struct shatomic_ioc_create args = {
		.size = sizeof(args), .flags = flags, .region_size = size,
		.directory = in_directory ? self->names : 0,
		.limit = UNTOUCHED,
	};
	int ret;

	ret = call(self, self->device, SHATOMIC_IOC_CREATE, &args);
	if (!is_clean(self, ret))
		return false;
	/* Of two faults the second may be that it can't be told. */
	if (ret == -ENOMEM && args.limit != SHATOMIC_LIMIT_MEMORY &&
	    !(self->injected > 1 && args.limit == UNTOUCHED)) {
		printf("# fault %u: limit %u\n", self->nth, args.limit);
		return false;
	}
	if (!ret && in_directory && !can_be_named(self, args.fd)) {
		printf("# fault %u: it can't be named\n", self->nth);
		return false;
	}
	if (!ret)
		close(args.fd);
	return is_as_before(self);
}

/* RLIMIT_MEMLOCK has no room for what a failure would leave. */
TEST_F(faults, create)
{
	ASSERT_TRUE(limit_locked_memory(REGION_SIZE));
	FOR_EACH_FAULT(self) {
		ASSERT_TRUE(try_create(self, REGION_SIZE, 0));
	}
}

TEST_F(faults, create_in_directory)
{
	ASSERT_TRUE(limit_locked_memory(REGION_SIZE));
	FOR_EACH_FAULT(self) {
		ASSERT_TRUE(try_create(self, REGION_SIZE,
				       SHATOMIC_CREATE_IN_DIRECTORY));
	}
}

TEST_F(faults, create_to_be_freed_later)
{
	ASSERT_TRUE(limit_locked_memory(REGION_SIZE));
	FOR_EACH_FAULT(self) {
		ASSERT_TRUE(try_create(self, REGION_SIZE,
				       SHATOMIC_CREATE_ASYNC_FREE));
	}
}

TEST_F(faults, create_huge)
{
	if (!has_huge_pages())
		SKIP(return, "this kernel has no huge pages");
	ASSERT_TRUE(limit_locked_memory(HUGE_SIZE));
	/* After a huge page that was not had there are 512 places for small ones. */
	self->in_pairs = false;
	FOR_EACH_FAULT(self) {
		ASSERT_TRUE(try_create(self, HUGE_SIZE,
				       SHATOMIC_CREATE_HUGE));
	}
}

TEST_F(faults, open)
{
	FOR_EACH_FAULT(self) {
		int region = create_there(self, true), ret;

		begin_fault(self);
		ret = open_named(self->names, NAME, O_RDWR);
		end_fault(self, ret);
		ASSERT_TRUE(is_clean(self, ret < 0 ? ret : 0));
		if (ret >= 0)
			EXPECT_EQ(0, close(ret));
		EXPECT_EQ(0, close(region));
		EXPECT_EQ(0, remove_name(self->names, NAME));
		ASSERT_TRUE(is_as_before(self));
	}
}

/* Who is told that it failed still has the name. */
TEST_F(faults, unlink)
{
	FOR_EACH_FAULT(self) {
		int region = create_there(self, true), ret;

		begin_fault(self);
		ret = end_fault(self, remove_name(self->names, NAME));
		ASSERT_TRUE(is_clean(self, ret));
		EXPECT_EQ(ret ? 0 : -ENOENT, remove_name(self->names, NAME))
			TH_LOG("fault %u", self->nth);
		EXPECT_EQ(0, close(region));
		ASSERT_TRUE(is_as_before(self));
	}
}

/* Who is told that it failed still has the old name, and others the new. */
TEST_F(faults, rename)
{
	FOR_EACH_FAULT(self) {
		int region = create_there(self, true), ret;

		begin_fault(self);
		ret = renameat(self->names, NAME, self->names, OTHER_NAME) ?
			      -errno : 0;
		end_fault(self, ret);
		ASSERT_TRUE(is_clean(self, ret));
		EXPECT_EQ(ret ? 0 : -ENOENT, remove_name(self->names, NAME))
			TH_LOG("fault %u", self->nth);
		EXPECT_EQ(ret ? -ENOENT : 0,
			  remove_name(self->names, OTHER_NAME))
			TH_LOG("fault %u", self->nth);
		EXPECT_EQ(0, close(region));
		ASSERT_TRUE(is_as_before(self));
	}
}

TEST_F(faults, list)
{
	FOR_EACH_FAULT(self) {
		_Alignas(struct entry) char buffer[1024];
		int region = create_there(self, true), directory;
		ssize_t length;

		directory = openat(self->names, ".", O_RDONLY | O_DIRECTORY);
		begin_fault(self);
		length = syscall(SYS_getdents64, directory, buffer,
				 sizeof(buffer));
		if (length < 0)
			length = -errno;
		end_fault(self, length);
		ASSERT_TRUE(is_clean(self, length < 0 ? length : 0));
		if (!self->injected)
			EXPECT_EQ(1, count_entries(buffer, length));
		EXPECT_EQ(0, close(directory));
		EXPECT_EQ(0, close(region));
		EXPECT_EQ(0, remove_name(self->names, NAME));
		ASSERT_TRUE(is_as_before(self));
	}
}

TEST_F(faults, region_info)
{
	FOR_EACH_FAULT(self) {
		struct shatomic_ioc_region_info args = { .size = sizeof(args) };
		int ret = call(self, self->region, SHATOMIC_IOC_REGION_INFO,
			       &args);

		ASSERT_TRUE(is_clean(self, ret));
		if (!ret)
			EXPECT_EQ(REGION_SIZE, args.region_size);
	}
}

/* Who is told that it failed can do it again. */
TEST_F(faults, link)
{
	FOR_EACH_FAULT(self) {
		int region = create_there(self, false), ret;

		begin_fault(self);
		ret = end_fault(self, link_there(self, region));
		ASSERT_TRUE(is_clean(self, ret));
		EXPECT_EQ(self->before.names + !ret, count_names(self->names));
		if (ret)
			EXPECT_EQ(0, link_there(self, region));
		EXPECT_EQ(0, remove_name(self->names, NAME));
		EXPECT_EQ(0, close(region));
		ASSERT_TRUE(is_as_before(self));
	}
}

/* A mount of its own, which goes again. */
TEST_F(faults, mount)
{
	FOR_EACH_FAULT(self) {
		int names, ret;

		begin_fault(self);
		names = new_names();
		ret = end_fault(self, names < 0 ? names : 0);
		ASSERT_TRUE(is_clean(self, ret));
		if (names >= 0)
			EXPECT_EQ(0, close(names));
		ASSERT_TRUE(is_as_before(self));
	}
}

TEST_F(faults, stats)
{
	FOR_EACH_FAULT(self) {
		struct shatomic_ioc_stats args = { .size = sizeof(args),
						   .counting = UNTOUCHED };
		int ret = call(self, self->region, SHATOMIC_IOC_STATS, &args);

		ASSERT_TRUE(is_clean(self, ret));
		if (!ret)
			EXPECT_EQ(1, args.counting);
		ASSERT_TRUE(is_as_before(self));
	}
}

/* A DMA buffer of a region, which nothing else keeps any more. */
static int export(int region)
{
	struct shatomic_ioc_export_dmabuf args = { .size = sizeof(args) };
	int ret = ioctl(region, SHATOMIC_IOC_EXPORT_DMABUF, &args);

	close(region);
	return ret ? -1 : args.fd;
}

TEST_F(faults, export_dmabuf)
{
	FOR_EACH_FAULT(self) {
		struct shatomic_ioc_export_dmabuf args = {
			.size = sizeof(args),
		};
		int region = create(self);
		int ret = call(self, region, SHATOMIC_IOC_EXPORT_DMABUF, &args);

		ASSERT_TRUE(is_clean(self, ret));
		EXPECT_EQ(0, close(region));
		if (!ret)
			EXPECT_EQ(0, close(args.fd));
		ASSERT_TRUE(is_as_before(self));
	}
}

/* Map what @fd is of, and close it; whether all is as it should be. */
static bool try_map(FIXTURE_DATA(faults) *self, int fd)
{
	bool good = true;
	uint64_t *words;

	begin_fault(self);
	words = map(fd, REGION_SIZE);
	good &= is_clean(self, end_fault(self, words ? 0 : -errno));
	good &= !close(fd);
	if (words) {
		words[0] = 1;
		good &= words[0] == 1;
		good &= !munmap(words, REGION_SIZE);
	}
	return good && is_as_before(self);
}

TEST_F(faults, map)
{
	FOR_EACH_FAULT(self) {
		ASSERT_TRUE(try_map(self, create(self)));
	}
}

TEST_F(faults, map_dmabuf)
{
	FOR_EACH_FAULT(self) {
		ASSERT_TRUE(try_map(self, export(create(self))));
	}
}

/* @rows rows that add 1 to the first word of the region each. */
static struct shatomic_ioc_batch fill(FIXTURE_DATA(faults) *self,
				      unsigned int rows)
{
	unsigned int i;

	for (i = 0; i < rows; i++) {
		self->offsets[i] = 0;
		self->operands[i] = 1;
		self->ops[i] = i % 2 ? SHATOMIC_OP_FETCH_AND_ADD :
				       SHATOMIC_OP_ADD_AND_FETCH;
	}
	self->words[0] = 0;
	return (struct shatomic_ioc_batch) {
		.size = sizeof(struct shatomic_ioc_batch),
		.op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8,
		.rows = rows,
		.offsets = (uintptr_t)self->offsets,
		.operands = (uintptr_t)self->operands,
		.results = (uintptr_t)self->results,
		.rows_done = UNTOUCHED,
		.limit = UNTOUCHED,
	};
}

/* Whether as many rows ran as may have. */
static bool is_right_number(FIXTURE_DATA(faults) *self,
			    const struct shatomic_ioc_batch *batch, int ret)
{
	uint64_t rows = self->words[0];

	if (batch->rows_done != UNTOUCHED)
		return rows == batch->rows_done &&
		       (ret || rows == batch->rows) &&
		       (ret != -ENOMEM ||
			(!rows && batch->limit == SHATOMIC_LIMIT_MEMORY));
	/* It could not be told: the second fault, after one in the middle ... */
	if (self->injected > 1)
		return ret < 0 && rows <= batch->rows;
	/* ... or the only one, when all was well before, or nothing done. */
	return ret == -EFAULT && (!rows || rows == batch->rows);
}

static bool is_told(FIXTURE_DATA(faults) *self,
		    const struct shatomic_ioc_batch *batch, int ret)
{
	if (is_right_number(self, batch, ret))
		return true;
	printf("# fault %u%s: %llu rows ran, %llu it tells; limit %u; %s\n",
	       self->nth, self->injected > 1 ? ", and a second" : "",
	       (unsigned long long)self->words[0],
	       (unsigned long long)batch->rows_done, batch->limit,
	       strerror(-ret));
	return false;
}

static bool try_batch(FIXTURE_DATA(faults) *self,
		      struct shatomic_ioc_batch *batch)
{
	int ret = call(self, self->region, SHATOMIC_IOC_BATCH, batch);

	return is_clean(self, ret) && is_told(self, batch, ret) &&
	       is_as_before(self);
}

TEST_F(faults, small_batch)
{
	FOR_EACH_FAULT(self) {
		struct shatomic_ioc_batch batch = fill(self, 16);

		ASSERT_TRUE(try_batch(self, &batch));
	}
}

/* Columns of all kinds. */
TEST_F(faults, mixed_batch)
{
	FOR_EACH_FAULT(self) {
		struct shatomic_ioc_batch batch = fill(self, 1000);
		uint8_t statuses[1000];

		batch.op = 0;
		batch.ops = (uintptr_t)self->ops;
		batch.comparands = (uintptr_t)self->operands;
		batch.masks = (uintptr_t)self->operands;
		batch.comparand_masks = (uintptr_t)self->operands;
		batch.statuses = (uintptr_t)statuses;
		ASSERT_TRUE(try_batch(self, &batch));
	}
}

/* More rows than in a chunk, whose offsets are kept. */
TEST_F(faults, batch_run_alone)
{
	FOR_EACH_FAULT(self) {
		struct shatomic_ioc_batch batch = fill(self, MAX_ROWS);

		ASSERT_TRUE(try_batch(self, &batch));
	}
}

/* Faults are those of the caller; workers do their part without. */
TEST_F(faults, batch_shared_with_workers)
{
	long long slice_rows = read_number(SLICE_ROWS, "");
	char text[32];

	snprintf(text, sizeof(text), "%lld", slice_rows);
	/* How many places the caller comes by differs. */
	self->in_pairs = false;
	FOR_EACH_FAULT(self) {
		struct shatomic_ioc_batch batch = fill(self, MAX_ROWS);

		batch.results = self->nth % 2 ? batch.results : 0;
		ASSERT_EQ(0, write_text(SLICE_ROWS, "1024"));
		EXPECT_TRUE(try_batch(self, &batch));
		ASSERT_EQ(0, write_text(SLICE_ROWS, text));
		self->goes_on &= self->nth < 200;
	}
}

TEST_F(faults, batch_with_peers)
{
	FOR_EACH_FAULT(self) {
		struct shatomic_ioc_batch batch = fill(self, 16);
		int32_t peers[] = { self->other, self->region, self->other };
		uint32_t indexes[16] = { 0, 1, 2 };
		uint64_t offsets[16] = { 8, 16 };

		batch.peers = (uintptr_t)peers;
		batch.peer_count = COUNT_OF(peers);
		batch.peer_indexes = (uintptr_t)indexes;
		batch.peer_offsets = (uintptr_t)offsets;
		ASSERT_TRUE(try_batch(self, &batch));
	}
}

TEST_F(faults, batch_with_columns_in_region)
{
	FOR_EACH_FAULT(self) {
		struct shatomic_ioc_batch batch = fill(self, 64);

		memcpy(self->other_memory, self->offsets, 512);
		memcpy(self->other_memory + 512, self->operands, 512);
		batch.flags = SHATOMIC_BATCH_COLUMNS_IN_REGION;
		batch.columns = self->other;
		batch.columns_base = (uintptr_t)self->other_memory;
		batch.offsets = (uintptr_t)self->other_memory;
		batch.operands = (uintptr_t)self->other_memory + 512;
		batch.results = (uintptr_t)self->other_memory + 1024;
		ASSERT_TRUE(try_batch(self, &batch));
	}
}

TEST_F(faults, snapshot)
{
	FOR_EACH_FAULT(self) {
		struct shatomic_ioc_batch batch = fill(self, 100);
		int ret;

		self->words[0] = 42;
		batch.op = SHATOMIC_OP_GET;
		batch.flags = SHATOMIC_BATCH_SNAPSHOT;
		ret = call(self, self->region, SHATOMIC_IOC_BATCH, &batch);
		ASSERT_TRUE(is_clean(self, ret));
		if (!ret)
			EXPECT_EQ(42, self->results[99]);
		EXPECT_EQ(42, self->words[0]);
		ASSERT_TRUE(is_as_before(self));
	}
}

/*
 * Submit the batch on a ring; 1 with what it was completed with, 0 when it was
 * not submitted.
 */
static int submit(FIXTURE_DATA(faults) *self, struct io_uring *ring,
		  struct shatomic_ioc_batch *batch, int *res)
{
	struct shatomic_uring_batch payload = { .args = (uintptr_t)batch,
						.size = sizeof(*batch) };
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int ret;

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, self->region, NULL, 0, 0);
	sqe->cmd_op = SHATOMIC_IOC_BATCH;
	memcpy(sqe->cmd, &payload, sizeof(payload));
	begin_fault(self);
	ret = end_fault(self, io_uring_submit(ring));
	if (ret < 1)
		return 0;
	if (io_uring_wait_cqe(ring, &cqe))
		abort();
	*res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	self->failed_count += self->injected && *res < 0;
	return 1;
}

/* What io_uring makes of its own failures is more than ours. */
static bool is_clean_by_ring(FIXTURE_DATA(faults) *self, int res)
{
	return (self->injected && (res == -ECANCELED || res == -EAGAIN)) ||
	       is_clean(self, res < 0 ? res : 0);
}

static bool try_ring(FIXTURE_DATA(faults) *self, unsigned int rows)
{
	struct shatomic_ioc_batch batch = fill(self, rows);
	struct io_uring ring;
	bool submitted, good;
	int res = 0;

	if (io_uring_queue_init(4, &ring, 0))
		return false;
	submitted = submit(self, &ring, &batch, &res);
	good = submitted ? is_clean_by_ring(self, res) : self->injected;
	if (!submitted || res < 0)
		good &= !self->words[0] || self->words[0] == rows;
	else
		good &= (unsigned int)res == rows && self->words[0] == rows;
	io_uring_queue_exit(&ring);
	if (!good)
		printf("# fault %u: %s with %d, %llu rows ran\n", self->nth,
		       submitted ? "completed" : "not submitted", res,
		       (unsigned long long)self->words[0]);
	return is_as_before(self) && good;
}

TEST_F(faults, small_batch_by_io_uring)
{
	FOR_EACH_FAULT(self) {
		ASSERT_TRUE(try_ring(self, 16));
	}
}

/* A thread of io_uring runs it, without faults. */
TEST_F(faults, big_batch_by_io_uring)
{
	/* The thread would have those that are not counted by thread. */
	self->in_pairs = false;
	FOR_EACH_FAULT(self) {
		ASSERT_TRUE(try_ring(self, MAX_ROWS));
	}
}

TEST_HARNESS_MAIN
