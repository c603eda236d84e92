#!/usr/bin/env python3
"""What tests/perf/import.sh measures with.
measure.py run TABLE GROUP MB LABEL COMMAND…   three runs (one when it takes more than 60 s), their median to TABLE
measure.py skip TABLE GROUP LABEL WHY          says why there is no figure
measure.py print TABLE                         the table; ratios to the group's rows "import" and "parse+join"
"""
import os
import subprocess
import sys
import time


def once(command, work):
    begun = time.perf_counter()
    with open(os.path.join(work, "out"), "wb") as out:  # not /dev/null: grep stops at its first match then
        # time(1) forks as a small process: what it tells of memory is the command's own, of its largest process
        child = subprocess.Popen(["time", "-f", "%M", "-o", os.path.join(work, "kib"), *command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE)
        errors = child.stderr.read()
        status = child.wait()
    took = time.perf_counter() - begun
    if status or not os.path.getsize(os.path.join(work, "out")) and "import" not in command:  # who says nothing has read nothing
        sys.exit(f"{' '.join(command)}: failed with {status}: {errors.decode(errors='replace')[-300:]}")
    with open(os.path.join(work, "kib"), encoding="utf-8") as kib:
        return took, int(kib.read().split()[-1]) / 1024


def run(table, group, mb, label, *command):
    work = os.path.dirname(table)
    runs = [once(command, work)]
    while len(runs) < 3 and runs[0][0] <= 60:
        before = os.environ.get("BEFORE_EACH")
        if before:
            subprocess.run(["sh", "-c", before], check=True)
        runs.append(once(command, work))
    runs.sort()
    with open(table, "a", encoding="utf-8") as t:
        print(group, label, mb, runs[len(runs) // 2][0], max(r[1] for r in runs), len(runs), sep="\t", file=t)
    print(f"{group}: {label}: {runs[len(runs) // 2][0]:.2f} s", file=sys.stderr)


def skip(table, group, label, why):
    with open(table, "a", encoding="utf-8") as t:
        print(group, label, why, sep="\t", file=t)


def ratio(seconds, ours):
    return f"{seconds / ours:.1f} x faster" if seconds >= ours else f"{ours / seconds:.1f} x slower"


def show(table):
    rows = [line.rstrip("\n").split("\t") for line in open(table, encoding="utf-8")]
    for group in dict.fromkeys(r[0] for r in rows):
        mine = [r for r in rows if r[0] == group]
        took = {r[1]: float(r[3]) for r in mine if len(r) > 3}
        ours = [n for n in ("parse+join", "messages", "import") if n in took]
        print(f"\n{group}\n{'program':<36}{'seconds':>9}{'MB/s':>8}{'peak MB':>9}  " + "".join(f"{n + ' is':<18}" for n in ours))
        for r in mine:
            if len(r) == 3:
                print(f"{r[1]:<36}  not run: {r[2]}")
                continue
            label, mb, s, rss = r[1], float(r[2]), float(r[3]), float(r[4])
            mark = "abusewatch " + label if label in ours else label + (" (one run)" if r[5] == "1" else "")
            print(f"{mark:<36}{s:>9.2f}{mb / s:>8.0f}{rss:>9.0f}  " + "".join(f"{'' if n == label else ratio(s, took[n]):<18}" for n in ours))


{"run": run, "skip": skip, "print": show}[sys.argv[1]](*sys.argv[2:])
