#!/usr/bin/env python3
"""seeds.py FOLDER — DNS answers and files of lists for fuzz_dns to begin with."""
import os, struct, sys

os.makedirs(sys.argv[1], exist_ok=True)
name = b"".join(bytes([len(l)]) + l for l in b"2.0.0.127.bl.example".split(b".")) + b"\0"


def rr(kind, data, owner=b"\xc0\x0c", ttl=60):
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


soa = rr(6, b"\0\0" + struct.pack(">IIIII", 1, 1, 1, 1, 300))
answers = {"listed": (1, 0x8180, 1, 0, rr(1, b"\x7f\0\0\2")), "two": (1, 0x8180, 2, 0, rr(1, b"\x7f\0\0\2") + rr(1, b"\x7f\0\0\x0b")), "nx": (1, 0x8183, 0, 1, soa),
           "text": (16, 0x8180, 1, 0, rr(16, b"\x05hello\x03\x1b[m")), "alias": (1, 0x8180, 2, 0, rr(5, b"\x01a\xc0\x0c") + rr(1, b"\x7f\0\0\4", b"\x01a\xc0\x0c")),
           "loop": (1, 0x8180, 1, 0, rr(5, b"\xc0\x0c")), "cut": (16, 0x8380, 0, 0, b"")}
for key, (kind, flags, an, ns, rest) in answers.items():
    head = 1 if kind == 16 else 0
    whole = struct.pack(">HHHHHH", 1, flags, 1, an, ns, 0) + name + struct.pack(">HH", kind, 1) + rest
    with open(f"{sys.argv[1]}/{key}", "wb") as f:
        f.write(bytes([head]) + whole)
    with open(f"{sys.argv[1]}/{key}-rest", "wb") as f:
        f.write(bytes([head | 8, flags >> 8, flags & 255, an, ns, 0, 0, 0]) + rest)
for i, text in enumerate([b":127.0.0.2:x $\n127.0.0.2\n!10.0.0.0/8\n10.1.2.3-9 :4:y\n1.2\n", b"0/0\n!127/8\n", b"127.0.0.2\n", b":3:z\n::/0\n!2001:db8::/32 \n", b"2001:db8::\n", b".a.example :5\n*.b.example\n!x\n"]):
    with open(f"{sys.argv[1]}/file{i}", "wb") as f:
        f.write(bytes([4, i]) + text)
