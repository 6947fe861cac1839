# SPDX-License-Identifier: GPL-2.0-only
# Makes the symbols file of libshatomic0 from lib/libshatomic.map: since when
# there is each symbol, which is what programs then depend on.

BEGIN {
	since["SHATOMIC_0"] = "0.1.0"
	print "libshatomic.so.0 libshatomic0 #MINVER#"
	print "* Build-Depends-Package: libshatomic-dev"
}

/^[A-Z0-9_]+ \{/ {
	node = $1
	if (!(node in since)) {
		print "symbols.awk: since when is there " node "?" >"/dev/stderr"
		exit 1
	}
	print " " node "@" node " " since[node]
}

/^\tshatomic_.*;/ {
	name = $1
	sub(/;$/, "", name)
	print " " name "@" node " " since[node]
}
