#!/usr/bin/env python3
"""run.py BIN FILE.scn …: replays scenarios through `abusewatch import` and compares the cases with what the scenario expects.

A scenario is a text file. Lines:
  config TEXT                  a line of abusewatch.conf (networks, detectors, …); the rest is filled in
  customer A,B,C,D,E           a line of customers.csv
  geo prefix,country,asn       a line of the geo CSV
  mail start=T every=D count=N account=A|host=IP|uid=U ip=IP sender=S to=R[,R] [status=S] [reply=TEXT] [bad=K]
                               N messages; {n} in a value is the number of the message, {n%7} its remainder, {n//3} a third of it.
                               status: sent (default), bounced, deferred. bad=K: only every K-th is refused, the others are sent.
                               Mail for a domain whose second MX we are, or any other mail that waits or comes back:
                               relay=NAME[IP]: the server that answers. error=TEXT wait=D retry=D: until D is over there is no answer but that
                               error, every retry; expires=yes: then it is given up instead. bounce=yes: who wrote a refused message gets
                               a notice.
                               subject=S: a header check logs it. id=I: the message-id.
  session start=T every=D count=N client=IP server=IP [helo=NAME] [sender=S] [to=R,R] [reply=TEXT] [bad=K] [body=TEXT] [attachment=NAME] [port=25]
                               N captured SMTP sessions; {n} as above, also in addresses. reply: what every recipient is told (every K-th session's, else it
                               is taken and there is a message). mail=no: it greets and leaves. tls=yes: encrypted after STARTTLS.
                               auth=yes, vrfy=yes: it logs in, it asks whether the first recipient exists. esmtp=no early=yes quit=no pipelined=yes: manners. data=no: no message is sent.
                               answer=no: nobody answers the SYN. banner=TEXT: what follows the code; keywords=STARTTLS,SIZE: of the EHLO reply
  lines start=T every=D count=N TEXT     N log lines "postfix/TEXT", or TEXT where it begins with "roundcube: "; {n} as above
  dnsbl start=T [every=D count=N] target=A zone=Z verdict=V [kind=K] [code=127.0.0.2] [points=N] [meaning="…"] [text="…"] [asked=yes]
                               what the probe says; without target=: how the list itself is (reason="…")
  log LINE                     a log line as it is
  expect case KIND=ID [kind=K] [customer=C] [level>=L] [before=T] [after=T] [state=S] [reopened=N] [detectors=a,b]
                               [with=ID: it belongs to the case about ID; with=nobody: to none] [without=a,b: detectors that do not speak]
                               [since=T: first seen] [sources=A,B: addresses that it shows] [domain="D N/R": of N recipients there R were refused] [guard="part of one that applied"]
                               [least=NAME:N] [most=NAME:N: so many nats of a detector] [peak<=N: a peak score below N] [text="part of what a detector says"] [evidence="part of a line"]
  expect silent KIND=ID        no case about it
  expect outage DOMAIN begin=T [end=T]   an outage of the primary that began within five minutes of T (and ended so)
  expect alert DOMAIN KIND [after=T] [before=T] [text="part of it"]
  expect quiet DOMAIN          no outage and no alert
  expect cases N               so many cases in all
  expect volume [messages=N] [recipients=N] [sent=N] [deferred=N] [bounced=N] [rejected=N] [auth_failed=N]   what the overview counts in all
  expect policy RULE KIND=ID [count=N] [largest=N] [days=N] [customer=C] [line="part of it"]   a policy finding, of all days together
  expect listing TARGET ZONE state=S [since=T] [verdict=V] [named=N] [cause=ID]     what is held of a pair now
  expect past TARGET ZONE since=T [until=T] [cause=ID]                              an entry of the history (without until=: it lasts)
  expect change WHAT [TARGET] ZONE [after=T] [before=T] [tell=yes|no]               what people hear of: one such change
  expect no change [WHAT]
  expect risk TARGET level=L|none [reason="part of one"] [cause=ID] [points>=N]
  expect no policy RULE [KIND=ID]                         none of that rule (about it)
  expect network WHAT [ADDRESS] [after=T] [before=T] [was=TEXT] [now=TEXT] [text="part of it"]   one such fact about the network or a server
  expect no network [WHAT] [ADDRESS]
"""
import json, os, re, sqlite3, subprocess, sys, tempfile
from datetime import datetime, timedelta, timezone

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "capture"))
import wire  # noqa: E402

