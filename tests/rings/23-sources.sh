#!/bin/sh
# sources: syslog over UDP, TCP and TLS, a command, standard input, the journal, finished files; each with the programs that people use.
set -u
. "$TOP/tests/rings/lib.sh"
exec timeout 480 python3 "$TOP/tests/tail/sources.py" "$(dirname "$aw")/abusewatch-collector"
