#!/bin/sh
# Every test program below tests/unit; each of its cmocka tests is one line.
set -u
. "$TOP/tests/rings/lib.sh"
bin=${BUILD:-$TOP/build}/tests/unit
for src in "$TOP"/tests/unit/test_*.c; do
	name=$(basename "$src" .c)
	log=$OUT/unit-$name.log
	CMOCKA_MESSAGE_OUTPUT=TAP "$bin/$name" >"$log" 2>&1
	status=$?
	sed -n "s/^ok [0-9]* - \(.*\)/ok $name \1/p; s/^not ok [0-9]* - \(.*\)/not ok $name \1 - see $(basename "$log")/p" "$log"
	# a program that dies says nothing of the tests it did not reach
	if [ $status != 0 ] && ! grep -q '^not ok' "$log"; then
		echo "not ok $name - ended with status $status, see $(basename "$log")"
	fi
done
