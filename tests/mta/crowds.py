#!/usr/bin/env python3
"""crowds.py AW DIR: logs with very many of one kind — hosts, recipients of one message, messages with one message-id, shapes of unknown lines —, as a
spammer or a fault makes them. A line of such a log must not take many times as long as one of a usual log: what is looked for among all that came
before would."""
import itertools, json, os, random, resource, subprocess, sys, tempfile

AW, DIR = sys.argv[1:3]
N = 60000
SLOWER = 20  # good builds have shown 8 beside other work; looking through all costs 40 and more here


def at(i):
    return "Nov 20 %02d:%02d:%02d mx" % (8 + i // 180000, i // 3000 % 60, i // 50 % 60)


def message(i, q, client, msgid, sender, rcpt, relay, outcome, removed=True):
    yield f"{at(i)} postfix/smtpd[1]: {q}: client={client}"
    yield f"{at(i)} postfix/cleanup[1]: {q}: message-id=<{msgid}>"
    yield f"{at(i)} postfix/qmgr[1]: {q}: from=<{sender}>, size=9, nrcpt=1 (queue active)"
    yield f"{at(i)} postfix/smtp[1]: {q}: to=<{rcpt}>, relay={relay}, delay=1, delays=0/0/0/1, {outcome}"
    if removed:
        yield f"{at(i)} postfix/qmgr[1]: {q}: removed"


SENT, LATER = "dsn=2.0.0, status=sent (250 ok)", "dsn=4.0.0, status=deferred (later)"
MX = "mx.example[192.0.2.9]:25"


def usual():
    for i in range(N):
        yield from message(i, "%010X" % i, f"c{i % 300}.example[203.0.113.{i % 200}]", f"m{i}@x.example", f"s{i % 500}@x.example", f"r{i % 3000}@y.example", MX, SENT)


def hosts():
    for i in range(N):
        for line in message(i, "%010X" % i, "c.example[203.0.113.1]", f"m{i}@x.example", "s@x.example", "r@y.example", MX, SENT):
            yield line.replace(" mx ", f" mx{i} ", 1)


def recipients():
    for i in range(N):
        yield f"{at(i)} postfix/smtp[1]: ABCDEF0123: to=<r{i}@y.example>, relay={MX}, delay=1, delays=0/0/0/1, {LATER}"


def one_message_id():
    for i in range(N):
        yield from message(i, "%010X" % i, f"c{i % 300}.example[203.0.113.{i % 200}]", "same@x.example", "s@x.example", f"r{i}@y.example", MX, LATER, False)


def filtered_with_one_message_id():
    for i in range(N):
        relay = "127.0.0.1[127.0.0.1]:10024"
        yield from message(i, "%010X" % i, "localhost[127.0.0.1]", "same@x.example", "s@x.example", f"r{i}@y.example", relay,
                           f"dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as {i + 1:010X})", False)


def unknown():
    r = random.Random(5)
    words = ["".join(r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(r.randint(2, 9))) for _ in range(5000)]
    for i in range(N):
        yield f"{at(i)} postfix/smtpd[{i}]: " + " ".join(r.choice(words) for _ in range(r.randint(4, 20)))


def bounces():
    for i in range(N):
        q, r = "%010X" % i, "%010X" % (i + 1)
        yield f"{at(i)} postfix/qmgr[1]: {q}: from=<>, size=9, nrcpt=1 (queue active)"
        yield f"{at(i)} postfix/smtp[1]: {q}: to=<b@y.example>, relay=none, delay=1, delays=0/0/0/1, dsn=5.0.0, status=bounced (no)"
        yield f"{at(i)} postfix/bounce[1]: {q}: sender non-delivery notification: {r}"
        yield f"{at(i)} postfix/qmgr[1]: {q}: removed"


def scripts():
    for i in range(N):
        stamp = f"2026-11-20 10:{i // 600 % 60:02d}:{i // 10 % 60:02d} [{i % 30000}]"
        yield f"{stamp} cwd=/home/u{i}/x 3 args: /usr/sbin/sendmail -t -i"
        yield f"{stamp} 1xWegG-{i:06d}-1a <= a@b.example U=web{i} P=local S=323 id=same@x.example"


def sessions():
    for i in range(N):
        yield (f"{at(i)} sm-mta[{i}]: uAK{i:011d}: from=<a{i}@b.example>, size=100, class=0, nrcpts=1, msgid=<same@x>, proto=ESMTP, daemon=MTA, "
               f"relay=h{i}.example [10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}]")


def spent():
    """Seconds of a processor that children took: how long they take is also a matter of who else runs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def lines_a_second(make):
    path = os.path.join(DIR, f"crowd-{make.__name__}.log")
    with open(path, "w") as f:
        n = sum(f.write(line + "\n") and 1 for line in make())
    best = 1e9
    for _ in range(2):
        begin = spent()
        out = subprocess.run([AW, "messages", "--year", "2026", path], stdout=subprocess.PIPE, check=True).stdout
        best = min(best, spent() - begin)
    os.unlink(path)
    return n / best, out


def check(name, good, why):
    print(f"ok crowds: {name}" if good else f"not ok crowds: {name} - {why}")


def strangers():
    """Hosts of our networks that turn up within an hour, each with a message to addresses that do not exist."""
    for i in range(20000):
        q, t = "%010X" % i, "Nov 20 08:%02d:%02d mx" % (i // 334, i % 60)
        yield f"{t} postfix/smtpd[1]: {q}: client=h{i}.x.example[198.18.{i >> 8 & 255}.{i & 255}]"
        yield f"{t} postfix/qmgr[1]: {q}: from=<s{i}@x.example>, size=9, nrcpt=8 (queue active)"
        for k in range(8):
            yield (f"{t} postfix/smtp[1]: {q}: to=<r{i * 7 + k}@y{(i + k) % 500}.example>, relay={MX}, delay=1, delays=0/0/0/1, dsn=5.1.1, "
                   "status=bounced (host mx.example[192.0.2.9] said: 550 5.1.1 user unknown (in reply to RCPT TO command))")
        yield f"{t} postfix/qmgr[1]: {q}: removed"


def lists(n):
    for i in range(n):
        q, t = "%010X" % i, "Nov 20 %02d:%02d:%02d mx" % (8 + i // 3600, i // 60 % 60, i % 60)
        yield f"{t} postfix/smtpd[1]: {q}: client=list.example[198.51.100.9]"
        yield f"{t} postfix/qmgr[1]: {q}: from=<list@list.example>, size=9, nrcpt=100 (queue active)"
        for k in range(100):
            yield f"{t} postfix/smtp[1]: {q}: to=<reader{i * 7 + k}@y{k}.example>, relay={MX}, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as {q})"
        yield f"{t} postfix/qmgr[1]: {q}: removed"


def memory_of_imports(*logs):
    """Of the last one, after the others."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "conf"), "w") as f:
            f.write('store = "store.db"\nsource "mx" { path = "log" mta = "postfix" timezone = "UTC" }\n')
        for log in logs:
            with open(os.path.join(folder, "log"), "w") as f:
                f.writelines(line + "\n" for line in log)
            pid = subprocess.Popen([os.path.abspath(AW), "import", "-c", "conf", "log"], cwd=folder, stderr=subprocess.DEVNULL).pid
            _, status, used = os.wait4(pid, 0)
            if status:
                return -1
        return used.ru_maxrss


def memory_of_import(principals_bytes):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "log"), "w") as f:
            f.writelines(line + "\n" for line in strangers())
        with open(os.path.join(folder, "conf"), "w") as f:
            f.write('store = "store.db"\nnetworks = { "198.18.0.0/15" }\nsource "mx" { path = "log" mta = "postfix" timezone = "UTC" }\n'
                    'detector "fusion" { principals-bytes = %d }\n' % principals_bytes)
        pid = subprocess.Popen([os.path.abspath(AW), "import", "-c", "conf", "log"], cwd=folder, stderr=subprocess.DEVNULL).pid
        _, status, used = os.wait4(pid, 0)
        return used.ru_maxrss if status == 0 else -1


