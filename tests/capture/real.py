#!/usr/bin/env python3
"""real.py BIN-FOLDER WORK-FOLDER: a real Postfix and real clients at the two ends of a wire that loses, repeats and reorders packets (two veth pairs
and a process between them, as not every kernel has tc's netem), captured live: every session must come out as the client had it, or say
that there is a gap. Needs root and Postfix."""
import array
import base64
import fcntl
import heapq
import json
import os
import random
import select
import signal
import smtplib
import socket
import ssl
import struct
import subprocess
import sys
import time

from run import differs

BIN, WORK = sys.argv[1:3]
NS = f"awn{os.getpid()}"
MX, CLIENT = "203.0.113.25", "198.18.5.7"
PASSWORD = "Tr1cky-Passw0rd-9"


def sh(*command, check=True):
    r = subprocess.run(command, capture_output=True, text=True)
    if check and r.returncode:
        raise RuntimeError(f"{' '.join(command)}: {r.stderr}")
    return r


def result(name, fault):
    print(f"not ok {name} - {str(fault)[:300]}" if fault else f"ok {name}", flush=True)


def network():
    for ns in (NS, NS + "w", NS + "c"):
        sh("ip", "netns", "add", ns)
        sh("ip", "-n", ns, "link", "set", "lo", "up")
    for ns, dev, end, address in ((NS, "mx0", "wire-m", MX), (NS + "c", "eth0", "wire-c", CLIENT)):
        sh("ip", "link", "add", dev, "netns", ns, "type", "veth", "peer", "name", end, "netns", NS + "w")
        sh("ip", "-n", NS + "w", "link", "set", end, "up")
        sh("ip", "-n", ns, "addr", "add", address + "/32", "dev", dev)
        sh("ip", "-n", ns, "link", "set", dev, "up")
        sh("ip", "-n", ns, "route", "add", "default", "dev", dev)
        sh("ip", "netns", "exec", ns, sys.executable, os.path.abspath(__file__), BIN, WORK, "plain", dev)


def plain(dev):
    """Checksums and segments are made by the stack, not left to a card that is not there."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for command in (0x17, 0x1f, 0x24, 0x2c):  # ETHTOOL_STXCSUM, STSO, SGSO, SGRO
        value = array.array("B", struct.pack("II", command, 0))
        fcntl.ioctl(s, 0x8946, struct.pack("16sP", dev.encode(), value.buffer_info()[0]))


def wire(lose, repeat, reorder, seed):
    """Carries frames between the two ends; some late, so that others overtake them."""
    rnd = random.Random(seed)
    ends = []
    for dev in ("wire-m", "wire-c"):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind((dev, 0))
        ends.append(s)
    late, n = [], 0
    print("ready", flush=True)
    while True:
        wait = max(0, late[0][0] - time.monotonic()) if late else None
        for s in select.select(ends, [], [], wait)[0]:
            frame, (_, _, kind, *_) = s.recvfrom(65536)
            if kind == socket.PACKET_OUTGOING or (rnd.random() < lose and frame[12:14] == b"\x08\x00"):
                continue
            for _ in range(2 if rnd.random() < repeat else 1):
                n += 1
                heapq.heappush(late, (time.monotonic() + (rnd.uniform(0.004, 0.012) if rnd.random() < reorder else 0.001), n, ends[1 - ends.index(s)], frame))
        while late and late[0][0] <= time.monotonic():
            _, _, to, frame = heapq.heappop(late)
            to.send(frame)


def postfix():
    etc = os.path.join(WORK, "etc")
    for d in ("etc/sasl", "spool", "data"):
        os.makedirs(os.path.join(WORK, d), exist_ok=True)
    for f in ("postfix-files", "dynamicmaps.cf"):
        sh("cp", "/etc/postfix/" + f, etc, check=False)
    with open(os.path.join(etc, "known"), "w") as f:
        f.write("".join(f"box{n}@world.example x\n" for n in range(30)))
    with open(os.path.join(etc, "main.cf"), "w") as f:
        f.write(f"""compatibility_level = 3.6
