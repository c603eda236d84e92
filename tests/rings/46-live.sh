#!/bin/sh
# A log that is written while it is followed, for about a minute: slowly, at 1,000 and at 20,000 lines a second, and in between renamed, emptied, and
# with the analyzer stopped for a while. Nothing may be lost or counted twice, what is stored must be what an import of the same lines stores, and all
# of it must be committed soon after the last line. How fast it is, is printed to the log; tests/perf/live.py runs longer.
set -u
cd "$TOP" || exit 1
log=$OUT/live.txt
if python3 tests/perf/live.py "${BIN:-$TOP/build/bin}" "${LIVE_SECONDS:-15}" >"$log" 2>&1; then
	cat "$log" >&2
	echo "ok live: every line was read, judged and committed"
else
	echo "not ok live: every line was read, judged and committed - $(tail -n 1 "$log")"
fi
