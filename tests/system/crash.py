#!/usr/bin/env python3
"""crash.py BIN LOG.xz KILLS SEED: kill -9 at random instants while a log is written, rotated and followed; nothing may be lost or doubled.

First the log is imported undisturbed. Then collector and analyzer follow the same log while it is being written, and one of them is
killed KILLS times at random; the log is rotated by rename twice and by copytruncate once meanwhile. In the end every table that
says something about mail or cases must be the same as after the undisturbed import."""
import lzma
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

TABLES = {
    "volume": "SELECT * FROM volume ORDER BY 1",
    "principal_hour": "SELECT * FROM principal_hour ORDER BY 1, 2, 3",
    "principal_day": "SELECT * FROM principal_day ORDER BY 1, 2, 3",
    "hour_now": "SELECT what, kind, id, hour_us, sum(messages), sum(recipients), sum(sent), sum(deferred), sum(bounced), sum(refused) FROM hour_now GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
    "receiver_hour": "SELECT * FROM receiver_hour ORDER BY 1, 2",
    "principal": "SELECT kind, id, customer, score, first_us, last_us, messages, recipients, bounced FROM principal ORDER BY 1, 2",
    "case_event": "SELECT case_id, seq, at_us, actor, what, text FROM case_event ORDER BY 1, 2",
    "case_source": "SELECT * FROM case_source ORDER BY 1, 2",
    "case_domain": "SELECT * FROM case_domain ORDER BY 1, 2",
    "case_score": "SELECT * FROM case_score ORDER BY 1, 2, 3",
    "policy_finding": "SELECT * FROM policy_finding ORDER BY 1, 2, 3, 4",
    "policy_day": "SELECT * FROM policy_day ORDER BY 1",
    "listing_target": "SELECT * FROM listing_target ORDER BY 1",
}


def config(folder, log):
    path = os.path.join(folder, "abusewatch.conf")
    text = open("examples/abusewatch.conf", encoding="utf-8").read()
    text = text.replace('"mail.log"', f'"{log}"').replace("web {", "web {\n\tenabled = false")
    text += '\npolicy "size" { limit = 60K }\npolicy "recipients" { limit = 4 }\npolicy "unauthenticated" { enabled = true }\npolicy "foreign-sender" { enabled = true }\n'
    open(path, "w", encoding="utf-8").write(text)
    for name in ("customers.csv", "geo.csv", "dnsbl.conf"):
        shutil.copy(os.path.join("examples", name), folder)
    return path


class Process:
    """A program that is started again as soon as it dies."""

    def __init__(self, program, conf, log):
        self.args, self.log = [program, "-c", conf], open(log, "ab")
        self.stopping = False
        self.start()
        threading.Thread(target=self.watch, daemon=True).start()

    def start(self):
        self.p = subprocess.Popen(self.args, stderr=self.log, stdout=self.log)

    def watch(self):
        while True:
            self.p.wait()
            if self.stopping:
                return
            self.start()

    def kill(self):
        self.p.send_signal(signal.SIGKILL)

    def stop(self):
        self.stopping = True
        self.p.terminate()
        return self.p.wait(20)


def write_log(lines, path, seconds):
    """Appends the lines over some seconds, in odd pieces, with rotations."""
    data = b"".join(lines)
    rotate = {len(data) // 4: "rename", len(data) // 2: "copytruncate", 3 * len(data) // 4: "rename"}
    step, at, began, out = 7919, 0, time.time(), open(path, "ab", buffering=0)
    while at < len(data):
        nxt = min(at + step, len(data))
        due = [k for k in rotate if at < k <= nxt]
        if due:  # rotate between two lines, as syslogd does
            nxt = data.index(b"\n", due[0]) + 1
        out.write(data[at:nxt])
        at = nxt
        if due:
            out.close()
            how = rotate.pop(due[0])
            for i in (2, 1):
                if os.path.exists(f"{path}.{i}"):
                    os.rename(f"{path}.{i}", f"{path}.{i + 1}")
            if how == "rename":
                os.rename(path, path + ".1")
            else:
                time.sleep(1)  # a copy that is caught up with: copytruncate itself may lose what is written in between
                shutil.copyfile(path, path + ".1")
                os.truncate(path, 0)
            out = open(path, "ab", buffering=0)
        late = began + seconds * at / len(data) - time.time()
        if late > 0:
            time.sleep(late)
    out.close()


def state(binary, folder, conf):
    db = sqlite3.connect(f"file:{folder}/abusewatch.db?mode=ro", uri=True)
    result = {name: db.execute(sql).fetchall() for name, sql in TABLES.items()}
    db.close()
    run = lambda *a: subprocess.run([binary, *a, "-c", conf, "--format", "ndjson"], capture_output=True, text=True, check=True).stdout
    result["cases"] = run("cases").splitlines()
    result["messages"] = sorted(run("search", "--limit", "0").splitlines())
    return result


def same(want, got):
    wrong = []
    for name in want:
        if want[name] != got[name]:
            w, g = set(map(str, want[name])), set(map(str, got[name]))
            wrong.append(f"{name}: {len(want[name])} rows, got {len(got[name])}; {len(w - g)} missing, {len(g - w)} extra")
            print(f"{name}\n  missing {sorted(w - g)[:2]}\n  extra   {sorted(g - w)[:2]}", file=sys.stderr)
    return wrong


def applied(folder):
    try:
        db = sqlite3.connect(f"file:{folder}/abusewatch.db?mode=ro", uri=True)
        row = db.execute("SELECT coalesce(sum(applied_seq), 0) FROM input").fetchone()
        db.close()
        return row[0]
    except sqlite3.Error:
        return 0


def main():
    bin_dir, log, kills, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    rnd = random.Random(seed)
    with lzma.open(log, "rb") as f:
        lines = f.readlines()
    binary = os.path.join(bin_dir, "abusewatch")
    with tempfile.TemporaryDirectory(prefix="aw-crash-", dir="/var/tmp") as top:
        a, b = os.path.join(top, "import"), os.path.join(top, "live")
        os.mkdir(a)
        os.mkdir(b)
        with open(os.path.join(a, "mail.log"), "wb") as f:
            f.writelines(lines)
        conf_a, conf_b = config(a, os.path.join(a, "mail.log")), config(b, os.path.join(b, "mail.log"))
        subprocess.run([binary, "import", "-c", conf_a, os.path.join(a, "mail.log")], check=True)
        want = state(binary, a, conf_a)
        end = applied(a)
        procs = [Process(os.path.join(bin_dir, "abusewatch-" + n), conf_b, os.path.join(top, n + ".log")) for n in ("analyzer", "collector")]
        seconds = kills * 0.35
        writer = threading.Thread(target=write_log, args=(lines, os.path.join(b, "mail.log"), seconds))
        writer.start()
        done = 0
        while done < kills:
            time.sleep(rnd.uniform(0.02, 0.6))
            rnd.choice(procs).kill()
            done += 1
        writer.join()
        limit = time.time() + 60
        while applied(b) < end and time.time() < limit:
            time.sleep(0.2)
        time.sleep(1)
        codes = [p.stop() for p in reversed(procs)]
        got = state(binary, b, conf_b)
        wrong = same(want, got)
        if any(codes):
            wrong.append(f"ended with {codes}")
        if wrong:
            sys.stderr.write(open(os.path.join(top, "collector.log")).read()[-3000:])
        print(f"not ok crash {kills} kills, seed {seed} - {'; '.join(wrong)}" if wrong else
              f"ok crash {kills} kills while {len(lines)} lines were written and rotated three times; {len(want['messages'])} messages, {len(want['cases'])} cases the same")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
