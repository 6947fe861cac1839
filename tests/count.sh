#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# `shatomic count` against pipelines of standard tools on the same files, and
# how it meets bad input and the death of a worker. The backend is that of the
# environment (SHATOMIC_BACKEND).
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"
needs shatomic

texts=/data
[ -d "$texts" ] || texts=/usr/share/common-licenses
LC_ALL=C
export LC_ALL

mkdir "$tap_dir/in"
cat "$texts"/* >"$tap_dir/in/text"
: >"$tap_dir/in/empty"
printf 'no newline at the end' >"$tap_dir/in/unended"
printf 'a\0b a\0b \377\376 c\n\n\n' >"$tap_dir/in/binary"
tr -d '\n' <"$tap_dir/in/text" >"$tap_dir/in/one-line"
# The command would show other bytes, and backslashes, by escapes.
tr -cd ' -[]-~\n' <"$tap_dir/in/text" >"$tap_dir/in/printable"

# Both as lines of COUNT TOKEN, sorted.
normal() {
	sed 's/^ *\([0-9]*\)[ 	]/\1 /' | sort
}

expected_words() {
	cat "$@" | tr -s ' \t\n\v\f\r' '\n' | grep -av '^$' | sort | uniq -c | normal
}

expected_lines() {
	awk 1 "$@" | sort | uniq -c | normal
}

expected_bytes() {
	cat "$@" | od -An -v -tu1 | tr -s ' ' '\n' | grep -v '^$' | sort | uniq -c |
		awk '{ print $1, $2 }' | sort
}

# same KIND JOBS FILE...: whether the count equals the pipeline's.
same() {
	kind=$1
	jobs=$2
	shift 2
	"expected_$kind" "$@" >"$tap_dir/expected"
	shatomic count "--$kind" --tsv --jobs "$jobs" "$@" 2>"$tap_dir/totals" >"$tap_dir/tsv" || {
		cat "$tap_dir/totals"
		return 1
	}
	[ -s "$tap_dir/expected" ] || [ "$*" = "$tap_dir/in/empty" ] || return
	normal <"$tap_dir/tsv" | cmp - "$tap_dir/expected"
}

# The command shows bytes that a terminal would not by their escapes, so the
# pipeline's bytes are compared by sums of counts instead of by text.
same_bytes() {
	expected_bytes "$1" | awk '{ print $1 }' | sort -n >"$tap_dir/expected"
	shatomic count --bytes --tsv "$1" 2>/dev/null | awk '{ print $1 }' | sort -n |
		cmp - "$tap_dir/expected"
}

# As same, in pieces so small and tables so short that 4 workers meet in them:
# without that a text of one piece would be counted by one worker.
same_shared() {
	kind=$1
	file=$2
	"expected_$kind" "$file" >"$tap_dir/expected"
	shatomic count "--$kind" --tsv --jobs 4 --piece-bytes 1000 --slots 1 "$file" \
		2>"$tap_dir/totals" >"$tap_dir/tsv" || return
	grep -q '^workers: *4$' "$tap_dir/totals" &&
		awk '/^generations:/ { many = $2 > 1 } END { exit !many }' "$tap_dir/totals" &&
		normal <"$tap_dir/tsv" | cmp - "$tap_dir/expected"
}

borders_lose_nothing() {
	printf 'aa bb cc\n' >"$tap_dir/in/borders"
	for piece in 1 2 3 4 5; do
		totals_are 3 --piece-bytes "$piece" --jobs 4 "$tap_dir/in/borders" || return
	done
}

# Each reader of this file sees another content.
verify_tells_a_difference() {
	status 1 shatomic count --verify /proc/self/stat
}

most_frequent_first() {
	printf 'b a b c b a\n' >"$tap_dir/in/order"
	[ "$(shatomic count --tsv --top 0 "$tap_dir/in/order" 2>/dev/null)" = "3	b
2	a
1	c" ]
}

# json KIND FILE: whether its lines say what those of TSV do, and no more but the
# totals. The pattern leaves no byte of a line out; what JSON escapes is undone.
json() {
	shatomic count "--$1" --tsv "$2" 2>/dev/null >"$tap_dir/expected"
	shatomic count "--$1" --json --top 0 "$2" >"$tap_dir/json" || return
	[ -s "$tap_dir/expected" ] &&
		sed -e '$d' -e 's/^{"count":\([0-9]*\),"token":"\(.*\)"}$/\1	\2/' \
			-e 's/\\\(["\\]\)/\1/g' "$tap_dir/json" |
		cmp - "$tap_dir/expected"
}

json_totals() {
	shatomic count --json --jobs 1 "$tap_dir/in/unended" | tail -n 1 |
		grep -Eq '^\{"tokens":5,"distinct":5,"bytes":21,"files":1,"workers":1,"seconds":[0-9.]+,"rows":[0-9]+,"batches":[0-9]+,"generations":1,"backend":"(device|memfd)","pinned":(true|false)\}$'
}

json_verified() {
	shatomic count --json --verify --top 1 "$tap_dir/in/text" \
		2>"$tap_dir/error" >"$tap_dir/json" || return
	[ "$(wc -l <"$tap_dir/json")" -eq 2 ] &&
		grep -q '^verified:' "$tap_dir/error"
}

total() {
	shatomic count --top 0 "$@" | awk '/^tokens:/ { print $2 }'
}

totals_are() {
	wanted=$1
	shift
	got=$(total "$@")
	[ "$got" = "$wanted" ] && return
	echo "$got tokens instead of $wanted"
	return 1
}

from_file_as_input() {
	expected_words "$tap_dir/in/text" >"$tap_dir/expected"
	shatomic count --tsv - <"$tap_dir/in/text" 2>/dev/null | normal |
		cmp - "$tap_dir/expected"
}

from_pipe() {
	expected_words "$tap_dir/in/text" >"$tap_dir/expected"
	sed '' "$tap_dir/in/text" | shatomic count --tsv - 2>/dev/null | normal |
		cmp - "$tap_dir/expected"
}

counts_the_rest() {
	refuses "$1" shatomic count --top 0 "$1" "$tap_dir/in/unended" || return
	counted_five
}

# Whether what was printed last says so.
counted_five() {
	grep -q '^tokens: *5$' "$tap_dir/tap-printed" && return
	cat "$tap_dir/tap-printed"
	return 1
}

unreadable_is_refused() {
	cp "$tap_dir/in/unended" "$tap_dir/in/unreadable"
	chmod 0 "$tap_dir/in/unreadable"
	# Root reads everything, so another user is it who asks, by a copy of
	# the command where that user may go.
	cp "$(command -v shatomic)" "$tap_dir/shatomic"
	[ -c /dev/shatomic ] && chmod 666 /dev/shatomic
	chmod 755 "$tap_dir" "$tap_dir/in"
	refuses "unreadable: Permission denied" \
		not_as_root "$tap_dir/shatomic" count "$tap_dir/in/unreadable" "$tap_dir/in/unended"
	unreadable_status=$?
	[ -c /dev/shatomic ] && chmod 600 /dev/shatomic
	[ "$unreadable_status" -eq 0 ] && counted_five
}

# A file's mode keeps out anybody but root.
not_as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		as_nobody "$*"
	else
		"$@"
	fi
}

children_of() {
	awk -v parent="$1" '$4 == parent { print $1 }' /proc/[0-9]*/stat 2>/dev/null
}

