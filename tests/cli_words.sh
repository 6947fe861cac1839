#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Words of a region by the shatomic command: what get, set and op print, what
# they leave there, and what they refuse. The backend is that of the environment
# (SHATOMIC_BACKEND).
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"

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
check "what was refused changed nothing" prints "255
7" shatomic get --count 2 "$name" 0
finish
