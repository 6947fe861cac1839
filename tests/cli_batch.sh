#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# `shatomic batch': rows of CSV and JSON, what comes out, and that an error names
# line and field and tells what has run. The backend is that of the environment
# (SHATOMIC_BACKEND).
# shellcheck source=tests/tap.sh
. "${0%/*}/tap.sh"
needs shatomic

name=cli-batch-$$
other=cli-batch-other-$$
trap 'shatomic rm "$name" "$other" 2>/dev/null; rm -rf "$tap_dir"' EXIT

# batch ROWS [OPTION...]: the rows, by printf.
batch() {
	batch_rows=$1
	shift
	# Rows are a format by design.
	# shellcheck disable=SC2059
	printf "$batch_rows" | shatomic batch "$@" "$name"
}

# wrong TEXT ROWS [OPTION...]: whether it exits with 2 and its error has TEXT.
wrong() {
	wrong_text=$1
	shift
	refuses "$wrong_text" batch "$@"
}

# Rows of an error's batch did not run, those of the batch before it did, and
# the error says so.
half_runs() {
	shatomic set "$name" 0 0
	wrong "line 5: $1" "offset,operand\n0,1\n0,1\n0,1\n$2\n0,1\n" --op fetch_and_add --batch-rows 2 &&
		grep -q 'the 2 rows before line 4 have been run, and no other$' "$tap_dir/tap-error" &&
		prints 2 shatomic get "$name" 0
}

nothing_runs() {
	shatomic set "$name" 0 0
	wrong "$@" && grep -q 'no row has been run$' "$tap_dir/tap-error" &&
		prints 0 shatomic get "$name" 0
}

# Results come while there is more input to come.
streams() {
	shatomic set "$name" 0 0
	mkfifo "$tap_dir/in" "$tap_dir/out"
	shatomic batch --op fetch_and_add --batch-rows 2 "$name" \
		<"$tap_dir/in" >"$tap_dir/out" &
	exec 3>"$tap_dir/in" 4<"$tap_dir/out"
	printf 'offset,operand\n0,1\n0,1\n' >&3
	read -r first <&4 && read -r second <&4 && read -r third <&4
	printf '0,1\n' >&3
	exec 3>&-
	read -r fourth <&4
	exec 4<&-
	wait $! && [ "$first $second $third $fourth" = "result,status 0,done 1,done 2,done" ]
}

# The same number of rows on each of 8 words, whatever runs them.
many() {
	many_words=$(for word in 0 1 2 3 4 5 6 7; do echo 5000; done)
	awk 'BEGIN { print "offset,operand"; for (i = 0; i < 40000; i++) print i % 8 * 8 ",1" }' >"$tap_dir/many"
	for word in 0 8 16 24 32 40 48 56; do
		shatomic set "$name" "$word" 0
	done
	shatomic batch --op fetch_and_add "$@" "$name" "$tap_dir/many" >"$tap_dir/results" || return
	[ "$(wc -l <"$tap_dir/results")" -eq 40001 ] &&
		prints "$many_words" shatomic get --count 8 "$name" 0
}

# Whether this machine has words of 16 bytes.
has_doubles() {
	! shatomic get --width 16 "$name" 0 2>&1 | grep -q "not what this machine has"
}

# The lowest byte of the word at 8.
low=$((8 + $(lowest 1)))

