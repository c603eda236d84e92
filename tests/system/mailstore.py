#!/usr/bin/env python3
"""mailstore.py drive ADDRESS TRUTH     logs in to a Dovecot by IMAP, POP3 and submission, sends through it and delivers to it by LMTP
mailstore.py check ABUSEWATCH DIR     compares what was done with what abusewatch reads from the recordings in DIR"""
import base64
import json
import os
import smtplib
import socket
import subprocess
import sys
import time

OPTS = ["--year", str(time.gmtime().tm_year), "--timezone", "UTC"]
FATE = {"junk": ("discard", ""), "forward": ("delivery", "friend@ext.example"), "unwanted": ("bounce", "")}  # of mail to bob


# --- the clients ------------------------------------------------------------------------------------------------------


class Talk:
    """A connection of lines."""

    def __init__(self, server, port, source):
        self.s = socket.create_connection((server, port), 10, source_address=(source, 0))
        self.f = self.s.makefile("rb")
        self.f.readline()

    def ask(self, line, tag=b""):
        self.s.sendall(line.encode() + b"\r\n")
        while (got := self.f.readline()) and not got.startswith(tag):
            pass
        return got.decode("ascii", "replace").strip()

    def close(self):
        self.f.close()
        self.s.close()


def imap(server, source, user, password):
    t = Talk(server, 143, source)
    ok = t.ask(f"a LOGIN {user} {password}", b"a ").startswith("a OK")
    t.ask("b LOGOUT", b"b ")
    t.close()
    return ok


def pop3(server, source, user, password):
    t = Talk(server, 110, source)
    t.ask(f"USER {user}")
    ok = t.ask(f"PASS {password}").startswith("+OK")
    t.ask("QUIT")
    t.close()
    return ok


def submission(server, source, user, password, mails):
    s = smtplib.SMTP(server, 25, local_hostname="client.example", source_address=(source, 0), timeout=20)
    s.ehlo()
    token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    ok = s.docmd("AUTH", "PLAIN " + token)[0] == 235
    for mail in mails if ok else []:
        s.mail(mail["sender"])
        mail["rcpts"] = [[r, s.rcpt(r)[0]] for r in mail["to"]]
        mail["code"] = s.data(f"Subject: x\r\nMessage-ID: <{mail['id']}>\r\n\r\nhello\r\n")[0] if any(c == 250 for _, c in mail["rcpts"]) else 0
        if not mail["code"]:
            s.rset()
    s.quit()
    return ok


def lmtp(server, source, sender, recipients, subject, ident):
    t = Talk(server, 24, source)
    t.ask("LHLO mx.lab.example", b"250 ")
    t.ask(f"MAIL FROM:<{sender}>")
    codes = [[r, int(t.ask(f"RCPT TO:<{r}>")[:3])] for r in recipients]
    taken = [c for c in codes if c[1] == 250]
    if taken:
        t.ask("DATA")
        t.s.sendall(f"From: <{sender}>\r\nSubject: {subject}\r\nMessage-ID: <{ident}>\r\n\r\nhello\r\n.\r\n".encode())
        for c in taken:
            c.append(int(t.f.readline()[:3]))
    t.ask("QUIT")
    t.close()
    return codes


def drive(server, path):
    truth = {"logins": [], "mails": [], "deliveries": []}

    def login(how, source, user, password):
        truth["logins"].append({"src": source, "user": user, "ok": how(server, source, user, password)})
    login(imap, "198.51.100.77", "alice@lab.example", "secret")
    login(imap, "203.0.113.11", "alice@lab.example", "wrong")
    login(imap, "203.0.113.11", "mallory@lab.example", "wrong")
    login(pop3, "198.51.100.10", "bob@lab.example", "hidden")
    login(pop3, "203.0.113.9", "bob@lab.example", "guess")
    mails = [{"sender": "alice@lab.example", "to": ["friend@ext.example", "nouser@ext.example"], "id": "one@client.example"},
             {"sender": "alice@lab.example", "to": ["ann@partner.example"], "id": "two@client.example"}]
    login(lambda *a: submission(*a, mails), "198.51.100.77", "alice@lab.example", "secret")
    login(lambda *a: submission(*a, []), "203.0.113.7", "alice@lab.example", "secret1")
    truth["mails"] = mails
    for n, (to, subject) in enumerate([(["alice@lab.example"], "plain"), (["alice@lab.example", "bob@lab.example"], "shop"), (["bob@lab.example"], "junk"),
                                       (["bob@lab.example"], "forward"), (["bob@lab.example"], "unwanted"), (["nobody@lab.example", "bob@lab.example"], "unknown")]):
        ident = f"in{n}@partner.example"
        truth["deliveries"].append({"id": ident, "subject": subject, "rcpts": lmtp(server, "198.51.100.10", "ann@partner.example", to, subject, ident)})
    with open(path, "w") as f:
        json.dump(truth, f)
    return 0


