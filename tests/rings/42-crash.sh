#!/bin/sh
# crash: kill -9 at random while a log is written, rotated and followed.
log=$(mktemp --suffix=.xz)
xz -dc examples/live.log.xz | head -n 40000 | xz -1 >"$log"
python3 tests/system/crash.py build/bin "$log" 60 "${CRASH_SEED:-$(date +%s)}"
status=$?
rm -f "$log"
exit $status
