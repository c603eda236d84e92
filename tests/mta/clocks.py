#!/usr/bin/env python3
"""clocks.py AW COLLECTOR: hosts of a log have clocks that were never set. The cases and messages of an import must be those of the log without their lines,
also when it comes as several files that begin with such lines, in the wrong order."""
import json, os, shutil, sqlite3, subprocess, sys, tempfile, time

AW, COLLECTOR = map(os.path.abspath, sys.argv[1:3])
AHEAD = ["2099-01-01T00:00:00.000000+00:00 fw kernel: link up\n", "2038-01-19T03:14:07Z gw sshd[7]: Server listening\n"]


def conf(folder):
    text = open("examples/abusewatch.conf", encoding="utf-8").read()
    for name in ("customers.csv", "geo.csv", "dnsbl.conf"):
        shutil.copy(os.path.join("examples", name), folder)
    path = os.path.join(folder, "abusewatch.conf")
    open(path, "w", encoding="utf-8").write(text)
    return path


def doubted(folder):
    """How many lines the store's counters say were dated ahead."""
    [store] = [f for f in os.listdir(folder) if f.endswith(".db")]
    with sqlite3.connect(os.path.join(folder, store)) as db:
        return sum(json.loads(c or "{}").get("future_stamps", 0) for (c,) in db.execute("SELECT counters FROM input"))


def known(*files):
    """What an import of the files leaves in a new store: cases, messages, and how many lines were dated ahead."""
    with tempfile.TemporaryDirectory() as folder:
        c = conf(folder)
        paths = []
        for i, lines in enumerate(files):
            paths.append(os.path.join(folder, f"{i}.log"))
            open(paths[-1], "w", encoding="utf-8", errors="surrogateescape").writelines(lines)
        run = lambda *a: subprocess.run([AW, *a], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
        run("import", "-c", c, *paths)
        return [run(*a, "-c", c, "--format", "ndjson") for a in (("cases",), ("search", "--limit", "0"))] + [doubted(folder)]


def with_leaps(lines, every):
    out = [AHEAD[0]]
    for i, line in enumerate(lines):
        out.append(line)
        if i % every == every - 1:
            out.append(AHEAD[i // every % 2])
    return out


with tempfile.NamedTemporaryFile(suffix=".log") as f:
    subprocess.run([sys.executable, "examples/shift.py", "examples/live.log.xz", "--end-at", str(int(time.time()) - 60)], stdout=f, check=True)
    log = open(f.name, encoding="utf-8", errors="surrogateescape").readlines()[:60000]
want = known(log)
leaps = with_leaps(log, 777)
third = len(log) // 3
BEHIND = "1970-01-01T00:00:09+00:00 gw kernel: booted\n"
several = [[BEHIND] + with_leaps(log[i * third: (i + 1) * third if i < 2 else len(log)], 5000) for i in range(3)]
for name, files in (("a host without a clock", [leaps]), ("three files, each begins with such lines", several[::-1])):
    got, ahead = known(*files), sum(line in AHEAD for lines in files for line in lines)
    good = got == want[:2] + [ahead] and want[2] == 0 and want[0].count(b"\n") > 1 and want[1].count(b"\n") > 1000
    print(f"ok clocks: {name}" if good else f"not ok clocks: {name} - {want[0].count(10)} cases became {got[0].count(10)}, messages are {'the same' if want[1] == got[1] else 'others'}, {got[2]} of {ahead} lines dated ahead")


def followed(lines):
    """What the collector reports of lines that it follows."""
    with tempfile.TemporaryDirectory() as folder:
        c = conf(folder)
        return subprocess.run([COLLECTOR, "-c", c, "--stdin", "--stdout"], cwd=folder, input="".join(lines).encode("utf-8", "surrogateescape"),
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=True).stdout.splitlines()


want, got = followed(log[:6000]), followed(with_leaps(log[:6000], 777)[1:])
print("ok clocks: a host without a clock, followed" if sorted(got) == sorted(want) and len(want) > 500 else
      f"not ok clocks: a host without a clock, followed - {len(set(want) ^ set(got))} of {len(want)} reports differ")
