#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The module can be unloaded after all that came before, which it could not be
# with a region, name or batch left, and be loaded again, with parameters that
# can be right.
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"
needs shatomic

module=/shatomic.ko
mounted=/run/shatomic

check "no region is named any more" test -z "$(shatomic ls --backend device | sed 1d)"
check "a mount keeps the module" sh -c "! rmmod shatomic"
check "it is unmounted" umount "$mounted"
check "the module unloads" rmmod shatomic
check "the device node is gone" test ! -e /dev/shatomic
check "and so is its directory in debugfs" test ! -e /sys/kernel/debug/shatomic
check "shatomic top says what is missing" sh -c "shatomic top 2>&1 | grep -q 'modprobe shatomic'"
check "the doctor tells" sh -c "shatomic doctor --backend device | grep -q '^module  *no  *not loaded'"
check "it loads again" insmod "$module"
check "the device node is back" test -c /dev/shatomic

# refused ERRNO PARAMETER=VALUE: whether the module can't be loaded with it.
# The insmod of busybox exits with the error.
refused() {
	status "$1" insmod "$module" "$2" || return
	[ ! -e /sys/module/shatomic ]
}

# holds PARAMETER: whether it is above 0.
holds() {
	[ "$(cat "/sys/module/shatomic/parameters/$1")" -gt 0 ]
}

rmmod shatomic
for parameter in max_pinned_bytes max_regions max_user_regions max_batch_rows \
	max_batches max_user_batches max_region_batches max_parallelism \
	slice_rows; do
	check "$parameter can't be negative" refused 22 "$parameter=-1"
	check "$parameter can't be text" refused 22 "$parameter=many"
	check "$parameter can't overflow" \
		refused 34 "$parameter=18446744073709551616"
done

# named_again: what init does when it has loaded the module.
named_again() {
	mount -t shatomic -o mode=1777 shatomic "$mounted"
}

check "it loads with what it brings into bounds" insmod "$module" \
	max_pinned_bytes=0 max_batch_rows=18446744073709551615 slice_rows=0
check "names can be had" named_again
check "max_pinned_bytes is then the default" holds max_pinned_bytes
check "regions can be had" shatomic create --backend device --size 4096 loaded
check "words in them too" shatomic op --backend device loaded fetch_and_add 0 1
check "a region that is named goes with its filesystem" umount "$mounted"
check "as does what kept the module" rmmod shatomic

check "it loads with limits that let nothing through" insmod "$module" \
	max_regions=0 max_user_regions=0 max_batches=0 max_user_batches=0 \
	max_region_batches=0 max_batch_rows=0
check "they can be mounted for" named_again
check "regions can't be had" status 2 \
	shatomic create --backend device --size 4096 loaded
umount "$mounted"
check "the module unloads again" rmmod shatomic
check "it loads again, at last" insmod "$module"
check "and has names again" named_again
finish
