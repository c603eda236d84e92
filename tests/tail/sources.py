#!/usr/bin/env python3
"""Every kind of source with real peers: each line arrives exactly once, also over a restart where the source can be read again."""
import gzip, os, resource, shutil, signal, socket, struct, subprocess, sys, tempfile, time

program = sys.argv[1]
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tail import Analyzer  # the analyzer that remembers reports and the snapshot

LINES = 300
JOURNAL_REMOTE = "/lib/systemd/systemd-journal-remote"


def failure(n, host="mx"):
    """A line that is one report: a failed log-in of user n."""
    return "2026-11-24T10:%02d:%02d+00:00 %s postfix/smtpd[7]: warning: h.example[192.0.2.%d]: SASL LOGIN authentication failed: no, sasl_username=u%04d" % (
        n // 60 % 60, n % 60, host, n % 250, n)


def users(a):
    with a.lock:
        return [bytes(p)[bytes(p).index(b"u0") :][:5].decode() for _, p in sorted(a.reports.items()) if b"u0" in bytes(p)]


class Run:
    """A collector with one source, and whom it reports to."""

    def __init__(self, source, *args, stdin=None):
        self.folder = tempfile.mkdtemp(prefix="aw-sources.")
        self.conf = os.path.join(self.folder, "t.conf")
        with open(self.conf, "w") as f:
            f.write('store = "%s/t.db"\nsource "mx" { %s mta = "postfix" timezone = "UTC" }\n' % (self.folder, source.replace("@", self.folder)))
        self.analyzer = Analyzer(os.path.join(self.folder, "ingest.sock"))
        self.args, self.process = args, None
        self.start(stdin)

    def start(self, stdin=None):
        self.log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen([program, "-c", self.conf, "-s", "mx", *self.args], stderr=self.log, stdin=stdin or subprocess.DEVNULL)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(10)

    def wait(self, n, seconds=10):
        end = time.time() + seconds
        while time.time() < end and len(users(self.analyzer)) < n:
            time.sleep(0.02)
        time.sleep(0.2)  # and nothing more
        return users(self.analyzer)

    def end(self):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def check(name, got, want):
    want = ["u%04d" % i for i in want]
    if got == want:
        print("ok source " + name, flush=True)
    else:
        print("not ok source %s - %d of %d, %d twice, first missing %s" % (name, len(set(got)), len(want), len(got) - len(set(got)), sorted(set(want) - set(got))[:1]), flush=True)


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until_open(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)


def logger(port, *how, n=40):
    """The same line by logger(1), which writes stamps of its own."""
    text = "\n".join("warning: h.example[192.0.2.9]: SASL LOGIN authentication failed: no, sasl_username=u%04d" % i for i in range(n)) + "\n"
    return subprocess.run(["logger", "-n", "127.0.0.1", "-P", str(port), "-t", "postfix/smtpd", "-p", "mail.info", *how], input=text.encode(), timeout=20).returncode


def syslog_udp():
    port = free_port(socket.SOCK_DGRAM)
    r = Run('type = "syslog" path = "udp://127.0.0.1:%d"' % port)
    time.sleep(0.5)
    logger(port, "-d", "--rfc3164")
    check("udp, RFC 3164", sorted(r.wait(40)), range(40))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for i in range(40, 60):
            s.sendto(b"<22>" + failure(i).encode() + b"\n", ("127.0.0.1", port))
    check("udp, datagrams with an end", sorted(r.wait(60)), range(60))
    # more than the kernel has room for while nobody reads: what is lost is counted
    r.process.send_signal(signal.SIGSTOP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for i in range(60000):
            s.sendto(b"<22>" + failure(i % 9000).encode(), ("127.0.0.1", port))
        r.process.send_signal(signal.SIGCONT)
        time.sleep(1.5)
        s.sendto(b"<22>" + failure(1).encode(), ("127.0.0.1", port))  # the kernel says it with the next one
        end = time.time() + 5
        while time.time() < end and sum(r.analyzer.totals[k] for k in (0, 18)) != 60061:
            time.sleep(0.1)
    lines, dropped = r.analyzer.totals[0], r.analyzer.totals[18]
    good = lines + dropped == 60061 and dropped > 0
    print("ok source udp, lost datagrams are counted" if good else "not ok source udp, lost datagrams are counted - %d read, %d dropped of 60061" % (lines, dropped), flush=True)
    r.end()


def syslog_tcp():
    port = free_port()
    r = Run('type = "syslog" path = "tcp://127.0.0.1:%d"' % port)
    until_open(port)
    logger(port, "-T", "--rfc5424")
    check("tcp, lines", r.wait(40), range(40))
    r.end()
    r = Run('type = "syslog" path = "tcp://127.0.0.1:%d"' % port)
    until_open(port)
    logger(port, "-T", "--octet-count", "--rfc5424")
    check("tcp, counted", r.wait(40), range(40))
    # two connections in one another, cut anywhere; one without an end; one counted
    a, b = (socket.create_connection(("127.0.0.1", port)) for _ in range(2))
    raw = "".join(failure(i) + "\n" for i in range(40, 60)).encode(), b"".join(b"%d %s" % (len(l), l) for l in (b"<22>" + failure(i).encode() for i in range(60, 80)))
    for k in range(0, max(map(len, raw)), 37):
        a.sendall(raw[0][k:k + 37].rstrip(b"\n") if k + 37 >= len(raw[0]) else raw[0][k:k + 37])
        b.sendall(raw[1][k:k + 37])
    a.close(), b.close()
    check("tcp, two in one another", sorted(r.wait(80)), range(80))
    r.stop(signal.SIGKILL)
    r.start()
    until_open(port)
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall("".join(failure(i) + "\n" for i in range(80, 90)).encode())
    check("tcp, what follows a crash is new", sorted(r.wait(90)), range(90))
    r.end()


def syslog_crowd():
    """Peers that connect and say nothing do not keep others out."""
    port = free_port()
    r = Run('type = "syslog" path = "tcp://127.0.0.1:%d"' % port)
    until_open(port)
    early = socket.create_connection(("127.0.0.1", port))
    early.sendall(failure(0).encode() + b"\n")
    crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(600)]
    time.sleep(5.5)
    for i in range(1, 10):
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(failure(i).encode() + b"\n")
        time.sleep(0.05)
    early.sendall(failure(10).encode() + b"\n")
    check("tcp, beside a crowd that says nothing", sorted(r.wait(11)), range(11))
    for s in crowd:
        s.close()
    early.close()
    r.end()


def syslog_hoards():
    """Peers that each send the beginning of a very long line do not take all memory."""
    port = free_port()
    r = Run('type = "syslog" path = "tcp://127.0.0.1:%d"' % port)
    until_open(port)
    early = socket.create_connection(("127.0.0.1", port))
    early.sendall(failure(0).encode() + b"\n" + failure(1).encode()[:50])
    crowd = []
    for i in range(300):
        s = socket.create_connection(("127.0.0.1", port))
        s.settimeout(5)
        crowd.append(s)
        try:
            s.sendall(b'{"log":"' + b"x" * 900000)
        except OSError:
            pass
    early.sendall(failure(1).encode()[50:] + b"\n")
    check("tcp, beside peers that send very long lines", r.wait(2), range(2))
    peak = int(next(l for l in open("/proc/%d/status" % r.process.pid) if l.startswith("VmHWM")).split()[1]) >> 10
    said = b"which holds most of them" in open(os.path.join(r.folder, "log"), "rb").read()
    print("ok source tcp, memory of very long lines" if peak < 100 and said else "not ok source tcp, memory of very long lines - %d MB, %s" % (peak, said), flush=True)
    for s in crowd:
        s.close()
    r.end()


def certificates(folder):
    def openssl(*a):
        subprocess.run(["openssl", *a], check=True, capture_output=True, cwd=folder)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=logs.example", "-days", "2")
    for who in ("server", "client"):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", who + ".key", "-out", who + ".csr", "-subj", "/CN=" + who)
        openssl("x509", "-req", "-in", who + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", who + ".pem", "-days", "2")


def s_client(port, text, *args):
    p = subprocess.Popen(["openssl", "s_client", "-quiet", "-connect", "127.0.0.1:%d" % port, *args], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        p.stdin.write(text)
        p.stdin.flush()
        time.sleep(0.7)
        p.stdin.close()
    except BrokenPipeError:
        pass
    time.sleep(0.2)
    p.terminate()
    p.wait(5)


def syslog_tls():
    keys = tempfile.mkdtemp(prefix="aw-keys.")
    certificates(keys)
    text = lambda a, b: "".join(failure(i) + "\n" for i in range(a, b)).encode()
    both = 'cert = "%s/server.pem" key = "%s/server.key"' % (keys, keys)
    port = free_port()
    r = Run('type = "syslog" path = "tls://127.0.0.1:%d" %s' % (port, both))
    until_open(port)
    s_client(port, text(0, 200))
    check("tls", r.wait(200), range(200))
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(text(200, 210))
        time.sleep(0.3)
    check("tls, nothing in the clear", r.wait(200, 1), range(200))
    r.end()
    port = free_port()
    r = Run('type = "syslog" path = "tls://127.0.0.1:%d" %s ca = "%s/ca.pem"' % (port, both, keys))
    until_open(port)
    s_client(port, text(0, 10))
    check("tls, a client without a certificate is refused", r.wait(1, 1), [])
    s_client(port, text(10, 30), "-cert", keys + "/client.pem", "-key", keys + "/client.key")
    check("tls, a client with one is heard", r.wait(20), range(10, 30))
    r.end()
    shutil.rmtree(keys)


def command():
    r = Run('type = "command" path = "cat @/in; sleep 0.3; cat @/more 2>/dev/null; printf \'%%s\' \'%s\'; rm -f @/in @/more"' % failure(250))
    open(r.folder + "/more", "w").write("".join(failure(i) + "\n" for i in range(100, 250)))
    open(r.folder + "/in", "w").write("".join(failure(i) + "\n" for i in range(100)))
    got = r.wait(251, 4)
    check("command, also its last line without an end", sorted(set(got)), range(251))
    before = len(got)
    got = r.wait(before + 1, 4)
    check("command, started again when it ends", ["u0250"] if "u0250" in got[251:] else got[251:], [250])
    r.end()


def standard_input():
    for name, how in (("pipe", None), ("file", "file")):
        text = "".join(failure(i) + "\n" for i in range(LINES)).encode()
        if how:
            with tempfile.TemporaryFile() as f:
                f.write(text)
                f.seek(0)
                r = Run('path = "@/mail.log"', "--stdin", stdin=f)
        else:
            r = Run('path = "@/mail.log"', "--stdin", stdin=subprocess.PIPE)
            r.process.stdin.write(text)
            r.process.stdin.close()
        check("standard input, a " + name, r.wait(LINES), range(LINES))
        try:
            ended = r.process.wait(5) == 0
        except subprocess.TimeoutExpired:
            ended = False
        print("ok source standard input, ends with it (%s)" % name if ended else "not ok source standard input, ends with it (%s) - it does not" % name)
        r.end()


def entries(a, b):
    out = []
    for i in range(a, b):
        us = 1795514400000000 + i * 1000000
        message = failure(i).split(": ", 1)[1].encode()
        out.append(b"__CURSOR=x\n__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=228fdb25240543c688de85d9945e16a0\n_MACHINE_ID=f64b54a46337f15e4810ef60ddf812a9\n" % (us, i + 1))
        out.append(b"_HOSTNAME=mx\nSYSLOG_IDENTIFIER=postfix/smtpd\nSYSLOG_PID=7\nPRIORITY=6\nMESSAGE=" + message + b"\n\n")
    return b"".join(out)


def journal():
    if not os.path.exists(JOURNAL_REMOTE):
        print("skip source journal - systemd-journal-remote is not installed")
        return
    folder = tempfile.mkdtemp(prefix="aw-journal.")

    def write(name, a, b):
        p = subprocess.run([JOURNAL_REMOTE, "-o", os.path.join(folder, name), "-"], input=entries(a, b), capture_output=True, timeout=20)
        return p.returncode == 0

    if not write("a.journal", 0, 100):
        print("skip source journal - systemd-journal-remote does not work here")
        return
    r = Run('type = "journal" path = "%s"' % folder)
    check("journal, what is there", r.wait(100), range(100))
    write("b.journal", 100, 200)
    check("journal, what is added", r.wait(200), range(200))
    r.stop()
    write("c.journal", 200, 260)
    r.start()
    check("journal, a restart goes on after its cursor", r.wait(260), range(260))
    time.sleep(0.3)
    write("d.journal", 260, LINES)
    r.wait(LINES)
    r.stop(signal.SIGKILL)
    r.start()
    check("journal, a crash repeats nothing", r.wait(LINES), range(LINES))
    r.stop()
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    write("e.journal", LINES, LINES + 50)
    r.start()
    check("journal, whose old entries were removed meanwhile", r.wait(LINES + 50), range(LINES + 50))
    print("ok source journal, same reports under the same numbers" if not r.analyzer.wrong else "not ok source journal, same reports - %s" % r.analyzer.wrong[:3])
    r.end()
    shutil.rmtree(folder)


def journal_waits():
    """While the analyzer does not read, a journal that grows is not looked at again and again."""
    if not os.path.exists(JOURNAL_REMOTE):
        return
    folder = tempfile.mkdtemp(prefix="aw-journal.")
    write = lambda name, a, b: subprocess.run([JOURNAL_REMOTE, "-o", os.path.join(folder, name), "-"], input=entries(a, b), capture_output=True, timeout=60).returncode
    if write("a.journal", 0, 10):
        return
    r = Run('type = "journal" path = "%s"' % folder)
    r.wait(10)
    r.analyzer.stalled = True
    write("b.journal", 10, 40000)
    ticks = lambda: sum(map(int, open("/proc/%d/stat" % r.process.pid).read().rsplit(")", 1)[1].split()[11:13]))
    end, before = time.time() + 20, -1
    while time.time() < end and ticks() != before:  # until it waits
        before = ticks()
        time.sleep(1)
    write("c.journal", 40000, 40010)
    time.sleep(0.5)
    before = ticks()
    time.sleep(2)
    used = (ticks() - before) / os.sysconf("SC_CLK_TCK")
    print("ok source journal, waits for the analyzer" if used < 0.3 else "not ok source journal, waits for the analyzer - %.1f of 2 s of a processor" % used, flush=True)
    r.analyzer.stalled = False
    end = time.time() + 20
    while time.time() < end and len(r.analyzer.reports) < 40010:
        time.sleep(0.1)
    n = len(r.analyzer.reports)
    missing = sorted(set("u%04d" % i for i in range(1000)) - set(users(r.analyzer)))
    said = open(os.path.join(r.folder, "log"), errors="replace").read()[-300:] if n != 40010 else ""
    print("ok source journal, goes on after it" if n == 40010 else "not ok source journal, goes on after it - %d of 40010, %s; %s" % (n, missing[:5], said), flush=True)
    r.end()
    shutil.rmtree(folder)


FAILING = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
static int cursors, messages;
int sd_journal_get_cursor(void *j, char **ret)
{
	int (*real)(void *, char **) = (int (*)(void *, char **))dlsym(RTLD_NEXT, "sd_journal_get_cursor");
	cursors++;
	return cursors == 5 || cursors == 6 ? -EBADMSG : real(j, ret);
}
int sd_journal_get_data(void *j, const char *name, const void **ret, size_t *n)
{
	int (*real)(void *, const char *, const void **, size_t *) = (int (*)(void *, const char *, const void **, size_t *))dlsym(RTLD_NEXT, "sd_journal_get_data");
	messages += !strcmp(name, "MESSAGE");
	if (!strcmp(name, "MESSAGE") && (messages == 9 || messages == 12 || messages == 13))
		return messages == 9 ? -EIO : -ENOENT;
	return real(j, name, ret, n);
}
"""


def journal_fails():
    """An entry that cannot be read at once is no lost line. One without a text keeps others from being read no longer than a moment."""
    if not os.path.exists(JOURNAL_REMOTE):
        return
    folder = tempfile.mkdtemp(prefix="aw-journal.")
    with open(os.path.join(folder, "fail.c"), "w") as f:
        f.write(FAILING)
    library = os.path.join(folder, "fail.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", library, os.path.join(folder, "fail.c")], check=True, timeout=60)
    if subprocess.run([JOURNAL_REMOTE, "-o", os.path.join(folder, "a.journal"), "-"], input=entries(0, 20), capture_output=True, timeout=60).returncode:
        return
    os.environ["LD_PRELOAD"] = library
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    try:
        r = Run('type = "journal" path = "%s"' % folder)
    finally:
        del os.environ["LD_PRELOAD"]
    check("journal, entries that cannot be read at once", r.wait(20), range(20))
    without = b"".join(b"\n".join(l for l in entries(i, i + 1).split(b"\n") if not l.startswith(b"MESSAGE=")) for i in range(20, 40))
    subprocess.run([JOURNAL_REMOTE, "-o", os.path.join(folder, "b.journal"), "-"], input=without, capture_output=True, timeout=60)
    subprocess.run([JOURNAL_REMOTE, "-o", os.path.join(folder, "c.journal"), "-"], input=entries(40, 60), capture_output=True, timeout=60)
    check("journal, entries without a text", r.wait(40, 3), [*range(20), *range(40, 60)])
    r.end()
    shutil.rmtree(folder)


def archive():
    folder = tempfile.mkdtemp(prefix="aw-archive.")
    packs = [("mail.log.3.gz", 0, 100), ("mail.log.2.xz", 100, 200), ("mail.log.1", 200, 250), ("mail.zst", 250, LINES)]
    for k, (name, a, b) in enumerate(packs):
        text = "".join(failure(i) + "\n" for i in range(a, b)).encode()
        path = os.path.join(folder, name)
        if name.endswith(".gz"):
            text = gzip.compress(text)
        elif name.endswith((".xz", ".zst")):
            text = subprocess.run(["xz" if name.endswith("xz") else "zstd", "-c", "-q"], input=text, capture_output=True).stdout
        with open(path, "wb") as f:
            f.write(text)
        os.utime(path, (time.time() - 1000 + k, time.time() - 1000 + k))
    r = Run('type = "archive" path = "%s"' % folder)
    check("archive, packed and plain in their order", r.wait(LINES), range(LINES))
    time.sleep(0.3)
    r.stop(signal.SIGKILL)
    r.start()
    time.sleep(1)
    check("archive, read once", r.wait(LINES), range(LINES))
    print("ok source archive, same reports under the same numbers" if not r.analyzer.wrong else "not ok source archive, same reports - %s" % r.analyzer.wrong[:3])
    r.end()
    shutil.rmtree(folder)


def archive_broken():
    """A copy that breaks off is read as far as it goes, a whole one from there, put in its place or beside it, also after a crash; half a line is none."""
    whole = gzip.compress("".join(failure(i) + "\n" for i in range(LINES)).encode(), 0)
    def put(path, data):
        with open(path + ".part", "wb") as f:
            f.write(data)
        os.utime(path + ".part", (time.time() - 1000, time.time() - 1000))
        os.rename(path + ".part", path)
    for name, crash in (("mail.log.1.gz", False), ("mail.log.1.gz", True), ("whole.log.gz", True)):
        folder, at = tempfile.mkdtemp(prefix="aw-archive."), len(whole) * 2 // 3
        put(os.path.join(folder, "mail.log.1.gz"), whole[:at])
        r = Run('type = "archive" path = "%s/*.gz"' % folder)
        how = "%s%s" % (name, " after a crash" if crash else "")
        got = r.wait(150)
        check("archive, a copy that breaks off: " + how, got, range(len(got)))
        assert 150 < len(got) < 250
        if crash:
            time.sleep(0.3)
            r.stop(signal.SIGKILL)
        put(os.path.join(folder, name), whole)
        if crash:
            r.start()
        check("archive, the whole copy then: " + how, r.wait(LINES, 15), range(LINES))
        print(("ok" if not r.analyzer.wrong else "not ok") + " source archive, same reports: %s%s" % (how, "" if not r.analyzer.wrong else " - %s" % r.analyzer.wrong[:3]))
        r.end()
        shutil.rmtree(folder)


def archive_older():
    """Files that come while the collector is down, older than the one that it was reading as it was killed, are read behind that one: its reports keep their numbers."""
    for kill_at, size in ((20000, 40000), (0, 40000)):
        folder = tempfile.mkdtemp(prefix="aw-archive.")
        def put(name, a, b, ago):
            with open(os.path.join(folder, name), "w") as f:
                f.write("".join(failure(i) + "\n" for i in range(a, b)))
            os.utime(os.path.join(folder, name), (time.time() - ago, time.time() - ago))
        put("b.log", 0, size, 1000)
        r = Run('type = "archive" path = "%s"' % folder)
        while len(r.analyzer.reports) < kill_at or not r.analyzer.reports:
            time.sleep(0.0005)
        r.stop(signal.SIGKILL)
        n = len(r.analyzer.reports)
        put("a.log", size, size + 100, 2000)
        r.start()
        end = time.time() + 20
        while time.time() < end and len(r.analyzer.reports) < size + 100:
            time.sleep(0.02)
        time.sleep(0.3)
        print("%s source archive, older files after a crash - %d reports, killed at %d, wrong %s" % ("ok" if len(r.analyzer.reports) == size + 100 and not r.analyzer.wrong and n < size else "not ok", len(r.analyzer.reports), n, r.analyzer.wrong[:2]), flush=True)
        r.end()
        shutil.rmtree(folder)


def append(path, a, b, pause=0):
    with open(path, "ab", buffering=0) as f:
        for i in range(a, b):
            f.write(failure(i).encode() + b"\n")
            time.sleep(pause)


def told_late():
    """A writer that goes on in the renamed file for some seconds, until it is told."""
    r = Run('type = "file" path = "@/mail.log"')
    log = os.path.join(r.folder, "mail.log")

    append(log, 0, 50, 0.03)
    r.wait(50)
    os.rename(log, log + ".1")
    open(log, "wb").close()
    append(log + ".1", 50, 150, 0.03)
    append(log, 150, 200, 0.03)
    check("file, whose writer is told late that it was renamed", r.wait(200), range(200))
    r.end()


def unreadable_sibling():
    """A rotated file that is newer than all that was read, and cannot be unpacked, is told."""
    r = Run('type = "file" path = "@/mail.log"')
    log = os.path.join(r.folder, "mail.log")
    with open(log, "w") as f:
        f.write("".join(failure(i) + "\n" for i in range(50)))
    r.wait(50)
    time.sleep(0.5)
    r.stop()
    os.unlink(log)
    for name, data in ((".1.gz", b"\x1f\x8b\x08\x00 damaged"), (".2.gz", b"\x1f\x8b\x08\x00 of last year")):
        with open(log + name, "wb") as f:
            f.write(data)
    os.utime(log + ".2.gz", (time.time() - 4e7, time.time() - 4e7))
    with open(log, "w") as f:
        f.write("".join(failure(i) + "\n" for i in range(50, 60)))
    r.start()
    got = r.wait(60)
    said = open(os.path.join(r.folder, "log")).read()
    good = "mail.log.1.gz: ends in the middle" in said and "what was not read of it yet is lost" in said and ".2.gz" not in said
    check("file beside a rotated one that is damaged", got, range(60))
    print("ok source file, says which rotated one is damaged" if good else "not ok source file, says which rotated one is damaged - %s" % said[-300:], flush=True)
    r.end()


def packed_late():
    """What was rotated while the collector was down, and is still being copied or packed when it starts: it is waited for; what breaks off and stays so is read as far as it goes, and
    on from there when it is whole, after the next rotation, also when that comes while it is down again. Half a line is none."""
    text = "".join(failure(i) + "\n" for i in range(LINES)).encode()
    def put(path, data, ago=0):
        with open(path, "wb") as f:
            f.write(data)
        os.utime(path, (time.time() - ago, time.time() - ago))
    def down(r):
        """A collector that read 50 lines; the log was rotated since."""
        log = os.path.join(r.folder, "mail.log")
        append(log, 0, 50)
        r.wait(50)
        time.sleep(0.3)
        r.stop()
        os.unlink(log)
        return log
    for kind in ("gz", "zst"):
        whole = gzip.compress(text, 0) if kind == "gz" else subprocess.run(["zstd", "-c", "-q", "-1", "--no-check"], input=text, capture_output=True).stdout
        for how in ("copied slowly", "begun to be copied", "whole later", "whole after a restart", "whole after a crash", "whole after a crash and a rotation"):
            if kind == "zst" and how != "copied slowly":
                continue
            r = Run('type = "file" path = "@/mail.log"')
            log = down(r)
            append(log, LINES, LINES + (2 if how.startswith("whole") else 10))
            late = how.startswith("whole")
            put(log + ".1.gz", whole[:8 if "begun" in how else len(whole) * 2 // 3], 100 if late else 0)
            r.start()
            name = "file, a packed rotation that is %s (.%s)" % (how, kind)
            if not late:
                time.sleep(2.5)
                put(log + ".1.gz", whole)
                check(name, r.wait(LINES + 10, 25), range(LINES + 10))
                said = open(os.path.join(r.folder, "log")).read()
                print("ok source %s: no loss is told" % name if "lost" not in said else "not ok source %s: no loss is told - %s" % (name, said[-300:]), flush=True)
            else:
                got = r.wait(150, 15)
                read = got.index("u%04d" % LINES) if "u%04d" % LINES in got else 0
                check(name + ", before", got, [*range(read), *range(LINES, LINES + 2)])
                assert 150 < read < 250
                if "after" in how:
                    time.sleep(0.3)
                    r.stop(signal.SIGKILL if "crash" in how else signal.SIGTERM)
                put(log + ".1.gz", whole, 50)
                rotated = False
                for n in (LINES + 2, LINES + 3):
                    if "and a rotation" in how and not rotated or n == LINES + 3 and not rotated:
                        os.rename(log, log + ".0")
                        rotated = True
                    append(log, n, n + 1)
                    if n == LINES + 2 and "after" in how:
                        r.start()
                        r.wait(read + 3 if "rotation" not in how else LINES + 3)
                got = r.wait(LINES + 4, 15)
                check(name, sorted(got), range(LINES + 4))
            print(("ok" if not r.analyzer.wrong else "not ok") + " source %s: same reports%s" % (name, "" if not r.analyzer.wrong else " - %s" % r.analyzer.wrong[:3]), flush=True)
            r.end()
    # its original is beside it until it is packed
    for n in (8, len(whole) // 2):
        r = Run('type = "file" path = "@/mail.log"')
        log = down(r)
        put(log + ".1", text[:text.index(b"u0200")] + b"u0200\n", 10)
        put(log + ".1.gz", gzip.compress(text, 0)[:n])
        append(log, 201, 210)
        r.start()
        check("file, a rotation that is being packed, its original beside it", r.wait(210), range(210))
        said = open(os.path.join(r.folder, "log")).read()
        print("ok source file, a rotation that is being packed: no loss is told" if "lost" not in said else "not ok source file, a rotation that is being packed: no loss is told - %s" % said[-300:], flush=True)
        r.end()


def rotated_meanwhile():
    """Rotated files that are packed, or rotated on, while older ones are still being read."""
    for how in ("packed", "rotated on", "packed and rotated on"):
        r = Run('type = "file" path = "@/mail.log"')
        log = os.path.join(r.folder, "mail.log")
        append(log, 0, 50)
        r.wait(50)
        time.sleep(0.3)
        r.stop()
        with open(log, "a") as f:  # more reports than are on their way before the collector waits
            f.write("".join(failure(1000 + i % 8000) + "\n" for i in range(90000)))
        for i, (name, a, b) in enumerate(((".3", 0, 0), (".2", 50, 100), (".1", 100, 150))):
            if name == ".3":
                os.rename(log, log + name)
            else:
                append(log + name, a, b)
            os.utime(log + name, (time.time() - 100 + i, time.time() - 100 + i))
        append(log, 150, 200)
        r.start()
        while r.process.poll() is None and len(r.analyzer.reports) < 1000:
            time.sleep(0.001)
        r.analyzer.stalled = True
        time.sleep(2)
        for n in ("1", "2") if how == "packed" else ("2", "1", ""):
            old, new = log + "." * bool(n) + n, log + "." + ("1" if not n else n if how == "packed" else str(int(n) + 1))
            if n == "2" and how != "packed":
                os.rename(log + ".3", log + ".4")
            if "packed" in how and n:
                st = os.stat(old)
                with open(old, "rb") as f, gzip.open(new + ".gz", "wb") as g:
                    shutil.copyfileobj(f, g)
                os.unlink(old)
                os.utime(new + ".gz", ns=(st.st_mtime_ns, st.st_mtime_ns))
            else:
                os.rename(old, new)
        if how != "packed":
            append(log, 200, 210)
        r.analyzer.stalled = False
        n = 90050 + 150 + 10 * (how != "packed")
        end = time.time() + 40
        while time.time() < end and len(r.analyzer.reports) < n:
            time.sleep(0.1)
        time.sleep(0.3)
        got = [u for u in users(r.analyzer) if u < "u1000"]
        check("file, rotated ones that are %s while older ones are read" % how, got, range(200 + 10 * (how != "packed")))
        r.end()


def restarted_late():
    """The collector is started again (or killed) while the new file is still empty, or is not there at all, and the writer goes on in the renamed one."""
    for name, new in (("is empty", True), ("is not there yet", False)):
        r = Run('type = "file" path = "@/mail.log"')
        log = os.path.join(r.folder, "mail.log")

        append(log, 0, 50)
        r.wait(50)
        os.rename(log, log + ".1")
        if new:
            open(log, "wb").close()
        for k, how in enumerate((signal.SIGTERM, signal.SIGKILL)):
            r.stop(how)
            append(log + ".1", 50 + 20 * k, 60 + 20 * k)
            r.start()
            r.wait(60 + 20 * k)
            time.sleep(0.3)
            append(log + ".1", 60 + 20 * k, 70 + 20 * k)
            r.wait(70 + 20 * k)
        append(log, 90, 100)
        time.sleep(1.5)
        os.rename(log, log + ".2")
        append(log, 100, 110)
        check("file, a restart while the new one " + name, r.wait(110), range(110))
        r.end()


def hasty(folder):
    """What makes a program's clock run: an hour is 6 s."""
    with open(folder + "/hasty.c", "w") as f:
        f.write("#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stdint.h>\nuint64_t uv_now(const void *loop)\n"
                "{\n\tstatic uint64_t (*now)(const void *);\n\tif (!now)\n\t\tnow = (uint64_t (*)(const void *))dlsym(RTLD_NEXT, \"uv_now\");\n"
                "\treturn now(loop) * 600;\n}\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder + "/hasty.so", folder + "/hasty.c", "-ldl"], check=True)
    return dict(os.environ, LD_PRELOAD=folder + "/hasty.so")


def files_of(pid, folder):
    links = ["/proc/%d/fd/%s" % (pid, n) for n in os.listdir("/proc/%d/fd" % pid)]
    return sorted(l for l in (os.readlink(x) for x in links if os.path.islink(x)) if l.startswith(folder))


def daily_names():
    """A file of a pattern that was deleted is read to its end, told, and closed; one that only has another name is followed for longer."""
    folder = tempfile.mkdtemp(prefix="aw-daily.")
    r = Run('type = "file" path = "%s/mail-*.log"' % folder)
    r.stop()
    name = lambda day: "%s/mail-2026112%d.log" % (folder, day)

    def write(path, lines):
        with open(path, "ab", buffering=0) as f:
            f.write("".join(l + "\n" for l in lines).encode())

    head = failure(0)[:25]
    write(name(1), [failure(0), head + " mx postfix/smtpd[7]: ABC1234567: client=h.example[192.0.2.1]", head + " mx postfix/qmgr[7]: ABC1234567: from=<open@x.example>, size=9, nrcpt=1 (queue active)"])
    write(name(2), [failure(1)])
    r.process = subprocess.Popen([program, "-c", r.conf, "-s", "mx"], stderr=r.log, env=hasty(r.folder))
    r.wait(2)
    before = files_of(r.process.pid, folder)
    writer = open(name(1), "ab", buffering=0)
    os.unlink(name(1))
    os.rename(name(2), folder + "/kept")
    writer.write((failure(2) + "\n").encode())
    write(folder + "/kept", [failure(3)])
    writer.close()
    write(name(3), [failure(4)])
    # the analyzer of this test keeps one state for all streams: their numbers are the same
    end = time.time() + 15
    while time.time() < end and not r.analyzer.gone:
        time.sleep(0.2)
    time.sleep(1.5)
    with r.analyzer.lock:
        said = [bytes(p) for p in r.analyzer.all]
    got = sorted({u[u.index(b"u0"):][:5].decode() for u in said if b"u0" in u})
    check("file of a pattern, written to after it was deleted or renamed", got, range(5))
    after = files_of(r.process.pid, folder)
    ok = len(before) == 2 and after == [folder + "/kept", name(3)] and len(r.analyzer.gone) == 1 and any(b"open@x.example" in p for p in said)
    print("ok source file of a pattern, closed when it is gone" if ok else "not ok source file of a pattern, closed when it is gone - %s, then %s; %d told" % (before, after, len(r.analyzer.gone)), flush=True)
    write(name(1), [failure(5)])
    end = time.time() + 10
    while time.time() < end and not any(b"u0005" in p for p in r.analyzer.all):
        time.sleep(0.2)
    print("ok source file of a pattern, which comes back" if any(b"u0005" in p for p in r.analyzer.all) else "not ok source file of a pattern, which comes back - it is not read", flush=True)
    r.end()
    shutil.rmtree(folder)


def not_there():
    """What cannot be followed is told, once, and followed when it can be."""
    r = Run('type = "file" path = "@/mail.log"')
    log, said = os.path.join(r.folder, "mail.log"), lambda: open(os.path.join(r.folder, "log")).read()
    time.sleep(2.5)
    os.mkdir(log)
    time.sleep(2.5)
    os.rmdir(log)
    with open(log, "wb") as f:
        f.write(b"".join(failure(i).encode() + b"\n" for i in range(10)))
    check("file that comes later", r.wait(10), range(10))
    told = [said().count(t) for t in ("cannot be followed: No such file", "cannot be followed: is no file", "can be followed now")]
    print("ok source file, why it is not followed" if told == [1, 1, 1] else "not ok source file, why it is not followed - %s" % told, flush=True)
    r.end()


def full():
    """Messages that cannot be written are not passed over."""
    r = Run('type = "file" path = "@/mail.log"')
    r.stop()
    line = failure(1).replace("smtpd[7]: warning", "smtpd[7]: ABC1234567: client=h.example[192.0.2.1]\n" + failure(1)[:25] + " mx postfix/qmgr[7]: ABC1234567: removed\n" + failure(1)[:25] + " mx postfix/smtpd[7]: warning")
    with open(os.path.join(r.folder, "mail.log"), "w") as f:
        f.write(line + "\n")
    try:
        with open("/dev/full", "w") as to:
            p = subprocess.run([program, "-c", r.conf, "-s", "mx", "--stdout"], stdout=to, capture_output=False, stderr=subprocess.PIPE, timeout=5)
        said = p.returncode and b"standard output cannot be written" in p.stderr
    except subprocess.TimeoutExpired:
        said = False
    print("ok source --stdout, a full disk" if said else "not ok source --stdout, a full disk - nothing was said", flush=True)
    r.end()


def many_files():
    """More logs than files may be open at first."""
    folder = tempfile.mkdtemp(prefix="aw-many.")
    for i in range(100):
        with open(os.path.join(folder, "%d.log" % i), "w") as f:
            f.write(failure(i) + "\n")
    r = Run('type = "file" path = "%s/*.log"' % folder)
    r.stop()
    few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (128, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    r.process = subprocess.Popen([program, "-c", r.conf], stderr=r.log, preexec_fn=few)
    end = time.time() + 10
    while len(r.analyzer.heard) < 100 and time.time() < end:
        time.sleep(0.1)
    heard = len(r.analyzer.heard)
    print("ok source files of a pattern, very many" if heard == 100 else "not ok source files of a pattern, very many - %d of 100" % heard, flush=True)
    r.end()
    shutil.rmtree(folder)


def behind_links():
    """A log that is a link into another folder, alone and among the files of a pattern."""
    for name, path in (("a log", "@/mail.log"), ("one of a pattern", "@/mail*.log")):
        folder = tempfile.mkdtemp(prefix="aw-links.")
        r = Run('path = "%s"' % path)
        r.stop()
        with open(folder + "/real.log", "w") as f:
            f.write("".join(failure(i) + "\n" for i in range(20)))
        os.symlink(folder + "/real.log", r.folder + "/mail.log")
        r.start()
        r.wait(20)
        with open(folder + "/real.log", "a") as f:
            f.write("".join(failure(i) + "\n" for i in range(20, 30)))
        check("a link into another folder, " + name, r.wait(30, 3), range(30))
        r.end()
        shutil.rmtree(folder)


def many_folders():
    """More folders of logs than a small table holds."""
    folder = tempfile.mkdtemp(prefix="aw-folders.")
    conf = 'store = "%s/t.db"\n' % folder
    for i in range(150):
        os.mkdir("%s/%d" % (folder, i))
        conf += 'source "m%d" { path = "%s/%d/mail.log" mta = "postfix" timezone = "UTC" }\n' % (i, folder, i)
    with open(folder + "/t.conf", "w") as f:
        f.write(conf)
    os.mkdir(folder + "/run")
    r = Run('path = "@/mail.log"')
    r.stop()
    conf = conf.replace("%s/t.db" % folder, "%s/t.db" % r.folder)
    with open(r.folder + "/t.conf", "w") as f:
        f.write(conf)
    r.process = subprocess.Popen([program, "-c", r.folder + "/t.conf"], stderr=r.log)
    time.sleep(1.5)
    for i in range(150):
        with open("%s/%d/mail.log" % (folder, i), "w") as f:
            f.write(failure(i) + "\n")
    end = time.time() + 10
    while len(r.analyzer.heard) < 150 and time.time() < end:
        time.sleep(0.1)
    heard = len(r.analyzer.heard)
    print("ok source files in very many folders" if heard == 150 else "not ok source files in very many folders - %d of 150" % heard, flush=True)
    r.end()
    shutil.rmtree(folder)


def archive_many():
    """More files than positions are kept (POSITIONS_MAX), and one in which nothing is."""
    files, folder = 4200, tempfile.mkdtemp(prefix="aw-archive.")
    for i in range(files + 1):
        path = os.path.join(folder, "mail.%d.log" % i)
        with open(path, "wb") as f:
            f.write(failure(i).encode() + b"\n" if i < files else gzip.compress(b""))
        os.utime(path, (time.time() - 10000 + i, time.time() - 10000 + i))
    r = Run('type = "archive" path = "%s"' % folder)
    first, _ = r.analyzer.wait(files)
    time.sleep(0.5)  # for the last snapshot
    r.stop(signal.SIGKILL)
    r.start()
    again, _ = r.analyzer.wait(files + 1, 4)
    with open(os.path.join(r.folder, "log"), errors="replace") as f:
        left_out = [l for l in f if "left out" in l]
    ok = len(first) == len(again) == files and not left_out
    print("ok source archive of very many files" if ok else "not ok source archive of very many files - %d of %d reports, then %d; %s" % (len(first), files, len(again), left_out[:1]), flush=True)
    r.end()
    shutil.rmtree(folder)


only = sys.argv[2:]
for test in (syslog_udp, syslog_tcp, syslog_crowd, syslog_hoards, syslog_tls, command, standard_input, journal, journal_waits, journal_fails, told_late, unreadable_sibling, packed_late, rotated_meanwhile, restarted_late, daily_names, not_there, full, many_files, behind_links, many_folders, archive, archive_broken, archive_older, archive_many):
    if only and test.__name__ not in only:
        continue
    try:
        test()
    except Exception as e:  # one kind must not hide the others
        print("not ok source %s - %s: %s" % (test.__name__, type(e).__name__, e), flush=True)
