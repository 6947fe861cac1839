// SPDX-License-Identifier: GPL-2.0-only
/*
 * Running a batch: check all of it, then run its pieces, alone or shared with
 * workers on other CPUs.
 *
 * Ownership: a batch is on the heap and counted. The caller and each queued
 * worker hold a reference; whoever drops the last one frees it, so a caller
 * that is killed can go while workers finish. Caller and workers take pieces
 * from one counter, and the caller waits for the pieces, not for the workers:
 * one that comes too late is not needed, nor one whose CPU went off meanwhile.
 *
 * Most batches are small, and solo.c runs them: this is for the others.
 */
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/file.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/refcount.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "pkeys.h"
#include "shatomic.h"
#include "trace.h"

struct batch;

/**
 * struct worker - One CPU's part in a batch
 * @work: Queued on the CPU; unused for the caller.
 * @cpu: The CPU; unused for the caller.
 * @batch: The batch.
 * @chunk: Its copy of the rows it is at.
 */
struct worker {
	struct work_struct work;
	int cpu;
	struct batch *batch;
	struct shatomic_chunk chunk;
};

/**
 * struct batch - A batch under way
 * @refs: The caller and each queued worker.
 * @file: The region's file.
 * @user: Whose it is.
 * @shared: Whether it is charged as one that CPUs share.
 * @caller: The thread that called.
 * @cpus: How many CPUs have taken a piece, and the caller's.
 * @self: The region.
 * @args: What the caller asked for.
 * @columns: Where its columns are.
 * @shape: The same for the engine; its columns only tell which there are.
 * @peers: The peer regions.
 * @peer_table: Pointers to them, as the engine wants them.
 * @peer_files: Keep them.
 * @mm: Where columns in user memory are, else NULL; keeps the structure, not
 *	the address space.
 * @rights: What protection keys let the caller do there.
 * @plan: How the rows are shared.
 * @pieces: Number of pieces: slices, or lanes.
 * @slice_rows: Rows in a slice.
 * @next_piece: The next one to take.
 * @pieces_left: Those not finished.
 * @done: All pieces are finished.
 * @stop: Start no more rows: the caller is gone or a row has failed.
 * @rows_done: Rows that ran.
 * @error_lock: Protects the next three.
 * @error: What the failed row of the lowest index failed with, or 0.
 * @error_row: Its index.
 * @error_field: The column to blame.
 * @worker_count: Number of @workers.
 * @workers: The caller is the first.
 */
struct batch {
	refcount_t refs;
	struct file *file;
	kuid_t user;
	bool shared;
	pid_t caller;
	atomic_t cpus;
	struct shatomic_memory self;
	struct shatomic_ioc_batch args;
	struct shatomic_columns columns;
	struct shatomic_rows shape;
	struct shatomic_memory *peers;
	const struct shatomic_memory **peer_table;
	struct file **peer_files;
	struct mm_struct *mm;
	u64 rights;
	enum shatomic_plan plan;
	u32 pieces;
	u32 slice_rows;
	atomic_t next_piece;
	atomic_t pieces_left;
	struct completion done;
	bool stop;
	atomic64_t rows_done;
	spinlock_t error_lock; /* for error, error_row and error_field */
	int error;
	u64 error_row;
	u32 error_field;
	u32 worker_count;
	struct worker workers[];
};

static struct workqueue_struct *batch_queue;

static void batch_free(struct batch *batch)
{
	u32 i;

	for (i = 0; batch->peer_files && i < batch->args.peer_count; i++) {
		if (batch->peer_files[i])
			fput(batch->peer_files[i]);
	}
	kvfree(batch->peer_files);
	kvfree(batch->peer_table);
	kvfree(batch->peers);
	if (batch->mm)
		mmdrop(batch->mm);
	shatomic_columns_close(&batch->columns);
	if (batch->shared)
		shatomic_uncharge_shared(batch->user);
	shatomic_uncharge_batch(shatomic_region_of(batch->file), batch->user);
	fput(batch->file);
	kvfree(batch);
}

static void batch_put(struct batch *batch)
{
	if (refcount_dec_and_test(&batch->refs))
		batch_free(batch);
}

static void fail_batch(struct batch *batch, int error, u64 row, u32 field)
{
	spin_lock(&batch->error_lock);
	if (!batch->error || row < batch->error_row) {
		batch->error = error;
		batch->error_row = row;
		batch->error_field = field;
	}
	spin_unlock(&batch->error_lock);
	WRITE_ONCE(batch->stop, true);
}

