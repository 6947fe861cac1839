// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A ring of items between processes: any number of them put items in, any
 * number take them out, each sleeps while it can't. Each item is taken once.
 */
#include <shatomic.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CELLS 64
#define PAIRS 3 /* of one who puts ITEMS in and one who takes ITEMS out */
#define ITEMS 4000

/*
 * Who draws number n from tail may fill cell n % CELLS when it is turn n there,
 * who draws number n from head may empty it when it is turn n + 1, and the next
 * round begins with turn n + CELLS. The numbers lie in cache lines of their own.
 */
struct ring {
	_Alignas(64) uint64_t tail;
	_Alignas(64) uint64_t head;
	_Alignas(64) struct cell {
		uint64_t turn;
		uint64_t item;
	} cells[CELLS];
	uint64_t taken[PAIRS * ITEMS / 64 + 1];
	uint32_t times_taken[2];	/* for the first time, and again */
};

static void check(int err)
{
	if (err < 0) {
		fprintf(stderr, "%s\n", shatomic_error());
		exit(1);
	}
}

#define TURN(number)                          \
	(offsetof(struct ring, cells[0].turn) + \
	 (number) % CELLS * sizeof(struct cell))

/* Acquire: the item is seen as who passed the turn on left it. */
static struct cell *await_turn(struct shatomic_region *region, uint64_t number,
			       uint64_t turn)
{
	struct ring *ring = shatomic_buf(region, NULL);
	struct cell *cell = &ring->cells[number % CELLS];
	uint64_t seen;

	while ((seen = shatomic_get_u64_explicit(&cell->turn,
						 __ATOMIC_ACQUIRE)) != turn)
		check(shatomic_wait(region, TURN(number), 8, &seen, NULL));
	return cell;
}

/* Those of several turns may sleep here: wake them all. */
static void pass_turn(struct shatomic_region *region, uint64_t number,
		      uint64_t turn)
{
	struct ring *ring = shatomic_buf(region, NULL);

	shatomic_set_u64_explicit(&ring->cells[number % CELLS].turn, turn,
				  __ATOMIC_RELEASE);
	check(shatomic_wake(region, TURN(number), 8, INT_MAX));
}

static void put(struct shatomic_region *region, uint64_t item)
{
	struct ring *ring = shatomic_buf(region, NULL);
	uint64_t number = shatomic_fetch_and_add_u64(&ring->tail, 1);

	await_turn(region, number, number)->item = item;
	pass_turn(region, number, number + 1);
}

static uint64_t take(struct shatomic_region *region)
{
	struct ring *ring = shatomic_buf(region, NULL);
	uint64_t number = shatomic_fetch_and_add_u64(&ring->head, 1);
	uint64_t item = await_turn(region, number, number + 1)->item;

	pass_turn(region, number, number + CELLS);
	return item;
}

static void take_all(struct shatomic_region *region)
{
	struct ring *ring = shatomic_buf(region, NULL);

	for (int i = 0; i < ITEMS; i++) {
		uint64_t item = take(region);
		int before = shatomic_test_and_set_bit_u64(
			&ring->taken[item / 64], item % 64);

		shatomic_fetch_and_add_u32(&ring->times_taken[before], 1);
	}
}

int main(void)
{
	struct shatomic_create_options options = {
		.size = sizeof(struct ring),
	};
	struct shatomic_region *region;
	struct ring *ring;
	int failed = 0, status;

	check(shatomic_create(&options, &region));
	ring = shatomic_buf(region, NULL);
	for (uint64_t i = 0; i < CELLS; i++)
		ring->cells[i].turn = i;
	for (int i = 0; i < PAIRS; i++) {
		if (fork() == 0) {
			take_all(region);
			return 0;
		}
		if (fork() == 0) {
			for (int j = 0; j < ITEMS; j++)
				put(region, i * ITEMS + j);
			return 0;
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	printf("%d items put in, %u taken out, %u taken again\n",
	       PAIRS * ITEMS, ring->times_taken[0], ring->times_taken[1]);
	shatomic_close(region);
	return failed != 0;
}
