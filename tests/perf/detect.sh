#!/bin/sh
# detect.sh [SEEDS [DAYS [ACCOUNTS [HOSTS]]]] — what the detectors find in simulated weeks whose truth is known, with nothing tuned. For each
# seed (a list: "5 21 33") the same traffic is written down by Postfix, Exim and Sendmail, and by Postfix with RFC 3339 stamps; each log is
# imported into a store of its own and its cases are held against the truth by the simulator's scorer, beside the baselines (hourly limits,
# leaky bucket, countries, SPOT, TRW, EWMA). Then the logs are compared: they should have the same cases (detect.py).
# Needs the traffic simulator in ../shared/tools (or $MAILSIM); says "skip" where it is not. Not part of make check: it measures.
#   ATTACKS=none          which attacks (the simulator's --attacks); none: a clean network, every case is a false one
#   FORMATS="postfix"     fewer logs; postfix exim sendmail iso unless said otherwise
#   KEEP=DIR              simulated logs stay there and are used again: the second run only imports
#   BASELINES=no          leave them out
set -eu
cd "$(dirname "$0")/../.."
sim=${MAILSIM:-$(pwd)/../shared/tools}
[ -d "$sim/mailsim" ] || { echo "skip detect - no simulator in $sim"; exit 0; }
seeds=$(echo "${1:-5}" | tr ',' ' ') days=${2:-7} accounts=${3:-400} hosts=${4:-40}
: "${BIN:=$(pwd)/$(sed -n 's/^B = //p' config.mk)/bin}" "${ATTACKS:=all}" "${FORMATS:=postfix exim sendmail iso}" "${BASELINES:=yes}"
# Stamps of syslog have no year, the newest that is not in the future is taken: so the weeks end with the last whole one.
start=$(date -u -d "$(date -u -d "$days days ago" +%F) -$(($(date -u -d "$days days ago" +%u) - 1)) days" +%F)
work=$(mktemp -d /var/tmp/aw-detect.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
PYTHONDONTWRITEBYTECODE=1 MAILSIM=$sim
export PYTHONDONTWRITEBYTECODE MAILSIM

simulate() { # simulate SEED FORMAT DIR
	set -- "$1" "$2" "$3" "$2"
	[ "$2" != iso ] || set -- "$1" postfix "$3" iso
	[ ! -f "$3/truth.json" ] || return 0
	rm -rf "$3"
	if [ "$4" = iso ]; then iso=--iso; else iso=; fi
	(cd "$sim" && python3 -m mailsim --seed "$1" --days "$days" --accounts "$accounts" --hosts "$hosts" --attacks "$ATTACKS" \
		--intensity 1 --start "$start" --format "$2" $iso --out "$3.part") 2>/dev/null
	mv "$3.part" "$3"
}

for seed in $seeds; do
	for form in $FORMATS; do
		logs=${KEEP:-$work}/$form-$seed-$start-$days-$accounts-$hosts-$(echo "$ATTACKS" | tr -c 'a-z0-9\n' '_')
		run=$work/run-$seed-$form
		mkdir -p "${logs%/*}" "$run"
		simulate "$seed" "$form" "$logs"
		python3 tests/perf/detect.py config "$logs" "$form" "$run"
		started=$(date +%s%N)
		"$BIN/abusewatch" import -c "$run/abusewatch.conf" "$logs/mail.log" 2>"$run/import.err" || { cat "$run/import.err" >&2; exit 1; }
		echo "import $form $seed $(stat -c %s "$logs/mail.log") $((($(date +%s%N) - started) / 1000000))" >>"$work/times"
		"$BIN/abusewatch" cases -c "$run/abusewatch.conf" --format ndjson >"$run/cases.ndjson"
		echo "$seed $form $logs $run/cases.ndjson" >>"$work/runs"
	done
done
python3 tests/perf/detect.py report "$work/runs" "$BASELINES"
echo
awk '{ printf "%s of %s, seed %s: %.1f MB in %.1f s\n", $1, $2, $3, $4 / 1e6, $5 / 1000 }' "$work/times"
