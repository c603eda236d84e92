#!/usr/bin/env python3
"""Logs of a real Postfix against what the script that drove it wrote down: every line recognised, every accepted message
found with its sender, client and recipients."""
import collections, glob, gzip, json, os, subprocess, sys

aw, lab = sys.argv[1:]
OPTS = ["--year", "2026", "--timezone", "UTC"]


def run(*a):
    return subprocess.run([aw, *a], capture_output=True).stdout.splitlines()


def check(name, why):
    print("ok " + name if not why else "not ok %s - %s" % (name, why))


def recognised(log):
    known = unknown = 0
    for l in run("parse", "--coverage", "--format", "ndjson", *OPTS, log):
        c = json.loads(l)
        known += c["lines"] * c["recognised"]
        unknown += c["lines"] * (not c["recognised"])
    return "" if known and unknown <= 0.005 * (known + unknown) else "%d lines of %d not understood" % (unknown, known + unknown)


def compare(log, truth):
    got = collections.defaultdict(list)
    for l in run("messages", *OPTS, log):
        m = json.loads(l)
        got["<" + m.get("message_id", "") + ">"].append(m)
    wrong, n = [], 0
    for l in open(truth):
        session = json.loads(l)
        for mail in session.get("mails", []):
            if not mail.get("data_code", "").startswith("250"):
                continue
            n += 1
            want = {r for r, code in mail["rcpts"] if code == "250"}
            if not any(m.get("sender") == mail["mail_from"].strip("<>") and m.get("client_ip") == session["src_ip"] and
                       want == {r["recipient"] for r in m["recipients"]} for m in got[mail["msgid"]]):
                wrong.append(mail["msgid"])
    return "%d of %d messages differ: %s" % (len(wrong), n, " ".join(wrong[:3])) if wrong or not n else ""


for folder in sorted(glob.glob(os.path.join(lab, "postfix*"))):
    truth = glob.glob(os.path.join(folder, "*truth.jsonl"))
    for log in sorted(glob.glob(os.path.join(folder, "*.log")) + glob.glob(os.path.join(folder, "journal-short*")) + glob.glob(os.path.join(folder, "*.log.gz"))):
        name = os.path.basename(folder) + "/" + os.path.basename(log)
        if os.path.getsize(log) < 1000:  # only the logger's own start line
            continue
        check("laboratory lines " + name, recognised(log))
        if truth:
            check("laboratory messages " + name, compare(log, truth[0]))