check "create" shatomic create "$name"
check "and another" shatomic create "$other"
check "rows of CSV" prints "result,status
0,done
5,done
250,done" batch 'op,width,offset,operand\nfetch_and_add,8,0,5\nget,,0,\nadd_and_fetch,1,3,-6\n'
check "have run" prints 250 shatomic get --width 1 "$name" 3
check "columns in any order, blank lines, carriage returns, no newline at the end" prints "result,status
7,done
7,done" batch 'operand,op,offset\r\n\n7,set,8\r\n,get,8'
check "an op and a width for all rows" prints "result,status
0,done
1,done" batch "offset,operand\n$low,3\n$low,3\n" --op test_and_set_bit --width 1
check "a comparison that does not hold" prints "result,status
0,compare_failed
0,done" sh -c "printf 'offset,operand,comparand\n16,1,2\n16,1,0\n' | shatomic batch --op compare_and_set_value $name; [ \$? -eq 1 ]"
check "masks" prints "result,status
1,done
0xf1" sh -c "printf 'offset,operand,comparand,mask,comparand_mask\n16,0xff,1,0xf0,0x0f\n' | shatomic batch --op masked_compare_and_set_value $name; shatomic get --hex --width 1 $name $((16 + $(lowest 1)))"
check "a peer of each row" prints "result,status
0,done
15,done" batch "op,offset,peer,peer_offset\nstore,24,$other,8\nstore,32,$name,8\n"
check "a peer of all rows" prints "result,status
0,done" batch "offset\n24\n" --op store --peer "$other"
check "hexadecimal" prints "result,status
0xff,done" batch "offset,operand\n$((40 + $(lowest 1))),0xff\n" --op set --width 1 --hex
check "lines of JSON" prints '{"result":255,"status":"done"}
{"result":18446744073709551615,"status":"done"}
{"result":18446744073709551615,"status":"done"}' batch '{"op":"fetch_and_add","offset":40,"operand":1}\n\n{"op":"set","offset":48,"operand":18446744073709551615}\n {"offset":"0x30","op":"get","operand":null}' --json
check "hexadecimal in JSON" prints '{"result":"0x0100","status":"done"}' batch "{\"offset\":$((40 + $(lowest 2)))}\n" --op get --json --hex --width 2
check "from a file" prints "result,status
256,done" sh -c "printf 'offset\n40\n' >$tap_dir/rows; shatomic batch --op get $name $tap_dir/rows"
check "no rows" prints "result,status" batch 'offset\n' --op get
check "results come while input goes on" streams
check "many rows" many
check "in small batches" many --batch-rows 1000
check "unordered" many --unordered
check "by one CPU" many --parallelism 1
check "in this process" many --local

if has_doubles; then
	check "words of 16 bytes" prints "result,status
0,done
340282366920938463463374607431768211455,done
0x0000000000000004ffffffffffffffff" sh -c "printf 'op,offset,operand\nget_and_set,64,-1\nget,64,\n' | shatomic batch --width 16 $name &&
		printf 'op,width,offset,operand,comparand\ncompare_and_set_value,16,64,0x4ffffffffffffffff,0xffffffffffffffffffffffffffffffff\n' |
		shatomic batch --width 16 $name >/dev/null; shatomic get --hex --width 16 $name 64"
	check "in small batches and in this process" prints "result,status
0x0000000000000004ffffffffffffffff,done
0x00000000000000050000000000000000,done
0x00000000000000050000000000000001,done" batch 'offset,operand\n64,1\n64,1\n64,1\n' --op fetch_and_add --width 16 --batch-rows 2 --hex --local
	check "masks of 16 bytes" prints "result,status
0x00000000000000050000000000000002,done
0xf0000000000000050000000000000002,done" batch 'op,offset,operand,comparand,mask,comparand_mask\nmasked_compare_and_set_value,64,-1,0x5ffffffffffffffff,0xf0000000000000000000000000000000,0xffffffffffffffff0000000000000000\nget,64,,,,\n' --width 16 --hex
	check "a peer's word of 16 bytes" prints "result,status
319014718988379809589147414835830456322,done" batch "op,offset,peer,peer_offset\nstore,80,$name,64\n" --width 16
	check "in JSON they are text" prints '{"result":"319014718988379809589147414835830456322","status":"done"}
{"result":"7","status":"done"}' batch '{"op":"get_and_set","offset":80,"operand":7}\n{"op":"get","offset":80}\n' --json --width 16
	check "a number of 128 bits is too" prints '{"result":"340282366920938463463374607431768211455","status":"done"}' batch '{"offset":80,"operand":"340282366920938463463374607431768211455"}\n' --json --width 16 --op set
	check "a word of 16 bytes that is not aligned" nothing_runs "offset: offset 8" 'offset\n8\n' --op get --width 16
	check "a value of more than 128 bits" nothing_runs "line 2: operand: '340282366920938463463374607431768211456'" 'offset,operand\n0,340282366920938463463374607431768211456\n' --op set --width 16
else
	skip "words of 16 bytes" "this machine has none"
fi

