#!/bin/sh
# import.sh [LOG] — imports a large Postfix log with everything on, next to wc, grep and pflogsumm on the same file in the same run.
# Prints medians of three, as times, rates and ratios, and peak memory. LOG: by default the demo's history, repeated day after day
# with new addresses until it is larger than 200 MB. Not part of make check: figures of a busy machine say nothing.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d /var/tmp/aw-perf.XXXXXX)
trap 'rm -rf "$work"' EXIT
bin=$(pwd)/$(sed -n 's/^B = //p' config.mk)/bin
cp examples/abusewatch.conf examples/customers.csv examples/geo.csv "$work/"
log=${1:-$work/mail.log}
[ $# -gt 0 ] || python3 tests/perf/grow.py examples/history.log.xz 200 >"$log"
mb=$(($(stat -c %s "$log") / 1000000))
lines=$(wc -l <"$log")
sed -i 's/^store .*/store = "perf.db"/' "$work/abusewatch.conf"

once() { # once NAME COMMAND… → appends "seconds KiB" to $work/NAME
	name=$1
	shift
	python3 - "$work/$name" "$@" <<'PY'
import os, resource, subprocess, sys, time
out, cmd = sys.argv[1], sys.argv[2:]
t = time.perf_counter()
p = subprocess.Popen(cmd, stdout=open(os.path.dirname(out) + "/out", "wb"), stderr=subprocess.DEVNULL)  # grep stops early when it writes to /dev/null
_, status, usage = os.wait4(p.pid, 0)
t = time.perf_counter() - t
if status:
    sys.exit(f"{cmd[0]} failed with {status}")
open(out, "a").write(f"{t:.3f} {usage.ru_maxrss}\n")
PY
}

for _ in 1 2 3; do
	once wc wc -l "$log"
	once grep env LC_ALL=C grep -cE 'status=(sent|bounced|deferred)' "$log"
	rm -rf "$work"/perf.db*
	once import "$bin/abusewatch" import -c "$work/abusewatch.conf" "$log"
	once messages "$bin/abusewatch" messages --format ndjson "$log"
	! command -v pflogsumm >/dev/null || once pflogsumm pflogsumm "$log"
done
messages=$("$bin/abusewatch" search -c "$work/abusewatch.conf" --limit 0 --format ndjson | wc -l)
cases=$("$bin/abusewatch" cases -c "$work/abusewatch.conf" --format ndjson | wc -l)

echo "$mb MB, $lines lines; import stored $messages messages and opened $cases cases; $(nproc) cores"
python3 - "$work" "$mb" <<'PY'
import os, sys
work, mb = sys.argv[1], float(sys.argv[2])
rows = {}
for name in ("wc", "grep", "messages", "import", "pflogsumm"):
    path = os.path.join(work, name)
    if os.path.exists(path):
        runs = sorted(tuple(map(float, l.split())) for l in open(path))
        rows[name] = (runs[len(runs) // 2][0], max(r[1] for r in runs) / 1024)
base = rows["import"][0]
print(f"{'program':<22}{'seconds':>9}{'MB/s':>9}{'peak MB':>9}  import is")
label = {"wc": "wc -l", "grep": "grep -cE status=", "messages": "abusewatch messages", "import": "abusewatch import"}
for name, (s, rss) in rows.items():
    r = s / base
    how = "" if name == "import" else f"{r:.1f} x faster" if r >= 1 else f"{1 / r:.1f} x slower"
    print(f"{label.get(name, name):<22}{s:>9.2f}{mb / s:>9.0f}{rss:>9.0f}  {how}")
PY
ls -l "$work"/perf.db "$work"/perf.db.d | awk -v m="$messages" '{ n += $5 } END { printf "store: %.0f MB, %.0f bytes a message, cases and counts included\n", n / 1e6, n / m }'
