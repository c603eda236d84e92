#!/bin/sh
# What docs/contract.md promises of every command: wrong use, damaged input, broken configs and stores, hostile names.
set -u
. "$TOP/tests/rings/lib.sh"
python3 "$TOP/tests/mta/commands.py" "$aw" "$TOP/tests/mta/postfix/daemons.log"
