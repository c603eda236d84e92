#!/usr/bin/env python3
"""run.py ABUSEWATCH [WORK-FOLDER]: the conversations of talks.py through `abusewatch capture`: whole, cut into other segments, in every link layer and
file format, in another order, repeated, and with packets missing: then the session is the same, or says that there is a gap."""
import json
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

from talks import SECRETS, TALKS, b64
from wire import ACK, LINKS, Packet, conversation, fragmented, lossy, pcap, pcapng, repeated, shuffled, with_time

AW = sys.argv[1] if len(sys.argv) > 1 else "abusewatch"
SEEDS = int(os.environ.get("CAPTURE_SEEDS", "40"))  # how often each kind of disorder is tried, about
WORK = sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()
# What depends on how packets came, not on what was said.
UNSTEADY = ("first_time", "last_time", "end", "client_bytes", "server_bytes", "retransmits", "overlaps", "lost_bytes", "client_port")


def ok(name):
    print(f"ok {name}", flush=True)


def not_ok(name, why):
    print(f"not ok {name} - {str(why)[:400]}", flush=True)


def result(name, faults):
    if faults:
        not_ok(name, f"{len(faults)}: {faults[0]}")
        print("\n".join(map(str, faults[:40])), file=sys.stderr)
    else:
        ok(name)


def capture(data, *options, name="t.pcap", check=True):
    path = os.path.join(WORK, name)
    with open(path, "wb") as f:
        f.write(data)
    r = subprocess.run([AW, "capture", "-r", path, "--format", "ndjson", *options], capture_output=True)
    if check and (r.returncode or r.stderr):
        raise RuntimeError(f"exit {r.returncode}: {r.stderr.decode()}")
    return [json.loads(line) for line in r.stdout.splitlines()]


def steady(s):
    return {k: v for k, v in s.items() if k not in UNSTEADY}


def differs(want, got, at=""):
    """The first place where got lacks something of want, or ''."""
    if isinstance(want, dict):
        for k, v in want.items():
            if k not in got:
                return f"{at}.{k} is missing"
            d = differs(v, got[k], f"{at}.{k}")
            if d:
                return d
        return ""
    if isinstance(want, list):
        if len(want) != len(got):
            return f"{at}: {len(want)} wanted, {len(got)} there"
        return next((d for d in (differs(w, g, f"{at}[{i}]") for i, (w, g) in enumerate(zip(want, got))) if d), "")
    return "" if want == got else f"{at}: {want!r} wanted, {got!r} there"


def each(lines, changes):
    """What is captured of a conversation after each of the changes: a second and a port apart in one file, as starting a program takes longer than reading."""
    packets, ports = [], range(40000, 40000 + len(changes))
    for port, change in zip(ports, changes):
        packets += change(conversation(lines, mss=300, cport=port, at=1700000000.0 + port - ports[0]))
    got = capture(pcap(packets))
    return [[s for s in got if s["client_port"] == port] for port in ports]


def whole():
    sessions = {}
    for name, (lines, want) in TALKS.items():
        got = capture(pcap(conversation(lines)))
        fault = differs(want, got[0]) if len(got) == 1 else f"{len(got)} sessions"
        if not fault and got[0]["gap"]:
            fault = "a gap"
        result(f"capture {name}", [fault] if fault else [])
        sessions[name] = steady(got[0])
    return sessions


def segments(sessions):
    faults = []
    for name, (lines, _) in TALKS.items():
        for mss in (1, 2, 3, 7, 100, 536):
            if mss < 8 and sum(len(d) for _, d in lines) > 3000:
                continue
            got = capture(pcap(conversation(lines, mss=mss)))
            if len(got) != 1 or steady(got[0]) != sessions[name]:
                faults.append(f"{name} in segments of {mss}: {differs(sessions[name], got[0])}")
        for isn in ((0xffffffff, 0xfffffffe), (0xffffff00, 0x7fffffff)):
            got = capture(pcap(conversation(lines, isn=isn)))
            if len(got) != 1 or steady(got[0]) != sessions[name]:
                faults.append(f"{name} where sequence numbers wrap: {differs(sessions[name], got[0])}")
    result("capture, other segments and sequence numbers", faults)


