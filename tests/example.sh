#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The README's C example, taken from the README, compiles as it says against
# the installed library and prints what it says.
# shellcheck disable=SC2016
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"

top=$(cd "${0%/*}/.." && pwd)
root=$tap_dir/root

install_there() {
	make -s -C "$top/lib" install DESTDIR="$root" PREFIX=/usr
}

extract() {
	sed -n '/^```c$/,/^```$/p' "$top/README.md" | sed '/^```/d' >"$tap_dir/example.c"
	[ "$(wc -l <"$tap_dir/example.c")" -ge 20 ]
}

compile() {
	local flags

	flags=$(PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=$root/usr/lib/pkgconfig \
		PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 \
		pkg-config --cflags --libs libshatomic) || return
	# Flags are words by design.
	# shellcheck disable=SC2086
	cc -Wall -Wextra -Werror -std=gnu11 "$tap_dir/example.c" -o "$tap_dir/example" $flags
}

prints_its_result() {
	[ "$(LD_LIBRARY_PATH=$root/usr/lib "$tap_dir/example")" = "42 3" ]
}

check "the library installs" install_there
check "the README has an example" extract
check "it compiles with pkg-config" compile
check "it prints what the README says" prints_its_result
finish
