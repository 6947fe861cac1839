// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Running rows in this process on several CPUs, as the engine plans it.
 *
 * Threads are made for each batch that is worth it and joined before the call
 * returns. A standing pool would save some 20 us a thread, but would not be
 * there after fork(), would show in programs that count their threads or drop
 * privileges thread by thread, and would keep a CPU mask that has changed.
 */
#include "backend.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

/**
 * struct crew - Those who run one batch
 * @memory: The region.
 * @rows: All rows.
 * @has_fields: What their check found.
 * @combines: Whether those on one word may become one operation.
 * @plan: How they are shared.
 * @shares: Number of slices or lanes.
 * @next: The next one that nobody has claimed.
 */
struct crew {
	const struct shatomic_memory *memory;
	const struct shatomic_rows *rows;
	bool has_fields;
	bool combines;
	enum shatomic_plan plan;
	__u64 shares;
	__u64 next;
};

/**
 * struct lane - Rows of one lane on their way through the engine
 * @chunk: Copies of their columns.
 * @count: How many there are.
 * @row_of: Where in the batch each stands, from @first on.
 * @first: The row that they are counted from.
 */
struct lane {
	struct shatomic_chunk chunk;
	__u32 count;
	__u32 row_of[SHATOMIC_CHUNK_ROWS];
	__u64 first;
};

/* Rows that are looked at before it is looked whether the lane has room. */
#define LOOK_ROWS 128

static void run_slice(const struct crew *crew, __u64 slice)
{
	__u64 first = slice * SHATOMIC_SLICE_ROWS;
	__u64 left = crew->rows->count - first;
	struct shatomic_rows rows;

	rows = shatomic_rows_slice(crew->rows, first,
				   left < SHATOMIC_SLICE_ROWS ?
					   left :
					   SHATOMIC_SLICE_ROWS);
	if (!crew->combines || !shatomic_combine_rows(crew->memory, &rows))
		shatomic_run_rows(crew->memory, &rows, crew->has_fields);
}

/*
 * Columns of values, with so many entries a row, between the batch and a lane's
 * chunk.
 */

static __always_inline void gather(const struct lane *lane, __u64 *to,
				   const __u64 *column, __u32 entries)
{
	__u32 i, entry;

	if (!column)
		return;
	column += lane->first * entries;
	for (i = 0; i < lane->count; i++) {
		for (entry = 0; entry < entries; entry++)
			to[i * entries + entry] =
				column[(size_t)lane->row_of[i] * entries +
				       entry];
	}
}

static __always_inline void scatter(const struct lane *lane,
				    const __u64 *from, __u64 *column,
				    __u32 entries)
{
	__u32 i, entry;

	if (!column)
		return;
	column += lane->first * entries;
	for (i = 0; i < lane->count; i++) {
		for (entry = 0; entry < entries; entry++)
			column[(size_t)lane->row_of[i] * entries + entry] =
				from[i * entries + entry];
	}
}

static __always_inline void gather_values(struct lane *lane,
					  const struct shatomic_rows *rows,
					  __u32 entries)
{
	struct shatomic_chunk *chunk = &lane->chunk;

	gather(lane, chunk->operands, rows->operands, entries);
	gather(lane, chunk->comparands, rows->comparands, entries);
	gather(lane, chunk->masks, rows->masks, entries);
	gather(lane, chunk->comparand_masks, rows->comparand_masks, entries);
}

static void gather_bytes(const struct lane *lane, __u8 *to, const __u8 *column)
{
	__u32 i;

	for (i = 0; column && i < lane->count; i++)
		to[i] = column[lane->first + lane->row_of[i]];
}

/*
 * Copy the columns of the rows of the lane. Rows with peers are not run in
 * lanes. No other row is read: with results in place of the operands, another
 * thread may be writing to it.
 */
static void copy_in(struct lane *lane, const struct shatomic_rows *rows)
{
	struct shatomic_chunk *chunk = &lane->chunk;

	gather(lane, chunk->offsets, rows->offsets, 1);
	if (shatomic_value_entries(rows->width) == 1)
		gather_values(lane, rows, 1);
	else
		gather_values(lane, rows, 2);
	gather_bytes(lane, chunk->ops, rows->ops);
	gather_bytes(lane, chunk->widths, rows->widths);
}

/* Bring back what came of the rows of the lane. */
static void copy_out(const struct lane *lane, const struct shatomic_rows *rows)
{
	__u32 i;

	if (shatomic_value_entries(rows->width) == 1)
		scatter(lane, lane->chunk.results, rows->results, 1);
	else
		scatter(lane, lane->chunk.results, rows->results, 2);
	for (i = 0; rows->statuses && i < lane->count; i++)
		rows->statuses[lane->first + lane->row_of[i]] =
			lane->chunk.statuses[i];
}

/* Run the rows that the lane has. */
static void flush_lane(struct lane *lane, const struct crew *crew)
{
	struct shatomic_rows rows;

	copy_in(lane, crew->rows);
	rows = shatomic_chunk_rows(&lane->chunk, crew->rows, lane->count);
	shatomic_run_rows(crew->memory, &rows, crew->has_fields);
	copy_out(lane, crew->rows);
	lane->count = 0;
}

