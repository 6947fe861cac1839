// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many processes and threads on few words: exact totals, one winner, fields
 * that leave each other alone, single operations beside batches, and histories
 * that some order explains.
 */
#include "common.h"
#include "linearize.h"
#include "model.h"

#include <pthread.h>
#include <sched.h>

#define REGION_BYTES 4096
#define PROCESSES 10
#define THREADS 2
#define ADDS 500
#define BIG_ROWS 20000

/* Where processes wait for each other. */
#define READY_AT 2048
/* Where the words under test are. */
#define WORD_AT 1024

FIXTURE(crowd)
{
	struct shatomic_region *region;
	unsigned char *memory;
};

FIXTURE_SETUP(crowd)
{
	seed_random();
	self->region = new_region(REGION_BYTES);
	ASSERT_NE(NULL, self->region);
	self->memory = shatomic_buf(self->region, NULL);
}

FIXTURE_TEARDOWN(crowd)
{
	shatomic_close(self->region);
}

/* Wait until @count have come here; the counter only grows. */
static void meet(struct shatomic_region *region, uint32_t count)
{
	uint32_t *ready = shatomic_at(region, READY_AT, 4);
	uint32_t mine = shatomic_add_and_fetch_u32(ready, 1);
	uint32_t all = (mine + count - 1) / count * count;

	while ((int32_t)(shatomic_get_u32(ready) - all) < 0)
		sched_yield();
}

/* Ways to add 1 to a word; each gives what the word was. */
typedef bool add_fn(struct shatomic_region *region, uint64_t offset,
		    unsigned int width, uint64_t *old);

static bool add_single(struct shatomic_region *region, uint64_t offset,
		       unsigned int width, uint64_t *old)
{
	unsigned char one[8] = { 0 }, was[8];

	store_word(one, width, 1);
	if (shatomic_fetch_and_add(region, offset, width, one, was))
		return false;
	*old = load_word(was, width);
	return true;
}

static bool add_in(struct shatomic_region *region, uint64_t offset,
		   unsigned int width, uint64_t *old,
		   int (*run)(struct shatomic_region *,
			      struct shatomic_batch *))
{
	uint64_t offsets[2] = { offset, offset }, operands[2] = { 1, 0 };
	uint64_t results[2];
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = width, .rows = 2,
		.offsets = offsets, .operands = operands, .results = results,
	};

	if (run(region, &batch))
		return false;
	*old = results[0];
	return true;
}

static bool add_batch(struct shatomic_region *region, uint64_t offset,
		      unsigned int width, uint64_t *old)
{
	return add_in(region, offset, width, old, shatomic_batch_run);
}

static bool add_local(struct shatomic_region *region, uint64_t offset,
		      unsigned int width, uint64_t *old)
{
	return add_in(region, offset, width, old, shatomic_batch_run_local);
}

/* A loop around a comparison, as programs write it. */
static bool add_compared(struct shatomic_region *region, uint64_t offset,
			 unsigned int width, uint64_t *old)
{
	unsigned char was[8], expected[8], next[8];
	int ret;

	if (shatomic_get(region, offset, width, was))
		return false;
	do {
		memcpy(expected, was, 8);
		store_word(next, width, load_word(was, width) + 1);
		ret = shatomic_compare_and_set_value(region, offset, width,
						     next, expected, was);
	} while (ret == 0);
	*old = load_word(was, width);
	return ret == 1;
}

static add_fn *const adds[] = { add_single, add_batch, add_local,
				add_compared };

struct adder {
	struct shatomic_region *region;
	uint64_t offset;
	unsigned int width;
	unsigned int number;
	uint8_t *taken;
	bool failed;
};

