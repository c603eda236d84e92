#!/usr/bin/env python3
"""settings.py BIN FOLDER: `abusewatch backtest` on the scenarios of FOLDER: other settings take a case away, today's change nothing, the store
stays as it is, nothing is left behind, and what is no setting is said."""
import csv, gzip, io, json, os, signal, subprocess, sys, tempfile, time

from run import load, replay

binary, scenarios = sys.argv[1], sys.argv[2]


def check(name, good, why=""):
    print("ok settings: " + name if good else "not ok settings: %s - %s" % (name, why))


def run(*a, **k):
    return subprocess.run([binary, *a], capture_output=True, text=True, timeout=120, **k)


def everything(folder):
    """Bytes of all files; SQLite's shared memory is scratch."""
    out = {}
    for at, _, files in os.walk(folder):
        for f in files:
            if not f.endswith("-shm"):
                with open(os.path.join(at, f), "rb") as x:
                    out[os.path.join(at, f)] = x.read()
    return out


def rows(r):
    return [json.loads(l) for l in r.stdout.splitlines()]


def compare(folder, cases):
    before = everything(folder)
    conf, log = os.path.join(folder, "test.conf"), os.path.join(folder, "mail.log")
    same = rows(run("backtest", "-c", conf, log, "--set", "new-rcpt.enabled=true", "--set", "fusion.open=12"))
    check("today's settings again: the same cases", [x["change"] for x in same] == ["same"] * len(cases) and same[0]["today"] == same[0]["new"]
          and [x["today"]["opened_at"] for x in same] == [c["opened_at"] for c in cases], str(same))
    alone = rows(run("backtest", "-c", conf, log))
    check("without --set: what import gives", [(x["principal"], x["today"]["opened_at"], x["today"]["peak_score"]) for x in alone]
          == [(c["principal"], c["opened_at"], c["peak_score"]) for c in cases], str(alone))
    off = [a for d in [x["name"] for x in cases[0]["detectors"]] for a in ("--set", d + ".enabled=false")]
    gone = rows(run("backtest", "-c", conf, log, *off))
    check("detectors switched off: no case", [x["change"] for x in gone] == ["only-today"] and "new" not in gone[0], str(gone))
    late = rows(run("backtest", "-c", conf, log, "--set", "new-rcpt.enabled=false"))
    check("one of them off: less against it", [x["change"] for x in late] in (["later"], ["same"]) and late[0]["later_s"] >= 0
          and late[0]["new"]["peak_score"] < late[0]["today"]["peak_score"], str(late))
    with open(os.path.join(folder, "more.conf"), "w") as f:
        f.write(open(conf).read() + 'detector "fusion" { open = 64 likely = 64 confirmed = 64 }\n')
    more = rows(run("backtest", "-c", os.path.join(folder, "more.conf"), log, "--set", "fusion.open=12"))
    check("--set counts more than the file", [x["change"] for x in more] == ["only-new"], str(more))
    os.remove(os.path.join(folder, "more.conf"))
    table = run("backtest", "-c", conf, log, "--set", "fusion.open=64", "--format", "table").stdout
    check("table: the totals", "only with today's: 1; only with the new: 0; with both: 0" in table, table)
    cells = list(csv.DictReader(io.StringIO(run("backtest", "-c", conf, log, "--set", "fusion.open=64", "--format", "csv").stdout, newline="")))
    check("csv", [(c["change"], c["new_opened_at"]) for c in cells] == [("only-today", "")], str(cells))
    check("json", [x["change"] for x in json.loads(run("backtest", "-c", conf, log, "--format", "json").stdout)] == ["same"])
    check("the store is as it was, and nothing is left", everything(folder) == before, str(set(everything(folder)) ^ set(before)))


def several(folder, cases):
    """The log in two halves, one of them packed, and the temporary stores elsewhere."""
    conf, log = os.path.join(folder, "test.conf"), os.path.join(folder, "mail.log")
    with open(log, "rb") as f:
        lines = f.read().splitlines(True)
    one, two, tmp = (os.path.join(folder, x) for x in ("one.gz", "two", "tmp"))
    with gzip.open(one, "wb") as f:
        f.writelines(lines[:len(lines) // 2])
    with open(two, "wb") as f:
        f.writelines(lines[len(lines) // 2:])
    os.mkdir(tmp)
    r = rows(run("backtest", "-c", conf, two, one, "--set", "fusion.open=12", env={"TMPDIR": tmp}))
    check("several files, packed ones, in any order", [x["today"]["opened_at"] for x in r] == [c["opened_at"] for c in cases], str(r))
    check("$TMPDIR is empty again", os.listdir(tmp) == [])


def interrupted(folder):
    log = os.path.join(folder, "big.log")
    with open(log, "wb") as f:
        f.write(open(os.path.join(folder, "mail.log"), "rb").read() * 40)
    tmp = os.path.join(folder, "tmp2")
    os.mkdir(tmp)
    p = subprocess.Popen([binary, "backtest", "-c", os.path.join(folder, "test.conf"), log, "--set", "fusion.open=13"], env={"TMPDIR": tmp},
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(1000):
        if os.listdir(tmp) or p.poll() is not None:
            break
        time.sleep(0.001)
    p.send_signal(signal.SIGTERM)
    status = p.wait(20)
    check("ended by a signal: nothing is left", status == -signal.SIGTERM and os.listdir(tmp) == [], "status %s, %s" % (status, os.listdir(tmp)))


def wrong(folder):
    conf, log = os.path.join(folder, "test.conf"), os.path.join(folder, "mail.log")
    for setting, said in (("new-rcpt.caps=10", 'did you mean "cap"'), ("new-rctp.cap=10", 'did you mean "new-rcpt"'), ("new-rcpt.cap=65", "between 0 and 64"),
                          ("new-rcpt.cap=x", "cap"), ("new-rcpt.cap", "DETECTOR.OPTION=VALUE"), ("cap=10", "DETECTOR.OPTION=VALUE"), ("a=b.c", "DETECTOR.OPTION=VALUE")):
        r = run("backtest", "-c", conf, log, "--set", setting)
        check("--set %s is wrong use" % setting, r.returncode == 2 and said in r.stderr and setting in r.stderr, "%d %s" % (r.returncode, r.stderr))
    check("standard input is wrong use", run("backtest", "-c", conf, "-").returncode == 2)
    for name, text in (("missing.log", None), ("noise.log", "x\n" * 50 + "Jan  1 00:00:00 mx1 cron[1]: nothing\n")):
        path = os.path.join(folder, name)
        if text:
            open(path, "w").write(text)
        r = run("backtest", "-c", conf, path, "--set", "fusion.open=13")
        check("%s fails and says why once" % name, r.returncode == 1 and r.stderr.count("\n") == 1 and r.stderr.startswith("abusewatch: "), r.stderr)


with tempfile.TemporaryDirectory() as folder:
    cases, error = replay(binary, load(os.path.join(scenarios, "stolen-account-loud.scn")), folder)
    check("the scenario has its case", cases and len(cases) == 1, error)
    compare(folder, cases)
    several(folder, cases)
    interrupted(folder)
    wrong(folder)