/* Load @rows, those from @first on, and check them: again or the first time. */
static int load_checked(struct batch *batch, struct shatomic_chunk *chunk,
			const struct shatomic_rows *rows, u64 first,
			bool *has_fields, struct shatomic_row_error *error)
{
	int ret;

	error->row = SHATOMIC_NO_ROW;
	ret = shatomic_columns_load_keys(&batch->columns, chunk,
					 chunk->offsets, first, rows->count,
					 &error->field);
	if (ret)
		return ret;
	ret = shatomic_check_rows(&batch->self, rows, has_fields, error);
	if (ret)
		error->row += first;
	return ret;
}

/* Run the loaded and checked rows from @first on; those of @lane if @lanes. */
static int run_loaded(struct batch *batch, struct shatomic_chunk *chunk,
		      struct shatomic_rows *rows, u64 first, bool has_fields,
		      u32 lane, u32 lanes, u32 *field)
{
	int ret;

	ret = shatomic_columns_load_values(&batch->columns, chunk, rows, first,
					   field);
	if (ret)
		return ret;

	if (lanes > 1)
		shatomic_chunk_keep_lane(chunk, rows, lane, lanes);
	ret = shatomic_run_flagged(&batch->self, rows, batch->args.flags,
				   has_fields);
	if (ret)
		return ret;
	atomic64_add(rows->count, &batch->rows_done);
	shatomic_count_rows(batch->file, rows);

	return lanes > 1 ?
		       shatomic_columns_save_lane(&batch->columns, chunk, first,
						  rows->count, field) :
		       shatomic_columns_save(&batch->columns, chunk, rows,
					     first, field);
}

static void run_range(struct batch *batch, struct shatomic_chunk *chunk,
		      u64 first, u64 end, u32 lane, u32 lanes)
{
	struct shatomic_rows rows = shatomic_chunk_rows(chunk, &batch->shape,
							0);
	u32 capacity = shatomic_chunk_capacity(batch->args.width), count;
	struct shatomic_row_error error;
	bool has_fields;
	int ret;

	trace_shatomic_batch_start(batch->file, batch->caller, first,
				   end - first, lane, lanes);
	for (; first < end; first += count) {
		/* Only the caller can see its signals; all look at stop. */
		if (fatal_signal_pending(current))
			WRITE_ONCE(batch->stop, true);
		if (READ_ONCE(batch->stop))
			return;
		count = min_t(u64, end - first, capacity);
		rows.count = count;
		has_fields = false;
		ret = load_checked(batch, chunk, &rows, first, &has_fields,
				   &error);
		if (!ret) {
			error.row = SHATOMIC_NO_ROW;
			ret = run_loaded(batch, chunk, &rows, first, has_fields,
					 lane, lanes, &error.field);
		}
		if (ret) {
			fail_batch(batch, ret, error.row, error.field);
			return;
		}
		cond_resched();
	}
}

static void run_piece(struct batch *batch, struct shatomic_chunk *chunk,
		      u32 piece)
{
	u64 first;

	/* All rows in one piece are those of the only lane. */
	if (batch->plan != SHATOMIC_PLAN_SLICES) {
		run_range(batch, chunk, 0, batch->args.rows, piece,
			  batch->pieces);
		return;
	}
	first = (u64)piece * batch->slice_rows;
	run_range(batch, chunk, first,
		  min_t(u64, first + batch->slice_rows, batch->args.rows), 0,
		  1);
}

static bool take_piece(struct batch *batch, u32 *piece)
{
	*piece = atomic_inc_return(&batch->next_piece) - 1;
	return *piece < batch->pieces;
}

static void finish_piece(struct batch *batch)
{
	if (atomic_dec_and_test(&batch->pieces_left))
		complete(&batch->done);
}

/*
 * Whether columns can be reached from a worker: with the caller's rights, no
 * more and no less. The worker's own are kept in @rights.
 */
static bool use_columns(struct batch *batch, u64 *rights)
{
	if (!batch->mm)
		return true;
	/* The caller may have died, and its address space with it. */
	if (!mmget_not_zero(batch->mm))
		return false;
	kthread_use_mm(batch->mm);
	*rights = pkeys_rights();
	pkeys_set_rights(batch->rights);
	return true;
}

static void unuse_columns(struct batch *batch, u64 rights)
{
	if (!batch->mm)
		return;
	pkeys_set_rights(rights);
	kthread_unuse_mm(batch->mm);
	mmput(batch->mm);
}

/* The work of a CPU that goes off goes on anywhere, which may not be allowed. */
static bool is_on_its_cpu(const struct worker *worker)
{
	return raw_smp_processor_id() == worker->cpu;
}