/* Takes tickets from a word, each of which nobody else may have. */
static void *take_tickets(void *arg)
{
	struct adder *adder = arg;
	uint64_t old;
	unsigned int i;

	meet(adder->region, PROCESSES * THREADS);
	for (i = 0; i < ADDS; i++) {
		add_fn *add = adds[(adder->number + i) % COUNT_OF(adds)];

		if (!add(adder->region, adder->offset, adder->width, &old) ||
		    (adder->taken &&
		     __atomic_fetch_add(&adder->taken[old], 1,
					__ATOMIC_RELAXED)))
			adder->failed = true;
	}
	return NULL;
}

static int be_process(struct adder adder)
{
	struct adder adders[THREADS];
	pthread_t threads[THREADS];
	int i, failed = 0;

	for (i = 0; i < THREADS; i++) {
		adders[i] = adder;
		adders[i].number = adder.number * THREADS + i;
		if (pthread_create(&threads[i], NULL, take_tickets, &adders[i]))
			return 2;
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		failed |= adders[i].failed;
	}
	return failed;
}

static void run_processes(struct __test_metadata *_metadata,
			  const struct adder *adder)
{
	pid_t children[PROCESSES];
	unsigned int i;

	for (i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		if (!children[i]) {
			struct adder mine = *adder;

			mine.number = i;
			_exit(be_process(mine));
		}
	}
	for (i = 0; i < PROCESSES; i++)
		EXPECT_EQ(0, wait_child(children[i]));
}

/* Every way at once: no ticket is given twice, none is lost. */
TEST_F_TIMEOUT(crowd, tickets_of_one_word, 240)
{
	static const struct {
		unsigned int width;
		unsigned int at;
	} words[] = { { 8, 0 }, { 4, 4 }, { 2, 1 }, { 3, 5 }, { 5, 2 } };
	const unsigned int all = PROCESSES * THREADS * ADDS;
	unsigned char around[16];
	unsigned int i, j;

	for (i = 0; i < COUNT_OF(words); i++) {
		struct adder adder = {
			.region = self->region,
			.offset = WORD_AT + words[i].at,
			.width = words[i].width,
			.taken = mmap(NULL, all, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0),
		};

		ASSERT_NE(MAP_FAILED, adder.taken);
		memset(self->memory + WORD_AT, 0xee, 16);
		memset(self->memory + WORD_AT + words[i].at, 0,
		       words[i].width);
		memcpy(around, self->memory + WORD_AT, 16);
		store_word(around + words[i].at, words[i].width, all);
		run_processes(_metadata, &adder);
		EXPECT_EQ(0, memcmp(around, self->memory + WORD_AT, 16))
		{
			TH_LOG("width %u at %u", words[i].width, words[i].at);
		}
		for (j = 0; j < all; j++)
			ASSERT_EQ(1, adder.taken[j]);
		munmap(adder.taken, all);
	}
}

/* A byte wraps many times. */
TEST_F_TIMEOUT(crowd, totals_of_a_byte, 120)
{
	struct adder adder = { .region = self->region, .offset = WORD_AT + 3,
			       .width = 1 };

	run_processes(_metadata, &adder);
	EXPECT_EQ((uint8_t)(PROCESSES * THREADS * ADDS),
		  self->memory[WORD_AT + 3]);
	self->memory[WORD_AT + 3] = 0;
	EXPECT_EQ(0, load_word(self->memory + WORD_AT, 8));
}

#define RACERS 4
#define ROUNDS 400

struct racer {
	struct shatomic_region *region;
	unsigned int number;
	unsigned int wins[5];
};

