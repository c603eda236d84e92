#!/usr/bin/env python3
"""probe_stream.py BIN: the analyzer and a probe that comes and goes (played here): clients' addresses are asked about (OBS_ASK), once a day, and again
when the answer was lost with the connection; what it says of watched targets is in the store after kill -9, and saying it twice changes nothing."""
import os
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

BIN = sys.argv[1]
HELLO, RESUME, IDLE, LISTING, ZONE, ASK = 1, 2, 8, 10, 11, 13
FAILED = []


def check(name, good, why=""):
    print(f"ok probe-stream: {name}" if good else f"not ok probe-stream: {name} - {why}", flush=True)
    if not good:
        FAILED.append(name)


def u(v):
    out = bytearray()
    while v >= 0x80:
        out.append(v & 0x7F | 0x80)
        v >>= 7
    out.append(v)
    return bytes(out)


def i(v):
    return u(v << 1)


def t(s):
    b = s.encode()
    return u(len(b) + 1) + b


def frame(kind, payload):
    return struct.pack("<IB", len(payload), kind) + payload


def listing(at, target, zone, verdict=0, kind=0, cause=0, code=0x7F000002, points=8, meaning="exploited", text="why"):
    return frame(LISTING, i(at) + t(target) + t(zone) + u(verdict) + u(kind) + u(cause) + u(code if verdict == 0 else 0) + i(points) + t(meaning) + t(text))


class Probe:
    def __init__(self, path):
        limit = time.time() + 10
        while True:
            self.s = socket.socket(socket.AF_UNIX)
            try:
                self.s.connect(path)
                break
            except OSError:
                if time.time() > limit:
                    raise
                time.sleep(0.1)
        self.buffer = b""
        self.send(frame(HELLO, t("probe")))

    def send(self, b):
        self.s.sendall(b)

    def asked(self, seconds):
        """Targets that were asked about within that time."""
        got, limit = [], time.time() + seconds
        while time.time() < limit:
            self.s.settimeout(max(0.05, limit - time.time()))
            try:
                more = self.s.recv(65536)
            except (TimeoutError, socket.timeout):
                break
            if not more:
                break
            self.buffer += more
            while len(self.buffer) >= 5:
                n, kind = struct.unpack_from("<IB", self.buffer)
                if len(self.buffer) < 5 + n:
                    break
                payload, self.buffer = self.buffer[5:5 + n], self.buffer[5 + n:]
                if kind == ASK:
                    got.append(payload[1:].decode())
        return got

    def close(self):
        self.s.close()


class Program:
    def __init__(self, name, conf, log):
        self.p = subprocess.Popen([os.path.join(BIN, "abusewatch-" + name), "-c", conf], stdout=log, stderr=log)

    def kill(self, how=signal.SIGKILL):
        self.p.send_signal(how)
        self.p.wait()


def rows(folder, sql):
    db = sqlite3.connect(os.path.join(folder, "t.db"))
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def until(what, seconds=10):
    limit = time.time() + seconds
    while time.time() < limit:
        if what():
            return True
        time.sleep(0.1)
    return bool(what())


def mail(folder, n, ip):
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    with open(os.path.join(folder, "mail.log"), "a") as f:
        q = "4F1C2%05X" % n
        f.write(f"{stamp} mx1 postfix/smtpd[11]: {q}: client=unknown[{ip}], sasl_method=PLAIN, sasl_username=eve@isp.example\n"
                f"{stamp} mx1 postfix/qmgr[13]: {q}: from=<eve@isp.example>, size=900, nrcpt=1 (queue active)\n"
                f"{stamp} mx1 postfix/smtp[14]: {q}: to=<a{n}@far.example>, relay=mx.far.example[192.0.2.2]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok)\n"
                f"{stamp} mx1 postfix/qmgr[13]: {q}: removed\n")


