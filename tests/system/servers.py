#!/usr/bin/env python3
"""servers.py drive SERVER ADDRESS TRUTH   talks SMTP to the server as several clients; writes down what was said and answered
servers.py settled DIR                  waits until the log says nothing new
servers.py check SERVER ABUSEWATCH DIR  compares the truth with what abusewatch reads from the recordings in DIR"""
import base64
import glob
import json
import os
import smtplib
import subprocess
import sys
import time

OPTS = ["--year", str(time.gmtime().tm_year), "--timezone", "UTC"]
FATE = {"nouser": "bounced", "defer": "deferred"}  # of recipients at the sink; all others are delivered


# --- the clients ------------------------------------------------------------------------------------------------------


class Client:
    """One connection; every command's code is kept."""

    def __init__(self, server, source, truth):
        self.facts = {"src": source, "mails": [], "auth": [], "account": None}
        self.smtp = smtplib.SMTP(server, 25, local_hostname="client.example", source_address=(source, 0), timeout=20)
        self.smtp.ehlo()
        self.truth = truth

    def login(self, user, password):
        if not self.smtp.has_extn("auth"):
            return
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        code = self.smtp.docmd("AUTH", "PLAIN " + token)[0]
        self.facts["auth"].append({"user": user, "code": code})
        if code == 235:
            self.facts["account"] = user

    def mail(self, sender, recipients, name, size=0, reset=False):
        fact = {"sender": sender, "rcpts": [], "id": f"{name}@client.example", "taken": False, "reset": reset}
        self.facts["mails"].append(fact)
        fact["mail"] = self.smtp.mail(sender, [f"SIZE={size}"] if size else [])[0]
        if fact["mail"] != 250:
            return
        for r in recipients:
            fact["rcpts"].append([r, self.smtp.rcpt(r)[0]])
        if reset or not any(c == 250 for _, c in fact["rcpts"]):
            self.smtp.rset()
            return
        body = f"From: <{sender}>\r\nTo: <{recipients[0]}>\r\nSubject: {name}\r\nMessage-ID: <{fact['id']}>\r\n\r\nhello\r\n"
        fact["taken"] = self.smtp.data(body)[0] == 250

    def quit(self):
        try:
            self.smtp.quit()
        except smtplib.SMTPException:
            pass
        self.truth.write(json.dumps(self.facts) + "\n")


def drive(server, address, path):
    with open(path, "w") as truth:
        def client(source):
            return Client(address, source, truth)
        c = client("198.51.100.10")
        c.mail("ann@partner.example", ["alice@lab.example", "bob@lab.example"], "two")
        c.mail("ann@partner.example", ["alice@lab.example"], "second")
        c.quit()
        c = client("198.51.100.11")
        c.mail("ann@partner.example", ["alice@lab.example"], "reset", reset=True)
        c.mail("ann@partner.example", ["bob@lab.example", "nouser@lab.example", "defer@lab.example"], "mixed")
        c.mail("", ["alice@lab.example"], "null")
        c.mail("ann@partner.example", ["alice@lab.example"], "big", size=900000)
        c.quit()
        c = client("203.0.113.9")
        c.mail("ann@partner.example", ["sales@lab.example", "nobody99@lab.example", "alice@lab.example"], "guesses")
        c.quit()
        c = client("203.0.113.7")
        c.mail("spam@partner.example", ["victim@far.example", "other@far.example"], "relay")
        c.quit()
        for n in range(3):
            c = client("203.0.113.11")
            c.login("alice" if n else "mallory", "wrong")
            c.quit()
        c = client("198.51.100.77")
        c.login("alice", "secret")
        if c.facts["account"]:
            c.mail("alice@lab.example", ["friend@ext.example", "nouser@ext.example", "defer@ext.example"], "submitted")
        c.quit()
    return 0


def settled(folder):
    """Until no line came for 1.5 s, 12 s at the most."""
    size, since, end = -1, time.time(), time.time() + 12
    while time.time() < end and time.time() - since < 1.5:
        now = sum(os.path.getsize(p) for p in glob.glob(os.path.join(folder, "*.log")))
        if now != size:
            size, since = now, time.time()
        time.sleep(0.1)
    return 0


# --- what abusewatch makes of it --------------------------------------------------------------------------------------


