#!/usr/bin/env python3
"""shift.py FILE.xz --end-at EPOCH: prints a log with its stamps moved so that its last line is at that time.
shift.py FILE.xz --after EPOCH --speed S --append LOG: appends the log's lines to LOG, the first one stamped EPOCH, S times as fast
as they were written; when the stamps have caught up with the clock, in real time."""
import argparse
import lzma
import sys
import time
from datetime import datetime, timezone

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
NUMBER = {m: i + 1 for i, m in enumerate(MONTHS)}


class Stamps:
    """Seconds since the epoch of RFC 3164 stamps; the year turns over when the months go back."""

    def __init__(self):
        self.year, self.month, self.days = 2026, 0, {}

    def read(self, line):
        month = NUMBER[line[:3]]
        if month < self.month:
            self.year += 1
        self.month = month
        day = line[:6]
        if (self.year, day) not in self.days:
            self.days[self.year, day] = datetime(self.year, month, int(line[4:6]), tzinfo=timezone.utc).timestamp()
        return self.days[self.year, day] + int(line[7:9]) * 3600 + int(line[10:12]) * 60 + int(line[13:15])

    @staticmethod
    def write(t):
        u = time.gmtime(t)
        return f"{MONTHS[u.tm_mon - 1]} {u.tm_mday:2d} {u.tm_hour:02d}:{u.tm_min:02d}:{u.tm_sec:02d}"


def lines(path):
    with lzma.open(path, "rt", encoding="utf-8", errors="surrogateescape", newline="\n") as f:
        yield from f


def shifted(path, delta):
    stamps, last, text = Stamps(), None, ""
    for line in lines(path):
        t = stamps.read(line)
        if t != last:
            last, text = t, Stamps.write(t + delta)
        yield t + delta, text + line[15:]


def last_time(path):
    stamps, t = Stamps(), 0
    for line in lines(path):
        t = stamps.read(line)
    return t


def first_time(path):
    return Stamps().read(next(lines(path)))


def follow(args):
    delta = args.after - first_time(args.file)
    began, first = time.time(), args.after
    with open(args.append, "a", encoding="utf-8", errors="surrogateescape") as out:
        for t, line in shifted(args.file, delta):
            wait = min((t - first) / args.speed - (time.time() - began), 1e9)
            if t > time.time():
                wait = t - time.time()
            if wait > 0:
                out.flush()
                time.sleep(wait)
            out.write(line)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("file")
    p.add_argument("--end-at", type=float)
    p.add_argument("--after", type=float)
    p.add_argument("--speed", type=float, default=60)
    p.add_argument("--append")
    args = p.parse_args()
    if args.append:
        follow(args)
        return
    out = open(sys.stdout.fileno(), "w", encoding="utf-8", errors="surrogateescape")
    for _, line in shifted(args.file, round(args.end_at - last_time(args.file))):
        out.write(line)
    out.flush()


main()
