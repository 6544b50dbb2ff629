#!/bin/sh
# Runs one fuzz target in the root of the module, and prints its output only if it fails.
#
# Usage: fuzz.sh FOLDER TARGET TIME INSTRUMENT
#
# The search is guided by the coverage of the packages that are instrumented. INSTRUMENT is
# all, as for go test -fuzz, where every dependency compiles anew: nine minutes for all
# targets on two cores. Or it is own: only this module's packages are instrumented, which
# compiles in seconds, and an input runs several times as fast.
set -eu
folder=$1 target=$2 time=$3 instrument=$4

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# The go command gives a test binary the folder in which interesting inputs are kept.
own() {
	module=$(go list -m)
	kept=$(go env GOCACHE)/fuzz/$module/$folder
	mkdir -p "$kept"
	go test -c -o "$work/fuzz.test" -gcflags="$module/...=-dwarf=false -d=libfuzzer" "./$folder" &&
		cd "$folder" &&
		"$work/fuzz.test" -test.run='^$' -test.fuzz="^$target\$" -test.fuzztime="$time" -test.fuzzcachedir="$kept"
}

all() {
	go test -run='^$' -fuzz="^$target\$" -fuzztime="$time" "./$folder"
}

echo "$folder: $target"
"$instrument" >"$work/log" 2>&1 || { cat "$work/log"; exit 255; }
