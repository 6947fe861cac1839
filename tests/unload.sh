#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The module can be unloaded after all that came before, which it could not be
# with a region, name or batch left, and be loaded again.
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"

module=/shatomic.ko

check "no region is named any more" test -z "$(shatomic ls --backend device | sed 1d)"
check "the module unloads" rmmod shatomic
check "the device node is gone" test ! -e /dev/shatomic
check "and so is its directory in debugfs" test ! -e /sys/kernel/debug/shatomic
check "shatomic top says what is missing" sh -c "shatomic top 2>&1 | grep -q 'modprobe shatomic'"
check "it loads again" insmod "$module"
check "the device node is back" test -c /dev/shatomic
finish
