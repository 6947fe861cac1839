#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# `shatomic bench': that it measures each pattern, and says what is wrong; its
# figures are the machine's. The backend is that of the environment
# (SHATOMIC_BACKEND).
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"
needs shatomic

# bench [OPTION...]: a very short one.
bench() {
	shatomic bench --size 32K --rows 1000 --batch-rows 300 --samples 2 "$@"
}

# The same number of figures, whatever they are, in each of five lines.
measures() {
	bench "$@" | tee "$tap_dir/table" | awk '
		NR == 1 { wanted = gsub(/ns|RATIO/, "") }
		NR > 1 { figures = 0
			for (i = 1; i <= NF; i++) figures += ($i ~ /^[0-9]+\.[0-9][0-9]$/)
			bad += (figures != wanted) }
		END { exit bad || NR != 6 || wanted < 3 }' && return
	cat "$tap_dir/table"
	return 1
}

# Without the kernel is a contender of its own just where the kernel is one.
local_is_told() {
	bench >"$tap_dir/told" || return
	if [ "$SHATOMIC_BACKEND" = device ]; then
		grep -q LOCAL "$tap_dir/told"
	else
		! grep -q LOCAL "$tap_dir/told"
	fi
}

has_json() {
	[ "$(bench --json | grep -c '"batch_ratio": [0-9.]*,$')" -eq 5 ]
}

# Whether there is a gnuplot or not.
plots() {
	if command -v gnuplot >/dev/null; then
		bench --plot "$tap_dir/it's.svg" && grep -q '</svg>' "$tap_dir/it's.svg"
	else
		refuses "gnuplot-nox" bench --plot "$tap_dir/plot.svg"
	fi
}

# Whether or not there is a gnuplot, whose picture must not stand in for them.
keeps_figures() {
	status 2 bench --json --plot "$tap_dir/none/plot.svg" >"$tap_dir/json" || return
	[ "$(grep -c '"batch_ratio": [0-9.]*,$' "$tap_dir/json")" -eq 5 ] &&
		! grep '<' "$tap_dir/json"
}

check "each pattern is measured" measures
check "by many CPUs" measures --parallelism 0
check "in any order" measures --unordered
check "the kernel is compared with this process" local_is_told
check "JSON" has_json
check "a picture" plots
check "figures without the picture that can't be drawn" keeps_figures
check "another kind of picture is refused" refuses "neither .svg nor .png" bench --plot "$tap_dir/plot.gif"
check "a size that is no power of two is refused" refuses "power of two" shatomic bench --size 12K
check "no rows are refused" refuses "--rows" shatomic bench --rows 0
check "an argument is refused" refuses "too many" shatomic bench words
finish
