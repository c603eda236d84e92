#!/bin/sh
# What docs/contract.md promises of every command: wrong use, damaged input, broken configs and stores, hostile names.
set -u
. "$TOP/tests/rings/lib.sh"
python3 "$TOP/tests/mta/commands.py" "$aw" "$TOP/tests/mta/postfix/daemons.log"
status=$?
# Of the tests' own: one that passes as there is none such would never be missed.
if CHECK_NO_INSTALL=1 CHECK_OUT="$OUT/no-such-ring" sh "$TOP/tests/check.sh" no-such-ring >&2; then
	echo "not ok a ring that there is not - passes"
else
	echo "ok a ring that there is not is told"
fi
exit "$status" # of the commands: what ends them early has said nothing