check "a number that is none" half_runs "operand: 'x'" "0,x"
check "a word that is not aligned" half_runs "offset: offset 3" "3,1"
check "a word outside" half_runs "offset: offset 4096" "4096,1"
check "a field too many" half_runs "3 fields" "0,1,2"
check "a field too few" half_runs "1 fields" "0"
check "a field that is empty" half_runs "operand: fetch_and_add needs one" "0,"
check "a quote inside a field" half_runs "a quote" '0,"1"2'
check "no op" nothing_runs "line 2: op: is missing" 'offset,operand\n0,1\n'
check "no such op" nothing_runs "line 2: op: 'frob'" 'op,offset,operand\nfrob,0,1\n'
check "no offset" nothing_runs "line 2: offset: is missing" 'op,operand\nset,1\n'
check "a bad width" nothing_runs "line 2: width: '9'" 'op,width,offset,operand\nset,9,0,1\n'
check "a width of 16 among others" nothing_runs "line 3: width: 16 has" 'width,offset,operand\n8,0,1\n16,0,1\n' --op set
check "another width than all have" nothing_runs "line 3: width: is not 16" 'width,offset,operand\n16,0,1\n8,0,1\n' --op set --width 16
check "a value too large" nothing_runs "line 2: operand: 256" 'width,offset,operand\n1,0,256\n' --op set
check "a value that the op does not take" nothing_runs "line 3: comparand: set takes none" 'offset,operand,comparand\n0,1,\n0,1,1\n' --op set
check "a bit outside" nothing_runs "line 3: operand: test_and_set_bit" 'offset,operand\n0,1\n0,64\n' --op test_and_set_bit
check "a peer that is missing" nothing_runs "line 2: peer: store needs one" 'offset\n0\n' --op store
check "no such peer" nothing_runs "line 2: peer: none-$$" "offset,peer\n0,none-$$\n" --op store
check "a peer's word outside" nothing_runs "line 2: peer_offset: peer offset 4096" "offset,peer,peer_offset\n0,$other,4096\n" --op store
check "a peer that the op does not take" nothing_runs "line 2: peer: set takes none" "offset,operand,peer\n0,1,$other\n" --op set
check "no such column" nothing_runs "line 1: 'opernd' is no column" 'offset,opernd\n0,1\n' --op set
check "a column twice" nothing_runs "line 1: offset: is there twice" 'offset,offset\n0,1\n' --op set
check "an empty input" nothing_runs "line 1: there is none" ''
check "a quote that is not closed" nothing_runs "inside a field in quotes" 'offset,operand\n0,"1\n' --op set
check "a NUL byte" nothing_runs "line 2: has a NUL byte" 'offset,operand\n0,1\0\n' --op set
check "JSON without --json" nothing_runs "give --json" '{"offset":0,"operand":1}\n' --op set
check "not JSON" nothing_runs "line 2: not JSON" '{"offset":0,"operand":1}\n{"offset":0\n' --op set --json
check "more than an object" nothing_runs "line 1: not JSON" '{"offset":0,"operand":1} 2\n' --op set --json
check "no object" nothing_runs "line 1: is no object" '[]\n' --op set --json
check "no such member" nothing_runs "'ofset' is no column" '{"ofset":0}\n' --op set --json
check "a member twice" nothing_runs "line 2: operand: is there twice" '{"offset":0,"operand":1}\n{"offset":0,"operand":1,"operand" : "2"}\n' --op set --json
check "whatever each is" nothing_runs "offset: is there twice" '{"offset":null,"offset":0}\n' --op get --json
check "a value is no name" nothing_runs "op: 'op'" '{"op":"op","offset":0}\n' --json
check "nor what looks like one in it" nothing_runs "op: '\":\"offset" '{"op":"\\":\\"offset\\":","offset":0}\n' --json
check "a name with a NUL" nothing_runs "x' is no column, as none has a backslash" '{"offset\\u0000x":0}\n' --op get --json
check "a name in single quotes" nothing_runs "single quotes" "{'offset':0}\\n" --op get --json
check "no integer" nothing_runs "operand: '1.5'" '{"offset":0,"operand":1.5}\n' --op set --json
check "text with a NUL" nothing_runs "op: has a NUL" '{"op":"get\\u0000x","offset":0}\n' --json
check "an integer of more than 64 bits" nothing_runs "operand: is not a number that fits" '{"offset":0,"operand":18446744073709551616}\n' --op set --json
check "one below them" nothing_runs "operand: is not a number that fits" '{"offset":0,"operand":-9223372036854775809}\n' --op set --json
check "an output that is full" refuses "space" sh -c "printf 'offset\n0\n' | shatomic batch --op get $name >/dev/full"
check "which is said once" prints 1 sh -c "printf 'offset\n0\n' | shatomic batch --op get $name 2>&1 >/dev/full | grep -c space"
check "no such file" refuses "none: No such file" shatomic batch "$name" "$tap_dir/none"
check "no such region" refuses "none-$$" shatomic batch "none-$$" /dev/null
check "no such operation for all" refuses "frob" shatomic batch --op frob "$name" /dev/null
check "no region" refuses "REGION" shatomic batch
finish
