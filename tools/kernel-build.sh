# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Building kernels from Debian's packages of their source, each once: for scripts
# that source it at the top of the tree and have a function die.

# Of the package linux-source-6.1, by this machine's compiler, unless kernel_use
# says otherwise.
kernel_archive=/usr/src/linux-source-6.1.tar.xz
kernel_version=
kernel_run=()

# kernel_use 6.1|newest: which source is meant. newest is that of trixie-backports,
# unpacked under build/ and not installed, to be built where tools/in-debian runs.
kernel_use() {
	local suite=amd64@trixie-backports package to work

	case $1 in
	6.1)
		kernel_version=$(dpkg-query -W -f '${Version}' linux-source-6.1)
		return ;;
	newest) ;;
	*) die "there is no source '$1'; there are: 6.1, newest" ;;
	esac
	package=$(tools/packages "$suite" depends linux-source | head -n 1)
	kernel_version=$(tools/packages "$suite" version "$package")
	kernel_run=(tools/in-debian trixie)
	to=$PWD/build/kernel-source/$kernel_version
	kernel_archive=$to/usr/src/$package.tar.xz
	[[ ! -r $kernel_archive ]] || return 0
	mkdir -p "${to%/*}"
	work=$(mktemp -d "$to.XXXXXX")
	tools/packages "$suite" unpack "$work" "$package" ||
		die "$package can't be fetched"
	# Renamed when whole, so that half of it is never taken for all.
	mv -T "$work" "$to" 2>/dev/null || rm -rf "$work"
}

# What of the source no step of a build reads, two thirds of it.
kernel_unread=('*/Documentation/*/*' '*/sound/*.[ch]' '*/drivers/gpu/*.[ch]'
	'*/drivers/net/*/*.[ch]' '*/drivers/media/*.[ch]' '*/drivers/scsi/*.[ch]'
	'*/drivers/infiniband/*.[ch]' '*/drivers/staging/*.[ch]'
	'*/tools/testing/*' '*/tools/perf/*' '*.dts' '*.dtsi')

# kernel_directory PARENT FILE...: where under PARENT the kernel is that is made
# from the source as it is now, by this compiler, of what is in FILEs.
kernel_directory() {
	local key

	key=$({ "${kernel_run[@]}" cc --version; cat "${@:2}" tools/kernel-build.sh; } |
		sha256sum | cut -c 1-12)
	: "${kernel_version:=$(dpkg-query -W -f '${Version}' linux-source-6.1)}"
	echo "$1/$kernel_version-$key"
}

# kernel_build DIRECTORY LOG COMMAND...: have COMMAND, whose last argument will
# be where the source is unpacked, build what is then DIRECTORY.
kernel_build() {
	local to=$1 log=$2 work

	work=$(mktemp -d "$to.XXXXXX")
	# Now, as it is local.
	# shellcheck disable=SC2064
	trap "rm -rf '$work'" EXIT
	mkdir -p "${log%/*}"
	tar -xf "$kernel_archive" -C "$work" --strip-components=1 \
		"${kernel_unread[@]/#/--exclude=}"
	("${@:3}" "$work") >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "the build failed; its log is $log"
	}
	# Renamed when whole, so that half of it is never taken for all.
	mv -T "$work" "$to" 2>/dev/null || [[ -d $to ]]
}

# kernel_configure DIRECTORY ARCH FILE...: little more than a scheduler, and
# what FILEs say, which has to take effect.
kernel_configure() {
	local line

	"${kernel_run[@]}" make -C "$1" ARCH="$2" tinyconfig || return
	cat "${@:3}" >>"$1/.config"
	"${kernel_run[@]}" make -C "$1" ARCH="$2" olddefconfig || return
	while read -r line; do
		grep -qxF "$line" "$1/.config" || die "not in the configuration: $line"
	done < <(grep -hE '^(CONFIG_|# CONFIG_.* is not set$)' "${@:3}")
}
