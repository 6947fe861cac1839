/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libshatomic: atomic operations on memory that processes share.
 *
 * This header brings all of the library; each of those below is about one part
 * of it. Operations, batch flags, row statuses and limits have one name
 * everywhere: they come from the kernel ABI, <linux/shatomic.h>.
 */
#ifndef SHATOMIC_H
#define SHATOMIC_H

/**
 * DOC: Errors
 *
 * Functions that return int return 0, or a negative errno value which means
 * what the errno contract in <linux/shatomic.h> says. On failure they change
 * nothing, leave out parameters alone, and keep a sentence for
 * shatomic_error() that names the field, row, limit or path. A NULL where their
 * pages do not allow one is -EINVAL.
 */

/**
 * DOC: Threads and processes
 *
 * Every function may be called by many threads at once, on one region too,
 * except that shatomic_close() must be the last use of its region, and that a
 * queue is for one thread at a time. After fork() parent and child both have
 * the region and each closes its own; queues are the parent's alone.
 */

/**
 * DOC: Values as bytes
 *
 * Where a value is (pointer, width) it is that many bytes as they lie in
 * memory, of any alignment; arithmetic takes them as an integer in the
 * machine's byte order, and wraps. Widths are 1 to 8 bytes, and the word that
 * an operation is on lies inside one aligned 8-byte word of the region. Where
 * the machine has it a width of 16 will do too, at multiples of 16; such a word
 * can't be read in a region that is open read-only (-EACCES).
 */

#include <linux/shatomic.h>

#include "shatomic/async.h"
#include "shatomic/batch.h"
#include "shatomic/byte_batch.h"
#include "shatomic/file.h"
#include "shatomic/object.h"
#include "shatomic/op.h"
#include "shatomic/region.h"
#include "shatomic/single.h"
#include "shatomic/stats.h"
#include "shatomic/typed.h"
#include "shatomic/wait.h"

#endif /* SHATOMIC_H */
