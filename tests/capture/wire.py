"""wire: scripted SMTP conversations as packets, and packets as capture files. A conversation is a list of ("C" or "S", bytes); the same list can be
cut into segments, put in any link layer, shuffled, lost and repeated. Everything is made from a seed."""
import random
import socket
import struct

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class Packet:
    def __init__(self, at, src, dst, sport, dport, seq, ack, flags, payload=b""):
        self.at, self.src, self.dst, self.sport, self.dport = at, src, dst, sport, dport
        self.seq, self.ack, self.flags, self.payload = seq & 0xffffffff, ack & 0xffffffff, flags, payload

    def tcp(self):
        return struct.pack("!HHIIBBHHH", self.sport, self.dport, self.seq, self.ack, 5 << 4, self.flags, 65535, 0, 0) + self.payload

    def ip(self, ident=1):
        return ip_of(self.src, self.dst, 6, self.tcp(), ident)


def ip_of(src, dst, protocol, data, ident=1, frag=0):
    if ":" in src:
        return struct.pack("!IHBB", 6 << 28, len(data), protocol, 64) + socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + data
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), ident & 0xffff, frag, 64, protocol, 0) + socket.inet_aton(src) + socket.inet_aton(dst) + data


def conversation(lines, client="192.0.2.10", server="198.51.100.25", cport=40000, sport=25, at=1700000000.0, isn=(1000, 5000), step=0.01,
                 mss=1400, handshake=True, end="fin"):
    """Packets of a conversation: every piece is acknowledged by the next of the other side, as real stacks do it."""
    addr, port, seq = {"C": client, "S": server}, {"C": cport, "S": sport}, {"C": isn[0], "S": isn[1]}
    out = []

    def send(who, flags, payload=b""):
        nonlocal at
        other = "S" if who == "C" else "C"
        ack = 0 if flags == SYN else seq[other]
        out.append(Packet(at, addr[who], addr[other], port[who], port[other], seq[who], ack, flags, payload))
        seq[who] = (seq[who] + len(payload) + (1 if flags & (SYN | FIN) else 0)) & 0xffffffff
        at += step

    if handshake:
        send("C", SYN)
        send("S", SYN | ACK)
        send("C", ACK)
    for who, data in lines:
        for i in range(0, len(data), mss):
            send(who, PSH | ACK, data[i:i + mss])
        send("S" if who == "C" else "C", ACK)
    if end == "fin":
        send("C", FIN | ACK)
        send("S", FIN | ACK)
        send("C", ACK)
    elif end == "rst":
        send("C", RST | ACK)
    return out


ETHER = b"\x02\0\0\0\0\1\x02\0\0\0\0\2"


def ethertype(ip):
    return b"\x86\xdd" if ip[0] >> 4 == 6 else b"\x08\x00"


def vxlan(ip):
    inner = ETHER + ethertype(ip) + ip
    udp = struct.pack("!HHHH", 50000, 4789, 16 + len(inner), 0) + struct.pack("!II", 0x08000000, 42 << 8) + inner
    return ETHER + b"\x08\x00" + ip_of("203.0.113.1", "203.0.113.2", 17, udp)


def gre(ip, head):
    return ETHER + b"\x08\x00" + ip_of("203.0.113.1", "203.0.113.2", 47, head + ip)