/* In each round all try to be first at five words; each counts its wins. */
static void *race(void *arg)
{
	struct racer *racer = arg;
	unsigned char mine[8], before[8], all[8], one[8], low[8], old[8];
	uint64_t round;

	store_word(all, 3, ~0ULL);
	store_word(one, 8, 1);
	store_word(low, 3, 0xfff);
	for (round = 0; round < ROUNDS; round++) {
		uint64_t offset = WORD_AT + 1;
		unsigned int bit = round % 24;

		meet(racer->region, RACERS);
		/* A value that nobody else has, from that of the round before. */
		store_word(before, 7, 0);
		store_word(mine, 7, round * RACERS + racer->number + 1);
		racer->wins[0] += shatomic_compare_and_set_value(
			racer->region, offset, 7, mine, before, NULL) == 1;
		racer->wins[1] += shatomic_test_and_set_bit(
			racer->region, WORD_AT + 8, 3, bit) == 0;
		store_word(before, 3, 0);
		store_word(mine, 3, racer->number + 1);
		racer->wins[2] += shatomic_masked_compare_and_set_value(
			racer->region, WORD_AT + 16, 3, mine, low, before, all,
			old) == 1;
		/* Two of four get in below the bound. */
		store_word(mine, 8, 2);
		racer->wins[3] += shatomic_fetch_and_add_bounded(
			racer->region, WORD_AT + 24, 8, one, mine, NULL) == 1;
		store_word(mine, 5, racer->number + 1);
		racer->wins[4] += !shatomic_get_and_set(
			racer->region, WORD_AT + 32, 5, mine, old) &&
			!load_word(old, 5);

		meet(racer->region, RACERS);
		if (racer->number)
			continue;
		memset((char *)shatomic_buf(racer->region, NULL) + WORD_AT, 0,
		       40);
	}
	return NULL;
}

TEST_F_TIMEOUT(crowd, races_have_their_winners, 240)
{
	static const unsigned int winners[5] = { 1, 1, 1, 2, 1 };
	struct racer racers[RACERS];
	pthread_t threads[RACERS];
	unsigned int i, j, wins;

	for (i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){ .region = self->region,
					    .number = i };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, race,
					    &racers[i]));
	}
	for (i = 0; i < RACERS; i++)
		pthread_join(threads[i], NULL);
	for (j = 0; j < COUNT_OF(winners); j++) {
		wins = 0;
		for (i = 0; i < RACERS; i++)
			wins += racers[i].wins[j];
		EXPECT_EQ(ROUNDS * winners[j], wins)
		{
			TH_LOG("race %u", j);
		}
	}
}

/* Fields of one aligned 8-byte word, each with an owner that knows its value. */
struct owner {
	struct shatomic_region *region;
	unsigned int width;
	unsigned int at;
	bool failed;
};

static void *own_field(void *arg)
{
	struct owner *owner = arg;
	uint64_t expected = 0, step = 0x9E3779B97F4A7C15ULL;
	unsigned char operand[8], old[8] = { 0 };
	unsigned int i;

	take_a_cpu();
	for (i = 0; i < 3000; i++) {
		step = step * 6364136223846793005ULL + owner->at + 1;
		store_word(operand, owner->width, step);
		if ((i % 2 ? shatomic_fetch_and_xor :
			     shatomic_fetch_and_add)(
			    owner->region, WORD_AT + owner->at, owner->width,
			    operand, old) ||
		    load_word(old, owner->width) != expected)
			owner->failed = true;
		expected = (i % 2 ? expected ^ step : expected + step) &
			   width_mask(owner->width);
	}
	return NULL;
}

/* Reads and writes the whole without changing it. */
static void *touch_whole(void *arg)
{
	struct shatomic_region *region = arg;
	uint64_t zero = 0, old;
	unsigned int i;

	for (i = 0; i < 3000; i++) {
		if (shatomic_fetch_and_or(region, WORD_AT, 8, &zero, &old) ||
		    shatomic_fetch_and_add(region, WORD_AT, 8, &zero, &old))
			return region;
	}
	return NULL;
}

