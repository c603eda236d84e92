"""A lab of DNS block lists on loopback: a real rbldnsd with more than sixty zones under .example, a real unbound before it, and a name server of our
own for what rbldnsd would never do (answers late, refuses by rcode, sends text of 60 kB by TCP, or bytes that are no answer).

    with Lab(folder) as lab: lab.conf("direct") -> a dnsbl.conf that asks rbldnsd itself; "none" -> no server: for --forward lab.unbound
"""
import os, random, shutil, signal, socket, struct, subprocess, threading, time

PLAIN = 50                # zones "plain01.example" … : ordinary lists of addresses
LISTED = "192.0.2.7"      # on every third plain zone
SECRET = "k3yOfTheLabThatNobodyMaySee"


def free_port():
    """A port that is free for UDP and TCP."""
    for _ in range(200):
        port = random.randint(20000, 60000)
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(socket.AF_INET, kind) as s:
                    s.bind(("127.0.0.1", port))
            return port
        except OSError:
            continue
    raise SystemExit("no free port")


TEST4 = ":127.0.0.2:test entry\n127.0.0.2\n"
TEST6 = ":127.0.0.2:test entry\n::ffff:7f00:2\n"


def zones():
    """name -> (rbldnsd type, data, lines of its section in dnsbl.conf)"""
    z = {}
    ip4 = 'targets = { "ip4" } points = 2'
    for i in range(1, PLAIN + 1):
        data = TEST4 + ":127.0.0.2:Listed as $\n" + (f"{LISTED}\n" if i % 3 == 0 else "") + f"203.0.113.{i}\n"
        z[f"plain{i:02}.example"] = ("ip4set", data, ip4 + f' delist = "https://plain{i:02}.example/off?ip=%t"')
    z["codes.example"] = ("ip4set", TEST4 + "192.0.2.4 :127.0.0.4:exploited\n192.0.2.10 :127.0.0.10:end user\n192.0.2.13 :127.0.0.13:neutral\n192.0.2.18 :127.0.0.18:good\n",
                          ip4 + ' codes = { "127.0.0.2 = spam", "127.0.0.4-127.0.0.7 8 = exploited host", "127.0.0.10 policy = end user", "127.0.0.13 neutral = neither", "127.0.0.18 allow = good" }')
    z["bits.example"] = ("ip4set", TEST4.replace("127.0.0.2:", "127.0.0.2:", 1) + "192.0.2.5 :127.0.0.6:two bits\n192.0.2.6 :127.0.0.1:blocked\n",
                         ip4 + ' codes = { "bit:1 refusal = the query was blocked", "bit:2 = black", "bit:4 = grey" }')
    z["one.example"] = ("ip4set", TEST4 + "192.0.2.1 :127.0.0.1:proxy\n", ip4 + ' codes = { "127.0.0.1 = open proxy" }')
    z["bare.example"] = ("ip4set", TEST4 + "192.0.2.1 :127.0.0.1:proxy\n", ip4)
    z["collide.example"] = ("ip4set", TEST4 + "192.0.2.1 :127.0.53.53:collision\n", ip4)
    z["wild.example"] = ("ip4trie", ":127.0.0.2:everything\n0/0\n", ip4)
    z["empty.example"] = ("ip4set", "# nothing\n", ip4)
    z["refuse.example"] = ("ip4trie", ":127.255.255.254:Error: open resolver\n0/0\n", ip4)
    z["quota.example"] = ("ip4trie", ":127.255.255.255:too many queries\n0/0\n", ip4)
    z["lying.example"] = ("ip4trie", ":203.0.113.80:parked\n0/0\n", ip4)
    z["halflie.example"] = ("ip4trie", TEST4 + "192.0.2.0/24 :203.0.113.80:parked\n", ip4)
    z["six.example"] = ("ip6trie", TEST6 + "2001:db8:6::/48 :127.0.0.4:v6 $\n", 'targets = { "ip6" } points = 2')
    z["both.example"] = ("combined", "$DATASET ip4set @\n" + TEST4 + "192.0.2.9\n$DATASET ip6trie @\n" + TEST6 + "2001:db8:9::/64\n", 'targets = { "ip4", "ip6" } points = 2')
    z["domains.example"] = ("dnset", ":127.0.0.2:spamvertised $\ntest\n.bad.example\n", 'targets = { "domain" } points = 4')
    z["allow.example"] = ("ip4set", TEST4 + "192.0.2.7 :127.0.1.3:trusted\n", 'targets = { "ip4" } kind = "allow" codes = { "127.0.*.3 = high trust" }')
    z["hostile.example"] = ("ip4set", TEST4 + '192.0.2.7 :127.0.0.2:\x1b[31m<script>alert(1)</script> \xff\xe2\x80\xae"\n', ip4)
    z["leak.example"] = ("ip4set", TEST4 + f"192.0.2.7 :127.0.0.2:asked as {SECRET}.leak.example\n192.0.2.28 :127.0.0.2:{'x' * 240}{SECRET}\n", ip4 + ' key = "lab"')
    z["off.example"] = ("ip4set", TEST4, ip4 + " enabled = false")
    z["nodata.example"] = ("ip4set", TEST4, ip4)
    return z


