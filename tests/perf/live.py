#!/usr/bin/env python3
"""live.py BIN [SECONDS] - a log that is written while it is followed: how long until a message is judged and committed, what that costs, and
whether every line arrives. Starts collector and analyzer on a config of its own and writes a generated log (tests/perf/genlog.c):

  idle      a message's lines every 20-60 ms; from the last write to the row in the store: p50, p99
  1,000/s   processor time of collector and analyzer, next to mtail and fail2ban on the same growing file, where they are installed; commits
  rough     5,000 lines/s while the log is renamed and begun anew, the analyzer stands still for two seconds, and the log is copied and emptied
  20,000/s  how far behind it is at the end, that nothing was lost, and memory at half-time and at the end

At the end the same lines are imported into another store: the messages of both must be the same.
SECONDS (15) each of the 1,000/s and 20,000/s last; 285 make it a soak of ten minutes (6 million lines, 2.5 GB in /var/tmp).
"""
import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

if len(sys.argv) < 2:
    sys.exit(__doc__)
BIN = os.path.abspath(sys.argv[1])
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 15
HERE = os.path.dirname(os.path.abspath(__file__))


def cpu(pid):
    """Seconds of processor time of a process, its threads included."""
    return time.clock_gettime(~pid << 3 | 2)  # its clock as clock_getcpuclockid(3) names it: finer than the ticks of /proc


def rss(pid, which="VmHWM"):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(x.split()[1]) for x in f if x.startswith(which)) // 1024


class Site:
    def __init__(self, top):
        self.top, self.log = top, os.path.join(top, "mail.log")
        self.conf = os.path.join(top, "abusewatch.conf")
        with open(self.conf, "w", encoding="ascii") as f:
            f.write('store = "abusewatch.db"\nnetworks = { "198.18.0.0/15" }\nlocal-domains = { "isp.example" }\n'
                    'source "mx1" { path = "mail.log" mta = "postfix" timezone = "UTC" }\nweb { enabled = false }\n')
        self.out = open(self.log, "ab", buffering=0)
        self.all = open(os.path.join(top, "all"), "wb")
        self.programs, self.complaints = [], []

    def must(self, holds, complaint):
        if not holds:
            self.complaints.append(complaint)

    def start(self):
        errors = open(os.path.join(self.top, "errors"), "ab")
        for name in ("analyzer", "collector"):
            self.programs.append(subprocess.Popen([os.path.join(BIN, "abusewatch-" + name), "-c", self.conf], stdout=errors, stderr=errors))
            time.sleep(0.5)
        self.db = sqlite3.connect(f"file:{self.top}/abusewatch.db?mode=ro", uri=True, isolation_level=None)

    def stop(self):
        self.db.close()
        for p in reversed(self.programs):
            p.terminate()
            p.wait()

    def write(self, data):
        self.out.write(data)
        self.all.write(data)

    def rename(self):
        """As logrotate does by default."""
        os.rename(self.log, self.log + ".1")
        self.out = open(self.log, "ab", buffering=0)

    def empty(self):
        """logrotate's copytruncate."""
        os.rename(self.log + ".1", self.log + ".2")
        shutil.copyfile(self.log, self.log + ".1")
        os.truncate(self.log, 0)

    def applied(self):
        return self.db.execute("SELECT coalesce(sum(applied_seq), 0) FROM input").fetchone()[0]

    def commits(self):
        """Another number after each commit of the analyzer."""
        return self.db.execute("PRAGMA data_version").fetchone()[0]

    def memory(self):
        return sum(rss(p.pid, "VmRSS") for p in self.programs)

    def counters(self):
        row = self.db.execute("SELECT counters FROM input").fetchone()
        return json.loads(row[0]) if row and row[0] else {}

    def cpu(self):
        return [cpu(p.pid) for p in self.programs]

    def shares(self, before, seconds):
        now = [100 * (a - b) / seconds for a, b in zip(self.cpu(), before)]
        return f"{sum(now):.2f} % of a core (analyzer {now[0]:.2f}, collector {now[1]:.2f})"


