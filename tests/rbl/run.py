#!/usr/bin/env python3
"""The DNSBL engine against real servers (lab.py): each verdict, on both resolvers; codes, bits, IPv6, domains, prefixes; a key that must never be seen;
a list that dies in the middle and comes back; budgets; files; the running probe, its socket, and the pages. One line per test."""
import csv, io, json, os, re, signal, socket, sqlite3, subprocess, sys, tempfile, threading, time, urllib.error, urllib.request

sys.path.insert(0, os.path.dirname(__file__))
from lab import LISTED, OWN, PLAIN, SECRET, Lab, free_port

TOP = os.environ.get("TOP", os.getcwd())
BIN = os.environ.get("BUILD", TOP + "/build") + "/bin/"
work = tempfile.mkdtemp(prefix="aw-rbl.", dir="/var/tmp")
os.chmod(work, 0o755)
failed = 0
seen_output = []  # everything any program said, for the search for the key


def test(name):
    def run(f):
        global failed
        try:
            f()
            print(f"ok rbl: {name}", flush=True)
        except Exception as e:  # a test that cannot be carried out has failed
            failed += 1
            print(f"not ok rbl: {name} - {str(e)[:300]}", flush=True)
            import traceback
            traceback.print_exc()
    return run


def want(condition, what):
    if not condition:
        raise AssertionError(what)


def same(got, expected, what):
    want(got == expected, f"{what}: {got!r} instead of {expected!r}")


def rbl(*args, conf=None, fmt="ndjson"):
    r = subprocess.run([BIN + "abusewatch", "rbl", "-c", conf or CONF, "--format", fmt, *args], capture_output=True, timeout=60)
    seen_output.append(r.stdout + r.stderr)
    return r.returncode, r.stdout.decode("utf-8"), r.stderr.decode("utf-8")


def verdicts(*args, **more):
    status, out, err = rbl(*args, **more)
    rows = [json.loads(line) for line in out.splitlines()]
    return status, {(r["target"], r["zone"]): r for r in rows}, err


lab = Lab(work + "/lab")
lab.__enter__()
CONF = work + "/alone.conf"
with open(CONF, "w") as f:
    f.write(f'store = "{work}/alone.db"\nrbl {{\n\tkeys = "{lab.keys()}"\n\ttimeout = 3s\n}}\n')
ways = {"libunbound": ["--alone", "--table", lab.conf("none"), "--forward", f"127.0.0.1@{lab.unbound_port}"],
        "its own servers": ["--alone", "--table", lab.conf("direct")]}

EXPECTED = {  # of 192.0.2.7: what each zone that is not plain comes to
    "codes.example": "clean", "bits.example": "clean", "one.example": "clean", "bare.example": "clean", "collide.example": "clean", "wild.example": "dead",
    "empty.example": "unknown", "refuse.example": "refused", "quota.example": "refused", "lying.example": "unknown", "halflie.example": "unknown", "both.example": "clean",
    "allow.example": "listed", "hostile.example": "listed", "leak.example": "listed", "nodata.example": "clean", "slow.example": "unknown", "servfail.example": "unknown",
    "garbage.example": "unknown", "null.example": "unknown", "wake.example": "unknown", "other.example": "unknown", "big.example": "listed", "blink.example": "listed",
}

