#!/bin/sh
# The dashboard in a real browser, over an invented store. Needs node, npm and chromium.
set -u
: "${TOP:=$(pwd)}" "${OUT:=$TOP/build/check}"
bin=${BIN:-$TOP/build/bin}
for p in node npm chromium; do
	command -v $p >/dev/null 2>&1 || { echo "skip web - $p is not installed"; exit 0; }
done
. "$TOP/tests/rings/lib.sh"
browser || { echo "skip web - npm cannot fetch playwright-core"; exit 0; }
cd "$TOP/tests/web" || exit 1
work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null; rm -rf "$work"' EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/abusewatch.conf" <<CONF
store = "aw.db"
networks = { "198.18.0.0/15" }
egress = { "198.51.100.25", "198.51.100.26" }
local-domains = { "isp.example" }
backup-domains = { "brevik.example=mail.brevik.example", "halden.example=mail.halden.example", "quiet.example=192.0.2.99" }
customer "C1001" { contact = "it@brevik.example" domains = { "brevik.example" } }
web { listen = "127.0.0.1:$port" }
source "mx1" { path = "mail.log" mta = "postfix" }
CONF
python3 seed.py "$work/aw.db" >&2 || { echo "not ok web: seed - the invented store cannot be written"; exit 1; }
python3 backup.py "$work/aw.db" "$bin/abusewatch" "$work" >&2 || { echo "not ok web: backup - the backup domains cannot be written"; exit 1; }
python3 listings.py "$work/aw.db" "$bin/abusewatch" "$work" >&2 || { echo "not ok web: listings - what block lists say cannot be written"; exit 1; }
"$bin/abusewatch-web" -c "$work/abusewatch.conf" 2>"$work/web.log" &
daemon=$!
i=0
until curl -fs -o /dev/null "http://127.0.0.1:$port/login"; do
	i=$((i + 1)); [ $i -lt 50 ] || { cat "$work/web.log" >&2; echo "not ok web: start - abusewatch-web does not answer"; exit 1; }
	sleep 0.1
done
mkdir -p "$OUT/screens"
BIN=$bin CONF=$work/abusewatch.conf STORE=$work/aw.db BASE=http://127.0.0.1:$port SCREENS=$OUT/screens node dashboard.mjs
status=$?
cat "$work/web.log" >&2
grep -q 'audit: user ann from 127.0.0.1 viewed case 7' "$work/web.log" && echo "ok web: who looked is in the log" || echo "not ok web: who looked is in the log"
[ "$(grep -cF 'searched ?account=unseen@far.example' "$work/web.log")" = 1 ] && echo "ok web: what nobody opened is in the log, once" || echo "not ok web: what nobody opened is in the log, once"
grep -q 'audit: user ann from 127.0.0.1 viewed the score of case 7' "$work/web.log" && echo "ok web: who looked at a score is in the log" || echo "not ok web: who looked at a score is in the log"
if kill -0 "$daemon" 2>/dev/null && kill "$daemon" && wait "$daemon"; then
	echo "ok web: clean stop on TERM"
else
	echo "not ok web: clean stop on TERM"
fi
daemon=

# Behind a TLS proxy: whom the proxy saw last, also when it adds a header of its own to one that the client sent.
sed "s|^web {|web { base-url = \"https://desk.isp.example\" |" "$work/abusewatch.conf" >"$work/proxy.conf"
"$bin/abusewatch-web" -c "$work/proxy.conf" 2>"$work/proxy.log" &
daemon=$!
i=0
until curl -fs -o /dev/null "http://127.0.0.1:$port/login" || [ $i = 50 ]; do i=$((i + 1)); sleep 0.1; done
curl -s -o /dev/null -H 'X-Forwarded-For: 203.0.113.66' -H 'X-Forwarded-For: 203.0.113.67, 198.18.7.9' "http://127.0.0.1:$port/login?token=none"
if grep -q 'used up or too old, from 198.18.7.9' "$work/proxy.log"; then
	echo "ok web: the client is whom the proxy saw"
else
	echo "not ok web: the client is whom the proxy saw - $(grep -o 'too old, from.*' "$work/proxy.log")"
fi
kill "$daemon"
daemon=
exit $status
