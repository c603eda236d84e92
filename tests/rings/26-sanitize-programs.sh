#!/bin/sh
# Every program built with AddressSanitizer and UndefinedBehaviorSanitizer, leaks included: the scenarios, an import and what reads the
# store, and all five programs for some seconds of a live log.
set -u
cd "$TOP" || exit 1
. tests/rings/lib.sh
sanitized_build all || { echo "not ok sanitize - does not build, see the log"; exit 0; }
export UBSAN_OPTIONS=print_stacktrace=1
bin=$BUILD/bin aw=$BUILD/bin/abusewatch
work=$(mktemp -d /var/tmp/aw-asan.XXXXXX)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null; rm -rf "$work"' EXIT
export ASAN_OPTIONS="detect_leaks=1:log_path=$work/report"

reports() { # reports NAME: ok when no sanitizer has spoken since the last call
	if ls "$work"/report.* >/dev/null 2>&1; then
		head -n 40 "$work"/report.* >&2
		echo "not ok $1 - $(grep -h -m 1 SUMMARY "$work"/report.* | head -n 1)"
		rm -f "$work"/report.*
		return 1
	fi
	echo "ok $1"
}
step() { # step NAME COMMAND…
	name=$1
	shift
	"$@" >"$work/out" 2>"$work/err"
	status=$?
	if [ $status != 0 ]; then
		cat "$work/err" >&2
		head -n 60 "$work"/report.* >&2 2>/dev/null
		rm -f "$work"/report.*
		echo "not ok sanitized $name - status $status: $(tail -n 1 "$work/err")"
		return
	fi
	reports "sanitized $name"
}

step "scenarios" python3 tests/replay/run.py "$aw" tests/replay/*.scn
cp examples/abusewatch.conf examples/customers.csv examples/geo.csv examples/dnsbl.conf "$work/"
cp -r examples/lists "$work/"
printf 'zone "nobody.example" { targets = { "ip4" } server = "127.0.0.1@9" }\n' >>"$work/dnsbl.conf"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
conf=$work/abusewatch.conf
sed -i "s/127\.0\.0\.1:8025/127.0.0.1:$port/" "$conf"
python3 examples/shift.py examples/history.log.xz --end-at "$(date +%s)" >"$work/all.log"
head -n 200000 "$work/all.log" >"$work/mail.log"
step "check-config" "$aw" check-config -c "$conf"
step "import" "$aw" import -c "$conf" "$work/mail.log"
step "import once more" "$aw" import -c "$conf" "$work/mail.log"
for format in table ndjson json csv; do
	step "cases as $format" "$aw" cases -c "$conf" --format $format
	step "search as $format" "$aw" search -c "$conf" --limit 500 --format $format
done
step "search of a recipient" "$aw" search -c "$conf" --recipient @gmail.example --limit 50
step "export" "$aw" export -c "$conf" compromised-hosts
step "notify --dry-run" "$aw" notify -c "$conf" --dry-run

"$bin/abusewatchd" -c "$conf" 2>"$work/daemon.log" &
daemon=$!
i=0
until python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null; do
	i=$((i + 1))
	[ $i -lt 100 ] || break
	sleep 0.1
done
tail -n +200001 "$work/all.log" | head -n 60000 >>"$work/mail.log"
sleep 3
kill -HUP $daemon
tail -n +260001 "$work/all.log" >>"$work/mail.log"
curl -fs -o /dev/null "http://127.0.0.1:$port/login" && echo "ok sanitized login page" || echo "not ok sanitized login page"
"$aw" rbl -c "$conf" --format csv 198.18.0.0/28 isp.example >"$work/rbl.csv"
grep -q '^198.18.0.7,bl.example,listed' "$work/rbl.csv" && grep -q '^198.18.0.7,nobody.example,unknown' "$work/rbl.csv" && echo "ok sanitized rbl through the probe" || echo "not ok sanitized rbl through the probe"
link=$("$aw" login-link -c "$conf")
curl -s -c "$work/jar" -o /dev/null -L "$link"
for page in / /cases /search /principals /about /exports /cases.json /cases.csv /case/1 /case/1.json '/search?recipient=gmail' /exports/compromised-hosts.csv \
	/listings /listings/history /rbl /rbl/lists '/rbl/stream?target=198.18.0.7' '/rbl.json?target=198.18.0.0/27' '/rbl.csv?target=isp.example'; do
	curl -s -b "$work/jar" -o /dev/null "http://127.0.0.1:$port$page"
done
sleep 15 # retention, too
kill $daemon
wait $daemon
status=$?
daemon=
cat "$work/daemon.log" >&2
[ $status = 0 ] && echo "ok sanitized programs end cleanly" || echo "not ok sanitized programs end cleanly - status $status"
# The collector may not write there; then the sanitizer complains of that on stderr.
if grep -qE "Can't open file|Sanitizer|ended with|ended by" "$work/daemon.log"; then
	echo "not ok sanitized programs, live - $(grep -m 1 -E "Can't open file|Sanitizer|ended with|ended by" "$work/daemon.log")"
else
	reports "sanitized programs, live"
fi