for way, args in ways.items():
    @test(f"every verdict of one address on {PLAIN + len(EXPECTED) + 3} zones, by {way}")
    def _():
        status, got, _ = verdicts(*args, LISTED)
        same(status, 3, "exit status")
        for i in range(1, PLAIN + 1):
            zone = f"plain{i:02}.example"
            same(got[LISTED, zone]["verdict"], "listed" if i % 3 == 0 else "clean", zone)
        for zone, verdict in EXPECTED.items():
            same(got[LISTED, zone]["verdict"], verdict, zone)
        want(got[LISTED, "late.example"]["verdict"] in ("listed", "unknown"), "late.example is clean")  # unbound gives up on it sooner or later
        same(got[LISTED, "rcode.example"]["verdict"], "refused" if way == "its own servers" else "unknown", "rcode.example")
        same(got[LISTED, "gone.example"]["verdict"], "unknown" if way == "its own servers" else "dead", "gone.example")  # without a way to the root nobody knows
        want((LISTED, "six.example") not in got and (LISTED, "domains.example") not in got, "a list for IPv6 or domains was asked about an IPv4 address")
        want((LISTED, "off.example") not in got, "a list that is off was asked")

    @test(f"what is told with a listing, by {way}")
    def _():
        _, got, _ = verdicts(*args, LISTED, "--zone", "plain03.example", "--zone", "refuse.example", "--zone", "halflie.example", "--zone", "hostile.example", "--zone", "big.example")
        r = got[LISTED, "plain03.example"]
        same((r["code"], r["kind"], r["points"], r["text"], r["delist"]), ("127.0.0.2", "block", 2, f"Listed as {LISTED}", f"https://plain03.example/off?ip={LISTED}"), "plain03")
        want("since" in r and "answered" in r and r["ttl"] > 0, "no times")
        r = got[LISTED, "refuse.example"]
        same((r["code"], r["text"]), ("127.255.255.254", "Error: open resolver"), "refuse")
        want("resolver of our own" in r["reason"] and "delist" not in r, "the reason of a refusal")
        same(got[LISTED, "halflie.example"]["code"], "203.0.113.80", "the raw answer of a lie")
        text = got[LISTED, "hostile.example"]["text"]
        want("\x1b" not in text and "\u202e" not in text, "a control character came through")
        want(len(got[LISTED, "big.example"]["text"]) <= 255, "a text of 60 kB was kept")
        r = verdicts(*args, "192.0.2.28", "--zone", "leak.example")[1]["192.0.2.28", "leak.example"]
        want(r["text"].startswith("x" * 240) and r["text"].strip("x*") == "" and r["text"].endswith("***"), r["text"])  # the key in it was cut off

    @test(f"codes, ranges, bits and their kinds, by {way}")
    def _():
        addresses = ["192.0.2.4", "192.0.2.10", "192.0.2.13", "192.0.2.18", "192.0.2.5", "192.0.2.1"]
        zones = ["codes.example", "bits.example", "one.example", "bare.example", "collide.example"]
        _, got, _ = verdicts(*args, *addresses, *[x for z in zones for x in ("--zone", z)])
        got.update(verdicts(*args, "192.0.2.6", "--zone", "bits.example")[1])  # by itself: a refusal suspends the list
        for key, verdict, kind, points in [(("192.0.2.4", "codes.example"), "listed", "block", 8), (("192.0.2.10", "codes.example"), "listed", "policy", 2),
                                           (("192.0.2.13", "codes.example"), "clean", None, None), (("192.0.2.18", "codes.example"), "listed", "allow", 0),
                                           (("192.0.2.5", "bits.example"), "listed", "block", 2), (("192.0.2.6", "bits.example"), "refused", None, None),
                                           (("192.0.2.1", "one.example"), "listed", "block", 2), (("192.0.2.1", "bare.example"), "unknown", None, None),
                                           (("192.0.2.1", "collide.example"), "unknown", None, None)]:
            same((got[key]["verdict"], got[key].get("kind"), got[key].get("points")), (verdict, kind, points), str(key))
        same(got["192.0.2.5", "bits.example"]["meaning"], "black; grey", "two bits")

    @test(f"IPv6 and domains, by {way}")
    def _():
        status, got, _ = verdicts(*args, "2001:db8:6::1", "2001:DB8:9:0:0::5", "2001:db8:7::1", "shop.bad.example", "Good.Example.")
        same({k: r["verdict"] for k, r in got.items()},
             {("2001:db8:6::1", "six.example"): "listed", ("2001:db8:9::5", "six.example"): "clean", ("2001:db8:7::1", "six.example"): "clean",
              ("2001:db8:6::1", "both.example"): "clean", ("2001:db8:9::5", "both.example"): "listed", ("2001:db8:7::1", "both.example"): "clean",
              ("shop.bad.example", "domains.example"): "listed", ("good.example", "domains.example"): "clean"}, "verdicts")
        same(status, 3, "exit status")

    @test(f"a prefix: each address once, by {way}")
    def _():
        _, got, _ = verdicts(*args, "203.0.113.0/26", *[x for i in (1, 2, 40) for x in ("--zone", f"plain{i:02}.example")])
        same(len(got), 3 * 64, "look-ups")
        same(sorted(k for k, r in got.items() if r["verdict"] == "listed"), [("203.0.113.1", "plain01.example"), ("203.0.113.2", "plain02.example"), ("203.0.113.40", "plain40.example")], "listed")

    @test(f"exit status, by {way}")
    def _():
        same(verdicts(*args, "198.51.100.1", "--zone", "plain01.example")[0], 0, "clean")
        same(verdicts(*args, "198.51.100.1", "--zone", "plain01.example", "--zone", "empty.example")[0], 4, "could not tell")
        same(verdicts(*args, "198.51.100.1", "--zone", "refuse.example")[0], 4, "refused")
        same(verdicts(*args, LISTED, "--zone", "allow.example")[0], 0, "only on an allow list")
        same(verdicts(*args, LISTED, "--zone", "wild.example")[0], 4, "only a dead list")
        same(verdicts(*args, LISTED, "2001:db8:7::1", "--zone", "wild.example", "--zone", "plain01.example", "--zone", "six.example")[0], 0, "a dead list among others")
        same(verdicts(*args, LISTED, "--zone", "plain03.example", "--zone", "empty.example")[0], 3, "listed")