static void worker_run(struct work_struct *work)
{
	struct worker *worker = container_of(work, struct worker, work);
	struct batch *batch = worker->batch;
	bool reachable;
	u64 rights = 0;
	u32 piece;

	/* The caller takes what is left. */
	if (!is_on_its_cpu(worker) || !take_piece(batch, &piece))
		goto out;

	atomic_inc(&batch->cpus);
	reachable = use_columns(batch, &rights);
	do {
		if (reachable)
			run_piece(batch, &worker->chunk, piece);
		else
			fail_batch(batch, -EFAULT, SHATOMIC_NO_ROW,
				   SHATOMIC_FIELD_NONE);
		finish_piece(batch);
	} while (is_on_its_cpu(worker) && take_piece(batch, &piece));
	if (reachable)
		unuse_columns(batch, rights);
out:
	batch_put(batch);
}

/*
 * The CPUs that the caller may run on. io_uring's own workers run where it
 * wants: the process that they are of is bound by its first thread's, as it is
 * by its cpuset. Once that thread has ended, nobody moves it with the process.
 */
static const struct cpumask *callers_cpus(void)
{
	struct task_struct *first;

	if (!(current->flags & PF_IO_WORKER))
		return current->cpus_ptr;
	first = READ_ONCE(current->group_leader);
	return read_foreign(first->flags) & PF_EXITING ? cpu_none_mask :
							 first->cpus_ptr;
}

/* Whether the caller may run there, now; CPUs and masks change meanwhile. */
static bool may_share(int cpu)
{
	return cpu_online(cpu) && cpumask_test_cpu(cpu, callers_cpus());
}

/* Queue the workers on other CPUs that the caller may run on. */
static void queue_workers(struct batch *batch)
{
	u32 queued = 1;
	int cpu, here;

	if (batch->worker_count == 1)
		return;

	cpus_read_lock();
	here = raw_smp_processor_id();
	for_each_possible_cpu(cpu) {
		if (queued == batch->worker_count)
			break;
		if (cpu == here || !may_share(cpu))
			continue;
		refcount_inc(&batch->refs);
		batch->workers[queued].cpu = cpu;
		queue_work_on(cpu, batch_queue, &batch->workers[queued++].work);
	}
	cpus_read_unlock();
}

/*
 * No piece is left: those that have not begun need not, the others are about to
 * end. So nothing of the batch is left when its caller returns.
 */
static void dismiss_workers(struct batch *batch)
{
	u32 i;

	for (i = 1; i < batch->worker_count; i++) {
		if (cancel_work_sync(&batch->workers[i].work))
			refcount_dec(&batch->refs);
	}
}

static int run_shared(struct batch *batch)
{
	u32 piece;

	queue_workers(batch);
	while (take_piece(batch, &piece)) {
		run_piece(batch, &batch->workers[0].chunk, piece);
		finish_piece(batch);
	}
	if (wait_for_completion_killable(&batch->done)) {
		WRITE_ONCE(batch->stop, true);
		return -EINTR;
	}
	dismiss_workers(batch);
	return fatal_signal_pending(current) ? -EINTR : batch->error;
}

