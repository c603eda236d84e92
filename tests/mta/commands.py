#!/usr/bin/env python3
"""commands.py ABUSEWATCH LOG: every command with wrong options, damaged files, broken configs and stores, hostile names."""
import bz2, csv, datetime, gzip, io, json, lzma, os, pwd, resource, signal, socket, sqlite3, subprocess, sys, tempfile, threading, time, urllib.request

aw, log = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
os.chdir(tempfile.mkdtemp())
NOW = datetime.datetime.now(datetime.timezone.utc)
YEAR = NOW.year if (NOW.month, NOW.day) >= (11, 20) else NOW.year - 1 # of stamps without one
OPTS = ["--year", "2026", "--timezone", "UTC"]


def run(*a):
    return subprocess.run([aw, *a], capture_output=True, timeout=60)


def check(name, good, why=""):
    print("ok commands: " + name if good else "not ok commands: %s - %s" % (name, why or "see tests/mta/commands.py"))


def write(name, data):
    with open(name, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


def ended(r, status, *words):
    """The exit status, and every line on stderr begins with the program's name."""
    err = r.stderr.decode(errors="replace")
    return r.returncode == status and all(l.startswith("abusewatch: ") for l in err.splitlines()) and all(w in err for w in words)


def options():
    for c in "parse messages import backtest cases explain search export notify check-config user login-link".split():
        check(c + " --help", run(c, "--help").returncode == 0)
        for bad in ("--nonsense", "-Q", "-c" if c not in ("parse", "messages") else "--mta"):
            r = run(c, bad)
            check("%s %s is wrong use" % (c, bad), ended(r, 2, bad.strip("-")) and r.stderr.decode().splitlines()[1:] == ["abusewatch: see `abusewatch %s --help`" % c], r.stderr.decode())
    check("help of a command", run("help", "import").stdout == run("import", "--help").stdout)
    check("a log format that is misspelled", ended(run("parse", "--mta", "posfix", log), 2, "--mta posfix: there is no such log format; did you mean postfix?"))
    check("search says which time is none", ended(run("search", "--until", "tomorrow"), 2, "--until tomorrow: not a time"))
    check("messages --coverage is wrong use", ended(run("messages", "--coverage", log), 2, "--coverage is for abusewatch parse"))
    write("aw.conf", 'store = "aw.db"\nnetworks = { "198.18.0.0/15" }\nsource "mx1" { path = "mail.log" }\n')
    for words, why in ((["list", "anna"], "list takes no name"), (["frob"], '"frob" is none of add'), (["add"], "add needs a name")):
        check("user %s is wrong use" % " ".join(words), ended(run("user", "-c", "aw.conf", *words), 2, why))
    for a in (["notify", "--case", "x"], ["notify", "--case", "0"], ["notify", "--kind", "x"], ["search", "--limit", "x"], ["search", "--limit", "-1"], ["search", "--client", "192.0.2.256"], ["search", "--client", "192.0.2.0/24"], ["search", "--since", "2026-11-24", "--until", "2026-11-23"], ["search", "--substring", "--queue-id", "4F1"],
              ["cases", "--since", "x"], ["search", "--until", "2026-02-30"], ["cases", "--format", "x"], ["export", "x"], ["export"], ["import"], ["import", "--listings"], ["export", "--level", "x", "dnsbl-zone"]):
        check(" ".join(a) + " is wrong use", ended(run(a[0], "-c", "aw.conf", *a[1:]), 2))


def listings():
    write("l.conf", 'store = "l.db"\nnetworks = { "198.18.0.0/15" }\nsource "mx1" { path = "mail.log" }\n')
    good = '{"at":"2026-11-23T10:00:00Z","target":"198.18.0.1","zone":"bl.example","verdict":"listed","code":"127.0.0.2","points":5}'
    for why, line in (("no object", "[1]"), ("no JSON", "{at"), ("no time", good.replace("2026-11-23T", "x")), ("tomorrow", good.replace("2026", "2126")), ("no verdict", good.replace("listed", "maybe")),
                      ("no code", good.replace("127.0.0.2", "7")), ("too many points", good.replace('5}', '500}')), ("no name", good.replace("bl.example", "<b>")),
                      ("no target", good.replace("198.18.0.1", "a b")), ("no kind", good.replace('"code"', '"kind":"x","code"')), ("a long line", "{" + " " * 70000)):
        write("l.ndjson", good + "\n\n" + line + "\n")
        check("import --listings: " + why, ended(run("import", "-c", "l.conf", "--listings", "l.ndjson"), 1, "l.ndjson:3: "))
    check("import --listings of no file", ended(run("import", "-c", "l.conf", "--listings", "none"), 1, "none: "))
    write("l.ndjson", good + "\n" + good.replace("10:00", "11:00").replace('"at"', '"answered"') + "\n")
    check("import --listings", ended(run("import", "-c", "l.conf", "--listings", "l.ndjson"), 0))
    db = sqlite3.connect("l.db")
    check("import --listings: two answers list it", db.execute("SELECT target, zone, state, code, points FROM listing").fetchall() == [("198.18.0.1", "bl.example", "listed", 0x7F000002, 5)])
    db.close()


def continued():
    """A copy that broke off is imported as far as it goes, and the whole one from there: the same messages as without it."""
    text = b"".join(b"Nov 23 10:%02d:%02d mx1 postfix/qmgr[9]: %08X: from=<anna@isp.example>, size=%d, nrcpt=1 (queue active)\n"
                    b"Nov 23 10:%02d:%02d mx1 postfix/smtp[8]: %08X: to=<r%x@there.example>, relay=mx.there.example[192.0.2.9]:25, delay=1, dsn=2.0.0, status=sent (250 ok)\n"
                    b"Nov 23 10:%02d:%02d mx1 postfix/qmgr[9]: %08X: removed\n" % ((i // 60, i % 60, i * 2654435761 % 2**32, i, i // 60, i % 60, i * 2654435761 % 2**32, i * 40503, i // 60, i % 60, i * 2654435761 % 2**32))
                    for i in range(3000))
    stored = {}
    for kind, pack in (("gz", gzip.compress), ("xz", lzma.compress)):
        data = pack(text)
        write("whole." + kind, data)
        write("half." + kind, data[:len(data) // 2])
        for name, files in (("at once", ["whole"]), ("continued", ["half", "half", "whole", "whole"])):
            conf = "%s-%s.conf" % (kind, name.replace(" ", "-"))
            write(conf, 'store = "%s.db"\nnetworks = { "198.18.0.0/15" }\nsource "mx1" { path = "mail.log" timezone = "UTC" }\n' % conf)
            said = [run("import", "-c", conf, "%s.%s" % (f, kind)) for f in files]
            check("import of .%s %s: a broken copy is told each time, a whole one is read" % (kind, name),
                  [r.returncode for r in said] == [1 if f == "half" else 0 for f in files], str(said))
            stored[kind, name] = sorted(run("search", "-c", conf, "--since", "2000-01-01", "--limit", "100000", "--format", "ndjson").stdout.splitlines())
        check("import of .%s after a broken copy has every message once" % kind, len(stored[kind, "at once"]) == 3000 and stored[kind, "at once"] == stored[kind, "continued"],
              "%d messages, %d after a broken copy" % (len(stored[kind, "at once"]), len(stored[kind, "continued"])))


def passed_over():
    """A shell's list of logs may hold what is no log: the others are imported, and the exit status tells."""
    os.mkdir("logs")
    write("junk.gz", b"\x1f\x8b" + b"no gzip at all" * 9)
    write("over.conf", 'store = "over.db"\nnetworks = { "198.18.0.0/15" }\nsource "mx1" { path = "mail.log" timezone = "UTC" }\n')
    unreadable = ["locked"] if os.geteuid() else []
    for name in unreadable:
        write(name, b"")
        os.chmod(name, 0)
    r = run("import", "-c", "over.conf", "logs", "none", log, "junk.gz", *unreadable)
    err = r.stderr.decode()
    check("import names what is no log and reads the others", r.returncode == 1 and all("abusewatch: %s: " % n in err for n in ["logs", "none", "junk.gz", *unreadable]) and
          err.count("(it is passed over)") == 3 + len(unreadable) and " lines read, " in err and run("search", "-c", "over.conf", "--since", "2000-01-01", "--format", "ndjson").stdout, err)
    check("import of nothing but a folder", ended(run("import", "-c", "over.conf", "logs"), 1, "logs: is a folder; name the files in it"))
    for c in ("parse", "messages"):
        r = run(c, *OPTS, "logs", log)
        check(c + " names what is no log and reads the others", ended(r, 1, "logs: is a folder") and r.stdout == run(c, *OPTS, log).stdout != b"", r.stderr.decode())
    r = run("import", "-c", "over.conf", log)
    check("import of what is there already says so", r.returncode == 0 and b"\nnothing is new: all of it was imported before" in r.stderr, r.stderr.decode())
    r = run("backtest", "-c", "over.conf", log, "logs")
    check("backtest judges all of the logs or none", ended(r, 1, "logs: is a folder; name the files in it") and not r.stdout, r.stderr.decode())
    write("half-gone.gz", gzip.compress(os.urandom(3000000))[:2000000])
    check("backtest of a log that breaks off", run("backtest", "-c", "over.conf", log, "half-gone.gz").returncode == 1)


def full():
    """A disk that is full amid an import, here by a limit on files' sizes: the reason is said, not that one of its processes misses the other."""
    history = os.path.join(os.path.dirname(log), "../../../examples/history.log.xz")
    write("full.conf", 'store = "full.db"\nnetworks = { "198.18.0.0/15" }\nsource "mx1" { path = "mail.log" timezone = "UTC" }\n')
    limit = lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.setrlimit(resource.RLIMIT_FSIZE, (800000, 800000)))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        r = subprocess.run([aw, "import", "-c", "full.conf", history, history, history], capture_output=True, timeout=120, preexec_fn=limit, restore_signals=False)
    except subprocess.TimeoutExpired:
        check("import that cannot write ends soon", False, "two minutes were not enough")
        return
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    check("import says why it cannot write", ended(r, 1, "File too large") and r.stderr.count(b"\n") == 1, r.stderr.decode())
    check("import that cannot write ends soon", took < 20, "%.1f s of processor" % took)


def damaged():
    text = open(log, "rb").read()
    packed = {"gz": gzip.compress(text), "xz": lzma.compress(text)}
    for kind, data in packed.items():
        write("cut." + kind, data[:len(data) * 2 // 3])
        for c in ("parse", "messages"):
            check("%s of a cut .%s says so" % (c, kind), ended(run(c, "cut." + kind), 1, "in the middle"))
    want = run("parse", log).stdout
    packed["bz2"] = bz2.compress(text)
    packed["zst"] = subprocess.run(["zstd", "-c", "-q"], input=text, capture_output=True).stdout
    for kind, data in packed.items():
        write("padded." + kind, data + bytes(-len(data) % 512 + 512))  # as a copy by whole sectors is
        r = run("parse", "padded." + kind)
        check("parse of a .%s with zeros behind it" % kind, r.returncode == 0 and r.stdout == want and not r.stderr, r.stderr.decode())
    continued()
    passed_over()
    full()
    write("noise", bytes(range(256)) * 40)
    for c in ("parse", "messages"):
        check(c + " of no log says so", ended(run(c, "noise"), 0, "do not start with a time"))
    write("months", "Nov 24 10:00:00 mx1 postfix/smtpd[1]: connect from a.example[192.0.2.1]\n\n" + "Dez 24 10:00:00 mx1 \x1b[1mpostfix/smtpd[1]: connect\n" * 2)
    for c in ("parse", "messages"):
        r = run(c, log, "months")
        check(c + " says which line has no time", ended(r, 0, "months: 2 lines do not start with a time", "the first is line 3: Dez 24 10:00:00 mx1") and b"\x1b" not in r.stderr, r.stderr.decode())
    write("months.conf", 'store = "months.db"\nsource "mx1" { path = "months" }\n')
    r = run("import", "-c", "months.conf", "months")
    check("import says that lines have no time", r.returncode == 0 and b"\n2 lines have no time at the beginning and were skipped" in r.stderr, r.stderr.decode())
    write("dez", "Dez 24 10:00:00 mx1 postfix/smtpd[1]: connect\n" * 2)
    write("one", "Nov 24 10:00:00 mx1 postfix/smtpd[1]: connect from a.example[192.0.2.1]\n")
    r = run("import", "-c", "months.conf", "one")
    check("import counts one line as one", b"1 line read, 1 of them of mail servers; 0 messages reported" in r.stderr, r.stderr.decode())
    r = run("import", "-c", "months.conf", "dez")
    check("import of lines without a time that is known", ended(r, 1, "none of 2 lines starts with a time that is known"), r.stderr.decode())
    write("spf", "Nov 24 10:00:00 mx1 postfix/policyd-spf[1]: 550 5.7.23 Message rejected due to: SPF fail;id=a@b.example;ip=192.0.2.1;r=c@d.example\n")
    r = run("parse", "--mta", "postfix", "spf")
    check("filters under Postfix's name are asked for it, too", b'"mta":"filter","kind":"policy"' in r.stdout, r.stdout.decode())
    write("beside", "Nov 24 10:00:00 mx1 postfix/smtpd[1]: connect from a.example[192.0.2.1]\n"
          "Nov 24 10:00:01 mx1 dovecot: imap-login: Login: user=<anna>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.10, mpid=1, session=<hoOt/9Ngo+TLAHFY>\n"
          "Nov 24 10:00:02 mx1 roundcube: <fuiovddf> Failed login for anna from 192.0.2.1 in session fuiovddfqb1f3dms (error: 0)\n"
          "Nov 24 10:00:03 mx1 sendmail[2]: 6AR5HwxA000277: to=<anna@isp.example>, delay=00:00:00, mailer=local, pri=1, dsn=2.0.0, stat=Sent\n")
    r = run("parse", "--mta", "postfix", "beside")
    check("log-ins beside a named server's lines are read, another server's lines are not",
          [json.loads(l)["mta"] for l in r.stdout.splitlines()] == ["postfix", "dovecot", "webmail"], r.stdout.decode())
    write("multilog", b"@4000000067a1b2c4123456ac scanner: what nobody knows\n")
    r = run("parse", "--coverage", "multilog")
    check("a line of multilog that is not understood is counted with its text", r.stdout.count(b"\n") == 1 and b'"recognised":false' in r.stdout and
          b'"sample":"scanner: what nobody knows"' in r.stdout and not r.stderr, r.stdout.decode() + r.stderr.decode())


def unreadable():
    """Who may not read a log, or its folder, hears that from check-config, and that it is the programs' user who counts."""
    top = os.path.abspath("rights")
    os.makedirs(os.path.join(top, "closed"))
    os.mkdir(os.path.join(top, "open"))
    os.chmod(".", 0o755)
    other = [] if os.geteuid() else ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if other and subprocess.run([*other, "test", "-x", top, "-a", "-x", aw]).returncode:
        print("skip commands: check-config without rights - nobody else may enter the folders above " + top)
        return
    for name in ("mail.log", "closed/mail.log", "open/1.log", "open/2.log"):
        write(os.path.join(top, name), b"")
    for name in ("mail.log", "open/2.log", "closed"):
        os.chmod(os.path.join(top, name), 0)
    for user, counts in (("", "whether the user that the programs are started by can"), ('user = "%s"\n' % pwd.getpwuid(65534 if other else os.geteuid()).pw_name, "the programs become that user, and get the groups of logs (adm): root's check-config says"),
                         ('user = "daemon"\n', 'whether user "daemon", whom the programs become, can: root\'s check-config says so')):
        write("rights.conf", user + 'store = "r.db"\n' + "".join('source "%s" { path = "%s/%s" }\n' % (n, top, p) for n, p in (("a", "mail.log"), ("b", "closed/mail.log"), ("c", "closed/*.gz"), ("d", "open/*.log"))))
        os.chmod("rights.conf", 0o644)
        run("import", "-c", "rights.conf", log)
        os.chmod("r.db", 0)
        if os.path.exists("r.db.lock"):
            os.chmod("r.db.lock", 0)
        denied = [(["cases"], "r.db: Permission denied; root may read it"), (["import", log], "r.db.lock: cannot make it: Permission denied; who may is root")]
        for command, words in denied + ([(["login-link"], "login: Permission denied; who may is root")] if other else []):
            r = subprocess.run([*other, aw, command[0], "-c", "rights.conf", *command[1:]], capture_output=True, timeout=60)
            check("who may use the store says %s%s" % (command[0], " with " + user.strip() if user else ""), ended(r, 1, words) and b"start abusewatchd" not in r.stderr, r.stderr.decode())
        r = subprocess.run([*other, aw, "check-config", "-c", "rights.conf"], capture_output=True, timeout=60)
        err = r.stderr.decode()
        check("check-config notes what who runs it cannot read" + (" with " + user.strip() if user else ""),
              r.returncode == 0 and err.count("abusewatch: note: rights.conf:") == err.count(" cannot be read by ") == err.count(counts) == 4 and " yet" not in err, err)


def configs():
    for name, data in (("short.mmdb", b"\xab\xcd\xefMaxMind.com"), ("empty.mmdb", b"")):
        write(name, data)
    write("geo.conf", 'geo = { "short.mmdb", "empty.mmdb" }\n')
    r = run("check-config", "-c", "geo.conf")
    check("check-config tells about all broken MaxMind files", ended(r, 1, "short.mmdb: ", "empty.mmdb: ", "2 mistakes"), r.stderr.decode())
    write("named.conf", 'store = "named.db"\nsource "mx1" { path = "sm.log" mta = "postfix" }\n')
    write("sm.log", "Nov 24 10:00:03 mx1 sendmail[2]: 6AR5HwxA000277: to=<anna@isp.example>, delay=00:00:00, mailer=local, pri=1, dsn=2.0.0, stat=Sent\n")
    r = run("import", "-c", "named.conf", "sm.log")
    check("import says that the config names another server", ended(r, 1, 'is one of postfix, as named.conf says of source "mx1"'), r.stderr.decode())
    os.mkdir("folder")
    write("there.log", "")
    write("paths.conf", 'store = "paths.db"\nsource "a" { path = "there.log" }\n')
    check("check-config of a path that is there", ended(run("check-config", "-c", "paths.conf"), 0) and not run("check-config", "-c", "paths.conf").stderr)
    write("paths.conf", 'store = "paths.db"\nsource "a" { path = "tehre*.log" }\nsource "b" { type = "archive" path = "folder" }\n')
    r = run("check-config", "-c", "paths.conf")
    check("check-config notes a path where nothing is, as no mistake", ended(r, 0, 'note: paths.conf:2: source "a": there is no ', "tehre*.log yet") and b'"b"' not in r.stderr, r.stderr.decode())
    write("paths.conf", 'store = "paths.db"\nsource "a" {\n\tpath = "folder"\n}\n')
    r = run("check-config", "-c", "paths.conf")
    check("check-config tells a folder that should be a log", ended(r, 1, "paths.conf:2: ", "folder is a folder; write a pattern", "1 mistake"), r.stderr.decode())
    unreadable()
    write("store.conf", 'store = "folder"\nsource "a" { path = "there.log" }\n')
    check("check-config tells a folder that should be the store", ended(run("check-config", "-c", "store.conf"), 1, "store.conf: store: ", "folder is a folder; name a file in it"))
    write("deep.conf", 'store = "none/deeper/d.db"\nsource "a" { path = "there.log" }\n')
    check("import into a folder that is not there", ended(run("import", "-c", "deep.conf", log), 1, "No such file or directory; make its folder"))
    write("nothing.conf", "")
    r = run("check-config", "-c", "nothing.conf")
    check("check-config notes that nothing will be read", ended(r, 0, "note: nothing.conf: no source and no capture"), r.stderr.decode())
    write("mark.conf", b'\xef\xbb\xbfstore = "mark.db"\nsource "mx1" { path = "there.log" }\n')
    r = run("check-config", "-c", "mark.conf")
    check("check-config tells a byte order mark by its name", ended(r, 1, "mark.conf:1: the file begins with a byte order mark", "1 mistake") and b"unknown" not in r.stderr, r.stderr.decode())
    write("noise.conf", bytes(range(1, 256)) * 400)
    r = run("check-config", "-c", "noise.conf")
    check("check-config of noise is short and harmless", r.returncode == 1 and r.stderr.count(b"\n") < 210 and b"\x1b" not in r.stderr)


def classes():
    rows = [x for l in run("messages", *OPTS, log).stdout.splitlines() for x in json.loads(l)["recipients"]]
    check("messages say what a refusal means", all(("reply_class" in x) == (x["status"] not in ("sent", "pending")) for x in rows) and
          any(x.get("reply_class") == "unknown-user" for x in rows))
    table = list(csv.DictReader(io.StringIO(run("messages", "--format", "csv", *OPTS, log).stdout.decode(), newline="")))
    check("messages as csv: a row a recipient", [x["recipient"] for x in table] == [x["recipient"] for x in rows])


def stores():
    os.umask(0)
    check("import creates the store", run("import", "-c", "aw.conf", log).returncode == 0 and os.path.exists("aw.db"))
    os.umask(0o022)
    files = [f for f in ["aw.db", "aw.db-wal", "aw.db-shm", "aw.db.d"] if os.path.exists(f)]
    wide = [f for f in files if os.stat(f).st_mode & 0o027]
    check("no file of the store is for everybody", len(files) > 2 and not wide, str(wide))
    db = sqlite3.connect("aw.db")
    db.execute("pragma user_version = 99")
    db.close()
    for a in (["cases"], ["search"], ["export", "cases"], ["export", "violations"], ["notify", "--dry-run"], ["import", log]):
        check(a[0] + " leaves a newer store alone", ended(run(a[0], "-c", "aw.conf", *a[1:]), 1, "newer"))


HOSTILE = [b"<script>alert(1)</script>", b"=cmd()|calc", b"\x1b[31mred", b"\x80\xff\xfe", b"nl\\nBcc: x@y", b"a b c", b"x" * 290, "p\u00e9l\u00e9\u202etxt".encode(), b"{{sentence}}"]


def private():
    """Who wrote to whom is for the owner and the group: stores that were made before, and exports."""
    mode = lambda f: os.stat(f).st_mode & 0o777
    old = os.umask(0)
    os.mkdir("open.db.d", 0o755)
    write("p.conf", 'store = "open.db"\nsource "mx1" { path = "mail.log" }\n')
    run("import", "-c", "p.conf", log)
    for f in [f for f in os.listdir(".") if f.startswith("open.db")]:
        os.chmod(f, 0o755 if os.path.isdir(f) else 0o644)
    wide = {f: mode(f) for f in os.listdir(".") if f.startswith("open.db")}
    r = run("import", "-c", "p.conf", log)
    left = {f: oct(mode(f)) for f in os.listdir(".") if f.startswith("open.db") and mode(f) & 0o007}
    check("a store that everybody could read", len(wide) > 2 and r.returncode == 0 and not left and b"could be read by everybody" in r.stderr, "%s, %s" % (left, r.stderr))
    check("and is not told of again", b"could be read" not in run("import", "-c", "p.conf", log).stderr)
    for what, want in (("cases", 0o640), ("violations", 0o640), ("compromised-hosts", 0o640), ("dnsbl-zone", 0o644)):
        r = run("export", "-c", "p.conf", "-o", "out.csv", what)
        check("export -o of %s has mode %o" % (what, want), r.returncode == 0 and mode("out.csv") == want, "%o %s" % (mode("out.csv"), r.stderr))
        os.unlink("out.csv")
    write("out.csv", "before")
    for had, want in ((0o600, 0o600), (0o660, 0o660), (0o644, 0o640)):
        os.chmod("out.csv", had)
        run("export", "-c", "p.conf", "-o", "out.csv", "cases")
        check("export -o over a file of mode %o" % had, mode("out.csv") == want, "%o" % mode("out.csv"))
    if os.geteuid() == 0:
        os.chown("out.csv", -1, 65534)
        run("export", "-c", "p.conf", "-o", "out.csv", "cases")
        check("export -o over a file of another group", os.stat("out.csv").st_gid == 65534)
    os.umask(old)


def hostile():
    """Accounts whose names attack the reader: their cases are told everywhere, as text."""
    lines = []
    for i, name in enumerate(HOSTILE):
        for k in range(120):
            t = i * 3000 + k * 10
            head = b"Nov 20 %02d:%02d:%02d mx1 postfix/" % (t // 3600, t // 60 % 60, t % 60)
            q = b"%011X" % (0xA0000000000 + i * 1000 + k)
            lines += [head + b"submission/smtpd[1]: " + q + b": client=<b>x</b>[203.0.%d.9], sasl_method=PLAIN, sasl_username=" % (k % 40) + name + b"@isp.example",
                      head + b"qmgr[2]: " + q + b": from=<" + name + b"@isp.example>, size=%d, nrcpt=1 (queue active)" % (9 if k % 50 else 40000000 + k),
                      head + b"smtp[3]: " + q + b': to=<=HYPERLINK("x")%d@far%d.example>, relay=mx.example[192.0.2.9]:25, delay=1, dsn=' % (i, k) +
                      (b"5.1.1, status=bounced (host mx.example[192.0.2.9] said: 550 5.1.1 <i>User\x1b[1m unknown</i> (in reply to RCPT TO command))" if k % 2 else
                       b"2.0.0, status=sent (250 ok)"), head + b"qmgr[2]: " + q + b": removed"]
    write("hostile.log", b"\n".join(lines) + b"\n")
    write("h.conf", 'store = "h.db"\nsource "mx1" { path = "hostile.log" timezone = "UTC" }\nnotify { from = "abuse@isp.example" }\n')
    check("hostile names: import", run("import", "-c", "h.conf", "hostile.log").returncode == 0)
    cases = [json.loads(l) for l in run("cases", "-c", "h.conf").stdout.splitlines()]
    check("hostile names: a case each", len(cases) == len(HOSTILE), "%d cases" % len(cases))
    tame = lambda b: not any(c < 32 and c not in (9, 10, 13) for c in b) and bool(b.decode())
    check("hostile names: table", tame(run("cases", "-c", "h.conf", "--format", "table").stdout))
    for a in (["export", "cases"], ["export", "compromised-hosts"], ["export", "violations"], ["search", "--format", "csv"], ["cases", "--format", "csv"]):
        out = run(a[0], "-c", "h.conf", *a[1:]).stdout
        rows = list(csv.reader(io.StringIO(out.decode(), newline="")))
        check("hostile names: " + " ".join(a), tame(out) and len({len(r) for r in rows}) == 1 and not [c for r in rows for c in r if c[:1] in ("=", "+", "@")])
    violations()
    letters = [run("notify", "-c", "h.conf", "--case", str(c["id"]), "--language", l).stdout for c in cases for l in ("en", "de")]
    check("hostile names: letters", all(tame(l) and l.count(b"\nBcc:") == 0 and "\u202e" not in l.decode() for l in letters))


class Analyzer:
    """Stands in for the analyzer's control socket: while `full`, nothing can be written down."""
    def __init__(self, path, store):
        self.full, self.told, self.store = False, [], store
        self.s = socket.socket(socket.AF_UNIX)
        self.s.bind(path)
        self.s.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        self.s.shutdown(socket.SHUT_RDWR)
        os.unlink(self.s.getsockname())

    def serve(self):
        while True:
            try:
                c = self.s.accept()[0]
            except OSError:
                return
            q = json.loads(c.makefile().readline())
            refused = self.full and q["do"] != "ping"
            if q["do"] == "notification-result" and not refused:
                self.told.append(q)
                with sqlite3.connect(self.store, timeout=10) as db:
                    db.execute("INSERT INTO notification (case_id, at_us, kind, recipient, status, done_us) VALUES (?, ?, ?, ?, ?, ?)",
                               (q["case"], time.time() * 1e6, q["kind"], q["recipient"], q["status"], time.time() * 1e6))
            c.sendall(json.dumps({"ok": False, "error": "the disk is full"} if refused else {"ok": True}).encode() + b"\n")
            c.close()


def letters():
    """Who is written to, and how often: letters that are off, an analyzer that cannot write down what was sent, two that send at once."""
    write("sendmail", '#!/bin/sh\ncat >/dev/null\nsleep "$(cat slow)"\necho "$@" >>sent\n')
    os.chmod("sendmail", 0o755)
    write("slow", "0")
    write("sent", "")
    sent = lambda: open("sent").read().count("\n")
    conf = 'store = "h.db"\nsource "mx1" { path = "hostile.log" timezone = "UTC" }\ncustomers = "people.csv"\nnotify { from = "abuse@isp.example" desk = "desk@isp.example" sendmail = "%s" %s }\n'
    write("people.csv", "C1,old@c1.example,en,account,somebody\n")
    write("l-off.conf", conf % (os.path.abspath("sendmail"), ""))
    write("l-on.conf", conf % (os.path.abspath("sendmail"), "enabled = true"))
    db = sqlite3.connect("h.db")
    now = int(time.time() * 1e6)
    first, second, third, fourth = [r[0] for r in db.execute("SELECT id FROM acase ORDER BY id LIMIT 4")]
    current = lambda n: (db.execute("UPDATE acase SET opened_us = ?, positive_us = ?, level = 'confirmed' WHERE id = ?", (now, now, n)), db.commit())
    current(first)
    stand_in = Analyzer("control.sock", "h.db")
    stand_in.full = True
    mailer = subprocess.Popen([os.path.join(os.path.dirname(aw), "abusewatch-mailer"), "-c", "l-on.conf"], stderr=subprocess.DEVNULL)
    time.sleep(7)
    check("a letter that cannot be written down is sent once", sent() == 1, "%d times" % sent())
    stand_in.full = False
    time.sleep(5)
    check("and written down when that is possible", sent() == 1 and [(q["case"], q["status"]) for q in stand_in.told] == [(first, "sent")], str((sent(), stand_in.told)))
    write("people.csv", "C1,new@c1.example,en,account,somebody\n")
    db.execute("UPDATE acase SET customer = 'C1' WHERE id = ?", (fourth,))
    current(fourth)
    time.sleep(5)
    check("the mailer follows the customers' file", open("sent").read().endswith("-- new@c1.example\n") and sent() == 2, open("sent").read())
    mailer.terminate()
    mailer.wait(10)
    current(second)
    write("slow", "3")
    both = [subprocess.Popen([aw, "notify", "-c", "l-on.conf"], stderr=subprocess.PIPE) for _ in range(2)]
    said = [p.communicate(timeout=30)[1].decode() for p in both]
    check("two that send at once send a letter once", sent() == 3 and any("another program is sending letters" in t for t in said), str((sent(), said)))
    current(third)
    check("notify sends nothing while letters are off", ended(run("notify", "-c", "l-off.conf"), 1, "letters are off", "--dry-run") and sent() == 3, str(sent()))
    stand_in.close()
    db.execute("UPDATE acase SET state = 'closed', closed_us = ? WHERE id = ?", (now, first))
    db.commit()
    db.execute("UPDATE acase SET kind = 'script-compromise', customer = '' WHERE id = ?", (first,))
    db.commit()
    db.execute("UPDATE acase SET recipients = 1 WHERE id = ?", (first,))
    db.execute("INSERT OR REPLACE INTO case_source (case_id, ip, name, country, asn, first_us, last_us, messages) VALUES (?, '192.0.2.77', '', '', 0, ?, ?, 1)", (first, now, now))
    db.commit()
    for language, words in (("en", ("to 1 recipient\n", "(1 message)")), ("de", ("(1 Nachricht)",))):
        for kind in ("customer", "desk"):
            text = run("notify", "-c", "h.conf", "--case", str(first), "--language", language, "--kind", kind).stdout.decode()
            check("a letter counts one as one: %s, %s" % (kind, language), all(w in text for w in words), text[:1500])
    for language, to, subject in (("en", "Dear customer,", "(system user "), ("de", "Sehr geehrte Kundin, sehr geehrter Kunde,", "(Systembenutzer ")):
        text = run("notify", "-c", "h.conf", "--case", str(first), "--language", language).stdout.decode()
        check("a letter about a script names a user, not a uid, and nobody as nobody: " + language,
              subject in text and "(uid" not in text and "\n%s\n" % to in text and "to nobody (shown only)" in text, text[:400])
    db.close()
    ids = lambda *a: [r["case_id"] for r in csv.DictReader(io.StringIO(run("cases", "-c", "h.conf", "--format", "csv", *a).stdout.decode(), newline=""))]
    listed = [str(json.loads(l)["id"]) for l in run("cases", "-c", "h.conf", "--open", "--format", "ndjson").stdout.splitlines()]
    check("cases --open as csv leaves out the same", ids("--open") == listed and len(ids()) == len(listed) + 1 == len(HOSTILE), str((ids("--open"), listed)))


def first_start():
    """README's commands in their order, as root, on a machine on which nothing is there yet; then the programs run as somebody else."""
    top = os.path.abspath("first")
    os.mkdir(top, 0o755)
    os.chmod(".", 0o755)
    if subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "test", "-x", top, "-a", "-x", aw]).returncode:
        print("skip commands: the first start - nobody else may enter the folders above " + top)
        return
    state = os.path.join(top, "state")
    with open(os.path.join(top, "mail.log"), "wb") as f:
        f.write(open("hostile.log", "rb").read())
    write("first.conf", 'store = "%s/aw.db"\nuser = "nobody"\nsource "mx1" { path = "%s/mail.log" timezone = "UTC" }\nweb { enabled = false }\nrbl { watch = false }\n' % (state, top))
    os.chmod("first.conf", 0o644)
    added = subprocess.run([aw, "user", "-c", "first.conf", "add", "anna"], input=b"a long password\n", capture_output=True, timeout=60)
    check("user add before the first start", ended(added, 0), added.stderr.decode())
    r = run("import", "-c", "first.conf", "first/mail.log")
    check("import before the first start", r.returncode == 0, r.stderr.decode())
    check("login-link before the first start", ended(run("login-link", "-c", "first.conf"), 0))
    secret = os.path.join(top, "secret")
    write(secret, "root's")
    os.link(secret, os.path.join(state, "dnsbl.state"))
    with open("first.err", "wb") as err:
        daemon = subprocess.Popen([os.path.join(os.path.dirname(aw), "abusewatchd"), "-c", "first.conf"], stderr=err)
    try:
        for _ in range(50):
            time.sleep(0.1)
            if b"abusewatch-analyzer is ready" in open("first.err", "rb").read():
                break
        said = open("first.err", "rb").read().decode()
        owners = {os.stat(os.path.join(d, n)).st_uid for d, _, names in os.walk(state) for n in names if n != "dnsbl.state"}
        check("the programs run on what root's commands made", "abusewatch-analyzer is ready" in said and 0 not in owners, said[-300:] + str(owners))
        check("a link to root's file is not given away", os.stat(secret).st_uid == 0)
    finally:
        daemon.terminate()
        daemon.wait(20)


def violations():
    """Of the messages of hostile(), three of each account are over the size limit; the ">" in one name hides the size."""
    rows = lambda *a: list(csv.DictReader(io.StringIO(run("export", "-c", "h.conf", *a, "violations").stdout.decode(), newline="")))
    all_ = rows()
    check("violations: columns", list(all_[0]) == "date rule principal_kind principal customer contact count largest first_seen last_seen example".split(), str(list(all_[0])))
    check("violations: a row an account", [(r["date"], r["rule"], r["principal_kind"], r["count"], r["largest"]) for r in all_] ==
          [("%d-11-20" % YEAR, "size", "account", "3", "40000100")] * (len(HOSTILE) - 1) and
          all("sasl_username=" in r["example"] and r["first_seen"] < r["last_seen"] and r["first_seen"].endswith("+00:00") for r in all_), str(all_))
    check("violations: since", len(rows("--since", all_[-1]["last_seen"])) == sum(r["last_seen"] >= all_[-1]["last_seen"] for r in all_) > 0 and rows("--since", "2100-01-01") == [])
    write("off.conf", 'store = "off.db"\nsource "mx1" { path = "hostile.log" timezone = "UTC" }\npolicy "size" { enabled = false }\n')
    run("import", "-c", "off.conf", "hostile.log")
    check("violations: none when the rule is off", len(run("export", "-c", "off.conf", "violations").stdout.splitlines()) == 1)


def policies():
    """Mistakes in sections of policy rules are named with their line."""
    write("policy.conf", 'networks = { "198.18.0.0/15" }\npolicy "sise" { }\npolicy "size" { limit = 30X }\npolicy "recipients" { limt = 20 }\n'
          'policy "attachment" {\n  enabled = maybe\n}\npolicy { }\npolicy "foreign-sender" { enabled = true learned = no }\n')
    r = run("check-config", "-c", "policy.conf")
    said = r.stderr.decode()
    check("check-config names mistakes in policy sections", r.returncode == 1 and all(w in said for w in (
        'policy.conf:2: unknown policy "sise"; did you mean size?', 'policy.conf:3: limit = "30X" is not a size', "policy.conf:4: unknown option limt in policy",
        'policy.conf:6: enabled: "maybe" is neither true nor false', "policy.conf:8: a section policy needs a name")) and ":9:" not in said, said)
    options = run("check-config", "--options").stdout.decode()
    check("check-config --options lists policy rules", 'policy "size"\n' in options and "size, default 30M" in options, options[-900:])
    r = run("backtest", "-c", "h.conf", "hostile.log", "--set", "size.limit=1M")
    check("backtest is about detectors", ended(r, 2, 'no detector "size"'), r.stderr.decode())


messages_of_users = []


def users():
    """Messages of local programs are found by the user's name, however the name is written; the folder stands beside it, as text."""
    lines = []
    for n, (user, folder) in enumerate((("web12", "a"), ("web12", "b\x1b[31m\x07"), ("web1", "c"), ("web12x", "d"))):
        stamp, q = "%d-11-20 10:%02d:00 " % (YEAR, n), "1vAaa%d-000001-01" % n
        lines += [stamp + "cwd=/home/%s/%s 3 args: /usr/sbin/sendmail -t" % (user, folder), stamp + q + " <= x@isp.example U=%s P=local S=9" % user,
                  stamp + q + " => y@far.example R=r T=t", stamp + q + " Completed"]
    stamp = "%d-11-20 11:00:00 " % YEAR
    lines += [stamp + "1vAab0-000001-01 <= web12@isp.example H=(c) [203.0.113.9] P=esmtpa A=login:WEB12 S=9", stamp + "1vAab0-000001-01 => y@far.example R=r T=t", stamp + "1vAab0-000001-01 Completed"]
    write("users.log", "\n".join(lines) + "\n")
    write("u.conf", 'store = "u.db"\nsource "web" { path = "users.log" mta = "exim" timezone = "UTC" }\n')
    run("import", "-c", "u.conf", "users.log")
    messages_of_users.extend(run("search", "-c", "u.conf", "--limit", "0", "--format", "ndjson").stdout.splitlines())
    found = lambda *a: sorted((m.get("local_user", ""), m.get("cwd", "").encode()) for m in map(json.loads, run("search", "-c", "u.conf", *a).stdout.splitlines()))
    both = [("", b""), ("web12", b"/home/web12/a"), ("web12", b"/home/web12/b\x1b[31m\x07")]
    check("search --account finds a local user", found("--account", "web12") == both and found("--account", "Web12") == both, str(found("--account", "web12")))
    check("search --account --substring: local users whole", found("--account", "web1", "--substring") == [("", b""), ("web1", b"/home/web1/c")], str(found("--account", "web1", "--substring")))
    check("search --account of nobody", found("--account", "web") == found("--account", "@web12") == [])
    table = run("search", "-c", "u.conf", "--account", "web12", "--format", "table").stdout
    check("search as a table: user and folder, tame", b"user web12 in /home/web12/a\n" in table and not any(c < 32 and c != 10 for c in table), str(table))


def local_times():
    """A date is this machine's day, as on the dashboard: what came between its midnight and UTC's belongs to it."""
    t = lambda *a: len(subprocess.run([aw, "search", "-c", "u.conf", "--limit", "0", "--format", "ndjson", *a], capture_output=True, timeout=60,
                                      env={**os.environ, "TZ": "XXX-11"}).stdout.splitlines()) # the messages are of 10:00 to 11:00 UTC: 21:00 to 22:00
    day, before, after = "%d-11-20" % YEAR, "%d-11-19" % YEAR, "%d-11-21" % YEAR
    check("search --until a date takes in that day", (t("--since", day, "--until", day), t("--until", before), t("--until", day + "T10:00Z")) == (len(messages_of_users), 0, 1),
          str((t("--since", day, "--until", day), t("--until", before), t("--until", day + "T10:00Z"))))
    check("search --since and --until a date are local", (t("--since", day, "--until", after), t("--since", day + " 21:01"), t("--since", day + "T10:01Z")) ==
          (len(messages_of_users), len(messages_of_users) - 1, len(messages_of_users) - 1) and t("--since", after) == 0, str((t("--since", day + " 21:01"), t("--since", day + "T10:01Z"), t())))


def by_hand():
    """The collector under head: ends when nobody reads any more."""
    with open("mail.log", "wb") as f:
        f.write(open(log, "rb").read() * 200)
    p = subprocess.Popen([os.path.join(os.path.dirname(aw), "abusewatch-collector"), "-c", "aw.conf", "--stdout"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    line = p.stdout.readline()
    p.stdout.close()
    try:
        p.wait(10)
    except subprocess.TimeoutExpired:
        p.kill()
    check("the collector by hand ends with its reader", line.startswith(b'{"host"') and p.returncode == -13, "status %s" % p.returncode)


def health():
    """Sources of which nothing was ever read stand on the page Health, as such."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        base = "http://127.0.0.1:%d" % s.getsockname()[1]
    write("unread.conf", 'store = "unread.db"\nweb { listen = "%s" }\nsource "mx1" { path = "mail.log" }\nsource "mx2" { path = "misspelled.log" }\nsource "mx3" { path = "never.log" }\n' % base[7:])
    begun = ("Nov 24 10:00:00 mx1 postfix/qmgr[9]: 4F1A2B3C4D: from=<anna@isp.example>, size=900, nrcpt=1 (queue active)\n"
             "Nov 24 10:00:01 mx1 postfix/smtp[8]: 4F1A2B3C4D: to=<c@there.example>, relay=none, delay=1, dsn=4.4.1, status=deferred (connect to mx.there.example[192.0.2.9]:25: Connection timed out)\n"
             "Nov 24 10:05:00 mx1 postfix/smtpd[1]: connect from a.example[192.0.2.1]\n")
    write("mail.log", begun)
    run("import", "-c", "unread.conf", "mail.log")
    write("mail.log", begun + "Nov 24 14:00:00 mx1 postfix/smtp[8]: 4F1A2B3C4D: to=<c@there.example>, relay=mx.there.example[192.0.2.9]:25, delay=14400, dsn=2.0.0, status=sent (250 ok)\n"
          "Nov 24 14:00:00 mx1 postfix/qmgr[9]: 4F1A2B3C4D: removed\n")
    run("import", "-c", "unread.conf", "mail.log")
    db = sqlite3.connect("unread.db")
    db.execute("INSERT OR REPLACE INTO input (source, counters, path, heard_us) VALUES ('mx2', '{\"lines\":0}', 'misspelled.log', ?)", (int(time.time() * 1e6),))
    db.execute("UPDATE input SET path = 'mail.log', heard_us = ? WHERE source = 'mx1'", (int(time.time() * 1e6),))
    db.commit()
    db.close()
    web = subprocess.Popen([os.path.join(os.path.dirname(aw), "abusewatch-web"), "-c", "unread.conf"], stderr=subprocess.DEVNULL)
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    found = None
    for _ in range(100):
        try:
            browser.open(run("login-link", "-c", "unread.conf").stdout.decode().strip(), timeout=10).read()
            about = json.load(browser.open(base + "/about.json", timeout=10))
            found = {c["source"]: c["state"] for c in about["collectors"]}
            break
        except OSError:
            time.sleep(0.1)
    web.terminate()
    web.wait(10)
    check("the page Health names sources that were never read", found and found.get("mx2") == found.get("mx3") == "unread", str(found))
    check("a message that is stored a second time when it ends counts once", found and (about["store"]["messages"], about["store"]["newest_messages"]) == (1, 2), str(found and about["store"]))
    check("and only those", found and any(found[s] != "unread" for s in found if s not in ("mx2", "mx3")), str(found))


def programs():
    """The daemons, too, say their version, and whose words a mistake in the config is told in."""
    write("mistake.conf", "nonsense = 3\n")
    folder = os.path.dirname(aw)
    for name in ("abusewatchd", *("abusewatch-" + p for p in "analyzer capture collector mailer probe web".split())):
        r = subprocess.run([os.path.join(folder, name), "--version"], capture_output=True, timeout=20)
        check(name + " --version", r.returncode == 0 and r.stdout.startswith(name.encode() + b" ") and r.stdout.count(b"\n") == 1, str(r))
        for wrong in ("--nonsense", "extra"):
            r = subprocess.run([os.path.join(folder, name), wrong], capture_output=True, timeout=20)
            first = r.stderr.decode().split("\n")[0]
            check("%s %s is wrong use" % (name, wrong), r.returncode == 2 and first.startswith(name + ": ") and wrong in first, r.stderr.decode())
        r = subprocess.run([os.path.join(folder, name), "-c", "mistake.conf"], capture_output=True, timeout=20)
        check(name + " says where the config is wrong", r.returncode == 1 and r.stderr.startswith(b"%s: mistake.conf:1: " % name.encode()), str(r.stderr))


options()
programs()
listings()
damaged()
configs()
classes()
hostile()
letters()
if os.geteuid() == 0:
    first_start()
policies()
users()
local_times()
by_hand()
health()
private()
stores()