@test("of several resolvers one that is silent, closed or refuses does no harm")
def _():
    args = ["--alone", "--table", lab.conf("none"), "--timeout", "5s", "--zone", "plain03.example", "--zone", "plain01.example"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as refuses:
        for s in (silent, refuses):
            s.bind(("127.0.0.1", 0))

        def refuse():
            while True:
                q, peer = refuses.recvfrom(4096)
                if not q:
                    return
                refuses.sendto(q[:2] + b"\x81\x85" + q[4:6] + b"\0\0\0\0\0\0" + q[12:-11], peer)
        t = threading.Thread(target=refuse, daemon=True)
        t.start()
        good = f"127.0.0.1@{lab.unbound_port}"
        for what, port in (("silent", silent.getsockname()[1]), ("refuses", refuses.getsockname()[1]), ("closed", free_port())):
            for order in ([f"127.0.0.1@{port}", good], [good, f"127.0.0.1@{port}"]):
                _, got, _ = verdicts(*args, *[x for f in order for x in ("--forward", f)], LISTED, "198.51.100.0/29")
                same({(k, r["verdict"]) for k, r in got.items() if r["verdict"] != "clean"}, {((LISTED, "plain03.example"), "listed")}, f"{what}, {order}")
        refuses.sendto(b"", refuses.getsockname())
        t.join(5)


@test("health that was learned by another resolver is not believed")
def _():
    folder = work + "/ways"
    os.mkdir(folder)

    def look(*more, forward=(lab.unbound_port,)):
        with open(folder + "/conf", "w") as f:
            f.write(f'store = "{folder}/aw.db"\nrbl {{\n\tzones = "{lab.conf("none")}"\n\tkeys = "{lab.keys()}"\n\ttimeout = 3s\n\tforward = {{ {", ".join(chr(34) + f"127.0.0.1@{p}" + chr(34) for p in forward)} }}\n}}\n')
        return verdicts("--alone", *more, LISTED, "--zone", "gone.example", conf=folder + "/conf")[1][LISTED, "gone.example"]["verdict"]

    def forge():  # as if the list had passed its test the way that the state tells
        with open(folder + "/dnsbl.state") as f:
            lines = [x for x in f if not x.startswith("health gone.example")]
        with open(folder + "/dnsbl.state", "w") as f:
            f.write("".join(lines) + f"health gone.example 0 good 0 1 1 {int(time.time() + 80000)}000000\n")
    same(look(), "dead", "the first time")
    forge()
    same(look(), "clean", "what the state says")
    same(look("--forward", f"127.0.0.1@{lab.unbound_port}"), "dead", "with --forward")
    same(look(), "clean", "the state after it")
    same(look(forward=(lab.unbound_port, lab.unbound_port)), "dead", "with another config")


@test("wrong use and dead lists say so")
def _():
    for args, status, words in [([], 2, "whom"), (["192.0.2.0/23x"], 2, "no address"), (["10.0.0.1/8"], 2, "behind its length"), (["0.0.0.0/0"], 2, "more addresses"), (["localhost"], 2, "no address"),
                                (["--zone", "nosuch.example", "192.0.2.1"], 1, "no list"), (["--zone", "x.graveyard.example", "192.0.2.1"], 1, "since 2024-06-05: closed"),
                                (["--timeout", "0s", "192.0.2.1"], 2, "want 1s"), (["--format", "xml", "192.0.2.1"], 2, "want table")]:
        got, _, err = rbl(*ways["its own servers"], *args)
        want(got == status and words in err, f"{args}: {got} {err!r}")
    status, out, _ = rbl("--table", lab.conf("direct"), "--alone", "--zones", fmt="csv")
    rows = {r["zone"]: r for r in csv.DictReader(io.StringIO(out))}
    want(status == 0 and rows["off.example"]["state"] == "off" and rows["*.graveyard.example"]["state"] == "dead", "the table of lists")


@test("the built-in table reads, and its dead lists are told")
def _():
    status, out, _ = rbl("--alone", "--zones", conf=CONF)
    rows = [json.loads(line) for line in out.splitlines()]
    want(status == 0 and len([r for r in rows if r["state"] != "dead"]) >= 60, "lists")
    got, _, err = rbl("--alone", "--zone", "spam.dnsbl.sorbs.net", "192.0.2.1", conf=CONF)
    want(got == 1 and "2024-06-05" in err, err)
    got, out, _ = rbl("--alone", "--zone", "combined.mail.abusix.zone", "192.0.2.1", conf=CONF)
    want(got == 4 and "needs a key" in out, out)


@test("mistakes in a table are told with file and line")
def _():
    path = work + "/bad.conf"
    with open(path, "w") as f:
        f.write('zone "a.example" { targets = { "ip4" } codes = { "127.0.0.300 = x" } }\nzone "b.example" { }\nzone "c.example" { targets = { "ip5" } }\nzome "d" { }\n')
    got, _, err = rbl("--alone", "--table", path, "192.0.2.1")
    want(got == 1 and all(f"abusewatch: {path}:{n}: " in err for n in (1, 2, 3, 4)), err)
    conf = work + "/bad-table.conf"
    with open(conf, "w") as f:
        f.write(f'store = "{work}/x.db"\nrbl {{ zones = "{path}" client-zones = {{ "nosuch.example" }} }}\n')
    r = subprocess.run([BIN + "abusewatch", "check-config", "-c", conf], capture_output=True, text=True)
    want(r.returncode == 1 and all(f"bad.conf:{n}" in r.stderr for n in (1, 2, 3, 4)), r.stderr)
    with open(path, "w") as f:
        f.write('zone "a.example" { targets = { "ip4" }\n\tserver = "127.0.0.1:53" }\n')
    r = subprocess.run([BIN + "abusewatch", "check-config", "-c", conf], capture_output=True, text=True)
    want(r.returncode == 1 and "bad.conf:2" in r.stderr and "name server" in r.stderr, r.stderr)
    with open(path, "w") as f:
        f.write('zone "a.example" { targets = { "ip4" } }\n')
    r = subprocess.run([BIN + "abusewatch", "check-config", "-c", conf], capture_output=True, text=True)
    want(r.returncode == 1 and "nosuch.example" in r.stderr, r.stderr)
    keys = work + "/open-keys"
    with open(keys, "w") as f:
        f.write(f"lab {SECRET}\n")
    os.chmod(keys, 0o644)
    conf = work + "/open.conf"
    with open(conf, "w") as f:
        f.write(f'store = "{work}/x.db"\nrbl {{ keys = "{keys}" }}\n')
    got, _, err = rbl("--alone", "192.0.2.1", conf=conf)
    want(got == 1 and "everybody may read" in err, err)


@test("a list in a file: sets, exclusions, ranges, domains, without DNS")
def _():
    with open(work + "/four.txt", "w") as f:
        f.write(":127.0.0.2:from a file $\n127.0.0.2\n198.18.0.0/16\n!198.18.4.0/24\n198.18.4.9 :4:worse\n203.0.113.5-9\n10.1.2\n")
    with open(work + "/names.txt", "w") as f:
        f.write(":127.0.0.2:name\ntest\n.bad.example\n*.below.example\n!ok.bad.example\n")
    with open(work + "/six.txt", "w") as f:
        f.write(":127.0.0.2:six\n::ffff:7f00:2\n2001:db8:1::/48\n!2001:db8:1:1::/64\n")
    table = work + "/files.conf"
    with open(table, "w") as f:
        f.write(f'zone "four.example" {{ targets = {{ "ip4" }} file = "ip4trie:{work}/four.txt" }}\nzone "names.example" {{ targets = {{ "domain" }} file = "dnset:{work}/names.txt" }}\n'
                f'zone "six.example" {{ targets = {{ "ip6" }} file = "ip6trie:{work}/six.txt" }}\n')
    cases = {"198.18.0.1": "listed", "198.18.4.1": "clean", "198.18.4.9": "listed", "198.19.0.0": "clean", "203.0.113.4": "clean", "203.0.113.5": "listed", "203.0.113.9": "listed",
             "203.0.113.10": "clean", "10.1.2.200": "listed", "10.1.3.0": "clean", "bad.example": "listed", "x.bad.example": "listed", "ok.bad.example": "clean", "below.example": "clean",
             "y.below.example": "listed", "2001:db8:1::5": "listed", "2001:db8:1:1::5": "clean", "2001:db8:2::": "clean"}
    _, got, _ = verdicts("--alone", "--table", table, *cases)
    same({k[0]: r["verdict"] for k, r in got.items()}, cases, "verdicts")
    same((got["198.18.4.9", "four.example"]["code"], got["198.18.4.9", "four.example"]["text"]), ("127.0.0.4", "worse"), "an entry's own answer")
    same(got["198.18.0.1", "four.example"]["text"], "from a file 198.18.0.1", "the target in the text")
    os.utime(work + "/four.txt", (time.time() - 9 * 86400,) * 2)
    same(verdicts("--alone", "--table", table, "198.18.0.1")[1]["198.18.0.1", "four.example"]["verdict"], "unknown", "a copy that is nine days old")
    with open(work + "/four.txt", "w") as f:
        f.write("198.18.0.0/16\n")
    same(verdicts("--alone", "--table", table, "198.19.0.1")[1]["198.19.0.1", "four.example"]["verdict"], "unknown", "a file without its test entry")


@test("against rbldnsd: ranges in a file, of whole octets and of parts")
def _():
    lines = ["127.0.0.2", "10.0.1.5-9", "10.0.2.0-10.0.3", "10.0.4-10.0.5", "10.0.6-7", "10.0.8.5-10.0.8.77", "10.1-2", "10.5.1.77/24", "10.6.1.5-3", "10.6.3"]
    addresses = [f"10.{a}.{b}.{c}" for a in (0, 1, 2, 3, 5, 6) for b in range(1, 10) for c in (0, 4, 5, 9, 10, 77, 255)]
    path, port = work + "/lab/ranges.zone", free_port()
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
    d = subprocess.Popen(["/usr/sbin/rbldnsd", "-n", "-u", "nobody", "-b", f"127.0.0.1/{port}", "-c", "0", f"ranges.example:ip4set:{path}"], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        lab.wait(port, "ranges.example")
        got = {}
        for how in (f'server = "127.0.0.1@{port}" per-second = 0', f'file = "ip4set:{path}"'):
            with open(f"{work}/ranges.conf", "w") as f:
                f.write(f'zone "ranges.example" {{ targets = {{ "ip4" }} {how} }}\n')
            got[how[:4]] = verdicts("--alone", "--table", f"{work}/ranges.conf", "--no-texts", *addresses)
        by_dns, by_file = ({k[0] for k, r in got[how][1].items() if r["verdict"] == "listed"} for how in ("serv", "file"))
        same(sorted(by_file ^ by_dns), [], "told otherwise")
        want(len(by_dns) > 100 and "4 lines" not in got["file"][2] and "lines are not understood" in got["file"][2], got["file"][2])
    finally:
        d.kill()
        d.wait()


@test("against rbldnsd: a file gives the answers that rbldnsd gives for it")
def _():
    import random
    r = random.Random(7)
    lines, addresses = [":127.0.0.2:x", "127.0.0.2"], ["127.0.0.2"]
    for _ in range(300):
        bits = r.choice([32, 32, 30, 28, 24, 20])
        base = (198 << 24 | 18 << 16 | r.randrange(4096)) >> (32 - bits) << (32 - bits)
        text = ".".join(str(base >> s & 255) for s in (24, 16, 8, 0))
        lines.append(("!" if r.random() < 0.25 else "") + f"{text}/{bits}")
        a = base | r.randrange(1 << (32 - bits)) if bits < 32 else base
        addresses.append(".".join(str(a >> s & 255) for s in (24, 16, 8, 0)))
    path, port = work + "/lab/rand.zone", free_port()
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
    d = subprocess.Popen(["/usr/sbin/rbldnsd", "-n", "-u", "nobody", "-b", f"127.0.0.1/{port}", "-c", "0", f"rand.example:ip4trie:{path}"], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        lab.wait(port, "rand.example")
        for how, line in (("dns", f'server = "127.0.0.1@{port}" per-second = 0'), ("file", f'file = "ip4trie:{path}"')):
            with open(f"{work}/rand-{how}.conf", "w") as f:
                f.write(f'zone "rand.example" {{ targets = {{ "ip4" }} {line} }}\n')
        by_dns, by_file = (verdicts("--alone", "--table", f"{work}/rand-{how}.conf", "--no-texts", *sorted(set(addresses)))[1] for how in ("dns", "file"))
        same({k: r["verdict"] for k, r in by_file.items()}, {k: r["verdict"] for k, r in by_dns.items()}, "verdicts")
        want(len({r["verdict"] for r in by_file.values()}) == 2, "all the same verdict")
    finally:
        d.kill()
        d.wait()


@test("very many targets to watch: each once, in no time, and what is too much is told once")
def _():
    folder = work + "/many"
    os.mkdir(folder)
    names = [f"n{i}.example" for i in range(20050)]
    with open(folder + "/conf", "w") as f:
        f.write(f'store = "{folder}/aw.db"\nlocal-domains = {{ {", ".join(names)} }}\nrelay-domains = {{ {", ".join(names[:19000])} }}\nrbl {{ watch = true zones = "{lab.conf("direct")}" }}\n')
    p = subprocess.Popen([BIN + "abusewatch-probe", "-c", folder + "/conf"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = []
    t = threading.Thread(target=lambda: said.extend(p.stdout), daemon=True)
    t.start()
    for _ in range(200):
        if any("are watched" in line for line in said):
            break
        time.sleep(0.05)
    ticks = sum(int(x) for x in open(f"/proc/{p.pid}/stat").read().rsplit(")", 1)[1].split()[11:13])
    p.terminate()
    p.wait(20)
    t.join(5)
    want(any("20000 targets are watched" in line for line in said), said[-3:])
    same(sum("the rest is left out" in line for line in said), 1, "warnings")
    want(ticks < 100, f"{ticks / 100} s of processor time")


def until(what, condition, seconds=30):
    end = time.time() + seconds
    while time.time() < end:
        try:
            if condition():
                return
        except (sqlite3.Error, OSError):
            pass
        time.sleep(0.1)
    raise AssertionError("not within %d s: %s" % (seconds, what))


def rounds_beside(how):
    """When quick.example was asked in half a minute, by a probe that watches 192.0.2.7 and a network; how: "server" has its lists on servers of their own, "forward" behind one resolver.
    paced.example takes a question a second, mute.example answers only its test."""
    folder = f"{work}/rounds-{how}"
    os.mkdir(folder)
    lab.own.heard.clear()
    server = f'server = "127.0.0.1@{lab.own_port}"' if how == "server" else ""
    with open(folder + "/table", "w") as f:
        for zone, pace in (("mute", 0), ("quick", 0), ("paced", 1)):
            f.write(f'zone "{zone}.example" {{ targets = {{ "ip4" }} per-second = {pace} per-day = 0 {server} }}\n')
    with open(folder + "/conf", "w") as f:
        f.write(f'store = "{folder}/aw.db"\negress = {{ "192.0.2.7", "198.51.100.0/25" }}\n'
                f'rbl {{\n\tzones = "{folder}/table"\n\twatch = true\n\tevery = 5s\n\ttimeout = 20s\n\tforward = {{ "127.0.0.1@{lab.own_port}" }}\n}}\n')
    with open(folder + "/log", "wb") as log:
        p = subprocess.Popen([BIN + "abusewatch-probe", "-c", folder + "/conf"], stdout=log, stderr=log)
    began = time.time()
    time.sleep(34)
    p.terminate()
    p.wait(20)
    heard = [(t - began, name) for t, name in lab.own.heard]
    want(len({name for _, name in heard if name.endswith("mute.example")}) > 16, "the list that does not answer was not asked")
    paced = [t for t, name in heard if name.endswith("paced.example")]
    want(20 < len(paced) < 34 + 10 + 5 and len(set(name for _, name in heard if name.endswith("paced.example"))) >= len(paced) - 2, f"{len(paced)} questions at one a second")
    return [t for t, name in heard if name == "7.2.0.192.quick.example"]


for how in ("server", "forward"):
    @test(f"a list that does not answer and one that is paced do not keep another one's rounds up ({how})")
    def _():
        times = rounds_beside(how)
        gaps = [b - a for a, b in zip(times, times[1:])]
        want(len(times) >= 4 and times[0] < 10 and max(gaps) < 12, f"asked at {[round(t) for t in times]}")


@test("rounds of many lists go through very many targets: there is one copy of them")
def _():
    folder = work + "/shared"
    os.mkdir(folder)
    with open(folder + "/table", "w") as f:
        for i in range(40):
            f.write(f'zone "d{i}.paced.example" {{ targets = {{ "domain" }} per-second = 1 per-day = 0 server = "127.0.0.1@{lab.own_port}" }}\n')
    with open(folder + "/conf", "w") as f:
        f.write(f'store = "{folder}/aw.db"\nlocal-domains = {{ {", ".join(f"n{i}.example" for i in range(20000))} }}\nrbl {{ watch = true zones = "{folder}/table" timeout = 20s }}\n')
    lab.own.heard.clear()
    with open(folder + "/log", "wb") as log:
        p = subprocess.Popen([BIN + "abusewatch-probe", "-c", folder + "/conf"], stdout=log, stderr=log)
    try:
        until("all lists' rounds", lambda: len({name.split(".")[-3] for _, name in list(lab.own.heard) if name.startswith("n")}) == 40)
        with open(f"/proc/{p.pid}/status") as f:
            kb = int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
    finally:
        p.terminate()
        p.wait(20)
    want(kb < 90000, f"{kb} kB")


# --- the running probe -------------------------------------------------------------------------------------------------

web_port = free_port()
LIVE = work + "/live.conf"


def write_live(table, **more):
    rows = "".join(f"\t{k} = {v}\n" for k, v in more.items())
    with open(LIVE, "w") as f:
        f.write(f"""store = "{work}/live/aw.db"
networks = {{ "192.0.2.0/24" }}
egress = {{ "192.0.2.7", "198.51.100.9" }}
local-domains = {{ "bad.example" }}
backup-domains = {{ "second.example=mx.host.example" }}
customers = "{work}/live/customers.csv"
web {{ listen = "127.0.0.1:{web_port}" }}
rbl {{
	zones = "{table}"
	keys = "{lab.keys()}"
	watch = true
	forward = {{ "127.0.0.1@{lab.own_port}" }}
	every = 30s
	timeout = 2s
	public = true
	public-per-hour = 3
{rows}}}
""")


programs = {}


def start(name):
    log = open(f"{work}/{name}.log", "ab")
    programs[name] = subprocess.Popen([BIN + "abusewatch-" + name, "-c", LIVE, "-d"], stdout=log, stderr=log)


def stop(name, how=signal.SIGTERM):
    p = programs.pop(name)
    p.send_signal(how)
    return p.wait(20)


def store(query, *args):
    with sqlite3.connect(f"file:{work}/live/aw.db?mode=ro", uri=True) as db:
        return db.execute(query, args).fetchall()


def zone_states():
    """How the running probe says that each list is, for its first kind of target."""
    with socket.socket(socket.AF_UNIX) as c:
        c.settimeout(20)
        c.connect(work + "/live/probe.sock")
        c.sendall(b'{"do":"zones"}\n')
        rows = []
        for line in c.makefile():
            rows.append(json.loads(line))
            if "end" in rows[-1]:
                break
    return {r["zone"]: r["health"][0]["state"] for r in rows if "zone" in r}


def get(path, **headers):
    r = urllib.request.Request(f"http://127.0.0.1:{web_port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(r, timeout=30) as a:
            body = a.read()
            seen_output.append(body)
            return a.status, body.decode("utf-8"), a.headers
    except urllib.error.HTTPError as e:
        body = e.read()
        seen_output.append(body)
        return e.code, body.decode("utf-8"), e.headers


os.mkdir(work + "/live")
with open(work + "/live/customers.csv", "w") as f:
    f.write("customer,contact,language,kind,value\n")
with open(work + "/lab/copy.txt", "w") as f:
    f.write("127.0.0.2\n198.51.100.77\n")
lab.extra = f'zone "copy.example" {{ targets = {{ "ip4" }} file = "ip4set:{work}/lab/copy.txt" }}\n'
lab.extra += f'zone "turn.example" {{ targets = {{ "ip4" }} points = 2 server = "127.0.0.1@{lab.own_port}" }}\n'
write_live(lab.conf("direct"))
for name in ("analyzer", "probe", "web"):
    start(name)


@test("the watch tells the analyzer what lists say of our own addresses and domains")
def _():
    def rows():
        return {(t, z): s for t, z, s in store("SELECT target, zone, state FROM listing")}
    until("a listing of 192.0.2.7", lambda: rows().get(("192.0.2.7", "plain03.example")) in ("suspect", "listed"))
    until("a listing of the domain", lambda: rows().get(("bad.example", "domains.example")) in ("suspect", "listed"))
    got = rows()
    want(all(s == "clear" for (t, z), s in got.items() if z in ("wild.example", "refuse.example", "quota.example", "lying.example", "empty.example", "halflie.example")),
         "a list that is not to be believed made a suspect: " + str({k: s for k, s in got.items() if s != "clear" and not k[1].startswith("plain")}))
    want(not any(t == "198.51.100.9" and s != "clear" for (t, z), s in got.items()), "the other address is listed")


@test("a customer who is new in the inventory, and a mail server whose name could not be resolved at first, are watched, too")
def _():
    with open(work + "/live/customers.csv", "a") as f:
        f.write("C1,desk@new.bad.example,en,domain,new.bad.example\n")
    lab.own.found = True
    rows = lambda: {(t, z) for t, z in store("SELECT target, zone FROM listing WHERE state IN ('suspect', 'listed')")}
    until("the new customer's domain", lambda: ("new.bad.example", "domains.example") in rows(), 60)
    until("the mail server's address", lambda: ("203.0.113.33", "plain33.example") in rows(), 60)


@test("the command line asks through the running probe, with its cache")
def _():
    status, got, _ = verdicts("192.0.2.7", conf=LIVE)
    want(status == 3 and got["192.0.2.7", "plain03.example"].get("cached"), str(got.get(("192.0.2.7", "plain03.example"))))
    since = got["192.0.2.7", "plain03.example"]["since"]
    time.sleep(1.1)
    same(verdicts("192.0.2.7", conf=LIVE)[1]["192.0.2.7", "plain03.example"]["since"], since, "since")


@test("a second probe does not take the first one's socket")
def _():
    r = subprocess.run([BIN + "abusewatch-probe", "-c", LIVE], capture_output=True, text=True, timeout=30)
    want(r.returncode == 1 and "probe.sock: another abusewatch-probe listens there" in r.stderr, f"exit {r.returncode}: {r.stderr[-300:]}")
    status, got, _ = verdicts("192.0.2.7", conf=LIVE)
    want(status == 3 and got["192.0.2.7", "plain03.example"].get("cached"), "the first one does not answer any more")


@test("an answer out of the cache says what it said before: 0.0.0.0 is not clean")
def _():
    for time_of in ("first", "second", "third"):
        same(verdicts(LISTED, "--zone", "null.example", conf=LIVE)[1][LISTED, "null.example"]["verdict"], "unknown", time_of)


@test("what was answered while a list failed its test is asked again once it passes")
def _():
    same(verdicts(LISTED, "--zone", "wake.example", conf=LIVE)[1][LISTED, "wake.example"]["verdict"], "unknown", "while it is silent")
    lab.own.awake = True
    heard = []

    def awake():
        heard.append(verdicts(LISTED, "--zone", "wake.example", conf=LIVE)[1][LISTED, "wake.example"]["verdict"])
        return heard[-1] != "unknown"
    until("the list passes its test", awake, 90)
    same(heard[-1], "listed", "the first verdict")


@test("a copy that is replaced is tested again at once")
def _():
    def look():
        return [verdicts(a, "--zone", "copy.example", conf=LIVE)[1][a, "copy.example"]["verdict"] for a in ("198.51.100.77", "198.51.100.78")]
    same(look(), ["listed", "clean"], "the copy")
    for text, expected in (("198.51.100.77\n", ["listed", "unknown"]), ("127.0.0.2\n198.51.100.78\n", ["clean", "listed"])):
        with open(work + "/lab/copy.new", "w") as f:
            f.write(text)
        os.rename(work + "/lab/copy.new", work + "/lab/copy.txt")
        same(look(), expected, "after it was replaced")
    os.utime(work + "/lab/copy.txt", (time.time() - 9 * 86400,) * 2)
    same(look(), ["unknown", "unknown"], "nine days later")


@test("rbldnsd dies: unknown, never clean; it comes back by itself")
def _():
    lab.stop("rbldnsd")
    time.sleep(0.2)
    _, got, _ = verdicts("203.0.113.77", "203.0.113.78", conf=LIVE)
    for i in range(1, PLAIN + 1):
        same(got["203.0.113.77", f"plain{i:02}.example"]["verdict"], "unknown", "while it is dead")
    for i in range(20):  # each goes out by a socket at random: all of them meet the closed port
        verdicts(f"203.0.113.{100 + i}", "--zone", f"plain{i + 1:02}.example", conf=LIVE)
    rbl("203.0.113.128/28", "--zone", "plain02.example", "--no-texts", conf=LIVE)
    same(zone_states()["plain02.example"], "unreachable", "a list that failed sixteen times")
    lab.start_rbldnsd()

    def back():
        _, got, _ = verdicts("203.0.113.99", conf=LIVE)
        return all(got["203.0.113.99", f"plain{i:02}.example"]["verdict"] == "clean" for i in range(1, PLAIN + 1))
    until("the lists are asked again", back, 120)


@test("the probe's socket: nonsense is answered, a client that goes away is forgotten")
def _():
    def say(*lines):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(work + "/live/probe.sock")
            s.settimeout(10)
            s.sendall("".join(line + "\n" for line in lines).encode("latin1"))
            return json.loads(s.makefile().readline())
    for line in ("", "{", "[]", "{\"do\":1}", "{\"do\":\"look-up\"}", "{\"do\":\"look-up\",\"targets\":[1]}", "{\"do\":\"look-up\",\"targets\":[\"x\"]}", "[" * 3000, "\xff\xfe",
                 "{\"do\":\"look-up\",\"targets\":[\"192.0.2.1\"],\"zones\":[\"nosuch\"]}"):
        want("error" in say(line), line[:60])
    for _ in range(30):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(work + "/live/probe.sock")
            s.sendall(b'{"do":"look-up","targets":["198.18.0.0/20"]}\n')
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(work + "/live/probe.sock") # waits when thirty stand before it; with a timeout it would not
        s.settimeout(20)
        try:
            s.sendall(b"x" * 400000)
            same(s.recv(10), b"", "an endless line")
        except (BrokenPipeError, ConnectionResetError):
            pass
    want(programs["probe"].poll() is None, "the probe died")
    same(verdicts("192.0.2.7", "--zone", "plain03.example", conf=LIVE)[0], 3, "and still answers")


@test("everybody may look one target up, so often an hour; only the public page")
def _():
    until("the dashboard answers", lambda: get("/login")[0] == 200)
    status, body, _ = get("/rbl")
    want(status == 200 and "One at a time" in body, "the form")
    status, body, _ = get("/rbl.json?target=192.0.2.7")
    o = json.loads(body)
    want(status == 200 and o["counts"]["listed"] >= PLAIN // 3 and len(o["results"]) >= 60, body[:200])
    status, body, headers = get("/rbl/stream?target=198.51.100.1")
    want(status == 200 and headers["Content-Type"].startswith("application/x-ndjson") and json.loads(body.splitlines()[-1])["end"], body[-200:])
    same(get("/rbl.csv?target=192.0.2.0/24")[0], 400, "a network")
    same(get("/rbl.csv?target=192.0.2.1+192.0.2.2")[0], 400, "two targets")
    status, body, _ = get("/rbl.csv?target=bad.example")
    rows = list(csv.DictReader(io.StringIO(body)))
    want(status == 200 and rows[0]["verdict"] == "listed", body)
    status, _, headers = get("/rbl.json?target=192.0.2.7")
    want(status == 429 and 0 < int(headers["Retry-After"]) <= 3600, "a fourth one in an hour")
    for path in ("/", "/rbl/lists", "/listings", "/cases"):
        same(urllib.request.urlopen(f"http://127.0.0.1:{web_port}{path}").geturl().split("?")[0], f"http://127.0.0.1:{web_port}/login", path)


@test("without public nobody looks anything up without a login; a new table after a reload")
def _():
    write_live(lab.conf("direct", skip=["plain03.example"]), public="false")
    with open(LIVE) as f:
        text = f.read().replace("\tpublic = true\n", "")
    with open(LIVE, "w") as f:
        f.write(text)
    for name in ("web", "probe"):
        programs[name].send_signal(signal.SIGHUP)
    until("the page is closed", lambda: get("/rbl.json?target=192.0.2.7")[0] == 401)

    def gone():
        status, _, err = rbl("192.0.2.7", "--zone", "plain06.example", conf=LIVE)
        r = subprocess.run([BIN + "abusewatch", "rbl", "-c", LIVE, "--zone", "plain03.example", "192.0.2.7"], capture_output=True)
        return status == 3 and r.returncode == 1
    until("the new table is read", gone)


@test("the page in a real browser")
def _():
    link = subprocess.run([BIN + "abusewatch", "login-link", "-c", LIVE], capture_output=True, text=True).stdout.split()[-1]
    out = os.environ.get("OUT", work) + "/screens"
    os.makedirs(out, exist_ok=True)
    r = subprocess.run(["node", TOP + "/tests/web/rbl.mjs", link, out], capture_output=True, text=True, cwd=TOP + "/tests/web")
    sys.stderr.write(r.stderr)
    same((r.returncode, r.stdout.strip()), (0, "fine"), "the browser's view")


@test("client-check: an address from which an account sends is asked about, one of ours is not, and none twice a day")
def _():
    with open(LIVE) as f:
        text = f.read()
    log = work + "/live/mail.log"
    open(log, "w").close()
    with open(LIVE, "w") as f:
        f.write(text.replace("\twatch = true\n", '\twatch = true\n\tclient-check = true\n\tclient-zones = { "big.example" }\n')
                + f'source "mx" {{ path = "{log}" mta = "postfix" timezone = "UTC" }}\n')
    for name in ("analyzer", "probe"):
        programs[name].send_signal(signal.SIGHUP)
    start("collector")

    def send(n, client):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        q = f"4F{n:04X}AB"
        with open(log, "a") as f:
            for line in (f"submission/smtpd[7]: {q}: client=unknown[{client}], sasl_method=PLAIN, sasl_username=ann@isp.example", f"cleanup[8]: {q}: message-id=<{n}@isp.example>",
                         f"qmgr[9]: {q}: from=<ann@isp.example>, size=900, nrcpt=1 (queue active)",
                         f"smtp[10]: {q}: to=<bob@far.example>, relay=mx.far.example[203.0.113.5]:25, delay=1, delays=0/0/0.5/0.5, dsn=2.0.0, status=sent (250 ok)", f"qmgr[9]: {q}: removed"):
                f.write(f"{stamp} mx postfix/{line}\n")
    send(1, "198.18.7.77")
    until("the client is asked about", lambda: "77.7.18.198.big.example" in lab.own.names, 20)
    lab.own.names.clear()
    send(2, "192.0.2.50")
    send(3, "198.18.7.77")
    send(4, "198.18.7.78")
    until("another client is asked about", lambda: "78.7.18.198.big.example" in lab.own.names, 20)
    want("77.7.18.198.big.example" not in lab.own.names, "asked twice")
    want("50.2.0.192.big.example" not in lab.own.names, "an address of ours was asked about")
    same(stop("collector"), 0, "exit status of the collector")


@test("what was learned is kept over a restart; a list that was suspended stays suspended")
def _():
    same(stop("probe"), 0, "exit status")
    with open(work + "/live/dnsbl.state") as f:
        state = f.read()
    want("health wild.example 0 wildcard" in state and "health plain01.example 0 good" in state, state[:300])
    before = lab.own.asked
    start("probe")
    until("it answers", lambda: verdicts("192.0.2.7", "--zone", "wild.example", conf=LIVE)[1]["192.0.2.7", "wild.example"]["verdict"] == "dead")
    want(lab.own.asked - before < 60, "everything was tested again")


def health(zone, *change):
    """Its line in the state of the stopped probe; change: so many seconds are added to its times."""
    with open(work + "/live/dnsbl.state") as f:
        lines = f.read().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(f"health {zone} 0 "))
    words = lines[at].split()
    if change:
        words[5:] = [str(int(w) + change[0] * 1000000) for w in words[5:]]
        lines[at] = " ".join(words)
        with open(work + "/live/dnsbl.state", "w") as f:
            f.write("\n".join(lines) + "\n")
    return words


def turn_says(column="verdict"):
    return [r[0] for r in store(f"SELECT {column} FROM listing WHERE zone = 'turn.example' AND target = '192.0.2.7'")]


@test("a list does not answer while the probe starts, and an entry ended meanwhile: that is told when it answers")
def _():
    until("the entry", lambda: turn_says() == ["listed"])
    same(stop("probe"), 0, "exit status")
    lab.own.turn = "deaf"
    start("probe")
    until("the first round", lambda: turn_says() == ["unknown"])
    lab.own.turn = "clean"
    until("the next round", lambda: turn_says() == ["clean"], 60)


@test("something turns up on a list: it is tested again, as it may list everything by now")
def _():
    same(stop("probe"), 0, "exit status")
    same(health("turn.example", -3600)[3], "good", "an hour ago")
    lab.own.turn = "wild"
    start("probe")
    until("a test", lambda: zone_states()["turn.example"] == "wildcard", 30)


@test("tested in a year to come, before the clock was put back: tested again")
def _():
    same(stop("probe"), 0, "exit status")
    same(health("turn.example", 366 * 86400)[3], "wildcard", "in a year")
    lab.own.turn = "clean"
    start("probe")
    until("a test", lambda: zone_states()["turn.example"] == "good", 30)


@test("a list's day is not overdrawn")
def _():
    table = work + "/budget.conf"
    with open(table, "w") as f:
        f.write(f'zone "plain01.example" {{ targets = {{ "ip4" }} per-day = 20 per-second = 0 server = "127.0.0.1@{lab.port}" }}\n')
    _, got, _ = verdicts("--alone", "--table", table, "198.51.100.0/26")
    n = sum(r["verdict"] == "clean" for r in got.values())
    want(17 <= n <= 20 and sum("in a day" in r.get("reason", "") for r in got.values()) == 64 - n, f"{n} asked")


@test("the lists' texts count, too")
def _():
    table = work + "/budget.conf"
    with open(table, "w") as f:
        f.write(f'zone "all.example" {{ targets = {{ "ip4" }} per-day = 20 per-second = 0 server = "127.0.0.1@{lab.own_port}" }}\n')
    before = set(lab.own.questions)
    _, got, _ = verdicts("--alone", "--table", table, "198.51.100.0/26")
    names = {n for n, _ in lab.own.questions - before if n.endswith("100.51.198.all.example")}
    asked = [n for n in lab.own.questions - before if "100.51.198.all" in n[0]]
    want(10 <= len(asked) <= 20 and len(names) == sum(r["verdict"] == "listed" for r in got.values()), f"{len(asked)} asked")


@test("a list is not asked faster than its pace")
def _():
    table = work + "/pace.conf"
    with open(table, "w") as f:
        f.write(f'zone "plain01.example" {{ targets = {{ "ip4" }} per-second = 20 server = "127.0.0.1@{lab.port}" }}\n')
    began = time.time()
    verdicts("--alone", "--table", table, "198.51.100.0/25")
    took = time.time() - began
    want(3.5 < took < 12, f"128 questions at 20 a second took {took:.1f} s")


@test("killed and started again, the store and the probe agree")
def _():
    stop("probe", signal.SIGKILL)
    stop("analyzer", signal.SIGKILL)
    heard = store("SELECT max(heard_us) FROM listing")[0][0]
    start("analyzer")
    start("probe")
    until("the watch tells again", lambda: store("SELECT max(heard_us) FROM listing")[0][0] > heard)
    want(store("SELECT 1 FROM listing WHERE target = '192.0.2.7' AND zone = 'plain06.example' AND state IN ('suspect', 'listed')"), "what was known is gone")


@test("the dashboard ends while a look-up sleeps, and the look-up does not look whole")
def _():
    def ask(path):
        s = socket.create_connection(("127.0.0.1", web_port), 10)
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return s
    with open(LIVE) as f:
        text = f.read()
    with open(LIVE, "w") as f:
        f.write(text.replace("public = false", "public = true").replace("per-hour = 3", "per-hour = 100").replace("timeout = 2s", "timeout = 50s"))
    for name in ("web", "probe"):
        programs[name].send_signal(signal.SIGHUP)
    until("the page is open", lambda: get("/rbl")[0] == 200 and "One at a time" in get("/rbl")[1])
    streams = [ask("/rbl/stream?target=198.51.100.200"), ask("/rbl.csv?target=198.51.100.201")]
    for s in streams:
        while b"plain01.example" not in s.recv(65536):
            pass
    same(stop("web"), 0, "exit status")
    for s in streams:
        rest = b""
        while piece := s.recv(65536):
            rest += piece
        want(not rest.endswith(b"0\r\n\r\n"), "it ended as if it were whole")
        s.close()
    start("web")
    until("the page is there again", lambda: get("/rbl")[0] == 200)


@test("a network of 65,536 addresses that is listed as a whole, with a long text: all is told, and the analyzer keeps up")
def _():
    with open(work + "/lab/whole.txt", "w") as f:
        f.write(f":127.0.0.2:{'x' * 220} $\n127.0.0.2\n198.18.0.0/16\n")
    lab.extra += f'zone "whole.example" {{ targets = {{ "ip4" }} points = 2 file = "ip4set:{work}/lab/whole.txt" }}\n'
    table = lab.conf("direct")
    with open(LIVE) as f:
        text = f.read()
    with open(LIVE, "w") as f:
        f.write(re.sub(r'zones = "[^"]*"', f'zones = "{table}"', text).replace("timeout = 50s", "timeout = 2s").replace("\twatch = true\n", '\twatch = true\n\talso = { "198.18.0.0/16" }\n'))
    programs["probe"].send_signal(signal.SIGHUP)
    until("the network", lambda: store("SELECT count(*) FROM listing WHERE zone = 'whole.example'")[0][0] > 38000, 60)
    with open(work + "/probe.log") as f:
        want("it does not read" not in f.read(), "the connection was given up")


for name in list(programs):
    @test(f"abusewatch-{name} ends cleanly")
    def _():
        same(stop(name), 0, "exit status")


@test("the key is in no output, log, page, store or state")
def _():
    for name in os.listdir(work):
        if name.endswith(".log"):
            with open(f"{work}/{name}", "rb") as f:
                seen_output.append(f.read())
    for folder, _, files in os.walk(work + "/live"):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    seen_output.append(f.read())
    want(len(seen_output) > 40, "nothing was looked at")
    want(not any(SECRET[:8].encode() in o or SECRET.encode() in o or SECRET.lower().encode() in o.lower() for o in seen_output), "the key is there")
    want(any(b"asked as ****" in o for o in seen_output), "the list that tells it was not asked")


lab.__exit__()
subprocess.run(["rm", "-rf", work])
sys.exit(failed > 0)
