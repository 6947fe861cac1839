#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The shatomic command between regions and files: dump, load, sync and create
# --from. The backend is that of the environment (SHATOMIC_BACKEND).
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"
needs shatomic

name=cli-files-$$
other=cli-files-other-$$
size=3000003
trap 'shatomic rm "$name" "$other" 2>/dev/null; rm -rf "$tap_dir"' EXIT

bytes=$tap_dir/bytes
head -c "$size" /dev/urandom >"$bytes"

# holds REGION FILE: whether the region has just what the file has.
holds() {
	shatomic dump "$1" - | cmp - "$2"
}

# part OFFSET LENGTH: those bytes of the file.
part() {
	tail -c "+$(($1 + 1))" "$bytes" | head -c "$2"
}

dumps_part() {
	part 1001 70000 >"$tap_dir/part"
	shatomic dump --offset 1001 --length 70000 "$name" "$tap_dir/dumped" &&
		cmp "$tap_dir/dumped" "$tap_dir/part" &&
		shatomic dump --offset 1001 --length 70000 "$name" - | cmp - "$tap_dir/part"
}

loads_part() {
	{ part 0 4099; echo piece; part 4105 $((size - 4105)); } >"$tap_dir/changed"
	echo piece >"$tap_dir/piece"
	shatomic load --offset 4099 "$name" "$tap_dir/piece" &&
		holds "$name" "$tap_dir/changed" && shatomic load "$name" "$bytes"
}

syncs_part() {
	{ head -c 512 /dev/zero; part 512 1024; head -c $((size - 1536)) /dev/zero; } >"$tap_dir/wanted"
	shatomic sync --offset 512 --length 1K "$name" "$tap_dir/synced-part" &&
		cmp "$tap_dir/synced-part" "$tap_dir/wanted"
}

# The same file, not another of its name.
syncs_in_place() {
	ln "$tap_dir/synced" "$tap_dir/link"
	shatomic set "$name" 0 7 && shatomic sync "$name" "$tap_dir/synced" &&
		holds "$name" "$tap_dir/link" && shatomic load "$name" "$bytes"
}

dump_replaces() {
	echo old >"$tap_dir/dump"
	ln "$tap_dir/dump" "$tap_dir/old"
	shatomic dump "$name" "$tap_dir/dump" && cmp "$tap_dir/dump" "$bytes" &&
		prints old cat "$tap_dir/old"
}

too_long_changes_nothing() {
	cat "$bytes" "$bytes" >"$tap_dir/long"
	refuses "do not fit" shatomic load "$name" "$tap_dir/long" && holds "$name" "$bytes"
}

# Of a pipe nobody knows before.
too_long_is_told() {
	refuses "has more than the $size bytes" sh -c "cat '$bytes' '$bytes' | shatomic load '$name' -" &&
		holds "$name" "$bytes"
}

full_disk_is_told() {
	refuses "space" sh -c "shatomic dump '$name' - >/dev/full"
}

begins_with_file() {
	shatomic create --from "$bytes" "$other" && holds "$other" "$bytes" &&
		shatomic rm "$other"
}

begins_padded() {
	{ cat "$bytes"; head -c 5 /dev/zero; } >"$tap_dir/padded"
	shatomic create --size $((size + 5)) --from "$bytes" "$other" &&
		holds "$other" "$tap_dir/padded" && shatomic rm "$other"
}

begins_cut() {
	part 0 10 >"$tap_dir/cut"
	shatomic create --size 10 --from "$bytes" "$other" &&
		holds "$other" "$tap_dir/cut" && shatomic rm "$other"
}

refused_sync_makes_nothing() {
	refuses "$name: offset $size lies outside" shatomic sync --offset "$size" "$name" "$tap_dir/unmade" &&
		[ ! -e "$tap_dir/unmade" ]
}

check "create" shatomic create --size "$size" "$name"
check "load" shatomic load "$name" "$bytes"
check "dump has what was loaded" holds "$name" "$bytes"
check "load from a pipe" sh -c "shatomic set '$name' 8 1; cat '$bytes' | shatomic load '$name' -"
check "has it all" holds "$name" "$bytes"
check "dump of some bytes" dumps_part
check "load of some bytes" loads_part
check "dump puts a new file in the place of an old" dump_replaces
check "sync to a new file" shatomic sync "$name" "$tap_dir/synced"
check "which then has all" holds "$name" "$tap_dir/synced"
check "sync writes to the same file" syncs_in_place
check "sync of some bytes gives the file its size" syncs_part
check "create from a file" begins_with_file
check "create from a shorter file" begins_padded
check "create from a longer file" begins_cut
check "progress by order" sh -c "shatomic dump --progress=always '$name' - 2>&1 >/dev/null | grep -q MiB"

check "a file that is too long changes nothing" too_long_changes_nothing
check "a pipe that has too much is told" too_long_is_told
check "an output that is full is told" full_disk_is_told
check "a sync to what is no file is refused" refuses "not a regular file" shatomic sync "$name" /dev/null
check "a sync to standard output is refused" refuses "needs a file" shatomic sync "$name" -
check "a sync to nowhere is refused" refuses "No such file" shatomic sync "$name" "$tap_dir/none/file"
check "a dump to nowhere is refused" refuses "$tap_dir/none" shatomic dump "$name" "$tap_dir/none/file"
check "an offset outside is refused" refuses "outside" shatomic dump --offset 4M "$name" -
check "the region's end is outside" refuses "$name: offset $size lies outside" shatomic dump --offset "$size" "$name" -
check "for a dump to a file" refuses "$name: offset $size lies outside" shatomic dump --offset "$size" "$name" "$tap_dir/dumped"
check "for a sync, which makes no file" refused_sync_makes_nothing
check "for a load, of nothing too" refuses "$name: offset $size lies outside" shatomic load --offset "$size" "$name" /dev/null
check "a length outside is refused" refuses "outside" shatomic sync --offset 1K --length "$size" "$name" "$tap_dir/synced"
check "a file that is missing is refused" refuses "none: No such file" shatomic load "$name" "$tap_dir/none"
check "a directory is refused" refuses "Is a directory" shatomic load "$name" "$tap_dir"
check "create from a file that is missing is refused" refuses "none" shatomic create --from "$tap_dir/none" "$other"
check "and creates nothing" refuses "$other" shatomic info "$other"
check "no file is refused" refuses "FILE is missing" shatomic dump "$name"
check "what was refused changed nothing" holds "$name" "$bytes"
finish
