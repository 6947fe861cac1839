/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that whoever reads it waits for until it is let go: so a batch can be
 * held in its middle. By userfaultfd, as root.
 */
#ifndef TESTS_WAITING_H
#define TESTS_WAITING_H

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * For whole pages that have not been touched yet. The descriptor, whose messages
 * tell which threads wait, or -1.
 */
static inline int begin_waiting(void *memory, size_t bytes)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_THREAD_ID };
	struct uffdio_register range = {
		.range = { (uintptr_t)memory, bytes },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &range))
		return -1;
	return fd;
}

/* Return once @count readers wait, whoever of them waits for the same. */
static inline bool await_readers(int fd, unsigned int count)
{
	struct uffd_msg message;

	while (count--) {
		if (read(fd, &message, sizeof(message)) != sizeof(message))
			return false;
	}
	return true;
}

/* Let them go on: they read zeros. */
static inline bool end_waiting(int fd, void *memory, size_t bytes)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)memory, bytes } };

	while (ioctl(fd, UFFDIO_ZEROPAGE, &zero)) {
		if (errno != EAGAIN) {
			printf("# UFFDIO_ZEROPAGE: %s\n", strerror(errno));
			return false;
		}
		/* It has done a part, or nothing yet. */
		if (zero.zeropage > 0) {
			zero.range.start += zero.zeropage;
			zero.range.len -= zero.zeropage;
		}
	}
	return true;
}

#endif /* TESTS_WAITING_H */