# --- what abusewatch makes of it --------------------------------------------------------------------------------------


class Check:
    def __init__(self, aw, folder):
        self.aw, self.truth = aw, json.load(open(os.path.join(folder, "truth.jsonl")))
        self.logs = [p for p in (os.path.join(folder, n) for n in ("rfc3164.log", "iso8601.log", "rfc5424.log", "journal.export", "journal.json")) if os.path.exists(p)]

    def say(self, name, why):
        print(f"ok dovecot {name}" if not why else f"not ok dovecot {name} - {why}")

    def run(self, *args):
        return [json.loads(l) for l in subprocess.run([self.aw, *args, *OPTS], capture_output=True).stdout.splitlines()]

    def logins(self, name, records, ok):
        want = sorted((l["src"], l["user"]) for l in self.truth["logins"] if l["ok"] == ok)
        got = sorted((r.get("client_ip", ""), r.get("account", "")) for r in records if r["kind"] == ("auth_ok" if ok else "auth_fail"))
        self.say(f"{name}: {len(want)} log-ins that {'succeeded' if ok else 'failed'}", "" if want and want == got else f"want {want}, got {got}")

    def sent(self, name, records):
        want = [(m["sender"], sum(c == 250 for _, c in m["rcpts"])) for m in self.truth["mails"] if m["code"] == 250]
        got = [(r.get("sender"), r.get("nrcpt")) for r in records if r.get("reason") == "relayed" or (r["kind"] in ("accept", "delivery") and r.get("nrcpt"))]
        self.say(f"{name}: {len(want)} messages sent through it", "" if want and want == got else f"want {want}, got {got}")

    def delivered(self, name, records):
        """What Sieve does with a message: FATE by its subject; all else is stored."""
        want = sorted((d["id"], *FATE.get(d["subject"], ("delivery", r[0]))) if r[0].startswith("bob") else (d["id"], "delivery", r[0])
                      for d in self.truth["deliveries"] for r in d["rcpts"] if r[1] == 250)
        got = sorted((r["message_id"], "discard" if r.get("status") == "discard" else r["kind"], r.get("recipient", "")) for r in records
                     if r.get("message_id") and not r.get("nrcpt"))
        self.say(f"{name}: {len(want)} deliveries and what Sieve made of them", "" if want and want == got else f"want {want}, got {got}")

    def all(self):
        seen = []
        for log in self.logs:
            name = os.path.basename(log)
            coverage = self.run("parse", "--coverage", "--format", "ndjson", log)
            unknown = [str(c.get("sample", c)) for c in coverage if not c["recognised"]]
            self.say(f"{name}: every line understood", "" if coverage and not unknown else "; ".join(unknown[:3]) or "no lines")
            records = self.run("parse", "--format", "ndjson", log)
            self.logins(name, records, True)
            self.logins(name, records, False)
            self.sent(name, records)
            self.delivered(name, records)
            seen.append([{k: v for k, v in r.items() if k not in ("time", "pid", "host")} for r in records])
        same = len(seen) == 5 and all(s == seen[0] for s in seen)
        self.say("the same records from five recordings", "" if same else "they differ")


def check(aw, folder):
    if not os.path.exists(os.path.join(folder, "truth.jsonl")):
        print("not ok dovecot was driven - it did not start, see servers.log")
        return 0
    Check(aw, folder).all()
    return 0


sys.exit({"drive": drive, "check": check}[sys.argv[1]](*sys.argv[2:]))
