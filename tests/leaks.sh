#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# No memory of the kernel's is lost: nothing refers to it any more.
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"

kmemleak=/sys/kernel/debug/kmemleak

# Twice, and what is younger than 5 seconds never counts: a reference that is
# in a register or on its way from one place to another is not seen.
nothing_is_lost() {
	sleep 6
	echo scan >"$kmemleak"
	sleep 6
	echo scan >"$kmemleak"
	cat "$kmemleak"
	[ -z "$(cat "$kmemleak")" ]
}

check "no memory of the kernel's is lost" nothing_is_lost
finish
