// SPDX-License-Identifier: GPL-2.0-only
/*
 * From an input's bytes to a batch: its structure and what is in its columns.
 * With all bytes zero it is a good one, and each byte puts something wrong or
 * rare into it.
 */
#include "calls.h"

#include <limits.h>
#include <shatomic/op.h>
#include <string.h>

/* The bytes of a call that is a batch. */
enum {
	AT_FD		= 1,
	AT_ARGS		= 2,	/* how the structure is given; flags */
	AT_OP		= 3,
	AT_WIDTH	= 4,
	AT_ROWS		= 5,
	AT_PARALLELISM	= 6,
	AT_COLUMNS	= 7,	/* which are there that need not, or not */
	AT_OFFSETS	= 8,
	AT_OPERANDS	= 9,
	AT_PLACE	= 10,	/* of one column that is not where others are */
	AT_BAD_ROW	= 11,
	AT_BAD_VALUE	= 12,
	AT_PEERS	= 13,
	AT_REGION	= 14,	/* that columns are in */
};

enum column {
	OFFSETS, OPERANDS, COMPARANDS, RESULTS, STATUSES, MASKS,
	COMPARAND_MASKS, PEER_OFFSETS, PEER_INDEXES, OPS, WIDTHS, PEERS,
	COLUMNS
};

/* Rows that columns have room for in any case. */
#define MAX_ROWS 8191

static const size_t column_members[COLUMNS] = {
	[OFFSETS] = offsetof(struct shatomic_ioc_batch, offsets),
	[OPERANDS] = offsetof(struct shatomic_ioc_batch, operands),
	[COMPARANDS] = offsetof(struct shatomic_ioc_batch, comparands),
	[RESULTS] = offsetof(struct shatomic_ioc_batch, results),
	[STATUSES] = offsetof(struct shatomic_ioc_batch, statuses),
	[MASKS] = offsetof(struct shatomic_ioc_batch, masks),
	[COMPARAND_MASKS] = offsetof(struct shatomic_ioc_batch,
				     comparand_masks),
	[PEER_OFFSETS] = offsetof(struct shatomic_ioc_batch, peer_offsets),
	[PEER_INDEXES] = offsetof(struct shatomic_ioc_batch, peer_indexes),
	[OPS] = offsetof(struct shatomic_ioc_batch, ops),
	[WIDTHS] = offsetof(struct shatomic_ioc_batch, widths),
	[PEERS] = offsetof(struct shatomic_ioc_batch, peers),
};

/* What takes long is in the second half. */
static const uint64_t row_counts[] = {
	4, 1, 2, 3, 0, 5, 8, 16, 31, 32, 33, 64, ~0ULL, INT_MAX, 128, 1500, 129,
	200, 512, 513, 1024, 1025, 1400, 2048, 2500, 4096, 4097, 5000, 8192,
	20000, 65, 7,
};

static const uint32_t widths[] = {
	8, 4, 2, 1, 3, 5, 6, 7, 16, 0, 9, 12, 15, 17, 64, 0xffffffff,
};

static const uint32_t parallelisms[] = { 0, 1, 2, 3, 64, 65, 0x80000000, ~0U };

static const uint32_t peer_counts[] = {
	0, 1, 2, 3, 16, SHATOMIC_MAX_PEERS + 1, ~0U, 1, 2, 3, 4, 5, 6, 7, 8,
	SHATOMIC_MAX_PEERS,
};

/**
 * struct making - A batch that is being made
 * @world: Where.
 * @bytes: Of what.
 * @args: The batch.
 * @rows: How many rows its columns are filled for.
 * @size: The size of its region.
 * @places: Where columns are filled, NULL for those that can't be.
 */
struct making {
	struct world *world;
	const uint8_t *bytes;
	struct shatomic_ioc_batch args;
	uint32_t rows;
	uint64_t size;
	unsigned char *places[COLUMNS];
};

static uint64_t *member(struct making *making, enum column column)
{
	return (uint64_t *)((char *)&making->args + column_members[column]);
}

static size_t entry_size(const struct making *making, enum column column)
{
	switch (column) {
	case STATUSES:
	case OPS:
	case WIDTHS:
		return 1;
	case PEER_INDEXES:
	case PEERS:
		return 4;
	case OFFSETS:
	case PEER_OFFSETS:
		return 8;
	default:
		return making->args.width == 16 ? 16 : 8;
	}
}