TEST_F_TIMEOUT(crowd, fields_leave_each_other_alone, 240)
{
	static const unsigned int partings[][3] = {
		{ 1, 2, 5 }, { 3, 3, 2 }, { 1, 7, 0 }, { 4, 4, 0 }, { 2, 1, 5 },
	};
	struct owner owners[3];
	pthread_t threads[4];
	unsigned int i, j, at, count;
	void *failed;

	for (i = 0; i < COUNT_OF(partings); i++) {
		memset(self->memory + WORD_AT, 0, 8);
		for (j = at = count = 0; j < 3 && partings[i][j]; j++) {
			owners[j] = (struct owner){ .region = self->region,
						    .width = partings[i][j],
						    .at = at };
			at += partings[i][j];
			count++;
		}
		for (j = 0; j < count; j++)
			ASSERT_EQ(0, pthread_create(&threads[j], NULL,
						    own_field, &owners[j]));
		ASSERT_EQ(0, pthread_create(&threads[count], NULL, touch_whole,
					    self->region));
		for (j = 0; j < count; j++) {
			pthread_join(threads[j], NULL);
			EXPECT_FALSE(owners[j].failed)
			{
				TH_LOG("parting %u field %u", i, j);
			}
		}
		pthread_join(threads[count], &failed);
		EXPECT_EQ(NULL, failed);
	}
}

/*
 * Fails to set one field from another, which is made what the first is, while
 * its neighbour in the same word has an owner.
 */
static void *fail_to_set(void *arg)
{
	struct shatomic_region *region = arg;
	unsigned char value[3] = { 0 }, turn[3];
	unsigned int i;

	take_a_cpu();
	for (i = 0; i < 3000; i++) {
		store_word(turn, 3, i);
		if (shatomic_set(region, WORD_AT + 8, 3, turn) ||
		    shatomic_compare_and_set(region, WORD_AT + 8, 3, value,
					     region, WORD_AT) < 0)
			return region;
	}
	return NULL;
}

TEST_F_TIMEOUT(crowd, peers_leave_their_neighbours_alone, 120)
{
	struct owner owner = { .region = self->region, .width = 5, .at = 3 };
	pthread_t threads[2];
	void *failed;

	ASSERT_EQ(0, pthread_create(&threads[0], NULL, own_field, &owner));
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, fail_to_set,
				    self->region));
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], &failed);
	EXPECT_EQ(NULL, failed);
	EXPECT_FALSE(owner.failed);
}

/* Batches that CPUs share, and single operations, on the same few words. */
struct beside {
	struct shatomic_region *region;
	bool stop;
	uint64_t added;
};

static void *add_beside(void *arg)
{
	struct beside *beside = arg;
	unsigned char three[3];

	store_word(three, 3, 3);
	while (!__atomic_load_n(&beside->stop, __ATOMIC_RELAXED)) {
		shatomic_fetch_and_add_u32(
			shatomic_at(beside->region, WORD_AT, 4), 3);
		shatomic_fetch_and_add(beside->region, WORD_AT + 5, 3, three,
				       NULL);
		__atomic_fetch_add(&beside->added, 3, __ATOMIC_RELAXED);
	}
	return NULL;
}

TEST_F_TIMEOUT(crowd, batches_beside_single_operations, 240)
{
	static uint64_t offsets[BIG_ROWS], operands[BIG_ROWS];
	static uint8_t widths[BIG_ROWS];
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .rows = BIG_ROWS,
		.offsets = offsets, .operands = operands, .widths = widths,
	};
	struct beside beside = { .region = self->region };
	uint64_t total = 0;
	pthread_t thread;
	unsigned int i;

	for (i = 0; i < BIG_ROWS; i++) {
		offsets[i] = WORD_AT + (i % 2 ? 5 : 0);
		widths[i] = i % 2 ? 3 : 4;
		operands[i] = 1;
	}
	ASSERT_EQ(0, pthread_create(&thread, NULL, add_beside, &beside));
	while (!__atomic_load_n(&beside.added, __ATOMIC_RELAXED))
		sched_yield();
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
		total += BIG_ROWS / 2;
	}
	__atomic_store_n(&beside.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	total += beside.added;
	EXPECT_EQ((uint32_t)total, load_word(self->memory + WORD_AT, 4));
	EXPECT_EQ(total & 0xffffff, load_word(self->memory + WORD_AT + 5, 3));
	EXPECT_EQ(0, self->memory[WORD_AT + 4]);
}

