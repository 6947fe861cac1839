#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What the shatomic command prints for people and, with --json, for programs.
# The backend is that of the environment (SHATOMIC_BACKEND).
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"
needs shatomic

name=cli-output-$$
large=cli-output-large-$$
trap 'shatomic rm "$name" "$large" 2>/dev/null; rm -rf "$tap_dir"' EXIT

# dense COMMAND...: what it prints, without blanks and newlines.
dense() {
	"$@" | tr -d ' \n'
}

# column REGION NUMBER [OPTION...]: of its line in ls.
column() {
	column_region=$1
	column_number=$2
	shift 2
	shatomic ls "$@" | awk -v region="$column_region" -v number="$column_number" \
		'$1 == region { print $number }'
}

# The columns of a table begin, or end, one below the other.
columns_align() {
	shatomic ls | awk '
		NR == 1 { wanted = length($0) }
		length($0) != wanted { print "line " NR " has another length"; bad = 1 }
		END { exit bad || NR < 3 }'
}

table_of_json() {
	dense shatomic ls --json | grep -qF "\"name\":\"$name\",\"size\":1000,\"huge_bytes\":0,\"mode\":\"0600\",\"uid\":$(id -u),\"gid\":$(id -g)}"
}

info_line() {
	shatomic info "$@" | grep -qx 'size:    1.5M'
}

# leaves_alone COMMAND: whether it fails, and the large region stays zero.
leaves_alone() {
	status 2 sh -c "$1" && shatomic dump "$large" - | cmp -n 1572864 - /dev/zero
}

check "create" shatomic create --size 1000 "$name"
check "and a larger one" shatomic create --size 1536K "$large"
check "a size of less than a unit" prints 1000 column "$name" 2
check "a size in units" prints 1.5M column "$large" 2
check "a size in bytes" prints 1572864 column "$large" 2 --bytes
check "columns stand in line" columns_align
check "info has units too" info_line "$large"
check "or bytes" sh -c "shatomic info --bytes $large | grep -qx 'size:    1572864'"
check "ls as JSON" table_of_json
check "is one object" sh -c "shatomic ls --json | tr -d ' \n' | grep -q '^{\"regions\":\[{.*}\]}$'"
check "info as JSON has plain numbers" sh -c "shatomic info --json $large | grep -qx '  \"size\": 1572864,'"
check "set" shatomic set "$name" 8 -1
check "words as lines of JSON" prints '{"offset":0,"value":0}
{"offset":8,"value":18446744073709551615}' shatomic get --json --count 2 "$name" 0
check "in hexadecimal as text" prints '{"offset":8,"value":"0xff"}' shatomic get --json --hex --width 1 "$name" 8
check "a result as JSON" prints '{"result":255,"status":"done"}' shatomic op --json --width 1 "$name" fetch_and_add 8 1
check "a comparison that did not hold, too" prints '{"result":0,"status":"compare_failed"}' sh -c "shatomic op --json $name compare_and_set_value 0 1 1; [ \$? -eq 1 ]"
check "no colour on what is no terminal" sh -c "! shatomic ls | grep -q '$(printf '\033')'"
check "an option that is not there is refused" refuses "bytez" shatomic ls --bytez
check "help that can't be written" refuses "space" sh -c "shatomic --help >/dev/full"
check "nor that of a command" refuses "space" sh -c "shatomic get --help >/dev/full"
check "output that is closed does not go into the region" \
	leaves_alone "printf 'offset\n0\n' | shatomic batch --op get $large >&-"
check "nor do messages" leaves_alone "shatomic batch $large /nowhere 2>&-"
check "input that is closed is not the region" leaves_alone "shatomic load $large - <&-"
finish