/* Which columns a batch is to have: those that it needs, but for some. */
static uint32_t choose_columns(const struct making *making)
{
	int needs = making->bytes[AT_OP] & 0x80 ? 0x1f :
						  shatomic_op_needs(making->args.op);
	uint8_t change = making->bytes[AT_COLUMNS];
	uint32_t columns = 1U << OFFSETS | 1U << RESULTS | 1U << STATUSES;
	unsigned int i;

	if (needs < 0)
		needs = 0;
	if (needs & SHATOMIC_NEEDS_OPERAND)
		columns |= 1U << OPERANDS;
	if (needs & SHATOMIC_NEEDS_COMPARAND)
		columns |= 1U << COMPARANDS;
	if (needs & SHATOMIC_NEEDS_MASK)
		columns |= 1U << MASKS;
	if (needs & SHATOMIC_NEEDS_COMPARAND_MASK)
		columns |= 1U << COMPARAND_MASKS;
	if (needs & SHATOMIC_NEEDS_PEER)
		columns |= 1U << PEER_OFFSETS;
	if (making->args.peer_count > 1)
		columns |= 1U << PEER_INDEXES;
	for (i = 0; i < 8; i++)
		columns ^= (change >> i & 1U) << (OPERANDS + i);
	if (making->bytes[AT_OP] & 0x80)
		columns |= 1U << OPS;
	if (making->bytes[AT_WIDTH] & 0x80)
		columns |= 1U << WIDTHS;
	if (making->args.peer_count)
		columns |= 1U << PEERS;
	return columns;
}

/* How many bytes of a column are filled. */
static size_t filled_bytes(const struct making *making, enum column column)
{
	uint32_t entries = making->rows;

	if (column == PEERS)
		entries = making->args.peer_count < SHATOMIC_MAX_PEERS ?
				  making->args.peer_count : SHATOMIC_MAX_PEERS;
	return entries * entry_size(making, column);
}

/* Columns in one of the regions that stay, side by side. */
static unsigned char *place_in_region(const struct making *making,
				      enum column column)
{
	const struct base *base =
		&making->world->bases[1 + making->bytes[AT_REGION] % 2];

	return base->memory + base->size / COLUMNS / 64 * 64 * column;
}

/* A place for a column that is not like the others'. */
static void move_column(struct making *making, enum column column, uint8_t how)
{
	size_t bytes = filled_bytes(making, column);
	unsigned char *piece = world_piece(column), *to;
	uint64_t address;

	making->places[column] = NULL;
	switch (how % 16) {
	case 1:		/* up to where nothing is */
	case 2:		/* and one entry beyond */
		to = piece + PIECE_BYTES - bytes;
		making->places[column] = to;
		if (how % 16 == 2)
			to += entry_size(making, column);
		break;
	case 3:		/* not aligned */
		to = piece + 1;
		making->places[column] = to;
		break;
	case 4:		/* can't be written */
		to = world_read_only(piece);
		making->places[column] = piece;
		break;
	case 5:		/* the same as another */
		to = world_piece(OPERANDS);
		break;
	case 6:
		to = world_piece(OFFSETS);
		break;
	case 7:		/* a region, which may be the batch's */
		to = making->world->bases[0].memory;
		break;
	case 8:		/* what the input has mapped */
		to = world_window(0);
		break;
	case 9:
		to = world_window(1) + WINDOW_BYTES - 4096;
		break;
	case 10:
		address = 8;
		goto out;
	case 11:	/* the kernel's */
		address = 0xffff888000000000;
		goto out;
	case 12:	/* nobody's */
		address = 0x8000000000000000;
		goto out;
	case 13:
		address = ~0ULL - 7;
		goto out;
	case 14:
		address = 0x7ffffffff000 - bytes / 2;
		goto out;
	default:	/* none */
		address = 0;
		goto out;
	}
	address = (uintptr_t)to;
out:
	*member(making, column) = address;
}

static void place_columns(struct making *making, uint32_t columns)
{
	bool in_region = making->args.flags & SHATOMIC_BATCH_COLUMNS_IN_REGION;
	uint8_t odd = making->bytes[AT_PLACE];
	unsigned int i;

	for (i = 0; i < COLUMNS; i++) {
		if (!(columns & 1U << i))
			continue;
		making->places[i] = in_region && i != PEERS ?
					    place_in_region(making, i) :
					    world_piece(i);
		*member(making, i) = (uintptr_t)making->places[i];
	}
	if (odd & 0xf)
		move_column(making, odd / 16 % COLUMNS, odd & 0xf);
}

static uint64_t mix(uint64_t value)
{
	value *= 0x9e3779b97f4a7c15;
	return value ^ value >> 29;
}

