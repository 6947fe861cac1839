#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Words of a region by the shatomic command: what get, set and op print, what
# they leave there, and what they refuse. The backend is that of the environment
# (SHATOMIC_BACKEND).
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"
needs shatomic

name=cli-words-$$
other=cli-words-other-$$
trap 'shatomic rm "$name" "$other" 2>/dev/null; rm -rf "$tap_dir"' EXIT

# In the 8-byte word at 0 the lowest byte; in the 4-byte word at 16, which begins
# the word there, its upper three and its highest.
low=$(lowest 1)
if [ "$low" -eq 0 ]; then
	upper=17 top=19
else
	upper=16 top=16
fi

# Whether this machine has words of 16 bytes.
has_doubles() {
	! shatomic get --width 16 "$name" 0 2>&1 | grep -q "not what this machine has"
}

# The lower half of the word of 16 bytes at 32.
half=$((32 + ($(lowest 1) > 0) * 8))

check "create" shatomic create --size 64K "$name"
check "a new region is zero" prints 0 shatomic get "$name" 0
check "set" shatomic set "$name" 8 41
check "get sees it" prints 41 shatomic get "$name" 8
check "fetch_and_add prints the old value" prints 41 shatomic op "$name" fetch_and_add 8 1
check "and adds" prints 42 shatomic get "$name" 8
check "add_and_fetch prints the new value" prints 50 shatomic op "$name" add_and_fetch 8 8
check "a negative value fits a narrow word" shatomic set --width 1 "$name" "$low" -1
check "which does not touch its neighbours" prints 255 shatomic get "$name" 0
check "hexadecimal" prints 0xff shatomic get --hex --width 1 "$name" "$low"
check "several words" prints "255
50" shatomic get --count 2 "$name" 0
check "a comparison that holds" prints 50 shatomic op "$name" compare_and_set_value 8 7 50
check "sets" prints 7 shatomic get "$name" 8
check "one that fails exits with 1" status 1 shatomic op "$name" compare_and_set_value 8 9 50
check "and leaves the word" prints 7 shatomic get "$name" 8
check "a word of 3 bytes" shatomic set --width 3 "$name" "$upper" 0x030201
check "lies where it was set" prints 0x03020100 shatomic get --hex --width 4 "$name" 16
check "a bound that is reached exits with 1" status 1 shatomic op --width 1 "$name" fetch_and_add_bounded 17 2 2
check "some bits of a word" prints 0x03 shatomic op --hex --width 1 "$name" masked_get_and_set "$top" 0xff 0x0c
check "and no others" prints 0x0f shatomic get --hex --width 1 "$name" "$top"
check "masked_compare_and_set_value" prints 0x0f shatomic op --hex --width 1 "$name" masked_compare_and_set_value "$top" 0x10 0x03 0xf0 0x03
check "sets what its mask has" prints 0x1f shatomic get --hex --width 1 "$name" "$top"
check "a bit that is set" prints 1 shatomic op --width 1 "$name" test_and_clear_bit "$top" 4
check "is cleared" prints 0x0f shatomic get --hex --width 1 "$name" "$top"
check "create a second region" shatomic create "$other"
check "store takes its word from a peer" prints 7 shatomic op --peer "$name" --peer-offset 8 "$other" store 16
check "and stores it" prints 7 shatomic get "$other" 16

if has_doubles; then
	check "a word of 16 bytes" shatomic set --width 16 "$name" 32 0x123456789abcdef0fedcba9876543210
	check "in hexadecimal" prints 0x123456789abcdef0fedcba9876543210 shatomic get --hex --width 16 "$name" 32
	check "in decimal" prints 24197857203266734881846307747534221840 shatomic get --width 16 "$name" 32
	check "has its halves in the machine's order" prints 0xfedcba9876543210 shatomic get --hex "$name" "$half"
	check "in JSON is text" prints '{"offset":32,"value":"24197857203266734881846307747534221840"}' shatomic get --json --width 16 "$name" 32
	check "several words of 16 bytes" prints "24197857203266734881846307747534221840
