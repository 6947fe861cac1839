// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches that their caller runs alone: small ones, and those of up to
 * SOLO_ROWS rows that are checked by their offsets only. They need no more
 * memory than each CPU has ready, since they end before the next one begins
 * there, as a rule, and what they have read of their rows to check them they
 * keep: it is not read again. Who finds the CPU's memory taken goes the way of
 * all other batches. So there is one at a time for each CPU at most, and none
 * needs to be counted: counters that all CPUs share would cost each of them.
 */
#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "shatomic.h"
#include "trace.h"

/*
 * Most rows whose offsets are kept, in 512 KiB, which a CPU has from its first
 * batch of so many on; before, it has room for the fewer that most batches are.
 */
#define SOLO_ROWS 65536
#define USUAL_ROWS 4096

/**
 * struct room - Memory for one batch
 * @home: Where it is while nobody uses it; NULL there while somebody does.
 * @capacity: How many offsets there is room for.
 * @offsets: Those of all rows.
 * @chunk: The other columns.
 */
struct room {
	struct room **home;
	u32 capacity;
	u64 *offsets;
	struct shatomic_chunk chunk;
};

static DEFINE_PER_CPU(struct room *, cpu_room);

static struct room *take_room(void)
{
	/* The caller may be on another CPU by now, which does no harm. */
	struct room **home = raw_cpu_ptr(&cpu_room);

	return READ_ONCE(*home) ? xchg(home, NULL) : NULL;
}

/* Make room for more offsets; where that fails what there is stays. */
static bool extend_room(struct room *room, u32 rows)
{
	u32 capacity = rows <= USUAL_ROWS ? USUAL_ROWS : SOLO_ROWS;
	u64 *offsets;

	if (rows <= room->capacity)
		return true;
	offsets = kvmalloc_array(capacity, sizeof(*offsets),
				 GFP_KERNEL | __GFP_NOWARN);
	if (!offsets)
		return false;
	kvfree(room->offsets);
	room->offsets = offsets;
	room->capacity = capacity;
	return true;
}

static void give_back(struct room *room)
{
	/* After all use of it; pairs with the xchg() of who takes it next. */
	smp_store_release(room->home, room);
}

static bool runs_alone(const struct shatomic_ioc_batch *args)
{
	/* Any chunk holds these, and no slice is smaller. */
	if (args->rows <= SHATOMIC_CHUNK_ROWS / 2)
		return true;
	/* What is to be shared between CPUs. */
	if (args->rows > shatomic_slice_rows() &&
	    shatomic_parallelism(args->parallelism) != 1)
		return false;
	if (args->rows <= shatomic_chunk_capacity(args->width))
		return true;
	/* The operation has not been checked yet. */
	return args->rows <= SOLO_ROWS && args->op < SHATOMIC_OP_COUNT &&
	       shatomic_columns_offsets_are_keys(args);
}

/* The rows of the batch, with their columns in the room. */
static struct shatomic_rows rows_of(const struct shatomic_ioc_batch *args,
				    struct room *room)
{
	struct shatomic_chunk *chunk = &room->chunk;

	return (struct shatomic_rows) {
		.op = args->op,
		.width = args->width,
		.count = args->rows,
		.ops = args->ops ? chunk->ops : NULL,
		.widths = args->widths ? chunk->widths : NULL,
		.offsets = args->offsets ? room->offsets : NULL,
		.operands = args->operands ? chunk->operands : NULL,
		.comparands = args->comparands ? chunk->comparands : NULL,
		.masks = args->masks ? chunk->masks : NULL,
		.comparand_masks = args->comparand_masks ?
					   chunk->comparand_masks : NULL,
		.results = args->results ? chunk->results : NULL,
		.statuses = args->statuses ? chunk->statuses : NULL,
	};
}

/* Without rows there is only the batch itself to check. */
static int check_empty(struct file *file, struct shatomic_ioc_batch *args)
{
	const struct shatomic_rows shape = {
		.op = args->op,
		.width = args->width,
		.ops = (void *)(uintptr_t)args->ops,
		.widths = (void *)(uintptr_t)args->widths,
	};
	/* Not zeroed, which would be seen here: opening sets what is used. */
	struct shatomic_columns columns __uninitialized;
	int ret;

	ret = shatomic_batch_check_args(file, args, &shape);
	if (ret)
		return ret;
	ret = shatomic_columns_open(&columns, args, &args->error_field);
	shatomic_columns_close(&columns);
	return ret;
}