/* Where the word of a row is, in a region of @size bytes. */
static uint64_t offset_of_row(const struct making *making, uint8_t how,
			      uint64_t size, uint32_t row)
{
	uint32_t width = making->args.width ? making->args.width : 1;
	uint64_t words = size / 8 ? size / 8 : 1, seed = how / 16;

	switch (how % 16) {
	case 1:		/* one word */
		return seed * 8;
	case 2:		/* side by side */
		return (uint64_t)row * width % size;
	case 3:		/* runs of the same */
		return row / (1 + seed) % words * 8;
	case 4:
		return mix(row + seed) % words * 8;
	case 5:		/* fields of words */
		return row % words * 8 + (width < 8 ? row % (9 - width) : 0);
	case 6:
		return (words - 1 - row % words) * 8;
	case 7:		/* for 16 bytes */
		return row % (size / 16 ? size / 16 : 1) * 16;
	case 8:		/* up to the end */
		return size - width;
	case 9:
		return row % words * 8 + 1 + seed;
	case 10:
		return mix(row + seed) % size;
	case 11:	/* few words, most rows on one of them */
		return row % 8 ? seed * 8 : mix(row) % words * 8;
	case 12:
		return size - seed;
	case 13:
		return mix(row + seed);
	default:
		return row % words * 8;
	}
}

static uint64_t value_of_row(const struct making *making, uint8_t how,
			     uint32_t row)
{
	switch (how % 8) {
	case 1:
		return how / 8;
	case 2:
		return ~0ULL;
	case 3:
		return mix(row + how);
	case 4:		/* bits that wide words have */
		return row % 130;
	case 5:
		return 1ULL << row % 64;
	case 6:
		return row / 4;
	default:	/* of a bit that all words have */
		return row % (8 * (making->args.width % 17 ?
					   making->args.width % 17 : 1));
	}
}

static void fill_values(struct making *making, enum column column, uint8_t how)
{
	uint64_t *values = (uint64_t *)making->places[column];
	size_t entries = entry_size(making, column) / 8;
	uint32_t i, half;

	for (i = 0; values && i < making->rows; i++) {
		for (half = 0; half < entries; half++)
			values[i * entries + half] =
				half ? 0 : value_of_row(making, how, i);
	}
}

static void fill_offsets(struct making *making, enum column column,
			 uint8_t how, uint64_t size)
{
	uint64_t *offsets = (uint64_t *)making->places[column];
	uint32_t i;

	for (i = 0; offsets && i < making->rows; i++)
		offsets[i] = offset_of_row(making, how, size, i);
}

/* Several operations or widths, in turns; without peers, by default. */
static void fill_ops(struct making *making)
{
	uint8_t *ops = making->places[OPS];
	uint8_t how = making->bytes[AT_OP] & 0x7f;
	bool has_peers = making->args.peer_count;
	uint32_t i;

	for (i = 0; ops && i < making->rows; i++) {
		uint8_t op = (how + i * (how % 5 + 1)) % SHATOMIC_OP_COUNT;

		if (!has_peers && how < 0x60 &&
		    (op == SHATOMIC_OP_STORE ||
		     op == SHATOMIC_OP_COMPARE_AND_SET))
			op = SHATOMIC_OP_FETCH_AND_ADD;
		ops[i] = op;
	}
}

static void fill_widths(struct making *making)
{
	uint8_t *to = making->places[WIDTHS];
	uint8_t how = making->bytes[AT_WIDTH] & 0x7f;
	uint32_t i;

	for (i = 0; to && i < making->rows; i++)
		to[i] = how < 0x40 ? 1U << (how + i) % 4 : 1 + (how + i) % 8;
}

/* Which descriptors peers are, and which of them each row has. */
static void fill_peers(struct making *making)
{
	uint8_t how = making->bytes[AT_PEERS] / 16;
	int32_t *peers = (int32_t *)making->places[PEERS];
	uint32_t *indexes = (uint32_t *)making->places[PEER_INDEXES];
	uint32_t count = making->args.peer_count, i;

	for (i = 0; peers && i < filled_bytes(making, PEERS) / 4; i++)
		peers[i] = world_fd(making->world,
				    how < 12 ? how + i % BASES : how);
	for (i = 0; indexes && i < making->rows; i++)
		indexes[i] = count ? i % count : 0;
}

/* One row that is not like the others. */
static void spoil_row(struct making *making)
{
	static const uint32_t places[] = { 0, 1, 3, 31, 63, 500, 1023, 1024,
					   1025, 2000, 2048, 4000 };
	const uint64_t values[] = {
		0, 1, 7, 8, 15, 64, 128, 255, 0x7fffffff, 0xffffffff,
		1ULL << 63, ~0ULL, making->size, making->size - 1,
		making->size - 7, making->size - 16,
	};
	uint8_t where = making->bytes[AT_BAD_ROW];
	uint8_t what = making->bytes[AT_BAD_VALUE];
	enum column column = what % 16 % COLUMNS;
	size_t entry = entry_size(making, column);
	uint32_t row;

	if (!where || !making->rows || column == PEERS ||
	    !making->places[column])
		return;
	row = where & 0x80 ? making->rows - 1 :
			     places[where % COUNT_OF(places)] % making->rows;
	memcpy(making->places[column] + row * entry, &values[what / 16],
	       entry < 8 ? entry : 8);
}

