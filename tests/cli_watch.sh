#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# `shatomic watch': what wakes it, what it prints, when it gives up. The backend
# is that of the environment (SHATOMIC_BACKEND).
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"
needs shatomic

name=cli-watch-$$
trap 'shatomic rm "$name" 2>/dev/null; rm -rf "$tap_dir"' EXIT

# Whether /proc tells what a process sleeps on: as we do, until what looks ends.
tells_sleep() {
	for attempt in 1 2 3 4 5 6 7 8 9 10; do
		sh -c "sleep 0.1; grep -q wait /proc/$$/wchan" && return
	done
	return 1
}

# In fifths of a second; where it is not told, a process is given two seconds.
most_attempts=10
tells_sleep && most_attempts=300

# Until the process with an ID sleeps on a futex, as far as /proc tells that.
await_sleep() {
	for attempt in $(seq "$most_attempts"); do
		grep -q futex "/proc/$1/wchan" && return
		sleep 0.2
	done
	echo "attempt $attempt: $1 is in $(cat "/proc/$1/wchan")"
}

# Whether it ends, far sooner than it would by itself, and well.
ends() {
	for attempt in $(seq 120); do
		kill -0 "$1" 2>/dev/null || break
		sleep 0.5
	done
	kill "$1" 2>/dev/null && echo "attempt $attempt: it still waits"
	wait "$1"
}

# Only a wake ends the sleep.
woken_by() {
	shatomic set "$name" 8 5
	shatomic watch --interval 100000 "$name" 8 >"$tap_dir/seen" &
	await_sleep $!
	"$@" >/dev/null && ends $! && prints 6 cat "$tap_dir/seen"
}

seen_without_wake() {
	shatomic set "$name" 8 5
	shatomic watch --interval 0.01 "$name" 8 >"$tap_dir/seen" &
	await_sleep $!
	shatomic set "$name" 8 6 && ends $! && prints 6 cat "$tap_dir/seen"
}

# A neighbour's change wakes it, but does not end it.
neighbour_does_not_end_it() {
	shatomic set "$name" 8 5
	shatomic watch --interval 100000 --width 1 "$name" 8 >"$tap_dir/seen" &
	await_sleep $!
	shatomic set --wake --width 1 "$name" 9 1
	kill -0 $! || return
	shatomic set --wake --width 1 "$name" 8 6 && ends $! &&
		prints 6 cat "$tap_dir/seen"
}

check "create" shatomic create "$name"
check "a word that differs already" prints 0 shatomic watch --value 1 "$name" 8
check "a negative value" prints 0x00 shatomic watch --hex --width 1 --value -1 "$name" 8
check "a word that does not change in time" status 1 shatomic watch --timeout 0.05 "$name" 8
check "at once" status 1 shatomic watch --timeout 0 "$name" 8
check "prints nothing" prints "" sh -c "shatomic watch --timeout 0 $name 8; [ \$? -eq 1 ]"
check "set wakes it" woken_by shatomic set --wake "$name" 8 6
check "op wakes it" woken_by shatomic op --wake "$name" fetch_and_add 8 1
check "a change that wakes nobody is seen" seen_without_wake
check "a neighbour's change does not end it" neighbour_does_not_end_it
check "JSON" prints "{\"offset\":8,\"value\":$(shatomic get --width 2 "$name" 8)}" shatomic watch --json --width 2 --value 0 "$name" 8
check "a word outside is refused" refuses "outside" shatomic watch "$name" 4096
check "with a value, too" refuses "outside" shatomic watch --value 0 "$name" 4096
check "a word that is not aligned is refused" refuses "offset 6" shatomic watch --width 3 "$name" 6
check "a value too large is refused" refuses "256" shatomic watch --width 1 --value 256 "$name" 8
check "a timeout that is no number is refused" refuses "--timeout: '1s'" shatomic watch --timeout 1s "$name" 8
check "one that is negative is refused" refuses "--timeout: '-1'" shatomic watch --timeout -1 "$name" 8
check "an interval of nothing is refused" refuses "--interval: 0 is not in 0.001..1000000000" shatomic watch --interval 0 "$name" 8
check "a blank before a number is refused" refuses "--timeout: ' 0'" shatomic watch --timeout " 0" "$name" 8
check "hexadecimal is refused" refuses "--timeout: '0x1'" shatomic watch --timeout 0x1 "$name" 8
check "a point alone is refused" refuses "--timeout: '.'" shatomic watch --timeout . "$name" 8
check "an exponent is refused" refuses "--timeout: '1e-3'" shatomic watch --timeout 1e-3 "$name" 8
check "a fraction is taken" status 1 shatomic watch --timeout 00.001 "$name" 8
check "no offset is refused" refuses "too few" shatomic watch "$name"
finish
