#!/usr/bin/env python3
"""grow.py FILE.xz MB: prints the log again and again, each time later and with other remote addresses and queue ids, until MB."""
import lzma
import re
import sys
import time
from datetime import datetime, timezone

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
NUMBER = {m: i + 1 for i, m in enumerate(MONTHS)}
ROUND_S = 19 * 86400

text = lzma.open(sys.argv[1], "rt", encoding="utf-8", errors="surrogateescape", newline="\n").readlines()
limit, done, turn = float(sys.argv[2]) * 1e6, 0, 0
out = open(sys.stdout.fileno(), "w", encoding="utf-8", errors="surrogateescape")
rcpt, qid = re.compile(r"to=<([^@>]+)@"), re.compile(r"(?<=: )([0-9A-F]{11})(?=: )")
while done < limit:
    cache = {}
    for line in text:
        head = line[:15]
        if head not in cache:
            t = datetime(2026, NUMBER[head[:3]], int(head[4:6]), int(head[7:9]), int(head[10:12]), int(head[13:15]), tzinfo=timezone.utc)
            u = time.gmtime(t.timestamp() + turn * ROUND_S)
            cache[head] = f"{MONTHS[u.tm_mon - 1]} {u.tm_mday:2d} {u.tm_hour:02d}:{u.tm_min:02d}:{u.tm_sec:02d}"
        if turn:
            line = qid.sub(lambda m: f"{(int(m[1], 16) + turn * 977) % 16 ** 11:011X}", line, count=1)
            if turn % 2:
                line = rcpt.sub(lambda m: f"to=<{m[1]}{turn}@", line)
        line = cache[head] + line[15:]
        out.write(line)
        done += len(line)
    turn += 1
out.flush()
