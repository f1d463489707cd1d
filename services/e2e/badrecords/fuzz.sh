#!/usr/bin/env bash
# Fuzzes every target of testdata/parsers.txt, one after the other, a line each:
#
#	services/e2e/badrecords/fuzz.sh TIME
#
# TIME is how long each runs, as 60s. It ends at the first target that finds something, with what go test says of it: that names the file below the
# package's testdata/fuzz which holds the input, and from then on is a case of every go test.
set -euo pipefail
time=${1:?"usage: $0 TIME: how long does each target run, as 60s?"}
cd "$(dirname "$0")/../../.."
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# clean FUNCTION PACKAGE: nothing was found, and it was tried. Before Go 1.27 a run now and then fails because its time is over (golang/go#75804): it says
# just that, and wrote no input.
clean() {
	if ! go test -vet=off -run '^$' -fuzz "^$1\$" -fuzztime "$time" "./$2" >"$out" 2>&1; then
		grep -qx '    context deadline exceeded' "$out" && ! grep -q -e 'Failing input' -e '^panic:' "$out" || return 1
	fi
	grep -q '^fuzz: elapsed' "$out" # a name that is no target's is a warning for go test
}

# The list is read from a descriptor of its own: go test would eat its rest from standard input.
while IFS='|' read -r -u 3 package what target; do
	package=${package// /} target=${target// /}
	began=$SECONDS
	if ! clean "$target" "$package"; then
		echo "FAIL $package $target:$what"
		cat "$out"
		exit 1
	fi
	printf 'ok   %-36s %-40s %4d s\n' "$package" "$target" $((SECONDS - began))
done 3<services/e2e/badrecords/testdata/parsers.txt
