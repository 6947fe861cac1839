// SPDX-License-Identifier: GPL-2.0-only
/*
 * A row's fields become entries of columns. A field is there just when the
 * row's operation takes it, or the row is wrong.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "batch_rows.h"
#include "tool.h"

/**
 * struct batch_peer - A peer region
 * @name: Its name.
 * @index: Its place among the peers of batches.
 * @hh: uthash's.
 */
struct batch_peer {
	char *name;
	uint32_t index;
	UT_hash_handle hh;
};

static bool refuse(struct batch_input *input, enum batch_column column,
		   const char *wrong)
{
	batch_input_wrong(input, "%s: %s", batch_column_names[column], wrong);
	return false;
}

static bool refuse_for(struct batch_input *input, enum batch_column column,
		       unsigned int op, const char *verb)
{
	batch_input_wrong(input, "%s: %s %s", batch_column_names[column],
			  shatomic_op_name(op), verb);
	return false;
}

static bool read_number(struct batch_input *input, enum batch_column column,
			uint64_t least, uint64_t most, uint64_t *number)
{
	const char *wrong =
		check_number(input->fields[column], least, most, number);

	return !wrong || refuse(input, column, wrong);
}

static bool read_op(struct batch_rows *rows, struct batch_input *input)
{
	const char *name = input->fields[BATCH_OP];
	int op = name ? shatomic_op_from_name(name) : rows->defaults->op;

	if (op < 0 && !name)
		return refuse(input, BATCH_OP,
			      "is missing, and there is no --op");
	if (op < 0) {
		batch_input_wrong(input, "%s: '%.40s' is no operation; `shatomic op --help' lists them",
				  batch_column_names[BATCH_OP], name);
		return false;
	}
	rows->ops[rows->count] = op;
	return true;
}

static bool read_width(struct batch_rows *rows, struct batch_input *input)
{
	unsigned int of_all = rows->defaults->width, width = of_all;
	const char *text = input->fields[BATCH_WIDTH];
	const char *wrong = text ? check_word_width(text, &width) : NULL;

	if (wrong)
		return refuse(input, BATCH_WIDTH, wrong);
	if (width != of_all && width == DOUBLE_WIDTH)
		return refuse(input, BATCH_WIDTH,
			      "16 has to be that of all rows, by --width");
	if (width != of_all && of_all == DOUBLE_WIDTH)
		return refuse(input, BATCH_WIDTH,
			      "is not 16, which is that of all rows by --width");
	rows->widths[rows->count] = width;
	return true;
}

static bool read_offset(struct batch_rows *rows, struct batch_input *input)
{
	if (!input->fields[BATCH_OFFSET])
		return refuse(input, BATCH_OFFSET, "is missing");
	return read_number(input, BATCH_OFFSET, 0, UINT64_MAX,
			   &rows->offsets[rows->count]);
}

static bool read_value(struct batch_rows *rows, struct batch_input *input,
		       enum batch_column column, int need, uint64_t *values)
{
	unsigned int op = rows->ops[rows->count];
	unsigned int width = rows->widths[rows->count];
	bool needed = shatomic_op_needs(op) & need;
	const char *text = input->fields[column];
	tool_value value = 0;
	const char *wrong;

	if (!text && needed)
		return refuse_for(input, column, op, "needs one");
	if (text && !needed)
		return refuse_for(input, column, op, "takes none");
	wrong = text ? check_value(text, width, &value) : NULL;
	if (wrong)
		return refuse(input, column, wrong);
	put_value(values, rows->count, width, value);
	return true;
}

static bool read_values(struct batch_rows *rows, struct batch_input *input)
{
	return read_value(rows, input, BATCH_OPERAND, SHATOMIC_NEEDS_OPERAND,
			  rows->operands) &&
	       read_value(rows, input, BATCH_COMPARAND,
			  SHATOMIC_NEEDS_COMPARAND, rows->comparands) &&
	       read_value(rows, input, BATCH_MASK, SHATOMIC_NEEDS_MASK,
			  rows->masks) &&
	       read_value(rows, input, BATCH_COMPARAND_MASK,
			  SHATOMIC_NEEDS_COMPARAND_MASK,
			  rows->comparand_masks);
}

int batch_open(enum shatomic_backend backend, const char *name,
	       struct shatomic_region **region)
{
	int err = shatomic_open(backend, name, 0, region);

	if (err == -EACCES)
		err = shatomic_open(backend, name, SHATOMIC_OPEN_READ_ONLY,
				    region);
	return err;
}