/* Check all rows; @rows are those of the chunk, and left as the last are. */
static int check_all(struct batch *batch, struct shatomic_rows *rows,
		     bool *has_fields, struct shatomic_row_error *error)
{
	struct shatomic_chunk *chunk = &batch->workers[0].chunk;
	u32 capacity = shatomic_chunk_capacity(batch->args.width);
	u64 first;
	int ret;

	for (first = 0; first < batch->args.rows; first += rows->count) {
		rows->count = min_t(u64, batch->args.rows - first, capacity);
		ret = load_checked(batch, chunk, rows, first, has_fields,
				   error);
		if (ret)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* Rows in fields may have to go in lanes where others may go in slices. */
static void plan_for_fields(struct batch *batch)
{
	if (batch->plan != SHATOMIC_PLAN_SLICES)
		return;
	batch->plan = shatomic_plan_rows(&batch->shape, batch->args.flags,
					 true);
	if (batch->plan != SHATOMIC_PLAN_LANES)
		return;
	if (!shatomic_lanes_pay(batch->worker_count, batch->args.parallelism)) {
		batch->plan = SHATOMIC_PLAN_SERIAL;
		batch->worker_count = 1;
	}
	batch->pieces = batch->worker_count;
	atomic_set(&batch->pieces_left, batch->pieces);
}

static int batch_check_and_run(struct batch *batch)
{
	struct shatomic_chunk *chunk = &batch->workers[0].chunk;
	struct shatomic_rows rows = shatomic_chunk_rows(chunk, &batch->shape,
							0);
	struct shatomic_row_error error = { .row = SHATOMIC_NO_ROW };
	bool has_fields = false;
	int ret;

	if (!batch->args.rows)
		return 0;
	ret = check_all(batch, &rows, &has_fields, &error);
	if (ret) {
		batch->error_row = error.row;
		batch->error_field = error.field;
		return ret;
	}

	/* One chunk is still loaded, and is not read again. */
	if (batch->args.rows <= shatomic_chunk_capacity(batch->args.width)) {
		batch->error_row = SHATOMIC_NO_ROW;
		trace_shatomic_batch_start(batch->file, batch->caller, 0,
					   batch->args.rows, 0, 1);
		return run_loaded(batch, chunk, &rows, 0, has_fields, 0, 1,
				  &batch->error_field);
	}
	if (has_fields)
		plan_for_fields(batch);
	return run_shared(batch);
}

static u32 allowed_cpus(void)
{
	u32 count = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		count += may_share(cpu);
	return max(count, 1U);
}

/*
 * Decide on pieces and workers for a batch whose shape has been checked. One
 * with more workers than its caller has been charged as shared.
 */
static u32 plan_workers(const struct shatomic_ioc_batch *args, kuid_t user,
			const struct shatomic_rows *shape,
			enum shatomic_plan *plan, u32 *slice, u32 *pieces)
{
	u32 workers;

	*slice = shatomic_slice_rows();
	*plan = SHATOMIC_PLAN_SERIAL;
	*pieces = 1;
	if (args->rows <= *slice)
		return 1;
	workers = shatomic_count_workers(args->rows, *slice, allowed_cpus(),
					 shatomic_parallelism(args->parallelism));
	if (workers == 1)
		return 1;

	/* Fields are seen when the rows are checked. */
	*plan = shatomic_plan_rows(shape, args->flags, false);
	if (*plan == SHATOMIC_PLAN_LANES &&
	    !shatomic_lanes_pay(workers, args->parallelism))
		*plan = SHATOMIC_PLAN_SERIAL;
	if (*plan != SHATOMIC_PLAN_SERIAL && !shatomic_charge_shared(user))
		*plan = SHATOMIC_PLAN_SERIAL;
	if (*plan == SHATOMIC_PLAN_SERIAL)
		return 1;

	/* More rows a slice rather than more slices than fit the counter. */
	*slice = max_t(u64, *slice, DIV_ROUND_UP_ULL(args->rows, INT_MAX / 2));
	*pieces = *plan == SHATOMIC_PLAN_LANES ?
			  workers : DIV_ROUND_UP_ULL(args->rows, *slice);
	return workers;
}

static int load_peers(struct batch *batch, u32 *field, u32 *limit)
{
	const struct shatomic_ioc_batch *args = &batch->args;
	u32 i;
	s32 fd;

	if (!args->peer_count)
		return 0;

	*limit = SHATOMIC_LIMIT_MEMORY;
	batch->peer_files = kvcalloc(args->peer_count,
				     sizeof(*batch->peer_files),
				     GFP_KERNEL_ACCOUNT);
	batch->peers = kvcalloc(args->peer_count, sizeof(*batch->peers),
				GFP_KERNEL_ACCOUNT);
	batch->peer_table = kvcalloc(args->peer_count,
				     sizeof(*batch->peer_table),
				     GFP_KERNEL_ACCOUNT);
	if (!batch->peer_files || !batch->peers || !batch->peer_table)
		return -ENOMEM;

	*limit = SHATOMIC_LIMIT_NONE;
	*field = SHATOMIC_FIELD_PEERS;
	for (i = 0; i < args->peer_count; i++) {
		if (get_user(fd, (s32 __user *)u64_to_user_ptr(args->peers) + i))
			return -EFAULT;
		batch->peer_files[i] = fget(fd);
		if (!batch->peer_files[i] ||
		    !shatomic_region_of(batch->peer_files[i]))
			return -EBADF;
		if (!(batch->peer_files[i]->f_mode & FMODE_READ))
			return -EACCES;
		shatomic_region_as_memory(batch->peer_files[i],
					  &batch->peers[i]);
		batch->peer_table[i] = &batch->peers[i];
	}
	*field = SHATOMIC_FIELD_NONE;
	batch->shape.peers = batch->peer_table;
	return 0;
}

static struct batch *batch_alloc(struct file *file, kuid_t user,
				 const struct shatomic_ioc_batch *args,
				 const struct shatomic_rows *shape)
{
	enum shatomic_plan plan;
	u32 slice, pieces, workers, i;
	struct batch *batch;

	workers = plan_workers(args, user, shape, &plan, &slice, &pieces);
	/* Not zeroed: chunks are large, and written before they are read. */
	batch = kvmalloc(struct_size(batch, workers, workers),
			 GFP_KERNEL_ACCOUNT);
	if (!batch) {
		if (workers > 1)
			shatomic_uncharge_shared(user);
		return NULL;
	}

	memset(batch, 0, offsetof(struct batch, workers));
	refcount_set(&batch->refs, 1);
	batch->file = get_file(file);
	batch->user = user;
	batch->shared = workers > 1;
	batch->caller = current->pid;
	atomic_set(&batch->cpus, 1);
	shatomic_region_as_memory(file, &batch->self);
	batch->args = *args;
	batch->shape = *shape;
	batch->plan = plan;
	batch->pieces = pieces;
	batch->slice_rows = slice;
	atomic_set(&batch->pieces_left, pieces);
	init_completion(&batch->done);
	spin_lock_init(&batch->error_lock);
	batch->worker_count = workers;
	for (i = 0; i < workers; i++) {
		INIT_WORK(&batch->workers[i].work, worker_run);
		batch->workers[i].batch = batch;
	}
	return batch;
}

static int open_columns(struct batch *batch, u32 *field)
{
	int ret = shatomic_columns_open(&batch->columns, &batch->args, field);

	if (ret || batch->columns.file)
		return ret;
	batch->mm = current->mm;
	mmgrab(batch->mm);
	batch->rights = pkeys_rights();
	return 0;
}

/**
 * shatomic_batch_check_args() - Check what concerns a batch as a whole
 * @file: A file of the region.
 * @args: What to run; its [out] fields tell what is wrong.
 * @shape: The same for the engine, of whose columns only the presence counts.
 *
 * Return: 0 or a negative errno value.
 */
int shatomic_batch_check_args(struct file *file,
			      struct shatomic_ioc_batch *args,
			      const struct shatomic_rows *shape)
{
	struct shatomic_row_error error;
	int ret;

	if (!(file->f_mode & FMODE_READ))
		return -EACCES;

	/* Where columns are is no matter of rows. */
	ret = shatomic_check_shape(shape,
				   args->flags &
					   ~SHATOMIC_BATCH_COLUMNS_IN_REGION,
				   &error);
	if (ret) {
		args->error_field = error.field;
		return ret;
	}
	if (args->rows > shatomic_max_batch_rows()) {
		args->error_field = SHATOMIC_FIELD_ROWS;
		args->limit = SHATOMIC_LIMIT_BATCH_ROWS;
		return -EPERM;
	}
	return 0;
}

/**
 * shatomic_batch_run() - Check and run a batch
 * @file: A file of the region.
 * @args: What to run; its [out] fields are set.
 * @cpus: [out] How many CPUs have run it, unless it failed before.
 *
 * Return: 0 or a negative errno value.
 */
int shatomic_batch_run(struct file *file, struct shatomic_ioc_batch *args,
		       u32 *cpus)
{
	struct shatomic_region *region = shatomic_region_of(file);
	struct shatomic_rows shape = shatomic_columns_shape(args);
	kuid_t user = current_uid();
	struct batch *batch;
	int ret;

	ret = shatomic_batch_check_args(file, args, &shape);
	if (ret)
		return ret;

	ret = shatomic_charge_batch(region, user, &args->limit);
	if (ret)
		return ret;
	batch = batch_alloc(file, user, args, &shape);
	if (!batch) {
		shatomic_uncharge_batch(region, user);
		args->limit = SHATOMIC_LIMIT_MEMORY;
		return -ENOMEM;
	}

	ret = open_columns(batch, &args->error_field);
	if (!ret)
		ret = load_peers(batch, &args->error_field, &args->limit);
	if (!ret)
		ret = batch_check_and_run(batch);
	/* A killed caller's workers may still be at it. */
	if (ret && ret != -EINTR && batch->error_field) {
		args->error_field = batch->error_field;
		args->error_row = batch->error_row;
	}
	args->rows_done = atomic64_read(&batch->rows_done);
	*cpus = atomic_read(&batch->cpus);
	batch_put(batch);
	return ret;
}

int shatomic_batch_init(void)
{
	batch_queue = alloc_workqueue("shatomic",
				      WQ_PERCPU | WQ_CPU_INTENSIVE | WQ_SYSFS,
				      0);
	return batch_queue ? 0 : -ENOMEM;
}

void shatomic_batch_exit(void)
{
	destroy_workqueue(batch_queue);
}
