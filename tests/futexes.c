// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words of a region as futexes: whoever maps it waits and wakes, at whatever
 * address, on huge pages and small ones. So the C library's locks that processes
 * share work there, those that survive their holder's death too.
 */
#include "pages.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

/* Since Linux 5.16; the number is the same on all architectures. */
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef FUTEX_32
#define FUTEX_32 2
#endif

/* As of linux/futex.h, where that is new enough. */
struct waiter {
	uint64_t value;
	uint64_t address;
	uint32_t flags;
	uint32_t reserved;
};

/* The first is in huge pages where there are any, the last in none. */
#define SIZE (4 * MIB + PAGE)

static const size_t places[] = { 0, MIB + 4, 4 * MIB + 128 };

FIXTURE(futexes)
{
	int device;
	struct shatomic_ioc_info before;
	int region;
	char *memory;
};

FIXTURE_SETUP(futexes)
{
	self->device = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->device);
	self->before = get_info(self->device);
	self->region = new_region_fd(self->device, SIZE, 0);
	ASSERT_LE(0, self->region);
	self->memory = map(self->region, SIZE);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(futexes)
{
	munmap(self->memory, SIZE);
	close(self->region);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	close(self->device);
}

static long futex(void *word, int operation, uint32_t value, void *time,
		  void *second, uint32_t third)
{
	long ret = syscall(SYS_futex, word, operation, value, time, second,
			   third);

	return ret < 0 ? -errno : ret;
}

/* How a child waits for the word at its own address of it. */
static long wait_at(uint32_t *word)
{
	struct timespec most = { 30 * time_scale(), 0 };

	return futex(word, FUTEX_WAIT, 0, &most, NULL, 0);
}

/* In a child: map the region elsewhere, with this protection, and wait there. */
static void wait_elsewhere(FIXTURE_DATA(futexes) *self, size_t place,
			   int protection)
{
	int region = reopen(self->region, protection & PROT_WRITE ? O_RDWR :
								     O_RDONLY);
	char *memory;

	/* The first mapping stays, so that this one is at another address. */
	memory = map_from(region, 0, SIZE, protection);
	if (!memory || memory == self->memory)
		_exit(1);
	munmap(self->memory, SIZE);
	_exit(wait_at((uint32_t *)(memory + place)) ? 2 : 0);
}

/* Wake until as many have been woken; how many were, at most that. */
static long wake_all(uint32_t *word, long count)
{
	long woken = 0;
	unsigned int i;

	for (i = 0; i < 2000 * time_scale() && woken < count; i++) {
		woken += futex(word, FUTEX_WAKE, count - woken, NULL, NULL, 0);
		usleep(5000);
	}
	return woken;
}

TEST_F_TIMEOUT(futexes, waiters_are_woken_through_any_mapping, 120)
{
	static const int protections[] = { PROT_READ | PROT_WRITE, PROT_READ };
	unsigned int i, j;

	for (i = 0; i < COUNT_OF(places); i++) {
		for (j = 0; j < COUNT_OF(protections); j++) {
			pid_t child = fork();

			if (!child)
				wait_elsewhere(self, places[i],
					       protections[j]);
			EXPECT_EQ(1, wake_all((uint32_t *)(self->memory +
							   places[i]), 1));
			EXPECT_EQ(0, wait_child(child))
				TH_LOG("at %zu, protection %d", places[i],
				       protections[j]);
		}
	}
}

/* A mapping that begins later in the region has the same words. */
TEST_F(futexes, nor_does_it_matter_where_a_mapping_begins)
{
	pid_t child = fork();

	if (!child) {
		char *memory = map_from(self->region, MIB, PAGE,
					PROT_READ | PROT_WRITE);

		_exit(!memory || wait_at((uint32_t *)(memory + 4)));
	}
	EXPECT_EQ(1, wake_all((uint32_t *)(self->memory + MIB + 4), 1));
	EXPECT_EQ(0, wait_child(child));
}

