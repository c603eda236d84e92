#!/usr/bin/env python3
"""peers.py ABUSEWATCH DATA-FOLDER: captures of other projects (DATA/peers) against what these projects expect (Suricata's test.yaml, Zeek's smtp.log) and
what tshark says of them (DATA/oracle/pcap): who greeted as whom, who wrote to whom. One test a project. What a peer sees otherwise for a known reason
stands in OTHERWISE."""
import collections
import csv
import glob
import gzip
import json
import os
import re
import subprocess
import sys

try:
    import yaml
except ImportError:
    yaml = None

AW, DATA = sys.argv[1:3]
csv.field_size_limit(1 << 30)
# (part of a path, field) -> why ours is another
OTHERWISE = {
    ("smtp-long-command", "helo"): "of a line of several KiB the beginning is kept, and that it was long",
    ("http-connect", "t-online.de"): "SMTP inside an HTTP CONNECT tunnel is not looked for",
}


def sessions(path):
    data = gzip.open(path).read() if path.endswith(".gz") else open(path, "rb").read()
    r = subprocess.run([AW, "capture", "-r", "-", "--format", "ndjson"], input=data, capture_output=True)
    return [json.loads(line) for line in r.stdout.splitlines()], r.stderr.decode("utf-8", "replace").strip()


def address(text):
    m = re.search(r"<([^>]*)>?", text)
    return (m.group(1) if m else text.split(":", 1)[-1].strip().split(" ")[0]).strip()


def tshark(path):
    """stream -> what its client said, as tshark tells commands from text."""
    out = collections.OrderedDict()
    with open(path, encoding="utf-8", errors="replace", newline="") as f:
        for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            s = out.setdefault(row["tcp.stream"], {"helo": [], "senders": [], "recipients": [], "port": None, "ip": None})
            verbs, args = (row["smtp.req.command"] or "").split("|"), (row["smtp.req.parameter"] or "").split("|")
            if not verbs[0]:
                continue
            s["ip"], s["port"] = row["ip.src"] or row["ipv6.src"], row["tcp.srcport"]
            if len(verbs) != len(args):
                s["unsure"] = True  # columns of pipelined commands without arguments do not line up
                continue
            for verb, arg in zip(verbs, args):
                if verb.upper() in ("EHLO", "HELO"):
                    s["helo"].append(arg.strip())
                elif verb.upper() == "MAIL":
                    s["senders"].append(address(arg))
                elif verb.upper() == "RCPT":
                    s["recipients"].append(address(arg))
    return out


def same_as_tshark(name, path, ours):
    faults, n = [], 0
    by = {(s["client_ip"], str(s["client_port"])): s for s in ours}
    for stream, want in tshark(path).items():
        s = by.get((want["ip"], want["port"]))
        if not want["port"] or want.get("unsure") or not (want["helo"] or want["senders"]):
            continue
        if not s:
            faults.append(f"{name} stream {stream}: no session")
            continue
        n += 1
        if s["gap"] or s.get("mid_stream") or s.get("one_sided"):
            continue
        if want["helo"] and s.get("helo") not in want["helo"]:
            faults.append(f"{name} stream {stream} helo: {want['helo']}, ours {s.get('helo')!r}")
        mine = [m.get("sender") for m in s["messages"]]
        if [x for x in want["senders"] if x not in mine]:
            faults.append(f"{name} stream {stream} senders: {want['senders']}, ours {mine}")
        mine = [r["recipient"] for m in s["messages"] for r in m["recipients"]]
        if [x for x in want["recipients"] if x not in mine]:
            faults.append(f"{name} stream {stream} recipients: {want['recipients']}, ours {mine}")
    return n, faults