class Check:
    def __init__(self, server, aw, folder):
        self.server, self.aw = server, aw
        self.truth = [json.loads(l) for l in open(os.path.join(folder, "truth.jsonl"))]
        self.logs = [p for p in (os.path.join(folder, n) for n in ("mainlog", "rfc3164.log", "iso8601.log", "rfc5424.log", "journal.export", "journal.json")) if os.path.exists(p)]

    def say(self, name, why):
        print(f"ok {self.server} {name}" if not why else f"not ok {self.server} {name} - {why}")

    def run(self, *args):
        return [json.loads(l) for l in subprocess.run([self.aw, *args, *OPTS], capture_output=True).stdout.splitlines()]

    def messages(self, log):
        return self.run("messages", "--format", "ndjson", log)

    def taken(self):
        return [(s, m) for s in self.truth for m in s["mails"] if m["taken"]]

    def find(self, found, session, mail):
        want = {r: FATE.get(r.split("@")[0], "sent") for r, code in mail["rcpts"] if code == 250}
        return [m for m in found if m.get("sender") == mail["sender"] and m.get("client_ip") == session["src"] and
                (m.get("account") or "").split("@")[0] == (session["account"] or "") and
                {r["recipient"]: r["status"] for r in m["recipients"]} == want and m.get("message_id", mail["id"]) == mail["id"]]

    def recording(self, log):
        name = os.path.basename(log)
        coverage = self.run("parse", "--coverage", "--format", "ndjson", log)
        unknown = [c["sample"] if "sample" in c else str(c) for c in coverage if not c["recognised"]]
        self.say(f"{name}: every line understood", "" if coverage and not unknown else "; ".join(unknown[:3]) or "no lines")
        found = self.messages(log)
        lost = [m["id"] for s, m in self.taken() if not self.find(found, s, m)]
        self.say(f"{name}: {len(self.taken())} messages with client, account and outcomes", "" if self.taken() and not lost else " ".join(lost) or "none taken")
        more = len([m for m in found if m.get("client_ip") and not m["client_ip"].startswith("127.")]) - len(self.taken())
        self.say(f"{name}: no message that was none", "" if more == 0 else f"{more} too many")
        self.facts(name, log)
        self.bounces(name, found)

    def facts(self, name, log):
        records = self.run("parse", "--format", "ndjson", log)
        failed = [r for r in records if r["kind"] == "auth_fail"]
        want = [(s["src"], a["user"]) for s in self.truth for a in s["auth"] if a["code"] != 235]
        if want:
            good = len(failed) == len(want) and all(r.get("client_ip") == want[0][0] for r in failed)
            self.say(f"{name}: {len(want)} failed log-ins", "" if good else f"{len(failed)} found")
        else:
            print(f"skip {self.server} {name}: failed log-ins - this server offered none")
        refused = {(r.get("client_ip"), r.get("recipient")) for r in records if r["kind"] == "reject" and r.get("recipient")}
        want = {(s["src"], r) for s in self.truth for m in s["mails"] for r, code in m["rcpts"] if code >= 400}
        self.say(f"{name}: {len(want)} refused recipients and no other", "" if want == refused else f"differ: {sorted(want ^ refused, key=str)[:3]}")
        may = {s["src"] for s in self.truth for m in s["mails"] if m["mail"] >= 400 or any(code >= 400 for _, code in m["rcpts"])}
        others = {r.get("client_ip") for r in records if r["kind"] == "reject"} - may
        self.say(f"{name}: nobody else was refused", "" if not others else str(others))
        big = any(m["mail"] == 552 for s in self.truth for m in s["mails"])
        if big and self.server != "sendmail":  # which does not log it
            self.say(f"{name}: a message that is too big", "" if any(r["kind"] == "reject" and r.get("client_ip") == "198.51.100.11" for r in records) else "not found")

    def bounces(self, name, found):
        ids = {m["queue_id"] for m in found if any(r["status"] == "bounced" for r in m["recipients"])}
        children = [m for m in found if not m.get("sender") and not m.get("client_ip")]
        good = children and (self.server == "opensmtpd" or all(m.get("parent_queue_id") in ids and m["origin"] == "bounce" for m in children))
        self.say(f"{name}: bounces belong to what bounced", "" if ids and good else f"{len(children)} bounces of {len(ids)} messages")
        if self.server == "opensmtpd":
            return
        script = [m for m in found if (m.get("local_user") == "web12" or m.get("uid") == 1012) and m["origin"] == "script"]
        good = len(script) == 1 and [(r["recipient"], r["status"]) for r in script[0]["recipients"]] == [("friend@ext.example", "sent")]
        self.say(f"{name}: a script's message is one, and its user's", "" if good else f"{len(script)} found")

    def all(self):
        for log in self.logs:
            self.recording(log)
        shape = [sorted((m["queue_id"], m.get("sender", ""), m.get("client_ip", ""), str(sorted((r["recipient"], r["status"]) for r in m["recipients"])))
                        for m in self.messages(log)) for log in self.logs]
        self.say(f"the same messages from {len(self.logs)} recordings", "" if len(self.logs) >= 5 and all(s == shape[0] for s in shape) else "they differ")


def check(server, aw, folder):
    if not os.path.exists(os.path.join(folder, "truth.jsonl")):
        print(f"not ok {server} was driven - it did not start, see servers.log")
        return 0
    Check(server, aw, folder).all()
    return 0


sys.exit({"drive": drive, "settled": settled, "check": check}[sys.argv[1]](*sys.argv[2:]))
