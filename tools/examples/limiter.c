// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A rate limiter: a bucket of tokens that processes share. Who finds it empty
 * sleeps until the parent has put some back, as many a millisecond as the rate
 * says.
 */
#include <shatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES 4
#define REQUESTS 100
#define BURST 20
#define REFILL 5

/* What the region holds: tokens that are out, at most BURST, and the sums. */
struct bucket {
	uint32_t used;
	uint32_t granted;
	uint32_t put_back;
};

static void check(int err)
{
	if (err < 0) {
		fprintf(stderr, "%s\n", shatomic_error());
		exit(1);
	}
}

static void take(struct shatomic_region *region)
{
	struct bucket *bucket = shatomic_buf(region, NULL);
	uint32_t used;

	for (;;) {
		used = shatomic_fetch_and_add_bounded_u32(&bucket->used, 1,
							  BURST);
		if (used < BURST)
			break;
		/* Returns at once when it is no longer what it was. */
		check(shatomic_wait(region, offsetof(struct bucket, used),
				    sizeof(used), &used, NULL));
	}
	shatomic_fetch_and_add_u32(&bucket->granted, 1);
}

/* Only the parent puts back, so that what it sees used stays used meanwhile. */
static void refill(struct shatomic_region *region)
{
	struct bucket *bucket = shatomic_buf(region, NULL);
	uint32_t count = shatomic_get_u32(&bucket->used);

	if (count > REFILL)
		count = REFILL;
	if (count == 0)
		return;
	shatomic_fetch_and_sub_u32(&bucket->used, count);
	bucket->put_back += count;
	check(shatomic_wake(region, offsetof(struct bucket, used),
			    sizeof(bucket->used), (int)count));
}

int main(void)
{
	struct shatomic_create_options options = {
		.size = sizeof(struct bucket),
	};
	struct timespec tick = { .tv_nsec = 1000000 };
	struct shatomic_region *region;
	struct bucket *bucket;
	int failed = 0, status;
	pid_t pid;

	check(shatomic_create(&options, &region));
	bucket = shatomic_buf(region, NULL);
	for (int i = 0; i < PROCESSES; i++) {
		if (fork() == 0) {
			for (int j = 0; j < REQUESTS; j++)
				take(region);
			return 0;
		}
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) >= 0) {
		if (pid > 0) {
			failed |= status;
			continue;
		}
		nanosleep(&tick, NULL);
		refill(region);
	}
	printf("%u granted, %u put back, %u used of %d\n", bucket->granted,
	       bucket->put_back, bucket->used, BURST);
	shatomic_close(region);
	return failed != 0;
}
