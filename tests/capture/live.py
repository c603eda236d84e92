#!/usr/bin/env python3
"""live.py BIN-FOLDER WORK-FOLDER: abusewatchd with a capture section in a network namespace: a customer's machine on the other end of a veth pair sends spam
straight to the world's servers, and the case opens within seconds. The capture process must have given up everything by then, and hold no
password that went by. Needs root."""
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

BIN, WORK = sys.argv[1:3]
NS = f"aw{os.getpid()}"
SECRET = b"Qm9ndXMtUGFzc3dvcmQ"  # as it goes over the wire, encoded
CONF = """store = "t.db"
networks = { "198.18.0.0/15" }
local-domains = { "isp.example" }
user = "nobody"
web { enabled = false }
source "mx1" { type = "file" path = "mail.log" mta = "postfix" }
capture "edge" { interface = "%s-r" }
capture "spare" { interface = "%s-s" }
"""


def sh(*command, check=True):
    return subprocess.run(command, check=check, capture_output=True, text=True)


def result(name, fault):
    print(f"not ok {name} - {fault}" if fault else f"ok {name}", flush=True)


def network():
    """The router in its namespace sees the customer (198.18.5.7) and the world (203.0.113.0/24, 192.0.2.0/24: all on the router itself)."""
    sh("ip", "netns", "add", NS)
    sh("ip", "netns", "add", NS + "c")
    sh("ip", "link", "add", NS + "-r", "netns", NS, "type", "veth", "peer", "name", "eth0", "netns", NS + "c")
    in_r, in_c = ("ip", "-n", NS), ("ip", "-n", NS + "c")
    sh(*in_r, "addr", "add", "198.18.5.1/24", "dev", NS + "-r")
    sh(*in_c, "addr", "add", "198.18.5.7/24", "dev", "eth0")
    for n in range(1, 30):
        sh(*in_r, "addr", "add", f"203.0.{n}.25/32", "dev", NS + "-r")
    for side in (in_r, in_c):
        sh(*side, "link", "set", "lo", "up")
    sh(*in_r, "link", "set", NS + "-r", "up")
    sh(*in_c, "link", "set", "eth0", "up")
    sh(*in_c, "route", "add", "default", "via", "198.18.5.1")


SERVER = r"""
import socket, threading
def serve(c):
    f = c.makefile("rwb")
    def say(t): f.write(t.encode() + b"\r\n"); f.flush()
    say("220 mx.world.example ESMTP")
    for line in f:
        v = line[:4].upper()
        if v == b"QUIT": say("221 bye"); break
        say("250-mx.world.example\r\n250 AUTH LOGIN" if v == b"EHLO" else "334 x" if v == b"AUTH" else "535 no" if v == b"QM9N" else "550 5.1.1 no such user" if v == b"RCPT" else "250 ok")
    c.close()
s = socket.create_server(("0.0.0.0", 25), backlog=64)
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"""
BOT = r"""
import socket, sys
for n in range(1, 30):
    c = socket.create_connection((f"203.0.{n}.25", 25), 5)
    f = c.makefile("rwb")
    def say(t):
        f.write(t + b"\r\n"); f.flush()
        while True:
            l = f.readline()
            if l[3:4] != b"-": return
    f.readline()
    say(b"EHLO localhost")
    if n %% 5 == 0:
        say(b"AUTH LOGIN"); say(b"%s")
    say(b"MAIL FROM:<x%%d@forged.example>" %% n); say(b"RCPT TO:<a%%d@world.example>" %% n); say(b"QUIT")
    c.close()
""" % SECRET.decode()


OPEN = r"""
import socket, sys
c = socket.create_connection(("203.0.1.25", 25), 5)
f = c.makefile("rwb")
f.readline()
f.write(b"EHLO localhost\r\n"); f.flush()
f.readline(), f.readline()
f.write(b"MAIL FROM:<x@forged.example>\r\n"); f.flush()
f.readline()
print("open", flush=True)
sys.stdin.read()
"""