# What an expectation may say: a misspelt word would expect nothing.
WORDS = {"case": "kind customer level> before after state reopened detectors with without since sources domain guard least most peak< text evidence", "outage": "begin end",
         "alert": "after before text", "policy": "count largest days customer line", "listing": "state since verdict named cause", "past": "since until cause",
         "volume": "messages recipients sent deferred bounced rejected auth_failed", "change": "after before tell", "risk": "level reason cause points>", "network": "after before was now text"}
LEVELS = ["suspected", "likely", "confirmed"]
UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text):
    return timedelta(seconds=float(text[:-1]) * UNIT[text[-1]])


def fill(text, n):
    return re.sub(r"\{(n[^}]*)\}", lambda m: str(eval(m.group(1), {"__builtins__": {}}, {"n": n})), text)


def words(line):
    """key=value pairs; a value with spaces stands in quotes."""
    return dict(re.findall(r'(\w+[<>]?)="?((?<=")[^"]*|[^\s"]+)"?', line))


def stamp(t):
    return t.strftime("%b ") + f"{t.day:2d}" + t.strftime(" %H:%M:%S")


class Log:
    def __init__(self):
        self.lines, self.serial = [], 0

    def add(self, t, text):
        program = "" if text.startswith("roundcube: ") else "postfix/"
        self.lines.append((t, len(self.lines), f"{stamp(t)} mx1 {program}{text}"))

    def queue_id(self):
        self.serial += 1
        return f"{0xA00000000 + self.serial * 7:X}"

    def accepted(self, t, w, n, q, sender, count):
        if "uid" in w:
            self.add(t, f"pickup[77]: {q}: uid={w['uid']} from=<{sender}>")
        else:
            ip = fill(w.get("ip", w.get("host", "")), n)
            sasl = f", sasl_method=PLAIN, sasl_username={w['account']}" if "account" in w else ""
            self.add(t, f"smtpd[11]: {q}: client=unknown[{ip}]{sasl}")
        self.add(t, f"cleanup[12]: {q}: message-id=<{fill(w.get('id', str(self.serial) + '@isp.example'), n)}>")
        if "subject" in w:
            self.add(t, f"cleanup[12]: {q}: info: header Subject: {fill(w['subject'], n)} from unknown[192.0.2.1]; from=<{sender}> to=<x@y.example> proto=ESMTP helo=<x>")
        self.add(t, f"qmgr[13]: {q}: from=<{sender}>, size={fill(w.get('size', '1200'), n)}, nrcpt={count} (queue active)")

    def no_answer(self, t, w, q, rcpts):
        """Tries until `wait` is over; returns when the next one is due."""
        end = t + duration(w["wait"])
        while t < end:
            for r in rcpts:
                self.add(t, f"smtp[14]: {q}: to=<{r}>, relay=none, delay=30, delays=0.1/0/30/0, dsn={w.get('dsn', '4.4.1')}, "
                            f"status=deferred ({w['error']})")
            t += duration(w.get("retry", "30m"))
        return t

    def notice(self, t, q, sender):
        child = self.queue_id()
        self.add(t, f"bounce[15]: {q}: sender non-delivery notification: {child}")
        self.add(t, f"cleanup[12]: {child}: message-id=<{self.serial}@isp.example>")
        self.add(t, f"qmgr[13]: {child}: from=<>, size=3000, nrcpt=1 (queue active)")
        domain = sender.split("@")[1]
        t += timedelta(seconds=1)
        self.add(t, f"smtp[14]: {child}: to=<{sender}>, relay=mx.{domain}[192.0.2.26]:25, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 Ok)")
        self.add(t, f"qmgr[13]: {child}: removed")

    def mail(self, t, w, n):
        q = self.queue_id()
        sender = fill(w.get("sender", w.get("account", "www@isp.example")), n).strip("<>")
        rcpts = [fill(r, n) for r in w["to"].split(",")]
        bad = w.get("status", "sent") != "sent" and n % int(w.get("bad", "1")) == 0
        self.accepted(t, w, n, q, sender, len(rcpts))
        if "wait" in w:
            t = self.no_answer(t, w, q, rcpts)
        if w.get("expires") == "yes":
            self.add(t, f"qmgr[13]: {q}: from=<{sender}>, status=expired, returned to sender")
            self.add(t, f"qmgr[13]: {q}: removed")
            return
        for r in rcpts:
            relay = fill(w.get("relay", f"mx.{r.split('@')[1]}[192.0.2.25]"), n)
            status = w["status"] if bad else "sent"
            reply = fill(w.get("reply", "550 5.1.1 User unknown"), n) if bad else "250 2.0.0 Ok"
            dsn = reply.split()[1] if bad else "2.0.0"
            text = f"host {relay} said: {reply} (in reply to RCPT TO command)" if bad else reply
            self.add(t, f"smtp[14]: {q}: to=<{r}>, relay={relay}:25, delay=0.2, delays=0.1/0/0/0.1, dsn={dsn}, status={status} ({text})")
        if bad and w["status"] == "bounced" and w.get("bounce") == "yes" and sender:
            self.notice(t, q, sender)
        if w.get("status") != "deferred" or not bad:
            self.add(t, f"qmgr[13]: {q}: removed")

    def text(self):
        return "".join(l + "\n" for _, _, l in sorted(self.lines, key=lambda x: x[:2]))