static void fill_columns(struct making *making)
{
	uint8_t offsets = making->bytes[AT_OFFSETS];
	uint8_t operands = making->bytes[AT_OPERANDS];

	fill_offsets(making, OFFSETS,
		     offsets || making->args.width != 16 ? offsets : 7,
		     making->size);
	fill_offsets(making, PEER_OFFSETS,
		     making->args.width == 16 ? 7 : operands / 32 * 2, 8000);
	fill_values(making, OPERANDS, operands);
	fill_values(making, COMPARANDS, operands / 8);
	fill_values(making, MASKS, 2);
	fill_values(making, COMPARAND_MASKS, 3);
	fill_ops(making);
	fill_widths(making);
	fill_peers(making);
	spoil_row(making);
}

/* Which region columns are in, or what is no region. */
static void choose_region(struct making *making)
{
	struct shatomic_ioc_batch *args = &making->args;
	uint8_t how = making->bytes[AT_REGION];
	const struct base *base = &making->world->bases[1 + how % 2];

	if (!(args->flags & SHATOMIC_BATCH_COLUMNS_IN_REGION)) {
		/* What must be zero then. */
		args->columns = how & 0x80 ? how : 0;
		args->reserved = how & 0x40 ? how : 0;
		args->columns_base = how & 0x20 ? how : 0;
		return;
	}
	args->columns = how & 0xe0 ? world_fd(making->world, how / 32 + 3) :
				     base->fd;
	if (how & 0x10)
		args->columns = making->world->read_only;
	args->columns_base = (uintptr_t)base->memory;
	if (how & 0x08)
		args->columns_base += 4;
	if (how & 0x04)
		args->reserved = 1;
}

/**
 * batch_args() - Make a batch
 * @actor: Who makes it.
 * @bytes: Of what.
 * @size: [out] The size that its structure says it has.
 *
 * Return: Where the structure is.
 */
void *batch_args(struct actor *actor, const uint8_t *bytes, uint32_t *size)
{
	struct making making = {
		.world = actor->world,
		.bytes = bytes,
		.size = world_size(actor->world, bytes[AT_FD]),
	};
	struct shatomic_ioc_batch *args = &making.args;
	uint32_t needs_peer, flags = bytes[AT_ARGS] / 16;

	args->size = args_size(bytes[AT_ARGS], sizeof(*args),
			       offsetof(struct shatomic_ioc_batch, operands));
	*size = args->size;
	args->flags = flags < 8 ? flags : 1U << (flags * 2);
	args->op = bytes[AT_OP] & 0x80 ? 0 : bytes[AT_OP] % 32;
	args->width = bytes[AT_WIDTH] & 0x80 ?
			      0 : widths[bytes[AT_WIDTH] % COUNT_OF(widths)];
	args->rows = row_counts[bytes[AT_ROWS] % COUNT_OF(row_counts)];
	args->parallelism = parallelisms[bytes[AT_PARALLELISM] %
					 COUNT_OF(parallelisms)];
	args->peer_count = peer_counts[bytes[AT_PEERS] % COUNT_OF(peer_counts)];
	needs_peer = args->op == SHATOMIC_OP_STORE ||
		     args->op == SHATOMIC_OP_COMPARE_AND_SET;
	if (!(bytes[AT_PEERS] & 0xf) && needs_peer && !(bytes[AT_OP] & 0x80))
		args->peer_count = 1;
	making.rows = args->rows < MAX_ROWS ? args->rows : MAX_ROWS;

	place_columns(&making, choose_columns(&making));
	fill_columns(&making);
	choose_region(&making);
	/* What is to be zero in a batch of many operations or widths, and is not. */
	if ((bytes[AT_PARALLELISM] & 0x80) && bytes[AT_OP] & 0x80)
		args->op = 1;
	if (bytes[AT_PARALLELISM] & 0x40 && bytes[AT_WIDTH] & 0x80)
		args->width = 8;
	return args_place(actor, bytes[AT_ARGS], args, sizeof(*args));
}

/**
 * batch_is_quick() - Whether a batch is of few rows, and takes no memory
 * @bytes: What it is made of.
 */
bool batch_is_quick(const uint8_t *bytes)
{
	uint8_t op = bytes[AT_OP] % 32;

	return bytes[AT_ROWS] % COUNT_OF(row_counts) < 8 &&
	       !(bytes[AT_PEERS] & 0xf) && op != SHATOMIC_OP_STORE &&
	       op != SHATOMIC_OP_COMPARE_AND_SET;
}