def links(sessions):
    lines = TALKS["one message"][0]
    six = dict(client="2001:db8::10", server="2001:db8:1::25")
    for link, (_, _, tunnel) in LINKS.items():
        options = ["--tunnels"] if tunnel else []
        faults = []
        for end, addresses in (("IPv4", {}), ("IPv6", six)):
            if link in ("loopback", "ppp", "ipip") and end == "IPv6":
                continue
            got = capture(pcap(conversation(lines, **addresses), link), *options)
            want = dict(sessions["one message"], **({"client_ip": six["client"], "server_ip": six["server"]} if addresses else {}))
            if len(got) != 1 or steady(got[0]) != want:
                faults.append(f"{end}: {differs(want, got[0]) if got else 'no session'}")
        result(f"capture {link}", faults)
    for name, addresses in (("IPv4", {}), ("IPv6", six)):
        got = capture(pcap(fragmented(conversation(lines, **addresses))))
        good = len(got) == 1 and got[0]["messages"] == sessions["one message"]["messages"] and not got[0]["gap"]
        result(f"capture fragments of {name}", [] if good else [got])


def formats(sessions):
    packets = conversation(TALKS["one message"][0])
    plain = pcap(packets)
    for name, data in (("pcap, big endian", pcap(packets, swapped=True)), ("pcap, nanoseconds", pcap(packets, nanoseconds=True)), ("pcapng", pcapng(packets))):
        got = capture(data)
        result(f"capture {name}", [] if len(got) == 1 and got == capture(plain) else [got])
    for tool in ("gzip", "zstd", "xz"):
        packed = subprocess.run([tool, "-c"], input=plain, capture_output=True, check=True).stdout
        result(f"capture {tool}", [] if capture(packed) == capture(plain) else ["another session"])
    r = subprocess.run([AW, "capture", "-r", "-", "--format", "ndjson"], input=plain, capture_output=True)
    result("capture from a pipe", [] if json.loads(r.stdout) == capture(plain)[0] else [r])