/*
 * Histories.
 */

/* By hand: the checker accepts what is right and refuses what is not. */
static const struct {
	const char *what;
	bool right;
	unsigned int count;
	struct event events[3];
} histories[] = {
#define ADD(began, ended, result) \
	{ began, ended, SHATOMIC_OP_FETCH_AND_ADD, 8, 0, { 1, 0, 0, 0 }, result }
#define GET(began, ended, result) \
	{ began, ended, SHATOMIC_OP_GET, 8, 0, { 0 }, result }
#define CAS(began, ended, to, result) \
	{ began, ended, SHATOMIC_OP_COMPARE_AND_SET_VALUE, 8, 0, \
	  { to, 0, 0, 0 }, result }
	{ "one after the other", true, 2, { ADD(1, 2, 0), ADD(3, 4, 1) } },
	{ "at once, either first", true, 2, { ADD(1, 4, 1), ADD(2, 3, 0) } },
	{ "a lost update", false, 2, { ADD(1, 4, 0), ADD(2, 3, 0) } },
	{ "in the order they did not have", false, 2,
	  { ADD(1, 2, 1), ADD(3, 4, 0) } },
	{ "a stale read", false, 2, { ADD(1, 2, 0), GET(3, 4, 0) } },
	{ "a read at once, before or after", true, 3,
	  { ADD(1, 6, 0), GET(2, 3, 0), GET(4, 5, 1) } },
	{ "reads that go back", false, 3,
	  { ADD(1, 6, 0), GET(2, 3, 1), GET(4, 5, 0) } },
	{ "two winners", false, 2, { CAS(1, 4, 5, 0), CAS(2, 3, 6, 0) } },
	{ "a winner and a loser", true, 2,
	  { CAS(1, 4, 5, 0), CAS(2, 3, 6, 5) } },
#undef ADD
#undef GET
#undef CAS
};

TEST(the_checker_tells_right_from_wrong)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(histories); i++)
		EXPECT_EQ(histories[i].right,
			  is_linearizable(histories[i].events,
					  histories[i].count, 0))
		{
			TH_LOG("history %u", i);
		}
}

#define ACTORS 3
#define EVENTS_EACH 4
/* And a look at the word when all is over. */
#define EVENTS (ACTORS * EVENTS_EACH + 1)
#define HISTORIES 4000

struct actor {
	struct shatomic_region *region;
	unsigned int number;
	uint64_t *clock;
	struct event (*histories)[EVENTS];
	bool failed;
};

/* By the backend's batch or the process's, as chance has it. */
static void run_event(struct actor *actor, struct event *event)
{
	uint64_t offset = WORD_AT + event->at;
	struct shatomic_batch batch = {
		.op = event->op, .width = event->width, .rows = 1,
		.offsets = &offset, .operands = &event->values.operand,
		.comparands = &event->values.comparand,
		.masks = &event->values.mask,
		.comparand_masks = &event->values.comparand_mask,
		.results = &event->result,
	};
	bool local = event->values.mask & 1;

	event->began = __atomic_fetch_add(actor->clock, 1, __ATOMIC_SEQ_CST);
	if ((local ? shatomic_batch_run_local : shatomic_batch_run)(
		    actor->region, &batch))
		actor->failed = true;
	event->ended = __atomic_fetch_add(actor->clock, 1, __ATOMIC_SEQ_CST);
}

static void *act(void *arg)
{
	struct actor *actor = arg;
	unsigned int history, i;

	take_a_cpu();
	for (history = 0; history < HISTORIES; history++) {
		struct event *events = actor->histories[history];

		meet(actor->region, ACTORS);
		for (i = 0; i < EVENTS_EACH; i++)
			run_event(actor,
				  &events[actor->number * EVENTS_EACH + i]);
		meet(actor->region, ACTORS);
		if (actor->number)
			continue;
		run_event(actor, &events[EVENTS - 1]);
		shatomic_set_u64(shatomic_at(actor->region, WORD_AT, 8), 0);
	}
	return NULL;
}

