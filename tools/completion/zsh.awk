# SPDX-License-Identifier: GPL-2.0-only
# Cases of zsh: for each command what _arguments(1) of zshcompsys takes.

# Text inside single quotes.
function quoted(text) {
	gsub(/'/, "'\\''", text)
	return text
}

# Text where colons and brackets mean something.
function escaped(text) {
	gsub(/\\/, "\\\\", text)
	gsub(/:/, "\\:", text)
	gsub(/\[/, "\\[", text)
	gsub(/\]/, "\\]", text)
	return quoted(text)
}

# What completes an argument, by its name in the help.
function action(name) {
	if (name == "REGION")
		return "_shatomic_regions"
	if (name == "FILE")
		return "_files"
	if (name == "OPERATION")
		return "(@OPERATIONS@)"
	if (name == "COMMAND")
		return "_shatomic_commands"
	if (name == "BACKEND")
		return "(auto device memfd)"
	if (name == "WHEN")
		return "(auto always never)"
	return name ~ /^bind/ ? "(bind\\: interleave\\:)" : " "
}

# -s and --size exclude each other and themselves.
function option_spec(short, long, argument, summary, spec) {
	if (short && long)
		spec = "'(" short " " long ")'{'" short "'" (argument ? "+" : "") "," long (argument ? "=" : "") "}"
	else
		spec = "'" short long "'" (argument ? short ? "+" : "=" : "")
	spec = spec "'[" escaped(summary) "]"
	return spec (argument ? ":" escaped(argument) ":" action(argument) : "") "'"
}

$1 == "command" {
	commands = commands "\n\t\t'" $2 ":" escaped($3) "'"
	names[++count] = $2
}
$1 == "option" {
	specs[$2] = specs[$2] " \\\n\t\t\t" option_spec($3, $4, $5, $6)
}
# What nothing completes would only be a message in the way of options.
$1 == "position" && action($4) != " " {
	specs[$2] = specs[$2] " \\\n\t\t\t'" $3 ":" escaped($4) ":" action($4) "'"
}
END {
	print "_shatomic_commands() {\n\tlocal -a commands=(" commands "\n\t)"
	print "\t_describe -t commands command commands\n}\n"
	print "_shatomic_command() {\n\tcase $1 in"
	for (i = 1; i <= count; i++)
		print "\t" names[i] ")\n\t\t_arguments -s" specs[names[i]] "\n\t\t;;"
	print "\tesac\n}\n"
	print "_shatomic_alone() {\n\t_arguments" specs["-"] "\n}"
}