def dnsbl(t, w, n):
    row = {k: fill(w[k], n) for k in ("target", "zone", "verdict", "kind", "code", "meaning", "text", "reason") if k in w}
    row["at"] = t.isoformat() + "Z"
    if "points" in w:
        row["points"] = int(w["points"])
    if w.get("asked") == "yes":
        row["asked"] = True
    return row


def talk(w, n):
    """The two sides' lines of one session."""
    get = lambda key, default: fill(w.get(key, default), n)
    bad = "reply" in w and n % int(w.get("bad", "1")) == 0
    helo, out = get("helo", "mail.customer.example"), []
    say = lambda who, text: out.append((who, (text + "\r\n").encode()))
    if w.get("early") != "yes":
        say("S", "220 " + get("banner", "mx.peer.example ESMTP"))
    say("C", ("HELO " if w.get("esmtp") == "no" else "EHLO ") + helo)
    keywords = [k for k in get("keywords", "").split(",") if k]
    names = ["mx.peer.example", *keywords]
    say("S", ("220 mx.peer.example\r\n" if w.get("early") == "yes" else "") + "\r\n".join("250" + ("-" if k is not names[-1] else " ") + k for k in names))
    if w.get("tls") == "yes":
        say("C", "STARTTLS")
        say("S", "220 go")
        return out + [("C", b"\x16\x03\x01\x00\xfa" + b"\1" * 250), ("S", b"\x16\x03\x03\x04\x00" + b"\2" * 1024), ("C", b"\x17\x03\x03\x0e\x10" + b"\7" * 3600), ("S", b"\x17\x03\x03\x00\x80" + b"\x08" * 128)]
    if w.get("mail") == "no":
        say("C", "QUIT")
        say("S", "221 bye")
        return out
    if w.get("auth") == "yes":
        say("C", "AUTH PLAIN AGFubgBzZWNyZXQ=")
        say("S", "235 2.7.0 Ok")
    if w.get("vrfy") == "yes":
        say("C", "VRFY " + get("to", "a@peer.example"))
        say("S", "252 2.0.0 perhaps")
    envelope = ["MAIL FROM:<" + get("sender", "x@customer.example") + ">"] + ["RCPT TO:<" + r + ">" for r in get("to", "a@peer.example").split(",")]
    answers = ["250 2.1.0 Ok"] + [get("reply", "") if bad else "250 2.1.5 Ok"] * (len(envelope) - 1)
    if w.get("pipelined") == "yes":
        say("C", "\r\n".join(envelope))
        say("S", "\r\n".join(answers))
    else:
        for c, r in zip(envelope, answers):
            say("C", c)
            say("S", r)
    if not bad and w.get("data") != "no":
        say("C", "DATA")
        say("S", "354 go")
        head = "Subject: " + get("subject", "hello") + "\r\n"
        if "attachment" in w:
            head += 'Content-Type: application/octet-stream; name="' + get("attachment", "") + '"\r\n'
        say("C", head + "\r\n" + get("body", "Some text {n}.") + "\r\n.")
        say("S", "250 2.0.0 Ok")
    if w.get("quit") != "no":
        say("C", "QUIT")
        say("S", "221 bye")
    return out


