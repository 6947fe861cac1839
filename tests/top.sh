#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shatomic top: what it shows of regions whose batches are known, on a terminal
# and elsewhere, and what it says when something is missing. In a guest, as root.
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"
needs shatomic

name=top-test-$$
other=top-test-other-$$
counting=/sys/module/shatomic/parameters/stats
busy=
# shellcheck disable=SC2329
clean_up() {
	[ -z "$busy" ] || kill "$busy" 2>/dev/null
	shatomic rm "$name" "$other" 2>/dev/null
	rm -rf "$tap_dir"
}
trap clean_up EXIT
page=$tap_dir/page

# field COLUMN NAME: what a region's line has in a column of the last page.
field() {
	awk -v column="$1" -v name="$2" '
		/ROWS\/S/ { for (i = 1; i <= NF; i++) if ($i == column) place = i }
		$1 == name { value = $place }
		END { print value }' "$page"
}

# total WHAT: how many the last page says there have been.
total() {
	awk -v what="$1" '$1 == what && NF == 3 { value = $2 } END { print value + 0 }' "$page"
}

# is WANTED FOUND
is() {
	[ "$1" = "$2" ] && return
	echo "'$2' instead of '$1'"
	cat "$page"
	return 1
}

one_page() {
	shatomic top --iterations 1 >"$page"
}

add() {
	shatomic op "$1" fetch_and_umin 0 1 >/dev/null
}

# Whether a page comes that has rates of the region that is busy, and it first.
rates_are_shown() {
	shatomic top --delay 1 --iterations 300 | awk -v name="$other" '
		/ROWS\/S/ { getline; if ($1 == name && $2 > 0 && $3 > 0) found = 1 }
		/^rows/ { total = $3 + 0 }
		/^fetch_and_umin/ { op = $3 + 0 }
		found && total > 0 && op > 0 { seen = 1; exit }
		END { exit !seen }'
}

keep_adding() {
	while add "$other"; do
		:
	done
}

shatomic create --size 12K --mode 0640 "$name"
shatomic create "$other"
check "a page" one_page
batches=$(total batches)
add "$name"
add "$name"
add "$other"
check "another" one_page
check "rows of a region" is 2 "$(field ROWS "$name")"
check "its batches" is 2 "$(field BATCHES "$name")"
check "its errors" is 0 "$(field ERRORS "$name")"
check "its size" is 12K "$(field SIZE "$name")"
check "how often it is open" is 0 "$(field FILES "$name")"
check "who owns it" is 0 "$(field OWNER "$name")"
check "rows of another" is 1 "$(field ROWS "$other")"
check "there is no rate yet" is - "$(field ROWS/S "$other")"
check "batches of all" is $((batches + 3)) "$(total batches)"
check "most rows come first" sh -c "awk '/$name/ { first = NR } /$other/ { exit !first }' '$page'"
check "nothing but text where there is no terminal" sh -c "! grep -q '$(printf '\033')' '$page'"
check "as many pages as asked for" is 3 "$(shatomic top -d 0.1 -n 3 | grep -c ROWS/S)"
shatomic top --json -d 0.1 -n 2 >"$page"
check "lines of JSON, as many" is 2 "$(grep -c '^{.*"regions":\[{.*}\]}$' "$page")"
check "a region's counts as JSON" \
	grep -Eq "\"name\":\"$name\",[^}]*\"size\":12288,[^}]*\"rows\":2,\"batches\":2,\"errors\":0" "$page"
check "the first has no rates" sh -c "! head -n 1 '$page' | grep -q per_second"
check "the second has" sh -c "tail -n 1 '$page' | grep -q rows_per_second"
check "rows by operation" grep -q '"op_rows":{"get":' "$page"
shatomic top -d 0.1 -n 2 >"$page"
check "nothing runs now" is 0 "$(field ROWS/S "$name")"

keep_adding &
busy=$!
check "rates, those with most first" rates_are_shown
kill "$busy"
wait "$busy" 2>/dev/null
busy=

# has TEXT COMMAND...: whether what the command writes has TEXT.
has() {
	wanted=$1
	shift
	"$@" >"$page" || return
	grep -qF -- "$wanted" "$page"
}

has_not() {
	wanted=$1
	shift
	"$@" >"$page" || return
	! grep -qF -- "$wanted" "$page"
}

# A shell in which it is stopped looks at the terminal and lets it go on: with the
# second page at once, which is the last.
gives_back_when_stopped() {
	"$on_terminal" "$(printf '\032')" sh -c 'set -m
		shatomic top -n 2 -d 3600
		echo stopped
		stty -a
		fg' >"$page" || return
	tr -d '\r' <"$page" | awk -v hide="[?25l" -v show="[?25h" '
		index($0, hide) { hidden = 1 }
		index($0, show) { hidden = 0 }
		/stopped$/ { stopped = pages == 1 && !hidden }
		stopped && pages == 1 {
			for (i = 1; i <= NF; i++)
				modes += $i == "icanon" || $i == "echo"
		}
		/ROWS\/S/ { pages++; painted = hidden }
		END { exit !(stopped && modes == 2 && pages == 2 && painted && !hidden) }' ||
		{ cat -v "$page"; return 1; }
}

escape=$(printf '\033')
on_terminal=${0%/*}/on_terminal
export TERM=linux
check "on a terminal it is painted" has "${escape}[H" "$on_terminal" "" shatomic top -n 2 -d 0.1
check "and the cursor comes back" has "${escape}[?25h" "$on_terminal" "" shatomic top -n 1
check "names fit its 80 columns" has "$name" "$on_terminal" "" shatomic top -n 1
check "one that can't be painted" has_not "$escape" env TERM=dumb "$on_terminal" "" shatomic top -n 1
check "the key q ends it" "$on_terminal" q shatomic top -d 3600
check "and so does a signal" "$on_terminal" "$(printf '\003')" shatomic top -d 3600
check "by which the terminal comes back" has "${escape}[?25h" "$on_terminal" "$(printf '\034')" shatomic top -d 3600
check "stopped, it gives the terminal back, and takes it to go on" gives_back_when_stopped
# shellcheck disable=SC2016
check "told to go on, it paints at once" "$on_terminal" "" sh -c 'shatomic top -n 2 -d 3600 &
	while kill -CONT $! 2>/dev/null; do sleep 0.1; done
	wait $!'

echo N >"$counting"
check "that nothing is counted" has "echo Y >$counting" shatomic top -n 1
echo Y >"$counting"
check "and not, when it is" has_not "echo Y" shatomic top -n 1

check "who is not root" refuses "run it as root" su nobody -s /bin/sh -c 'shatomic top'
umount /sys/kernel/debug
check "no debugfs" refuses "mount -t debugfs" shatomic top
mount -t debugfs debugfs /sys/kernel/debug
check "it is back" one_page
check "no delay" refuses "--delay" shatomic top --delay 0
check "not a delay" refuses "1x" shatomic top --delay 1x
check "not a number" refuses "--iterations" shatomic top --iterations 0
check "a name" status 2 shatomic top "$name"
check "a full disk" status 2 sh -c "shatomic top -n 1 >/dev/full"
finish