/* Take those of some rows that are in the lane, which has room for all. */
static void fill_lane(struct lane *lane, const struct crew *crew, __u32 number,
		      __u64 first, __u64 end)
{
	const __u64 *offsets = crew->rows->offsets + lane->first;
	__u32 lanes = crew->shares, count = lane->count, row;

	for (row = first - lane->first; row < end - lane->first; row++) {
		/* No branch on the lane, which could not be predicted. */
		lane->row_of[count] = row;
		count += shatomic_lane_of(offsets[row], lanes) == number;
	}
	lane->count = count;
}

static void run_lane(const struct crew *crew, __u32 number)
{
	__u64 rows = crew->rows->count, first, end;
	__u32 capacity = shatomic_chunk_capacity(crew->rows->width);
	struct lane lane;

	lane.count = 0;
	for (first = 0; first < rows; first = end) {
		end = rows - first < LOOK_ROWS ? rows : first + LOOK_ROWS;
		if (!lane.count)
			lane.first = first;
		fill_lane(&lane, crew, number, first, end);
		if (lane.count > capacity - LOOK_ROWS ||
		    end - lane.first > (1U << 31))
			flush_lane(&lane, crew);
	}
	if (lane.count)
		flush_lane(&lane, crew);
}

/* What each thread does: claim shares until there are none. */
static void *work(void *arg)
{
	struct crew *crew = arg;
	__u64 share;

	for (;;) {
		share = __atomic_fetch_add(&crew->next, 1, __ATOMIC_RELAXED);
		if (share >= crew->shares)
			return NULL;
		if (crew->plan == SHATOMIC_PLAN_LANES)
			run_lane(crew, share);
		else
			run_slice(crew, share);
	}
}

/* How many CPUs this thread may run on; 1 when that can't be told. */
static unsigned int usable_cpus(void)
{
	unsigned int cpus, count = 1;

	/* The kernel refuses a set that is smaller than its own. */
	for (cpus = CPU_SETSIZE; cpus <= 1U << 20; cpus *= 2) {
		size_t size = CPU_ALLOC_SIZE(cpus);
		cpu_set_t *set = CPU_ALLOC(cpus);

		if (!set)
			return 1;
		if (!sched_getaffinity(0, size, set)) {
			count = CPU_COUNT_S(size, set);
			CPU_FREE(set);
			break;
		}
		CPU_FREE(set);
		if (errno != EINVAL)
			break;
	}
	return count;
}

/*
 * The caller is one of the workers. A thread that can't be had leaves its
 * shares to the others.
 */
static void run_crew(struct crew *crew, unsigned int workers)
{
	pthread_t threads[SHATOMIC_MAX_WORKERS];
	unsigned int started = 0;
	int cancel_state;

	/* The others use this stack: it must not go before they have ended. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	while (started + 1 < workers &&
	       !shatomic_thread_start(&threads[started], work, crew))
		started++;
	work(crew);
	while (started)
		pthread_join(threads[--started], NULL);
	pthread_setcancelstate(cancel_state, NULL);
}

static enum shatomic_plan choose_plan(const struct crew *crew, __u32 flags,
				      unsigned int parallelism,
				      unsigned int workers)
{
	enum shatomic_plan plan;

	if (workers == 1)
		return SHATOMIC_PLAN_SERIAL;
	plan = shatomic_plan_rows(crew->rows, flags, crew->has_fields);
	if (plan == SHATOMIC_PLAN_SLICES && !crew->combines &&
	    shatomic_rows_are_hot(crew->rows))
		plan = SHATOMIC_PLAN_LANES;
	if (plan == SHATOMIC_PLAN_LANES &&
	    !shatomic_lanes_pay(workers, parallelism))
		plan = SHATOMIC_PLAN_SERIAL;
	return plan;
}

void shatomic_run_parallel(const struct shatomic_memory *memory,
			   const struct shatomic_rows *rows, __u32 flags,
			   bool has_fields, unsigned int parallelism)
{
	struct crew crew = {
		.memory = memory,
		.rows = rows,
		.has_fields = has_fields,
		.combines = flags & SHATOMIC_BATCH_UNORDERED &&
			    shatomic_can_combine(rows, has_fields),
		.shares = rows->count / SHATOMIC_SLICE_ROWS + 1,
	};
	unsigned int workers = 1;

	if (rows->count > SHATOMIC_SLICE_ROWS && parallelism != 1)
		workers = shatomic_count_workers(rows->count,
						 SHATOMIC_SLICE_ROWS,
						 usable_cpus(), parallelism);
	crew.plan = choose_plan(&crew, flags, parallelism, workers);
	if (crew.plan == SHATOMIC_PLAN_SERIAL) {
		/* Nobody to wait for: combining would cost what it saves. */
		shatomic_run_rows(memory, rows, has_fields);
		return;
	}
	if (crew.plan == SHATOMIC_PLAN_LANES)
		crew.shares = workers;
	run_crew(&crew, workers);
}
