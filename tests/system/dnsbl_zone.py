#!/usr/bin/env python3
"""dnsbl_zone.py BIN: what `abusewatch export dnsbl-zone` writes, as a real rbldnsd serves it and dig sees it. Skips without rbldnsd and dig."""
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

BIN = os.path.join(sys.argv[1], "abusewatch")
ZONE = "hosts.isp.example"
FAILED = []


def check(name, good, why=""):
    print(f"ok dnsbl-zone: {name}" if good else f"not ok dnsbl-zone: {name} - {why}", flush=True)
    if not good:
        FAILED.append(name)


def reverse(ip):
    if ":" not in ip:
        return ".".join(reversed(ip.split(".")))
    return ".".join(reversed(socket.inet_pton(socket.AF_INET6, ip).hex()))


def add_case(db, number, ip, level="confirmed", state="open", kind="infected-host", principal="host"):
    at = (1764000000 + number) * 1000000
    db.execute("INSERT INTO acase (id, kind, principal_kind, principal_id, customer, state, level, severity, score, peak_score, threshold, first_seen_us, opened_us, updated_us,"
               " sentence) VALUES (?, ?, ?, ?, 'A secret customer', ?, ?, 'high', 1, 1, 1, ?, ?, ?, 'It\nsends.')", (number, kind, principal, ip, state, level, at, at, at))


def run(folder, *args):
    return subprocess.run([BIN, "export", "-c", os.path.join(folder, "t.conf"), *args], capture_output=True, text=True)


class Server:
    """rbldnsd, and what it answers."""

    def __init__(self, file):
        self.port = random.randint(20000, 60000)
        self.p = subprocess.Popen(["rbldnsd", "-n", *(["-u", "nobody"] if os.geteuid() == 0 else []), "-c", "1s", "-b", f"127.0.0.1/{self.port}",
                                   f"{ZONE}:combined:{file}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        limit = time.time() + 10
        while time.time() < limit and not self.dig("127.0.0.2"):
            time.sleep(0.1)

    def dig(self, ip, kind="A"):
        name = ZONE if not ip else f"{reverse(ip)}.{ZONE}"
        r = subprocess.run(["dig", "+short", "+tries=1", "+time=1", "-p", str(self.port), "@127.0.0.1", name, kind], capture_output=True, text=True)
        return r.stdout.strip() if r.returncode == 0 and ";;" not in r.stdout else ""

    def stop(self):
        self.p.terminate()
        return self.p.communicate(timeout=10)[0]


def main():
    if not shutil.which("rbldnsd") or not shutil.which("dig"):
        print("skip dnsbl-zone - rbldnsd or dig is not installed")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # rbldnsd refuses to be root
        with open(os.path.join(folder, "t.conf"), "w") as f:
            f.write('store = "t.db"\nnetworks = { "198.18.0.0/15", "2001:db8::/32" }\negress = { "198.18.9.9", "2001:db8:9::/64" }\nsource "mx1" { path = "mail.log" mta = "postfix" }\n')
        with open(os.path.join(folder, "none.ndjson"), "w"):
            pass
        made = subprocess.run([BIN, "import", "-c", os.path.join(folder, "t.conf"), "--listings", os.path.join(folder, "none.ndjson")], capture_output=True, text=True)
        check("an import of no listings makes a store", made.returncode == 0, made.stderr)
        db = sqlite3.connect(os.path.join(folder, "t.db"))
        add_case(db, 1, "198.18.0.1")
        add_case(db, 2, "2001:db8::25")
        add_case(db, 3, "198.18.0.3", level="likely")
        add_case(db, 4, "198.18.0.4", state="closed")
        add_case(db, 5, "198.18.9.9")
        add_case(db, 6, "2001:db8:9::5")
        add_case(db, 7, "eve@isp.example", principal="account", kind="stolen-account")
        add_case(db, 8, "198.18.0.8", kind="listing")
        add_case(db, 9, "198.18.0.9", state="acknowledged", kind="open-relay")
        db.commit()
        file = os.path.join(folder, "hosts.zone")
        r = run(folder, "dnsbl-zone", "--zone-name", ZONE, "--ttl", "2m", "-o", file)
        check("it is written", r.returncode == 0 and r.stdout == "" and os.stat(file).st_mode & 0o777 == 0o644, r.stderr)
        text = open(file).read()
        check("no customer, no account in it", "secret" not in text and "eve@" not in text and "sends" not in text, text)
        s = Server(file)
        want = {"127.0.0.2": "127.0.0.2", "127.0.0.1": "", "::ffff:7f00:2": "127.0.0.2", "::ffff:7f00:1": "", "198.18.0.1": "127.0.0.2", "2001:db8::25": "127.0.0.2",
                "2001:db8::26": "", "198.18.0.2": "", "198.18.0.3": "", "198.18.0.4": "", "198.18.9.9": "", "2001:db8:9::5": "", "198.18.0.8": "", "198.18.0.9": "127.0.0.2"}
        got = {ip: s.dig(ip) for ip in want}
        check("rbldnsd serves it: test entries, hosts of both families, nobody else", got == want, str({k: v for k, v in got.items() if v != want[k]}))
        check("the text says which case", s.dig("198.18.0.1", "TXT") == '"infected-host, case 1, since 2025-11-24T16:00Z"', s.dig("198.18.0.1", "TXT"))
        check("SOA and NS", ZONE in s.dig("", "SOA") and s.dig("", "NS") == "localhost.", s.dig("", "SOA"))
        r = run(folder, "dnsbl-zone", "--level", "likely", "-o", file)
        limit = time.time() + 10
        while time.time() < limit and not s.dig("198.18.0.3"):
            time.sleep(0.2)
        check("another level, taken over by itself", s.dig("198.18.0.3") == "127.0.0.2" and s.dig("198.18.0.1") == "127.0.0.2", r.stderr)
        said = s.stop()
        check("rbldnsd does not complain", "error" not in said.lower() and "invalid" not in said.lower() and "warning" not in said.lower() and "glue" not in said, said)
        check("nothing is left beside it", sorted(x for x in os.listdir(folder) if x.startswith("hosts")) == ["hosts.zone"], str(os.listdir(folder)))
        before = open(file).read()
        r = run(folder, "dnsbl-zone", "-o", os.path.join(folder, "no", "such", "x.zone"))
        check("a folder that is not there is said", r.returncode == 1 and "x.zone" in r.stderr and open(file).read() == before, r.stderr)
        for args in (["--level", "sure", "dnsbl-zone"], ["--ttl", "0", "dnsbl-zone"], ["--zone-name", "a b\n$TTL 1", "dnsbl-zone"], ["--level", "likely", "cases"],
                     ["--since", "2h", "dnsbl-zone"]):
            r = run(folder, *args)
            check("wrong use: " + " ".join(args).replace("\n", " "), r.returncode == 2 and r.stdout == "" and "Traceback" not in r.stderr, f"{r.returncode} {r.stderr}")
        out = run(folder, "dnsbl-zone").stdout
        check("on standard output", "$DATASET ip4set @" in out and "198.18.0.1 " in out, out)
    return 1 if FAILED else 0


sys.exit(main())
