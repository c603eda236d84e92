#!/usr/bin/env python3
"""month.py ABUSEWATCH [--days N] [--scale X] [--seed S] [--open NATS] [--keep DIR] [--test]: ordinary port-25 traffic of a provider's customers and a few
infected hosts among it, as one capture with a known truth, imported; which hosts got a case, and which detectors spoke. Everything comes from the seed.

Innocent: offices' own mail servers (well and badly named), newsletters, lists, forwarders, a second MX, gateways that ask back, servers that retry greylisted
mail, several servers behind one address, an office behind NAT, shops, printers, monitoring, laptops on port 587. Infected: see the functions named bot_…;
some hosts behave well until the day of their infection.
--test: says ok or not ok: no case about the innocent, one about each of the infected that is not called hard."""
import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
from datetime import datetime, timezone

import wire

HOUR, DAY = 3600.0, 86400.0
START = datetime(2026, 6, 1, tzinfo=timezone.utc).timestamp()
WORDS = ("offer meeting garden invoice summer please note that our new price list order number letter house team project file next week morning thanks regards "
         "delivery customer service account water school music ticket train report figures budget plan kitchen doctor holiday photo village bridge market news").split()


class World:
    """The world's mail servers: a few large receivers in many networks, and many small ones."""

    def __init__(self, rnd):
        self.large = [(f"large{k}.example", [f"64.{k * 7 + 3}.{n}.26" for n in range(12)]) for k in range(5)]
        self.small = [(f"d{k}.example", [f"203.{k // 250}.{k % 250}.25"]) for k in range(3000)]
        self.grey = {d for d, _ in self.small if rnd.random() < 0.08}
        self.tls = {d for d, _ in self.small if rnd.random() < 0.6}

    def pick(self, rnd, few=None):
        """A receiver; of somebody who writes to `few` of them mostly, those."""
        if few:
            return few[min(int(rnd.expovariate(6 / len(few))), len(few) - 1)]
        return rnd.choice(self.large) if rnd.random() < 0.45 else rnd.choice(self.small)


def text(rnd, n=60):
    return " ".join(rnd.choice(WORDS) for _ in range(n))


class Session:
    def __init__(self, t, client, domain, server, helo, sender, to, **how):
        self.t, self.client, self.domain, self.server, self.helo, self.sender, self.to, self.how = t, client, domain, server, helo, sender, to, how

    def lines(self):
        h, out = self.how, []
        say = lambda who, s: out.append((who, s.encode() + b"\r\n"))
        name = h.get("name", "mx." + self.domain)
        if h.get("banner") and h["banner"][0] in "45":
            say("S", h["banner"])
            return out
        if h.get("early"):
            say("C", f"HELO {self.helo}")
        say("S", "220 " + h.get("banner", name + " ESMTP"))
        if not h.get("early"):
            say("C", ("HELO " if h.get("old") else "EHLO ") + self.helo)
        tls = h.get("tls") and not h.get("old")
        if h.get("old") or h.get("early"):
            say("S", f"250 {name}")
        else:
            say("S", f"250-{name}\r\n250-PIPELINING\r\n" + ("250-STARTTLS\r\n" if h.get("offers", True) else "") + "250 8BITMIME")
        if tls:
            say("C", "STARTTLS")
            say("S", "220 go")
            out.append(("C", b"\x16\x03\x01\x00\xfa" + b"\x01" * 250))
            out.append(("S", b"\x16\x03\x03\x04\x00" + b"\x02" * 1024))
            out.append(("C", b"\x17\x03\x03" + struct.pack("!H", 3600) + b"\x07" * 3600))
            out.append(("S", b"\x17\x03\x03\x00\x80" + b"\x08" * 128))
            return out
        if h.get("probe"):
            say("C", "QUIT")
            say("S", "221 bye")
            return out
        self.envelope(say, h)
        if h.get("quit", True):
            say("C", "QUIT")
            say("S", "221 bye")
        return out

    def envelope(self, say, h):
        replies = h.get("replies") or ["250 2.1.5 Ok"] * len(self.to)
        if h.get("mail_reply"):
            say("C", f"MAIL FROM:<{self.sender}>")
            say("S", h["mail_reply"])
            return
        if h.get("pipelined"):
            say("C", f"MAIL FROM:<{self.sender}>\r\n" + "\r\n".join(f"RCPT TO:<{r}>" for r in self.to))
            say("S", "250 2.1.0 Ok\r\n" + "\r\n".join(replies))
        else:
            say("C", f"MAIL FROM:<{self.sender}>")
            say("S", "250 2.1.0 Ok")
            for r, reply in zip(self.to, replies):
                say("C", f"RCPT TO:<{r}>")
                say("S", reply)
        if not any(r[0] == "2" for r in replies) or h.get("data") is False:
            return
        say("C", "DATA")
        say("S", "354 go")
        head = f"Subject: {h.get('subject', 'hello')}\r\nFrom: <{self.sender}>\r\n"
        if "attachment" in h:
            head += f'Content-Type: application/octet-stream; name="{h["attachment"]}"\r\n'
        say("C", head + "\r\n" + h.get("body", "Hello, as we said yesterday.") + "\r\n.")
        say("S", h.get("verdict", "250 2.0.0 Ok"))


