// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The layout of the public structures on 64-bit machines. Programs have been
 * compiled with it and have them in arrays: neither sizes nor places may change,
 * nor may one grow at its end.
 */
#include "backend.h"

#include <stddef.h>

#define SIZE_IS(type, size)                                                   \
	_Static_assert(sizeof(struct type) == (size), #type)
#define PLACE_IS(type, field, place)                                          \
	_Static_assert(offsetof(struct type, field) == (place), #type "." #field)

SIZE_IS(shatomic_create_options, 104);
PLACE_IS(shatomic_create_options, backend, 0);
PLACE_IS(shatomic_create_options, flags, 4);
PLACE_IS(shatomic_create_options, size, 8);
PLACE_IS(shatomic_create_options, name, 16);
PLACE_IS(shatomic_create_options, mode, 24);
PLACE_IS(shatomic_create_options, source, 28);
PLACE_IS(shatomic_create_options, initial, 32);
PLACE_IS(shatomic_create_options, initial_size, 40);
PLACE_IS(shatomic_create_options, previous_path, 48);
PLACE_IS(shatomic_create_options, standalone_path, 56);
PLACE_IS(shatomic_create_options, padding_direction, 64);
PLACE_IS(shatomic_create_options, padding_bytes, 72);
PLACE_IS(shatomic_create_options, padding_size, 80);
PLACE_IS(shatomic_create_options, trimming_direction, 88);
PLACE_IS(shatomic_create_options, numa, 92);
PLACE_IS(shatomic_create_options, numa_nodes, 96);
SIZE_IS(shatomic_info, 112);
PLACE_IS(shatomic_info, backend, 0);
PLACE_IS(shatomic_info, size, 8);
PLACE_IS(shatomic_info, huge_bytes, 16);
PLACE_IS(shatomic_info, pinned, 24);
PLACE_IS(shatomic_info, writable, 28);
PLACE_IS(shatomic_info, mode, 32);
PLACE_IS(shatomic_info, uid, 36);
PLACE_IS(shatomic_info, gid, 40);
PLACE_IS(shatomic_info, name, 44);
SIZE_IS(shatomic_listed, 96);
PLACE_IS(shatomic_listed, size, 0);
PLACE_IS(shatomic_listed, huge_bytes, 8);
PLACE_IS(shatomic_listed, mode, 16);
PLACE_IS(shatomic_listed, uid, 20);
PLACE_IS(shatomic_listed, gid, 24);
PLACE_IS(shatomic_listed, name, 28);
SIZE_IS(shatomic_batch, 160);
PLACE_IS(shatomic_batch, op, 0);
PLACE_IS(shatomic_batch, width, 4);
PLACE_IS(shatomic_batch, flags, 8);
PLACE_IS(shatomic_batch, parallelism, 12);
PLACE_IS(shatomic_batch, rows, 16);
PLACE_IS(shatomic_batch, ops, 24);
PLACE_IS(shatomic_batch, widths, 32);
PLACE_IS(shatomic_batch, offsets, 40);
PLACE_IS(shatomic_batch, operands, 48);
PLACE_IS(shatomic_batch, comparands, 56);
PLACE_IS(shatomic_batch, masks, 64);
PLACE_IS(shatomic_batch, comparand_masks, 72);
PLACE_IS(shatomic_batch, results, 80);
PLACE_IS(shatomic_batch, statuses, 88);
PLACE_IS(shatomic_batch, peers, 96);
PLACE_IS(shatomic_batch, peer_indexes, 104);
PLACE_IS(shatomic_batch, peer_offsets, 112);
PLACE_IS(shatomic_batch, columns, 120);
PLACE_IS(shatomic_batch, peer_count, 128);
PLACE_IS(shatomic_batch, error_field, 132);
PLACE_IS(shatomic_batch, rows_done, 136);
PLACE_IS(shatomic_batch, error_row, 144);
PLACE_IS(shatomic_batch, limit, 152);
SIZE_IS(shatomic_byte_batch, 144);
PLACE_IS(shatomic_byte_batch, flags, 0);
PLACE_IS(shatomic_byte_batch, parallelism, 4);
PLACE_IS(shatomic_byte_batch, rows, 8);
PLACE_IS(shatomic_byte_batch, width, 16);
PLACE_IS(shatomic_byte_batch, stride, 24);
PLACE_IS(shatomic_byte_batch, widths, 32);
PLACE_IS(shatomic_byte_batch, offsets, 40);
PLACE_IS(shatomic_byte_batch, values, 48);
PLACE_IS(shatomic_byte_batch, comparands, 56);
PLACE_IS(shatomic_byte_batch, results, 64);
PLACE_IS(shatomic_byte_batch, statuses, 72);
PLACE_IS(shatomic_byte_batch, peers, 80);
PLACE_IS(shatomic_byte_batch, peer_indexes, 88);
PLACE_IS(shatomic_byte_batch, peer_offsets, 96);
PLACE_IS(shatomic_byte_batch, peer_count, 104);
PLACE_IS(shatomic_byte_batch, objects, 112);
PLACE_IS(shatomic_byte_batch, rows_done, 120);
PLACE_IS(shatomic_byte_batch, error_row, 128);
PLACE_IS(shatomic_byte_batch, error_field, 136);
PLACE_IS(shatomic_byte_batch, limit, 140);
SIZE_IS(shatomic_queue_options, 16);
PLACE_IS(shatomic_queue_options, entries, 0);
PLACE_IS(shatomic_queue_options, flags, 4);
PLACE_IS(shatomic_queue_options, ring, 8);
SIZE_IS(shatomic_completion, 32);
PLACE_IS(shatomic_completion, batch, 0);
PLACE_IS(shatomic_completion, region, 8);
PLACE_IS(shatomic_completion, user_data, 16);
PLACE_IS(shatomic_completion, result, 24);
SIZE_IS(shatomic_object, 24);
PLACE_IS(shatomic_object, region, 0);
PLACE_IS(shatomic_object, offset, 8);
PLACE_IS(shatomic_object, width, 16);
PLACE_IS(shatomic_object, type, 20);
SIZE_IS(shatomic_value, 16);
PLACE_IS(shatomic_value, type, 0);
PLACE_IS(shatomic_value, size, 4);
PLACE_IS(shatomic_value, b, 8);
PLACE_IS(shatomic_value, i, 8);
PLACE_IS(shatomic_value, u, 8);
PLACE_IS(shatomic_value, f, 8);
PLACE_IS(shatomic_value, bytes, 8);
SIZE_IS(shatomic_stats, 552);
PLACE_IS(shatomic_stats, counting, 0);
PLACE_IS(shatomic_stats, batches, 8);
PLACE_IS(shatomic_stats, errors, 16);
PLACE_IS(shatomic_stats, in_flight, 24);
PLACE_IS(shatomic_stats, rows, 32);
PLACE_IS(shatomic_stats, op_rows, 40);
