#!/usr/bin/env python3
"""seeds.py FOLDER: the conversations as inputs of the fuzz targets for captures, one folder for each."""
import os
import struct
import sys

from talks import TALKS
from wire import LINKS, conversation

to = sys.argv[1]
for name in ("capture_packets", "capture_tcp", "capture_smtp"):
    os.makedirs(os.path.join(to, name), exist_ok=True)


def put(target, name, data):
    with open(os.path.join(to, target, name.replace(" ", "-").replace(",", "")), "wb") as f:
        f.write(data[:8192])


for name, (lines, _) in TALKS.items():
    put("capture_smtp", name, b"".join(bytes([(0x80 if who == "S" else 0) | len(d[i:i + 4000]) >> 8, len(d[i:i + 4000]) & 255]) + d[i:i + 4000]
                                       for who, d in lines for i in range(0, len(d), 4000)))
    out = b""
    for p in conversation(lines, mss=200, isn=(0xfffffff0, 5000)):
        server = p.src == "198.51.100.25"
        seq, ack = (p.seq - (5000 if server else 0xfffffff0)) & 0xffffffff, (p.ack - (0xfffffff0 if server else 5000)) & 0xffffffff
        out += struct.pack("!BBHHBB", 0x80 if server else 0, p.flags, seq & 0xffff, ack & 0xffff, 1, len(p.payload)) + p.payload
    put("capture_tcp", name, out)
packets = conversation(TALKS["early talker"][0])
order = [1, 101, 0, 113, 276, 9, 104]
for link, (number, frame, _) in LINKS.items():
    put("capture_packets", link, bytes([order.index(number)]) + b"".join(struct.pack("!H", len(frame(p.ip()))) + frame(p.ip()) for p in packets))
