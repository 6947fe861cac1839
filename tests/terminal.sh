#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What the shatomic command does on a terminal and nowhere else: colour and
# progress. The backend is that of the environment (SHATOMIC_BACKEND).
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"
needs shatomic

name=terminal-$$
escape=$(printf '\033')
trap 'shatomic rm "$name" 2>/dev/null; rm -rf "$tap_dir"' EXIT

# on_terminal COMMAND: what it writes to a terminal.
on_terminal() {
	TERM=xterm script -qc "$1" /dev/null </dev/null
}

has_colour() {
	on_terminal "$1" | grep -q "$escape\[3[12]m"
}

has_no_colour() {
	on_terminal "$1" >"$tap_dir/shown"
	grep -q memlock "$tap_dir/shown" && ! grep -q "$escape\[3" "$tap_dir/shown"
}

# Of the escapes, those that erase a line.
shows_progress() {
	on_terminal "$1" | grep -q "$escape\[K.*MiB"
}

check "create" shatomic create --size 1M "$name"
check "states are in colour" has_colour "shatomic doctor"
check "not by NO_COLOR" has_no_colour "NO_COLOR=1 shatomic doctor"
check "an empty NO_COLOR says nothing" has_colour "NO_COLOR= shatomic doctor"
check "not on a dumb terminal" has_no_colour "TERM=dumb shatomic doctor"
check "not in a pipe" has_no_colour "shatomic doctor | cat"
check "not in JSON" has_no_colour "shatomic doctor --json"
check "dump shows progress" shows_progress "shatomic dump $name - >/dev/null"
check "load shows progress" shows_progress "shatomic load $name - </dev/null"
check "batch shows progress" shows_progress "echo offset,0 | tr , \\\\n | shatomic batch --op get $name"
check "not when told so" status 1 shows_progress "shatomic dump --progress=never $name - >/dev/null"
check "not where errors go to a file" status 1 shows_progress "shatomic dump $name - 2>&1 >/dev/null | cat"
finish
