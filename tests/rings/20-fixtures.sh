#!/bin/sh
# Log files → the records (.expect) and messages (.txns) that they must give, byte for byte; the same packed, from
# standard input and in other output formats; and the laboratory's logs against what its script did, where they are.
set -u
. "$TOP/tests/rings/lib.sh"
for log in "$TOP"/tests/mta/*/*.log; do
	base=${log%.log}
	name=$(basename "$(dirname "$log")")-$(basename "$base")
	got=$OUT/$name
	"$aw" parse --year 2026 --timezone UTC "$log" >"$got.records"
	same "records $name" "$base.expect" "$got.records"
	"$aw" messages --year 2026 --timezone UTC "$log" >"$got.messages"
	same "messages $name" "$base.txns" "$got.messages"
	"$aw" messages --year 2026 --timezone UTC - <"$log" >"$got.stdin"
	same "stdin $name" "$base.txns" "$got.stdin"
	for pack in gzip xz zstd bzip2; do
		if ! command -v $pack >/dev/null; then
			echo "skip $pack $name - $pack is not installed"
			continue
		fi
		$pack -c <"$log" >"$got.$pack"
		"$aw" parse --year 2026 --timezone UTC "$got.$pack" >"$got.unpacked"
		same "$pack $name" "$base.expect" "$got.unpacked"
	done
done

# Horde's lines under a name that a site gave it: known by the "[app] " before them.
sed '/ HORDE: \[/!d' "$TOP/tests/mta/webmail/horde.log" >"$OUT/horde"
"$aw" parse --year 2026 --timezone UTC "$OUT/horde" >"$OUT/named-horde"
sed 's/ HORDE: / portal: /' "$OUT/horde" | "$aw" parse --mta webmail --year 2026 --timezone UTC - | sed 's/"portal"/"HORDE"/' >"$OUT/renamed-horde"
same "Horde under another name" "$OUT/named-horde" "$OUT/renamed-horde"

# What servers write when they are asked to say more, or less; what stands beside them and is no server's (Plesk's postfix-local).
for log in "$TOP"/tests/mta/*/verbose.log "$TOP"/tests/mta/exim/least.log "$TOP"/tests/mta/saslauthd/plesk.log; do
	name=$(basename "$(dirname "$log")")-$(basename "$log" .log)
	"$aw" parse --unrecognised "$log" >"$OUT/$name.unknown"
	same "understood $name" /dev/null "$OUT/$name.unknown"
done

log=$TOP/tests/mta/postfix/daemons.log
python3 - "$aw" "$log" <<'PY'
import csv, io, json, subprocess, sys
aw, log = sys.argv[1:]
def run(*a):
    return subprocess.run([aw, *a], capture_output=True)
def check(name, good):
    print("ok" if good else "not ok", name, "" if good else "- see tests/rings/20-fixtures.sh", sep=" ")
opts = ["--year", "2026", "--timezone", "UTC"]
nd = [json.loads(l) for l in run("parse", *opts, "--format", "ndjson", log).stdout.splitlines()]
check("json is the same as ndjson", json.loads(run("parse", *opts, "--format", "json", log).stdout) == nd)
rows = list(csv.DictReader(io.StringIO(run("parse", *opts, "--format", "csv", log).stdout.decode())))
check("csv has a row per record", len(rows) == len(nd) and [r["queue_id"] for r in rows] == [r.get("queue_id", "") for r in nd])
cov = [json.loads(l) for l in run("parse", "--coverage", "--format", "ndjson", log).stdout.splitlines()]
mail = [l for l in open(log) if " CRON[" not in l and " sshd[" not in l]
check("coverage counts every line of a mail program", sum(c["lines"] for c in cov) == len(mail) and all(c["recognised"] for c in cov))
unknown = [json.loads(l) for l in run("parse", "--coverage", "--format", "ndjson", log.replace("daemons", "hostile")).stdout.splitlines()]
check("coverage shows a sample of what was not understood, and of nothing else",
      any("no Postfix writes" in c.get("sample", "") for c in unknown) and all(("sample" in c) == (not c["recognised"]) for c in unknown))
bad = run("parse", "--unrecognised", log.replace("daemons", "hostile")).stdout.splitlines()
check("unrecognised lines are shown as they are", len(bad) == 2 and "no Postfix writes" in json.loads(bad[0])["line"])
for args in (["parse"], ["parse", "--mta", "nosuch", log], ["parse", "--year", "x", log], ["parse", "--timezone", "Mars/X", log],
             ["messages", "--coverage", log], ["parse", "--format", "xml", log], ["nosuch"], []):
    r = run(*args)
    check("wrong use: " + " ".join(args[:3]), r.returncode == 2 and (r.stderr.startswith(b"abusewatch: ") or b"usage" in r.stderr))
r = run("parse", "/nonexistent/file")
check("a missing file is exit 1 and named", r.returncode == 1 and b"/nonexistent/file" in r.stderr)
for c in ("parse", "messages"):
    r = run(c, "--help")
    check(c + " --help", r.returncode == 0 and b"usage: abusewatch " + c.encode() in r.stdout)
PY
python3 "$TOP/tests/mta/overlap.py" "$aw" "$OUT"
lab=${LAB:-/work/shared/data/lab}
python3 "$TOP/tests/mta/cut.py" "$aw" "$TOP" "$lab"
python3 "$TOP/tests/mta/framings.py" "$aw" "$TOP" "$(dirname "$lab")"
if [ -d "$lab" ]; then
	python3 "$TOP/tests/mta/lab.py" "$aw" "$lab"
	python3 "$TOP/tests/mta/peers_b.py" "$aw" "$(dirname "$lab")"
else
	echo "skip laboratory logs - $lab is not there"
fi
peers=${PEERS:-/work/shared/data/peers}
if [ -d "$peers" ]; then
	python3 "$TOP/tests/mta/peers.py" "$aw" "$peers"
else
	echo "skip peers' logs - $peers is not there"
fi