/* Small values, so that comparisons hold now and then. */
static void choose_event(struct event *event)
{
	do {
		event->op = next_random() % SHATOMIC_OP_COUNT;
	} while (shatomic_op_needs(event->op) & SHATOMIC_NEEDS_PEER);
	event->width = 1 + next_random() % 8;
	event->at = next_random() % (9 - event->width);
	event->values = (struct model_values){
		operand_for(event->op, event->width, next_random() % 4),
		next_random() % 4, next_random() % 256, next_random() % 16,
	};
}

static void choose_history(struct event events[EVENTS])
{
	unsigned int i;

	for (i = 0; i < EVENTS - 1; i++)
		choose_event(&events[i]);
	events[i] = (struct event){ .op = SHATOMIC_OP_GET, .width = 8 };
}

/* How many pairs of different actors were at it at once. */
static unsigned int count_overlaps(const struct event events[EVENTS])
{
	unsigned int i, j, overlaps = 0;

	for (i = 0; i < EVENTS - 1; i++) {
		for (j = 0; j < i; j++)
			overlaps += events[i].began < events[j].ended &&
				    events[j].began < events[i].ended;
	}
	return overlaps;
}

static void print_history(const struct event events[EVENTS])
{
	unsigned int i;

	for (i = 0; i < EVENTS; i++) {
		const char *name = shatomic_op_name(events[i].op);

		printf("# %llu-%llu %s width %u at %u: %llx %llx %llx %llx -> %llx\n",
		       (unsigned long long)events[i].began,
		       (unsigned long long)events[i].ended,
		       name ? name : "?", events[i].width, events[i].at,
		       (unsigned long long)events[i].values.operand,
		       (unsigned long long)events[i].values.comparand,
		       (unsigned long long)events[i].values.mask,
		       (unsigned long long)events[i].values.comparand_mask,
		       (unsigned long long)events[i].result);
	}
}

/* Have actors make histories; how many pairs of events were at it at once. */
static unsigned int make_histories(struct __test_metadata *_metadata,
				   struct shatomic_region *region,
				   struct event (*histories)[EVENTS])
{
	struct actor actors[ACTORS];
	pthread_t threads[ACTORS];
	unsigned int i, overlaps = 0;
	uint64_t clock = 0;

	for (i = 0; i < HISTORIES; i++)
		choose_history(histories[i]);
	for (i = 0; i < ACTORS; i++) {
		actors[i] = (struct actor){ region, i, &clock, histories,
					    false };
		EXPECT_EQ(0, pthread_create(&threads[i], NULL, act,
					    &actors[i]));
	}
	for (i = 0; i < ACTORS; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_FALSE(actors[i].failed);
	}
	for (i = 0; i < HISTORIES; i++)
		overlaps += count_overlaps(histories[i]);
	return overlaps;
}

TEST_F_TIMEOUT(crowd, histories_are_linearizable, 240)
{
	struct event (*histories)[EVENTS] = calloc(HISTORIES,
						   sizeof(*histories));
	unsigned int i, round, overlaps = 0, wrong = 0;

	/* More, as long as they were too easy: a busy machine has one CPU. */
	for (round = 0; round < 20 && overlaps < HISTORIES / 100; round++) {
		overlaps += make_histories(_metadata, self->region, histories);
		for (i = 0; i < HISTORIES; i++) {
			if (is_linearizable(histories[i], EVENTS, 0))
				continue;
			print_history(histories[i]);
			wrong++;
		}
	}
	EXPECT_EQ(0, wrong);
	TH_LOG("%u pairs at once in %u histories", overlaps,
	       round * HISTORIES);
	free(histories);
}

TEST_HARNESS_MAIN