def session(w, n, t, serial):
    port = 20000 + serial % 40000  # lines of a scenario must not share connections
    ends = dict(client=fill(w["client"], n), server=fill(w["server"], n), cport=port, sport=int(w.get("port", "25")), at=t.replace(tzinfo=timezone.utc).timestamp())
    if w.get("answer") == "no":
        return wire.conversation([], **ends)[:1]
    return wire.conversation(talk(w, n), isn=(1000 * serial + 1, 77 * serial + 5), **ends)


def load(path):
    s = {"config": [], "customers": [], "geo": [], "expect": [], "packets": [], "listings": [], "log": Log(), "sessions": 0}
    for raw in open(path, encoding="utf-8"):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        verb, _, rest = line.partition(" ")
        if verb == "config":
            s["config"].append(rest)
        elif verb == "customer":
            s["customers"].append(rest)
        elif verb == "geo":
            s["geo"].append(rest)
        elif verb == "expect":
            s["expect"].append(rest)
        elif verb == "dnsbl":
            w = words(rest)
            t = datetime.fromisoformat(w["start"])
            for n in range(int(w.get("count", "1"))):
                s["listings"].append(dnsbl(t, w, n))
                t += duration(w.get("every", "1h"))
        elif verb == "log":
            t = datetime.strptime("2026 " + rest[:15], "%Y %b %d %H:%M:%S")
            s["log"].lines.append((t, len(s["log"].lines), rest))
        elif verb == "lines":
            head, text = re.match(r"((?:(?:start|every|count)=\S+ )+)(.*)", rest).groups()
            w = words(head)
            t = datetime.fromisoformat(w["start"])
            for n in range(int(w["count"])):
                s["log"].add(t, fill(text, n))
                t += duration(w["every"])
        elif verb == "session":
            w = words(rest)
            t = datetime.fromisoformat(w["start"])
            for n in range(int(w.get("count", "1"))):
                s["packets"] += session(w, n, t, s["sessions"])
                s["sessions"] += 1
                t += duration(w.get("every", "1m"))
        elif verb == "mail":
            w = words(rest)
            t = datetime.fromisoformat(w["start"])
            for n in range(int(w.get("count", "1"))):
                s["log"].mail(t, w, n)
                t += duration(w.get("every", "1h"))
        else:
            raise SystemExit(f"{path}: unknown verb {verb}")
    return s


def replay(binary, s, folder):
    conf = os.path.join(folder, "test.conf")
    with open(os.path.join(folder, "customers.csv"), "w") as f:
        f.write("customer,contact,language,kind,value\n" + "".join(c + "\n" for c in s["customers"]))
    with open(os.path.join(folder, "geo.csv"), "w") as f:
        f.write("prefix,country,asn\n" + "".join(g + "\n" for g in s["geo"]))
    with open(conf, "w") as f:
        f.write('store = "t.db"\nlocal-domains = { "isp.example" }\ncustomers = "customers.csv"\ngeo = { "geo.csv" }\n')
        f.write('source "mx1" { type = "file" path = "mail.log" mta = "postfix" timezone = "UTC" }\n')
        f.write("".join(c + "\n" for c in s["config"]))
        if not any(c.startswith("networks") for c in s["config"]):
            f.write('networks = { "198.18.0.0/15" }\n')
    with open(os.path.join(folder, "mail.log"), "w") as f:
        f.write(s["log"].text())
    more = []
    if s["listings"]:
        more = ["--listings", os.path.join(folder, "listings.ndjson")]
        with open(more[1], "w") as f:
            f.write("".join(json.dumps(r) + "\n" for r in s["listings"]))
    files = [os.path.join(folder, "mail.log")] if s["log"].lines or not s["packets"] else []
    if s["packets"]:
        files.append(os.path.join(folder, "mail.pcap"))
        with open(files[-1], "wb") as f:
            f.write(wire.pcap(sorted(s["packets"], key=lambda p: p.at)))
    run = subprocess.run([binary, "import", "-c", conf, *more, *files], capture_output=True, text=True)
    if run.returncode:
        return None, run.stderr.strip()
    s["store"] = os.path.join(folder, "t.db")
    run = subprocess.run([binary, "cases", "-c", conf, "--format", "ndjson"], capture_output=True, text=True)
    if run.returncode:
        return None, run.stderr.strip()
    return [json.loads(l) for l in run.stdout.splitlines()], ""