# What the name server of our own does for a name that ends in …
OWN = ["null.example", "wake.example", "slow.example", "late.example", "rcode.example", "servfail.example", "garbage.example", "big.example", "blink.example", "other.example"]


class Own(threading.Thread):
    """Answers as the zones of OWN want it. Test entries are answered properly, so that the zones pass their self-test."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", port))
        self.tcp = socket.create_server(("127.0.0.1", port))
        self.blink = set()
        self.asked, self.names, self.questions = 0, set(), set()
        self.heard = []  # (when, name) of questions for names in quick.example, paced.example and mute.example
        self.turn = "usual"  # what turn.example does: "usual", "deaf", "clean" (lists its test entry alone), "wild" (lists everything)
        self.found = False  # names in host.example have an address
        self.awake = False  # wake.example lists nothing, not even its test entry, until then

    @staticmethod
    def question(q):
        at, labels = 12, []
        while q[at]:
            labels.append(q[at + 1:at + 1 + q[at]].decode("latin1").lower())
            at += q[at] + 1
        return ".".join(labels), struct.unpack(">H", q[at + 1:at + 3])[0], q[12:at + 5]

    @staticmethod
    def reply(q, question, rcode=0, a=None, txt=None, flags=0x8400, ttl=60):
        rr = b""
        if a:
            rr = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, ttl, 4) + socket.inet_aton(a)
        if txt is not None:
            pieces = b"".join(bytes([len(txt[i:i + 255])]) + txt[i:i + 255] for i in range(0, len(txt), 255))
            rr = b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, ttl, len(pieces)) + pieces
        soa = b""
        if not rr and rcode in (0, 3):
            name = b"\x05" + b"local" + b"\0"
            data = name + name + struct.pack(">IIIII", 1, 60, 60, 60, ttl)
            soa = b"\x07example\0" + struct.pack(">HHIH", 6, 1, ttl, len(data)) + data
        return q[:2] + struct.pack(">HHHHH", flags | rcode, 1, 1 if rr else 0, 1 if soa else 0, 0) + question + rr + soa

    def answer(self, q, tcp):
        name, kind, question = self.question(q)
        zone = ".".join(name.split(".")[-2:])
        head = name[:-len(zone) - 1]
        test = head in ("2.0.0.127", "1.0.0.127")
        listed = head == "2.0.0.127" or head == "7.2.0.192"
        self.asked += 1
        self.names.add(name)
        self.questions.add((name, kind))
        if kind not in (1, 16) or not head:
            return self.reply(q, question)
        listed = listed or (zone == "all.example" and not test)
        if zone == "host.example":  # no list: where a customer's mail server is
            return self.reply(q, question, a="203.0.113.33") if self.found else self.reply(q, question, 2)
        if zone in ("quick.example", "paced.example", "mute.example"):  # answers hold for no time: each round asks
            self.heard.append((time.time(), name))
            if zone == "mute.example" and not test:
                return None
            return self.reply(q, question, a="127.0.0.2", ttl=0) if head == "2.0.0.127" or head.startswith("test.") else self.reply(q, question, 3, ttl=0)
        if zone == "turn.example":
            if self.turn == "deaf":
                return None
            listed = self.turn == "wild" or (listed and (test or self.turn != "clean"))
        if zone == "null.example" and listed and not test:  # what a filtering resolver says
            return self.reply(q, question, a="0.0.0.0")
        if zone == "wake.example" and not self.awake:
            return self.reply(q, question, 3)
        if not test:
            if zone == "slow.example":
                time.sleep(30)
            if zone == "late.example":
                time.sleep(1.2)
            if zone == "rcode.example":
                return self.reply(q, question, 5)
            if zone == "servfail.example":
                return self.reply(q, question, 2)
            if zone == "garbage.example":
                return q[:2] + os.urandom(40)
            if zone == "other.example":  # an answer to another question
                return self.reply(q, b"\x05wrong\x07example\0" + question[-4:], a="127.0.0.2")
            if zone == "blink.example" and name not in self.blink:
                self.blink.add(name)  # the first datagram is lost
                return None
        if not listed:
            return self.reply(q, question, 3)
        if kind == 1:
            return self.reply(q, question, a="127.0.0.2")
        if zone == "big.example" and not tcp:
            return self.reply(q, question, flags=0x8600)  # truncated: ask by TCP
        return self.reply(q, question, txt=b"A" * 60000 if zone == "big.example" else b"listed")

    def serve_tcp(self):
        while True:
            c, _ = self.tcp.accept()
            with c:
                try:
                    n = struct.unpack(">H", c.recv(2, socket.MSG_WAITALL))[0]
                    r = self.answer(c.recv(n, socket.MSG_WAITALL), True)
                    c.sendall(struct.pack(">H", len(r)) + r)
                except (OSError, struct.error, IndexError):
                    pass

    def one(self, q, peer):
        try:
            r = self.answer(q, False)
        except (IndexError, struct.error):
            return
        if r:
            self.udp.sendto(r, peer)

    def run(self):
        threading.Thread(target=self.serve_tcp, daemon=True).start()
        while True:
            q, peer = self.udp.recvfrom(4096)
            threading.Thread(target=self.one, args=(q, peer), daemon=True).start()


class Lab:
    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        os.chmod(self.folder, 0o755)
        self.zones = zones()
        self.port, self.own_port, self.unbound_port = free_port(), free_port(), free_port()
        self.rbldnsd = self.unbound = None
        self.own = Own(self.own_port)
        self.extra = ""  # more of dnsbl.conf

    # rbldnsd refuses to be root
    def start_rbldnsd(self):
        args = []
        for name, (kind, data, _) in self.zones.items():
            path = f"{self.folder}/{name}.zone"
            with open(path, "wb") as f:
                f.write(b"$SOA 60 ns.example hostmaster.example 0 60 60 60 60\n$NS 60 ns.example\n" + data.encode("latin1"))
            args.append(f"{name}:{kind}:{path}")
        args.append(f"{SECRET}.leak.example:ip4set:{self.folder}/leak.example.zone")
        self.rbldnsd = subprocess.Popen(["/usr/sbin/rbldnsd", "-n", "-u", "nobody", "-b", f"127.0.0.1/{self.port}", "-c", "0", "-t", "60"] + args,
                                        stdout=open(f"{self.folder}/rbldnsd.log", "ab"), stderr=subprocess.STDOUT)
        self.wait(self.port, "plain01.example")

    def start_unbound(self):
        stubs = "".join(f'stub-zone:\n  name: "{n}"\n  stub-addr: 127.0.0.1@{self.port}\n' for n in self.zones)
        stubs += "".join(f'stub-zone:\n  name: "{n}"\n  stub-addr: 127.0.0.1@{self.own_port}\n' for n in OWN)
        with open(f"{self.folder}/unbound.conf", "w") as f:
            f.write(f"""server:
  interface: 127.0.0.1
  port: {self.unbound_port}
  do-not-query-localhost: no
  qname-minimisation: no
  module-config: "iterator"
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  outgoing-range: 2048
  num-queries-per-thread: 2048
  directory: "{self.folder}"
  local-zone: "gone.example." always_nxdomain