def disorder(sessions):
    faults, same, gaps = [], 0, 0
    for name, (lines, _) in TALKS.items():
        want = steady(capture(pcap(conversation(lines, mss=300)))[0])
        for seed in range(max(2, SEEDS // 3)):
            ways = {"shuffled": lambda p: shuffled(p, 5, seed), "repeated": lambda p: repeated(p, 0.3, seed), "shuffled and repeated": lambda p: shuffled(repeated(p, 0.3, seed), 4, seed)}
            for how, got in zip(ways, each(lines, list(ways.values()))):
                if len(got) == 1 and steady(got[0]) == want:
                    same += 1
                elif len(got) == 1 and got[0]["gap"]:
                    gaps += 1
                    faults.append(f"{name}, {how} by seed {seed}: a gap although nothing is missing") if how == "repeated" else None
                else:
                    faults.append(f"{name}, {how} by seed {seed}: {differs(want, got[0]) or 'more than was said' if len(got) == 1 else len(got)}")
    result(f"capture in another order, and repeated ({same} the same, {gaps} with a gap)", faults)
    result("capture in another order is mostly the same", [] if same > 20 * gaps else [f"{same} the same, {gaps} with a gap"])


def loss():
    faults, same, gaps = [], 0, 0
    for name, (lines, _) in TALKS.items():
        want = steady(capture(pcap(conversation(lines, mss=300)))[0])
        for seed in range(SEEDS):
            for got in each(lines, [lambda p: lossy(p, 0.02, seed), lambda p: lossy(p, 0.1, seed), lambda p: shuffled(lossy(p, 0.02, seed), 4, seed)]):
                if len(got) == 1 and steady(got[0]) == want:
                    same += 1
                elif all(g["gap"] for g in got):
                    gaps += 1
                else:
                    faults.append(f"{name}, loss by seed {seed}: {differs(want, got[0]) or 'more than was said' if len(got) == 1 else len(got)}")
    result(f"capture with packets missing ({same} the same, {gaps} with a gap)", faults)


def one_sided():
    faults = []
    for name, (lines, _) in TALKS.items():
        packets = conversation(lines, mss=300)
        for who in ("192.0.2.10", "198.51.100.25"):
            got = capture(pcap([p for p in packets if p.src == who]))
            if len(got) != 1 or not got[0].get("one_sided"):
                faults.append(f"{name}: {got}")
    got = capture(pcap([p for p in conversation(TALKS["one message"][0]) if p.src == "192.0.2.10"]))[0]
    fault = differs({"quit": True, "helo": "client.example", "commands": 6, "messages": [{"sender": "a@a.example", "subject": "hello there"}]}, got)
    result("capture of one direction", faults + ([fault] if fault else []))
    packets = conversation(TALKS["one message"][0])
    got = capture(pcap(packets[9:]))
    result("capture from the middle", [] if len(got) == 1 and got[0]["gap"] and got[0]["mid_stream"] and got[0]["quit"] else [got])
    again = conversation(TALKS["one message"][0]) + conversation(TALKS["auth login"][0], at=1700000100.0, isn=(77777, 88888))
    got = capture(pcap(again))
    result("capture of the same ports again", [] if len(got) == 2 and got[1].get("account") else [got])


def passwords():
    """No secret, as it is or encoded, in any output, also when segments cut it or come in another order."""
    needles = [s.encode() for s in SECRETS] + [b64(s)[i:-4] for s in SECRETS for i in (0,)] + [b64("\0anna\0" + SECRETS[0])[12:-4], b"0123456789abcdef0123456789abcdef"]
    faults = []
    for name, (lines, _) in TALKS.items():
        if not name.startswith("auth"):
            continue
        for changed in (conversation(lines), conversation(lines, mss=5), shuffled(conversation(lines, mss=9), 6, 1), lossy(conversation(lines, mss=9), 0.2, 2),
                        [p for p in conversation(lines) if p.src == "192.0.2.10"], conversation(lines)[7:], conversation(lines)[9:]):
            path = os.path.join(WORK, "secret.pcap")
            with open(path, "wb") as f:
                f.write(pcap(changed))
            for form in ("ndjson", "table", "csv"):
                r = subprocess.run([AW, "capture", "-r", path, "--format", form], capture_output=True)
                faults += [f"{name} shows {n}" for n in needles if n in r.stdout + r.stderr]
    result("no password in what is printed", faults)


def store():
    """Import: twice gives what once gave; whatever a session said, no secret is in the store."""
    folder = os.path.join(WORK, "store")
    os.makedirs(folder, exist_ok=True)
    conf = os.path.join(folder, "t.conf")
    with open(conf, "w") as f:
        f.write('store = "t.db"\nnetworks = { "198.18.0.0/15" }\nlocal-domains = { "isp.example" }\nsource "m" { path = "mail.log" }\n')
    packets = []
    for i, name in enumerate(sorted(TALKS) * 4):
        packets += conversation(TALKS[name][0], client="198.18.5.7", server=f"203.0.{i}.25", cport=20000 + i, at=1700000000 + 20 * i)
    path = os.path.join(folder, "mail.pcap")
    with open(path, "wb") as f:
        f.write(pcap(packets))

    def run(*words):
        r = subprocess.run([AW, *words, "-c", conf], capture_output=True, text=True)
        return r.stdout if r.returncode == 0 else f"exit {r.returncode}: {r.stderr}"

    def rows():
        db = sqlite3.connect(os.path.join(folder, "t.db"))
        out = [db.execute(q).fetchall() for q in ("SELECT kind, id, messages, recipients, state FROM principal ORDER BY 1, 2", "SELECT * FROM dialogue ORDER BY 1, 2, 3, 4")]
        db.close()
        return out

    run("import", path)
    once, seen = rows(), run("cases", "--format", "ndjson")
    run("import", path)
    result("captures imported twice are the same", [] if once[0] and once[1] and rows() == once and run("cases", "--format", "ndjson") == seen else [once, rows()])
    needles = [t.encode() for t in SECRETS] + [b64(t)[:-4] for t in SECRETS] + [b"0123456789abcdef0123456789abcdef"]
    faults = []
    for d, _, files in os.walk(folder):
        for name in files:
            data = open(os.path.join(d, name), "rb").read()
            faults += [f"{n} in {name}" for n in needles if n in data and name != "mail.pcap"]
    result("no password in the store", faults)
    os.unlink(os.path.join(folder, "t.db"))
    shutil.rmtree(os.path.join(folder, "t.db.d"))
    with open(path, "wb") as f:  # one damaged packet of 2106
        f.write(pcap([with_time(p, 4294967000) if i == 12 else p for i, p in enumerate(packets)]))
    run("import", path)
    db = sqlite3.connect(os.path.join(folder, "t.db"))
    got = db.execute("SELECT count(*), count(DISTINCT at_us), max(at_us) / 1000000 FROM dialogue").fetchone()
    db.close()
    result("a packet of the next century moves no session there", [] if got[0] > 5 and got[1] > 5 and got[2] < time.time() else [got])


def failing(name, data, want, *options):
    """A capture that is damaged: exit 1, a sentence with the file's name, and what came before."""
    path = os.path.join(WORK, "bad.pcap")
    with open(path, "wb") as f:
        f.write(data)
    r = subprocess.run([AW, "capture", "-r", path, "--format", "ndjson", *options], capture_output=True, timeout=60)
    said, n = r.stderr.decode(), len(r.stdout.splitlines())
    good = r.returncode == 1 and said.startswith(f"abusewatch: {path}: ") and said.count("\n") == 1 and n == want
    result(f"capture of {name}", [] if good else [f"exit {r.returncode}, {n} sessions: {said}"])


def hostile():
    packets = conversation(TALKS["one message"][0])
    whole, ng = pcap(packets), pcapng(packets)
    failing("an empty file", b"", 0)
    failing("a text file", b"From nobody\n" * 20, 0)
    failing("a truncated file", whole[:-5], 1)
    failing("a file cut in a packet's header", whole[:24 + 7], 0)
    failing("an absurd length", whole + struct.pack("<IIII", 1, 1, 1 << 30, 1 << 30), 1)
    failing("an unknown link type", whole[:20] + struct.pack("<I", 147) + whole[24:], 0)
    failing("a truncated pcapng", ng[:-5], 1)
    failing("a pcapng block of no length", ng + struct.pack("<III", 6, 4, 4), 1)
    failing("a pcapng packet of no interface", ng + struct.pack("<IIIIIIII", 6, 32, 9, 0, 0, 0, 0, 32), 1)
    failing("a damaged gzip", subprocess.run(["gzip", "-c"], input=whole, capture_output=True, check=True).stdout[:-20], 1)
    r = subprocess.run([AW, "capture", "-r", "/nonexistent/x.pcap"], capture_output=True, text=True)
    result("capture of no file", [] if r.returncode == 1 and "/nonexistent/x.pcap" in r.stderr else [r])
    for words in ([], ["-r", "a", "-i", "b"], ["-r", "a", "--expression", "not a filter ("], ["-r", "a", "--format", "x"], ["-r", "a", "b"], ["-r", "a", "--memory", "1"]):
        r = subprocess.run([AW, "capture", *words], capture_output=True, text=True)
        result(f"capture {' '.join(words) or 'without a word'} is wrong use", [] if r.returncode == 2 and r.stderr.startswith("abusewatch: ") else [r])
    rnd = random.Random(7)
    faults = []
    for seed in range(40):  # bits that tip over in the packets themselves
        bad = bytearray(whole)
        for _ in range(30):
            bad[rnd.randrange(40, len(bad))] ^= 1 << rnd.randrange(8)
        r = subprocess.run([AW, "capture", "-r", "-"], input=bytes(bad), capture_output=True, timeout=60)
        if r.returncode not in (0, 1):
            faults.append(f"exit {r.returncode}")
    result("capture of damaged packets", faults)


def statistics_of(data, *options):
    path = os.path.join(WORK, "s.pcap")
    with open(path, "wb") as f:
        f.write(data)
    r = subprocess.run([AW, "capture", "-r", path, "--format", "ndjson", "--statistics", *options], capture_output=True, text=True, check=True)
    return [json.loads(l) for l in r.stdout.splitlines()], {k: int(v) for k, v in (l.split() for l in r.stderr.splitlines())}


def floods():
    """Half-open floods, more sessions than there is memory for, and lies about sequence numbers."""
    talk = conversation(TALKS["one message"][0], step=0.5)
    syns = [conversation([], client=f"198.18.{i >> 8 & 255}.{i & 255}", cport=1024 + i % 60000, at=1700000000.5 + i / 10000)[0] for i in range(60000)]
    got, stats = statistics_of(pcap(sorted(talk + syns, key=lambda p: p.at)))
    good = len(got) == 1 and not got[0]["gap"] and stats["memory_peak_bytes"] < 10 << 20 and stats["unanswered"] >= 59990
    result("capture in a flood of SYNs keeps its session", [] if good else [len(got), stats])
    many = []
    for i in range(6000):
        many += conversation(TALKS["one message"][0][:-3], client=f"198.18.{i >> 8}.{i & 255}", cport=2000 + i, at=1700000000 + i / 1000, end=None)
    got, stats = statistics_of(pcap(sorted(many, key=lambda p: p.at)), "--memory", "2M")
    wrong = [s for s in got if not s["gap"] and not s["quit"]]
    good = stats["evicted"] > 1000 and stats["memory_peak_bytes"] <= 2 << 20 and len(got) == 6000 and all(s.get("evicted") or s["gap"] for s in got)
    result(f"capture with too little memory ends the quietest ({stats['evicted']}) and says so", [] if good else [len(got), wrong[:1], stats])
    liar = conversation(TALKS["one message"][0])
    lies = [with_time(p, p.at) for p in liar]
    for p in liar[5:12]:
        far = with_time(p, p.at + 0.0001)
        far.seq = (far.seq + (1 << 28)) & 0xffffffff
        far.payload = b"QUIT\r\n"
        lies.append(far)
    got, stats = statistics_of(pcap(sorted(lies, key=lambda p: p.at)))
    good = len(got) == 1 and got[0]["gap"] and got[0]["messages"] == capture(pcap(liar))[0]["messages"]
    result("capture does not follow a lie about sequence numbers", [] if good else [got])
    crumbs = conversation(TALKS["one message"][0])[:4]
    for i in range(30000, 0, -1):  # single bytes far behind a hole, the last first
        crumbs.append(Packet(1700000000.5 + (30000 - i) / 1e6, "192.0.2.10", "198.51.100.25", 40000, 25, 1001 + 2 * i, 5001, ACK, b"x"))
    began = time.monotonic()
    got, stats = statistics_of(pcap(crumbs))
    good = len(got) == 1 and got[0]["gap"] and stats["memory_peak_bytes"] < 1 << 20 and time.monotonic() - began < 10
    result("capture of crumbs out of order stays small", [] if good else [stats, time.monotonic() - began])
    second = with_time(liar[5], liar[5].at + 0.00001)
    second.payload = b"EHLO somebody.else\r\n"[:len(second.payload)]
    held = liar[:4] + [second] + liar[4:]
    got = capture(pcap(held))
    result("capture: the first of two versions wins", [] if len(got) == 1 and got[0]["helo"].startswith("somebody") else [got])


def config():
    """`-c CONF`: what the section capture says; an attachment whose name ends as a program's is told."""
    conf = os.path.join(WORK, "c.conf")

    def section(text):
        with open(conf, "w") as f:
            f.write('store = "c.db"\nnetworks = { "198.18.0.0/15" }\nlocal-domains = { "isp.example" }\ncapture "a" { interface = "nosuch0" %s }\n' % text)
        return "-c", conf

    def mail(name):
        head = f'Subject: hello\r\nContent-Type: application/octet-stream; name="{name}"\r\n\r\nx\r\n.\r\n'.encode()
        return [("S", b"220 x\r\n"), ("C", b"HELO a.example\r\n"), ("S", b"250 x\r\n"), ("C", b"MAIL FROM:<a@a.example>\r\n"), ("S", b"250 ok\r\n"),
                ("C", b"RCPT TO:<b@b.example>\r\n"), ("S", b"250 ok\r\n"), ("C", b"DATA\r\n"), ("S", b"354 go\r\n"), ("C", head), ("S", b"250 ok\r\n"),
                ("C", b"QUIT\r\n"), ("S", b"221 bye\r\n")]

    faults = []
    for name, program in (("a.exe", True), ("a.PIF", True), ("photo.scr. ", True), ("a.txt", False), ("exe", False), (".exe", False), ("a.exe.txt", False), ("a.bat", True)):
        got = capture(pcap(conversation(mail(name))))[0]
        if got.get("program", False) != program:
            faults.append(f"{name}: {got}")
    result("capture tells programs by their names", faults)
    own = section('programs = { ".iso", ".tar.gz" }')
    faults = [name for name, program in (("a.iso", True), ("a.tar.GZ", True), ("a.exe", False)) if capture(pcap(conversation(mail(name))), *own)[0].get("program", False) != program]
    result("capture -c: programs", faults)
    hidden = capture(pcap(conversation(mail("a.txt"))), *section(""))[0]["messages"][0]
    shown = capture(pcap(conversation(mail("a.txt"))), *section("subjects = true"))[0]["messages"][0]
    result("capture -c: subjects", [] if "subject" not in hidden and hidden.get("subject_hash") and shown.get("subject") == "hello" else [hidden, shown])
    odd = pcap(conversation(mail("a.txt"), sport=2626))
    result("capture -c: ports", [] if not capture(odd) and len(capture(odd, *section('ports = "2626"'))) == 1 else ["not by the section's ports"])
    r = subprocess.run([AW, "capture", "-r", os.path.join(WORK, "t.pcap"), *section('programs = { "exe" }')], capture_output=True, text=True)
    result("capture -c: a mistake in the config", [] if r.returncode == 1 and "c.conf:4" in r.stderr and not r.stdout else [r])


def main():
    sys.stdout.reconfigure(line_buffering=True)
    sessions = whole()
    segments(sessions)
    links(sessions)
    formats(sessions)
    disorder(sessions)
    loss()
    one_sided()
    passwords()
    store()
    hostile()
    floods()
    config()


if __name__ == "__main__":
    main()
