#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Completions of the command, by bash, zsh and fish themselves. The backend is
# that of the environment (SHATOMIC_BACKEND).
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"
needs shatomic

here=$(cd "${0%/*}" && pwd)
dir=$here/../build/completion
one=completion-$$-one
two=completion-$$-two
trap 'shatomic rm "$one" "$two" 2>/dev/null; rm -rf "$tap_dir"' EXIT

commands() {
	shatomic --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | grep -v '^help$'
}

# Long options of a command, by its help.
options() {
	shatomic "$1" --help | grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+'
}

# What bash offers for a line whose words are those that bash makes of it.
in_bash() {
	bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
		_shatomic; printf "%s\n" "${COMPREPLY[@]}"' - "$dir/shatomic" "$@"
}

in_fish() {
	fish --no-config -c "source '$dir/shatomic.fish'; complete -C '$*'" | cut -f 1
}

# What zsh makes of a line.
in_zsh() {
	timeout 60 zsh -f "$here/complete.zsh" "$dir" "$1" | sed 's/ $//'
}

# each_option SHELL: whether it offers each option of each command.
each_option() {
	local name option missing=0

	for name in $(commands); do
		"offers_in_$1" "$name" >"$tap_dir/offered"
		for option in $(options "$name"); do
			grep -qxF -- "$option" "$tap_dir/offered" && continue
			echo "$name $option"
			missing=1
		done
	done
	return "$missing"
}

offers_in_bash() {
	in_bash shatomic "$1" -- | tr -d =
}

offers_in_fish() {
	in_fish "shatomic $1 --"
}

# Those that it has for _arguments; asking it takes a shell for each.
offers_in_zsh() {
	sed -n "/^	$1)\$/,/;;/p" "$dir/_shatomic" | grep -oE -- "^		+('\([^)]*\)'|'--[a-z-]+)" |
		grep -oE -- '--[a-z-]+'
}

each_command() {
	comm -23 <(commands | sort) <("$@" | sort) | grep . && return 1
	return 0
}

# offers TEXT COMMAND...: whether it prints just these lines, in any order.
offers() {
	local wanted=$1 got
	shift
	got=$("$@" | grep . | sort | paste -sd ' ')
	[ "$got" = "$wanted" ] && return
	echo "'$got' instead of '$wanted'"
	return 1
}

: >"$tap_dir/a-file"

check "create" shatomic create "$one"
check "and another" shatomic create "$two"
check "bash knows each command" each_command in_bash shatomic ''
check "bash knows each option" each_option bash
check "bash completes regions" offers "$one $two" in_bash shatomic get completion-$$
check "of the backend that was named" offers "$one $two" in_bash shatomic get --backend = memfd completion-$$
check "bash completes the argument of an option" offers "device" in_bash shatomic ls --backend = de
check "in the short form" offers "auto device memfd" in_bash shatomic ls -b ''
check "bash completes a region that is an option's" offers "$one $two" in_bash shatomic op --peer = completion-$$
check "bash completes operations" offers "fetch_and_sub" in_bash shatomic op "$one" fetch_and_su
check "after an option with an argument" offers "fetch_and_sub" in_bash shatomic op -w 4 "$one" fetch_and_su
check "bash completes files" offers "$tap_dir/a-file" in_bash shatomic dump "$one" "$tap_dir/a-f"
check "bash completes many regions" offers "$two" in_bash shatomic rm "$one" "$two"
check "bash completes commands for help" offers "doctor" in_bash shatomic help doc
check "bash offers nothing where it knows nothing" offers "" in_bash shatomic get "$one" ''

check "fish knows each command" each_command in_fish 'shatomic '
check "fish knows each option" each_option fish
check "fish completes regions" offers "$one $two" in_fish "shatomic get completion-$$"
check "of the backend that was named" offers "$one $two" in_fish "shatomic get -b memfd completion-$$"
check "fish completes the argument of an option" offers "--backend=device" in_fish "shatomic ls --backend=de"
check "fish completes operations" offers "fetch_and_sub" in_fish "shatomic op -w 4 $one fetch_and_su"
check "fish completes files" offers "$tap_dir/a-file" in_fish "shatomic dump $one $tap_dir/a-f"
check "fish completes many regions" offers "$two" in_fish "shatomic rm $one $two"
check "fish offers no file where there is none" offers "" in_fish "shatomic get $one /et"

check "zsh knows each option" each_option zsh
check "zsh completes commands" prints "shatomic doctor" in_zsh "shatomic doct"
check "zsh completes options" prints "shatomic get --count=" in_zsh "shatomic get --cou"
check "zsh completes regions" prints "shatomic get $two" in_zsh "shatomic get completion-$$-t"
check "zsh completes the argument of an option" prints "shatomic ls --backend=device" in_zsh "shatomic ls --backend=de"
check "zsh completes operations" prints "shatomic op -w 4 $one fetch_and_sub" in_zsh "shatomic op -w 4 $one fetch_and_su"
check "zsh completes many regions" prints "shatomic rm $one $two" in_zsh "shatomic rm $one completion-$$-t"
finish
