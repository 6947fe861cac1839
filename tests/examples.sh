#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What the programs of tools/examples print when all that they promise holds,
# with the several processes that each of them starts.
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"

: "${EXAMPLES:=$(cd "${0%/*}" && pwd)/examples}"
cd "$tap_dir" || exit

# prints TEXT NAME [ARGUMENT]...: whether the example succeeds and prints just
# TEXT.
prints() {
	wanted=$1
	example=$2
	shift 2
	printed=$("$EXAMPLES/$example" "$@") || return
	[ "$printed" = "$wanted" ] && return
	echo "printed '$printed' instead of '$wanted'"
	return 1
}

# No more tokens are out than the bucket has, and none got lost.
limits() {
	"$EXAMPLES/limiter" >limiter || return
	cat limiter
	awk '$2 == "granted," { ok = $1 == 400 && $1 - $3 == $6 && $6 <= 20 }
		END { exit !ok }' limiter
}

# Killed after a few synchronizations, the next run finds the last that was told,
# or one later; what it goes on with is the same in both counters.
goes_on() {
	"$EXAMPLES/durable" counters 1000000000 >first &
	durable=$!
	until [ "$(grep -c synced first)" -ge 3 ]; do
		kill -0 "$durable" || return
		sleep 0.1
	done
	kill -9 "$durable"
	wait "$durable"
	synced=$(sed -n 's/^synced //p' first | tail -n 1)
	"$EXAMPLES/durable" counters 10 >second || return
	tail -n 1 first
	cat second
	awk -v synced="$synced" '
		/^found/ { found = $2; ok = found >= synced && found <= synced + 1000 && $5 == 64 * found }
		/^synced/ { last = $2 }
		END { exit !(ok && last == found + 10) }' second
}

check "counter" prints "4000000 requests, the slowest took 9999 us, by size\
 500000 500000 500000 500000 500000 500000 500000 500000" counter
check "limiter" limits
check "ring" prints "12000 items put in, 12000 taken out, 0 taken again" ring
check "features" prints "16384 users, 16384 moved, 0 wrong" features
check "durable begins" prints "found 0 events of 0 bytes
synced 0" durable new 0
check "durable, killed" goes_on
check "sketch" prints "400000 items, 4096 keys: 0 too low, 0 much too high" sketch
finish
