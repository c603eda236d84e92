#!/bin/sh
# Following a file through rotation, truncation, packing and kills.
set -u
. "$TOP/tests/rings/lib.sh"
exec python3 "$TOP/tests/tail/tail.py" "$(dirname "$aw")/abusewatch-collector"