def rights_of(pid):
    status = dict(l.split(":", 1) for l in open(f"/proc/{pid}/status") if ":" in l)
    faults = []
    if status["Uid"].split()[0] == "0":
        faults.append("it is root")
    faults += [f"{k} is {status[k].strip()}" for k in ("CapPrm", "CapEff", "CapInh", "CapAmb") if int(status[k], 16)]
    if status["Seccomp"].strip() != "2":
        faults.append("no filter of system calls")
    if status["NoNewPrivs"].strip() != "1":
        faults.append("new privileges are possible")
    return "; ".join(faults)


def memory_has(pid, needles):
    found = set()
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in open(f"/proc/{pid}/maps"):
            span, rights, *_ = line.split()
            if "r" not in rights or "[v" in line:
                continue
            a, b = (int(x, 16) for x in span.split("-"))
            try:
                mem.seek(a)
                data = mem.read(b - a)
            except (OSError, ValueError):
                continue
            found |= {n for n in needles if n in data}
    return found


def cases():
    r = sh(os.path.join(BIN, "abusewatch"), "cases", "-c", os.path.join(WORK, "t.conf"), "--format", "ndjson", check=False)
    return [json.loads(l) for l in r.stdout.splitlines()]


def reported():
    """How many sessions the store has of this capture."""
    with sqlite3.connect(os.path.join(WORK, "t.db")) as db:
        return db.execute("SELECT applied_seq FROM input WHERE source = 'capture:edge'").fetchone()[0]


