#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The reference is complete: library, manual pages and the mapping from the
# original API name the same functions, and the pages format.
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"

top=$(cd "${0%/*}/.." && pwd)
pages=$top/build/man

exported() {
	nm -D --defined-only "$top/build/lib/libshatomic.so" |
		awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort
}

mapped() {
	sed -n 's/^[^#].*\t//p' "$top/tools/man/original-api" | tr ' ' '\n' | sort -u
}

each_mapped_is_exported() {
	local names

	names=$(mapped)
	[ "$(wc -l <<<"$names")" -ge 60 ] || return
	! comm -23 <(echo "$names") <(exported) | grep .
}

each_exported_has_a_page() {
	local name

	for name in $(exported); do
		[ -s "$pages/man3/$name.3" ] || { echo "$name"; return 1; }
	done
}

each_member_is_on_the_page() {
	local original

	while IFS=$'\t' read -r original _; do
		case $original in '' | '#'*) continue ;; esac
		grep -qxF ".B $original" "$pages/man3/shatomic.3" ||
			{ echo "$original"; return 1; }
	done <"$top/tools/man/original-api"
}

each_command_is_on_the_page() {
	local name

	while read -r name; do
		grep -q "$name" "$pages/man4/shatomic.4" || { echo "$name"; return 1; }
	done < <(sed -n 's/^#define \(SHATOMIC_IOC_[A-Z_]*\)\t.*_IO(.*/\1/p' \
		"$top/include/uapi/linux/shatomic.h")
}

# Each command of the command, with each of its options.
command_is_on_the_page() {
	local command=$top/build/bin/shatomic page=$pages/man1/shatomic.1 name option

	for name in $("$command" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
		[[ $name == help ]] && continue
		sed -n "/^\.SS $name\$/,/^\.fi/p" "$page" >"$tap_dir/section"
		for option in $("$command" "$name" --help | grep -oE -- '^ .*--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
			grep -qwF -- "$option" "$tap_dir/section" ||
				{ echo "$name $option"; return 1; }
		done
	done
	grep -q '^\.SH "EXIT STATUS"' "$page"
}

each_example_is_in_the_tutorial() {
	local example

	for example in "$top"/tools/examples/*.c; do
		grep -qF "${example##*/}" "$pages/man7/shatomic_tutorial.7" ||
			{ echo "$example"; return 1; }
	done
}

# Those that are text of their own.
list_pages() {
	grep -L '^\.so ' "$pages"/man?/*
}

links_lead_to_pages() {
	! comm -23 <(sed -n "s|^\\.so |$pages/|p" "$pages"/man?/* | sort -u) \
		<(list_pages | sort) | grep .
}

pages_format() {
	local page

	for page in $(list_pages); do
		groff -ww -t -man -Tutf8 "$page" 2>&1 >/dev/null | sed "s|^|$page: |"
	done | grep . && return 1
	[ "$(list_pages | wc -l)" -ge 90 ]
}

pages_have_their_parts() {
	local page

	for page in $(list_pages); do
		if ! grep -q '^[^ ]* \\- .' "$page" ||
			! grep -q '^\.SH "\?SEE ALSO' "$page"; then
			echo "$page"
			return 1
		fi
	done
}

check "each member of the original API is a function" each_mapped_is_exported
check "each of them is on shatomic(3)" each_member_is_on_the_page
check "each function has a page" each_exported_has_a_page
check "each ioctl is on shatomic(4)" each_command_is_on_the_page
check "each command is on shatomic(1)" command_is_on_the_page
check "each example is in shatomic_tutorial(7)" each_example_is_in_the_tutorial
check "pages that stand for others lead to them" links_lead_to_pages
check "pages say what they are about" pages_have_their_parts
check "pages format without a warning" pages_format
finish
