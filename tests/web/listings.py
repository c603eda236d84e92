#!/usr/bin/env python3
"""listings.py STORE ABUSEWATCH FOLDER — adds what block lists say to the store of seed.py: a log and answers that end now are imported into a store of
their own, and what came of it is copied. 198.51.100.25 is on two lists since an account was stolen, 198.51.100.26 soon will be, a customer's
server is on one, and a domain; one list suddenly has everything, one does not serve us. One text tries to be HTML."""
import json
import os
import sqlite3
import subprocess
import sys
import time

store, binary, folder = sys.argv[1:]
now = int(time.time()) // 300 * 300
lines, answers, serial = [], [], 0
OURS, NEXT = "198.51.100.25", "198.51.100.26"


def add(t, text):
    lines.append((t, len(lines), "%s mx1 postfix/%s" % (time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(t)), text)))


def mail(t, account, ip, to, refused=""):
    global serial
    serial += 1
    q = "%X" % (0xC00000000 + serial * 13)
    add(t, "smtpd[11]: %s: client=unknown[%s], sasl_method=PLAIN, sasl_username=%s" % (q, ip, account))
    add(t, "qmgr[13]: %s: from=<%s>, size=2000, nrcpt=1 (queue active)" % (q, account))
    relay = "mx.%s[192.0.2.25]" % to.split("@")[1]
    text = "host %s said: %s (in reply to RCPT TO command)" % (relay, refused) if refused else "250 2.0.0 Ok"
    add(t, "smtp[14]: %s: to=<%s>, relay=%s:25, delay=1, delays=0.1/0/0/0.9, dsn=%s, status=%s (%s)"
        % (q, to, relay, refused.split()[1] if refused else "2.0.0", "bounced" if refused else "sent", text))
    add(t, "qmgr[13]: %s: removed" % q)


def says(t, target, zone, verdict, **more):
    answers.append(dict(at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t)), target=target, zone=zone, verdict=verdict, **more))


for n in range(300):
    mail(now - 25 * 86400 + n * 7000, "ann@isp.example", "198.18.0.5", "friend%d@known0.example" % (n % 9))
    mail(now - 25 * 86400 + n * 7000 + 60, "eve@isp.example", "198.18.2.5", "friend%d@known1.example" % (n % 9))
for n in range(240):
    bad = "550 5.7.1 Message rejected as spam" if n % 5 == 0 else "550 5.1.1 User unknown" if n % 5 == 1 else ""
    mail(now - 7 * 3600 + n * 40, "eve@isp.example", "203.0.113.9", "victim%d@other%d.example" % (n, n % 40), bad)
for n in range(4):
    mail(now - 2 * 3600 + n * 600, "ann@isp.example", "198.18.0.5", "friend%d@known2.example" % n,
         "554 5.7.1 Service unavailable; Client host [%s] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/%s" % (OURS, OURS))
    mail(now - 2 * 3600 + n * 600 + 90, "ann@isp.example", "198.18.0.5", "friend%d@big.example" % n,
         "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address [%s]." % NEXT)
for zone in ("zen.spamhaus.org", "bl.spamcop.net", "b.barracudacentral.org", "dnsbl-2.uceprotect.net", "all.example"):
    for target in (OURS, NEXT, *("198.18.7.%d" % k for k in range(1, 7))):
        says(now - 20 * 86400, target, zone, "clean")
        says(now - 86400, target, zone, "clean")
for n in range(3):
    says(now - 6 * 3600 + n * 7000, OURS, "zen.spamhaus.org", "listed", kind="block", code="127.0.0.3", points=8,
         meaning="CSS: snowshoe or low-reputation source, listed automatically", text="https://www.spamhaus.org/query/ip/" + OURS)
    says(now - 5 * 3600 + n * 7000, OURS, "bl.spamcop.net", "listed", kind="block", code="127.0.0.2", points=5, meaning="listed",
         text='Blocked - see "><script>window.pwned=1</script><img src=x onerror="window.pwned=2">')
    says(now - 6 * 3600 + n * 7000, NEXT, "dnsbl-2.uceprotect.net", "listed", kind="block", code="127.0.0.2", points=2, meaning="a whole network")
    says(now - 6 * 3600 + n * 7000, "198.18.7.1", "b.barracudacentral.org", "listed", kind="block", code="127.0.0.2", points=5, meaning="listed")
    says(now - 9 * 86400 + n * 7000, "198.18.7.2", "bl.spamcop.net", "listed", kind="block", code="127.0.0.2", points=5, meaning="listed")
    says(now - 8 * 86400 + n * 14400, "198.18.7.2", "bl.spamcop.net", "clean")
    says(now - 6 * 3600 + n * 7000, "198.18.7.3", "zen.spamhaus.org", "listed", kind="policy", code="127.0.0.10", points=0, meaning="PBL: an end user's address, which should not send mail directly")
    says(now - 6 * 3600 + n * 7000, OURS, "b.barracudacentral.org", "refused", kind="refusal", code="127.255.255.254")
    says(now - 6 * 3600 + n * 7000, "brevik.example", "dbl.spamhaus.org", "listed", kind="block", code="127.0.1.2", points=6, meaning="spam domain")