def same_as_suricata(folder, ours):
    """The checks of test.yaml that say something of SMTP transactions."""
    faults, n = [], 0
    with open(os.path.join(folder, "test.yaml")) as f:
        checks = (yaml.safe_load(f) or {}).get("checks") or []
    for c in checks:
        match = (c.get("filter") or {}).get("match") or {}
        if match.get("event_type") != "smtp" or c["filter"].get("count") == 0:
            continue
        helo, sender, rcpt = match.get("smtp.helo"), match.get("smtp.mail_from"), [v for k, v in match.items() if k.startswith("smtp.rcpt_to[")]
        n += bool(helo or sender or rcpt)
        if helo and not any(s.get("helo") == helo for s in ours):
            faults.append(f"{os.path.basename(folder)} helo: {helo}, ours {[s.get('helo') for s in ours]}")
        if sender and not any(m.get("sender") == address(sender) for s in ours for m in s["messages"]):
            faults.append(f"{os.path.basename(folder)} senders: {sender}, ours {[m.get('sender') for s in ours for m in s['messages']]}")
        for r in rcpt:
            if not any(address(r) == x["recipient"] for s in ours for m in s["messages"] for x in m["recipients"]):
                faults.append(f"{os.path.basename(folder)} recipients: {r}, ours {[x['recipient'] for s in ours for m in s['messages'] for x in m['recipients']]}")
    return n, faults


def same_as_zeek(log, ours):
    faults, n, fields = [], 0, []
    for line in open(log, encoding="utf-8", errors="replace"):
        if line.startswith("#fields"):
            fields = line.rstrip("\n").split("\t")[1:]
        if line.startswith("#") or not fields:
            continue
        row = dict(zip(fields, line.rstrip("\n").split("\t")))
        if row.get("mailfrom", "-") == "-":
            continue
        n += 1
        if not any(m.get("sender") == row["mailfrom"] and {r["recipient"] for r in m["recipients"]} >= set(row["rcptto"].split(",")) - {"-"} for s in ours for m in s["messages"]):
            faults.append(f"{os.path.basename(os.path.dirname(log))}: {row['mailfrom']} to {row['rcptto']}")
    return n, faults


def main():
    peers, total = os.path.join(DATA, "peers"), collections.defaultdict(lambda: [0, 0, []])
    kinds = ("*.pcap", "*.pcapng", "*.cap", "*.trace", "*.pcap.gz")
    for path in sorted(p for k in kinds for p in glob.glob(os.path.join(peers, "**", k), recursive=True)):
        ours, error = sessions(path)
        name = os.path.relpath(path, peers)
        project = name.split(os.sep)[0]
        say = total[project]
        say[0] += 1
        if error and "cut" not in error and "damaged" not in error and "short" not in error:
            print(f"{name}: {error}", file=sys.stderr)
        n, faults = 0, []
        oracle = os.path.join(DATA, "oracle", "pcap", name.replace(os.sep, "~") + ".tshark.tsv")
        for check in ([lambda: same_as_tshark(name, oracle, ours)] if os.path.exists(oracle) else []) + \
                     ([lambda: same_as_suricata(os.path.dirname(path), ours)] if yaml and os.path.exists(os.path.join(os.path.dirname(path), "test.yaml")) else []):
            a, b = check()
            n += a
            faults += b
        say[1] += n
        say[2] += [f for f in faults if not any(part in f and field in f for part, field in OTHERWISE)]
    zeek = [s for p in glob.glob(os.path.join(peers, "zeek", "testing", "btest", "Traces", "**", "*"), recursive=True) if os.path.isfile(p) for s in sessions(p)[0]]
    for log in sorted(glob.glob(os.path.join(peers, "zeek", "testing", "btest", "Baseline", "**", "*smtp*log*"), recursive=True)):
        n, faults = same_as_zeek(log, zeek)
        total["zeek"][1] += n
        total["zeek"][2] += [f for f in faults if not any(part in f and field in f for part, field in OTHERWISE)]
    for project, (captures, n, faults) in sorted(total.items()):
        for f in faults[:40]:
            print(f"{project}: {f[:400]}", file=sys.stderr)
        print(f"not ok captures of {project} - {len(faults)} differ: {faults[0][:250]}" if faults else f"ok captures of {project} ({captures} captures, {n} expectations)")


main()
