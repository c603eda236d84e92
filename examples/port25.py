#!/usr/bin/env python3
"""port25.py OUT.pcap --from SECONDS: nine minutes of port 25 as a mirror port would show them, for the demo. A customer's machine sends spam straight
to the world's mail servers; a customer's own mail server sends and receives as mail servers do. Names and addresses are for documentation only."""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "capture"))
import wire  # noqa: E402

INFECTED, SERVER = "198.18.1.66", "198.18.1.73"
REFUSALS = ["554 5.7.1 Service unavailable; Client host [198.18.1.66] blocked using zen.list.example", "550 5.7.1 Message looks like spam",
            "550 5.1.1 No such user here", "421 4.7.0 Too many bad recipients from your network"]
WORDS = "parcel invoice account bonus refund notice delivery gift winner update secure pending".split()
KEYWORDS = "250-%s\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250 CHUNKING\r\n"
random.seed(25)


def talk(server, helo, verb, sender, recipients, body, quit_it=True):
    """The lines of one session; recipients: (address, reply). The first refusal of all of them ends it."""
    lines = [("S", f"220 {server} ESMTP\r\n"), ("C", f"{verb} {helo}\r\n"), ("S", KEYWORDS % server if verb == "EHLO" else f"250 {server}\r\n"),
             ("C", f"MAIL FROM:<{sender}>\r\n"), ("S", "250 2.1.0 Ok\r\n")]
    for address, reply in recipients:
        lines += [("C", f"RCPT TO:<{address}>\r\n"), ("S", reply + "\r\n")]
    if any(r.startswith("250") for _, r in recipients):
        lines += [("C", "DATA\r\n"), ("S", "354 End data with <CR><LF>.<CR><LF>\r\n"), ("C", body + "\r\n.\r\n"), ("S", "250 2.0.0 Ok: queued\r\n")]
    if quit_it:
        lines += [("C", "QUIT\r\n"), ("S", "221 2.0.0 Bye\r\n")]
    return [(who, text.encode()) for who, text in lines]


def letter(sender, recipient, subject, text):
    return f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: {subject}\r\nMessage-ID: <{random.getrandbits(48):x}@{sender.split('@')[1]}>\r\n\r\n{text}"


def spam(n):
    domain = f"mx{n % 60}.receiver{n % 60}.example"
    sender = f"{random.choice(WORDS)}{n}@{random.choice(WORDS)}.example"
    to = [(f"user{random.randrange(900)}@receiver{n % 60}.example", random.choice(REFUSALS) if random.random() < .6 else "250 2.1.5 Ok") for _ in range(2)]
    text = f"Dear client, your {WORDS[n % 12]} waits.\r\n" + "Confirm within two days or it goes back to the sender of it.\r\n" * 4 + f"http://{WORDS[n % 7]}.example/{n}"
    return talk(domain, random.choice(["user-pc", "localhost", f"host{n}.example", "198.18.1.66"]), "HELO", sender, to, letter(sender, to[0][0], WORDS[n % 12], text), n % 3 > 0)


def honest(n, out):
    me, there = "mail.benes.example", f"mx{n % 9}.partner{n % 9}.example"
    sender, to = (f"office@benes.example", f"desk@partner{n % 9}.example") if out else (f"desk@partner{n % 9}.example", "office@benes.example")
    text = f"Thank you, the order {n} is on its way.\r\nRegards"
    server = there if out else f"{me} Exim 4.96"
    return talk(server, me if out else there, "EHLO", sender, [(to, "250 2.1.5 Ok")], letter(sender, to, f"Order {n}", text))


def main():
    start = float(sys.argv[sys.argv.index("--from") + 1])
    packets = []
    for n in range(150):
        packets += wire.conversation(spam(n), client=INFECTED, server=f"100.{64 + n % 60}.7.25", cport=20000 + n, at=start + n * 3.5, isn=(n * 7000, n * 9000))
    for n in range(40):
        ends = {"client": SERVER, "server": f"100.{90 + n % 9}.9.25"} if n % 2 else {"client": f"100.{90 + n % 9}.9.25", "server": SERVER}
        packets += wire.conversation(honest(n, n % 2), cport=30000 + n, at=start + 1 + n * 13, isn=(n * 5000, n * 3000), **ends)
    packets.sort(key=lambda p: p.at)
    with open(sys.argv[1], "wb") as f:
        f.write(wire.pcap(packets))


main()
