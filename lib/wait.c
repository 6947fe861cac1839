// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Waiting for a word to change: futexes on the aligned 4 bytes that it lies in,
 * one or two of them, which the kernel compares with just what was seen there.
 */
#include "backend.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Newer than some C libraries and headers. */
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef FUTEX_32
#define FUTEX_32 2

struct futex_waitv {
	__u64 val;
	__u64 uaddr;
	__u32 flags;
	__u32 __reserved;
};
#endif

#define NSEC_PER_SEC 1000000000L

/**
 * struct halves - The aligned 4 bytes that a word lies in
 * @first: Address of the first.
 * @count: How many there are, 1 or 2.
 */
struct halves {
	uint32_t *first;
	unsigned int count;
};

static struct halves halves_of(const struct shatomic_region *region,
			       uint64_t offset, unsigned int width)
{
	uint64_t first = offset & ~3ULL;

	return (struct halves){
		.first = shatomic_memory_at(&region->memory, first),
		.count = (offset + width - first + 3) / 4,
	};
}

/* A load of all of them at one instant; @seen is what each was then. */
static void load_halves(const struct halves *halves, uint32_t seen[2])
{
	uint64_t both;

	if (halves->count == 1) {
		seen[0] = __atomic_load_n(halves->first, __ATOMIC_SEQ_CST);
		return;
	}
	/* Two are an aligned 8-byte word. */
	both = __atomic_load_n((uint64_t *)halves->first, __ATOMIC_SEQ_CST);
	memcpy(seen, &both, sizeof(both));
}

static int wait_one(uint32_t *half, uint32_t seen,
		    const struct timespec *deadline)
{
	return syscall(SYS_futex, half, FUTEX_WAIT_BITSET, seen, deadline, NULL,
		       FUTEX_BITSET_MATCH_ANY) ? errno : 0;
}

static int wait_two(uint32_t *halves, const uint32_t seen[2],
		    const struct timespec *deadline)
{
	struct futex_waitv waiters[2] = {
		{ .val = seen[0], .uaddr = (uintptr_t)&halves[0],
		  .flags = FUTEX_32 },
		{ .val = seen[1], .uaddr = (uintptr_t)&halves[1],
		  .flags = FUTEX_32 },
	};

	return syscall(SYS_futex_waitv, waiters, 2, 0, deadline,
		       CLOCK_MONOTONIC) < 0 ? errno : 0;
}

/* When a wait that begins now ends; a time that can't come stands for never. */
static struct timespec deadline_of(const struct timespec *timeout)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now.tv_nsec += timeout->tv_nsec;
	if (now.tv_nsec >= NSEC_PER_SEC) {
		now.tv_nsec -= NSEC_PER_SEC;
		now.tv_sec++;
	}
	if (__builtin_add_overflow(now.tv_sec, timeout->tv_sec, &now.tv_sec))
		now.tv_sec = LONG_MAX;
	return now;
}

static bool has_passed(const struct timespec *deadline)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec != deadline->tv_sec)
		return now.tv_sec > deadline->tv_sec;
	return now.tv_nsec >= deadline->tv_nsec;
}

int shatomic_check_timeout(const struct timespec *timeout)
{
	if (timeout && (timeout->tv_sec < 0 || timeout->tv_nsec < 0 ||
			timeout->tv_nsec >= NSEC_PER_SEC))
		return shatomic_fail(EINVAL,
				     "timeout is negative or has more than a second of nanoseconds");
	return 0;
}

static int wait_until(const struct shatomic_region *region, uint64_t offset,
		      unsigned int width, const void *expected,
		      const struct timespec *deadline)
{
	struct halves halves = halves_of(region, offset, width);
	uint32_t seen[2];
	int err = 0;

	for (;;) {
		load_halves(&halves, seen);
		if (memcmp((char *)seen + offset % 4, expected, width))
			return 0;
		if (err && err != EAGAIN)
			break;
		err = halves.count == 1 ?
			      wait_one(halves.first, seen[0], deadline) :
			      wait_two(halves.first, seen, deadline);
		/* Not by the kernel, when the rest of a half never rests. */
		if (err == EAGAIN && deadline && has_passed(deadline))
			err = ETIMEDOUT;
	}
	if (err == ETIMEDOUT || err == EINTR)
		return shatomic_fail(err, "offset %llu did not change: %s",
				     (unsigned long long)offset,
				     strerror(err));
	return shatomic_fail(err, "waiting for offset %llu: %s",
			     (unsigned long long)offset, strerror(err));
}

int shatomic_wait(const struct shatomic_region *region, uint64_t offset,
		  unsigned int width, const void *expected,
		  const struct timespec *timeout)
{
	struct timespec deadline;
	int err;

	if (!expected)
		return shatomic_fail(EINVAL, "expected is NULL");
	err = shatomic_check_single(region, offset, width);
	if (!err)
		err = shatomic_check_timeout(timeout);
	if (err)
		return err;
	if (timeout)
		deadline = deadline_of(timeout);
	return wait_until(region, offset, width, expected,
			  timeout ? &deadline : NULL);
}

int shatomic_wake(const struct shatomic_region *region, uint64_t offset,
		  unsigned int width, int count)
{
	struct halves halves;
	unsigned int i;
	int err, woken = 0;
	long ret;

	err = shatomic_check_single(region, offset, width);
	if (err)
		return err;
	if (count < 1)
		return shatomic_fail(EINVAL, "count %d is below 1", count);
	halves = halves_of(region, offset, width);
	for (i = 0; i < halves.count && woken < count; i++) {
		ret = syscall(SYS_futex, &halves.first[i], FUTEX_WAKE,
			      count - woken, NULL, NULL, 0);
		if (ret < 0) {
			err = errno;
			return shatomic_fail(err, "waking at offset %llu: %s",
					     (unsigned long long)offset,
					     strerror(err));
		}
		woken += ret;
	}
	return woken;
}
