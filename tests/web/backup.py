#!/usr/bin/env python3
"""backup.py STORE ABUSEWATCH FOLDER — adds three backup domains to the store of seed.py: a log that ends now is imported into a store of
its own, and what came of it is copied. halden.example's primary is away and its mail expires soon; brevik.example's is well and does
not know some recipients; quiet.example gets no mail. One reply tries to be HTML."""
import os
import sqlite3
import subprocess
import sys
import time

store, binary, folder = sys.argv[1:]
now = int(time.time()) // 300 * 300
lines, serial = [], 0


def add(t, text):
    lines.append((t, len(lines), "%s mx1 postfix/%s" % (time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(t)), text)))


def begin(t, sender, to):
    global serial
    serial += 1
    q = "%X" % (0xB00000000 + serial * 13)
    add(t, "smtpd[11]: %s: client=unknown[203.0.113.%d]" % (q, serial % 200 + 1))
    add(t, "cleanup[12]: %s: message-id=<%d@far.example>" % (q, serial))
    add(t, "qmgr[13]: %s: from=<%s>, size=2000, nrcpt=1 (queue active)" % (q, sender))
    return q


def outcome(t, q, to, relay, dsn, status, text):
    add(t, "smtp[14]: %s: to=<%s>, relay=%s, delay=1, delays=0.1/0/0/0.9, dsn=%s, status=%s (%s)" % (q, to, relay, dsn, status, text))
    if status != "deferred":
        add(t, "qmgr[13]: %s: removed" % q)


for n in range(200):  # brevik.example: well
    t, to = now - 9 * 86400 + n * 3600, "user%d@brevik.example" % (n % 17)
    q = begin(t, "friend%d@far.example" % (n % 5), to)
    if n % 5:
        outcome(t + 1, q, to, "mail.brevik.example[198.18.3.3]:25", "2.0.0", "sent", "250 2.0.0 Ok")
    else:
        to = "nobody%d@brevik.example" % n
        text = "host mail.brevik.example[198.18.3.3] said: 550 5.1.1 <script>window.pwned=1</script> User unknown (in reply to RCPT TO command)"
        outcome(t + 1, q, to, "mail.brevik.example[198.18.3.3]:25", "5.1.1", "bounced", text)
for n in range(60):  # halden.example: well until six days and a half ago
    t, to = now - 12 * 86400 + n * 7800, "user%d@halden.example" % (n % 7)
    q = begin(t, "friend%d@far.example" % (n % 5), to)
    outcome(t + 1, q, to, "mail.halden.example[198.18.4.4]:25", "2.0.0", "sent", "250 2.0.0 Ok")
for n in range(70):
    first = now - int(6.5 * 86400) + n * 7500
    q = begin(first, "friend%d@far.example" % (n % 5), "")
    for t in range(first + 30, now, 3600):
        outcome(t, q, "user%d@halden.example" % (n % 7), "none", "4.4.1", "deferred",
                'connect to mail.halden.example[198.18.4.4]:25: Connection refused "><img src=x onerror="window.pwned=2">')
with open(os.path.join(folder, "backup.log"), "w") as f:
    f.write("".join(text + "\n" for _, _, text in sorted(lines, key=lambda x: x[:2])))
with open(os.path.join(folder, "backup.conf"), "w") as f:
    f.write('store = "backup.db"\nlocal-domains = { "isp.example" }\nnetworks = { "198.18.0.0/15" }\n'
            'customer "C1001" { contact = "it@brevik.example" domains = { "brevik.example" } }\n'
            'backup-domains = { "brevik.example=mail.brevik.example", "halden.example=mail.halden.example", "quiet.example=192.0.2.99" }\n'
            'source "mx1" { path = "backup.log" mta = "postfix" }\n')
subprocess.run([binary, "import", "-c", os.path.join(folder, "backup.conf"), os.path.join(folder, "backup.log")], check=True, stdout=sys.stderr)
db = sqlite3.connect(store)
db.execute("ATTACH ? AS other", (os.path.join(folder, "backup.db"),))
with db:
    for table in ("backup_domain", "backup_outage", "backup_recipient", "service_alert"):
        db.execute("INSERT INTO %s SELECT * FROM other.%s" % (table, table))
    db.execute("INSERT OR IGNORE INTO principal SELECT * FROM other.principal WHERE kind = 'mx'")
db.close()
