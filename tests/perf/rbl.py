"""The measuring half of rbl.sh."""
import json, os, resource, socket, statistics, subprocess, time

many, work, blast, bin_, ns = int(os.environ["MANY"]), os.environ["WORK"], os.environ["BLAST"], os.environ["BIN"], os.environ["HERE"]
inside = ["ip", "netns", "exec", ns]
ZONES = 60


def timed(args, stdin=None):
    """seconds, CPU seconds, output"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    r = subprocess.run(inside + args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=stdin)
    took = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, r.stdout


def prefixes(n):
    """n addresses from 198.18.0.0 on, as prefixes"""
    base, out = 198 << 24 | 18 << 16, []
    while n:
        size = 1 << (n.bit_length() - 1)
        while base % size:
            size >>= 1
        out.append(f"{base >> 24}.{base >> 16 & 255}.{base >> 8 & 255}.{base & 255}/{33 - size.bit_length()}")
        base += size
        n -= size
    return out


def row(name, lookups, seconds, cpu):
    print(f"{name:58} {lookups:>9,} {seconds:>9.3f} {lookups / seconds:>11,.0f} {cpu / lookups * 1e6:>10.2f}", flush=True)


# --- one address, through the running probe, each time another one
probe = subprocess.Popen(inside + [bin_ + "/abusewatch-probe", "-c", work + "/aw.conf"], stderr=subprocess.DEVNULL)
s = socket.socket(socket.AF_UNIX)
for _ in range(100):
    try:
        s.connect(work + "/state/probe.sock")
        break
    except OSError:
        time.sleep(0.05)
f = s.makefile("rwb")


def look_up(address):
    begun = time.monotonic()
    f.write(json.dumps({"do": "look-up", "targets": [address], "texts": False}).encode() + b"\n")
    f.flush()
    n = 0
    while True:
        line = f.readline()
        if b'"end"' in line[:8]:
            return time.monotonic() - begun, n
        n += b'"zone"' in line


look_up("198.18.0.1")  # the lists' self-tests
times = []
for i in range(200):
    took, n = look_up(f"198.19.{i}.1")
    assert n == ZONES, n
    times.append(took * 1000)
times.sort()
probe.terminate()
probe.wait()
# one round trip, as a question of our own sees it
q = b"\0\1\1\0\0\1\0\0\0\0\0\0\0019\00218\00218\003198\003z00\007example\0\0\1\0\1"
code = ("import socket, time\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.connect(('198.18.255.2', 53))\nt = []\nfor _ in range(50):\n b = time.monotonic()\n"
        f" s.send({q!r})\n s.recv(512)\n t.append(time.monotonic() - b)\nprint(sorted(t)[25] * 1000)")
ping = float(subprocess.run(inside + ["python3", "-c", code], capture_output=True, text=True).stdout)
print(f"one address x {ZONES} lists, cold, through abusewatch-probe: p50 {statistics.median(times):.2f} ms, p99 {times[int(len(times) * 0.99)]:.2f} ms; one round trip is {ping:.2f} ms\n")

print(f"{'over 20 ms':58} {'look-ups':>9} {'seconds':>9} {'a second':>11} {'us CPU':>10}")
for _ in range(3):
    took, cpu, out = timed([blast, "ask", "198.18.255.2", "53", str(ZONES), str(many)])
    got, seconds, own = out.split()
    row("bare sendmmsg, nothing checked", int(got), float(seconds), float(own))
    for name, more in (("abusewatch rbl, asking the lists' servers", ["--table", work + "/zones.conf"]),
                       ("abusewatch rbl --forward, asking a resolver", ["--table", work + "/forward.conf", "--forward", "198.18.255.2"])):
        took, cpu, out = timed([bin_ + "/abusewatch", "rbl", "-c", work + "/aw.conf", "--alone", "--no-texts", "--format", "table", *more, *prefixes(many)])
        assert f"{many * ZONES:d} look-ups" in out.decode()[-300:] and " unknown" not in out.decode()[-300:], out[-300:]
        row(name, many * ZONES, took, cpu)
few = max(many // 100, 10)
names = work + "/names"
with open(names, "w") as w:
    for a in range(few):
        for z in range(ZONES):
            w.write(f"{a & 255}.{a >> 8}.18.198.z{z:02}.example\n")
with open(names) as r:
    took, cpu, out = timed(["adnshost", "--config", "nameserver 198.18.255.2\n", "-a", "-ta", "-f"], stdin=r)
assert len(out.splitlines()) >= few * ZONES, "adnshost did not answer"
row(f"adnshost ({few} addresses)", few * ZONES, took, cpu)

with open(work + "/copy.txt", "w") as w:
    w.write(":127.0.0.2:x\n127.0.0.2\n" + "".join(f"10.{i >> 8 & 255}.{i & 255}.{i * 7 & 255}\n" for i in range(65536)) + "".join(f"10.{i}.0.0/20\n" for i in range(256)))
with open(work + "/files.conf", "w") as w:
    for i in range(4):
        w.write(f'zone "f{i}.example" {{ targets = {{ "ip4" }} file = "ip4trie:{work}/copy.txt" }}\n')
for how in ("table", "csv"):
    took, cpu, out = timed([bin_ + "/abusewatch", "rbl", "-c", work + "/aw.conf", "--alone", "--no-texts", "--table", work + "/files.conf", "--format", how, "10.0.0.0/12"])
    row(f"abusewatch rbl, a /12 on 4 lists that lie here, as {how}", 4 << 20, took, cpu)
rss = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(f"\nlargest resident size of any of them: {rss // 1024} MB")
