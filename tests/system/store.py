#!/usr/bin/env python3
"""store.py BIN LOG.xz: what the store promises.

  same        the same log gives the same cases and messages, byte for byte: in one piece, in two, packed, and twice
  killed      an import that is killed, and then goes on with other files, loses nothing
  disk full   nothing is lost, one clear error, it goes on by itself (needs root and a mount namespace: unshare -m)
  retention   old days go, newer ones and open cases stay
  backup      a copy as the manual says, of a store that is being written, is whole; put back, it catches up with the log
  chores      the analyzer joins small segments and makes filters of them by itself, past one that is damaged
  memory      principals that do not fit into memory come back from the store as they were
  inventory   a changed customers' file is noticed; a broken config is refused and said"""
import gzip
import json
import lzma
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from crash import applied, config, same, state  # noqa: E402

FAILED = []


def check(name, good, why=""):
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)
    if not good:
        FAILED.append(name)


def until(what, seconds):
    limit = time.time() + seconds
    while time.time() < limit:
        if what():
            return True
        time.sleep(0.2)
    return bool(what())


def run(bin_dir, *args):
    return subprocess.run([os.path.join(bin_dir, "abusewatch"), *args], capture_output=True, check=True).stdout


class Program:
    """A program of ours with its messages in a file."""

    def __init__(self, bin_dir, name, conf, log):
        self.log = log
        with open(log, "ab") as f:
            self.p = subprocess.Popen([os.path.join(bin_dir, "abusewatch-" + name), "-c", conf], stderr=f, stdout=f)

    def said(self, text):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read().count(text)

    def stop(self):
        if self.p.poll() is None:
            self.p.terminate()
        try:
            return self.p.wait(30)
        except subprocess.TimeoutExpired:
            self.p.kill()
            return "killed"


def new_folder(top, name):
    folder = os.path.join(top, name)
    os.mkdir(folder)
    return folder, config(folder, os.path.join(folder, "mail.log"))


def shown(bin_dir, conf):
    return (run(bin_dir, "cases", "-c", conf, "--format", "ndjson"),
            run(bin_dir, "search", "-c", conf, "--limit", "0", "--format", "ndjson"), run(bin_dir, "export", "-c", conf, "violations"))


def write(path, data, how=open):
    with how(path, "wb") as f:
        f.write(data)
    return path


# --- the same log, the same store -------------------------------------------------------------------------------------

KINDS = ("cases", "messages", "violations")


