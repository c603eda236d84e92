#!/usr/bin/env python3
"""seed.py STORE — fills a new store with invented cases and mail, for the tests of the pages and for looking at them.

All names are documentation names, all addresses documentation addresses. Some texts try to be HTML or formulas: pages and
CSV must show them as text. Times are relative to now, so that the pages look alive."""
import glob
import json
import math
import os
import random
import sqlite3
import sys
import time

SQL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "sql")
NAT = 4096
S = 1_000_000
HOUR = 3600 * S
DAY = 24 * HOUR
random.seed(7)
now = int(time.time()) // 300 * 300 * S
XSS = '"><script>window.pwned=1</script><img src=x onerror="window.pwned=2">'


def open_store(path):
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    migrations = sorted(glob.glob(SQL + "/0*.sql"))
    for m in migrations:
        db.executescript(open(m, encoding="utf-8").read())
    db.execute("PRAGMA user_version = %d" % len(migrations))
    return db


def insert(db, table, **row):
    db.execute("INSERT INTO %s (%s) VALUES (%s)" % (table, ", ".join(row), ", ".join("?" * len(row))), list(row.values()))


# --- the wire form of a message (lib/txn.c), for rows of hot_message
def u(v):
    out = bytearray()
    while v >= 0x80:
        out.append(v & 0x7F | 0x80)
        v >>= 7
    out.append(v)
    return bytes(out)


def i(v):
    return u((v << 1) ^ (v >> 63) if v >= 0 else ((-v) << 1) - 1)


def t(s):
    if s is None:
        return u(0)
    b = s if isinstance(s, bytes) else s.encode()
    return u(len(b) + 1) + b


def message(m):
    heads = ["host", "mta", "queue_id", "message_id", "client_ip", "client_name", "helo", "account", "auth_method", "sender", "parent_queue_id"]
    out = u(1) + u(m["seq"]) + i(m["last"]) + i(m["first"]) + i(m["last"]) + i(0)
    out += b"".join(t(m.get(h)) for h in heads)
    out += i(m.get("uid", -1)) + i(m.get("size", -1)) + i(len(m["rcpt"])) + u(m.get("origin", 1)) + u(3) + u(m.get("flags", 0)) + u(len(m["rcpt"]))
    for r in m["rcpt"]:
        out += t(r["to"]) + t(r.get("orig")) + t(r.get("dsn")) + t(r.get("reply")) + t(r.get("relay")) + t(r.get("ip"))
        out += i(r["at"]) + u(r.get("attempts", 1)) + u(r["status"]) + u(0) + u((1 if r.get("local") else 0) | 2)
    lines = m.get("lines", [])
    return out + u(len(lines)) + b"".join(t(x) for x in lines)


def seed_volume(db):
    for b in range(8 * 288):
        at = now - b * 300 * S
        hour = at // HOUR % 24
        day = 0.35 + 0.65 * math.exp(-((hour - 13) / 5.0) ** 2)
        n = int(140 * day * random.uniform(0.8, 1.2))
        attack = 260 if 20 < b < 34 else 0
        bounced = int(n * random.uniform(0.005, 0.02)) + attack // 3
        deferred = int(n * random.uniform(0.01, 0.05))
        total = int(n * 1.4) + attack * 2
        insert(db, "volume", bucket_us=at, messages=n + attack, recipients=total, sent=total - bounced - deferred, deferred=deferred,
               bounced=bounced, rejected=int(n * random.uniform(0.1, 0.5)), auth_failed=random.randrange(4))


PEOPLE = [("account", "%s@%s" % (n, d)) for d in ("brevik.example", "lindqvist.example", "isp.example", "halden.example")
          for n in ("anna", "office", "shop", "jonas", "newsletter", "scanner", "support", "maria")]
HOSTS = [("host", "198.18.%d.%d" % (a, b)) for a, b in ((4, 17), (40, 12), (40, 77), (71, 5), (90, 201), (112, 44))]
SCRIPTS = [("script", "1002"), ("script", "1033")]
RECEIVERS = ["mailbox.example", "bigmail.example", "webpost.example", "corp.example", "school.example", "shop.example", "club.example"]


