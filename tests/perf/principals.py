#!/usr/bin/env python3
"""principals.py STORE [N]: makes N principals (a million) out of those of a store, with their states, and says how long the next import into it
takes to begin and what it reads: restart must not depend on how many there are. The store is changed: give a copy."""
import os
import sqlite3
import subprocess
import sys
import time


def fill(path, n):
    db = sqlite3.connect(path)
    have = db.execute("SELECT count(*) FROM principal").fetchone()[0]
    rows = db.execute("SELECT kind, customer, score, first_us, last_us, messages, recipients, bounced, state, today FROM principal WHERE score = 0").fetchall()
    with db:
        for i in range(max(0, n - have)):
            kind, *rest = rows[i % len(rows)]
            db.execute("INSERT INTO principal (kind, id, customer, score, first_us, last_us, messages, recipients, bounced, state, today) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                       (kind, "made-up-%d@isp.example" % i, *rest))
    n, mean = db.execute("SELECT count(*), avg(length(state)) FROM principal").fetchone()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    print("%d principals, %.0f bytes of state each, %.0f MB of database" % (n, mean, os.path.getsize(path) / 1e6))


def main():
    store, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1000000
    fill(store, n)
    folder = os.path.dirname(os.path.abspath(store))
    conf = os.path.join(folder, "principals.conf")
    with open(conf, "w") as f:
        f.write('store = "%s"\nnetworks = { "198.18.0.0/15" }\nsource "other" { path = "none.log" mta = "postfix" timezone = "UTC" }\n' % os.path.basename(store))
    log = os.path.join(folder, "one-line.log")
    with open(log, "w") as f:
        f.write("Nov 25 00:00:00 mx1 postfix/smtpd[1]: connect from unknown[192.0.2.1]\n")
    binary = os.path.join(os.environ.get("BIN", "build/bin"), "abusewatch")
    began = time.time()
    r = subprocess.run(["/usr/bin/time", "-f", "%M", binary, "import", "-c", conf, log], capture_output=True, text=True)
    print("opening, one line, closing: %.2f s, %.0f MB of memory" % (time.time() - began, int(r.stderr.split()[-1]) / 1e3))


if __name__ == "__main__":
    main()