def reload(client, daemon):
    """Sessions that are open when the config is read again are reported."""
    before = reported()
    open_one = subprocess.Popen([*client, sys.executable, "-c", OPEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    open_one.stdout.readline()
    time.sleep(1)
    daemon.send_signal(signal.SIGHUP)
    end = time.time() + 10
    while reported() == before and time.time() < end:
        time.sleep(0.1)
    result("live capture: a session that is open while it reloads", None if reported() == before + 1 else f"{before} sessions before, {reported()} after")
    open_one.stdin.close()
    open_one.wait(10)


def until(what, seconds=15):
    end = time.time() + seconds
    while not what() and time.time() < end:
        time.sleep(0.1)
    return what()


def capture_pid():
    """Of this test's own config: others may run, too."""
    out = sh("pgrep", "-f", f"^abusewatch-capture -c {WORK}/t.conf", check=False).stdout.split()
    return int(out[0]) if out else None


def interfaces(client, log):
    """One comes later, goes and comes again; the other one's sessions do not suffer by it."""
    inside = ("ip", "-n", NS)
    following = lambda suffix: open(log).read().count(f"following {NS}-{suffix}")
    add = lambda: [sh(*inside, "link", "add", NS + "-s", "type", "veth", "peer", "name", NS + "-t"), sh(*inside, "link", "set", NS + "-s", "up")]
    until(lambda: following("r") == 2)
    time.sleep(1)
    before = following("s")
    add()
    result("live capture of an interface that comes later", None if until(lambda: following("s") > before) else "it is not followed")
    time.sleep(2)
    before, pid = reported(), capture_pid()
    open_one = subprocess.Popen([*client, sys.executable, "-c", OPEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    open_one.stdout.readline()
    time.sleep(1)
    sh(*inside, "link", "del", NS + "-s")
    time.sleep(3)
    fault = None if capture_pid() == pid and reported() == before else "its program ended, or cut the session"
    open_one.stdin.close()
    open_one.wait(10)
    fault = fault or (None if until(lambda: reported() == before + 1) else "the session was not reported")
    result("live capture beside an interface that goes", fault)
    before = following("s")
    add()
    result("live capture of an interface that comes back", None if until(lambda: following("s") > before) else "it is not followed")
    time.sleep(2)
    before = reported()
    open_one = subprocess.Popen([*client, sys.executable, "-c", OPEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    open_one.stdout.readline()
    time.sleep(1)
    again = following("r")
    sh(*inside, "link", "set", NS + "-r", "down")
    result("live capture: a session of an interface that goes down", None if until(lambda: reported() == before + 1) else f"{before} sessions before, {reported()} after")
    sh(*inside, "link", "set", NS + "-r", "up")
    for n in range(1, 30):
        sh(*inside, "addr", "add", f"203.0.{n}.25/32", "dev", NS + "-r", check=False)
    fault = None if until(lambda: following("r") > again) else "it is not followed again"
    time.sleep(2)
    before = reported()
    open_one.kill()
    open_one.wait(10)
    bot = subprocess.run([*client, sys.executable, "-c", BOT], capture_output=True, text=True)
    result("live capture of an interface that is up again", fault or (None if until(lambda: reported() >= before + 29) else f"{reported() - before} of 29 sessions; {bot.stderr[-200:]}"))


def main():
    os.makedirs(WORK, exist_ok=True)
    os.chmod(WORK, 0o777)
    open(os.path.join(WORK, "mail.log"), "w").close()
    with open(os.path.join(WORK, "t.conf"), "w") as f:
        f.write(CONF % (NS, NS))
    inside, client = ("ip", "netns", "exec", NS), ("ip", "netns", "exec", NS + "c")
    server = daemon = None
    try:
        network()
        server = subprocess.Popen([*inside, sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
        server.stdout.readline()
        log = open(os.path.join(WORK, "daemon.log"), "wb")
        daemon = subprocess.Popen([*inside, os.path.join(BIN, "abusewatchd"), "-c", os.path.join(WORK, "t.conf")], stderr=log)
        pid = None
        for _ in range(100):
            if b"following" in open(log.name, "rb").read() and "capture edge" in open(log.name).read():
                pid = capture_pid()
                break
            time.sleep(0.1)
        result("live capture starts", None if pid else open(log.name).read()[-300:])
        if not pid:
            return
        result("live capture has given up its rights", rights_of(pid))
        began = time.time()
        bot = subprocess.run([*client, sys.executable, "-c", BOT], capture_output=True, text=True)
        result("live capture: the bot could talk", bot.stderr[-200:])
        opened = None
        while not opened and time.time() - began < 20:
            opened = next((c for c in cases() if c["principal"] == {"kind": "host", "id": "198.18.5.7"}), None)
            time.sleep(0.2)
        took = time.time() - began
        result(f"live capture: the case opens ({took:.1f} s after the first packet)", None if opened and took < 10 else f"{opened}")
        found = memory_has(pid, [SECRET])
        result("live capture: no password in its memory", f"{found}" if found else None)
        stored = any(SECRET in open(os.path.join(d, f), "rb").read() for d, _, fs in os.walk(WORK) for f in fs if os.path.isfile(os.path.join(d, f)))
        result("live capture: no password in the store or the log", "it is there" if stored else None)
        r = sh(os.path.join(BIN, "abusewatch"), "capture", "-i", "nosuch0", check=False)
        result("live capture of no interface", None if r.returncode == 1 and "no such interface" in r.stderr else r.stderr)
        by_hand = subprocess.Popen([*inside, os.path.join(BIN, "abusewatch"), "capture", "-i", NS + "-r", "--format", "ndjson"], stdout=subprocess.PIPE)
        time.sleep(1)
        sh(*client, sys.executable, "-c", BOT)
        time.sleep(3)
        by_hand.send_signal(signal.SIGINT)
        seen = [json.loads(l) for l in by_hand.communicate(timeout=10)[0].splitlines()]
        good = len(seen) == 29 and all(s["helo"] == "localhost" and not s["gap"] and s["quit"] for s in seen)
        result("live capture by hand", None if good and by_hand.returncode == 0 else f"{len(seen)} sessions, exit {by_hand.returncode}")
        reload(client, daemon)
        interfaces(client, log.name)
        time.sleep(2)
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(20)
        text = open(log.name).read()
        result("live capture ends cleanly", None if daemon.returncode == 0 and "ended by signal" not in text else text[-300:])
    finally:
        for p in (daemon, server):
            if p and p.poll() is None:
                p.terminate()
                p.wait(20)
        sh("ip", "netns", "del", NS, check=False)
        sh("ip", "netns", "del", NS + "c", check=False)


main()