static int check_rows(const struct shatomic_memory *self,
		      struct shatomic_ioc_batch *args,
		      const struct shatomic_columns *columns,
		      struct room *room, const struct shatomic_rows *rows,
		      bool *has_fields)
{
	struct shatomic_row_error error = { .row = SHATOMIC_NO_ROW };
	int ret;

	ret = shatomic_columns_load_keys(columns, &room->chunk, room->offsets,
					 0, args->rows, &error.field);
	if (!ret)
		ret = shatomic_check_rows(self, rows, has_fields, &error);
	if (ret) {
		args->error_row = error.row;
		args->error_field = error.field;
	}
	return ret;
}

static int run_rows(struct file *file, const struct shatomic_memory *self,
		    struct shatomic_ioc_batch *args,
		    const struct shatomic_columns *columns, struct room *room,
		    struct shatomic_rows *rows, bool has_fields)
{
	u32 capacity = shatomic_chunk_capacity(args->width);
	u32 left = args->rows, first = 0;
	u32 field = SHATOMIC_FIELD_NONE;
	int ret;

	trace_shatomic_batch_start(file, current->pid, first, left, 0, 1);
	for (;;) {
		rows->count = min(left, capacity);
		rows->ahead = left - rows->count;
		ret = shatomic_columns_load_values(columns, &room->chunk, rows,
						   first, &field);
		if (ret)
			break;
		ret = shatomic_run_flagged(self, rows, args->flags, has_fields);
		if (ret)
			break;
		args->rows_done += rows->count;
		shatomic_count_rows(file, rows);
		ret = shatomic_columns_save(columns, &room->chunk, rows, first,
					    &field);
		left -= rows->count;
		if (ret || !left)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		first += rows->count;
		rows->offsets += rows->count;
	}
	if (ret)
		args->error_field = field;
	return ret;
}

static int check_and_run(struct file *file, struct shatomic_ioc_batch *args,
			 struct room *room)
{
	struct shatomic_rows rows = rows_of(args, room);
	struct shatomic_columns columns;
	struct shatomic_memory self;
	bool has_fields = false;
	int ret;

	ret = shatomic_batch_check_args(file, args, &rows);
	if (ret)
		return ret;

	ret = shatomic_columns_open(&columns, args, &args->error_field);
	if (ret)
		return ret;
	shatomic_region_as_memory(file, &self);
	ret = check_rows(&self, args, &columns, room, &rows, &has_fields);
	if (!ret)
		ret = run_rows(file, &self, args, &columns, room, &rows,
			       has_fields);
	shatomic_columns_close(&columns);
	return ret;
}

static bool run_in_room(struct file *file, struct shatomic_ioc_batch *args,
			int *ret)
{
	struct room *room = take_room();
	bool fits;

	if (!room)
		return false;
	fits = extend_room(room, args->rows);
	if (fits)
		*ret = check_and_run(file, args, room);
	give_back(room);
	return fits;
}

/**
 * shatomic_solo_run() - Check and run a batch if its caller can do so alone
 * @file: A file of the region.
 * @args: What to run; its [out] fields are set.
 * @ret: [out] 0 or a negative errno value.
 *
 * Return: Whether it was one, and has been run.
 */
bool shatomic_solo_run(struct file *file, struct shatomic_ioc_batch *args,
		       int *ret)
{
	if (args->peer_count)
		return false;
	if (!args->rows) {
		*ret = check_empty(file, args);
		return true;
	}
	return runs_alone(args) && run_in_room(file, args, ret);
}

static void free_room(struct room *room)
{
	if (room)
		kvfree(room->offsets);
	kvfree(room);
}

static struct room *new_room(int cpu)
{
	struct room *room = kvmalloc_node(sizeof(*room), GFP_KERNEL,
					  cpu_to_node(cpu));

	if (!room)
		return NULL;
	room->home = per_cpu_ptr(&cpu_room, cpu);
	room->capacity = 0;
	room->offsets = NULL;
	if (extend_room(room, USUAL_ROWS))
		return room;
	free_room(room);
	return NULL;
}

int shatomic_solo_init(void)
{
	struct room *room;
	int cpu;

	for_each_possible_cpu(cpu) {
		room = new_room(cpu);
		if (!room) {
			shatomic_solo_exit();
			return -ENOMEM;
		}
		*room->home = room;
	}
	return 0;
}

void shatomic_solo_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		free_room(per_cpu(cpu_room, cpu));
}
