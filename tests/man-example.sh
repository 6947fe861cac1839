#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The example of shatomic(3): two processes share counters by name, and a file
# keeps them from one run to the next.
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"
needs shatomic

: "${MAN_EXAMPLE:=$(cd "${0%/*}" && pwd)/man-example}"
cd "$tap_dir" || exit

prints() {
	[ "$("$MAN_EXAMPLE")" = "$1" ]
}

check "the first run begins at 0" prints "1 5"
check "the file has what was synced" test "$(wc -c <counters)" -eq 4096
check "the second goes on from there" prints "2 10"
check "no name is left" test -z "$(shatomic ls | grep example-counters)"
finish