/* Words at the same place of two regions are two. */
TEST_F(futexes, each_region_has_its_own)
{
	struct timespec most = { 0, 200000000 };
	int other = new_region_fd(self->device, SIZE, 0), status;
	pid_t child;

	ASSERT_LE(0, other);
	child = fork();
	if (!child) {
		char *memory = map(other, SIZE);

		_exit(futex(memory, FUTEX_WAIT, 0, &most, NULL, 0) ==
		      -ETIMEDOUT ? 0 : 1);
	}
	while (!waitpid(child, &status, WNOHANG)) {
		EXPECT_EQ(0, futex(self->memory, FUTEX_WAKE, 1, NULL, NULL, 0));
		usleep(1000);
	}
	EXPECT_EQ(0, status);
	close(other);
}

TEST_F(futexes, values_are_compared_and_waits_end)
{
	uint32_t *word = (uint32_t *)self->memory;
	struct timespec most = { 0, 1000000 };

	EXPECT_EQ(-ETIMEDOUT, futex(word, FUTEX_WAIT, 0, &most, NULL, 0));
	EXPECT_EQ(-EAGAIN, futex(word, FUTEX_WAIT, 1, &most, NULL, 0));
	EXPECT_EQ(0, futex(word, FUTEX_WAKE, 1, NULL, NULL, 0));
	EXPECT_EQ(-EINVAL, futex((char *)word + 1, FUTEX_WAIT, 0, &most, NULL,
				 0));
	/* Past the end is no word. */
	word = mremap(self->memory, SIZE, SIZE + PAGE, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, word);
	self->memory = (char *)word;
	word = (uint32_t *)(self->memory + SIZE);
	EXPECT_EQ(-EFAULT, futex(word, FUTEX_WAIT, 0, &most, NULL, 0));
	EXPECT_EQ(-EFAULT, futex(word, FUTEX_WAKE, 1, NULL, NULL, 0));
	munmap(word, PAGE);
}

TEST_F_TIMEOUT(futexes, waiters_move_to_another_word, 120)
{
	uint32_t *from = (uint32_t *)self->memory;
	uint32_t *to = (uint32_t *)(self->memory + 4 * MIB);
	pid_t children[3];
	long moved = 0;
	unsigned int i;

	for (i = 0; i < COUNT_OF(children); i++) {
		children[i] = fork();
		if (!children[i])
			wait_elsewhere(self, 0, PROT_READ | PROT_WRITE);
	}
	for (i = 0; i < 2000 * time_scale() && moved < 3; i++) {
		long ret = futex(from, FUTEX_CMP_REQUEUE, 0, (void *)3L, to, 0);

		ASSERT_LE(0, ret);
		moved += ret;
		usleep(5000);
	}
	EXPECT_EQ(3, moved);
	EXPECT_EQ(0, futex(from, FUTEX_WAKE, 3, NULL, NULL, 0));
	EXPECT_EQ(3, futex(to, FUTEX_WAKE, 3, NULL, NULL, 0));
	for (i = 0; i < COUNT_OF(children); i++)
		EXPECT_EQ(0, wait_child(children[i]));
}

/* Whoever waits for several words is told which of them it was. */
TEST_F_TIMEOUT(futexes, one_of_several_is_waited_for, 120)
{
	struct waiter waiters[COUNT_OF(places)] = { 0 };
	unsigned int i;
	pid_t child;

	for (i = 0; i < COUNT_OF(places); i++) {
		waiters[i].address = (uintptr_t)self->memory + places[i];
		waiters[i].flags = FUTEX_32;
	}
	if (syscall(SYS_futex_waitv, waiters, 0, 0, NULL, 0) && errno == ENOSYS)
		SKIP(return, "this kernel has no futex_waitv");
	for (i = 0; i < COUNT_OF(places); i++) {
		child = fork();
		if (!child)
			_exit(100 + syscall(SYS_futex_waitv, waiters,
					    (long)COUNT_OF(waiters), 0L, NULL,
					    0L));
		EXPECT_EQ(1, wake_all((uint32_t *)(self->memory + places[i]),
				      1));
		EXPECT_EQ(100 + i, wait_child(child));
	}
}

