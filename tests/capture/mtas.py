#!/usr/bin/env python3
"""mtas.py BIN-FOLDER WORK-FOLDER SERVER…: Postfix, Exim, Sendmail and OpenSMTPD (WORK/NAME/root has their packages, unpacked), each in a namespace of its
own, and a client. They send each other mail over veth pairs through a hub of ours that loses, repeats and reorders packets and writes down what it
carries. What the clients said and what was sent on must be found in the sessions of that capture; the same packets shuffled, and with 2 % of them
missing, must give the same sessions, or some that say that there is a gap. No password may be in any of it. Needs root."""
import base64
import heapq
import json
import os
import random
import select
import smtplib
import socket
import ssl
import struct
import subprocess
import sys
import time

BIN, WORK = sys.argv[1:3]
AW = os.path.join(BIN, "abusewatch")
ID = os.getpid()
ADDRESS = {"client": "192.0.2.10", "postfix": "192.0.2.11", "exim": "192.0.2.12", "sendmail": "192.0.2.13", "opensmtpd": "192.0.2.14"}
TLS = "192.0.2.21"
PASSWORD = "Tr1cky-Passw0rd-9"
HERE = os.path.dirname(os.path.abspath(__file__))


def sh(*command, check=True):
    r = subprocess.run(command, capture_output=True, text=True)
    if check and r.returncode:
        raise RuntimeError(f"{' '.join(command)}: {r.stderr}")
    return r


def ns(name):
    return f"awm{ID}-{name}"


def result(name, fault):
    print(f"not ok {name} - {str(fault)[:400]}" if fault else f"ok {name}", flush=True)


def network(names):
    sh("ip", "netns", "add", ns("hub"))
    for name in names:
        sh("ip", "netns", "add", ns(name))
        sh("ip", "-n", ns(name), "link", "set", "lo", "up")
        sh("ip", "link", "add", "eth0", "netns", ns(name), "type", "veth", "peer", "name", "to-" + name[:9], "netns", ns("hub"))
        sh("ip", "-n", ns("hub"), "link", "set", "to-" + name[:9], "up")
        for a in [ADDRESS[name]] + ([TLS] if name == "postfix" else []):
            sh("ip", "-n", ns(name), "addr", "add", a + "/24", "dev", "eth0")
        sh("ip", "-n", ns(name), "link", "set", "eth0", "up")
        sh("ip", "netns", "exec", ns(name), sys.executable, os.path.join(HERE, "real.py"), BIN, WORK, "plain", "eth0")


def hub(path, lose, repeat, reorder, seed, *names):
    """Carries every frame to all others; a capture of what came in."""
    rnd, ends = random.Random(int(seed)), []
    lose, repeat, reorder = float(lose), float(repeat), float(reorder)
    for name in names:
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind(("to-" + name[:9], 0))
        ends.append(s)
    out, late, n = open(path, "wb", buffering=0), [], 0
    out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
    print("ready", flush=True)
    while True:
        for s in select.select(ends, [], [], max(0, late[0][0] - time.monotonic()) if late else None)[0]:
            frame, (_, _, kind, *_) = s.recvfrom(65536)
            if kind == socket.PACKET_OUTGOING:
                continue
            ip = frame[12:14] == b"\x08\x00"
            now = time.time()
            if ip:
                out.write(struct.pack("<IIII", int(now), int(now % 1 * 1e6), len(frame), len(frame)) + frame)
            if ip and rnd.random() < lose:
                continue
            for _ in range(2 if ip and rnd.random() < repeat else 1):
                n += 1
                heapq.heappush(late, (time.monotonic() + (rnd.uniform(0.003, 0.01) if ip and rnd.random() < reorder else 0.0005), n, s, frame))
        while late and late[0][0] <= time.monotonic():
            _, _, came, frame = heapq.heappop(late)
            for to in ends:
                if to is not came:
                    to.send(frame)


# --- the client ------------------------------------------------------------------------------------------------------