says(now - 1800, "198.18.7.4", "zen.spamhaus.org", "listed", kind="block", code="127.0.0.4", points=8, meaning="XBL: exploited host, proxy, trojan or bot")
for k, target in enumerate((OURS, NEXT, *("198.18.7.%d" % k for k in range(1, 7)))):
    says(now - 3600 + k, target, "all.example", "listed", kind="block", code="127.0.0.2", points=4, meaning="listed")
answers.append(dict(at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 7200)), zone="b.barracudacentral.org", verdict="refused",
                    reason="it answers 127.255.255.254: it does not serve resolvers that it does not know"))
with open(os.path.join(folder, "lists.log"), "w") as f:
    f.write("".join(text + "\n" for _, _, text in sorted(lines, key=lambda x: x[:2])))
with open(os.path.join(folder, "lists.ndjson"), "w") as f:
    f.write("".join(json.dumps(a) + "\n" for a in answers))
with open(os.path.join(folder, "lists.conf"), "w") as f:
    f.write('store = "lists.db"\nlocal-domains = { "isp.example" }\nnetworks = { "198.18.0.0/15" }\negress = { "%s", "%s" }\n' % (OURS, NEXT))
    f.write('customer "C1001" { contact = "it@brevik.example" domains = { "brevik.example" } }\n'
            'customer "C2002" { contact = "noc@halden.example" prefixes = { "198.18.7.0/24" } }\nsource "mx1" { path = "lists.log" mta = "postfix" timezone = "UTC" }\n')
run = subprocess.run([binary, "import", "-c", os.path.join(folder, "lists.conf"), "--listings", os.path.join(folder, "lists.ndjson"), os.path.join(folder, "lists.log")],
                     capture_output=True, text=True)
if run.returncode:
    raise SystemExit(run.stderr)
FIRST = 900  # cases of this kind get numbers of their own
db = sqlite3.connect(store)
db.execute("ATTACH ? AS l", (os.path.join(folder, "lists.db"),))
for table in ("listing_target", "listing", "listing_past", "listing_change", "listing_zone"):
    db.execute("INSERT INTO main.%s SELECT * FROM l.%s" % (table, table))
db.execute("INSERT OR REPLACE INTO main.principal SELECT * FROM l.principal WHERE kind IN ('own_ip', 'domain') OR id LIKE '198.18.7.%'")
db.execute("UPDATE main.principal SET case_id = case_id + ? WHERE case_id IS NOT NULL AND (kind IN ('own_ip', 'domain') OR id LIKE '198.18.7.%')", (FIRST,))
for table, key in (("acase", "id"), ("case_detector", "case_id"), ("case_evidence", "case_id"), ("case_event", "case_id"), ("case_score", "case_id"), ("case_step", "case_id")):
    columns = [r[1] for r in db.execute("PRAGMA l.table_info(%s)" % table)]
    picked = ", ".join("%s + %d" % (c, FIRST) if c == key else c for c in columns)
    db.execute("INSERT INTO main.%s (%s) SELECT %s FROM l.%s WHERE %s IN (SELECT id FROM l.acase WHERE kind = 'listing')" % (table, ", ".join(columns), picked, table, key))
db.execute("INSERT INTO main.service_alert (domain, kind, subject_us, at_us, customer, text, utc_offset_s) SELECT domain, kind, subject_us, at_us, customer, text, utc_offset_s "
           "FROM l.service_alert")
db.commit()
print("cases of lists:", [r[0] for r in db.execute("SELECT id FROM acase WHERE kind = 'listing'")], file=sys.stderr)