def when(text):
    t = datetime.fromisoformat(text)
    return t if t.tzinfo else t.replace(tzinfo=timezone.utc)


def service(expect, path):
    """What the store says about a backup domain; like check()."""
    verb, domain, *rest = expect.split()
    w = words(expect)
    db = sqlite3.connect(path)
    outages = [(utc(b), e and utc(e)) for b, e in db.execute("SELECT begin_us, end_us FROM backup_outage WHERE domain = ? ORDER BY begin_us", (domain,))]
    alerts = db.execute("SELECT kind, at_us, text FROM service_alert WHERE domain = ? ORDER BY id", (domain,)).fetchall()
    db.close()
    if verb == "quiet":
        return f"outages {[str(b) for b, _ in outages]}, alerts {[a[0] for a in alerts]}" if outages or alerts else None
    near = lambda a, b: abs(a - when(b)) <= timedelta(minutes=5)
    if verb == "outage":
        if not any(near(b, w["begin"]) and (near(e, w["end"]) if e and "end" in w else not e and "end" not in w) for b, e in outages):
            return f"outages {[(str(b), str(e)) for b, e in outages]}"
        return None
    mine = [a for a in alerts if a[0] == rest[0]]
    if len(mine) != 1:
        return f"{len(mine)} such alerts among {[a[0] for a in alerts]}"
    at, text = utc(mine[0][1]), mine[0][2]
    if ("after" in w and at < when(w["after"])) or ("before" in w and at > when(w["before"])):
        return f"given at {at}"
    return None if w.get("text", "") in text else f"says {text}"


def policy(expect, path):
    """What the store says about a policy rule; like check()."""
    none = expect.startswith("no ")
    rule, *about = expect.removeprefix("no ").removeprefix("policy ").split()
    kind, _, ident = about[0].partition("=") if about else ("", "", "")
    w = words(expect)
    db = sqlite3.connect(path)
    rows = db.execute("SELECT count, largest, day, customer, line, kind || '=' || id FROM policy_finding WHERE rule = ? AND (? = '' OR (kind = ? AND id = ?)) ORDER BY day",
                      (rule, kind, kind, ident)).fetchall()
    db.close()
    if none:
        return f"{len(rows)} findings, of {rows[0][5]}: {rows[0][4]}" if rows else None
    found = {"count": sum(r[0] for r in rows), "largest": max((r[1] for r in rows), default=0), "days": len(rows), "customer": rows[0][3] if rows else ""}
    for key, value in found.items():
        if key in w and str(value) != w[key]:
            return f"{key} {value}"
    return None if rows and any(w.get("line", "") in r[4] for r in rows) else "none" if not rows else f"lines {[r[4] for r in rows]}"


def wrong(row, want):
    """The first of want's values that row has not; a list must hold it."""
    for key, value in want.items():
        have = row.get(key)
        if key == "cause" and value not in [b["id"] for b in have] or key == "reason" and not any(value in r for r in row["reasons"]):
            return f"{key} {have if key == 'cause' else row['reasons']}"
        if key in ("since", "until") and (not have or abs(utc(have) - when(value)) > timedelta(minutes=1)):
            return f"{key} {have and utc(have)}"
        if key in ("state", "verdict", "level", "named") and str(have) != value:
            return f"{key} {have}"
    return None


