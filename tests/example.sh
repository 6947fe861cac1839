#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The C examples of README and shatomic(3), taken from there, and those that are
# installed, compile as they say against the installed library and print what
# they say.
# shellcheck disable=SC2016
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"

top=$(cd "${0%/*}/.." && pwd)
root=$tap_dir/root

install_there() {
	make -s -C "$top/lib" install DESTDIR="$root" PREFIX=/usr &&
		make -s -C "$top/tools/examples" install DESTDIR="$root" PREFIX=/usr
}

extract() {
	sed -n '/^```c$/,/^```$/p' "$top/README.md" | sed '/^```/d' >"$tap_dir/example.c"
	[ "$(wc -l <"$tap_dir/example.c")" -ge 20 ]
}

# compile STANDARD NAME: with the flags that pkg-config tells.
compile() {
	local flags

	flags=$(PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=$root/usr/lib/pkgconfig \
		PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 \
		pkg-config --cflags --libs libshatomic) || return
	# Flags are words by design.
	# shellcheck disable=SC2086
	cc -Wall -Wextra -Werror -std="$1" "$tap_dir/$2.c" -o "$tap_dir/$2" $flags
}

# page_example WORDS NAME: the example after the line that begins so, as it is
# printed on the page that is installed.
page_example() {
	sed -n "/^\.SH EXAMPLES/,\$p" "$top/build/man/man3/shatomic.3" |
		sed -n "/^$1/,/^\.fi/p" |
		sed -e '1,/^\.nf/d' -e '/^\.fi/d' -e 's/^\\&//' -e 's/\\e/\\/g' >"$tap_dir/$2.c"
	[ "$(wc -l <"$tap_dir/$2.c")" -ge 50 ]
}

page_example_runs() {
	LD_LIBRARY_PATH=$root/usr/lib MAN_EXAMPLE=$tap_dir/page \
		"$top/tests/man-example.sh" | tee "$tap_dir/page.tap"
	! grep -q '^not ok' "$tap_dir/page.tap"
}

# 100 batches of 1000 rows that add 1.
queue_example_runs() {
	[ "$(LD_LIBRARY_PATH=$root/usr/lib "$tap_dir/queue")" = 100000 ]
}

installed_examples_compile() {
	local source name

	for source in "$root"/usr/share/doc/libshatomic/examples/*.c; do
		name=${source##*/}
		cp "$source" "$tap_dir/$name" && compile gnu11 "${name%.c}" || return
	done
}

installed_examples_run() {
	LD_LIBRARY_PATH=$root/usr/lib EXAMPLES=$tap_dir \
		"$top/tests/examples.sh" | tee "$tap_dir/examples.tap"
	! grep -q '^not ok' "$tap_dir/examples.tap"
}

prints_its_result() {
	[ "$(LD_LIBRARY_PATH=$root/usr/lib "$tap_dir/example")" = "42 3" ]
}

check "the library installs" install_there
check "the README has an example" extract
check "it compiles with pkg-config" compile gnu11 example
check "it prints what the README says" prints_its_result
check "shatomic(3) has an example" page_example "A counter" page
check "it compiles with pkg-config" compile gnu11 page
check "it does what its page says" page_example_runs
check "and one of queues" page_example Batches queue
check "it compiles with pkg-config" compile gnu11 queue
check "it counts right" queue_example_runs
check "the installed examples compile" installed_examples_compile
check "they do what they say" installed_examples_run
finish
