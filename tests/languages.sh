#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The library from other languages than GNU C: its headers are standard C and C++,
# each by itself, each function can be called from C++, and each has a symbol for
# languages that load the library.
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"

top=$(cd "${0%/*}/.." && pwd)
library=$top/build/lib/libshatomic.so
flags=(-Wall -Wextra -Wpedantic -Werror -I"$top/include" -I"$top/include/uapi")
headers=(shatomic.h)
for header in "$top"/include/shatomic/*.h; do
	headers+=("shatomic/${header##*/}")
done

# functions: all that the headers declare or define.
functions() {
	echo '#include <shatomic.h>' |
		cc -E -P -I"$top/include" -I"$top/include/uapi" - |
		grep -o '\bshatomic_[a-z0-9_]*(' | tr -d '(' | sort -u
}

exported() {
	nm -D --defined-only "$library" |
		awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort
}

# A memory order is for the compiler: those that take one are inline only.
callable() {
	functions | grep -v '_explicit$'
}

exported_are_callable() {
	[ "$(exported | wc -l)" -ge 280 ] || return
	diff <(callable) <(exported)
}

# A pattern would take a new function for one of the release that it stands in.
map_has_no_patterns() {
	! sed 's:/\*.*\*/::' "$top/lib/libshatomic.map" | grep '[*?[]' |
		grep -vx '	\*;'
}

explicit_have_a_function() {
	! comm -23 <(functions | sed -n 's/_explicit$//p') <(exported) | grep .
}

# members: of all structures that the headers define, each as TYPE NAME.
members() {
	awk '
		/^struct .* {$/ { type = $2 }
		/^}/ { type = "" }
		type && /[a-z0-9_\]];$/ {
			sub(/(\[.*\])?;$/, "")
			sub(/.*[ *]/, "")
			print type, $0
		}' "$top"/include/shatomic/*.h | sort
}

layouts_are_held() {
	[ "$(members | wc -l)" -ge 90 ] || return
	diff <(members) <(sed -n 's/^PLACE_IS(\(.*\), \(.*\), .*/\1 \2/p' \
		"$top/lib/layout.c" | sort)
}

# each_compiles COMPILER LANGUAGE STANDARD
each_compiles() {
	local header

	for header in "${headers[@]}"; do
		echo "#include <$header>" | "$1" -x "$2" -std="$3" "${flags[@]}" \
			-fsyntax-only - || return
	done
}

# cpp_calls COMPILER: takes the address of each function, inline or not.
cpp_calls() {
	{
		echo '#include <shatomic.h>'
		echo '#include <cstdio>'
		echo 'typedef void (*function)();'
		echo 'function const all[] = {'
		functions | sed 's/.*/\treinterpret_cast<function>(&),/'
		echo '};'
		echo 'int main()'
		echo '{'
		echo '	for (function each : all)'
		echo '		std::puts(each ? "there" : "not there");'
		echo '}'
	} >"$tap_dir/calls.cpp"
	"$1" -std=c++17 "${flags[@]}" -o "$tap_dir/calls" "$tap_dir/calls.cpp" \
		"$library" || return
	LD_LIBRARY_PATH=${library%/*} "$tap_dir/calls" >"$tap_dir/called" || return
	[ "$(grep -cx there "$tap_dir/called")" -eq "$(functions | wc -l)" ]
}

loads() {
	cc -std=gnu11 -O2 "${flags[@]}" -Wno-pedantic -o "$tap_dir/symbols" \
		"$top/tests/symbols.c" -ldl || return
	# Names are words by design.
	# shellcheck disable=SC2046
	"$tap_dir/symbols" "$library" $(callable)
}

check "what is declared is exported, and nothing else" exported_are_callable
check "each is named in the map" map_has_no_patterns
check "what takes a memory order is there without one" explicit_have_a_function
check "each header is C" each_compiles cc c c11
check "the layout of each structure is held" layouts_are_held
for compiler in c++ clang++; do
	if command -v "$compiler" >/dev/null; then
		check "each header is C++ ($compiler)" each_compiles "$compiler" c++ c++17
		check "each function is callable from C++ ($compiler)" cpp_calls "$compiler"
	else
		skip "each header is C++, each function callable ($compiler)" "no $compiler"
	fi
done
check "each function is found by its name, and does the same" loads
finish
