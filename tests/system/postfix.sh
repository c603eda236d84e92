#!/bin/sh
# postfix.sh DIR — inside a network, mount and process namespace of its own: a real Postfix with SASL, a sink that refuses unknown
# users, and the whole of abusewatch following Postfix's own log. Prints TAP lines; what it leaves is in DIR.
set -u
dir=$1
bin=$TOP/build/bin
ok() { echo "ok postfix $1"; }
not_ok() { echo "not ok postfix $1 - $2"; }

network() {
	mount -t proc proc /proc
	ip link set lo up
	for a in 198.51.100.25 192.0.2.99 198.18.0.5 198.18.0.6 203.0.113.10 203.0.113.11 203.0.113.12 203.0.113.13; do
		ip addr add "$a/32" dev lo
	done
}

postfix_conf() {
	mkdir -p "$dir/etc/sasl" "$dir/spool" "$dir/data"
	cp /etc/postfix/postfix-files /etc/postfix/dynamicmaps.cf "$dir/etc/" 2>/dev/null
	cat >"$dir/etc/main.cf" <<EOF
compatibility_level = 3.6
queue_directory = $dir/spool
data_directory = $dir/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
myhostname = mx1.isp.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 198.51.100.25, 127.0.0.1
inet_protocols = ipv4
smtp_bind_address = 198.51.100.25
relayhost = [192.0.2.99]:25
disable_dns_lookups = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = isp.example
cyrus_sasl_config_path = $dir/etc/sasl
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_peername_lookup = no
smtpd_tls_security_level = none
maillog_file = $dir/mail.log
maillog_file_prefixes = $dir
maillog_file_permissions = 0644
alias_maps =
smtpd_client_restrictions =
EOF
	# The packaged services, without chroot, with submission and the log daemon.
	cp /usr/share/postfix/master.cf.dist "$dir/etc/master.cf" 2>/dev/null || cp /etc/postfix/master.cf "$dir/etc/master.cf"
	postconf -c "$dir/etc" -F '*/*/chroot=n'
	postconf -c "$dir/etc" -M "submission/inet=submission inet n - n - - smtpd -o syslog_name=postfix/submission"
	postconf -c "$dir/etc" -M "postlog/unix-dgram=postlog unix-dgram n - n - 1 postlogd"
	cat >"$dir/etc/sasl/smtpd.conf" <<EOF
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
sasldb_path: $dir/etc/sasl/sasldb2
EOF
	for u in ann bob; do
		echo "secret-$u" | saslpasswd2 -p -c -f "$dir/etc/sasl/sasldb2" -u isp.example "$u"
	done
	chmod 755 "$dir" "$dir/etc" "$dir/etc/sasl"
	chmod 644 "$dir/etc/sasl/sasldb2"
	chown postfix "$dir/data"
}

abusewatch_conf() {
	mkdir -p "$dir/aw"
	printf 'customer,contact,language,kind,value\nC1,owner-of-ann@known.example,en,account,ann@isp.example\n' >"$dir/aw/customers.csv"
	cat >"$dir/aw/abusewatch.conf" <<EOF
store = "aw.db"
networks = { "198.18.0.0/15", "198.51.100.0/24" }
egress = { "198.51.100.25" }
local-domains = { "isp.example" }
customers = "customers.csv"
source "mx1" { type = "file" path = "$dir/mail.log" mta = "postfix" timezone = "local" }
notify { enabled = true via = "smtp" smtp-url = "smtp://198.51.100.25:25" from = "abuse@isp.example" reply-to = "abuse+%c@isp.example"
         operator = "Example ISP, abuse desk" min-level = "suspected" }
web { listen = "127.0.0.1:8025" }
EOF
	# The mailer talks to Postfix from its own address.
	postconf -c "$dir/etc" -e "mynetworks = 127.0.0.0/8, 198.51.100.25/32"
}

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

case_is_open() { "$bin/abusewatch" cases -c "$dir/aw/abusewatch.conf" --open --format ndjson | grep -q '"id":"ann@isp.example"'; }
letter_is_there() { grep -q 'owner-of-ann@known.example' "$dir/sink.ndjson"; }
dashboard_answers() { curl -sf -o /dev/null http://127.0.0.1:8025/login; }
normal_mail_is_stored() { [ "$("$bin/abusewatch" search -c "$dir/aw/abusewatch.conf" --recipient @known.example --format ndjson --limit 0 | wc -l)" = 20 ]; }

main() {
	network
	postfix_conf
	abusewatch_conf
	python3 "$TOP/tests/system/sink.py" 192.0.2.99 25 "$dir/sink.ndjson" friend0@known.example friend1@known.example friend2@known.example \
		friend3@known.example owner-of-ann@known.example ann@isp.example bob@isp.example &
	postfix -c "$dir/etc" start >"$dir/postfix.out" 2>&1 || { not_ok start "$(tail -n 3 "$dir/postfix.out" | tr '\n' ' ')"; return; }
	wait_for 10 test -s "$dir/mail.log"
	"$bin/abusewatchd" -c "$dir/aw/abusewatch.conf" 2>"$dir/abusewatchd.log" &
	daemon=$!
	wait_for 10 dashboard_answers || { not_ok "dashboard answers" "no"; return; }

	python3 "$TOP/tests/system/drive.py" normal 10 || { not_ok "normal mail goes out" "the client failed"; return; }
	if wait_for 10 normal_mail_is_stored; then ok "normal mail is found again"; else not_ok "normal mail is found again" "not all 20 messages"; fi
	if case_is_open; then not_ok "normal mail opens no case" "it did"; else ok "normal mail opens no case"; fi

	began=$(date +%s)
	python3 "$TOP/tests/system/drive.py" attack 60 || { not_ok "attack goes out" "the client failed"; return; }
	if wait_for 10 case_is_open; then ok "an attack opens a case within seconds ($(($(date +%s) - began)) s)"; else not_ok "an attack opens a case" "none after 10 s"; fi
	if wait_for 15 letter_is_there; then ok "the letter arrives"; else not_ok "the letter arrives" "not in the sink"; fi
	"$bin/abusewatch" export -c "$dir/aw/abusewatch.conf" compromised-hosts >"$dir/compromised-hosts.csv"
	if grep -q '^203\.0\.113\.1[0-3],ann@isp.example,C1,owner-of-ann@known.example,' "$dir/compromised-hosts.csv"; then ok "the CSV lists the account"; else not_ok "the CSV lists the account" "$(tail -n 1 "$dir/compromised-hosts.csv")"; fi
	link=$("$bin/abusewatch" login-link -c "$dir/aw/abusewatch.conf")
	node "$TOP/tests/system/page.mjs" "$link" ann@isp.example "$OUT/screens/postfix-case.png" 2>"$dir/page.log" &&
		ok "the page shows the case" || not_ok "the page shows the case" "$(tail -n 1 "$dir/page.log")"
	kill "$daemon"
	wait "$daemon" && ok "the daemon ends cleanly" || not_ok "the daemon ends cleanly" "status $?"
	postfix -c "$dir/etc" stop >/dev/null 2>&1
}

mkdir -p "$OUT/screens"
main
