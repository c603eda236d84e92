#!/bin/sh
# supervisor: programs that die are started again, go away with it, and a letter leaves through sendmail once, whatever is killed; the config is read again by
# programs that fenced themselves off.
set -u
. "$TOP/tests/rings/lib.sh"
dir=$(mktemp -d /var/tmp/aw-supervisor.XXXXXX)
elsewhere=$(mktemp -d /var/tmp/aw-supervisor.XXXXXX) # not below the folder of the config
bin=$(dirname "$aw")
daemon=
end() {
	[ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null
	rm -rf "$dir" "$elsewhere"
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

# From here on as another user, with files in three folders.
mkdir "$elsewhere/more" "$elsewhere/one" "$elsewhere/two" "$dir/state"
cp "$dir/customers.csv" "$elsewhere/one"
cp "$dir/customers.csv" "$elsewhere/two"
chmod 755 "$dir" "$elsewhere"
chmod 777 "$dir/state"
echo 'retention { messages = 20d }' >"$elsewhere/more/more.conf"
port=$((20000 + $$ % 20000))
config() { # config CUSTOMERS WEB [STORE]
	cat >"$dir/t.conf" <<EOF
store = "state/${3:-t}.db"
user = "$as"
networks = { "198.18.0.0/15" }
customers = "$elsewhere/$1/customers.csv"
include("$elsewhere/more/more.conf")
source "mx1" { type = "file" path = "$dir/mail.log" mta = "postfix" timezone = "UTC" }
web { enabled = $2 listen = "127.0.0.1:$port" }
EOF
}
said() { grep -qE "$1" "$dir/log"; }
pids() { echo "$(pid_of analyzer) $(pid_of collector) $(pid_of probe) $(pid_of web)"; }
again() { # again NAME: tells it to reload, and forgets what was said before
	: >"$dir/log"
	kill -HUP "$daemon"
	sleep 2
}
with_web() { [ -n "$(pid_of web)" ]; }
as=
[ "$(id -u)" != 0 ] || as=nobody
config one true
: >"$dir/log"
"$bin/abusewatchd" -c "$dir/t.conf" 2>>"$dir/log" &
daemon=$!
wait_for 10 all_there && wait_for 10 with_web
sleep 1
before=$(pids)
again
if ! said error && said 'analyzer.*read again' && said 'web.*read again' && said 'probe.*read again' && [ "$(pids)" = "$before" ]; then ok "a reload"
else not_ok "a reload" "$(grep -m1 error "$dir/log")"; fi
: >"$dir/log"
echo 'C2,other@known.example,de,account,bob@isp.example' >>"$elsewhere/one/customers.csv"
if wait_for 10 said 'analyzer.*inventory read again' && ! said error; then ok "a new inventory"; else not_ok "a new inventory" "$(grep -m1 error "$dir/log")"; fi
config two true
again
if wait_for 10 all_there && wait_for 10 with_web && said 'folders than before' && said 'analyzer.* ready' && ! said 'mistakes'; then ok "a reload with an inventory in another folder"
else not_ok "a reload with an inventory in another folder" "$(grep -m1 error "$dir/log")"; fi
sleep 2
before=$(pids)
echo 'nonsense = 3' >>"$dir/t.conf"
again
if [ "$(grep -c 'unknown setting nonsense' "$dir/log")" = 1 ] && said 'all programs go on with the old one' && [ "$(pids)" = "$before" ]; then ok "a reload with a mistake, told once"
else not_ok "a reload with a mistake, told once" "$(grep -c 'unknown setting nonsense' "$dir/log") times"; fi
config two false
again
if [ -z "$(pid_of web)" ] && ! said 'web.* started again'; then ok "a reload without the dashboard"; else not_ok "a reload without the dashboard" "it is there"; fi
config two true other
again
if wait_for 5 with_web && said 'store is another one.*takes a restart'; then ok "a reload with the dashboard, and another store"; else not_ok "a reload with the dashboard, and another store" "$(tail -n 3 "$dir/log")"; fi
kill -TERM "$daemon"
if wait "$daemon" && none_left; then ok "ends after reloads"; else not_ok "ends after reloads" "some are left"; fi
daemon=

# The usual first mistake: files that root may read, and the user may not.
if [ -n "$as" ]; then
	config two false
	chmod 600 "$dir/t.conf"
	: >"$dir/log"
	if "$bin/abusewatchd" -c "$dir/t.conf" 2>>"$dir/log"; then not_ok "a config that the user may not read" "no complaint"
	elif said 'user of the programs has to read it' && ! said 'started again'; then ok "a config that the user may not read"
	else not_ok "a config that the user may not read" "$(tail -n 2 "$dir/log")"; fi
	chmod 644 "$dir/t.conf"
	mkdir "$dir/roots"
	sed -i "s|^store = .*|store = \"roots/t.db\"\nstate-dir = \"state\"|" "$dir/t.conf"
	: >"$dir/log"
	if "$bin/abusewatchd" -c "$dir/t.conf" 2>>"$dir/log"; then not_ok "a store in a folder of root's" "no complaint"
	elif said 'chown nobody' && ! said 'started again'; then ok "a store in a folder of root's"
	else not_ok "a store in a folder of root's" "$(tail -n 2 "$dir/log")"; fi
	rmdir "$dir/roots"
	"$bin/abusewatchd" -c "$dir/t.conf" 2>>"$dir/log" &
	daemon=$!
	if wait_for 10 said 'analyzer.* ready; the store is .*roots/t.db'; then ok "and one in a folder that is not there"; else not_ok "and one in a folder that is not there" "$(tail -n 2 "$dir/log")"; fi
	timeout 10 "$bin/abusewatchd" -c "$dir/t.conf" 2>"$dir/log"
	if [ $? = 1 ] && said 'another abusewatchd runs' && ! said 'ready'; then ok "a second one does not start"; else not_ok "a second one does not start" "it did"; fi
	timeout 10 "$bin/abusewatchd" -c "$dir/t.conf" start 2>"$dir/log"
	if [ $? = 2 ] && said '"start" is not expected here'; then ok "a word too many"; else not_ok "a word too many" "$(tail -n 2 "$dir/log")"; fi
	kill -TERM "$daemon"
	wait "$daemon"
	daemon=
	config two false
	chmod 600 "$dir/mail.log" "$dir/t.conf"
	"$aw" check-config -c "$dir/t.conf" 2>"$dir/log"
	if [ $? = 1 ] && said 't.conf: as user .nobody.*Permission denied' && said 't.conf:6: as user.*source mx1: may not read .*mail.log'; then ok "check-config says so"
	else not_ok "check-config says so" "$(cat "$dir/log")"; fi
	chmod 644 "$dir/t.conf" "$dir/mail.log"
	if "$aw" check-config -c "$dir/t.conf" 2>"$dir/log"; then ok "check-config when he may"; else not_ok "check-config when he may" "$(cat "$dir/log")"; fi
fi
