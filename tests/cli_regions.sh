#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Named regions by the shatomic command: creating, listing, removing them, and
# what it refuses. The backend is that of the environment (SHATOMIC_BACKEND).
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"
needs shatomic

name=cli-regions-$$
other=cli-regions-other-$$
trap 'shatomic rm "$name" "$other" 2>/dev/null; rm -rf "$tap_dir"' EXIT

listed() {
	shatomic ls | awk -v name="$name" '$1 == name { found = 1 } END { exit !found }'
}

# In a filesystem of its own, the library finds this name and no other.
elsewhere() {
	mkdir "$tap_dir/names" && mount -t shatomic shatomic "$tap_dir/names" || return
	(
		export SHATOMIC_DIRECTORY="$tap_dir/names"
		shatomic create "$other" && [ "$(shatomic ls | wc -l)" -eq 2 ] &&
			test -f "$tap_dir/names/$other" && shatomic rm "$other"
	)
	elsewhere_status=$?
	umount "$tap_dir/names"
	return "$elsewhere_status"
}

# A directory that its group alone may look into.
not_for_us() {
	chmod 1770 /run/shatomic
	as_nobody "SHATOMIC_BACKEND=device '$(command -v shatomic)' ls"
	not_for_us_status=$?
	chmod 1777 /run/shatomic
	return "$not_for_us_status"
}

check "create" shatomic create --size 64K "$name"
if [ -e /sys/devices/system/node/node0 ]; then
	check "create on a NUMA node" shatomic create --numa bind:0 "$other"
	check "remove it" shatomic rm "$other"
else
	skip "create on a NUMA node" "this kernel knows no NUMA"
	skip "remove it" "this kernel knows no NUMA"
fi
check "no such policy" refuses "--numa" shatomic create --numa first:0 "$other"
check "no node" refuses "not numbers" shatomic create --numa bind: "$other"
check "not a node" refuses "0..63" shatomic create --numa bind:0,64 "$other"
check "a node that is not there" refuses "numa_nodes" shatomic create --numa interleave:0,63 "$other"
check "create again is refused" refuses "$name" shatomic create "$name"
check "ls shows it" listed
check "info tells its size" sh -c "shatomic info '$name' | grep -q 64K"

if [ "$SHATOMIC_BACKEND" = memfd ]; then
	check "a lock that goes with the command is refused" refuses "--pinned" shatomic create --pinned "$other"
	check "nothing is made then" refuses "$other" shatomic info "$other"
	check "info tells of no lock of its own" sh -c "! shatomic info --json '$name' | grep pinned"
else
	check "a name is that of a file" test -f "/run/shatomic/$name"
	check "mv renames it" mv "/run/shatomic/$name" "/run/shatomic/$name-2"
	check "which ls shows" sh -c "shatomic ls | grep -q '^$name-2 '"
	check "and back" mv "/run/shatomic/$name-2" "/run/shatomic/$name"
	check "names may be elsewhere" elsewhere
	check "where there is no place for them" refuses "no filesystem of type shatomic is mounted at /tmp: mount -t shatomic" \
		env SHATOMIC_DIRECTORY=/tmp shatomic create "$other"
	check "nor a directory" refuses "mount -t shatomic" env SHATOMIC_DIRECTORY=/none shatomic ls
	check "nor one for us" refuses "Permission denied: join the group" not_for_us
	check "create --pinned" shatomic create --pinned "$other"
	check "info tells that it is" sh -c "shatomic info --json '$other' | grep -qx '  \"pinned\": true,'"
	check "remove it" shatomic rm "$other"
fi

check "a bad name is refused" refuses "a/b" shatomic create a/b
check "a mode of nothing is refused" refuses "--mode" shatomic create --mode 0 none-$$
check "a size that is too much is refused by that name" refuses "size 1" shatomic create --size 1048575T none-$$
check "a size of nothing is refused" refuses "0" shatomic create --size 0 none-$$
check "an unknown command is refused" refuses "frobnicate" shatomic frobnicate
check "an unknown region is refused" refuses "no-such" shatomic info no-such-$$

check "rm" shatomic rm "$name"
check "the name is gone" refuses "$name" shatomic info "$name"
check "which rm tells" refuses "$name" shatomic rm "$name"
finish
