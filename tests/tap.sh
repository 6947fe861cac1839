# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# TAP for test scripts: source it, call check for each test, then finish.

tap_count=0
tap_failed=0

# check DESCRIPTION COMMAND...: the test passes when the command does.
check() {
	tap_description=$1
	shift
	tap_count=$((tap_count + 1))
	if "$@" >"$tap_output" 2>&1; then
		echo "ok $tap_count $tap_description"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_count $tap_description"
		sed 's/^/# /' "$tap_output"
	fi
}

# needs PROGRAM: without it nothing here can be tested.
needs() {
	command -v "$1" >/dev/null && return
	echo "Bail out! $1 is not in the PATH"
	exit 1
}

# skip DESCRIPTION REASON: a test that can't be made here.
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count $1 # SKIP $2"
}

# status N COMMAND...: whether the command exits with N.
status() {
	tap_wanted=$1
	shift
	tap_status=0
	"$@" || tap_status=$?
	[ "$tap_status" -eq "$tap_wanted" ] && return
	echo "exit status $tap_status instead of $tap_wanted"
	return 1
}

# prints TEXT COMMAND...: whether the command succeeds and prints just TEXT.
prints() {
	tap_wanted=$1
	shift
	tap_printed=$("$@") || return
	[ "$tap_printed" = "$tap_wanted" ] && return
	echo "printed '$tap_printed' instead of '$tap_wanted'"
	return 1
}

# refuses TEXT COMMAND...: whether it exits with 2 and its error has TEXT. What it
# has written is then in tap-error and tap-printed.
refuses() {
	tap_text=$1
	shift
	tap_status=0
	"$@" 2>"$tap_dir/tap-error" >"$tap_dir/tap-printed" || tap_status=$?
	[ "$tap_status" -eq 2 ] && grep -qF -- "$tap_text" "$tap_dir/tap-error" && return
	echo "exit status $tap_status instead of 2, or no '$tap_text' in the error:"
	cat "$tap_dir/tap-error"
	return 1
}

# lowest WIDTH: where in an aligned 8-byte word its lowest WIDTH bytes lie.
lowest() {
	if [ "$(printf '\1\0' | od -An -tu2 | tr -d ' ')" = 1 ]; then
		echo 0
	else
		echo $((8 - $1))
	fi
}

# as_nobody COMMAND: by a shell of that user, for which we must be root. What it
# runs must lie where that user may go.
as_nobody() {
	su -s /bin/sh nobody -c "SHATOMIC_BACKEND='$SHATOMIC_BACKEND'; export SHATOMIC_BACKEND; $1"
}

finish() {
	echo "1..$tap_count"
	exit "$((tap_failed > 0))"
}

tap_dir=$(mktemp -d)
tap_output=$tap_dir/tap-output
trap 'rm -rf "$tap_dir"' EXIT