# name: (link type, frame of an IP packet, needs --tunnels)
LINKS = {
    "ethernet": (1, lambda ip: ETHER + ethertype(ip) + ip, False),
    "vlan": (1, lambda ip: ETHER + b"\x81\x00\x00\x05" + ethertype(ip) + ip, False),
    "qinq": (1, lambda ip: ETHER + b"\x88\xa8\x00\x05\x81\x00\x00\x06" + ethertype(ip) + ip, False),
    "pppoe": (1, lambda ip: ETHER + b"\x88\x64\x11\0\0\1" + struct.pack("!H", len(ip) + 2) + (b"\0\x57" if ip[0] >> 4 == 6 else b"\0\x21") + ip, False),
    "mpls": (1, lambda ip: ETHER + b"\x88\x47" + b"\0\x01\x00\x40" + b"\0\x02\x01\x40" + ip, False),
    "raw": (101, lambda ip: ip, False),
    "loopback": (0, lambda ip: struct.pack("<I", 2) + ip, False),
    "sll": (113, lambda ip: b"\0\0\0\1\0\6" + b"\2" * 8 + ethertype(ip) + ip, False),
    "sll2": (276, lambda ip: ethertype(ip) + b"\0\0" + b"\0\0\0\1\0\1\0\6" + b"\2" * 8 + ip, False),
    "ppp": (9, lambda ip: b"\xff\x03\0\x21" + ip, False),
    "hdlc": (104, lambda ip: b"\x0f\0" + ethertype(ip) + ip, False),
    "gre": (1, lambda ip: gre(ip, b"\0\0" + ethertype(ip)), True),
    "erspan": (1, lambda ip: gre(ETHER + ethertype(ip) + ip, b"\x10\0\x88\xbe\0\0\0\1" + b"\x10\x05\0\0\0\0\0\1"), True),
    "vxlan": (1, vxlan, True),
    "ipip": (1, lambda ip: ETHER + b"\x08\x00" + ip_of("203.0.113.1", "203.0.113.2", 4, ip), True),
}


def pcap(packets, link="ethernet", swapped=False, nanoseconds=False, snaplen=None):
    number, frame, _ = LINKS[link]
    e = ">" if swapped else "<"
    out = [struct.pack(e + "IHHiIII", 0xa1b23c4d if nanoseconds else 0xa1b2c3d4, 2, 4, 0, 0, 262144, number)]
    for p in packets:
        at, f = (p.at, frame(p.ip())) if isinstance(p, Packet) else p
        s = int(at)
        part = int(round((at - s) * 1e6))
        out.append(struct.pack(e + "IIII", s, part * 1000 if nanoseconds else part, len(f[:snaplen]), len(f)) + f[:snaplen])
    return b"".join(out)


def pcapng(packets, link="ethernet"):
    number, frame, _ = LINKS[link]

    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    out = [block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)),
           block(1, struct.pack("<HHI", number, 0, 0) + struct.pack("<HHB3x", 9, 1, 9) + b"\0\0\0\0")]  # nanoseconds
    for p in packets:
        f = frame(p.ip())
        ns = int(round(p.at * 1e6)) * 1000
        out.append(block(6, struct.pack("<IIIII", 0, ns >> 32, ns & 0xffffffff, len(f), len(f)) + f))
    return b"".join(out)


def fragmented(packets, size=64):
    """Ethernet frames with IP fragments of that many bytes, in reverse order."""
    out = []
    for n, p in enumerate(packets):
        data = p.tcp()
        pieces = [(i, data[i:i + size]) for i in range(0, len(data), size)]
        for i, piece in reversed(pieces):
            more = i + size < len(data)
            if ":" in p.src:
                ext = struct.pack("!BBHI", 6, 0, i | more, n)
                ip = ip_of(p.src, p.dst, 44, ext + piece)
            else:
                ip = ip_of(p.src, p.dst, 6, piece, n, i // 8 | (0x2000 if more else 0))
            out.append((p.at, ETHER + ethertype(ip) + ip))
    return out


def shuffled(packets, window, seed):
    """Each packet moves less than window places; the capture's clock stays in order."""
    rnd = random.Random(seed)
    order = sorted(range(len(packets)), key=lambda i: i + rnd.uniform(0, window))
    times = [p.at for p in packets]
    return [with_time(packets[i], t) for i, t in zip(order, times)]


def with_time(p, at):
    return Packet(at, p.src, p.dst, p.sport, p.dport, p.seq, p.ack, p.flags, p.payload)


def lossy(packets, share, seed):
    rnd = random.Random(seed)
    return [p for p in packets if rnd.random() >= share]


def repeated(packets, share, seed):
    """Some segments come twice, some of those cut or joined differently the second time."""
    rnd = random.Random(seed)
    out = []
    for p in packets:
        out.append(p)
        if p.payload and rnd.random() < share:
            cut = rnd.randrange(len(p.payload))
            again = Packet(p.at + 0.001, p.src, p.dst, p.sport, p.dport, p.seq + cut, p.ack, p.flags, p.payload[cut:])
            out.append(again)
    return out