0" shatomic get --width 16 --count 2 "$name" 32
	check "a carry goes from half to half" prints 0x123456789abcdef10000000000000000 shatomic op --hex --width 16 "$name" add_and_fetch 32 0x0123456789abcdf0
	check "a negative value of 16 bytes" shatomic set --width 16 "$name" 48 -2
	check "fills it" prints 340282366920938463463374607431768211454 shatomic get --width 16 "$name" 48
	check "a comparison of 16 bytes that holds" prints 340282366920938463463374607431768211454 shatomic op --width 16 "$name" compare_and_set_value 48 18446744073709551616 -2
	check "one that fails exits with 1" status 1 shatomic op --width 16 "$name" compare_and_set_value 48 9 0
	check "and leaves all 16 bytes" prints 18446744073709551616 shatomic get --width 16 "$name" 48
	check "the highest bit" prints 0 shatomic op --width 16 "$name" test_and_set_bit 48 127
	check "is set" prints 0x80000000000000010000000000000000 shatomic op --hex --width 16 "$name" get 48
	check "a mask of 16 bytes" prints 0x80000000000000010000000000000000 shatomic op --hex --width 16 "$name" masked_get_and_set 48 -1 0x70000000000000000000000000000000
	check "sets what it has" prints 0xf0000000000000010000000000000000 shatomic get --hex --width 16 "$name" 48
	check "a peer's word of 16 bytes" prints 0xf0000000000000010000000000000000 shatomic op --hex --width 16 --peer "$name" --peer-offset 48 "$other" store 32
	check "one that is not aligned is refused" refuses "offset 40 with width 16 is not a multiple" shatomic get --width 16 "$name" 40
	check "a bit outside of 16 bytes is refused" refuses "bit 128" shatomic op --width 16 "$name" test_and_set_bit 48 128
	check "a value of more is refused" refuses "128 bits" shatomic set --width 16 "$name" 48 0x100000000000000000000000000000000
	check "a negative one, too" refuses "width of 16" shatomic set --width 16 "$name" 48 -0x80000000000000000000000000000001
	check "nobody can be woken" refuses "--wake" shatomic set --wake --width 16 "$name" 48 1
else
	skip "words of 16 bytes" "this machine has none"
fi

check "an offset outside is refused" refuses "outside" shatomic get "$name" 65536
check "an offset with a unit is bytes" prints 0 shatomic get "$name" 32K
check "one that is no number of bytes is refused" refuses "12q" shatomic get "$name" 12q
check "one of more than 64 bits is refused" refuses "too large" shatomic get "$name" 16777216T
check "an offset not aligned is refused" refuses "offset 1" shatomic get "$name" 1
check "a value too large is refused" refuses "256" shatomic set --width 1 "$name" 0 256
check "junk after a number is refused" refuses "12x" shatomic set "$name" 0 12x
check "a second 0x is refused" refuses "0x0x1" shatomic set "$name" 0 0x0x1
check "an unknown operation is refused" refuses "frob" shatomic op "$name" frob 0
check "a missing operand is refused" refuses "OPERAND" shatomic op "$name" fetch_and_add 0
check "a bad width is refused" refuses "9" shatomic get --width 9 "$name" 0
check "a word across two is refused" refuses "offset 6" shatomic get --width 3 "$name" 6
check "a count that gets there prints nothing" refuses "offset 6" shatomic get --width 3 --count 3 "$name" 0
check "a bit outside is refused" refuses "bit 24" shatomic op --width 3 "$name" test_and_set_bit 0 24
check "a missing mask is refused" refuses "MASK" shatomic op "$name" masked_get_and_set 0 1
check "a peer that the operation has not is refused" refuses "get has no --peer" shatomic op --peer "$other" "$name" get 0
check "its offset alone, too" refuses "get has no --peer-offset" shatomic op --peer-offset 0 "$name" get 0
check "what was refused changed nothing" prints "255
7" shatomic get --count 2 "$name" 0
finish
