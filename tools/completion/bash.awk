# SPDX-License-Identifier: GPL-2.0-only
# Associative arrays of bash: the commands; for each command its options, what
# its arguments are in their order, and what its options' arguments are.
$1 == "command" { commands = commands " " $2 }
$1 == "position" {
	positions[$2] = positions[$2] " " $4 ($3 == "*" ? "..." : "")
}
$1 == "option" {
	options[$2] = options[$2] ($3 ? " " $3 : "") \
		($4 ? " " $4 ($5 ? "=" : "") : "")
	if ($5 && $3)
		arguments[$2 " " $3] = $5
	if ($5 && $4)
		arguments[$2 " " $4] = $5
}
END {
	print "_shatomic_commands=\"" substr(commands, 2) "\""
	print "declare -gA _shatomic_options=("
	for (name in options)
		print "\t[" name "]=\"" substr(options[name], 2) "\"" | "sort"
	close("sort")
	print ")\ndeclare -gA _shatomic_positions=("
	for (name in positions)
		print "\t[" name "]=\"" substr(positions[name], 2) "\"" | "sort"
	close("sort")
	print ")\ndeclare -gA _shatomic_arguments=("
	for (name in arguments)
		print "\t[\"" name "\"]=\"" arguments[name] "\"" | "sort"
	close("sort")
	print ")"
}
