// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A table of features of users. Processes change different parts of the same
 * words at once, each by batches: two move users from one segment to another,
 * each user once, one counts clicks, one writes scores. No change gets lost, and
 * who looks a user up gets all of its features as of one instant.
 */
#include <shatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define USERS 16384
#define ROUNDS 10

/* One aligned 8-byte word a user. */
struct features {
	uint32_t segment_and_score;
	uint16_t clicks, unused;
};

#define SCORE_MASK 0xffffffUL
#define SEGMENT(n) ((uint64_t)(n) << 24)
#define SEGMENT_MASK SEGMENT(0xff)
#define MOVED (USERS * sizeof(struct features)) /* a counter after the table */

/* The columns of batches; each process has its own copy. */
static uint64_t offsets[USERS], values[USERS], masks[USERS], comparands[USERS];
static uint8_t statuses[USERS];

/* A row for each user, on the member of that width at start. */
static void run(struct shatomic_region *region, unsigned int op, size_t start,
		unsigned int width)
{
	struct shatomic_batch batch = {
		.op = op, .width = width, .rows = USERS, .offsets = offsets,
		.operands = values, .masks = masks, .comparands = comparands,
		.comparand_masks = masks, .statuses = statuses,
		.results = op == SHATOMIC_OP_GET ? values : NULL,
	};

	for (uint64_t i = 0; i < USERS; i++)
		offsets[i] = i * sizeof(struct features) + start;
	if (shatomic_batch_run(region, &batch)) {
		fprintf(stderr, "%s\n", shatomic_error());
		exit(1);
	}
}

static void score(struct shatomic_region *region)
{
	for (uint64_t i = 0; i < USERS; i++) {
		values[i] = i * 3;
		masks[i] = SCORE_MASK;
	}
	for (int i = 0; i < ROUNDS; i++)
		run(region, SHATOMIC_OP_MASKED_GET_AND_SET, 0, 4);
}

static void click(struct shatomic_region *region)
{
	for (uint64_t i = 0; i < USERS; i++)
		values[i] = 1;
	for (int i = 0; i < ROUNDS; i++)
		run(region, SHATOMIC_OP_FETCH_AND_ADD,
		    offsetof(struct features, clicks), 2);
}

/* From segment 0 to 7, whatever the score is or becomes. */
static void move(struct shatomic_region *region)
{
	uint64_t *moved = shatomic_at(region, MOVED, 8);

	for (uint64_t i = 0; i < USERS; i++) {
		values[i] = SEGMENT(7);
		comparands[i] = SEGMENT(0);
		masks[i] = SEGMENT_MASK;	/* compared and changed */
	}
	run(region, SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE, 0, 4);
	for (uint64_t i = 0; i < USERS; i++)
		shatomic_fetch_and_add_u64(moved,
					   statuses[i] == SHATOMIC_ROW_DONE);
}

static void (*const jobs[])(struct shatomic_region *region) = {
	move, move, click, score
};

int main(void)
{
	struct shatomic_create_options options = { .size = MOVED + 8 };
	struct shatomic_region *region;
	struct features user;
	int failed = 0, status;
	unsigned int wrong = 0;

	if (shatomic_create(&options, &region)) {
		fprintf(stderr, "%s\n", shatomic_error());
		return 1;
	}
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		if (fork() == 0) {
			jobs[i](region);
			return 0;
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	run(region, SHATOMIC_OP_GET, 0, 8);
	for (uint64_t i = 0; i < USERS; i++) {
		memcpy(&user, &values[i], sizeof(user));
		wrong += user.segment_and_score != SEGMENT(7) + i * 3 ||
			 user.clicks != ROUNDS;
	}
	printf("%d users, %lu moved, %u wrong\n", USERS,
	       shatomic_get_u64(shatomic_at(region, MOVED, 8)), wrong);
	shatomic_close(region);
	return failed != 0;
}