def varint(v):
    out = b""
    while v >= 128:
        out, v = out + bytes([v & 127 | 128]), v >> 7
    return out + bytes([v])


def seed_hours(db):
    for kind, who in PEOPLE + HOSTS + SCRIPTS:
        scale = random.choice([1, 1, 2, 5, 20])
        messages = recipients = bounced = 0
        days = {}
        for h in reversed(range(7 * 24)):
            n = int(random.expovariate(1 / scale))
            if n == 0:
                continue
            r, b = int(n * random.uniform(1, 2)), int(n * random.random() * 0.06)
            insert(db, "principal_hour", hour_us=(now // HOUR - h) * HOUR, kind=kind, id=who, messages=n, recipients=r, bounced=b, refused=b // 2)
            messages, recipients, bounced = messages + n, recipients + r, bounced + b
            hour = now // HOUR - h
            days.setdefault(hour // 24, []).extend([hour % 24, n, r, b, b // 2])
        for day, hours in days.items():
            insert(db, "principal_day", kind=kind, id=who, day=day, hours=b"".join(varint(x) for x in hours))
        insert(db, "principal", kind=kind, id=who, customer="C1001" if "brevik" in who else "", score=random.randrange(3) * NAT, first_us=now - 90 * DAY,
               last_us=now - random.randrange(1, 600) * 60 * S, messages=messages, recipients=recipients, bounced=bounced, state=b"")
    for r in RECEIVERS + ["<b>bold</b>.example"]:
        for h in range(48):
            n = random.randrange(5, 80)
            insert(db, "receiver_hour", hour_us=(now // HOUR - h) * HOUR, receiver=r, recipients=n, sent=n - n // 9, deferred=n // 20, bounced=n // 12, refused=n // 30)


def line(at, text):
    return time.strftime("%b %e %H:%M:%S", time.gmtime(at // S)) + " mx1 " + text


def seed_steps(db, number, opened, names):
    """Two steps before the case opened, the one that opened it, and the highest."""
    groups = {"new-rcpt": "volume", "rcpt-surge": "volume", "bad-rcpt": "receivers", "auth-origin": "origin"}
    last = {n: 0 for n, _, _ in names}
    for k, (nth, share, mark) in enumerate(((1, .2, ""), (2, .3, ""), (40, .5, "opened"), (63, 1, "peak"))):
        after = {n: int(score * NAT * share) for n, score, _ in names}
        sums = {}
        for n, v in after.items():
            sums.setdefault(groups.get(n, "origin"), []).append(v)
        cut = [dict(name=g, best=max(v), second=sorted(v)[-2] if len(v) > 1 else 0, cap=16 * NAT, sum=min(16 * NAT, max(v) + (sorted(v)[-2] // 2 if len(v) > 1 else 0)))
               for g, v in sums.items()]
        insert(db, "case_step", case_id=number, seq=1000000 if mark == "peak" else k, nth=nth, at_us=opened - 300 * S + nth * 9 * S, what="message 4Vb%02dX to 2" % nth, mark=mark,
               level="suspected" if mark else "", total=sum(g["sum"] for g in cut), capped_to=0, groups=json.dumps(cut),
               detectors=json.dumps([dict(name=n, group=groups.get(n, "origin"), before=last[n], after=after[n], step=after[n] - last[n],
                                          seen="yes 2x (0.250 against 0.899) %+.4f" % ((after[n] - last[n]) / NAT)) for n in after]))
        last = after


def seed_case(db, number, c):
    opened = now - c["minutes"] * 60 * S
    insert(db, "acase", id=number, kind=c["kind"], runner_up=c.get("runner_up", ""), principal_kind=c["who"][0], principal_id=c["who"][1],
           customer=c.get("customer", ""), state=c.get("state", "open"), level=c["level"], severity=c["severity"], score=int(c["score"] * NAT),
           peak_score=int((c["score"] + 1.5) * NAT), threshold=12 * NAT, first_seen_us=opened - 400 * S, opened_us=opened, updated_us=opened + c.get("lasts", 1500) * S, positive_us=opened + 900 * S,
           closed_us=opened + 3 * HOUR if c.get("state") in ("closed", "false-positive") else None, messages=c["messages"], recipients=c["recipients"],
           sentence=c["sentence"], also=json.dumps(c.get("also", [])), counter_evidence=c.get("counter", ""), guards=json.dumps(c.get("guards", [])), utc_offset_s=3600, changes=70)
    names = c["detectors"]
    for k, (name, score, why) in enumerate(names):
        insert(db, "case_detector", case_id=number, name=name, score=int(score * NAT), since_us=opened - 300 * S + k * 60 * S, why=why)
        for b in range(min(12, c.get("lasts", 1500) // 300 + 3)):
            insert(db, "case_score", case_id=number, bucket_us=(opened // (300 * S) + b - 2) * 300 * S, detector=name,
                   score=int(score * NAT * min(1, (b + 1) / 4) * (0.97 ** max(0, b - 5))))
    if number != 1:
        seed_steps(db, number, opened, names)
    for k, text in enumerate(c["lines"]):
        insert(db, "case_evidence", case_id=number, seq=k + 1, at_us=opened - 200 * S + k * 7 * S, detector=names[k % len(names)][0], line=text)
    for ip, name, country, asn, n in c["sources"]:
        insert(db, "case_source", case_id=number, ip=ip, name=name, country=country, asn=asn, first_us=opened - 380 * S, last_us=opened + 900 * S, messages=n)
    for k, d in enumerate(c.get("domains", RECEIVERS[:5])):
        insert(db, "case_domain", case_id=number, domain=d, recipients=max(1, c["recipients"] // (2 + k)), refused=c["recipients"] // (9 + k))
    events = [("abusewatch", "opened", "score %.1f, level suspected" % 12.3), ("abusewatch", "level", "likely")] + c.get("events", [])
    for k, (actor, what, text) in enumerate(events):
        insert(db, "case_event", case_id=number, seq=k + 1, at_us=opened + k * 240 * S, actor=actor, what=what, text=text)
    for k, (kind, to, status, error) in enumerate(c.get("letters", [])):
        insert(db, "notification", case_id=number, at_us=opened + 60 * S + k * HOUR, kind=kind, recipient=to, status=status, error=error)
    db.execute("UPDATE principal SET case_id = ?, score = ? WHERE kind = ? AND id = ?", (number, int(c["score"] * NAT), *c["who"]))


def seed_cases(db):
    at = now - 20 * 60 * S
    stolen = [line(at + k * 9 * S, "postfix/submission/smtpd[%d]: 4Vb%dX3Qz1: client=unknown[%s], sasl_method=LOGIN, sasl_username=anna@brevik.example" % (2210 + k, k, ip))
              for k, ip in enumerate(["203.0.113.77", "192.0.2.140", "203.0.113.9"])]
    stolen += [line(at + 60 * S, "postfix/smtp[2281]: 4Vb1X3Qz1: to=<j.moreau@bigmail.example>, relay=mx.bigmail.example[192.0.2.25]:25, delay=1.2, delays=0.1/0/0.6/0.5, "
                    "dsn=5.1.1, status=bounced (host mx.bigmail.example[192.0.2.25] said: 550 5.1.1 <j.moreau@bigmail.example>: Recipient address rejected: User unknown (in reply to RCPT TO command))")]
    cases = [
        dict(who=("account", "jonas@halden.example"), customer="C1002", kind="list-hygiene", level="suspected", severity="low", state="closed", score=12.4, minutes=3000,
             messages=340, recipients=410, sentence="31 of 410 recipients of jonas@halden.example do not exist (7.6%, limit 9.2%), typical of a bought or harvested list.",
             detectors=[("bad-rcpt", 12.4, "31 of 410 recipients do not exist.")], lines=stolen[3:], sources=[("198.18.40.12", "", "NO", 64500, 340)],
             events=[("desk", "note", "Called them, an old list. They will clean it."), ("desk", "closed", "")]),
        dict(who=("account", "newsletter@isp.example"), kind="list-hygiene", level="suspected", severity="medium", state="false-positive", score=13.1, minutes=1800,
             messages=9000, recipients=9000, sentence="newsletter@isp.example sent to 9000 recipients within one hour; in 340 earlier active hours it never exceeded 2100.",
             detectors=[("rcpt-surge", 10, "9000 recipients within one hour."), ("bad-rcpt", 3.1, "44 of 9000 do not exist.")], lines=stolen[3:],
             sources=[("198.51.100.30", "lists.isp.example", "NO", 64500, 9000)], events=[("desk", "false-positive", "Our own yearly letter.")]),
        dict(who=("host", "198.18.40.77"), customer="C1002", kind="infected-host", level="likely", severity="high", score=17.8, minutes=260, messages=1204, recipients=1204,
             sentence="198.18.40.77 wrote 1204 messages to 1187 addresses it had never contacted before, 98% of its mail since 09:10 (normally 12%).",
             also=["211 of 1204 recipients of 198.18.40.77 do not exist (17.5%, limit 9.2%), typical of a bought or harvested list."],
             detectors=[("new-rcpt", 16, "1187 addresses never contacted before."), ("bad-rcpt", 11.2, "211 of 1204 recipients do not exist.")], lines=stolen[3:] * 2,
             sources=[("198.18.40.77", "cpe-77.halden.example", "NO", 64500, 1204)], state="acknowledged",
             events=[("desk", "acknowledged", "Port 25 is blocked, waiting for the customer."), ("abusewatch", "notified", "admin@halden.example")],
             letters=[("open", "admin@halden.example", "sent", ""), ("reminder", "admin@halden.example", "failed", "451 4.7.1 try again later")]),
        dict(who=("script", "1033"), customer="C1001", kind="script-compromise", level="likely", severity="medium", score=16.4, minutes=140, messages=610, recipients=655,
             sentence="User id 1033 sent to 655 recipients within one hour; in 212 earlier active hours it never exceeded 40, and only 1 in 2400 comparable hours is that large.",
             detectors=[("rcpt-surge", 10, "655 recipients within one hour."), ("new-rcpt", 13, "640 addresses never contacted before.")],
             lines=[line(at, "postfix/pickup[811]: 4VbZ7Y2Qz0: uid=1033 from=<www-data>")], sources=[]),
        dict(who=("account", "scanner@lindqvist.example"), kind="stolen-account", level="suspected", severity="low", score=12.2, minutes=75, messages=28, recipients=28,
             sentence="scanner@lindqvist.example logged in from 2 networks in 2 countries within 14 minutes, 1 of them never used before.", counter="no unknown users",
             guards=["auth-origin: one message only, capped at 4"], detectors=[("auth-origin", 12.2, "2 networks in 2 countries.")],
             lines=stolen[:1], sources=[("192.0.2.140", "", "BR", 64511, 12), ("198.18.71.5", "", "NO", 64500, 16)]),
        dict(who=("account", "mallory" + XSS), customer='=cmd|"x"', kind="stolen-account", level="likely", severity="high", score=16.9, minutes=55, messages=90, recipients=180,
             sentence="A hostile name: " + XSS, also=["also " + XSS], counter=XSS, guards=[XSS], detectors=[("new-rcpt", 16, XSS)], lines=[XSS, "bytes \x01 and \u202e turned"],
             sources=[("203.0.113.66", XSS, "XX", 64512, 90)], domains=[XSS], events=[(XSS, "note", XSS)], letters=[("open", XSS, "failed", XSS)]),
        dict(who=("account", "anna@brevik.example"), customer="C1001", kind="stolen-account", level="confirmed", severity="critical", score=27.6, minutes=18, messages=412,
             recipients=868, lasts=900,
             sentence="anna@brevik.example wrote 412 messages to 861 addresses it had never contacted before, 99% of its mail since 08:41 (normally 14%).",
             also=["163 of 868 recipients of anna@brevik.example do not exist (18.8%, limit 9.2%), typical of a bought or harvested list.",
                   "anna@brevik.example logged in from 14 networks in 6 countries within 9 minutes, 13 of them never used before."],
             detectors=[("new-rcpt", 16, "861 addresses never contacted before, 99% of the mail since 08:41 (normally 14%)."),
                        ("auth-origin", 14, "14 networks in 6 countries within 9 minutes, 13 of them never used before."),
                        ("bad-rcpt", 9.6, "163 of 868 recipients do not exist (18.8%, limit 9.2%).")],
             lines=stolen, sources=[("203.0.113.77", "", "BR", 64511, 130), ("192.0.2.140", "host-140.vpn.example", "VN", 64512, 121), ("203.0.113.9", "", "IN", 64513, 90),
                                    ("2001:db8:77::25", "", "RU", 64514, 71)],
             letters=[("open", "it@brevik.example", "sent", "")]),
    ]
    for n, c in enumerate(cases):
        seed_case(db, n + 1, c)


def seed_messages(db):
    seq = 0
    for k in reversed(range(140)):
        at = now - k * 97 * S
        queue = "4Vb%02dX%03dQz" % (k % 60, k)
        who = random.choice(PEOPLE)[1] if k % 3 else "anna@brevik.example"
        rcpt = []
        for r in range(random.choice([1, 1, 1, 2, 5])):
            to = "%s@%s" % (random.choice(["ole", "j.moreau", "info", "kim", "lea.b"]), random.choice(RECEIVERS))
            bad = random.random() < (0.3 if who.startswith("anna") else 0.04)
            late = random.random() < 0.06
            rcpt.append(dict(to=to, at=at + (r + 1) * S, status=3 if bad else 2 if late else 1, dsn="5.1.1" if bad else "4.2.0" if late else "2.0.0",
                             relay="mx." + to.split("@")[1], ip="192.0.2.25", attempts=3 if late else 1,
                             reply="550 5.1.1 <%s>: Recipient address rejected: User unknown" % to if bad else "451 4.2.0 Greylisted, try again later" if late
                             else "250 2.0.0 Ok: queued as 8F2C01"))
        seq += 1
        m = dict(seq=seq, first=at, last=at + 9 * S, host="mx1", mta="postfix", queue_id=queue, message_id="<%d.%d@%s>" % (k, at // S, who.split("@")[1]),
                 client_ip="203.0.113.%d" % (k % 250), client_name="unknown", helo="laptop", account=who, auth_method="LOGIN", sender=who, size=1200 + 37 * k, rcpt=rcpt,
                 lines=[line(at, "postfix/submission/smtpd[2210]: %s: client=unknown[203.0.113.%d], sasl_method=LOGIN, sasl_username=%s" % (queue, k % 250, who)),
                        line(at + S, "postfix/qmgr[900]: %s: from=<%s>, size=%d, nrcpt=%d (queue active)" % (queue, who, 1200 + 37 * k, len(rcpt)))])
        if k == 5:
            m.update(sender=XSS + "@evil.example", helo=XSS, message_id=XSS, lines=[XSS, b"not utf-8: \xff\xfe"])
        if k == 9:
            m.update(sender="", account=None, auth_method=None, origin=4, parent_queue_id="4Vb00X000Qz")
        insert(db, "hot_message", day=at // DAY, last_us=m["last"], body=message(m))


def seed_inputs(db):
    counters = dict(lines=1204433, bytes=201233111, recognised=1189220, unrecognised=214, foreign=15000, cut_lines=1, nul_bytes=0, bad_stamps=0, txns=301221, records=90112,
                    head_missing=12, tail_missing=4, evicted=0, open_messages=87, open_bytes=120113, rotations=7, truncations=0, lag_bytes=0, last_event_us=now)
    insert(db, "input", source="mx1", path="/var/log/mail.log", applied_seq=391333, counters=json.dumps(counters), last_event_us=now, heard_us=int(time.time()) * S + 3600 * S)
    counters.update(lines=88120, recognised=88120, unrecognised=0, lag_bytes=44_000_000)
    insert(db, "input", source="mx2", path="/var/log/remote/mx2/mail.log", applied_seq=2222, counters=json.dumps(counters), last_event_us=now - 2 * HOUR,
           heard_us=int(time.time() - 7200) * S)
    insert(db, "unrecognised", source="mx1", program="postfix/smtpd", shape="warning: # restriction # is deprecated", lines=180,
           sample="warning: the restriction permit_naked_ip_address is deprecated")
    insert(db, "unrecognised", source="mx1", program=XSS, shape=XSS, lines=34, sample=XSS)


def seed_policy(db):
    day = now // DAY
    rows = [("size", "account", "anna@brevik.example", "C1001", 3, 48_234_496, "postfix/submission/smtpd[2210]: 4Vb00X3Qz1: client=unknown[203.0.113.77], sasl_method=LOGIN, sasl_username=anna@brevik.example"),
            ("recipients", "account", "newsletter@isp.example", "", 12, 240, "postfix/submission/smtpd[2211]: 4Vb00X4Qz1: client=unknown[198.51.100.30], sasl_method=LOGIN, sasl_username=newsletter@isp.example"),
            ("listed-client", "host", "198.18.40.77", "C1002", 41, 0, "postfix/smtpd[77]: NOQUEUE: reject: RCPT from unknown[198.18.40.77]: 554 5.7.1 Service unavailable; Client host [198.18.40.77] blocked using bl.example"),
            ("attachment", "account", "mallory" + XSS, '=cmd|"x"', 1, 0, XSS), ("a-rule-of-another-version", "host", "198.18.40.12", "", 2, 5, "=1+1")]
    for rule, kind, who, customer, count, largest, text in rows:
        for d in range(2 if count > 2 else 1):
            at = (day - d) * DAY + 3 * HOUR
            insert(db, "policy_finding", day=day - d, rule=rule, kind=kind, id=who, customer=customer, count=count, largest=largest, first_us=at, last_us=at + HOUR,
                   line=text if text[0] in "=\"" else line(at, text), queue_id="4Vb00X3Qz1")
    insert(db, "policy_day", day=day - 1, dropped=7)


def seed_servers(db):
    """Mail servers as captured sessions show them: one whose software changed, one whose greeting names none, one that a stranger named."""
    rows = [("198.18.40.12", "C1001", "mail.brevik.example", "Exim 4.97.1", "Exim 4.94.2", 2, 3 * DAY, 1820), ("198.51.100.25", "", "mx1.isp.example", "Postfix", "", 1, 0, 90233),
            ("198.18.40.77", "C1002", XSS, XSS[:60], "", 1, 0, 12), ("198.18.41.3", "", "nas.home.example", "", "", 0, 0, 3), ("2001:db8:7::25", "C1002", "mail.halden.example", "", "Sendmail 8.15.2/8.15.2", 1, 9 * DAY, 400)]
    for address, customer, host, software, was, settled, ago, n in rows:
        insert(db, "smtp_server", address=address, customer=customer, host=host, software=software, was=was, settled=settled, first_us=now - 40 * DAY, last_us=now - HOUR,
               changed_us=now - ago if ago else 0, sessions=n, alone=0, alone_nets=0)
        for slot, (text, begin, end) in enumerate([(software, now - 40 * DAY, now - HOUR)] if not was else [(was, now - 40 * DAY, now - ago), (software, now - ago, now - HOUR)]):
            insert(db, "smtp_server_face", address=address, slot=slot, software=text, first_us=begin, last_us=end, sessions=n // (slot + 1))
        if was:
            insert(db, "network_event", at_us=now - ago, what="software", address=address, customer=customer, host=host, before=was, after=software, since_us=now - ago - 2 * HOUR,
                   text=f"The mail server {address} greets with {software or 'no name of its software'}, formerly {was}.")
    insert(db, "network_event", at_us=now - 5 * HOUR, what="stripped", address="", customer="", host="", before="", after="", since_us=now - 6 * HOUR,
           text="Somebody takes STARTTLS out of what mail servers offer on port 25: 9 of 10 organisations that offered it before offer it no more. Mail leaves in the clear.")
    insert(db, "network_event", at_us=now - 2 * HOUR, what="ended", address="", customer="", host="", before="stripped", after="", since_us=now - 6 * HOUR,
           text="Mail servers of the world offer STARTTLS again.")


def main():
    db = open_store(sys.argv[1])
    with db:
        seed_volume(db)
        seed_hours(db)
        seed_cases(db)
        seed_messages(db)
        seed_inputs(db)
        seed_policy(db)
        seed_servers(db)
    db.close()


main()
