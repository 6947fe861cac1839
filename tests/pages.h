/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers for tests of a region's file and memory: opening it again, mapping
 * and touching it, recognising its pages, and reading the kernel's counters.
 */
#ifndef TESTS_PAGES_H
#define TESTS_PAGES_H

#include "device.h"

#include <signal.h>
#include <sys/prctl.h>

#define PAGE 4096UL

/* Kernels that look for faults take longer for everything. */
static inline unsigned int time_scale(void)
{
	const char *scale = getenv("TEST_TIME_SCALE");

	return scale ? strtoul(scale, NULL, 10) : 1;
}

static inline uint64_t round_up_pages(uint64_t size)
{
	return (size + PAGE - 1) / PAGE * PAGE;
}

/* A region without a name: its descriptor or -errno. */
static inline int new_region_fd(int device, uint64_t size, uint32_t flags)
{
	uint32_t limit;

	return create(device, size, flags, &limit);
}

static inline struct shatomic_ioc_region_info region_info(int region)
{
	struct shatomic_ioc_region_info info = { .size = sizeof(info) };

	ioctl(region, SHATOMIC_IOC_REGION_INFO, &info);
	return info;
}

/* A DMA buffer of the region: its descriptor or -errno. */
static inline int export_dmabuf(int region)
{
	struct shatomic_ioc_export_dmabuf export = { .size = sizeof(export) };

	return ioctl(region, SHATOMIC_IOC_EXPORT_DMABUF, &export) ? -errno :
								   export.fd;
}

/* Path of a descriptor of ours, by which it can be opened anew. */
struct fd_path {
	char text[64];
};

static inline struct fd_path fd_path(int fd)
{
	struct fd_path path;

	snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", fd);
	return path;
}

/* Another open file description of the same file: its descriptor or -errno. */
static inline int reopen(int fd, int flags)
{
	int again = open(fd_path(fd).text, flags | O_CLOEXEC);

	return again < 0 ? -errno : again;
}

/* NULL where it can't be mapped. */
static inline void *map_from(int fd, uint64_t offset, size_t size, int prot)
{
	void *memory = mmap(NULL, size, prot, MAP_SHARED, fd, offset);

	return memory == MAP_FAILED ? NULL : memory;
}

static inline void *map(int fd, size_t size)
{
	return map_from(fd, 0, size, PROT_READ | PROT_WRITE);
}

/*
 * Access a byte in a child, which dies where the access is a fault: 0, or 256
 * and the signal's number.
 */
static inline int touch(volatile char *at, bool write)
{
	pid_t pid = fork();

	if (!pid) {
		if (write)
			(*at)++;
		else
			(void)*at;
		_exit(0);
	}
	return wait_child(pid);
}

#define TOUCH_SIGBUS (256 + SIGBUS)
#define TOUCH_SIGSEGV (256 + SIGSEGV)

/* A different word at the start of each page. */
static inline void fill_pages(void *memory, size_t size)
{
	size_t at;

	for (at = 0; at < size; at += PAGE)
		*(volatile uint64_t *)((char *)memory + at) = at ^ 0x5a5a5a5a;
}

/* Whether each page still has its word. */
static inline bool are_filled(const void *memory, size_t size)
{
	size_t at;

	for (at = 0; at < size; at += PAGE) {
		if (*(const volatile uint64_t *)((const char *)memory + at) !=
		    (at ^ 0x5a5a5a5a))
			return false;
	}
	return true;
}

/* Which physical page is mapped at an address; 0 unless root asks. */
static inline uint64_t page_frame(volatile void *memory)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	(void)*(volatile char *)memory;
	if (pread(fd, &entry, sizeof(entry), (uintptr_t)memory / PAGE * 8) !=
	    sizeof(entry))
		entry = 0;
	close(fd);
	return entry & ((1ULL << 55) - 1);
}

/* The number behind a key at the start of a line, or -1: "Cached:", "oom_kill". */
static inline long long counter(const char *path, const char *key)
{
	FILE *file = fopen(path, "r");
	size_t length = strlen(key);
	long long number = -1;
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, key, length) &&
		    strchr(": \t", line[length])) {
			number = strtoll(line + length + 1, NULL, 10);
			break;
		}
	}
	if (file)
		fclose(file);
	return number;
}

/* A number of the mapping at an address, in KiB, by /proc/self/smaps; or -1. */
static inline long long mapping_kib(const volatile void *memory,
				    const char *key)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	size_t length = strlen(key);
	unsigned long from, to;
	long long kib = -1;
	bool inside = false;
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from <= (uintptr_t)memory &&
				 (uintptr_t)memory < to;
		else if (inside && !strncmp(line, key, length) &&
			 line[length] == ':')
			kib = strtoll(line + length + 1, NULL, 10);
	}
	if (file)
		fclose(file);
	return kib;
}

/*
 * How much of a mapping is mapped by huge pages. A region's pages may count as
 * those of files or as shared memory.
 */
static inline long long huge_mapped_kib(const volatile void *memory)
{
	long long file = mapping_kib(memory, "FilePmdMapped");
	long long shmem = mapping_kib(memory, "ShmemPmdMapped");

	return (file > 0 ? file : 0) + (shmem > 0 ? shmem : 0);
}

/* Bytes in a huge page; 0 where the kernel has none. */
static inline size_t huge_page_size(void)
{
	return read_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
}

/*
 * In a child: become another user. A process that did so finds its own
 * descriptors in /proc/self/fd only when it is dumpable.
 */
static inline bool become(uid_t uid)
{
	return !setresgid(uid, uid, uid) && !setresuid(uid, uid, uid) &&
	       !prctl(PR_SET_DUMPABLE, 1);
}

/* The exit status of a child, or -1 when it has not ended in that time. */
static inline int wait_child_for(pid_t pid, unsigned int seconds)
{
	unsigned int i;
	int status;
	pid_t got;

	for (i = 0; i < seconds * time_scale() * 100; i++) {
		got = waitpid(pid, &status, WNOHANG);
		if (got == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) :
						   256 + WTERMSIG(status);
		if (got < 0)
			return -1;
		usleep(10000);
	}
	return -1;
}

#endif /* TESTS_PAGES_H */
