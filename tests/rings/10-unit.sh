#!/bin/sh
# Every test program below tests/unit, as many side by side as there are processors; each of its cmocka tests is one line.
set -u
. "$TOP/tests/rings/lib.sh"
bin=${BUILD:-$TOP/build}/tests/unit
names=$(cd "$TOP/tests/unit" && printf '%s\n' test_*.c | sed 's/\.c$//')
export CMOCKA_MESSAGE_OUTPUT=TAP
side_by_side "$bin" unit "$names"
for name in $names; do
	log=$OUT/unit-$name.log
	status=$(cat "$OUT/unit-$name.status")
	sed -n "s/^ok [0-9]* - \(.*\)/ok $name \1/p; s/^not ok [0-9]* - \(.*\)/not ok $name \1 - see $(basename "$log")/p" "$log"
	# a program that dies says nothing of the tests it did not reach
	if [ "$status" != 0 ] && ! grep -q '^not ok' "$log"; then
		echo "not ok $name - ended with status $status, see $(basename "$log")"
	fi
done
