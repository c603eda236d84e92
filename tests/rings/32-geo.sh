#!/bin/sh
# geo: countries and AS numbers from MaxMind files in a case's sources; a CSV overrides them; a broken file is refused by name.
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
aw=build/bin/abusewatch
perl tests/system/mmdb.pl "$dir/country.mmdb" "$dir/asn.mmdb" >&2 || { echo "not ok geo mmdb - cannot write the test files"; exit 1; }
printf 'prefix,country,asn\n203.0.113.128/25,CL,64888\n' >"$dir/own.csv"
python3 - "$dir/mail.log" <<'PY'
import sys
with open(sys.argv[1], "w") as f:
    n = 0
    for ip in ["203.0.113.7", "203.0.113.200", "2001:db8:7::9", "192.0.2.1"]:
        for i in range(12):
            n += 1
            q, t = f"{0xB0000000 + n:X}", f"Feb  2 12:{n // 60:02d}:{n % 60:02d} mx1 postfix/"
            f.write(f"{t}smtpd[1]: {q}: client=unknown[{ip}], sasl_method=PLAIN, sasl_username=ann@isp.example\n"
                    f"{t}qmgr[2]: {q}: from=<ann@isp.example>, size=900, nrcpt=1 (queue active)\n"
                    f"{t}smtp[3]: {q}: to=<u{n}@v{n}.example>, relay=m.example[192.0.2.9]:25, delay=1, delays=1/0/0/0, dsn=5.1.1, status=bounced (host m.example[192.0.2.9] said: 550 5.1.1 User unknown (in reply to RCPT TO command))\n"
                    f"{t}qmgr[2]: {q}: removed\n")
PY
conf() {
	printf 'store = "t.db"\nnetworks = { "198.18.0.0/15" }\nlocal-domains = { "isp.example" }\ngeo = { %s }\nsource "mx1" { type = "file" path = "mail.log" mta = "postfix" timezone = "UTC" }\n' "$1" >"$dir/t.conf"
}
check() { # check NAME PATTERN FILE
	if grep -q "$2" "$3"; then echo "ok geo $1"; else echo "not ok geo $1 - no $2"; cat "$3" >&2; fi
}
conf '"country.mmdb", "asn.mmdb", "own.csv"'
$aw import -c "$dir/t.conf" "$dir/mail.log" && $aw cases -c "$dir/t.conf" --format ndjson >"$dir/cases"
check "IPv4 from .mmdb" '"ip":"203.0.113.7","country":"BR","asn":64999' "$dir/cases"
check "IPv6 from .mmdb" '"ip":"2001:db8:7::9","country":"JP","asn":64777' "$dir/cases"
check "a CSV overrides" '"ip":"203.0.113.200","country":"CL","asn":64888' "$dir/cases"
check "unknown stays empty" '"ip":"192.0.2.1","country":"","asn":0' "$dir/cases"
head -c 300 "$dir/country.mmdb" >"$dir/broken.mmdb"
conf '"broken.mmdb"'
if $aw import -c "$dir/t.conf" "$dir/mail.log" 2>"$dir/err"; then echo "not ok geo broken file - import went on"; else check "a broken file is named" 'broken.mmdb' "$dir/err"; fi
