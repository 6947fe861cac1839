// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads the library as languages do that can't include its header: each function
 * is found by its name, and the typed ones do what the inline ones do.
 *
 *	symbols LIBRARY NAME...
 */
#include <dlfcn.h>
#include <shatomic.h>
#include <stdio.h>
#include <stdlib.h>

static void *library;

static void *find(const char *name)
{
	void *function = dlsym(library, name);

	if (!function) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return function;
}

static void differs(const char *name)
{
	fprintf(stderr, "%s is not what is inline\n", name);
	exit(1);
}

/* Among small numbers comparisons hold now and then. */
static uint64_t draw(void)
{
	static uint64_t state = 1;
	uint64_t value;

	state = state * 6364136223846793005 + 1442695040888963407;
	value = state ^ state >> 29;
	return state >> 63 ? value : value & 3;
}

/*
 * The arguments after the word are of v, w, x and y, and begin with a comma when
 * there are any; do_it makes a value of the call.
 */
#define SAME(name, type, do_it, ...)                                         \
	do {                                                                 \
		__typeof__(name) *function = find(#name);                    \
									     \
		for (int i = 0; i < 200; i++) {                              \
			type a = (type)draw(), b = a, v = (type)draw(),      \
			     w = (type)draw(), x = (type)draw(),             \
			     y = (type)draw();                               \
									     \
			(void)v, (void)w, (void)x, (void)y;                  \
			if (do_it(name(&a __VA_ARGS__)) !=                   \
				    do_it(function(&b __VA_ARGS__)) ||       \
			    a != b)                                          \
				differs(#name);                              \
		}                                                            \
	} while (0)

#define VALUE(call) (call)
#define NONE(call) ((call), 0)

#define SAME_OF(T, type)                                                     \
	do {                                                                 \
		SAME(shatomic_get_##T, type, VALUE, );                       \
		SAME(shatomic_set_##T, type, NONE, , v);                     \
		SAME(shatomic_get_and_set_##T, type, VALUE, , v);            \
		SAME(shatomic_fetch_and_add_##T, type, VALUE, , v);          \
		SAME(shatomic_fetch_and_sub_##T, type, VALUE, , v);          \
		SAME(shatomic_fetch_and_and_##T, type, VALUE, , v);          \
		SAME(shatomic_fetch_and_or_##T, type, VALUE, , v);           \
		SAME(shatomic_fetch_and_xor_##T, type, VALUE, , v);          \
		SAME(shatomic_fetch_and_nand_##T, type, VALUE, , v);         \
		SAME(shatomic_add_and_fetch_##T, type, VALUE, , v);          \
		SAME(shatomic_sub_and_fetch_##T, type, VALUE, , v);          \
		SAME(shatomic_and_and_fetch_##T, type, VALUE, , v);          \
		SAME(shatomic_or_and_fetch_##T, type, VALUE, , v);           \
		SAME(shatomic_xor_and_fetch_##T, type, VALUE, , v);          \
		SAME(shatomic_nand_and_fetch_##T, type, VALUE, , v);         \
		SAME(shatomic_fetch_and_min_##T, type, VALUE, , v);          \
		SAME(shatomic_fetch_and_max_##T, type, VALUE, , v);          \
		SAME(shatomic_compare_and_set_value_##T, type, VALUE, , v,   \
		     w);                                                     \
		SAME(shatomic_masked_get_and_set_##T, type, VALUE, , v, w);  \
		SAME(shatomic_masked_compare_and_set_value_##T, type, VALUE, \
		     , v, w, x, y);                                          \
		SAME(shatomic_test_and_set_bit_##T, type, VALUE, ,           \
		     (unsigned int)v % (8 * sizeof(type)));                  \
		SAME(shatomic_test_and_clear_bit_##T, type, VALUE, ,         \
		     (unsigned int)v % (8 * sizeof(type)));                  \
	} while (0)

#define SAME_OF_UNSIGNED(T, type)                                            \
	do {                                                                 \
		SAME_OF(T, type);                                            \
		SAME(shatomic_fetch_and_add_bounded_##T, type, VALUE, , v,   \
		     w);                                                     \
	} while (0)

int main(int argc, char **argv)
{
	library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
	if (!library) {
		fprintf(stderr, "%s\n", argc > 1 ? dlerror() : "no library");
		return 1;
	}
	for (int i = 2; i < argc; i++)
		find(argv[i]);
	SAME_OF_UNSIGNED(u8, uint8_t);
	SAME_OF_UNSIGNED(u16, uint16_t);
	SAME_OF_UNSIGNED(u32, uint32_t);
	SAME_OF_UNSIGNED(u64, uint64_t);
	SAME_OF(i8, int8_t);
	SAME_OF(i16, int16_t);
	SAME_OF(i32, int32_t);
	SAME_OF(i64, int64_t);
	printf("%d functions\n", argc - 2);
	return 0;
}
