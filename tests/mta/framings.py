#!/usr/bin/env python3
"""framings.py BIN TOP DATA - one log in everything that lines may be wrapped in: the same records and messages as from the plain file.
framings.py --seeds TOP FOLDER - that log, wrapped, as seeds for the fuzzer: FOLDER/<framing>/."""
import json, os, re, struct, subprocess, sys

aw, top, data = sys.argv[1:]
LINE = re.compile(rb"<\d+>1 (\S+) (\S+) (\S+) (\S+) - -  ?(.*)", re.S)
plain = open(os.path.join(top, "tests/mta/postfix/filter.log"), "rb").read().splitlines()
odd = b"<22>1 2026-11-23T08:00:00.000001+00:00 mx postfix/smtpd 9 - - NOQUEUE: reject: RCPT from h.example[203.0.113.9]: 550 5.1.1 <caf\xe9@isp.example>: User unknown; from=<a@b.example> to=<caf\xe9@isp.example> proto=SMTP helo=<x>"
lines = plain + [odd] + [re.sub(rb"T07:", b"T09:", l) for l in plain]


def run(command, text):
    p = subprocess.run([aw, command, "--year", "2026", "--timezone", "UTC", "-"], input=text, capture_output=True)
    return p.stdout + b"".join(l for l in p.stderr.splitlines(True) if b"skipped" in l)


def parts(line):
    return LINE.fullmatch(line).groups()


def text(b):
    return b.decode("utf-8", "surrogateescape")


