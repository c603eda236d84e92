#!/bin/sh
# listings: a probe that comes and goes; the zone of compromised hosts in a real rbldnsd.
cd "$TOP" || exit 1
bin=${BUILD:-build}/bin
python3 tests/system/probe_stream.py "$bin"
a=$?
python3 tests/system/dnsbl_zone.py "$bin"
b=$?
exit $((a | b))
