#!/bin/sh
# demo.sh — installs what abusewatch needs, builds it, imports some weeks of mail log, then follows a log that a small
# feeder writes, so that cases open while you watch. Everything lies in demo/ (or $DEMO_DIR); Ctrl-C ends it.
set -eu
cd "$(dirname "$0")/.."
dir=${DEMO_DIR:-demo}
port=${DEMO_PORT:-8025}
speed=${DEMO_SPEED:-60}
live_s=38700 # length of live.log.xz

say() { printf '\n== %s\n' "$*"; }

say "packages"
sh mk/deps.sh demo >"/tmp/abusewatch-demo-packages.$$" 2>&1 || { cat "/tmp/abusewatch-demo-packages.$$"; exit 1; }
rm -f "/tmp/abusewatch-demo-packages.$$"
answers() { python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null; }
if answers; then
	echo "something else answers on port $port; choose another: DEMO_PORT=8026 make demo" >&2
	exit 1
fi
say "build"
make -s config.mk
make -s -j"$(nproc)" all
bin=$(pwd)/$(sed -n 's/^B = //p' config.mk)/bin

say "import eighteen days of mail log"
rm -rf "$dir"
mkdir -p "$dir"
cp examples/customers.csv examples/geo.csv examples/dnsbl.conf "$dir/"
cp -r examples/lists "$dir/" # copied anew each time: a copy older than a week is not believed
sed "s/127\.0\.0\.1:8025/127.0.0.1:$port/" examples/abusewatch.conf >"$dir/abusewatch.conf"
start=$(($(date +%s) - live_s))
python3 examples/shift.py examples/history.log.xz --end-at "$start" >"$dir/mail.log"
python3 examples/shift.py examples/postfix.log.xz --end-at "$((start - 3600))" >"$dir/postfix.log"
"$bin/abusewatch" check-config -c "$dir/abusewatch.conf"
"$bin/abusewatch" import -c "$dir/abusewatch.conf" "$dir/mail.log" "$dir/postfix.log"
say "import nine minutes of captured port 25"
python3 examples/port25.py "$dir/port25.pcap" --from "$start"
"$bin/abusewatch" import -c "$dir/abusewatch.conf" "$dir/port25.pcap"
"$bin/abusewatch" cases -c "$dir/abusewatch.conf" --format table

say "start"
"$bin/abusewatchd" -c "$dir/abusewatch.conf" 2>"$dir/abusewatch.log" &
daemon=$!
feeder=
end() {
	trap - INT TERM EXIT
	[ -z "$feeder" ] || kill "$feeder" 2>/dev/null || true
	kill "$daemon" 2>/dev/null || true
	wait "$daemon" 2>/dev/null || true
	echo
	echo "ended; what it made is in $dir/"
	exit 0
}
trap end INT TERM EXIT
i=0
until answers; do
	i=$((i + 1))
	if [ $i -gt 100 ] || ! kill -0 "$daemon" 2>/dev/null; then
		echo "the dashboard does not answer on port $port; the log says:" >&2
		tail -n 20 "$dir/abusewatch.log" >&2
		exit 1
	fi
	sleep 0.1
done
python3 examples/shift.py examples/live.log.xz --after "$((start + 1))" --speed "$speed" --append "$dir/mail.log" &
feeder=$!

cat <<EOF

The dashboard:   http://127.0.0.1:$port
Log in once by:  $("$bin/abusewatch" login-link -c "$dir/abusewatch.conf")

Ten hours of log are being appended to $dir/mail.log, $speed times as fast as they were written: watch cases open on the
first page within the next minutes. Also try, in another terminal:

  $bin/abusewatch cases -c $dir/abusewatch.conf --open --format table
  $bin/abusewatch search -c $dir/abusewatch.conf --recipient @gmail.example --limit 5 --format table
  $bin/abusewatch rbl -c $dir/abusewatch.conf --format table 198.51.100.26
  $bin/abusewatch notify -c $dir/abusewatch.conf --dry-run
  $bin/abusewatch export -c $dir/abusewatch.conf compromised-hosts

Ctrl-C ends it.
EOF
wait "$daemon"