def dump(o):
    """JSON with raw bytes where Python has surrogates, as loggers write what they were given."""
    return json.dumps(o, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape") + b"\n"


def docker(line, i):
    pieces = [line + b"\n"] if i % 5 else [line[k:k + 30] for k in range(0, len(line), 30)] + [b"\n"]
    return b"".join(dump({"log": text(p), "stream": "stdout", "time": "2026-11-23T06:00:00.123456789Z"}) for p in pieces)


def docker_bare(line, i):
    """A container that writes no stamps."""
    time, _, program, pid, message = parts(line)
    return dump({"log": text(program + b"[" + pid + b"]: " + message + b"\n"), "stream": "stderr", "time": text(time)})


def cri(line, i):
    pieces = [line] if i % 5 else [line[k:k + 30] for k in range(0, len(line), 30)]
    return b"".join(b"2026-11-23T06:00:00.123456789Z stdout %s %s\n" % (b"F" if k == len(pieces) - 1 else b"P:x" if k else b"P", p) for k, p in enumerate(pieces))


def cri_bare(line, i):
    time, _, program, pid, message = parts(line)
    return time + b" stderr F " + program + b"[" + pid + b"]: " + message + b"\n"


def compose(line, i):
    return b"postfix-mailcow-1  | %s\n" % line


def docker_times(line, i):
    return b"2026-11-23T06:00:00.123456789Z %s\n" % line


def compose_bare(line, i):
    time, _, program, pid, message = parts(line)
    return b"mail | " + time + b" " + program + b"[" + pid + b"]: " + message + b"\n"


def kubectl(line, i):
    return b"[pod/mail-0/postfix] " + (docker_times(line, i) if i % 2 else line + b"\n")


def micros(line):
    import datetime
    t = datetime.datetime.fromisoformat(text(parts(line)[0]))
    return (t - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def journal_json(line, i):
    _, host, program, pid, message = parts(line)
    try:
        m = message.decode()
    except UnicodeDecodeError:
        m = list(message)
    if i % 7 == 0:
        m = list(message)
    return dump({"__CURSOR": "s=1;i=%x" % i, "__REALTIME_TIMESTAMP": str(micros(line) + 700), "_SOURCE_REALTIME_TIMESTAMP": str(micros(line)), "PRIORITY": "6",
                 "_HOSTNAME": text(host), "SYSLOG_IDENTIFIER": text(program), "SYSLOG_PID": text(pid), "_PID": "1", "MESSAGE": m, "X": None, "Y": [{"a": "}"}]})


def export(line, i):
    _, host, program, pid, message = parts(line)
    binary = i % 3 == 0 or b"\xe9" in message
    said = b"MESSAGE\n" + struct.pack("<Q", len(message)) + message if binary else b"MESSAGE=" + message
    return b"__CURSOR=s=1;i=%x\n__REALTIME_TIMESTAMP=%d\n_PID=1\nSYSLOG_PID=%s\nBLOB\n%s\n_HOSTNAME=%s\nSYSLOG_IDENTIFIER=%s\n%s\n\n" % (
        i, micros(line), pid, struct.pack("<Q", 10) + b"\n\nMESSAGE=x"[:10], host, program, said)


def generic(line, i):
    time, host, program, pid, message = parts(line)
    shapes = [
        {"@timestamp": text(time), "host": {"name": text(host), "ip": ["192.0.2.1"]}, "process": {"name": text(program), "pid": int(pid)}, "message": text(message)},
        {"time": text(time), "hostname": text(host), "program": text(program), "pid": text(pid), "msg": text(message), "nested": {"message": "no"}},
        {"timestamp": micros(line) / 1e6 if i % 2 else micros(line), "host": text(host), "syslogtag": text(program + b"[" + pid + b"]:"), "message": text(message)},
        {"message": text(line), "log": "not this"},
    ]
    return dump(shapes[i % 4])


def octet(line, i):
    line += b"\n" if i % 2 else b""
    return b"%d %s" % (len(line), line)


def heads(line):
    """Other heads that daemons give a line: name, bytes."""
    import datetime
    time, host, program, pid, message = parts(line)
    t = datetime.datetime.fromisoformat(text(time))
    tag = host + b" " + program + b"[" + pid + b"]: "
    return {
        "short-precise": t.strftime("%b %e %H:%M:%S.%f ").encode() + tag + message,
        "short-unix": b"%d.%06d " % divmod(micros(line), 1000000) + tag + message,
        "BusyBox": time + b" " + host + b" mail.info " + program + b"[" + pid + b"]: " + message,
        "no host": time + b" " + program + b"[" + pid + b"]: " + message,
        "host like a date": time + b" mail-eu-01 " + program + b"[" + pid + b"]: " + message,
        "s6": b"mail.info: " + time + b" " + tag + message,
        "Solaris": time + b" " + tag + b"[ID 197553 mail.info] " + message,
    }


if aw == "--seeds":
    for framing, how in (("docker", docker), ("docker", docker_bare), ("cri", cri), ("cri", cri_bare), ("console", compose), ("console", compose_bare), ("console", kubectl), ("json", journal_json), ("json", generic), ("export", export), ("octet", octet)):
        os.makedirs(os.path.join(data, framing), exist_ok=True)
        for i in range(0, len(lines), 2):
            with open(os.path.join(data, framing, "%s-%d" % (how.__name__, i)), "wb") as f:
                f.write(b"".join(how(l, j) for j, l in enumerate(lines[i:i + 1 + i % 5], i)))
    for kind in ("json", "logfmt"):
        os.makedirs(os.path.join(data, "haraka"), exist_ok=True)
        for i, line in enumerate(open(os.path.join(top, "tests/mta/haraka/%s.log" % kind), "rb").read().splitlines(True)[::9]):
            with open(os.path.join(data, "haraka", "%s-%d" % (kind, i)), "wb") as f:
                f.write(line)
    sys.exit()

want = {c: run(c, b"\n".join(lines) + b"\n") for c in ("parse", "messages")}


def check(name, raw):
    for command in want:
        got = run(command, raw)
        if name in ("docker_bare", "cri_bare", "compose_bare", "no host"):  # nothing names the host
            got = got.replace(b'"host":"localhost"', b'"host":"mx"')
        got = got.replace(b'"host":"mail-eu-01"', b'"host":"mx"')
        if got == want[command]:
            print("ok framing %s %s" % (name, command))
        else:
            a, b = want[command].splitlines(), got.splitlines()
            differ = [(x, y) for x, y in zip(a, b) if x != y]
            print("not ok framing %s %s - %d lines and %d, %s" % (name, command, len(a), len(b), differ[:1]))


wrappers = [docker, docker_bare, cri, cri_bare, compose, compose_bare, docker_times, kubectl, journal_json, export, generic, octet]
for w in wrappers:
    check(w.__name__, b"".join(w(l, i) for i, l in enumerate(lines)))
for head in heads(lines[0]):
    check(head, b"".join(heads(l)[head] + b"\n" for l in lines))
check("crlf", b"\r\n".join(lines) + b"\r\n")
check("octet without an end", b"".join(octet(l, 0) for l in lines))
mixed = [lambda l, i: docker(l, 1), lambda l, i: cri(l, 1), compose, docker_times, journal_json, generic, lambda l, i: l + b"\n", lambda l, i: b"%d %s\n" % (len(l) + 1, l)]
check("plain and wrapped lines", lines[0] + b"\n" + b"".join(mixed[i % len(mixed)](l, i) for i, l in enumerate(lines[1:])))
check("octets and plain lines", b"".join(octet(l, 1) if i % 3 else l + b"\n" for i, l in enumerate(lines, 1)))


def stray(junk, where=20):
    """Junk among plain lines must cost no line but itself."""
    raw = b"\n".join(lines[:where] + junk + lines[where:]) + b"\n"
    got = run("messages", raw)
    got = b"".join(l for l in got.splitlines(True) if b"skipped" not in l)
    return got == b"".join(l for l in want["messages"].splitlines(True) if b"skipped" not in l)


for name, junk in (("a count in a plain file", [b"99999 <22>1 x"]), ("an open brace", [b"{", b'{"log":"', b'{"message":"\\u12', b'{"a":[[[[[[[']),
                   ("a time beyond all clocks", [b'{"time":99999999999999999999,"message":""}', b'{"timestamp":9223372036854775807,"message":""}']),
                   ("a cursor in a plain file", [b"__CURSOR=x", b"MESSAGE"]), ("half an object", [b'{"log":"x', b'{"message":null}', b'{"message":{"a":1}}'])):
    print(("ok" if stray(junk) else "not ok") + " framing: %s swallows nothing" % name + ("" if stray(junk) else " - messages differ"))



def haraka(name, how, lines, plain):
    """Haraka's JSON and logfmt where its own time is absent, or comes after another head: the same messages."""
    got = re.sub(rb'"host":"(mx|h)"', b'"host":"localhost"', run("messages", b"".join(how(*l.split(b" ", 1)) for l in lines)))
    print(("ok" if got == plain and len(got) > 1000 else "not ok") + " framing: Haraka's %s" % name)


for kind in ("json", "logfmt"):
    own = open(os.path.join(top, "tests/mta/haraka/%s.log" % kind), "rb").read().splitlines()
    plain = open(os.path.join(top, "tests/mta/haraka/%s.txns" % kind), "rb").read()
    for name, how in (("docker", lambda t, l: dump({"log": text(l) + "\n", "stream": "stdout", "time": text(t)})), ("cri", lambda t, l: t + b" stdout F " + l + b"\n"),
                      ("docker logs -t", lambda t, l: t + b" " + l + b"\n"), ("syslog", lambda t, l: t + b" mx haraka[7]: " + l + b"\n"),
                      ("syslog, with its own time", lambda t, l: t + b" mx haraka: 2026-11-27T00:00:00.000Z " + l + b"\n"),
                      ("the journal as JSON", lambda t, l: dump({"_HOSTNAME": "h", "SYSLOG_IDENTIFIER": "haraka", "_PID": "7", "time": text(t), "MESSAGE": text(l)}))):
        haraka("%s, %s" % (kind, name), how, own, plain)
said = [b'2026-11-27T05:03:52.000Z mx %s: warning: header Subject: %s' % (p, o.split(b" ", 1)[1]) for o in (own[5], own[20]) for p in (b"postfix/cleanup[1]", b"harakas[1]")]
said.append(b'2026-11-27T05:03:52.000Z mx postfix/cleanup[1]: {"level":"NOTICE","uuid":"X","origin":"core","message":"connect","ip":"198.51.100.9"}')
unread = subprocess.run([aw, "parse", "--unrecognised", "--timezone", "UTC", "-"], input=b"\n".join(said), capture_output=True).stdout
print("not ok framing: what mail says is taken for Haraka's" if b"[NOTICE]" in unread or b"cleanup[1]: {" not in unread else "ok framing: what mail says is not Haraka's")

# Webmail's own files in a container, which have stamps of their own, and sent on under a tag of syslog: the same records.
for kind in ("roundcube", "sogo", "zimbra"):
    own = [l for l in open(os.path.join(top, "tests/mta/webmail/%s.log" % kind), "rb").read().splitlines() if b" mail1 " not in l and not l.startswith(b"2.0.0 ")]
    plain = run("parse", b"\n".join(own) + b"\n")
    for name, how in (("docker", lambda l: dump({"log": text(l) + "\n", "stream": "stdout", "time": "2026-11-24T00:00:00Z"})), ("cri", lambda l: b"2026-11-24T00:00:00Z stdout F " + l + b"\n")):
        got = run("parse", b"".join(how(l) for l in own))
        print(("ok" if got == plain and got.count(b"auth_") > 5 else "not ok") + " framing: webmail's %s, %s" % (kind, name))
    if kind == "sogo":
        continue
    sent = b"".join(b"2026-11-24T00:00:00Z web1 tag: " + l + b"\n" for l in own)
    got = subprocess.run([aw, "parse", "--mta", "webmail", "-"], input=sent, capture_output=True).stdout
    fields = [[{k: v for k, v in json.loads(l).items() if k not in ("time", "host", "program")} for l in x.splitlines() if l.startswith(b"{")] for x in (got, plain)]
    print(("ok" if fields[0] == fields[1] and fields[0] else "not ok") + " framing: webmail's %s, sent on by syslog" % kind)

folder = os.path.join(data, "lab", "postfix-journald")
if os.path.isdir(folder):
    same = {f: run("messages", open(os.path.join(folder, "journal-%s.txt" % f), "rb").read()) for f in ("json", "export", "short-iso-precise")}
    good = len(set(same.values())) == 1 and len(same["json"]) > 1000
    print("ok framing: a journal as JSON, export and text gives the same" if good else "not ok framing: a journal as JSON, export and text - they differ")
