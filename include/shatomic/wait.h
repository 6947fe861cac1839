/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting until a word of a region changes, and waking who waits: a futex that
 * takes any width, between all processes that map the region.
 */
#ifndef SHATOMIC_WAIT_H
#define SHATOMIC_WAIT_H

#include <stdint.h>
#include <time.h>

#include "region.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * shatomic_wait() - Wait until a word differs from a value
 * @region: The region; it may be open read-only.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8.
 * @expected: @width bytes: the value that it is expected to have.
 * @timeout: How long to wait at most, from now on by CLOCK_MONOTONIC; NULL for
 *	ever.
 *
 * Returns at once when the word differs already. It sleeps until
 * shatomic_wake() is called for a word that shares an aligned 4 bytes with this
 * one: changing the word wakes nobody, whoever changes it (an operation, a
 * batch, the kernel). A word that changes and changes back may go unseen. Other
 * bytes of its aligned 4 bytes that change all the time keep it awake, at the
 * cost of CPU time.
 * shatomic_wait() orders like a load with __ATOMIC_ACQUIRE.
 *
 * Return: 0 when the word was seen to differ; -ETIMEDOUT; -EINTR (a signal was
 * handled; by a handler without SA_RESTART, when there is no timeout or the word
 * lies across two aligned 4 bytes); -EINVAL (a bad width or timeout, a word that
 * is not inside one aligned 8-byte word, a NULL), -ERANGE (outside the region);
 * -ENOSYS (a word across two aligned 4 bytes on a kernel before 5.16).
 */
int shatomic_wait(const struct shatomic_region *region, uint64_t offset,
		  unsigned int width, const void *expected,
		  const struct timespec *timeout);

/**
 * shatomic_wake() - Wake who waits for a word
 * @region: The region.
 * @offset: Offset of the word in bytes.
 * @width: Its width in bytes, 1 to 8.
 * @count: Most waiters to wake; INT_MAX for all. Those of other words in the
 *	same aligned 4 bytes count as well, and wait on by themselves: wake all
 *	when there may be such.
 *
 * Call it after the word was changed.
 *
 * Return: How many were woken, where one who waits for a word across two
 * aligned 4 bytes may count twice; -EINVAL (also for a @count below 1), -ERANGE.
 */
int shatomic_wake(const struct shatomic_region *region, uint64_t offset,
		  unsigned int width, int count);

#ifdef __cplusplus
}
#endif

#endif /* SHATOMIC_WAIT_H */