static bool open_peer(struct batch_rows *rows, struct batch_input *input,
		      const char *name)
{
	struct batch_peer *peer;

	if (rows->peer_count == SHATOMIC_MAX_PEERS) {
		batch_input_wrong(input, "%s: '%.64s' is one more than %u",
				  batch_column_names[BATCH_PEER], name,
				  SHATOMIC_MAX_PEERS);
		return false;
	}
	if (batch_open(rows->defaults->backend, name,
		       &rows->peer_regions[rows->peer_count])) {
		batch_input_wrong(input, "%s: %.64s: %s",
				  batch_column_names[BATCH_PEER], name,
				  shatomic_error());
		return false;
	}
	peer = tool_realloc(NULL, 1, sizeof(*peer));
	peer->index = rows->peer_count++;
	peer->name = strdup(name);
	if (!peer->name)
		tool_die("no memory for the name of a peer");
	HASH_ADD_KEYPTR(hh, rows->peers, peer->name, strlen(peer->name), peer);
	rows->peer_indexes[rows->count] = peer->index;
	return true;
}

static bool find_peer(struct batch_rows *rows, struct batch_input *input,
		      const char *name)
{
	struct batch_peer *peer;

	HASH_FIND_STR(rows->peers, name, peer);
	if (!peer)
		return open_peer(rows, input, name);
	rows->peer_indexes[rows->count] = peer->index;
	return true;
}

static bool read_no_peer(struct batch_rows *rows, struct batch_input *input)
{
	unsigned int op = rows->ops[rows->count];

	rows->peer_indexes[rows->count] = 0;
	if (input->fields[BATCH_PEER])
		return refuse_for(input, BATCH_PEER, op, "takes none");
	if (input->fields[BATCH_PEER_OFFSET])
		return refuse_for(input, BATCH_PEER_OFFSET, op, "takes none");
	return true;
}

static bool read_peer(struct batch_rows *rows, struct batch_input *input)
{
	unsigned int op = rows->ops[rows->count];
	const char *name = input->fields[BATCH_PEER];

	rows->peer_offsets[rows->count] = 0;
	if (!(shatomic_op_needs(op) & SHATOMIC_NEEDS_PEER))
		return read_no_peer(rows, input);
	if (!name)
		name = rows->defaults->peer;
	if (!name)
		return refuse_for(input, BATCH_PEER, op, "needs one");
	return find_peer(rows, input, name) &&
	       (!input->fields[BATCH_PEER_OFFSET] ||
		read_number(input, BATCH_PEER_OFFSET, 0, UINT64_MAX,
			    &rows->peer_offsets[rows->count]));
}

bool batch_rows_add(struct batch_rows *rows, struct batch_input *input)
{
	if (!read_op(rows, input) || !read_width(rows, input) ||
	    !read_offset(rows, input) || !read_values(rows, input) ||
	    !read_peer(rows, input))
		return false;
	rows->statuses[rows->count] = SHATOMIC_ROW_NOT_RUN;
	rows->lines[rows->count++] = input->line;
	return true;
}

#define NEW_COLUMN(rows, column, most)                                         \
	((rows)->column = tool_realloc(NULL, most, sizeof(*(rows)->column)))

void batch_rows_init(struct batch_rows *rows,
		     const struct batch_defaults *defaults, uint64_t most)
{
	uint64_t most_values = most * value_entries(defaults->width);

	*rows = (struct batch_rows){ .defaults = defaults };
	NEW_COLUMN(rows, lines, most);
	NEW_COLUMN(rows, ops, most);
	NEW_COLUMN(rows, widths, most);
	NEW_COLUMN(rows, offsets, most);
	NEW_COLUMN(rows, operands, most_values);
	NEW_COLUMN(rows, comparands, most_values);
	NEW_COLUMN(rows, masks, most_values);
	NEW_COLUMN(rows, comparand_masks, most_values);
	NEW_COLUMN(rows, peer_indexes, most);
	NEW_COLUMN(rows, peer_offsets, most);
	NEW_COLUMN(rows, results, most_values);
	NEW_COLUMN(rows, statuses, most);
}

void batch_rows_free(struct batch_rows *rows)
{
	struct batch_peer *peer, *next;

	HASH_ITER(hh, rows->peers, peer, next) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it has next. */
		HASH_DEL(rows->peers, peer);
		shatomic_close(rows->peer_regions[peer->index]);
		free(peer->name);
		free(peer);
	}
	free(rows->lines);
	free(rows->ops);
	free(rows->widths);
	free(rows->offsets);
	free(rows->operands);
	free(rows->comparands);
	free(rows->masks);
	free(rows->comparand_masks);
	free(rows->peer_indexes);
	free(rows->peer_offsets);
	free(rows->results);
	free(rows->statuses);
}
