#!/usr/bin/env python3
"""Lines that other projects keep with what they expect of them, and Dovecot's laboratory log against what its script did.
Names the pairs that we see otherwise; "known" lists those where that is meant."""
import glob, json, os, re, subprocess, sys

aw, data = sys.argv[1:]
peers, lab = os.path.join(data, "peers"), os.path.join(data, "lab")
AGAINST = {"auth_fail", "reject", "warning"}


def parse(lines, *opts, year="2026"):
    raw = "\n".join(lines) + "\n"
    p = subprocess.run([aw, "parse", "--year", year, "--timezone", "UTC", *opts, "-"], input=raw.encode("utf-8", "surrogateescape"), capture_output=True)
    return [json.loads(l) for l in p.stdout.decode("utf-8", "replace").splitlines()]


def check(name, wrong, n, known=0):
    if not n:
        print("skip %s - is not there" % name)
    elif len(wrong) > known:
        print("not ok %s - %d of %d differ: %s" % (name, len(wrong), n, " | ".join(w[:150] for w in wrong[:4])))
    else:
        print("ok %s (%d)" % (name, n))


def fail2ban(name, *opts, known=0):
    """match true: something against that client; false: nothing. What only the aggressive mode counts may be a mere disconnect."""
    path = os.path.join(peers, "fail2ban", "pairs", name)
    wrong, n, aggressive = [], 0, False
    want = None
    for line in open(path, errors="surrogateescape") if os.path.exists(path) else []:
        line = line.rstrip("\n")
        if line.startswith("#"):
            aggressive |= "aggressive" in line.lower()
            m = re.match(r"# ?failJSON: (\{.*\})", line)
            want = json.loads(m.group(1)) if m else want
            continue
        if want is None or not line.strip():
            continue
        n += 1
        got = parse([line], *opts, year=want.get("time", "2026")[:4])
        hit = [r for r in got if r["kind"] in (AGAINST | {"disconnect"} if aggressive else AGAINST) and want.get("host") in (r.get("client_ip"), r.get("client_name"))]
        bad = [r for r in got if r["kind"] in ("auth_fail", "reject")]
        if (not hit) if want["match"] else bad:
            wrong.append(line)
        want = None
    check("fail2ban's lines of " + name, wrong, n, known)


def assertions(folder, want):
    """crowdsec's: the addresses and users of a file of lines."""
    for path in sorted(glob.glob(os.path.join(peers, "crowdsec-hub", ".tests", folder, "*.log"))):
        lines = [l.rstrip("\n") for l in open(path) if l.strip()]
        wrong = [l for l in lines if not any(want(l, r) for r in parse([l]))]
        check("crowdsec's lines of " + os.path.basename(path), wrong, len(lines))


def dovecot_line(line, r):
    ip = re.search(r"rip=([^,]+)", line) or re.search(r"\w\([^,()=]+,([^,)]+)", line)
    return r["kind"] in AGAINST and r.get("client_ip") == ip.group(1)


def dovecot_lab():
    """Every login of the script is one auth_ok or one auth_fail with its address and user, and nothing more is."""
    truth = os.path.join(lab, "dovecot", "dovecot-truth-login.jsonl")
    if not os.path.exists(truth):
        return check("Dovecot's logins", [], 0)
    want = sorted(("auth_ok" if t["ok"] else "auth_fail", t["src_ip"], t["user"]) for t in map(json.loads, open(truth)) if t.get("user") and "ok" in t)
    for f in ("rfc3164.log", "iso8601.log", "rfc5424.log"):
        lines = open(os.path.join(lab, "dovecot", f)).read().splitlines()
        got = sorted((r["kind"], r.get("client_ip"), r.get("account")) for r in parse(lines) if r["kind"] in ("auth_ok", "auth_fail"))
        differ = [str(x) for x in set(want) ^ set(got)] + ([] if len(want) == len(got) else ["%d logins, %d records" % (len(want), len(got))])
        check("Dovecot's logins " + f, differ, len(want))


def ini(name, known=0):
    """OSSEC's and Wazuh's: "log N pass = line" below [section]; failures must name a client."""
    for path in (os.path.join(peers, "ossec-hids/contrib/ossec-testing/tests", name), os.path.join(peers, "wazuh-ruleset-tests", name)):
        wrong, n, failure = [], 0, False
        for line in open(path) if os.path.exists(path) else []:
            if line.startswith("["):
                failure = "fail" in line.lower() or "invalid" in line.lower()
            m = re.match(r"log \d+ pass = (.*)", line)
            if not m or not failure or not re.search(r"\d\.\d|::", m.group(1)):
                continue
            n += 1
            if not any(r["kind"] in AGAINST | {"disconnect"} and r.get("client_ip") for r in parse([m.group(1)])):
                wrong.append(m.group(1))
        check(path[len(peers) + 1:], wrong, n, known)


dovecot_lab()
fail2ban("dovecot", known=1)  # a stamp of multilog, which Dovecot's own log never has
assertions("dovecot*", dovecot_line)
ini("dovecot.ini", known=1)  # "Login: … Authentication Failure:" is no line of Dovecot


def exchange_line(line, r):
    return r["kind"] == "auth_fail" and r.get("client_ip") and r["client_ip"] in line


def elastic():
    """The first rows of a tracking log, field by field."""
    folder = os.path.join(peers, "elastic-exchange")
    want = os.path.join(folder, "test-messagetracking.expected.condensed.json")
    if not os.path.exists(want):
        return check("Elastic's tracking rows", [], 0)
    want = json.load(open(want))
    rows = open(os.path.join(folder, "test-messagetracking.log")).read().splitlines()[:len(want)]
    wrong = []
    for w, row in zip(want, rows):
        got = parse([row])[0]
        pairs = [("sender", w.get("returnpath", w["senderaddress"])), ("recipient", w["recipientaddress"][0]), ("size", w["totalbytes"]), ("message_id", w["messageid"].strip("<>"))]
        pairs += [("client_ip", w["originalclientip"])] if "originalclientip" in w else []
        pairs += [("subject", w["messagesubject"])] if "messagesubject" in w else []
        wrong += ["%s: %s, not %s" % (k, got.get(k), v) for k, v in pairs if got.get(k) != v]
    check("Elastic's tracking rows", wrong, len(want))


elastic()
assertions("exchange-*", exchange_line)
for pairs in ("courier-auth", "courier-smtp", "qmail"):
    fail2ban(pairs)


def vpopmail():
    """Every refused log-in of OSSEC's log of vpopmail, with its address."""
    path = os.path.join(peers, "ossec-hids/etc/rules/log-entries/vpopmail")
    lines = [l.strip() for l in open(path, errors="replace") if re.search(r"vchkpw-\w+: (password fail|vpopmail user not found) \S+:[\d.]+$", l.strip())] if os.path.exists(path) else []
    got = parse(lines) if lines else []
    wrong = [l for l, r in zip(lines, got) if r["kind"] != "auth_fail" or r.get("client_ip") != l.rsplit(":", 1)[1]]
    check("OSSEC's lines of vpopmail", wrong + (["%d records" % len(got)] if len(got) != len(lines) else []), len(lines))


vpopmail()
