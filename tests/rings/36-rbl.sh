#!/bin/sh
# Block lists: the engine, the command line, the probe and the page against a real rbldnsd and a real unbound.
set -u
for p in /usr/sbin/rbldnsd /usr/sbin/unbound python3 chromium; do
	command -v $p >/dev/null 2>&1 || { echo "skip rbl - $p is not installed"; exit 0; }
done
cd "$TOP" || exit 1
. tests/rings/lib.sh
browser
exec python3 tests/rbl/run.py
