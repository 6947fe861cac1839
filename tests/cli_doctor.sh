#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# `shatomic doctor' where all is well, and where something is not: no module, no
# permission, little memory to lock, no io_uring. The backend is that of the
# environment (SHATOMIC_BACKEND).
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"
needs shatomic

device=/dev/shatomic
directory=/run/shatomic
sysctl=/proc/sys/kernel/io_uring_disabled
without_uring=${0%/*}/without-uring
[ -x "$without_uring" ] || without_uring=${0%/*}/../build/tests/without-uring

# state CHECK COMMAND...: what the doctor says of it, with its remedy.
state() {
	state_check=$1
	shift
	"$@" >"$tap_dir/doctor"
	sed -n "s/^$state_check  *\(ok\|no\|unknown\)  *\(.*\)/\1 \2/p; s/^$state_check: /remedy: /p" \
		"$tap_dir/doctor"
}

# says CHECK STATE TEXT COMMAND...: whether it says just that of the check, and
# TEXT, a pattern, in its detail or remedy.
says() {
	says_check=$1
	says_state=$2
	says_text=$3
	shift 3
	state "$says_check" "$@" >"$tap_dir/said"
	grep -q "^$says_state " "$tap_dir/said" && grep -q "$says_text" "$tap_dir/said" && return
	cat "$tap_dir/said" "$tap_dir/doctor"
	return 1
}

# What is not well has a remedy, what is has none, and the exit status tells.
is_consistent() {
	wanted=0
	shatomic doctor --json >"$tap_dir/json"
	got=$?
	grep -q '"state": "no"' "$tap_dir/json" && wanted=1
	[ "$got" -eq "$wanted" ] &&
		[ "$(grep -c '"remedy": ' "$tap_dir/json")" -eq "$(grep -c '"state": "no"' "$tap_dir/json")" ] &&
		[ "$(grep -c '"check": ' "$tap_dir/json")" -ge 4 ]
}

# Nobody has not got what root may exceed limits by.
with_little_memory() {
	if [ "$(id -u)" -eq 0 ]; then
		as_nobody "ulimit -l 64; '$tap_dir/shatomic' doctor $*"
	else
		# Not of POSIX, but of the shells that this is for.
		# shellcheck disable=SC3045
		(ulimit -l 64 && shatomic doctor "$@")
	fi
}

only_memfd() {
	state module shatomic doctor --backend memfd | grep . && return 1
	says "memfd region" ok 2M shatomic doctor --backend memfd
}

# A kernel without huge pages is no worse for it.
all_is_well() {
	wanted=0
	[ -e /sys/kernel/mm/transparent_hugepage ] || wanted=1
	status "$wanted" shatomic doctor --backend device
}

# device_is MODE GROUP COMMAND...: for the time of the command.
device_is() {
	chmod "$1" "$device" && chgrp "$2" "$device" || return
	shift 2
	device_status=0
	"$@" || device_status=$?
	chmod 600 "$device"
	chgrp 0 "$device"
	return "$device_status"
}

# named_in DIRECTORY: with that in the environment.
named_in() {
	SHATOMIC_DIRECTORY=$1 shatomic doctor --backend device
}

# directory_is MODE GROUP COMMAND...: for the time of the command.
directory_is() {
	chmod "$1" "$directory" && chgrp "$2" "$directory" || return
	shift 2
	directory_status=0
	"$@" || directory_status=$?
	chgrp 0 "$directory"
	chmod 1777 "$directory"
	return "$directory_status"
}

# remounted OPTION COMMAND...: the same.
remounted() {
	mount -o "remount,$1" "$directory" || return
	shift
	directory_status=0
	"$@" || directory_status=$?
	mount -o remount,rw "$directory"
	return "$directory_status"
}

nobodys_doctor() {
	as_nobody "'$tap_dir/shatomic' doctor --backend device"
}

# switched_off VALUE COMMAND...: where the sysctl seems to be so, for these alone.
switched_off() {
	echo "$1" >"$tap_dir/disabled"
	shift
	# The inner shell expands them.
	# shellcheck disable=SC2016
	unshare -m sh -c 'mount --bind "$1" "$2" && shift 2 && "$@"' - \
		"$tap_dir/disabled" "$sysctl" "$without_uring" "$@"
}

# with_backend NAME: in the environment, where there is none without.
with_backend() {
	SHATOMIC_BACKEND=$1 shatomic doctor
}

without_backend() {
	(unset SHATOMIC_BACKEND; shatomic doctor)
}

# The environment then chooses nothing.
option_counts() {
	SHATOMIC_BACKEND=frob shatomic doctor --backend memfd >"$tap_dir/doctor"
	! grep environment "$tap_dir/doctor"
}

chmod 755 "$tap_dir"
cp "$(command -v shatomic)" "$tap_dir/shatomic"

check "what is not well has a remedy and tells by the exit status" is_consistent
check "a backend in the environment" says environment ok "SHATOMIC_BACKEND is memfd" with_backend memfd
check "none there" says environment ok "no SHATOMIC_BACKEND" without_backend
check "one that there is not" says environment no "'frob', not device or memfd" with_backend frob
check "and what to do about it" says environment no "remedy: .*unset" with_backend frob
check "is told by the exit status" status 1 with_backend frob
check "an empty one is none, either" says environment no "''" with_backend ""
check "but what it is does not matter with --backend" option_counts
check "the memfd backend needs no module" only_memfd
check "io_uring that is forbidden" says io_uring no "seccomp.*" "$without_uring" shatomic doctor
check "is told by the exit status" status 1 "$without_uring" shatomic doctor
check "and what to do about it" says io_uring no "remedy: .*io_uring_setup" "$without_uring" shatomic doctor
check "little memory to lock" says memlock no "64K (ulimit -l)" with_little_memory --backend memfd
check "and what to do about it" says memlock no "remedy: .*memlock 2048" with_little_memory --backend memfd
check "which regions of memfd do without" says "memfd region" ok "not pinned" with_little_memory --backend memfd
check "enough of it" says memlock ok "64K" with_little_memory --backend memfd --size 64K
check "a region too small for huge pages" says "memfd huge pages" unknown "less than 2M" shatomic doctor --backend memfd --size 64K
if [ -c "$device" ]; then
	check "all is well with the device" all_is_well
	check "the module" says module ok loaded shatomic doctor --backend device
	check "its device" says device ok "mode 0600, of root:root" shatomic doctor --backend device
	check "its ABI" says abi ok "27 operations" shatomic doctor --backend device
	check "its filesystem" says names ok "/run/shatomic, mode 1777, of root:root" shatomic doctor --backend device
	check "a directory of another" says names no "no filesystem of type shatomic is mounted at /tmp" named_in /tmp
	check "and what to do about it" says names no "remedy: .*mount -t shatomic" named_in /tmp
	check "one that is read-only" remounted ro says names no "read-only" shatomic doctor --backend device
	check "one for others" directory_is 1770 shatomic says names no "nobody may not" nobodys_doctor
	check "the group is what helps there" directory_is 1770 shatomic says names no "remedy: .*usermod -aG shatomic nobody" nobodys_doctor
	check "or a group" directory_is 1755 root says names no "remedy: .*chgrp shatomic /run/shatomic" nobodys_doctor
	check "its regions" says "device region" ok "2M, pinned" shatomic doctor --backend device
	check "a region too large" says "device region" no "max_pinned_bytes" shatomic doctor --backend device --size 64G
	check "no permission" says permission no "nobody may not" nobodys_doctor
	check "the udev rule is what helps" says permission no "remedy: install the udev rule" nobodys_doctor
	check "no region without permission" says "device region" unknown "can't be used" nobodys_doctor
	check "the group is what helps" device_is 660 shatomic says permission no "remedy: .*usermod -aG shatomic nobody" nobodys_doctor
	check "a device that is open to everybody" device_is 666 root says device no "remedy: everybody" shatomic doctor --backend device
	check "little memory to lock, on the device" device_is 660 nobody says "device region" no "RLIMIT_MEMLOCK (65536 bytes)" with_little_memory --backend device
else
	if [ -e "$sysctl" ] && unshare -m true 2>/dev/null; then
		check "io_uring that is switched off" says io_uring no "io_uring_disabled is 2" switched_off 2 shatomic doctor
		check "or for a group only" says io_uring no "remedy: .*io_uring_group" switched_off 1 shatomic doctor
	else
		skip "io_uring that is switched off" "no sysctl of it, or no mounts"
	fi
	check "no module" says module no "not loaded" shatomic doctor --backend device
	check "and what to do about it" says module no "remedy: .*modprobe" shatomic doctor --backend device
	check "no device" says device no "No such file" shatomic doctor --backend device
	check "without which there is no region" says "device region" unknown "" shatomic doctor --backend device
	check "is told by the exit status" status 1 shatomic doctor --backend device
fi
check "an argument is refused" refuses "too many" shatomic doctor who
finish
