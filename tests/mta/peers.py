#!/usr/bin/env python3
"""Other projects' test data against ours: of every log of a server whose format we read nearly all lines must be recognised,
and what those projects expect of a line (whose it is, whether somebody was refused) must hold."""
import glob, json, os, re, subprocess, sys

aw, peers = sys.argv[1:]
OPTS = ["--year", "2026", "--timezone", "UTC"]
REFUSED = {"auth_fail", "reject", "warning", "policy", "disconnect"}


def run(lines, *options):
    return subprocess.run([aw, *options, *OPTS, "-"], input="".join(lines).encode(), capture_output=True).stdout.splitlines()


def check(name, why):
    print("ok peers " + name if not why else "not ok peers %s - %s" % (name, why))


def recognised(name, mta, lines):
    known = unknown = 0
    for l in run(lines, "parse", "--coverage", "--format", "ndjson", "--mta", mta):
        c = json.loads(l)
        known += c["lines"] * c["recognised"]
        unknown += c["lines"] * (not c["recognised"])
    check(name, "" if known and unknown <= 0.005 * (known + unknown) else "%d lines of %d not understood" % (unknown, known + unknown))


def lines_of(path):
    return open(os.path.join(peers, path), errors="replace").readlines() if os.path.exists(os.path.join(peers, path)) else []


def exim_testsuite():
    stamp = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[ .]")
    for kind in ("log", "rejectlog"):
        found = []
        for path in sorted(glob.glob(os.path.join(peers, "exim-testsuite/test", kind, "*"))):
            found += [l for l in open(path, errors="replace") if stamp.match(l)]
        if found:
            recognised("exim-testsuite " + kind, "exim", found)


# A line that begins without a time, as journald's reader hands it to fail2ban; files begin with one.
UNTIMED = {"mail.example.com exim[3751842]: 2021-07-17 23:20:49 plain_server"}


def fail2ban(name, mta):
    """Each line is preceded by what is expected of it. Not expected to match means: nobody we could name was refused."""
    wrong, n, want = [], 0, None
    for l in lines_of("fail2ban/pairs/" + name):
        if "failJSON:" in l:
            want = json.loads(l.split("failJSON:")[1])
        if l.startswith("#") or not l.strip() or want is None or any(l.startswith(u) for u in UNTIMED):
            continue
        records = [json.loads(r) for r in run([l], "parse", "--mta", mta)]
        refused = [r for r in records if r["kind"] in REFUSED]
        hosts = {r.get(k) for r in refused for k in ("client_ip", "client_name")}
        clear = [r for r in records if r["kind"] in ("auth_fail", "reject") and r.get("client_ip")]
        n += 1
        if want["match"] != (want.get("host") in hosts if want["match"] else bool(clear)):
            wrong.append(l.strip()[:80])
        want = None
    check("fail2ban " + name, "" if n and not wrong else "%d of %d lines: %s" % (len(wrong), n, wrong[:2]))


def ini(path):
    return [l.split("pass = ", 1)[1] for l in lines_of(path) if re.match(r"log \d+ (pass|fail) = ", l)]


def sendmail_groups():
    """fluent-plugin-sendmail's expectation: per line of outcomes the recipients and what became of them."""
    want = {}
    for l in lines_of("fluent-plugin-sendmail/test/data/result"):
        r = json.loads(l)
        for to in r["to"]:
            want.setdefault(to.strip("<>"), []).append((r["status_canonical"].removesuffix("_local"), (r.get("relay_to") or {}).get("ip")))
    got = {}
    for l in run(lines_of("fluent-plugin-sendmail/test/data/data"), "parse"):
        r = json.loads(l)
        if r["kind"] == "delivery":
            got.setdefault(r["recipient"], []).append((r["status"], r.get("relay_ip")))
    missing = [to for to in want if any(one not in got.get(to, []) for one in want[to])]
    check("fluent-plugin-sendmail outcomes", "" if want and not missing else "of %s" % missing[:3])


def crowdsec(part):
    """Which address each line is about."""
    want = {}
    for l in lines_of("crowdsec-hub/.tests/%s/parser.assert" % part):
        m = re.match(r'results\["s01-parse"\]\["[^"]*"\]\[(\d+)\]\.Evt\.Meta\["source_ip"\] == "([^"]*)"', l)
        if m:
            want[int(m[1])] = m[2]
    records = [json.loads(l) for l in run(lines_of("crowdsec-hub/.tests/%s/exim-logs.log" % part), "parse")]
    got = {r.get("client_ip") for r in records}
    in_order = [r.get("client_ip") for r in records]
    wrong = [ip for n, ip in want.items() if (in_order[n] if len(records) == len(want) else ip if ip in got else None) != ip]
    check("crowdsec addresses " + part, "" if want and not wrong else "%d of %d" % (len(wrong), len(want)))


exim_testsuite()
for part in ("mainlog", "rejectlog", "paniclog"):
    recognised("exim_exporter " + part, "exim", lines_of("exim_exporter/test/" + part))
for part in ("exim-logs", "exim-syslog-logs"):
    crowdsec(part)
    recognised("crowdsec " + part, "exim", lines_of("crowdsec-hub/.tests/%s/exim-logs.log" % part))
recognised("ossec exim", "exim", ini("ossec-hids/contrib/ossec-testing/tests/exim.ini"))
recognised("ossec opensmtpd", "opensmtpd", ini("ossec-hids/contrib/ossec-testing/tests/opensmtpd.ini"))
recognised("wazuh opensmtpd", "opensmtpd", ini("wazuh-ruleset-tests/opensmtpd.ini"))
recognised("fluent-plugin-sendmail", "sendmail", lines_of("fluent-plugin-sendmail/test/data/data"))
sendmail_groups()
fail2ban("exim", "exim")
fail2ban("exim-spam", "exim")
fail2ban("sendmail-reject", "sendmail")
fail2ban("sendmail-auth", "sendmail")