def main():
    with tempfile.TemporaryDirectory() as folder:
        conf = os.path.join(folder, "t.conf")
        with open(conf, "w") as f:
            f.write('store = "t.db"\nlocal-domains = { "isp.example" }\nnetworks = { "198.18.0.0/15" }\negress = { "198.51.100.25" }\nrbl { client-check = true }\n'
                    'web { enabled = false }\nsource "mx1" { path = "mail.log" mta = "postfix" timezone = "UTC" }\n')
        open(os.path.join(folder, "mail.log"), "w").close()
        sock = os.path.join(folder, "ingest.sock")
        with open(os.path.join(folder, "log"), "wb") as log:
            analyzer = Program("analyzer", conf, log)
            collector = Program("collector", conf, log)
            probe = Probe(sock)
            check("nothing is asked without need", probe.asked(0.7) == [])
            mail(folder, 1, "203.0.113.9")
            got = probe.asked(3)
            check("an account's new address is asked about", got == ["203.0.113.9"], got)
            mail(folder, 2, "203.0.113.9")
            mail(folder, 3, "198.18.4.4")
            got = probe.asked(1.5)
            check("once a day, and no address of our networks", got == [], got)
            probe.close()
            mail(folder, 4, "203.0.113.10")
            time.sleep(1.0)
            probe = Probe(sock)
            got = sorted(probe.asked(2))
            check("what was lost is asked again when the probe comes", got == ["203.0.113.10", "203.0.113.9"], got)
            now = int(time.time() * 1e6)
            probe.send(listing(now, "203.0.113.9", "xbl.example", cause=1) + listing(now, "203.0.113.10", "xbl.example", verdict=1, cause=1))
            until(lambda: rows(folder, "SELECT score FROM principal WHERE id = 'eve@isp.example' AND score >= 8192"))
            score = rows(folder, "SELECT score FROM principal WHERE id = 'eve@isp.example'")
            check("the answer weighs", score and score[0][0] >= 2 * 4096, score)
            probe.close()
            probe = Probe(sock)
            check("what was answered is not asked again", probe.asked(1) == [])
            first = now - 3600 * 1000000
            probe.send(listing(first - 1000000, "198.51.100.25", "bl.example", verdict=1) + listing(first, "198.51.100.25", "bl.example"))
            check("suspect is kept", until(lambda: rows(folder, "SELECT state FROM listing") == [("suspect",)]), rows(folder, "SELECT * FROM listing"))
            analyzer.kill()
            probe.close()
            analyzer = Program("analyzer", conf, log)
            probe = Probe(sock)
            probe.send(listing(first, "198.51.100.25", "bl.example") * 3)
            time.sleep(1)
            check("said again after kill -9: no news", rows(folder, "SELECT state FROM listing") == [("suspect",)], rows(folder, "SELECT * FROM listing"))
            probe.send(listing(first + 1200 * 1000000, "198.51.100.25", "bl.example"))
            check("the second look lists it", until(lambda: rows(folder, "SELECT state FROM listing") == [("listed",)]), rows(folder, "SELECT * FROM listing"))
            check("and opens a case", until(lambda: rows(folder, "SELECT kind FROM acase WHERE principal_id = '198.51.100.25'") == [("listing",)]), rows(folder, "SELECT * FROM acase"))
            check("one change to tell", rows(folder, "SELECT what, tell FROM listing_change") == [("listed", 1)], rows(folder, "SELECT what, tell FROM listing_change"))
            probe.send(b"\x05\x00\x00\x00\x0ajunk!")
            check("nonsense ends the connection, not the analyzer", probe.asked(2) == [] and analyzer.p.poll() is None, analyzer.p.poll())
            collector.kill(signal.SIGTERM)
            analyzer.kill(signal.SIGTERM)
            check("it ends cleanly", analyzer.p.returncode == 0, analyzer.p.returncode)
        if FAILED:
            sys.stderr.write(open(os.path.join(folder, "log")).read())
    return 1 if FAILED else 0


sys.exit(main())
