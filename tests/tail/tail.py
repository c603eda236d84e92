#!/usr/bin/env python3
"""The collector against a log that is written, rotated, truncated and packed under its eyes, while it is killed at any
moment. This script plays the analyzer: it remembers what came (by number) and the last snapshot, and gives both back after a
crash. Whatever happened, the reports must be those of one undisturbed reading of the same bytes."""
import bz2, gzip, os, random, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time

HELLO, RESUME, TXN, RECORD, SNAPSHOT, COUNTERS, SHAPE, IDLE, BYE = range(1, 10)
GONE = 15


def varint(b, i):
    v = shift = 0
    while True:
        c = b[i]
        i += 1
        v |= (c & 127) << shift
        shift += 7
        if c < 128:
            return v, i


def put_varint(v):
    out = b""
    while v >= 128:
        out += bytes([v & 127 | 128])
        v >>= 7
    return out + bytes([v])


class Analyzer(threading.Thread):
    """Applies frames as the real one does: a snapshot makes what came before it durable."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(path)
        self.sock.listen(256)
        self.reports, self.snapshot, self.applied, self.totals = {}, b"", 0, []
        self.snapshots = self.connections = self.repeated = 0
        self.wrong, self.heard, self.gone = [], set(), []
        self.stalled = False  # reads nothing
        self.all = []  # also those of streams whose numbers are the same
        self.lock = threading.Lock()
        self.start()

    def run(self):
        while True:
            conn, _ = self.sock.accept()
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        data = b""
        while True:
            while self.stalled:
                time.sleep(0.05)
            try:
                more = conn.recv(1 << 20)
            except OSError:
                return
            if not more:
                return
            data += more
            while len(data) >= 5 and len(data) >= 5 + struct.unpack("<I", data[:4])[0]:
                n, kind = struct.unpack("<IB", data[:5])
                with self.lock:
                    self.apply(conn, kind, data[5:5 + n])
                data = data[5 + n:]

    def apply(self, conn, kind, payload):
        if kind == HELLO:
            self.connections += 1
            body = put_varint(self.applied) + (put_varint(len(self.snapshot) + 1) + self.snapshot)
            try:
                conn.sendall(struct.pack("<IB", len(body), RESUME) + body)
            except OSError:
                pass
        elif kind in (TXN, RECORD):
            i = varint(payload, 0)[1] if kind == TXN else 0  # a transaction begins with its version
            seq = varint(payload, i)[0]
            if not seq:
                return
            self.applied = max(self.applied, seq)
            if seq in self.reports:
                self.repeated += 1
                if self.reports[seq] != payload:
                    self.wrong.append(seq)
            self.reports[seq] = payload
            self.all.append(payload)
            self.heard.add(conn)
        elif kind == GONE:  # its log is: what was remembered is forgotten
            self.gone.append(conn)
            self.snapshot, self.applied = b"", 0
            conn.sendall(struct.pack("<IB", 2, RESUME) + put_varint(0) + put_varint(1))
        elif kind == SNAPSHOT:
            seq, i = varint(payload, 0)
            n, i = varint(payload, i)
            self.snapshot = payload[i:i + n - 1]
            self.snapshots += 1
        elif kind == COUNTERS:
            i, self.totals = 0, []
            while len(self.totals) < 21:
                v, i = varint(payload, i)
                self.totals.append(v)

    def state(self):
        with self.lock:
            return [self.reports[k] for k in sorted(self.reports)], sorted(self.reports) == list(range(1, len(self.reports) + 1))

    def wait(self, n, seconds=20):
        """Until n reports are there; what is there then."""
        end = time.time() + seconds
        while time.time() < end:
            with self.lock:
                if len(self.reports) >= n:
                    break
            time.sleep(0.02)
        return self.state()


class Collector:
    def __init__(self, program, folder, log):
        self.program, self.folder = program, folder
        self.conf = os.path.join(folder, "test.conf")
        with open(self.conf, "w") as f:
            f.write('store = "%s/test.db"\nsource "mx" { type = "file" path = "%s" mta = "postfix" timezone = "UTC" }\n' % (folder, log))
        self.process = None

    def start(self):
        self.process = subprocess.Popen([self.program, "-c", self.conf, "-s", "mx"], stderr=subprocess.DEVNULL)

    def stop(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        return self.process.wait(10)


def make_log(rng, messages):
    """Lines of many messages in one another; enough of them deferred that there is always something open."""
    lines = []
    for m in range(messages):
        t, q = 1795312800 + m * 3, "A%09X" % (m * 7919)
        at = lambda s: time.strftime("%Y-%m-%dT%H:%M:%S+00:00 mx postfix/", time.gmtime(t + s))
        n = rng.randint(1, 4)
        own = [at(0) + "smtpd[1]: %s: client=c%d.example[192.0.2.%d]" % (q, m, m % 250), at(0) + "cleanup[1]: %s: message-id=<%d@x>" % (q, m),
               at(0) + "qmgr[1]: %s: from=<s%d@x.example>, size=%d, nrcpt=%d (queue active)" % (q, m, m, n)]
        late = rng.random() < 0.2
        for i in range(n):
            own.append(at(1) + "smtp[1]: %s: to=<r%d@y.example>, relay=mx[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=%s, status=%s (x)" %
                       (q, i, "4.0.0" if late else "2.0.0", "deferred" if late else "sent"))
        if late:
            own += [l.replace(at(1), at(900)).replace("deferred", "bounced") for l in own[3:]]
        own.append(at(901 if late else 1) + "qmgr[1]: %s: removed" % q)
        if rng.random() < 0.3:
            own.append(at(1) + "smtpd[1]: warning: bad[192.0.2.9]: SASL LOGIN authentication failed: no, sasl_username=u%d" % m)
        lines += own
    lines.sort(key=lambda l: l[:19])
    return [l.encode() + b"\n" for l in lines]


def undisturbed(program, lines):
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "mail.log")
        with open(log, "wb") as f:
            f.writelines(lines)
        a, c = Analyzer(os.path.join(folder, "ingest.sock")), Collector(program, folder, log)
        c.start()
        last = -1
        while len(a.reports) != last or not last:
            last = len(a.reports)
            time.sleep(0.5)
        c.stop(signal.SIGTERM)
        return a.state()[0]


def rename(log, step):
    os.rename(log, log + ".%d" % step)
    open(log, "wb").close()


def pack(path):
    with open(path, "rb") as f, gzip.open(path + ".gz", "wb") as g:
        shutil.copyfileobj(f, g)
    st = os.stat(path)
    os.utime(path + ".gz", ns=(st.st_mtime_ns, st.st_mtime_ns))
    os.unlink(path)


def rename_and_pack(log, step):
    rename(log, step)
    pack(log + ".%d" % step)


def rename_and_bzip2(log, step):
    rename(log, step)
    with open(log + ".%d" % step, "rb") as f, bz2.open(log + ".%d.bz2" % step, "wb") as g:
        shutil.copyfileobj(f, g)
    st = os.stat(log + ".%d" % step)
    os.utime(log + ".%d.bz2" % step, ns=(st.st_mtime_ns, st.st_mtime_ns))
    os.unlink(log + ".%d" % step)


def date_before_extension(log, step):
    """As logrotate does with dateext and extension; every other one is packed."""
    dated = "%s-2026112%d.log" % (log[:-len(".log")], step)
    os.rename(log, dated)
    open(log, "wb").close()
    if step % 2:
        pack(dated)


def copytruncate(log, step):
    shutil.copyfile(log, log + ".%d" % step)
    os.truncate(log, 0)


def scenario(name, program, lines, want, seed, rotate, kills, down_while_rotating):
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "mail.log")
        open(log, "wb").close()
        a, c = Analyzer(os.path.join(folder, "ingest.sock")), Collector(program, folder, log)
        c.start()
        data, at, step = b"".join(lines), 0, 0
        parts = 30
        kill_at = set(rng.sample(range(parts), kills))
        rotate_at = set(rng.sample(range(3, parts - 2), 4)) if rotate else set()
        for part in range(parts):
            end = len(data) if part == parts - 1 else at + len(data) // parts + rng.randint(-99, 99)
            with open(log, "ab", buffering=0) as f:
                while at < end:  # also in the middle of lines
                    n = min(rng.choice((7, 900, 60000)), end - at)
                    f.write(data[at:at + n])
                    at += n
                    if rng.random() < 0.05:
                        time.sleep(0.002)
            if part in rotate_at:
                end = data.index(b"\n", at - 1) + 1  # programs that rotate do not cut lines
                with open(log, "ab") as f:
                    f.write(data[at:end])
                at, step = end, step + 1
                if down_while_rotating:
                    c.stop()
                elif rotate is copytruncate:
                    time.sleep(0.3)
                rotate(log, step)
                if down_while_rotating:
                    c.start()
                else:
                    time.sleep(rng.choice((0.1, 2.5)))
            if part in kill_at:
                time.sleep(rng.random() * 0.05)
                c.stop()
                c.start()
            time.sleep(rng.random() * 0.05)
        got, whole = a.wait(len(want))
        status = c.stop(signal.SIGTERM)
        time.sleep(0.1)
        why = ""
        if a.wrong:
            why = "repeated reports differ: %s" % a.wrong[:5]
        elif not whole or got != want:
            same = next((i for i, (x, y) in enumerate(zip(got, want)) if x != y), min(len(got), len(want)))
            why = "%d reports, wanted %d; they part at %d" % (len(got), len(want), same)
        elif status:
            why = "SIGTERM ended it with %d" % status
        elif kills and a.connections <= kills / 2:
            why = "it hardly connected"
        print("ok " + name if not why else "not ok %s - %s" % (name, why))
        print("   %s: %d reports, %d connections, %d snapshots, %d repeated" % (name, len(got), a.connections, a.snapshots, a.repeated), file=sys.stderr)
        sys.stdout.flush()


def main():
    program = sys.argv[1]
    lines = make_log(random.Random(1), 3000)
    want = undisturbed(program, lines)
    scenario("partial lines", program, lines, want, 1, None, 0, False)
    scenario("killed 12 times", program, lines, want, 2, None, 12, False)
    scenario("rotated by renaming", program, lines, want, 3, rename, 0, False)
    scenario("rotated by renaming, killed", program, lines, want, 4, rename, 8, False)
    scenario("rotated by copying and truncating", program, lines, want, 5, copytruncate, 0, False)
    scenario("rotated and packed", program, lines, want, 6, rename_and_pack, 6, False)
    scenario("renamed while it was down", program, lines, want, 7, rename, 4, True)
    scenario("dated before its extension while it was down", program, lines, want, 10, date_before_extension, 4, True)
    scenario("packed while it was down", program, lines, want, 8, rename_and_pack, 4, True)
    scenario("packed by bzip2 while it was down", program, lines, want, 11, rename_and_bzip2, 4, True)
    scenario("truncated while it was down", program, lines, want, 9, copytruncate, 0, True)


if __name__ == "__main__":
    main()
