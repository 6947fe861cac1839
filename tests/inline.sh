#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The typed operations cost what the compiler's builtins do: the same
# instructions, for every type, operation and memory order. Those that keep their
# operand for the sake of GCC 12 (see typed.h) may take other registers, and move
# between them.
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"

top=$(cd "${0%/*}/.." && pwd)
types=(u8:uint8_t u16:uint16_t u32:uint32_t u64:uint64_t
	i8:int8_t i16:int16_t i32:int32_t i64:int64_t)
orders=(RELAXED ACQUIRE RELEASE ACQ_REL SEQ_CST)

# pair NAME TYPE PARAMETERS TYPED BUILTIN: two functions that should be one.
pair() {
	echo "$2 typed_$1($3) { return $4; }"
	echo "$2 plain_$1($3) { return $5; }"
}

# What a failed comparison's order is, which stores nothing.
load_order() {
	case $1 in
	ACQ_REL) echo ACQUIRE ;;
	RELEASE) echo RELAXED ;;
	*) echo "$1" ;;
	esac
}

pairs_of_order() {
	local s=$1 t=$2 order=$3 o=__ATOMIC_$3 op word_and_operand="$2 *w, $2 v"

	pair "get_and_set_${s}_$order" "$t" "$word_and_operand" \
		"shatomic_get_and_set_${s}_explicit(w, v, $o)" "__atomic_exchange_n(w, v, $o)"
	for op in add sub and or xor nand; do
		pair "fetch_and_${op}_${s}_$order" "$t" "$word_and_operand" \
			"shatomic_fetch_and_${op}_${s}_explicit(w, v, $o)" "__atomic_fetch_$op(w, v, $o)"
		pair "${op}_and_fetch_${s}_$order" "$t" "$word_and_operand" \
			"shatomic_${op}_and_fetch_${s}_explicit(w, v, $o)" "__atomic_${op}_fetch(w, v, $o)"
	done
	pair "compare_and_set_value_${s}_$order" "$t" "$t *w, $t v, $t c" \
		"shatomic_compare_and_set_value_${s}_explicit(w, v, c, $o)" \
		"(__atomic_compare_exchange_n(w, &c, v, 0, $o, __ATOMIC_$(load_order "$order")), c)"
	case $order in RELAXED | ACQUIRE | SEQ_CST)
		pair "get_${s}_$order" "$t" "$t *w" \
			"shatomic_get_${s}_explicit(w, $o)" "__atomic_load_n(w, $o)" ;;
	esac
	case $order in RELAXED | RELEASE | SEQ_CST)
		pair "set_${s}_$order" void "$word_and_operand" \
			"shatomic_set_${s}_explicit(w, v, $o)" "__atomic_store_n(w, v, $o)" ;;
	esac
}

# Without an order they are sequentially consistent.
pairs_of_default() {
	local s=$1 t=$2 word_and_operand="$2 *w, $2 v"

	pair "get_$s" "$t" "$t *w" "shatomic_get_$s(w)" "__atomic_load_n(w, __ATOMIC_SEQ_CST)"
	pair "set_$s" void "$word_and_operand" "shatomic_set_$s(w, v)" \
		"__atomic_store_n(w, v, __ATOMIC_SEQ_CST)"
	pair "fetch_and_add_$s" "$t" "$word_and_operand" "shatomic_fetch_and_add_$s(w, v)" \
		"__atomic_fetch_add(w, v, __ATOMIC_SEQ_CST)"
	pair "xor_and_fetch_$s" "$t" "$word_and_operand" "shatomic_xor_and_fetch_$s(w, v)" \
		"__atomic_xor_fetch(w, v, __ATOMIC_SEQ_CST)"
	# A loop over them, too.
	echo "void typed_loop_$s($t *w, $t *v, long n)"
	echo "{ for (long i = 0; i < n; i++) v[i] = shatomic_fetch_and_add_$s(w + i, v[i]); }"
	echo "void plain_loop_$s($t *w, $t *v, long n)"
	echo "{ for (long i = 0; i < n; i++) v[i] = __atomic_fetch_add(w + i, v[i], __ATOMIC_SEQ_CST); }"
}

compile_pairs() {
	local type order

	{
		echo '#include <shatomic.h>'
		for type in "${types[@]}"; do
			pairs_of_default "${type%:*}" "${type#*:}"
			for order in "${orders[@]}"; do
				pairs_of_order "${type%:*}" "${type#*:}" "$order"
			done
		done
	} >"$tap_dir/pairs.c"
	cc -std=gnu11 -O2 -I"$top/include" -I"$top/include/uapi" -c \
		-o "$tap_dir/pairs.o" "$tap_dir/pairs.c"
}

# Each function's name, then its instructions, in one line, without addresses.
disassemble() {
	objdump -d --no-show-raw-insn "$tap_dir/pairs.o" | awk '
		/^[0-9a-f]+ <.*>:$/ { if (name) print name, code
			name = $2; gsub(/[<>:]/, "", name)
			code = ""; next }
		/^ +[0-9a-f]+:/ { sub(/^ +[0-9a-f]+:\t*/, "")
			# Jumps are within a function: to what is left of the name.
			gsub(/[0-9a-f]+ <(typed|plain)_[A-Za-z0-9_]*/, "<"); code = code "; " $0 }
		END { print name, code }' | sed -E 's/(; (xchg +%ax,%ax|(data16 )*(cs )?nop[wl]?.*))+$//' | sort
}

# Of those that keep their operand: no moves between registers, and all of a
# width are one.
without_registers() {
	sed -E '/^[a-z]+_((fetch_and_(and|or|xor|nand))|((add|sub|and|or|xor|nand)_and_fetch))_/ {
		s/; movz?[bwl]* +%[a-z0-9]+,%[a-z0-9]+//g
		s/%(r[0-9]+|[re]?[abcd]x|[re]?[sd]i|[abcd]l|[sd]il)[bwd]?/%/g
		s/<\+0x[0-9a-f]+>/<>/g
	}'
}

pairs_are_equal() {
	local typed plain

	disassemble | without_registers >"$tap_dir/code" || return
	sed -n 's/^typed_//p' "$tap_dir/code" >"$tap_dir/typed"
	sed -n 's/^plain_//p' "$tap_dir/code" >"$tap_dir/plain"
	typed=$(wc -l <"$tap_dir/typed")
	plain=$(wc -l <"$tap_dir/plain")
	echo "$typed typed functions, $plain plain ones"
	[ "$typed" -ge 600 ] || return
	diff "$tap_dir/typed" "$tap_dir/plain"
}

check "each typed operation compiles beside its builtin" compile_pairs
case $(cc -dumpmachine) in
x86_64-*) check "both are the same instructions" pairs_are_equal ;;
*) skip "both are the same instructions" "it knows the registers of x86-64 only" ;;
esac
finish