# Memory first: what a child is said to have used counts this process' own, too.
# What is known of principals is bounded in between, too, not only when all is read.
little, much = memory_of_import(1 << 20), memory_of_import(1 << 30)
check("20,000 strangers take the memory that they may", 0 < little < 0.75 * much, f"{little} KiB where 1 MiB is allowed, {much} where a gigabyte is")

# An earlier import leaves its last messages as single rows: what comes next must not wait in memory for them, which takes three times as much. The early
# commit alone takes a quarter more (SQLite's pages).
first, second = memory_of_imports(lists(12000)), memory_of_imports(itertools.islice(usual(), 50), lists(12000))
check("a second import takes the memory of a first", 0 < first and 0 < second < 1.6 * first, f"{second} KiB, {first} where nothing was imported before")

rate, out = lines_a_second(usual)
check("usual messages are complete", out.count(b'"complete":true') == N, out.count(b'"complete":true'))
for make in (hosts, recipients, one_message_id, filtered_with_one_message_id, unknown, bounces, scripts, sessions):
    crowd, out = lines_a_second(make)
    check(f"{make.__name__} at {rate / crowd:.1f} times the price of a usual line", rate / crowd < SLOWER, f"{crowd:.0f} lines/s, usual {rate:.0f}")
    if make is hosts:
        check("each host's message is its own", out.count(b'"complete":true') == N, out.count(b'"complete":true'))
    if make is recipients:
        last = json.loads(out.splitlines()[-1])
        check("all recipients of one message", len({r["recipient"] for r in last["recipients"]}) == len(last["recipients"]) == N, len(last["recipients"]))