# What they read last never ends, so both workers are there when one is killed.
killed_worker_is_told() {
	mkfifo "$tap_dir/fifo"
	# For both, since an end alone would wait for the other, which may not come.
	exec 3<>"$tap_dir/fifo"
	shatomic count --jobs 2 "$tap_dir/in/text" "$tap_dir/fifo" "$tap_dir/fifo" \
		2>"$tap_dir/error" >"$tap_dir/out" 3>&- &
	counter=$!
	set --
	while [ $# -lt 2 ]; do
		sleep 0.1
		kill -0 "$counter" || {
			cat "$tap_dir/error"
			return 1
		}
		# Words by design.
		# shellcheck disable=SC2046
		set -- $(children_of "$counter")
	done
	kill -9 "$1"
	wait "$counter"
	counter_status=$?
	exec 3>&-
	cat "$tap_dir/error"
	[ "$counter_status" -eq 2 ] &&
		grep -q "killed by signal 9" "$tap_dir/error" &&
		[ ! -s "$tap_dir/out" ] &&
		! kill -0 "$2" 2>/dev/null
}

for jobs in 1 2 4 8; do
	check "words, up to $jobs workers" same words "$jobs" "$tap_dir/in/text"
done
check "words, 4 workers that share growing tables" same_shared words "$tap_dir/in/text"
check "lines, 4 workers that share growing tables" same_shared lines "$tap_dir/in/printable"
check "borders of pieces lose nothing" borders_lose_nothing
check "the most frequent come first" most_frequent_first
check "verify exits with 1 where counts differ" verify_tells_a_difference
check "words of many files" same words 4 "$texts"/*
check "lines" same lines 4 "$tap_dir/in/printable"
check "bytes" same_bytes "$tap_dir/in/text"
check "bytes of binary data" same_bytes "$tap_dir/in/binary"
check "one long line" same words 4 "$tap_dir/in/one-line"
check "no newline at the end" same words 2 "$tap_dir/in/unended"
check "an empty file" totals_are 0 "$tap_dir/in/empty"
check "words with NUL bytes" totals_are 4 "$tap_dir/in/binary"
check "empty lines are lines" totals_are 3 --lines "$tap_dir/in/binary"
check "standard input, a file" from_file_as_input
check "standard input, a pipe" from_pipe
check "verify" shatomic count --verify --jobs 4 "$tap_dir"/in/*
check "verify in lines" shatomic count --lines --verify --jobs 4 "$tap_dir"/in/*
check "JSON, a line a token" json words "$tap_dir/in/text"
check "lines with quotes in JSON" json lines "$tap_dir/in/text"
check "bytes that are no text, by their escapes" prints '{"count":1,"token":"\\xff\\xfe"}' sh -c "printf '\377\376' | shatomic count --json - | head -n 1"
check "totals in JSON, the last line" json_totals
check "JSON has no words of verification" json_verified
check "progress by order" sh -c "shatomic count --progress=always '$tap_dir/in/unended' 2>&1 >/dev/null | grep -q 100%"
check "no progress on what is no terminal" sh -c "! shatomic count '$tap_dir/in/unended' 2>&1 >/dev/null | grep ."
check "small batches" shatomic count --verify --batch-rows 1 "$tap_dir/in/unended"

check "a missing file is told, the rest counted" counts_the_rest "$tap_dir/in/missing"
check "a directory is told, the rest counted" counts_the_rest "$tap_dir/in"
check "a file without permission is told, the rest counted" unreadable_is_refused
check "a pipe can't be verified" refuses "verif" sh -c "echo a | shatomic count --verify -"
check "no file at all" refuses "FILE" shatomic count
check "two forms of output" refuses "two forms" shatomic count --tsv --json "$tap_dir/in/text"
check "a bad number of jobs" refuses "0" shatomic count --jobs 0 "$tap_dir/in/text"
check "an output that is full" refuses "space" sh -c "shatomic count '$tap_dir/in/text' >/dev/full"
check "a killed worker is told, nothing printed, all ended" killed_worker_is_told
finish
