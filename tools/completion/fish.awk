# SPDX-License-Identifier: GPL-2.0-only
# Calls of fish's complete: each command, its options and its arguments.

# Text inside single quotes.
function quoted(text) {
	gsub(/[\\']/, "\\\\&", text)
	return "'" text "'"
}

# What completes an argument, by its name in the help.
function action(name) {
	if (name == "REGION")
		return "-x -a '(__shatomic_regions)'"
	if (name == "FILE")
		return "-r -F"
	if (name == "OPERATION")
		return "-x -a '@OPERATIONS@'"
	if (name == "COMMAND")
		return "-x -a '" commands "'"
	if (name == "BACKEND")
		return "-x -a 'auto device memfd'"
	if (name == "WHEN")
		return "-x -a 'auto always never'"
	return name ~ /^bind/ ? "-x -a 'bind: interleave:'" : "-x"
}

function condition(name) {
	return name == "-" ? "__fish_use_subcommand" : \
		"'__fish_seen_subcommand_from " name "'"
}

$1 == "command" {
	commands = commands (commands ? " " : "") $2
	print "complete -c shatomic -n __fish_use_subcommand -a " $2 " -d " quoted($3)
}
$1 == "option" {
	line = "complete -c shatomic -n " condition($2)
	if ($3)
		line = line " -s " quoted(substr($3, 2))
	if ($4)
		line = line " -l " substr($4, 3)
	if ($5) {
		line = line " " action($5)
		if ($3)
			with_argument = with_argument " '" $2 " " $3 "'"
		if ($4)
			with_argument = with_argument " '" $2 " " $4 "'"
	}
	lines[++count] = line " -d " quoted($6)
}
# Those that nothing completes need no line: there is no file to offer.
$1 == "position" && action($4) != "-x" {
	lines[++count] = "complete -c shatomic -n '__shatomic_at " $2 " " quoted_number($3) "' " action($4)
}
function quoted_number(number) {
	return number == "*" ? "any" : number
}
END {
	print "set -g __shatomic_with_argument" with_argument
	for (i = 1; i <= count; i++)
		print lines[i]
}
