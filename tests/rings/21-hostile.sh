#!/bin/sh
# Lines as strangers would like them: the parsers against a second reading of the same lines, on the fixtures and on lines spoiled at random; very many of one kind.
set -u
. "$TOP/tests/rings/lib.sh"
python3 "$TOP/tests/mta/reference.py" "$aw" "$TOP"
python3 "$TOP/tests/mta/crowds.py" "$aw" "$OUT"
python3 "$TOP/tests/mta/clocks.py" "$aw" "$(dirname "$aw")/abusewatch-collector"
