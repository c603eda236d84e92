#!/bin/sh
# detect.sh [SEED [DAYS [ACCOUNTS [HOSTS]]]] — what the detectors find in simulated weeks whose truth is known, with nothing tuned: the
# scorer's table (precision, recall, delay, share of the abuse that came after the case opened, false alarms per thousand principals and
# day) and the recall of each kind of attack, with stamps of both forms. Needs the traffic simulator in ../shared/tools (or $MAILSIM);
# says "skip" where it is not. Not part of make check: it measures, there is nothing to pass.
set -eu
cd "$(dirname "$0")/../.."
sim=${MAILSIM:-$(pwd)/../shared/tools}
[ -d "$sim/mailsim" ] || { echo "skip detect - no simulator in $sim"; exit 0; }
seed=${1:-5} days=${2:-7} accounts=${3:-400} hosts=${4:-40}
: "${BIN:=$(pwd)/$(sed -n 's/^B = //p' config.mk)/bin}"
work=$(mktemp -d /var/tmp/aw-detect.XXXXXX)
trap 'rm -rf "$work"' EXIT

configure() { # configure DIR: what an operator would write down about the simulated provider
	python3 - "$1" <<'PY'
import csv, json, sys
folder = sys.argv[1]
a = json.load(open(folder + "/assets.json"))
def listed(v):
    return "{ " + ", ".join('"%s"' % x for x in v) + " }"
with open(folder + "/abusewatch.conf", "w") as f:
    print('store = "abusewatch.db"', file=f)
    print("networks =", listed(n["prefix"] for n in a["networks"]), file=f)
    print("egress =", listed(a["own_ips"]), file=f)
    print("local-domains =", listed([a["mail_host"], *a["local_domains"]]), file=f)
    print("backup-domains =", listed("%s=%s" % (b["domain"], b["primary"]) for b in a["backup_mx"]), file=f)
    print('customers = "customers.csv"\ngeo = { "geo.csv" }', file=f)
    print('source "mx1" { path = "mail.log" mta = "postfix" timezone = "UTC" }', file=f)
with open(folder + "/customers.csv", "w", newline="") as f:
    w = csv.writer(f)
    w.writerow("customer contact language kind value".split())
    for c in a["customers"]:
        for kind, values in (("account", c["accounts"]), ("domain", c["domains"]), ("prefix", c["ips"] + c["hosts"]), ("uid", c["uids"])):
            for v in values:
                w.writerow([c["id"], c["contact"], "en", kind, v])
PY
}

flags() { # cases → what the scorer reads
	python3 -c '
import json, sys
from datetime import datetime
for line in sys.stdin:
    c = json.loads(line)
    kind = {"script": "uid"}.get(c["principal"]["kind"], c["principal"]["kind"])
    print(json.dumps({"principal": c["principal"]["id"], "kind": kind, "ts": datetime.fromisoformat(c["opened_at"]).timestamp()}))'
}

for form in syslog iso; do
	d=$work/$form
	set --
	[ $form = syslog ] || set -- --iso
	(cd "$sim" && PYTHONDONTWRITEBYTECODE=1 python3 -m mailsim --seed "$seed" --days "$days" --accounts "$accounts" --hosts "$hosts" --attacks all \
		--intensity 1 --format postfix "$@" --out "$d") 2>/dev/null
	configure "$d"
	"$BIN/abusewatch" import -c "$d/abusewatch.conf" "$d/mail.log"
	"$BIN/abusewatch" cases -c "$d/abusewatch.conf" --format ndjson | flags >"$work/flags-$form.ndjson"
done
echo
(cd "$sim" && PYTHONDONTWRITEBYTECODE=1 python3 -m mailsim.score "$work/syslog/truth.json" "$work/flags-syslog.ndjson" "$work/flags-iso.ndjson" --kinds account,host,uid,mx --per-scenario)