/* A lock whose holder inherits the priority of who waits for it. */
TEST_F_TIMEOUT(futexes, priority_is_inherited, 120)
{
	unsigned int i, j;
	pid_t child;

	for (i = 0; i < COUNT_OF(places); i++) {
		uint32_t *word = (uint32_t *)(self->memory + places[i]);

		ASSERT_EQ(0, futex(word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
		EXPECT_EQ((uint32_t)getpid(), *word & FUTEX_TID_MASK);
		EXPECT_EQ(-EDEADLK, futex(word, FUTEX_LOCK_PI, 0, NULL, NULL,
					  0));
		child = fork();
		if (!child) {
			/* It is handed over, to be given back. */
			if (futex(word, FUTEX_LOCK_PI, 0, NULL, NULL, 0))
				_exit(1);
			if ((*word & FUTEX_TID_MASK) != (uint32_t)getpid())
				_exit(2);
			_exit(futex(word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) ?
				      3 : 0);
		}
		for (j = 0; j < 2000 * time_scale(); j++) {
			if (*(volatile uint32_t *)word & FUTEX_WAITERS)
				break;
			usleep(5000);
		}
		EXPECT_EQ(FUTEX_WAITERS, *word & FUTEX_WAITERS);
		EXPECT_EQ(0, futex(word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
		EXPECT_EQ(0, wait_child(child));
		EXPECT_EQ(0, *word);
	}
}

static bool init_mutex(pthread_mutex_t *mutex, int protocol)
{
	pthread_mutexattr_t attributes;

	return !pthread_mutexattr_init(&attributes) &&
	       !pthread_mutexattr_setpshared(&attributes,
					     PTHREAD_PROCESS_SHARED) &&
	       !pthread_mutexattr_setrobust(&attributes,
					    PTHREAD_MUTEX_ROBUST) &&
	       !pthread_mutexattr_setprotocol(&attributes, protocol) &&
	       !pthread_mutex_init(mutex, &attributes);
}

/* The kernel marks and wakes what a thread held that is killed. */
TEST_F_TIMEOUT(futexes, robust_locks_survive_their_holder, 120)
{
	static const int protocols[] = { PTHREAD_PRIO_NONE,
					 PTHREAD_PRIO_INHERIT };
	volatile uint32_t *held = (uint32_t *)(self->memory + 512);
	unsigned int i, j;
	pid_t child;

	for (i = 0; i < COUNT_OF(places); i++) {
		for (j = 0; j < COUNT_OF(protocols); j++) {
			pthread_mutex_t *mutex =
				(void *)(self->memory + places[i] / 64 * 64);

			*held = 0;
			ASSERT_EQ(true, init_mutex(mutex, protocols[j]));
			child = fork();
			if (!child) {
				if (pthread_mutex_lock(mutex))
					_exit(1);
				*held = 1;
				usleep(20000);
				raise(SIGKILL);
			}
			while (!*held)
				usleep(1000);
			EXPECT_EQ(EOWNERDEAD, pthread_mutex_lock(mutex));
			EXPECT_EQ(0, pthread_mutex_consistent(mutex));
			EXPECT_EQ(0, pthread_mutex_unlock(mutex));
			EXPECT_EQ(256 + SIGKILL, wait_child(child));
			EXPECT_EQ(0, pthread_mutex_lock(mutex));
			EXPECT_EQ(0, pthread_mutex_unlock(mutex));
			pthread_mutex_destroy(mutex);
		}
	}
}

/* A turn each, of two processes that wait for one another. */
TEST_F_TIMEOUT(futexes, conditions_are_signalled_between_processes, 120)
{
	struct {
		pthread_mutex_t mutex;
		pthread_cond_t condition;
		unsigned int turn;
	} *shared = (void *)(self->memory + MIB);
	pthread_condattr_t attributes;
	unsigned int i, me;
	pid_t child;

	ASSERT_EQ(true, init_mutex(&shared->mutex, PTHREAD_PRIO_NONE));
	ASSERT_EQ(0, pthread_condattr_init(&attributes));
	ASSERT_EQ(0, pthread_condattr_setpshared(&attributes,
						 PTHREAD_PROCESS_SHARED));
	ASSERT_EQ(0, pthread_cond_init(&shared->condition, &attributes));
	child = fork();
	me = !child;
	for (i = 0; i < 200; i++) {
		pthread_mutex_lock(&shared->mutex);
		while (shared->turn % 2 != me)
			pthread_cond_wait(&shared->condition, &shared->mutex);
		shared->turn++;
		pthread_cond_broadcast(&shared->condition);
		pthread_mutex_unlock(&shared->mutex);
	}
	if (!child)
		_exit(0);
	EXPECT_EQ(0, wait_child(child));
	EXPECT_EQ(400, shared->turn);
}

TEST_HARNESS_MAIN
