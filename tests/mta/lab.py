#!/usr/bin/env python3
"""Logs of real servers against what the script that drove them wrote down: every line recognised, every accepted message found
with its sender, client, account and recipients, every failed log-in and refused recipient found with its client."""
import collections, glob, json, os, subprocess, sys

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


def sessions(truth):
    return [json.loads(l) for l in open(truth)]


def printable(text):
    """Whether a server logs it as it is: no quotes, spaces or letters that some write in octal."""
    return all(33 <= ord(c) < 127 and c not in '"[]\\' for c in text)


def messages_differ(log, truth):
    got = collections.defaultdict(list)
    for l in run("messages", *OPTS, log):
        m = json.loads(l)
        got[(m.get("sender"), m.get("client_ip"))].append(m)
    wrong, n = [], 0
    for session in sessions(truth):
        account = session.get("account") if any(a["code"] == "235" for a in session.get("auth", [])) else ""
        for mail in session.get("mails", []):
            if not mail.get("data_code", "").startswith("250") or not printable(mail["mail_from"]):
                continue
            n += 1
            want = {r for r, code in mail["rcpts"] if code == "250"}
            if not any(want == {r["recipient"] for r in m["recipients"]} and (m.get("account") or "").split("@")[0] == account and
                       ("<%s>" % m.get("message_id", "")) in (mail["msgid"], "<>") for m in got[(mail["mail_from"], session["src_ip"])]):
                wrong.append(mail["msgid"])
    return "%d of %d messages differ: %s" % (len(wrong), n, " ".join(wrong[:3])) if wrong or not n else ""


def facts_missing(log, truth):
    """Failed log-ins are counted by client, as not every server names the account; refused recipients one by one."""
    failed, refused = collections.Counter(), set()
    for l in run("parse", *OPTS, log):
        r = json.loads(l)
        if r["kind"] == "auth_fail":
            failed[r.get("client_ip")] += 1
        elif r["kind"] == "reject":
            refused.add((r.get("client_ip"), r.get("recipient")))
    want, missing = collections.Counter(), []
    for session in sessions(truth):
        want[session["src_ip"]] += sum(a["code"] == "535" for a in session.get("auth", []))
        for mail in session.get("mails", []):
            for rcpt, code in mail["rcpts"]:
                if code in ("550", "553", "554") and (session["src_ip"], rcpt) not in refused:
                    missing.append(rcpt)
    short = [ip for ip in want if failed[ip] < want[ip]]
    return "" if not missing and not short else "failed log-ins missing of %s, refused recipients %s" % (short[:3], missing[:3])


def same_messages(logs):
    """The same run written down in several framings."""
    def of(log):
        out = []
        for l in run("messages", *OPTS, log):
            m = json.loads(l)
            out.append((m["queue_id"], m.get("sender"), m.get("client_ip"), sorted((r["recipient"], r["status"]) for r in m["recipients"])))
        return sorted(out, key=str)
    first = of(logs[0])
    return "" if first and all(of(l) == first for l in logs[1:]) else "they differ"


def check_folder(folder):
    name = os.path.basename(folder)
    truths = glob.glob(os.path.join(folder, "*truth.jsonl"))
    found = []
    for pattern in ("*.log", "*.log.gz", "journal-short*", "mainlog-*"):
        found += glob.glob(os.path.join(folder, pattern))
    logs = [l for l in sorted(found) if os.path.getsize(l) >= 1000]  # less is only the logger's own start line
    for log in logs:
        what = name + "/" + os.path.basename(log)
        check("laboratory lines " + what, recognised(log))
        truth = [t for t in truths if len(truths) == 1 or log.split("-")[-1] in t]
        if truth:
            check("laboratory messages " + what, messages_differ(log, truth[0]))
            check("laboratory facts " + what, facts_missing(log, truth[0]))
    framings = [l for l in logs if l.endswith(".log")]
    if len(framings) > 1:
        check("laboratory framings " + name, same_messages(framings))


for folder in sorted(glob.glob(os.path.join(lab, "*"))):
    if os.path.basename(folder).split("-")[0].rstrip("0123456789") in ("postfix", "exim", "sendmail", "opensmtpd"):
        check_folder(folder)