def block_lists(expect, path):
    """What the store says about block lists; like check()."""
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    names = [x for x in expect.split() if "=" not in x]
    w = words(expect)
    if names[0] == "no":
        rows = db.execute("SELECT what, target, zone FROM listing_change WHERE ? = '' OR what = ?", (names[2] if len(names) > 2 else "",) * 2).fetchall()
        db.close()
        return f"{[tuple(r) for r in rows]}" if rows else None
    if names[0] == "change":
        risk = names[1] == "imminent"  # of a target alone
        target = names[2] if len(names) > 3 or risk else ""
        rows = [dict(r) for r in db.execute("SELECT at_us, tell FROM listing_change WHERE what = ? AND target = ? AND zone = ? AND (tell OR NOT ?)", (names[1], target, "" if risk else names[-1], risk))]
        db.close()
        if len(rows) != 1:
            return f"{len(rows)} such changes"
        at = utc(rows[0]["at_us"])
        late = ("after" in w and at < when(w["after"])) or ("before" in w and at > when(w["before"]))
        return f"at {at}" if late else f"tell {rows[0]['tell']}" if "tell" in w and (w["tell"] == "yes") != bool(rows[0]["tell"]) else None
    if names[0] == "risk":
        rows = [dict(r) for r in db.execute("SELECT risk AS level, risk_points, reasons, cause FROM listing_target WHERE target = ?", names[1:2])]
        for r in rows:
            r["reasons"] = json.loads(r["reasons"])
    elif names[0] == "listing":
        rows = [dict(r, since=r["since_us"]) for r in db.execute("SELECT * FROM listing WHERE target = ? AND zone = ?", names[1:3])]
    else:
        rows = [dict(r, since=r["since_us"], until=r["until_us"]) for r in db.execute("SELECT * FROM listing_past WHERE target = ? AND zone = ?", names[1:3])]
        rows = [r for r in rows if not wrong(r, {"since": w["since"]})]
        if rows and ("until" in w) != bool(rows[0]["until"]):
            db.close()
            return f"until {rows[0]['until'] and utc(rows[0]['until'])}"
    db.close()
    for r in rows:
        r["cause"] = json.loads(r["cause"])
    if not rows or rows[0].get("level") == "":
        return None if w.get("level") == "none" else "none"
    if "points>" in w and rows[0]["risk_points"] < int(w["points>"]):
        return f"{rows[0]['risk_points']} points: {rows[0]['reasons']}"
    return wrong(rows[0], w)


def volume(expect, path):
    """What the overview adds up to; like check()."""
    db = sqlite3.connect(path)
    for column, want in words(expect).items():
        have = db.execute(f"SELECT sum({column}) FROM volume").fetchone()[0]
        if have != int(want):
            db.close()
            return f"{column} {have}"
    db.close()
    return None


def network(expect, path):
    """What the store says about mail servers' software and the network; like check()."""
    names = [x for x in re.sub(r'\w+="[^"]*"', "", expect).split() if "=" not in x]
    none, w = names[0] == "no", words(expect)
    names = names[2 if none else 1:] + ["", ""]
    db = sqlite3.connect(path)
    rows = db.execute("SELECT at_us, before, after, text FROM network_event WHERE (? = '' OR what = ?) AND (? = '' OR address = ?) ORDER BY at_us",
                      (names[0], names[0], names[1], names[1])).fetchall()
    mute = db.execute("SELECT text FROM network_event WHERE what <> 'software' EXCEPT SELECT text FROM service_alert WHERE kind = 'network'").fetchall()
    db.close()
    if mute:
        return f"no letter about {mute}"
    if names[0] == "ended" and "was" in w:
        rows = [r for r in rows if r[1] == w["was"]]
    if none or len(rows) != 1:
        return f"{[r[3] for r in rows]}" if rows else None if none else "none"
    at, was, now, text = utc(rows[0][0]), *rows[0][1:]
    if ("after" in w and at < when(w["after"])) or ("before" in w and at > when(w["before"])):
        return f"at {at}"
    return None if w.get("was", was) == was and w.get("now", now) == now and w.get("text", "") in text else f"{was!r} to {now!r}: {text}"


def utc(us):
    return datetime.fromtimestamp(us / 1e6, timezone.utc)


