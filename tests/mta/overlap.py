#!/usr/bin/env python3
"""Several files are one stream in the order of their times, in whatever order they are named: rotated ones follow one
another, those of several hosts are read line by line side by side."""
import json, os, subprocess, sys

aw, out = sys.argv[1:]


def write(name, lines):
    path = os.path.join(out, name)
    with open(path, "w") as f:
        f.write("".join(l + "\n" for l in lines))
    return path


def message(host, second, qid, rcpt):
    t = "2026-11-20T10:%02d:%02d+00:00 %s postfix/" % (second // 60, second % 60, host)
    return [t + "smtpd[1]: %s: client=x.example[192.0.2.1]" % qid, t + "cleanup[1]: %s: message-id=<%s@x>" % (qid, qid),
            t + "qmgr[1]: %s: from=<a@x.example>, size=1, nrcpt=1 (queue active)" % qid,
            t + "smtp[1]: %s: to=<%s>, relay=m.example[192.0.2.2]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (ok)" % (qid, rcpt),
            t + "qmgr[1]: %s: removed" % qid]


def messages(*files):
    r = subprocess.run([aw, "messages", *files], capture_output=True)
    return [(m["host"], m["queue_id"], m["complete"]) for m in map(json.loads, r.stdout.splitlines())]


def check(name, good):
    print("ok " + name if good else "not ok %s - see tests/mta/overlap.py" % name)


a = [m for i in range(50) for m in message("a", i * 4, "A%09X" % i, "r%d@y.example" % i)]
b = [m for i in range(50) for m in message("b", i * 4 + 2, "A%09X" % i, "r%d@y.example" % i)]
fa, fb = write("host-a.log", a), write("host-b.log", b)
want = sorted(messages(write("both.log", sorted(a + b, key=lambda l: l[:19]))))
got = messages(fa, fb)
check("two hosts side by side", sorted(got) == want and len(got) == 100 and [g[0] for g in got] == ["a", "b"] * 50)
check("named in the other order", messages(fb, fa) == got)
r = [write("rot.log.%d" % i, a[i * 83:(i + 1) * 83]) for i in range(4)]  # messages are cut in two
check("rotated files in any order", messages(r[2], r[0], r[3], r[1]) == messages(fa))