def message(n, now):
    head = time.strftime("%b %e %H:%M:%S", time.gmtime(now)) + " mx1 postfix/"
    qid = f"{0x4000000000 + n * 977:010X}"
    return "".join(f"{head}{x}\n" for x in (
        "smtpd[71]: connect from dyn.isp.example[198.18.4.9]",
        f"smtpd[71]: {qid}: client=dyn.isp.example[198.18.4.9], sasl_method=PLAIN, sasl_username=anna{n % 50}@isp.example",
        f"cleanup[72]: {qid}: message-id=<{n}.{qid}@isp.example>",
        f"qmgr[73]: {qid}: from=<anna{n % 50}@isp.example>, size=4711, nrcpt=1 (queue active)",
        "smtpd[71]: disconnect from dyn.isp.example[198.18.4.9] ehlo=1 auth=1 mail=1 rcpt=1 data=1 quit=1 commands=6",
        f"smtp[74]: {qid}: to=<friend{n % 7}@partner.example>, relay=mx.partner.example[203.0.113.9]:25, delay=0.4, delays=0.1/0/0.1/0.2, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as {qid[::-1]})",
        f"qmgr[73]: {qid}: removed")).encode()


def latency(site, n):
    times = []
    random.seed(7)
    for i in range(n):
        before = site.applied()
        lines = message(i, time.time())
        start = time.perf_counter()
        site.write(lines)
        while site.applied() == before:
            if time.perf_counter() - start > 5:
                sys.exit("live.py: a message was not committed within 5 s")
            time.sleep(5e-5)  # who looks all the time takes the processor from those looked at
        times.append(time.perf_counter() - start)
        time.sleep(random.uniform(0.02, 0.06))
    times.sort()
    print(f"idle: {n} messages, from the write to the committed and judged row: p50 {times[n // 2] * 1e3:.2f} ms, p90 {times[n * 9 // 10] * 1e3:.2f} ms, "
          f"p99 {times[n * 99 // 100] * 1e3:.2f} ms, most {times[-1] * 1e3:.1f} ms")
    site.must(times[n // 2] < 0.05, "a message of an idle stream waits for company")


def pour(site, lines, rate, seconds, events=(), look=None):
    """Writes lines at a rate, a hundred times a second; events: what to do after so many seconds; look: called after each writing."""
    step = max(1, rate // 100)
    start, done = time.perf_counter(), 0
    while done < rate * seconds and (done == 0 or piece):
        piece = list(itertools.islice(lines, step))
        site.write(b"".join(piece))
        done += len(piece)
        if look:
            look()
        while events and done >= events[0][0] * rate:
            events[0][1]()
            events = events[1:]
        ahead = start + done / rate - time.perf_counter()
        if ahead > 0:
            time.sleep(ahead)
    return done, time.perf_counter() - start


def rival(name, command, log):
    if not shutil.which(command[0]):
        return None
    return name, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=os.path.dirname(log))


def rivals(site):
    with open(os.path.join(site.top, "p.mtail"), "w", encoding="ascii") as f:
        f.write("counter sent\ncounter rejected\ncounter failed\n/status=sent/ { sent++ }\n/NOQUEUE: reject/ { rejected++ }\n/SASL \\w+ authentication failed/ { failed++ }\n")
    all_ = [rival("mtail", ["mtail", "--logs", site.log, "--progs", os.path.join(site.top, "p.mtail"), "--port", "39031", "--poll_interval", "250ms", "--logtostderr"], site.log)]
    if shutil.which("fail2ban-server"):
        d = os.path.join(site.top, "f2b")
        shutil.copytree("/etc/fail2ban", d)
        with open(os.path.join(d, "jail.local"), "w", encoding="ascii") as f:
            f.write(f"[DEFAULT]\nbanaction = none\naction =\n[sshd]\nenabled = false\n[postfix]\nenabled = true\nmode = aggressive\nbackend = polling\nlogpath = {site.log}\n")
        all_.append(rival("fail2ban", ["fail2ban-server", "-f", "-c", d, "-s", d + "/s", "-p", d + "/p", "--loglevel", "ERROR", "--logtarget", d + "/log"], site.log))
    return [x for x in all_ if x]


def thousand(site, lines, _written):
    beside = rivals(site)
    time.sleep(2)
    before = {n: cpu(p.pid) for n, p in beside}
    own, commits = site.cpu(), []
    done, s = pour(site, lines, 1000, SECONDS, look=lambda: commits.append(site.commits()))
    shared = len(set(commits[len(commits) // 2:])) - 1  # at first what was saved up for bursts is spent
    time.sleep(0.3)
    print(f"1,000 lines/s for {s:.0f} s: abusewatch {site.shares(own, s)}, {shared} commits in the second half"
          + "".join(f", {n} {100 * (cpu(p.pid) - before[n]) / s:.2f} %" for n, p in beside))
    site.must(shared < 1.5 * s, "commits of a busy stream are hardly shared")
    for _, p in beside:
        p.terminate()
        p.wait()
    return done


def caught_up(site, written):
    """Seconds until all was committed."""
    end = time.perf_counter()
    while site.counters().get("lines", 0) < written and time.perf_counter() - end < 60:
        time.sleep(0.01)
    return time.perf_counter() - end


def rough(site, lines, written):
    analyzer = site.programs[0].pid
    done, s = pour(site, lines, 5000, 8, ((1.5, site.rename), (3, lambda: os.kill(analyzer, signal.SIGSTOP)),
                                          (5, lambda: os.kill(analyzer, signal.SIGCONT)), (6.5, site.empty)))
    late = caught_up(site, written + done)
    print(f"{done / s:,.0f} lines/s for {s:.0f} s, the log renamed, the analyzer stopped for 2 s, the log copied and emptied: committed {late:.2f} s after the last "
          f"line, {written + done - site.counters().get('lines', 0)} of {written + done} lines lost")
    return done


def messages(conf):
    """The complete messages of a store, as text."""
    run = subprocess.run([os.path.join(BIN, "abusewatch"), "search", "-c", conf, "--limit", "0", "--format", "ndjson"], stdout=subprocess.PIPE, check=True)
    return sorted(l for l in run.stdout.splitlines() if b'"complete":true' in l)


def same_as_imported(site):
    site.all.close()
    os.mkdir(os.path.join(site.top, "whole"))
    conf = os.path.join(site.top, "whole", "abusewatch.conf")
    with open(site.conf, encoding="ascii") as f, open(conf, "w", encoding="ascii") as to:
        to.write(f.read().replace("mail.log", site.all.name))
    subprocess.run([os.path.join(BIN, "abusewatch"), "import", "-c", conf, site.all.name], check=True, stdout=subprocess.DEVNULL)
    live, whole = messages(site.conf), messages(conf)
    differ = set(live) ^ set(whole)
    print(f"{len(live)} complete messages followed, {len(whole)} imported, {len(differ)} differ" + "".join(f"\n  {d.decode()[:300]}" for d in sorted(differ)[:4]))
    site.must(len(live) == len(whole) > 100 and not differ, "followed and imported messages differ")


def twenty_thousand(site, lines, written):
    own, memory = site.cpu(), []
    done, s = pour(site, lines, 20000, SECONDS, events=[(SECONDS / 2, lambda: memory.append(site.memory()))])
    memory.append(site.memory())
    late = caught_up(site, written + done)
    seen = site.counters().get("lines", 0)
    print(f"{done / s:,.0f} lines/s for {s:.0f} s: {site.shares(own, s + late)}, all read and committed {late:.2f} s after the last line, "
          f"{written + done - seen} of {written + done} lines lost; peak memory {'/'.join(str(rss(p.pid)) for p in site.programs)} MB (analyzer/collector), "
          f"both {memory[0]} MB at half-time and {memory[1]} at the end")
    site.must(seen == written + done, "lines were lost")
    site.must(late < 20, "what was written is long not committed")
    site.must(sum(rss(p.pid) for p in site.programs) < 512, "too much memory")
    site.must(memory[1] < 1.5 * memory[0], "memory grows")
    return done


def main():
    with tempfile.TemporaryDirectory(prefix="aw-live-", dir="/var/tmp") as top:
        gen = os.path.join(top, "genlog")
        subprocess.run(["cc", "-O2", "-w", "-o", gen, os.path.join(HERE, "genlog.c")], check=True)
        megabytes = (22000 * SECONDS + 45000) * 180 // 1000000 + 8
        with subprocess.Popen([gen, "-m", str(megabytes), "-r", "120"], stdout=subprocess.PIPE) as generator:
            site = Site(top)
            site.start()
            try:
                n = 500 if SECONDS >= 30 else 300
                latency(site, n)
                written = n * 7
                for part in (thousand, rough, twenty_thousand):
                    written += part(site, generator.stdout, written)
                same_as_imported(site)
            finally:
                site.stop()
                generator.kill()
        for complaint in site.complaints:
            print(complaint)
        return 1 if site.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