queue_directory = {WORK}/spool
data_directory = {WORK}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
myhostname = mx.world.example
mydestination = world.example
mynetworks = 127.0.0.0/8
inet_interfaces = {MX}
inet_protocols = ipv4
local_recipient_maps = texthash:{etc}/known
local_transport = discard:
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = isp.example
smtpd_sasl_security_options = noanonymous
cyrus_sasl_config_path = {etc}/sasl
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_chain_files = {etc}/both.pem
maillog_file = {WORK}/mail.log
maillog_file_prefixes = {WORK}
alias_maps =
""")
    sh("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mx.world.example", "-keyout", etc + "/key.pem", "-out", etc + "/cert.pem")
    with open(etc + "/both.pem", "w") as f:
        f.write(open(etc + "/key.pem").read() + open(etc + "/cert.pem").read())
    if sh("cp", "/usr/share/postfix/master.cf.dist", etc + "/master.cf", check=False).returncode:
        sh("cp", "/etc/postfix/master.cf", etc + "/master.cf")
    sh("postconf", "-c", etc, "-F", "*/*/chroot=n")
    sh("postconf", "-c", etc, "-M", "postlog/unix-dgram=postlog unix-dgram n - n - 1 postlogd")
    with open(etc + "/sasl/smtpd.conf", "w") as f:
        f.write(f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN CRAM-MD5\nsasldb_path: {etc}/sasl/sasldb2\n")
    subprocess.run(["saslpasswd2", "-p", "-c", "-f", etc + "/sasl/sasldb2", "-u", "isp.example", "ann"], input=PASSWORD.encode(), check=True)
    sh("chmod", "-R", "a+rX", WORK)
    sh("chown", "postfix", WORK + "/data")
    sh("ip", "netns", "exec", NS, "postfix", "-c", etc, "start")


def letter(n, size):
    return f"From: <x@customer.example>\r\nSubject: letter {n}\r\nMessage-ID: <{n}@customer.example>\r\n\r\n" + "some words in a line\r\n" * (size // 22)


def talk(n):
    """One session in the client's namespace (this process is there); what it had, as the capture should say it."""
    helo = f"client{n}.example"
    kind = ("plain", "two messages", "pipelined", "bdat", "starttls", "PLAIN", "LOGIN", "CRAM-MD5", "unknown", "early quit")[n % 10]
    want = {"helo": helo, "quit": True, "early_talker": False}
    s = smtplib.SMTP(MX, 25, local_hostname=helo, timeout=60)
    want["client_port"] = s.sock.getsockname()[1]
    s.ehlo()
    sender, box = f"x{n}@customer.example", f"box{n % 30}@world.example"

    def message(text):
        codes = [s.mail(sender)[0], s.rcpt(box)[0]]
        code, reply = s.data(text)
        assert codes == [250, 250] and code == 250, (codes, code, reply)
        return {"sender": sender, "recipients": [{"recipient": box, "code": 250}], "accepted": True, "code": 250, "reply": reply.decode(),
                "data_bytes": len(text), "message_id": text.split("Message-ID: ")[1].split("\r\n")[0]}

    if kind in ("PLAIN", "LOGIN", "CRAM-MD5"):
        s.user, s.password = "ann@isp.example", PASSWORD
        s.auth(kind, {"PLAIN": s.auth_plain, "LOGIN": s.auth_login, "CRAM-MD5": s.auth_cram_md5}[kind])
        want |= {"auth_method": kind, "account": "ann@isp.example", "auth_ok": True, "messages": [message(letter(n, 3000))]}
    elif kind == "starttls":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        s.starttls(context=context)
        s.ehlo()
        message(letter(n, 20000))
        want |= {"starttls": True, "tls": True, "quit": False, "tls_message": True, "messages": []}
    elif kind == "pipelined":
        text = letter(n, 9000)
        s.send(f"MAIL FROM:<{sender}>\r\nRCPT TO:<{box}>\r\nRCPT TO:<nobody@world.example>\r\nDATA\r\n")
        codes = [s.getreply()[0] for _ in range(4)]
        s.send(text + ".\r\n")
        reply = s.getreply()[1].decode()
        want |= {"pipelined": True, "messages": [{"sender": sender, "accepted": True, "reply": reply, "data_bytes": len(text),
                 "recipients": [{"recipient": box, "code": codes[1]}, {"recipient": "nobody@world.example", "code": codes[2]}]}]}
    elif kind == "bdat":
        text = letter(n, 6000)
        s.mail(sender)
        s.rcpt(box)
        s.send(f"BDAT {len(text) // 2}\r\n" + text[:len(text) // 2])
        s.getreply()
        s.send(f"BDAT {len(text) - len(text) // 2} LAST\r\n" + text[len(text) // 2:])
        want |= {"bdat": True, "messages": [{"sender": sender, "accepted": True, "reply": s.getreply()[1].decode(), "data_bytes": len(text)}]}
    elif kind == "unknown":
        code = (s.mail(sender)[0], s.rcpt("nobody@world.example")[0], s.rcpt("box1@elsewhere.example")[0])
        want |= {"messages": [{"sender": sender, "accepted": False, "recipients": [{"recipient": "nobody@world.example", "code": code[1]},
                                                                                  {"recipient": "box1@elsewhere.example", "code": code[2]}]}]}
    elif kind == "two messages":
        want |= {"messages": [message(letter(n, 200)), message(letter(1000 + n, 40000))]}
    elif kind == "plain":
        want |= {"messages": [message(letter(n, 1500))]}
    else:
        want |= {"messages": []}
    s.quit()
    return want


def clients(count):
    """In a child that lives in the client's namespace: prints what each session had."""
    me = [sys.executable, os.path.abspath(__file__), BIN, WORK, "client", str(count)]
    r = subprocess.run(["ip", "netns", "exec", NS + "c", *me], capture_output=True, text=True)
    if r.returncode:
        raise RuntimeError(r.stderr[-400:])
    return [json.loads(line) for line in r.stdout.splitlines()]


def captured(name, count, *how):
    me = [sys.executable, os.path.abspath(__file__), BIN, WORK, "wire", *map(str, how)]
    between = subprocess.Popen(["ip", "netns", "exec", NS + "w", *me], stdout=subprocess.PIPE)
    between.stdout.readline()
    try:
        compare(name, count)
    finally:
        between.kill()
        between.wait()


def compare(name, count):
    out = open(os.path.join(WORK, "sessions"), "wb")
    p = subprocess.Popen(["ip", "netns", "exec", NS, os.path.join(BIN, "abusewatch"), "capture", "-i", "mx0", "--format", "ndjson"], stdout=out)
    time.sleep(1)
    wants = clients(count)
    time.sleep(3)
    p.send_signal(signal.SIGINT)
    p.wait(20)
    text = open(out.name, "rb").read()
    got = {s["client_port"]: s for s in map(json.loads, text.splitlines())}
    faults, same, gaps = [], 0, 0
    for want in wants:
        s = got.get(want["client_port"])
        fault = differs(want, s) if s else "no session"
        same += not fault
        gaps += bool(fault and s and s["gap"])
        if fault and not (s and s["gap"]):
            faults.append(fault)
    needles = [PASSWORD.encode(), base64.b64encode(PASSWORD.encode())[:-4], base64.b64encode(f"\0ann@isp.example\0{PASSWORD}".encode())[-20:-4]]
    faults += [f"a password is shown: {n}" for n in needles if n in text]
    result(f"{name} ({same} sessions the same, {gaps} with a gap)", faults[0] if faults else None)


def main():
    os.makedirs(WORK, exist_ok=True)
    os.chmod(WORK, 0o755)
    try:
        network()
        postfix()
        for _ in range(100):
            if sh("ip", "netns", "exec", NS, sys.executable, "-c", f"import socket; socket.create_connection(('{MX}', 25), 1).recv(9)", check=False).returncode == 0:
                break
            time.sleep(0.2)
        captured("real Postfix and clients", 20, 0, 0, 0, 1)
        captured("real Postfix and clients, 3 % lost", 20, 0.03, 0, 0, 2)
        captured("real Postfix and clients, reordered and repeated", 20, 0.01, 0.05, 0.25, 3)
    finally:
        sh("ip", "netns", "exec", NS, "postfix", "-c", os.path.join(WORK, "etc"), "stop", check=False)
        for ns in (NS, NS + "w", NS + "c"):
            sh("ip", "netns", "del", ns, check=False)


ROLE = sys.argv[3] if len(sys.argv) > 3 else ""
if ROLE == "client":
    for k in range(int(sys.argv[4])):
        print(json.dumps(talk(k)), flush=True)
elif ROLE == "plain":
    plain(sys.argv[4])
elif ROLE == "wire":
    wire(*map(float, sys.argv[4:8]))
else:
    main()