remote-control:
  control-enable: no
{stubs}""")
        self.unbound = subprocess.Popen(["/usr/sbin/unbound", "-d", "-c", f"{self.folder}/unbound.conf"], stdout=open(f"{self.folder}/unbound.log", "ab"), stderr=subprocess.STDOUT)
        self.wait(self.unbound_port, "plain01.example")

    @staticmethod
    def wait(port, zone):
        q = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0" + b"".join(bytes([len(l)]) + l.encode() for l in ("2.0.0.127." + zone).split(".")) + b"\0\0\1\0\1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            for _ in range(100):
                try:
                    s.sendto(q, ("127.0.0.1", port))
                    if len(s.recv(512)) > 12:
                        return
                except OSError:
                    time.sleep(0.05)
        raise SystemExit(f"nobody answers on port {port}")

    def stop(self, what):
        p = getattr(self, what)
        if p:
            p.send_signal(signal.SIGKILL)
            p.wait()
        setattr(self, what, None)

    def conf(self, how="direct", skip=(), pace=True):
        """A dnsbl.conf; how: "direct" asks the servers that hold the zones, "none" leaves it to the resolver."""
        path = f"{self.folder}/dnsbl-{how}.conf"
        with open(path, "w") as f:
            for name in list(self.zones) + OWN + ["gone.example"]:
                if name in skip:
                    continue
                lines = self.zones[name][2] if name in self.zones else 'targets = { "ip4" } points = 2'
                port = self.port if name in self.zones else self.own_port
                server = f' server = "127.0.0.1@{port}"' if how == "direct" and name != "gone.example" else ""
                f.write(f'zone "{name}" {{ {lines} per-second = {20 if pace else 0}{server} }}\n')
            f.write(self.extra)
            f.write('dead "*.graveyard.example" { since = "2024-06-05" reason = "closed" }\n')
        return path

    def keys(self):
        path = f"{self.folder}/keys"
        with open(path, "w") as f:
            f.write(f"lab {SECRET}\n")
        os.chmod(path, 0o600)
        return path

    def __enter__(self):
        self.own.start()
        self.start_rbldnsd()
        self.start_unbound()
        return self

    def __exit__(self, *_):
        self.stop("rbldnsd")
        self.stop("unbound")
