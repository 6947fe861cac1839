/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests share that need no harness: children, CPUs, files, system calls
 * that fail, and random numbers that can be had again.
 */
#ifndef TESTS_BASICS_H
#define TESTS_BASICS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/shatomic.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A name that no other test uses at the same time. */
static inline void unique_name(char name[SHATOMIC_NAME_SIZE], const char *what)
{
	snprintf(name, SHATOMIC_NAME_SIZE, "test-%s-%d", what, getpid());
}

/* Write to a file that is there, of /proc or /sys say; 0 or a negative errno. */
static inline int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;
	ssize_t written;

	if (fd < 0)
		return -errno;
	written = write(fd, text, strlen(text));
	if (written < 0)
		err = -errno;
	else if (written != (ssize_t)strlen(text))
		err = -EIO;
	close(fd);
	return err;
}

/* Have a system call fail for this thread from now on. */
static inline int fail_call(unsigned int number, int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { COUNT_OF(code), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Exit status of a child, 256 + signal when one killed it. */
static inline int wait_child(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/* Whether the kernel knows huge pages of shared memory: with PREEMPT_RT none. */
static inline bool has_huge_pages(void)
{
	return !access("/sys/kernel/mm/transparent_hugepage", F_OK);
}

/*
 * Bind the calling thread to one of the CPUs that it may use, each to another:
 * threads that take turns on one are hardly ever at it at once.
 */
static inline void take_a_cpu(void)
{
	static unsigned int next;
	unsigned int skip, cpu;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	skip = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % CPU_COUNT(&set);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &set) && !skip--)
			break;
	}
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static uint64_t random_state;

/* Seed from TEST_SEED, else from the clock; prints it. */
static inline void seed_random(void)
{
	const char *text = getenv("TEST_SEED");

	random_state = text ? strtoull(text, NULL, 0) :
			      (uint64_t)time(NULL) * 2654435761U + getpid();
	printf("# TEST_SEED=%llu\n", (unsigned long long)random_state);
	/* The harness ends a test's process without doing so. */
	fflush(stdout);
	random_state |= 1;
}

/* xorshift64*: good enough to choose rows by, and the same everywhere. */
static inline uint64_t next_random(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 2685821657736338717ULL;
}

#endif /* TESTS_BASICS_H */