# --- the innocent --------------------------------------------------------------------------------------------------


class Net:
    def __init__(self, args):
        self.days, self.scale, self.rnd = args.days, args.scale, random.Random(args.seed)
        self.world = World(self.rnd)
        self.hosts, self.customers, self.sessions = {}, [], []

    def host(self, kind, infected=None, hard=False):
        n = len(self.customers) + 1
        ip = f"198.18.{n}.{10 + n % 90}"
        self.customers.append((f"C{n}", ip))
        self.hosts[ip] = {"kind": kind, "infected": infected, "hard": hard}
        return ip

    def add(self, t, client, domain, server, helo, sender, to, **how):
        self.sessions.append(Session(t, client, domain, server, helo, sender, to, **how))

    def times(self, per_day, first=0, last=None, office=True):
        """Poisson, by day (at offices: of workdays between 7 and 19 h, and little else)."""
        for day in range(int(first), self.days if last is None else int(last)):
            weekend = day % 7 >= 5
            lam = per_day * self.scale * ((0.1 if weekend else 1) if office else 1)
            for _ in range(int(self.rnd.gauss(lam, lam ** 0.5) + 0.5) if lam > 0 else 0):
                hour = self.rnd.triangular(7, 19, 10.5) if office and self.rnd.random() < 0.93 else self.rnd.uniform(0, 24)
                yield START + day * DAY + hour * HOUR

    def deliver(self, t, ip, helo, sender, few=None, bad=0.02, spam=0.0, retries=True, rcpts=1, **how):
        """One message as a proper server sends it: in TLS where that is offered, again later where it is greylisted."""
        rnd = self.rnd
        domain, servers = self.world.pick(rnd, few)
        server = rnd.choice(servers)
        to = [f"{rnd.choice(WORDS)}{rnd.randrange(400)}@{domain}" for _ in range(rcpts)]
        how.setdefault("pipelined", True)
        how.setdefault("tls", domain in self.world.tls or domain.startswith("large"))
        grey = domain in self.world.grey and rnd.random() < 0.5
        if how["tls"]:
            self.add(t, ip, domain, server, helo, sender, to, **how)
            return
        if grey:
            self.add(t, ip, domain, server, helo, sender, to, **(how | {"replies": ["450 4.2.0 Greylisted, please try again"] * len(to)}))
            if not retries:
                return
            t += rnd.choice((310, 900, 1800, 2400)) + rnd.random() * 60
        x = rnd.random()
        if x < bad:
            how["replies"] = ["550 5.1.1 no such user"] * len(to)
        elif x < bad + spam:
            how["verdict"] = "550 5.7.1 message looks like spam"
        how.setdefault("body", text(rnd))
        self.add(t, ip, domain, server, helo, sender, to, **how)

    def some(self, n):
        return [self.world.pick(self.rnd) for _ in range(n)]

    def server(self, kind="mail server", per_day=90, helo=None, infected=None, days=None, **how):
        ip = self.host(kind, infected)
        n = len(self.customers)
        few, name = self.some(60), helo or f"mail.firm{n}.example"
        for t in self.times(per_day):
            if self.rnd.random() < 0.15:
                self.deliver(t, ip, name, f"{self.rnd.choice(WORDS)}@firm{n}.example", rcpts=self.rnd.choice((1, 1, 2, 3)), **how)
            else:
                self.deliver(t, ip, name, f"{self.rnd.choice(WORDS)}@firm{n}.example", few, rcpts=self.rnd.choice((1, 1, 1, 2, 4)), **how)
        return ip

    def innocent(self):
        rnd = self.rnd
        for k in range(10):
            self.server(per_day=(15, 40, 90, 200)[k % 4])
        self.server("server with a short name", 60, "server01")
        self.server("server with a local name", 60, "EXCH01.firma.local")
        self.server("server with its line's name", 60, f"host-198-18-{len(self.customers) + 1}-{10 + (len(self.customers) + 1) % 90}.dsl.isp.example")
        self.server("server called localhost", 40, "localhost.localdomain")
        self.server("server that says no QUIT", 60, quit=False)
        self.server("old server", 40, old=True, pipelined=False)
        self.newsletter(), self.lists(), self.forwarder(), self.second_mx(), self.callouts(), self.farm(1), self.farm(4), self.office(), self.shop()
        self.printer(), self.monitoring(), self.laptop(), self.same_news(), self.scanner_of_its_own()
        self.verifier(), self.old_list(), self.after_an_outage(), self.christmas(), self.hotel(), self.listed_for_a_while(), self.campus()

    def newsletter(self):
        ip = self.host("newsletter")
        for day in range(2, self.days, 7):
            body = text(self.rnd, 150)
            for k in range(int(2500 * self.scale)):
                self.deliver(START + day * DAY + 9 * HOUR + k * 7200 / 2500, ip, "news.shop.example", f"bounce+{k}@news.shop.example", bad=0.05, body=body)

    def lists(self):
        ip = self.host("mailing lists")
        members = [self.some(80) for _ in range(4)]
        for t in self.times(12):
            body, k = text(self.rnd), self.rnd.randrange(4)
            for i in range(0, 80, 2):
                self.deliver(t + i * 0.4, ip, "lists.club.example", f"list{k}-bounces@lists.club.example", members[k][i:i + 2], bad=0.01, body=body)

    def forwarder(self):
        ip = self.host("forwarder")
        few = self.some(12)
        for t in self.times(120, office=False):
            self.deliver(t, ip, "forward.club.example", f"SRS0=ab{self.rnd.randrange(99)}=tt=x{self.rnd.randrange(999)}.example=u@club.example", few, spam=0.2)

    def second_mx(self):
        ip = self.host("second MX")
        for t in self.times(60, office=False):
            sender, to, body = f"x{self.rnd.randrange(999)}@world{self.rnd.randrange(300)}.example", [f"{self.rnd.choice(WORDS)}@club2.example"], text(self.rnd)
            self.add(t, f"203.{self.rnd.randrange(12)}.{self.rnd.randrange(250)}.25", "club2.example", ip, f"out{self.rnd.randrange(99)}.example", sender, to, name="mx2.club2.example", body=body)
            self.add(t + 3, ip, "club2.example", "203.0.113.77", "mx2.club2.example", sender, to, pipelined=True, body=body, offers=False,
                     **({"replies": ["550 5.1.1 unknown"]} if self.rnd.random() < 0.15 else {}))

    def callouts(self):
        """A gateway that asks whether senders exist before it takes their mail; most of the spam's do not."""
        ip = self.host("gateway with callouts")
        for t in self.times(150, office=False):
            domain, servers = self.world.pick(self.rnd)
            self.add(t, ip, domain, self.rnd.choice(servers), "gate.firm.example", "", [f"{self.rnd.choice(WORDS)}@{domain}"], data=False,
                     replies=["550 5.1.1 unknown"] if self.rnd.random() < 0.5 else None)

    def farm(self, organisations):
        """Six servers behind one address."""
        ip = self.host("farm of one organisation" if organisations == 1 else "servers of several organisations behind NAT")
        few = self.some(80)
        for t in self.times(250, office=False):
            k = self.rnd.randrange(6)
            org = f"host{k % organisations}.example"
            self.deliver(t, ip, f"mail{k}.{org}", f"{self.rnd.choice(WORDS)}@{org}", few)

    def office(self):
        ip = self.nat()
        return ip

    def nat(self, infected=None, kind="office behind NAT"):
        """A server, mail programs that give their mail to providers outside, a device."""
        ip = self.host(kind, infected)
        few, providers = self.some(40), [("provider1.example", ["64.200.1.25"]), ("provider2.example", ["64.201.1.25"])]
        for t in self.times(70):
            self.deliver(t, ip, "mail.office.example", f"{self.rnd.choice(WORDS)}@office.example", few)
        for t in self.times(25):
            domain, servers = self.rnd.choice(providers)
            self.add(t, ip, domain, servers[0], f"[192.168.1.{self.rnd.randrange(10, 30)}]", "ann@provider.example", ["x@y.example"], tls=True, name="smtp." + domain)
        for t in self.times(4):
            self.add(t, ip, "provider1.example", "64.200.1.25", "KMBT4F21C0", "scan@office.example", ["ann@office.example"], old=True, body=text(self.rnd, 20))
        return ip

    def shop(self):
        ip = self.host("web shop")
        for t in self.times(25, office=False):
            self.deliver(t, ip, "web01", "shop@shop9.example", bad=0.06, pipelined=False, tls=False)

    def printer(self):
        ip = self.host("printer")
        for t in self.times(15):
            self.add(t, ip, "provider1.example", "64.200.1.25", "localhost", "scan@home.example", ["me@home.example"], old=True, quit=False, body=text(self.rnd, 20))

    def monitoring(self):
        ip = self.host("monitoring")
        targets = [self.rnd.choice(self.world.small) for _ in range(12)]
        for k in range(int(self.days * 24 * 4 * self.scale)):
            for domain, servers in targets:
                self.add(START + k * 900 / self.scale + self.rnd.random() * 20, ip, domain, servers[0], "monitor.firm.example", "", [], probe=True)

    def scanner_of_its_own(self):
        """A service that looks whether mail servers offer encryption."""
        ip = self.host("survey of STARTTLS")
        for t in self.times(60, office=False):
            domain, servers = self.world.pick(self.rnd)
            self.add(t, ip, domain, servers[0], "survey.university.example", "", [], probe=True)

    def verifier(self):
        """A shop that asks whether an address exists before it takes an order."""
        ip = self.host("shop that verifies addresses")
        for t in self.times(40, office=False):
            domain, servers = self.world.pick(self.rnd)
            self.add(t, ip, domain, self.rnd.choice(servers), "www.shop10.example", "order@shop10.example", [f"{self.rnd.choice(WORDS)}@{domain}"], data=False,
                     replies=["550 5.1.1 unknown"] if self.rnd.random() < 0.12 else None)

    def old_list(self):
        ip = self.host("newsletter to an old list")
        body = text(self.rnd, 150)
        for k in range(int(1200 * self.scale)):
            self.deliver(START + (self.days // 3) * DAY + 10 * HOUR + k * 6, ip, "news.union.example", f"bounce+{k}@news.union.example", bad=0.14, body=body)

    def after_an_outage(self):
        """Its line was down for half a day; then all that waited leaves within minutes."""
        ip = self.server("server after an outage", 60)
        name = f"mail.firm{len(self.customers)}.example"
        for k in range(int(150 * self.scale)):
            self.deliver(START + (self.days // 2) * DAY + 15 * HOUR + k * 3, ip, name, f"{self.rnd.choice(WORDS)}@firm{len(self.customers)}.example")

    def christmas(self):
        """A small server's one letter a year to everybody it knows."""
        ip = self.server("server with a letter to all", 12)
        name, body = f"mail.firm{len(self.customers)}.example", text(self.rnd, 90)
        for k in range(int(600 * self.scale)):
            self.deliver(START + (self.days // 2 + 1) * DAY + 11 * HOUR + k * 2, ip, name, f"office@firm{len(self.customers)}.example", bad=0.07, body=body)

    def hotel(self):
        """Guests' mail programs, which give their mail to their providers on port 25."""
        ip = self.host("hotel behind NAT")
        providers = [(f"provider{k}.example", f"64.{210 + k}.1.25") for k in range(9)]
        for t in self.times(90, office=False):
            domain, server = self.rnd.choice(providers)
            name = self.rnd.choice((f"[192.168.{self.rnd.randrange(4)}.{self.rnd.randrange(250)}]", f"LAPTOP-{self.rnd.randrange(900)}", f"{self.rnd.choice(WORDS)}s-phone"))
            self.add(t, ip, domain, server, name, "guest@" + domain, ["x@y.example"], tls=True, name="smtp." + domain)

    def listed_for_a_while(self):
        """A good server that a block list has for three days; a fifth of the receivers use it."""
        ip = self.host("server that is listed for three days")
        few, begin = self.some(60), START + (self.days // 2) * DAY
        for t in self.times(80):
            if begin <= t < begin + 3 * DAY and self.rnd.random() < 0.2:
                domain, servers = self.world.pick(self.rnd, few)
                self.add(t, ip, domain, servers[0], "mail.honest.example", "ann@honest.example", [f"x@{domain}"], banner="554 5.7.1 your address is listed")
            else:
                self.deliver(t, ip, "mail.honest.example", "ann@honest.example", few)

    def campus(self):
        """A large gateway: many senders, forwarded spam, unknown recipients."""
        ip = self.host("gateway of a university")
        for t in self.times(700, office=False):
            self.deliver(t, ip, "mailgate.university.example", f"{self.rnd.choice(WORDS)}{self.rnd.randrange(300)}@university.example", bad=0.05, spam=0.06,
                         rcpts=self.rnd.choice((1, 1, 1, 2, 5)))

    def laptop(self):
        ip = self.host("laptop on port 587")
        for t in self.times(12):
            self.add(t, ip, "provider2.example", "64.201.1.25", "[192.168.178.20]", "bob@provider2.example", ["x@y.example"], tls=True, sport=587)

    def same_news(self):
        """A press release that the servers of four customers send on."""
        body = text(random.Random(5), 120)
        for _ in range(4):
            ip = self.server("server that sends the same press release", 30)
            name, t = f"mail.firm{len(self.customers)}.example", START + (self.days // 2) * DAY + 10 * HOUR
            for k in range(int(60 * self.scale)):
                self.deliver(t + k * 40, ip, name, f"press@firm{len(self.customers)}.example", body=body, tls=False)

    # --- the infected ----------------------------------------------------------------------------------------------

    def spam(self, t, ip, helo, sender=None, refused=0.4, few=None, **how):
        rnd = self.rnd
        domain, servers = self.world.pick(rnd, few)
        to = [f"{rnd.choice(WORDS)}{rnd.randrange(900)}@{domain}" for _ in range(how.pop("rcpts", 1))]
        x = rnd.random()
        if x < refused * 0.4:
            how["replies"] = ["550 5.1.1 no such user"] * len(to)
        elif x < refused * 0.7:
            how["banner"] = "554 5.7.1 your address is listed"
        elif x < refused:
            how["replies"] = ["554 5.7.1 Service unavailable; Client host blocked using bl.example"] * len(to)
        elif domain in self.world.grey:
            how["replies"] = ["450 4.2.0 Greylisted, please try again"] * len(to)
        how.setdefault("body", text(rnd, 80))
        self.add(t, ip, domain, rnd.choice(servers), helo or f"{rnd.choice(WORDS)}{rnd.randrange(99)}.example",
                 sender or f"{rnd.choice(WORDS)}{rnd.randrange(999)}@{rnd.choice(WORDS)}.example", to, **how)

    def infect(self, kind, per_day, speak, hard=False, first=None, ip=None):
        first = self.rnd.uniform(0.3, 0.7) * self.days if first is None else first
        ip = ip or self.host(kind, first, hard)
        self.hosts[ip].update(kind=kind, infected=START + int(first) * DAY)
        for t in self.times(per_day, first, office=False):
            speak(t, ip)

    def line_name(self, ip):
        return "dyn-" + ip.replace(".", "-") + ".isp.example"

    def infected(self):
        self.infect("bot: fast", 6000, lambda t, ip: self.spam(t, ip, None), first=self.days - 2)
        self.infect("bot: its line's name, 6 an hour", 150, lambda t, ip: self.spam(t, ip, self.line_name(ip)))
        self.infect("bot: forged name, clean manners, 30 an hour", 720, lambda t, ip: self.spam(t, ip, "mail.forged.example", pipelined=True), first=0)
        few = self.some(3)
        self.infect("bot: three receivers only", 500, lambda t, ip: self.spam(t, ip, None, few=self.world.large[:3]))
        self.infect("bot: its peer's name", 300, lambda t, ip: self.spam(t, ip, None, peer=True))
        self.infect("bot: talks before the greeting", 200, lambda t, ip: self.spam(t, ip, self.line_name(ip), early=True, old=True))
        self.infect("worm: sends itself", 60, lambda t, ip: self.spam(t, ip, "DESKTOP-5F2", attachment="photo.scr", refused=0.2))
        self.infect("bot: no retry, no QUIT", 240, lambda t, ip: self.spam(t, ip, "[" + ip + "]", quit=False))
        self.infect("harvester", 700, lambda t, ip: self.spam(t, ip, "check.list.example", rcpts=6, data=False, refused=0.3))
        body = text(self.rnd, 120)
        for _ in range(4):
            self.infect("bots of one campaign, 3 an hour", 72, lambda t, ip: self.spam(t, ip, "home.lan", body=body))
        ip = self.nat(0, "office behind NAT with an infected PC")
        self.infect("office behind NAT with an infected PC", 300, lambda t, ip: self.spam(t, ip, None), ip=ip)
        ip = self.server("broken-in server", 60)
        name = f"mail.firm{len(self.customers)}.example"
        self.infect("broken-in server, 100 an hour in its own name", 2400, lambda t, ip: self.spam(t, ip, name, refused=0.35, pipelined=True), ip=ip)
        self.infect("bot: one an hour", 24, lambda t, ip: self.spam(t, ip, self.line_name(ip)), hard=True)
        self.infect("bot: clean manners and a clean list", 100, lambda t, ip: self.spam(t, ip, "mail.forged2.example", pipelined=True, refused=0.05), hard=True)


# --- capture -------------------------------------------------------------------------------------------------------


def write_pcap(path, sessions):
    """In order of time; packets of sessions that last are held back."""
    sessions.sort(key=lambda s: s.t)
    held = []
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101))

        def put(until):
            held.sort(key=lambda p: p.at)
            n = 0
            for p in held:
                if until is not None and p.at >= until:
                    break
                n += 1
                ip = p.ip()
                f.write(struct.pack("<IIII", int(p.at), int(p.at % 1 * 1e6), len(ip), len(ip)) + ip)
            del held[:n]

        for n, s in enumerate(sessions):
            helo = "mx." + s.domain if s.how.get("peer") else s.helo
            s.helo = helo
            held.extend(wire.conversation(s.lines(), s.client, s.server, 10000 + n % 50000, s.how.get("sport", 25), s.t, (n * 977 & 0xffffffff, n * 1231 & 0xffffffff), 0.03))
            if n % 2000 == 1999:
                put(s.t)
        put(None)


def run(args):
    net = Net(args)
    net.innocent()
    net.infected()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
        folder = args.keep or work
        os.makedirs(folder, exist_ok=True)
        pcap, conf, store = (os.path.join(folder, x) for x in ("month.pcap", "month.conf", "month.db"))
        write_pcap(pcap, net.sessions)
        for end in ("", "-wal", "-shm"):
            if os.path.exists(store + end):
                os.unlink(store + end)
        with open(os.path.join(folder, "customers.csv"), "w") as f:
            f.write("customer,contact,language,kind,value\n" + "".join(f"{c},{c}@isp.example,en,prefix,{ip}\n" for c, ip in net.customers))
        with open(conf, "w") as f:
            f.write('store = "month.db"\nnetworks = { "198.18.0.0/15" }\nlocal-domains = { "isp.example" }\ncustomers = "customers.csv"\n'
                    f'detector "fusion" {{ open = {args.open} }}\nsource "mx1" {{ path = "mail.log" mta = "postfix" }}\n')
        r = subprocess.run([args.abusewatch, "import", "-c", conf, pcap], capture_output=True, text=True)
        if r.returncode:
            raise SystemExit(r.stderr)
        out = subprocess.run([args.abusewatch, "cases", "-c", conf, "--format", "ndjson"], capture_output=True, text=True, check=True).stdout
        net.bytes = os.path.getsize(pcap)
    return net, {c["principal"]["id"]: c for c in map(json.loads, out.splitlines())}


def report(net, cases, args):
    bad = {ip: h for ip, h in net.hosts.items() if h["infected"]}
    false = [ip for ip in cases if ip not in bad]
    early = [ip for ip in cases if ip in bad and datetime.fromisoformat(cases[ip]["opened_at"]).timestamp() < bad[ip]["infected"] - 1]
    missed = [ip for ip in bad if ip not in cases]
    print(f"{args.days} days, {len(net.sessions)} sessions, {len(net.hosts)} hosts of which {len(bad)} get infected; opens at {args.open} nats")
    print(f"cases {len(cases)}, false {len(false) + len(early)}, infected without a case {len(missed)}")
    for ip in sorted(bad, key=lambda ip: bad[ip]["kind"]):
        h, c = bad[ip], cases.get(ip)
        before = sum(1 for s in net.sessions if s.client == ip and c and h["infected"] <= s.t <= datetime.fromisoformat(c["opened_at"]).timestamp())
        after = f"after {before} sessions, {(datetime.fromisoformat(c['opened_at']).timestamp() - h['infected']) / HOUR:.1f} h; peak {c['peak_score']}" if c else "missed"
        print(f"  {h['kind']}{' (hard)' if h['hard'] else ''}: {after}" + (f" [{' '.join(d['name'] + ' ' + str(d['score']) for d in c['detectors'])}]" if c else ""))
    for ip in false + early:
        c = cases[ip]
        print(f"  FALSE {net.hosts[ip]['kind']} {ip}: {c['opened_at']} peak {c['peak_score']} [{' '.join(d['name'] + ' ' + str(d['score']) for d in c['detectors'])}] {c['sentence']}")
    names = sorted({d["name"] for c in cases.values() for d in c["detectors"]})
    print("  detector      spoke about   of them infected   of the infected")
    for d in names:
        spoke = [ip for ip, c in cases.items() if any(x["name"] == d and x["score"] >= 2 for x in c["detectors"])]
        right = [ip for ip in spoke if ip in bad and ip not in early]
        print(f"  {d:14}{len(spoke):11} {len(right):18} {len(right)}/{len(bad)}")
    return false + early, [ip for ip in missed if not bad[ip]["hard"]]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("abusewatch")
    p.add_argument("--days", type=int, default=30)
    p.add_argument("--scale", type=float, default=1)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--open", type=float, default=12)
    p.add_argument("--keep")
    p.add_argument("--test", action="store_true")
    args = p.parse_args()
    if args.test:
        with open(os.devnull, "w") as nothing:
            stdout, sys.stdout = sys.stdout, sys.stderr
            net, cases = run(args)
            false, missed = report(net, cases, args)
            sys.stdout = stdout
            del nothing
        say = lambda name, faults: print(f"not ok {name} - {', '.join(net.hosts[ip]['kind'] for ip in faults)}" if faults else f"ok {name}")
        say("an ordinary month of port 25: no case about the innocent", false)
        say("an ordinary month of port 25: a case about each infected host", missed)
        return
    report(*run(args), args)


main()
