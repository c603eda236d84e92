#!/bin/sh
# supervisor: programs that die are started again, go away with it, and a letter leaves through sendmail once, whatever is killed.
set -u
. "$TOP/tests/rings/lib.sh"
dir=$(mktemp -d /var/tmp/aw-supervisor.XXXXXX)
bin=$(dirname "$aw")
daemon=
end() {
	[ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null
	rm -rf "$dir"
}
trap end EXIT
ok() { echo "ok supervisor $1"; }
not_ok() { echo "not ok supervisor $1 - $2"; tail -n 15 "$dir/log" >&2; }
wait_for() { # wait_for SECONDS COMMAND…
	n=$(($1 * 5))
	shift
	while [ $n -gt 0 ]; do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.2
		n=$((n - 1))
	done
	return 1
}
pid_of() { pgrep -f "^abusewatch-$1 -c $dir/t.conf" | head -n 1; }
none_left() { ! pgrep -f "^abusewatch-[a-z]* -c $dir/t.conf"; }
all_there() { [ -n "$(pid_of analyzer)" ] && [ -n "$(pid_of collector)" ] && [ -n "$(pid_of mailer)" ]; }
renewed() { new=$(pid_of "$1"); [ -n "$new" ] && [ "$new" != "$2" ]; }
letter_came() { [ -s "$dir/args" ]; }
written_down() { "$aw" cases -c "$dir/t.conf" --format ndjson | grep -q '"id":"ann@isp.example"' && sqlite3 "$dir/t.db" "SELECT 1 FROM notification WHERE status = 'sent'" | grep -q 1; }

printf '#!/bin/sh\necho "$@" >>"%s/args"\ncat >"%s/letter"\n' "$dir" "$dir" >"$dir/sendmail"
chmod +x "$dir/sendmail"
printf 'customer,contact,language,kind,value\nC1,owner@known.example,de,account,ann@isp.example\n' >"$dir/customers.csv"
cat >"$dir/t.conf" <<EOF
store = "t.db"
networks = { "198.18.0.0/15" }
local-domains = { "isp.example" }
customers = "customers.csv"
source "mx1" { type = "file" path = "$dir/mail.log" mta = "postfix" timezone = "UTC" }
notify { enabled = true via = "sendmail" sendmail = "$dir/sendmail" from = "abuse@isp.example" min-level = "suspected" }
web { enabled = false }
EOF
python3 examples/shift.py examples/postfix.log.xz --end-at "$(date +%s)" >"$dir/mail.log"

"$bin/abusewatchd" -c "$dir/t.conf" 2>"$dir/log" &
daemon=$!
if wait_for 10 all_there; then ok "starts its programs"; else not_ok "starts its programs" "not all are there"; fi
if wait_for 15 letter_came; then ok "a letter leaves through sendmail"; else not_ok "a letter leaves through sendmail" "none"; fi
if grep -qxF -- '-i -f abuse@isp.example -- owner@known.example' "$dir/args" && grep -q '^Content-Type: text/plain; charset=utf-8' "$dir/letter" &&
	! grep -q "$(printf '\r')" "$dir/letter"; then ok "as sendmail wants it"; else not_ok "as sendmail wants it" "$(cat "$dir/args")"; fi
wait_for 10 written_down || not_ok "the letter is written down" "no row"
for p in analyzer collector mailer; do
	old=$(pid_of $p)
	kill -9 "$old"
	if wait_for 10 renewed $p "$old"; then ok "a killed $p comes back"; else not_ok "a killed $p comes back" "it did not"; fi
done
if grep -q 'is started again in 0.5 s' "$dir/log"; then ok "and says when"; else not_ok "and says when" "no word of it"; fi
wait_for 10 all_there
sleep 5
if [ "$(wc -l <"$dir/args")" = 1 ]; then ok "the letter is not repeated"; else not_ok "the letter is not repeated" "$(wc -l <"$dir/args") letters"; fi
kill -TERM "$daemon"
if wait "$daemon" && none_left; then ok "ends with all its programs"; else not_ok "ends with all its programs" "some are left"; fi

"$bin/abusewatchd" -c "$dir/t.conf" 2>>"$dir/log" &
daemon=$!
wait_for 10 all_there
sleep 1
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
if wait_for 10 none_left; then ok "its programs do not outlive it"; else not_ok "its programs do not outlive it" "some do"; fi
daemon=