def letter(name, size):
    return f"From: <ann@client.example>\r\nSubject: {name}\r\nMessage-ID: <{name}@client.example>\r\n\r\n" + "some words in a line\r\n" * (size // 22)


def dialogue(name, address, kind):
    s = smtplib.SMTP(address, 25, local_hostname=f"{kind.lower().replace(' ', '-')}.client.example", timeout=30)
    want = {"server": address, "client_port": s.sock.getsockname()[1], "kind": f"{name} {kind}", "helo": s.local_hostname}
    s.ehlo()
    sender, box, text = "ann@client.example", f"ann@{name}.example", letter(f"{name}-{kind.replace(' ', '-')}", 4000)
    whole = {"sender": sender, "accepted": True, "message_id": f"<{name}-{kind.replace(' ', '-')}@client.example>", "data_bytes": len(text)}
    if kind in ("PLAIN", "LOGIN", "CRAM-MD5"):
        s.user, s.password = "ann@isp.example", PASSWORD
        s.auth(kind, {"PLAIN": s.auth_plain, "LOGIN": s.auth_login, "CRAM-MD5": s.auth_cram_md5}[kind])
        want |= {"auth_method": kind, "account": "ann@isp.example", "auth_ok": True}
    if kind == "starttls":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        s.starttls(context=context)
        s.ehlo()
        s.sendmail(sender, ["ann@tls.example"], text)
        want |= {"starttls": True, "tls": True, "tls_message": True, "messages": []}
    elif kind == "pipelined":
        s.send(f"MAIL FROM:<{sender}>\r\nRCPT TO:<{box}>\r\nRSET\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<{box}>\r\n")
        codes = [s.getreply()[0] for _ in range(5)]
        whole["accepted"] = s.data(text)[0] == 250
        want |= {"messages": [{"sender": sender, "accepted": False}, whole | {"recipients": [{"recipient": box, "code": codes[4]}]}], "pipelined": True}
    elif kind == "bdat":
        for code, reply in (s.mail(sender), s.rcpt(box)):
            assert code == 250, reply
        empty = [("", "")] if name == "postfix" else []  # Exim takes no empty chunk
        for part, last in [(text[:1500], "")] + empty + [(text[1500:], " LAST")]:
            s.send(f"BDAT {len(part)}{last}\r\n" + part)
            code = s.getreply()[0]
        want |= {"bdat": True, "messages": [whole | {"accepted": code == 250}]}
    elif kind == "smtputf8":
        s.mail(sender, ["SMTPUTF8", "BODY=8BITMIME"])
        s.send(f"RCPT TO:<b\u00e4nne@{name}.example>\r\n".encode())
        code = s.getreply()[0]
        ok = code == 250 and s.data(text)[0] == 250
        want |= {"messages": [whole | {"accepted": ok, "recipients": [{"recipient": f"b\u00e4nne@{name}.example", "code": code}]}]}
        if not ok:
            want["messages"][0] = {"sender": sender, "recipients": want["messages"][0]["recipients"]}
    elif kind == "refused":
        code = (s.mail(sender)[0], s.rcpt(f"nobody@{name}.example")[0], s.rcpt("x@elsewhere.example")[0])
        want |= {"messages": [{"sender": sender, "recipients": [{"recipient": f"nobody@{name}.example", "code": code[1]}, {"recipient": "x@elsewhere.example", "code": code[2]}]}]}
    else:
        code = [s.mail(sender)[0], s.rcpt(box)[0]]
        whole["accepted"] = s.data(text)[0] == 250
        want |= {"messages": [whole | {"recipients": [{"recipient": box, "code": code[1]}]}]}
    s.quit()
    return want


def client(names):
    """What each session had; and messages that every server is to send on to every other."""
    kinds = {"exim": ["plain", "pipelined", "bdat", "smtputf8", "PLAIN", "LOGIN", "CRAM-MD5", "refused"], "postfix": ["plain", "pipelined", "bdat", "smtputf8", "refused"],
             "sendmail": ["plain", "pipelined", "refused"], "opensmtpd": ["plain", "refused"]}  # which hangs up on who pipelines
    for name in names:
        for kind in kinds[name]:
            try:
                print(json.dumps(dialogue(name, ADDRESS[name], kind)), flush=True)
            except (OSError, smtplib.SMTPException, AssertionError) as e:
                raise SystemExit(f"the client fails at {name}, {kind}: {e!r}")
    if "postfix" in names:
        print(json.dumps(dialogue("postfix", TLS, "starttls")), flush=True)
    for a in names:
        for b in names + ["tls"]:
            if a == b or b == "tls" and a in ("postfix", "opensmtpd"):
                continue
            for k in range(2):
                s = smtplib.SMTP(ADDRESS[a], 25, local_hostname="inject.client.example", timeout=30)
                s.sendmail("ann@client.example", [f"ann@{b}.example"], letter(f"{a}-to-{b}-{k}", 300 + 9000 * k))
                s.quit()
                print(json.dumps({"relayed": f"{a}-to-{b}-{k}@client.example", "from": ADDRESS[a], "to": TLS if b == "tls" else ADDRESS[b], "size": len(letter(f"{a}-to-{b}-{k}", 300 + 9000 * k)),
                                  "recipient": f"ann@{b}.example"}), flush=True)


# --- what is made of it ----------------------------------------------------------------------------------------------


def read(pcap):
    text = subprocess.run([AW, "capture", "-r", pcap, "--expression", "tcp port 25", "--format", "ndjson"], capture_output=True, text=True, check=True).stdout
    return text, [json.loads(line) for line in text.splitlines()]


def key(s):
    return s["client_ip"], s["client_port"], s["server_ip"]


def found(wants, sessions):
    """Of the clients' sessions and of the mail that was sent on: what is wrong; how often packets are missing."""
    from run import differs
    by = {key(s): s for s in sessions}
    faults, gaps, same, relayed, bdat, tls = [], 0, 0, 0, 0, 0
    for w in wants:
        if "relayed" in w:
            mine = [s for s in sessions if (s["client_ip"], s["server_ip"]) == (w["from"], w["to"])]
            hit = [(s, m) for s in mine for m in s["messages"] if m.get("message_id") == f"<{w['relayed']}>"]
            encrypted = [s for s in mine if s.get("tls")]
            if hit:
                s, m = hit[0]
                bad = not m["accepted"] or [r["recipient"] for r in m["recipients"]] != [w["recipient"]] or m["data_bytes"] < w["size"] or m["sender"] != "ann@client.example"
                if bad and not s["gap"]:
                    faults.append(f"{w['relayed']}: {m}")
                gaps += s["gap"]
                relayed += 1
                bdat += s.get("bdat", False)
            elif encrypted:
                tls += 1
            elif not any(s["gap"] for s in mine):
                faults.append(f"{w['relayed']} is nowhere")
            continue
        s = by.get((ADDRESS["client"], w["client_port"], w["server"]))
        fault = differs({k: v for k, v in w.items() if k not in ("server", "kind", "client_port")}, s) if s else "no session"
        if fault and not (s and s["gap"]):
            faults.append(f"{w['kind']}: {fault}")
        same += not fault
        gaps += bool(s and s["gap"])
    return faults, f"{same} sessions of the client the same, {relayed} messages sent on ({bdat} by BDAT, {tls} more encrypted), {gaps} with a gap"


def packets(path):
    with open(path, "rb") as f:
        head, out = f.read(24), []
        while len(h := f.read(16)) == 16:
            out.append((h[:8], h[8:], f.read(struct.unpack("<I", h[8:12])[0])))
    return head, out


def write(path, head, list_):
    with open(path, "wb") as f:
        f.write(head + b"".join(t + n + d for t, n, d in list_))


def told(s):
    """What a session says, without its times and counters of packets."""
    return {k: v for k, v in s.items() if k not in ("first_time", "last_time", "retransmits", "overlaps", "lost_bytes", "early_talker", "pipelined", "client_bytes", "server_bytes", "end", "tls_message", "tls_print", "sni")}


def but_for_the_last(a, b):
    """The answer to QUIT, which Postfix does not wait for, is in the same segment as its server's FIN: nothing tells when that is missing."""
    less = {k: a["replies"][k] - b["replies"][k] for k in a["replies"]}
    return a.get("quit") and less.pop("2xx") == 1 and not any(less.values()) and a | {"replies": 0} == b | {"replies": 0}


def damaged(pcap, whole):
    """Shuffled, and with losses: each session as it was, or with a gap."""
    head, all_ = packets(pcap)
    truth = {key(s): told(s) for s in whole if not s["gap"]}
    for name, make in (("shuffled", lambda r: sorted(range(len(all_)), key=lambda i: i + r.uniform(0, 6))), ("2 % missing", lambda r: [i for i in range(len(all_)) if r.random() >= 0.02])):
        wrong, same, gaps = [], 0, 0
        for seed in range(8):
            order = make(random.Random(seed))
            path = os.path.join(WORK, "damaged.pcap")
            write(path, head, [(all_[n if name == "shuffled" else i][0], *all_[i][1:]) for n, i in enumerate(order)])
            for s in read(path)[1]:
                if key(s) not in truth:
                    continue
                equal = told(s) == truth[key(s)] or but_for_the_last(truth[key(s)], told(s))
                same += equal
                gaps += not equal and s["gap"]
                if not equal and not s["gap"] and not s.get("one_sided") and not s.get("mid_stream"):
                    wrong.append(next((f"{key(s)} {k}: {s.get(k)} instead of {v}" for k, v in truth[key(s)].items() if s.get(k) != v), "more"))
        result(f"real servers, {name} ({same} sessions the same, {gaps} with a gap)", wrong[0] + f" ({len(wrong)} in all)" if wrong else None)


def no_password(*paths):
    needles = [PASSWORD.encode(), base64.b64encode(PASSWORD.encode())[:-4], base64.b64encode(f"\0ann@isp.example\0{PASSWORD}".encode())[20:-4]]
    return next((f"a password is in {p}" for p in paths for n in needles if n in open(p, "rb").read()), None)


def imported(pcap):
    """The store of an import of the capture."""
    conf = os.path.join(WORK, "aw.conf")
    with open(conf, "w") as f:
        f.write('store = "mtas.db"\nnetworks = { "192.0.2.0/25" }\nlocal-domains = { "client.example" }\nsource "mx1" { path = "mail.log" mta = "postfix" }\n')
    sh(AW, "import", "-c", conf, pcap)
    return os.path.join(WORK, "mtas.db")


def netem():
    """Whether this kernel has tc's netem."""
    return sh("ip", "netns", "exec", ns("client"), "tc", "qdisc", "add", "dev", "eth0", "root", "netem", "loss", "2%", "delay", "3ms", "2ms", "reorder", "10%", "duplicate", "2%", check=False).returncode == 0


def round_of(title, names, lose, repeat, reorder, seed, also=False):
    pcap = os.path.join(WORK, f"round{seed}.pcap")
    between = subprocess.Popen(["ip", "netns", "exec", ns("hub"), sys.executable, os.path.abspath(__file__), BIN, WORK, "hub", pcap, str(lose), str(repeat), str(reorder), str(seed),
                                "client", *names], stdout=subprocess.PIPE)
    between.stdout.readline()
    try:
        r = subprocess.run(["ip", "netns", "exec", ns("client"), sys.executable, os.path.abspath(__file__), BIN, WORK, "client", *names], capture_output=True, text=True)
        if r.returncode:
            raise RuntimeError(r.stderr[-600:])
        wants = [json.loads(line) for line in r.stdout.splitlines()]
        size, since, end = -1, time.monotonic(), time.monotonic() + 60
        while time.monotonic() < end and time.monotonic() - since < 5:  # until all that was to be sent on has been
            now = os.path.getsize(pcap)
            if now != size:
                size, since = now, time.monotonic()
            time.sleep(0.2)
    finally:
        between.kill()
        between.wait()
    text, sessions = read(pcap)
    faults, said = found(wants, sessions)
    out = os.path.join(WORK, "sessions")
    with open(out, "w") as f:
        f.write(text)
    store = imported(pcap)
    fault = faults[0] + f" ({len(faults)} in all)" if faults else no_password(out, store)
    for end in ("", "-wal", "-shm", ".lock"):
        if os.path.exists(store + end):
            os.unlink(store + end)
    result(f"{title} ({said})", fault)
    if also:
        damaged(pcap, sessions)


def wait_for(name):
    for _ in range(100):
        if sh("ip", "netns", "exec", ns("client"), sys.executable, "-c", f"import socket; socket.create_connection(('{ADDRESS[name]}', 25), 1).recv(9)", check=False).returncode == 0:
            return True
        time.sleep(0.2)
    return False


def main(names):
    os.chmod(WORK, 0o755)
    running, hubs = [], None
    try:
        network(["client"] + names)
        hubs = subprocess.Popen(["ip", "netns", "exec", ns("hub"), sys.executable, os.path.abspath(__file__), BIN, WORK, "hub", "/dev/null", "0", "0", "0", "0", "client", *names], stdout=subprocess.PIPE)
        hubs.stdout.readline()
        for name in names:
            log = open(os.path.join(WORK, name + ".out"), "wb")
            running.append(subprocess.Popen(["ip", "netns", "exec", ns(name), "unshare", "-p", "-f", "-m", "-u", "--kill-child", "sh", os.path.join(HERE, "mta.sh"), name, os.path.join(WORK, name), ADDRESS[name]],
                                            stdout=log, stderr=log))
        up = [n for n in names if wait_for(n)]
        for name in set(names) - set(up):
            result(f"{name} runs", open(os.path.join(WORK, name + ".out")).read()[-300:] or "it does not answer")
        hubs.kill()
        hubs.wait()
        if len(up) < 2:
            return
        round_of(f"real servers ({', '.join(up)})", up, 0, 0, 0, 1, also=True)
        round_of("real servers, a wire that loses, repeats and reorders", up, 0.02, 0.03, 0.15, 2)
        if netem():
            round_of("real servers, netem", up, 0, 0, 0, 3)
        else:
            print("skip real servers, netem - this kernel has no tc netem")
    finally:
        for p in running + [hubs]:
            if p:
                p.kill()
                p.wait()
        for name in ["hub", "client"] + names:
            sh("ip", "netns", "del", ns(name), check=False)


ROLE = sys.argv[3] if len(sys.argv) > 3 else ""
if ROLE == "hub":
    hub(*sys.argv[4:])
elif ROLE == "client":
    client(sys.argv[4:])
else:
    main(sys.argv[3:])
