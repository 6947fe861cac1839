// SPDX-License-Identifier: GPL-2.0-only
/*
 * A 32-bit program on a 64-bit kernel: the same commands by the same numbers,
 * structures of the same form, the same results. It is built without any
 * library (-m32 -nostdlib), so that no 32-bit one has to be there; it makes its
 * own system calls.
 */
#include <asm/unistd_32.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/shatomic.h>

#define ROWS 3000	/* more than one chunk */
#define REGION_BYTES 8192
#define NAMES "/run/shatomic"
#define NAME "compat32"

/*
 * 32-bit x86 aligns __u64 to 4 bytes: only without holes do structures have one
 * form. Their sizes and last members, as tests/abi.c has them for 64 bits.
 */
#define FORM_IS(type, last, offset, bytes)                                    \
	_Static_assert(__builtin_offsetof(struct type, last) == (offset) &&   \
		       sizeof(struct type) == (bytes), #type)

FORM_IS(shatomic_ioc_info, user_regions, 212, 216);
FORM_IS(shatomic_ioc_create, reserved, 36, 40);
FORM_IS(shatomic_ioc_region_info, name, 48, 112);
FORM_IS(shatomic_ioc_batch, columns_base, 160, 168);
FORM_IS(shatomic_ioc_export_dmabuf, reserved, 20, 24);
FORM_IS(shatomic_uring_batch, reserved, 12, 16);

static long call(long number, long a, long b, long c, long d, long e)
{
	long ret;

	asm volatile("int $0x80" : "=a"(ret)
		     : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
		     : "memory");
	return ret;
}

static long do_ioctl(long fd, unsigned long command, void *args)
{
	return call(__NR_ioctl, fd, command, (long)args, 0, 0);
}

/* The call that takes its arguments in memory: there are more than registers. */
static long map(long fd)
{
	const unsigned long args[] = { 0, REGION_BYTES, PROT_READ | PROT_WRITE,
				       MAP_SHARED, fd, 0 };

	return call(__NR_mmap, (long)args, 0, 0, 0, 0);
}

static unsigned int tests, failed;

static void print(const char *text)
{
	unsigned long length = 0;

	while (text[length])
		length++;
	call(__NR_write, 1, (long)text, length, 0, 0);
}

static void print_number(unsigned int number)
{
	char text[12];
	char *at = text + sizeof(text) - 1;

	*at = '\0';
	do {
		*--at = '0' + number % 10;
		number /= 10;
	} while (number);
	print(at);
}

static void check(_Bool good, const char *what)
{
	tests++;
	failed += !good;
	print(good ? "ok " : "not ok ");
	print_number(tests);
	print(" ");
	print(what);
	print("\n");
}

static __u64 offsets[ROWS], operands[ROWS], results[ROWS];
static __u8 statuses[ROWS];

static struct shatomic_ioc_batch new_batch(void)
{
	return (struct shatomic_ioc_batch){
		.size = sizeof(struct shatomic_ioc_batch),
		.op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8,
		.rows = ROWS,
		.offsets = (unsigned long)offsets,
		.operands = (unsigned long)operands,
		.results = (unsigned long)results,
		.statuses = (unsigned long)statuses,
	};
}

/* Rows that add up on one word, to more than 32 bits hold. */
static void check_batch(long region, volatile __u64 *words)
{
	struct shatomic_ioc_batch batch = new_batch();
	_Bool good = 1;
	unsigned int i;
	__u64 sum = 0;

	for (i = 0; i < ROWS; i++) {
		offsets[i] = 16;
		operands[i] = 0x100000001ULL * i;
	}
	check(!do_ioctl(region, SHATOMIC_IOC_BATCH, &batch) &&
	      batch.rows_done == ROWS, "a batch runs");
	for (i = 0; i < ROWS; i++) {
		good = good && results[i] == sum &&
		       statuses[i] == SHATOMIC_ROW_DONE;
		sum += operands[i];
	}
	check(good, "its results are those of rows in order");
	check(words[2] == sum && !words[1] && !words[3], "and so is memory");

	offsets[ROWS - 1] = REGION_BYTES;
	check(do_ioctl(region, SHATOMIC_IOC_BATCH, &batch) == -ERANGE &&
	      batch.error_row == ROWS - 1 &&
	      batch.error_field == SHATOMIC_FIELD_OFFSETS && words[2] == sum,
	      "a wrong row is named, and nothing changes");

	/* An address that no 32-bit program has. */
	batch = new_batch();
	batch.offsets |= 1ULL << 40;
	check(do_ioctl(region, SHATOMIC_IOC_BATCH, &batch) == -EFAULT &&
	      words[2] == sum, "an address above 4 GiB leads nowhere");
}

/* By "/proc/self/fd/NN", whose number has two digits at most. */
static long give_name(long region, long directory)
{
	char path[] = "/proc/self/fd/\0\0";
	char *at = path + sizeof(path) - 3;

	if (region >= 10)
		*at++ = '0' + region / 10;
	*at = '0' + region % 10;
	return call(__NR_linkat, AT_FDCWD, (long)path, directory, (long)NAME,
		    AT_SYMLINK_FOLLOW);
}

static long open_by_name(void)
{
	return call(__NR_open, (long)NAMES "/" NAME, O_RDWR, 0, 0, 0);
}

static void check_names(long region, long directory)
{
	struct shatomic_ioc_region_info info = { .size = sizeof(info) };
	long fd;

	check(open_by_name() == -ENOENT, "it is without a name");
	check(!give_name(region, directory), "it can be given one");
	fd = open_by_name();
	check(fd > 2, "it opens by its name");
	check(!do_ioctl(fd, SHATOMIC_IOC_REGION_INFO, &info) &&
	      info.region_size == REGION_BYTES && info.mode == 0600 &&
	      info.name[0] == 'c', "its INFO tells size, mode and name");
	check(!call(__NR_unlink, (long)NAMES "/" NAME, 0, 0, 0, 0),
	      "its name can be removed");
	check(open_by_name() == -ENOENT, "and is gone then");
}

static void run(void)
{
	struct shatomic_ioc_info info = { .size = sizeof(info) };
	struct shatomic_ioc_create create = {
		.size = sizeof(create),
		.region_size = REGION_BYTES,
		.flags = SHATOMIC_CREATE_IN_DIRECTORY,
		.mode = 0600,
	};
	long device, words;

	device = call(__NR_open, (long)"/dev/shatomic", O_RDWR, 0, 0, 0);
	check(device >= 0, "the device opens");
	check(!do_ioctl(device, SHATOMIC_IOC_INFO, &info) &&
	      info.abi_version == SHATOMIC_ABI_VERSION &&
	      info.op_count >= SHATOMIC_OP_COUNT && info.max_region_bytes,
	      "INFO tells what it offers");
	create.directory = call(__NR_open, (long)NAMES,
				O_DIRECTORY | O_RDONLY, 0, 0, 0);
	check(!do_ioctl(device, SHATOMIC_IOC_CREATE, &create) && create.fd > 2,
	      "a region is created");
	words = map(create.fd);
	check((unsigned long)words < -4095UL, "it can be mapped");
	if ((unsigned long)words < -4095UL)
		check_batch(create.fd, (volatile __u64 *)words);
	check_names(create.fd, create.directory);
}

__attribute__((noreturn, force_align_arg_pointer)) void _start(void);

void _start(void)
{
	run();
	print("1..");
	print_number(tests);
	print("\n");
	call(__NR_exit, failed > 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

/* The compiler asks for these even where there is no library. */
void *memset(void *to, int value, unsigned long bytes);
void *memset(void *to, int value, unsigned long bytes)
{
	unsigned char *at = to;

	while (bytes--) {
		*at++ = value;
		asm volatile("");
	}
	return to;
}

void *memcpy(void *to, const void *from, unsigned long bytes);
void *memcpy(void *to, const void *from, unsigned long bytes)
{
	unsigned char *at = to;
	const unsigned char *next = from;

	while (bytes--) {
		*at++ = *next++;
		asm volatile("");
	}
	return to;
}
