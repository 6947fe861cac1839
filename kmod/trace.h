/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: regions as they come and go, and batches on their way. A region
 * is told by its inode number, which fstat(2) of its descriptor and debugfs tell
 * as well; a batch by that and the thread that called.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM shatomic

#if !defined(KMOD_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KMOD_TRACE_H

#include <linux/tracepoint.h>

#include "shatomic.h"

/* In place of an operation: each row has its own. */
#define SHATOMIC_TRACE_MIXED (~0U)

#define SHATOMIC_TRACE_ENUM(constant, ...) \
	TRACE_DEFINE_ENUM(SHATOMIC_OP_##constant);
SHATOMIC_OPS(SHATOMIC_TRACE_ENUM)

#define SHATOMIC_TRACE_NAME(constant, name, ...) \
	, { SHATOMIC_OP_##constant, #name }
#define shatomic_trace_op(op) \
	__print_symbolic(op, { SHATOMIC_TRACE_MIXED, "mixed" } \
			 SHATOMIC_OPS(SHATOMIC_TRACE_NAME))

TRACE_EVENT(shatomic_region_create,
	TP_PROTO(const struct shatomic_region *region),
	TP_ARGS(region),
	TP_STRUCT__entry(
		__field(u64, inode)
		__field(u64, bytes)
		__field(u64, huge_bytes)
		__field(u32, flags)
	),
	TP_fast_assign(
		__entry->inode = region->inode->i_ino;
		__entry->bytes = region->size;
		__entry->huge_bytes = region->pages.huge_bytes;
		__entry->flags = region->create_flags;
	),
	TP_printk("inode=%llu bytes=%llu huge_bytes=%llu flags=0x%x",
		  __entry->inode, __entry->bytes, __entry->huge_bytes,
		  __entry->flags)
);

TRACE_EVENT(shatomic_region_free,
	TP_PROTO(const struct shatomic_region *region),
	TP_ARGS(region),
	TP_STRUCT__entry(
		__field(u64, inode)
		__field(u64, bytes)
	),
	TP_fast_assign(
		__entry->inode = region->inode->i_ino;
		__entry->bytes = region->size;
	),
	TP_printk("inode=%llu bytes=%llu", __entry->inode, __entry->bytes)
);

/* A batch has been read; nothing of it has been checked. */
TRACE_EVENT(shatomic_batch_submit,
	TP_PROTO(const struct file *file,
		 const struct shatomic_ioc_batch *args),
	TP_ARGS(file, args),
	TP_STRUCT__entry(
		__field(u64, inode)
		__field(u64, rows)
		__field(u32, op)
		__field(u32, width)
		__field(u32, flags)
		__field(u32, parallelism)
	),
	TP_fast_assign(
		__entry->inode = file_inode(file)->i_ino;
		__entry->rows = args->rows;
		__entry->op = args->ops ? SHATOMIC_TRACE_MIXED : args->op;
		__entry->width = args->width;
		__entry->flags = args->flags;
		__entry->parallelism = args->parallelism;
	),
	TP_printk("inode=%llu op=%s width=%u rows=%llu flags=0x%x parallelism=%u",
		  __entry->inode, shatomic_trace_op(__entry->op),
		  __entry->width, __entry->rows, __entry->flags,
		  __entry->parallelism)
);

/*
 * A CPU starts on a share of a batch: @rows rows from @first on, of which those
 * of @lane are its own when there are several @lanes.
 */
TRACE_EVENT(shatomic_batch_start,
	TP_PROTO(const struct file *file, pid_t caller, u64 first, u64 rows,
		 u32 lane, u32 lanes),
	TP_ARGS(file, caller, first, rows, lane, lanes),
	TP_STRUCT__entry(
		__field(u64, inode)
		__field(u64, first)
		__field(u64, rows)
		__field(pid_t, caller)
		__field(u32, lane)
		__field(u32, lanes)
	),
	TP_fast_assign(
		__entry->inode = file_inode(file)->i_ino;
		__entry->first = first;
		__entry->rows = rows;
		__entry->caller = caller;
		__entry->lane = lane;
		__entry->lanes = lanes;
	),
	TP_printk("inode=%llu caller=%d first=%llu rows=%llu lane=%u lanes=%u",
		  __entry->inode, __entry->caller, __entry->first,
		  __entry->rows, __entry->lane, __entry->lanes)
);

/*
 * A batch's call returns; @cpus is how many CPUs took shares, the caller's
 * included. Where @error is about a row or a field, these tell which.
 */
TRACE_EVENT(shatomic_batch_complete,
	TP_PROTO(const struct file *file,
		 const struct shatomic_ioc_batch *args, int error, u32 cpus),
	TP_ARGS(file, args, error, cpus),
	TP_STRUCT__entry(
		__field(u64, inode)
		__field(u64, rows)
		__field(u64, rows_done)
		__field(s64, error_row)
		__field(u32, error_field)
		__field(u32, op)
		__field(int, error)
		__field(u32, cpus)
	),
	TP_fast_assign(
		__entry->inode = file_inode(file)->i_ino;
		__entry->rows = args->rows;
		__entry->rows_done = args->rows_done;
		__entry->error_row = args->error_row;
		__entry->error_field = args->error_field;
		__entry->op = args->ops ? SHATOMIC_TRACE_MIXED : args->op;
		__entry->error = error;
		__entry->cpus = cpus;
	),
	TP_printk("inode=%llu op=%s rows=%llu rows_done=%llu error=%d error_row=%lld error_field=%u cpus=%u",
		  __entry->inode, shatomic_trace_op(__entry->op),
		  __entry->rows, __entry->rows_done, __entry->error,
		  __entry->error_row, __entry->error_field, __entry->cpus)
);

#endif /* KMOD_TRACE_H */

/* Found by -I of this directory. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