def test_same(bin_dir, top, data):
    cut = data.index(b"\n", len(data) * 2 // 5) + 1
    whole = write(os.path.join(top, "whole.log"), data)
    a, b = write(os.path.join(top, "a.log"), data[:cut]), write(os.path.join(top, "b.log"), data[cut:])
    ways = {
        "again": [[whole]],
        "in two runs": [[a], [b]],
        "in two files": [[a, b]],
        "packed, in two runs": [[write(a + ".gz", data[:cut], gzip.open)], [write(b + ".xz", data[cut:], lambda p, m: lzma.open(p, m, preset=0))]],
        "packed, in two files": [[a + ".gz", b + ".xz"]],
        "and once more the same file": [[whole], [whole]],
    }
    binary = os.path.join(bin_dir, "abusewatch")
    first = new_folder(top, "first")[1]
    conf = first
    run(bin_dir, "import", "-c", conf, whole)
    want = shown(bin_dir, conf)
    check("same: the log has cases and messages", want[0].count(b"\n") >= 3 and want[1].count(b"\n") > 1000, f"{want[0].count(bytes([10]))} cases")
    rules = {l.split(b",")[1] for l in want[2].splitlines()[1:]}
    check("same: and policy findings", rules >= {b"size", b"recipients", b"unauthenticated", b"foreign-sender"} and want[2].count(b"\n") > 100,
          f"{want[2].count(bytes([10]))} of {sorted(rules)}")
    for i, (name, runs) in enumerate(ways.items()):
        folder, conf = new_folder(top, f"way{i}")
        for files in runs:
            run(bin_dir, "import", "-c", conf, *files)
        got = shown(bin_dir, conf)
        wrong = [f"{n} differ ({w.count(bytes([10]))} and {g.count(bytes([10]))})" for n, w, g in zip(KINDS, want, got) if w != g]
        check(f"same: imported {name}", not wrong, ", ".join(wrong))
        if wrong and "OUT" in os.environ:
            for n, w, g in zip(KINDS, want, got):
                write(os.path.join(os.environ["OUT"], f"store-want-{n}.ndjson"), w)
                write(os.path.join(os.environ["OUT"], f"store-way{i}-{n}.ndjson"), g)
        shutil.rmtree(folder)


# --- little memory ------------------------------------------------------------------------------------------------------

PIECES = {"input", "input_snapshot", "segment", "hot_message", "hot_removed", "sqlite_sequence"} # how the log came, not what it says
HOUR_NOW = "SELECT what, kind, id, hour_us, sum(messages), sum(recipients), sum(sent), sum(deferred), sum(bounced), sum(refused) FROM hour_now GROUP BY 1, 2, 3, 4"


def tables(folder):
    """Every row of every table that does not depend on when was committed."""
    db = sqlite3.connect(f"file:{folder}/abusewatch.db?mode=ro", uri=True)
    names = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'") if r[0] not in PIECES]
    # an alert's number says in which commit it was written, not what happened
    columns = {"service_alert": "domain, kind, subject_us, at_us, customer, text, utc_offset_s"}
    rows = {t: sorted(map(repr, db.execute(f"SELECT {columns.get(t, '*')} FROM {t}"))) for t in names}
    # these grow by a row with each commit
    rows["hour_now"] = sorted(map(repr, db.execute(HOUR_NOW)))
    rows["contact_new"] = [b"".join(r[0] for r in db.execute("SELECT pairs FROM contact_new ORDER BY rowid")).hex()]
    db.close()
    return rows


def test_little_memory(bin_dir, top, data):
    """Principals that do not fit into memory come back from the store as they were: the same rows, byte for byte."""
    log = write(os.path.join(top, "mail.log"), data)
    plenty, plenty_conf = new_folder(top, "plenty")
    little, little_conf = new_folder(top, "little")
    with open(little_conf, "a", encoding="utf-8") as f:
        f.write('detector "fusion" { principals-bytes = 16384 rest = 5m }\n')
    binary = os.path.join(bin_dir, "abusewatch")
    said = [subprocess.run([binary, "import", "-c", c, log], capture_output=True, check=True, text=True).stderr for c in (plenty_conf, little_conf)]
    away = [re.search(r"(\d+) times a principal was put away", s) for s in said]
    check("little memory: principals are put away, otherwise not", away[0] is None and away[1] and int(away[1][1]) > 100, str(said))
    want, got = tables(plenty), tables(little)
    check("little memory: there is something to compare", len(want["principal"]) > 50 and len(want["acase"]) >= 3 and want["case_step"], str({t: len(r) for t, r in want.items()}))
    check("little memory: every table is the same, byte for byte", want == got,
          ", ".join(f"{t} {sorted(set(want[t]) ^ set(got.get(t, [])))[:2]}" for t in want if want[t] != got.get(t))[:2000])
    check("little memory: the same messages", messages(bin_dir, plenty_conf) == messages(bin_dir, little_conf))
    for folder in (plenty, little):
        shutil.rmtree(folder)


# --- an import that is killed -----------------------------------------------------------------------------------------

def stored(folder):
    try:
        with sqlite3.connect(f"file:{folder}/abusewatch.db?mode=ro", uri=True) as db:
            return db.execute("SELECT (SELECT coalesce(sum(messages), 0) FROM segment) + (SELECT count(*) FROM hot_message)").fetchone()[0]
    except sqlite3.Error: # not made yet
        return 0


def test_killed(bin_dir, top):
    """An import is killed after some commits; the next ones are of other files, older ones among them: each message is there, once."""
    day = int(time.time() // 86400) - 3
    older, newer = (write(os.path.join(top, n), many(day + k, 60000, n)) for k, n in enumerate(("A", "B")))
    ids = {f"{n}{i:05X}" for n in ("A", "B") for i in range(60000)}
    for before, after in (([newer], [[older, newer]]), ([older, newer], [[newer], [older]]), ([newer], [[older], [newer]])):
        name = "killed: " + " then ".join("+".join(os.path.basename(f) for f in files) for files in (before, *after))
        folder, conf = new_folder(top, name.replace(" ", "-"))
        with open(conf, "a", encoding="utf-8") as f:
            f.write('detector "fusion" { principals-bytes = 16384 }\n') # it commits whenever it may
        p = subprocess.Popen([os.path.join(bin_dir, "abusewatch"), "import", "-c", conf, *before], stderr=subprocess.DEVNULL)
        while p.poll() is None and not stored(folder):
            time.sleep(0.002)
        p.kill()
        p.wait()
        n = stored(folder)
        for files in after:
            run(bin_dir, "import", "-c", conf, *files)
        got = [json.loads(m)["queue_id"] for m in messages(bin_dir, conf)]
        check(name, 0 < n < 60000 * len(before) and set(got) == ids and len(got) == len(ids),
              f"{n} messages as it was killed; then {len(ids - set(got))} missing, {len(got) - len(set(got))} twice")
        shutil.rmtree(folder)


# --- a full disk ------------------------------------------------------------------------------------------------------

def fill(path):
    """Takes every byte that is left, also those that become free within the next second."""
    with open(path, "ab", buffering=0) as f:
        for size in (1 << 20, 4096, 1):
            while True:
                try:
                    f.write(b"x" * size)
                except OSError:
                    break


def integrity(folder):
    db = sqlite3.connect(f"file:{folder}/abusewatch.db?mode=ro", uri=True)
    result = db.execute("PRAGMA integrity_check").fetchone()[0]
    db.close()
    return result


def test_full(bin_dir, top, data):
    small, live = os.path.join(top, "small"), os.path.join(top, "live.log")
    binary = os.path.join(bin_dir, "abusewatch")
    folder_a, conf_a = new_folder(top, "undisturbed")
    os.mkdir(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", small], check=True)
    conf = config(small, live)
    for path in (conf, conf_a):
        with open(path, "a", encoding="utf-8") as f:
            f.write("\nretention { messages = 3650d cases = 3650d lines = 3650d }\n")
    run(bin_dir, "import", "-c", conf_a, write(os.path.join(folder_a, "mail.log"), data))
    want, end = state(binary, folder_a, conf_a), applied(folder_a)
    cut = data.index(b"\n", len(data) // 4) + 1
    write(live, data[:cut])
    analyzer = Program(bin_dir, "analyzer", conf, os.path.join(top, "analyzer.log"))
    collector = Program(bin_dir, "collector", conf, os.path.join(top, "collector.log"))
    check("disk full: it begins well", until(lambda: applied(small) > end // 10, 30), f"{applied(small)} of {end}")
    ballast = os.path.join(small, "ballast")
    fill(ballast)
    with open(live, "ab", buffering=0) as f:
        f.write(data[cut:])
    check("disk full: it says so", until(lambda: fill(ballast) or analyzer.said("nothing is lost"), 30), "no error within 30 s")
    before = analyzer.said("nothing is lost")
    time.sleep(7)
    check("disk full: and says it once", analyzer.said("nothing is lost") == before == 1, f"{before}, then {analyzer.said('nothing is lost')} times")
    check("disk full: both go on running", analyzer.p.poll() is None and collector.p.poll() is None)
    check("disk full: the store is whole", integrity(small) == "ok", integrity(small))
    os.remove(ballast)
    check("disk full: it goes on by itself", until(lambda: analyzer.said("can be written again"), 20), "not within 20 s")
    check("disk full: everything arrives", until(lambda: applied(small) >= end, 60), f"{applied(small)} of {end}")
    time.sleep(1)
    codes = [collector.stop(), analyzer.stop()]
    check("disk full: clean ends", codes == [0, 0], str(codes))
    wrong = same(want, state(binary, small, conf))
    check("disk full: the store equals an undisturbed import", not wrong, "; ".join(wrong))
    with open(analyzer.log, encoding="utf-8") as f:
        print(f.read()[-3000:], file=sys.stderr)
    subprocess.run(["umount", "-l", small], check=False)


# --- retention, inventory, reload -------------------------------------------------------------------------------------

def messages(bin_dir, conf):
    return run(bin_dir, "search", "-c", conf, "--limit", "0", "--format", "ndjson").decode().splitlines()


def cases(bin_dir, conf):
    return [json.loads(l) for l in run(bin_dir, "cases", "-c", conf, "--format", "ndjson").splitlines()]


def test_inventory(bin_dir, folder, conf, analyzer):
    case = next(c for c in cases(bin_dir, conf) if c["state"] == "open" and c["principal"]["kind"] == "account")
    name, path = case["principal"]["id"], os.path.join(folder, "customers.csv")
    with open(path, encoding="utf-8") as f:
        rows = [r for r in f if not r.strip().endswith(",account," + name)]
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.writelines(rows + [f"X-NEW,new@isp.example,en,account,{name}\n"])
    os.rename(path + ".new", path)
    now = lambda: next(c for c in cases(bin_dir, conf) if c["id"] == case["id"])["customer"]
    check("inventory: a changed customers' file is noticed", until(lambda: now() == "X-NEW", 10), f"case {case['id']} of {name}: still {now()}")
    with open(path, "a", encoding="utf-8") as f:
        f.write("one,cell\n")
    check("inventory: a broken one is refused", until(lambda: analyzer.said("going on with the old one") == 1, 10), "not said")
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(rows)
    check("inventory: and read again when repaired", until(lambda: now() != "X-NEW", 10), "not within 10 s")


def test_reload(conf, analyzer):
    with open(conf, encoding="utf-8") as f:
        text = f.read()
    said, read = analyzer.said("going on with the old one"), analyzer.said("read again")
    write(conf, b"no such key = 3\n" + text.encode())
    analyzer.p.send_signal(signal.SIGHUP)
    check("reload: a broken config is refused and said", until(lambda: analyzer.said("going on with the old one") == said + 1, 5), "not said")
    write(conf, text.encode())
    analyzer.p.send_signal(signal.SIGHUP)
    check("reload: a good one is taken", until(lambda: analyzer.said("read again") == read + 1, 5) and analyzer.p.poll() is None, "not said")


def test_retention(bin_dir, top, log):
    until_midnight = 86400 - time.time() % 86400 # which days are old must not change meanwhile
    time.sleep(until_midnight + 1 if until_midnight < 120 else 0)
    folder, conf = new_folder(top, "retention")
    with open(conf, "a", encoding="utf-8") as f:
        f.write("\nretention { messages = 3d cases = 4d }\n")
    with open(os.path.join(folder, "mail.log"), "wb") as f:
        subprocess.run([sys.executable, "examples/shift.py", log, "--end-at", str(int(time.time()) - 60)], stdout=f, check=True)
    run(bin_dir, "import", "-c", conf, os.path.join(folder, "mail.log"))
    day = int(time.time()) // 86400 - 3
    first = time.strftime("%Y-%m-%d", time.gmtime(day * 86400))
    all_messages, all_cases = messages(bin_dir, conf), cases(bin_dir, conf)
    files = lambda: sorted(os.listdir(os.path.join(folder, "abusewatch.db.d")))
    analyzer = Program(bin_dir, "analyzer", conf, os.path.join(folder, "analyzer.log"))
    check("retention: there is something old", int(files()[0].split("-")[0]) < day, str(files()[:1]))
    test_inventory(bin_dir, folder, conf, analyzer)
    test_reload(conf, analyzer)
    check("retention: files of old days go", until(lambda: int(files()[0].split("-")[0]) >= day, 25), str(files()[:1]))
    left = [m for m in all_messages if json.loads(m)["last_time"] >= first]
    check("retention: newer messages stay, old ones are gone", messages(bin_dir, conf) == left and 0 < len(left) < len(all_messages),
          f"{len(messages(bin_dir, conf))} instead of {len(left)} of {len(all_messages)}")
    stay = [c["id"] for c in all_cases if c["state"] in ("open", "acknowledged")]
    now = {c["id"]: c for c in cases(bin_dir, conf)}
    check("retention: open cases stay", stay and set(stay) <= set(now), f"{stay}, left {sorted(now)}")
    dropped = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 4 * 86400 - 120)) # cases = 4d, by the moment they were closed
    closed = lambda all_of: [c["closed_at"] for c in all_of if c.get("closed_at") and c["closed_at"] < dropped]
    check("retention: old closed cases go", closed(all_cases) and not closed(now.values()),
          f"of those closed at {closed(all_cases)} these are left: {closed(now.values())}")
    db = sqlite3.connect(f"file:{folder}/abusewatch.db?mode=ro", uri=True)
    old = {t: db.execute(f"SELECT count(*) FROM {t} WHERE {c} < ?", (day * 86400 * 1000000,)).fetchone()[0]
           for t, c in (("volume", "bucket_us"), ("principal_hour", "hour_us"), ("receiver_hour", "hour_us"))}
    findings = db.execute("SELECT min(day), count(*) FROM policy_finding").fetchone()
    db.close()
    check("retention: old counts go", not any(old.values()), str(old))
    check("retention: old policy findings go, newer ones stay", findings[0] >= day - 1 and findings[1] > 0, str(findings))
    code = analyzer.stop()
    check("retention: clean end", code == 0, f"status {code}")
    db = sqlite3.connect(f"{folder}/abusewatch.db") # as if the clock stood three days ahead now
    with db:
        db.execute("UPDATE meta SET value = value - 3 * 86400000000 WHERE key = 'retention'")
        oldest = db.execute("SELECT min(closed_us) FROM acase WHERE closed_us > 0").fetchone()[0]
        db.execute("UPDATE acase SET closed_us = 1 WHERE closed_us = ?", (oldest,))
    analyzer = Program(bin_dir, "analyzer", conf, analyzer.log)
    check("retention: a clock that leapt is told, and removes nothing at once", until(lambda: analyzer.said("3 days passed at once since the last retention"), 20)
          and db.execute("SELECT count(*) FROM acase WHERE closed_us = 1").fetchone()[0], "not told, or removed")
    db.close()
    check("retention: clean end after that", analyzer.stop() == 0)
    with open(analyzer.log, encoding="utf-8") as f:
        print(f.read()[-3000:], file=sys.stderr)


def many(day, n, name):
    """Lines of n messages of that day (since 1970)."""
    out = []
    for i in range(n):
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(day * 86400 + i * 80000 // n)) + "Z mx1 postfix/"
        out += [f"{at}{x}\n" for x in (
            f"smtpd[1]: {name}{i:05X}: client=dyn.isp.example[198.18.4.9], sasl_method=PLAIN, sasl_username=anna{i % 50}@isp.example",
            f"qmgr[3]: {name}{i:05X}: from=<anna{i % 50}@isp.example>, size=4711, nrcpt=1 (queue active)",
            f"smtp[4]: {name}{i:05X}: to=<friend@partner.example>, relay=mx.partner.example[203.0.113.9]:25, delay=0.4, delays=0/0/0/0, dsn=2.0.0, status=sent (250 Ok)",
            f"qmgr[3]: {name}{i:05X}: removed")]
    return "".join(out).encode()


def test_chores(bin_dir, top):
    """Two days of small segments that can be joined, one of them damaged, and some seventy of other days."""
    folder, log = top, os.path.join(top, "mail.log")
    conf, today = config(folder, log), int(time.time() // 86400)
    with open(conf, "a", encoding="utf-8") as f:
        f.write("retention { messages = 400d }\n")
    parts = [b"".join(many(today - 100 + d, 80, f"A{d:03X}") for d in range(70))] + [many(today - 5 + k // 4, 4200, f"B{k:03X}") for k in range(8)]
    for part in parts:
        write(log, part)
        run(bin_dir, "import", "-c", conf, log)
        os.unlink(log)
    db = sqlite3.connect(f"{folder}/abusewatch.db")
    with db:
        db.execute("UPDATE segment SET filter = 0")
        db.execute("DELETE FROM segment_filter")
    of_day = lambda d: [r[0] for r in db.execute("SELECT file FROM segment WHERE day = ? ORDER BY id", (d,))]
    found = lambda k: run(bin_dir, "search", "-c", conf, "--queue-id", f"B{k:03X}00007", "--format", "ndjson").count(b"\n")
    check("chores: there are small segments", len(of_day(today - 5)) == len(of_day(today - 4)) == 4 and len(of_day(today - 60)) == 1, str(of_day(today - 5)))
    damaged = of_day(today - 5)[1]
    os.truncate(f"{folder}/abusewatch.db.d/{damaged}", 3000)
    write(log, b"")
    analyzer = Program(bin_dir, "analyzer", conf, os.path.join(folder, "analyzer.log"))
    check("chores: days are joined, one after the other", until(lambda: len(of_day(today - 4)) == 1, 40), str(of_day(today - 4)))
    check("chores: but for the damaged one and its neighbour", len(of_day(today - 5)) == 3 and damaged in of_day(today - 5), str(of_day(today - 5)))
    check("chores: which is told once", until(lambda: analyzer.said("not joined with others") == 1, 5), "not said")
    filtered = lambda: db.execute("SELECT count(*) FROM segment WHERE filter IN (SELECT id FROM segment_filter)").fetchone()[0]
    check("chores: then a filter is made", until(lambda: filtered() == 64, 20), f"of {filtered()} segments")
    check("chores: clean end", analyzer.stop() == 0)
    os.unlink(f"{folder}/abusewatch.db.d/{damaged}")
    check("chores: what was joined is found", [found(k) for k in range(8)] == [1, 0, 1, 1, 1, 1, 1, 1], str([found(k) for k in range(8)]))
    db.close()


def from_manual(folder, backup):
    """The commands of the manual's section BACKUP, with our paths."""
    with open("man/abusewatch-analyzer.8", encoding="utf-8") as f:
        text = f.read().split(".Sh BACKUP")[1]
    lines = text.split("-offset indent\n")[1].split(".Ed")[0]
    paths = {"/var/lib/abusewatch/": folder + "/", "/backup/": backup + "/"}
    return re.sub("|".join(paths), lambda m: paths[m[0]], lines)


def test_backup(bin_dir, top):
    folder, log, backup = top, os.path.join(top, "mail.log"), os.path.join(top, "backup")
    conf, today = config(folder, log), int(time.time() // 86400)
    os.mkdir(backup)
    write(log, b"")
    start = lambda: [Program(bin_dir, name, conf, os.path.join(folder, name + ".log")) for name in ("analyzer", "collector")]
    written = lambda: len({json.loads(m)["queue_id"] for m in messages(bin_dir, conf)})
    programs = start()
    status = None
    for k in range(12):
        with open(log, "ab") as f:
            f.write(many(today - 1, 3000, f"C{k:03X}"))
        if k == 6: # in the middle of it
            status = subprocess.run(from_manual(folder, backup), shell=True, capture_output=True, text=True)
        time.sleep(0.3)
    check("backup: the manual's commands work", status.returncode == 0 and not status.stderr, status.stderr)
    check("backup: all is there", until(lambda: written() == 36000, 60), f"{written()} messages")
    for p in programs:
        p.p.kill()
        p.p.wait()
    copy = sqlite3.connect(f"file:{backup}/abusewatch.db?mode=ro", uri=True)
    held = stored(backup)
    missing = [f for (f,) in copy.execute("SELECT file FROM segment") if not os.path.exists(f"{backup}/abusewatch.db.d/{f}")]
    whole = copy.execute("PRAGMA integrity_check").fetchone()[0]
    copy.close()
    check("backup: the copy is whole", whole == "ok" and not missing and 0 < held < 36000, f"{whole}, {held} messages, without {missing[:3]}")
    shutil.rmtree(f"{folder}/abusewatch.db.d")
    for end in ("", "-wal", "-shm", "-journal"):
        if os.path.exists(f"{folder}/abusewatch.db{end}"):
            os.unlink(f"{folder}/abusewatch.db{end}")
    shutil.copy(f"{backup}/abusewatch.db", folder)
    shutil.copytree(f"{backup}/abusewatch.db.d", f"{folder}/abusewatch.db.d")
    programs = start()
    check("backup: put back, it reads the rest of the log", until(lambda: written() == 36000, 60) and len(messages(bin_dir, conf)) == 36000, f"{written()}, {len(messages(bin_dir, conf))}")
    check("backup: clean end", [p.stop() for p in reversed(programs)] == [0, 0])


def main():
    bin_dir, log = os.path.abspath(sys.argv[1]), sys.argv[2]
    with lzma.open(log, "rb") as f:
        data = f.read()
    with tempfile.TemporaryDirectory(prefix="aw-store-", dir="/var/tmp") as top:
        for name in ("same", "full", "old", "little", "killed", "chores", "backup"):
            os.mkdir(os.path.join(top, name))
        test_same(bin_dir, os.path.join(top, "same"), data)
        test_little_memory(bin_dir, os.path.join(top, "little"), data)
        test_killed(bin_dir, os.path.join(top, "killed"))
        test_retention(bin_dir, os.path.join(top, "old"), log)
        test_chores(bin_dir, os.path.join(top, "chores"))
        test_backup(bin_dir, os.path.join(top, "backup"))
        if os.environ.get("STORE_NAMESPACE"):
            test_full(bin_dir, os.path.join(top, "full"), data)
        else:
            print("skip disk full - needs root and a mount namespace")
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