def check(expect, cases, store):
    """None when it holds, else what is wrong."""
    verb, _, rest = expect.partition(" ")
    strange = set(words(expect)) - set(WORDS.get(verb, "").split()) - {"account", "host", "script", "domain", "own_ip", "mx"}
    if strange:
        return f"does not know {', '.join(sorted(strange))}"
    if verb in ("outage", "alert", "quiet"):
        return service(expect, store)
    if verb == "policy" or expect.startswith("no policy "):
        return policy(expect, store)
    if verb == "volume":
        return volume(rest, store)
    if verb == "network" or expect.startswith("no network"):
        return network(expect, store)
    if verb in ("listing", "past", "change", "risk") or expect.startswith("no change"):
        return block_lists(expect, store)
    if verb == "cases":
        return None if len(cases) == int(rest) else f"{len(cases)} cases instead of {rest}"
    kind, _, ident = rest.split()[0].partition("=")
    mine = [c for c in cases if c["principal"] == {"kind": kind, "id": ident}]
    if verb == "silent":
        return f"case {mine[0]['id']} about {ident}: {mine[0]['sentence']}" if mine else None
    if not mine:
        return f"no case about {ident}"
    c, w = mine[0], words(rest)
    if "kind" in w and w["kind"] != c["kind"]:
        return f"kind {c['kind']}"
    speaking = {d["name"] for d in c["detectors"]} & set(w.get("without", "").split(","))
    if speaking:
        return f"with {', '.join(sorted(speaking))}"
    if "with" in w and [o["principal"]["id"] for o in cases if o["id"] == c.get("parent")] != ([] if w["with"] == "nobody" else [w["with"]]):
        return f"belongs to case {c.get('parent')}"
    if "level>" in w and LEVELS.index(c["level"]) < LEVELS.index(w["level>"]):
        return f"level {c['level']}"
    if "peak<" in w and c["peak_score"] >= float(w["peak<"]):
        return f"peak {c['peak_score']}"
    if "before" in w and when(c["opened_at"]) > when(w["before"]):
        return f"opened at {c['opened_at']}"
    if "after" in w and when(c["opened_at"]) < when(w["after"]):
        return f"opened at {c['opened_at']}"
    if "customer" in w and c["customer"] != w["customer"]:
        return f"customer {c['customer'] or 'unknown'}"
    for key in ("state", "reopened"):
        if key in w and str(c[key]) != w[key]:
            return f"{key} {c[key]}"
    if "since" in w and abs(when(c["first_seen"]) - when(w["since"])) > timedelta(minutes=1):
        return f"first seen {c['first_seen']}"
    if "sources" in w and sorted(s["ip"] for s in c["sources"]) != sorted(filter(None, w["sources"].split(","))):
        return f"sources {[s['ip'] for s in c['sources']]}"
    if "domain" in w:
        name, _, counts = w["domain"].partition(" ")
        row = sqlite3.connect(store).execute("SELECT recipients || '/' || refused FROM case_domain WHERE case_id = ? AND domain = ?", (c["id"], name)).fetchone()
        if row != (counts,):
            return f"domain {name}: {row}"
    if not any(w.get("guard", "") in g for g in c["guards"] or [""]):
        return f"guards {c['guards']}"
    missing = set(filter(None, w.get("detectors", "").split(","))) - {d["name"] for d in c["detectors"]}
    if missing:
        return f"without {', '.join(sorted(missing))}"
    scores = {d["name"]: d["score"] for d in c["detectors"]}
    for key, wrong_way in (("least", lambda have, want: have < want), ("most", lambda have, want: have > want)):
        name, _, nats = w.get(key, "").partition(":")
        if name and wrong_way(scores.get(name, 0), float(nats)):
            return f"{name} {scores.get(name, 0)}"
    said = [c["sentence"], *(d["why"] for d in c["detectors"])]
    if c["sentence"] in c["also"] or len(set(c["also"])) < len(c["also"]):
        return f"says it twice: {c['sentence']} {c['also']}"
    if w.get("text", "") not in " ".join(said):
        return f"says {said}"
    if not any(w.get("evidence", "") in e["line"] for e in c["evidence"]):
        return f"evidence {[e['line'] for e in c['evidence']]}"
    if not c["sentence"] or not c["evidence"]:
        return "a case must have a sentence and evidence"
    return None


def main():
    binary, bad = sys.argv[1], 0
    for path in sys.argv[2:]:
        name = os.path.basename(path)[:-4]
        s = load(path)
        with tempfile.TemporaryDirectory() as folder:
            cases, error = replay(binary, s, folder)
            wrong = [error] if cases is None else [f"{e}: {x}" for e in s["expect"] if (x := check(e, cases, s["store"]))]
        if not s["expect"]:
            wrong.append("expects nothing")
        print(f"not ok replay {name} - {'; '.join(wrong)}" if wrong else f"ok replay {name}")
        bad += bool(wrong)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
