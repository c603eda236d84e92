#!/usr/bin/env python3
"""reference.py BIN TOP [LINES] - another reading of the usual lines of Postfix, Exim and Sendmail, slow and plain: regular expressions after the
forms that the servers document. Held against `abusewatch parse` on the fixtures and on LINES lines that were spoiled at random (fixed seed).
Where this reading is not sure it says nothing; how much it says is checked too, so that silence is no pass."""
import json
import ipaddress
import random
import re
import subprocess
import sys

FIELDS = ("kind", "queue_id", "client_ip", "account", "sender", "recipient", "status", "dsn", "message_id")
HEAD = re.compile(rb"(?:<\d+>)?(?:(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (?: [1-9]|[12]\d|3[01]) (?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d|\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}[+-]\d\d:\d\d) ([\w.-]+) ([\w/.-]+)\[(\d+)\]: (.*)", re.S)
HEAD_5424 = re.compile(rb"<\d+>1 \d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}[+-]\d\d:\d\d ([\w.-]+) ([\w/.-]+) (\d+) - -  ?([^ \xef].*)", re.S)
PEER = rb"[^\s\[\]]*\[([0-9A-Fa-f.:]+|unknown)\](?::\d+)?"
ADDR = rb'<((?:"(?:[^"\\]|\\.)*"@[^<>"\s]*)|[^<>"]*)>'  # as cleanup(8) and smtpd(8) write addresses: quotes around what is odd
QID = rb"(?:[0-9A-F]{6,20}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{12,20})"


def ip(text):
    try:
        return str(ipaddress.ip_address(text.decode())).encode()
    except ValueError:
        return None


def given(**values):
    return {k: v for k, v in values.items() if v is not None}


def m(pattern, text):
    return re.fullmatch(pattern, text, re.S)


def postfix(program, text):
    daemon = program.rsplit(b"/", 1)[-1]
    if not program.startswith(b"postfix/"):
        return None
    if daemon == b"smtpd":
        return postfix_smtpd(text)
    if daemon == b"postscreen":  # its HELO is one word, whatever is in it; a domain is what was typed, and may hold all of this
        x = m(rb"NOQUEUE: reject: RCPT from " + PEER + rb": ([245]\d\d) (\d\.\d+\.\d+) (?:(?!; from=<).)*; from=" + ADDR + rb", to=" + ADDR +
              rb", proto=(?:E?SMTP), helo=<\S*>", text)
        return x and given(kind=b"reject", client_ip=ip(x[1]), dsn=x[3], sender=x[4], recipient=x[5], status=b"reject")
    if daemon == b"cleanup" and (x := m(rb"(" + QID + rb"): message-id=<([^<>]*)>", text)):
        return given(kind=b"message_id", queue_id=x[1], message_id=x[2])
    if daemon == b"qmgr" and not re.match(QID + rb": to=", text):
        if x := m(rb"(" + QID + rb"): removed", text):
            return given(kind=b"remove", queue_id=x[1])
        x = m(rb"(" + QID + rb"): from=" + ADDR + rb", size=\d{1,17}, nrcpt=\d{1,17} \(queue active\)", text)
        return x and given(kind=b"envelope", queue_id=x[1], sender=x[2])
    if daemon in (b"smtp", b"lmtp", b"local", b"virtual", b"pipe", b"error", b"cleanup", b"qmgr"):
        x = m(rb"(" + QID + rb"): to=" + ADDR + rb"(?:, orig_to=" + ADDR + rb")?, relay=[^\s,\[\]]+(?:\[[^\s\[\],]+\](?::\d+)?)?(?:, conn_use=\d+)?, delay=[\d.]+, "
              rb"delays=[\d./]+(?:, tls=\w+)?, dsn=(\d\.\d+\.\d+), status=(\w+) \((.*)\)", text)
        return x and given(kind=b"delivery", queue_id=x[1], recipient=x[2], dsn=x[4], status=x[5])
    return None


def postfix_smtpd(text):
    # The name that a client logs in with is the last thing on the line and may hold anything.
    if x := m(rb"(" + QID + rb"): client=" + PEER + rb"(?:, sasl_method=([\w-]+), sasl_username=([^,]*))?", text):
        return given(kind=b"accept", queue_id=x[1], client_ip=ip(x[2]), account=x[4])
    if x := m(rb"warning: " + PEER + rb": SASL ([\w-]+) authentication failed: ([^,]*)(?:, sasl_username=(.*))?", text):
        if x[3].startswith((b"Connection lost to authentication server", b"generic failure", b"remote authentication server unavailable", b"transient failure",
                            b"no mechanism available", b"no memory available", b"Temporary authentication failure", b"temporary failure", b"435 ", b"454 ",
                            b"Unable to authenticate at present")):  # no password was judged
            return given(kind=b"warning", client_ip=ip(x[1]))
        return given(kind=b"auth_fail", client_ip=ip(x[1]), account=None if x[4] == b"(unavailable)" else x[4])
    # proto= and helo= end the line; smtpd replaces odd characters in HELO. The text before may imitate all of it.
    x = m(rb"NOQUEUE: reject: RCPT from " + PEER + rb": ([245]\d\d) (\d\.\d+\.\d+) .*; from=" + ADDR + rb" to=" + ADDR + rb" proto=(?:E?SMTP) helo=<[^<>\s\";]*>", text)
    return x and given(kind=b"reject", client_ip=ip(x[1]), dsn=x[3], sender=x[4], recipient=x[5], status=b"reject")


XID = rb"(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{6}-[0-9A-Za-z]{11}-[0-9A-Za-z]{4})"
XSTAMP = re.compile(rb"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]) (?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?: [+-]\d{4})?(?: \[\d+\])? (.*)", re.S)
XADDR = rb'[^\s<>":|/(]+@[^\s<>":(]+'
XHOST = rb"(?:[\w.-]+ )?(?:\((?:[\w.-]+|\[[\w.:]+\])\) )?\[([0-9A-Fa-f.:]+)\](?::\d+)?(?: I=\[[0-9A-Fa-f.:]+\]:\d+)?(?: Ci=\d+)?"


def exim(text):
    """What the chapter on log files of Exim's specification shows."""
    if x := m(rb"(" + XID + rb") <= (<>|" + XADDR + rb")((?: [^\s\"]+)*? S=\d{1,17}(?: \S.*)?)", text):
        return exim_arrival(x[1], x[2], x[3])
    if x := m(rb"(" + XID + rb") Completed(?: QT=[\w.]+)?", text):
        return given(kind=b"remove", queue_id=x[1])
    if x := m(rb"(" + XID + rb") (?:=>|->|>>) (" + XADDR + rb")(?: <" + XADDR + rb">)?((?: [RTH]=[\w.-]+)+)( .*)?", text):
        if b" C=" in (x[4] or b"") or b"T=" not in x[3]:
            return given(queue_id=x[1], recipient=x[2], kind=b"delivery", status=b"sent")
        return given(kind=b"delivery", queue_id=x[1], recipient=x[2], status=b"sent")
    if x := m(rb"(" + XID + rb") == (" + XADDR + rb")(?: <" + XADDR + rb">)? R=[\w.-]+ (?:T=[\w.-]+ )?defer \(-?\d+\)(.*)", text):
        return given(kind=b"delivery", queue_id=x[1], recipient=x[2], status=b"deferred")
    if x := m(rb"(" + XID + rb") \*\* (" + XADDR + rb")(?: <" + XADDR + rb">)? R=[\w.-]+ T=[\w.-]+( H=.*|: .*)", text):
        return given(kind=b"delivery", queue_id=x[1], recipient=x[2], status=None if b"retry timeout exceeded" in x[3] else b"bounced")
    if x := m(rb"H=" + XHOST + rb" F=<([^<>\"\s]*)> (temporarily )?rejected RCPT <([^<>\"\s]*)>(?:: .*)?", text):
        return given(kind=b"reject", client_ip=ip(x[1]), sender=x[2], recipient=x[4], status=x[3] and b"temporary")
    if x := m(rb"SMTP connection from " + XHOST + rb" (closed by QUIT|\(TCP/IP connection count = \d+\))", text):
        return given(kind=b"disconnect" if x[2][:1] == b"c" else b"connect", client_ip=ip(x[1]))
    if x := m(rb"([\w-]+) authenticator failed for " + XHOST + rb": 535 Incorrect authentication data(?: \(set_id=([^()]*)\))?", text):
        return given(kind=b"auth_fail", client_ip=ip(x[2]), account=x[3])
    return None


def exim_arrival(qid, sender, rest):
    if re.search(rb"\) \[.*\) \[", rest, re.S):
        return None  # the HELO may be anything (helo_accept_junk_hosts), and hold what stands behind it: the first of them is not for sure the host
    before, _, after = rest.partition(b" S=")
    if b" P=" in after:
        return None  # which one is the field?
    host = m(rb" H=" + XHOST + rb"((?: [^\s]+)*)", before)
    local = m(rb"(?: R=" + XID + rb")? U=[\w.-]+(?: Ci=\d+)? P=local(?:-\w+)?", before)
    if not host and not local:
        return None
    account = None
    if host:
        fields = host[2].split(b" ")[1:]
        if not all(re.match(rb"(P|X|CV|A|K|L\.?|SNI|PRDR|DN|TFO|PRX|U|CV)(=[^()\[\]\"]*)?$", f) for f in fields):
            return None
        keys = dict(f.split(b"=", 1) for f in fields if b"=" in f)
        if len(keys) != sum(b"=" in f for f in fields):
            return None  # twice: one of them is no field
        if b"A" in keys and (re.search(rb" S=\d", after) or after.count(b'"') % 2 or re.search(rb' T="(?:[^"\\]|\\.)*"[^ ]', after)):
            return None  # a login name may hold the first
        if b"A" in keys and keys.get(b"P", b"").endswith(b"a"):
            account = keys[b"A"].split(b":", 1)[1] if b":" in keys[b"A"] else None
            if account is not None and b":" in account:
                account = account.rsplit(b":", 1)[0] if b"@" in account.rsplit(b":", 1)[1] else account
    message_id = re.match(rb"\d+(?: (?:M8S|RT|DKIM|PRX|for)=[^\s\"<]+)* id\*?=([^\s\"<>]+)(?: |$)", after)
    if (b"id=" in after or b"id*=" in after) and not message_id:
        return None
    return given(kind=b"accept", queue_id=qid, client_ip=host and ip(host[1]), account=account, sender=b"" if sender == b"<>" else sender,
                 message_id=message_id and message_id[1])


SID = rb"[0-9A-Za-z]{8}\d{5,8}"
SPEER = rb"(?:(?:[\w-]+@)?[\w.-]+ )?\[(?:IPv6:)?([0-9A-Fa-f.:]+)\](?: \(may be forged\))?"
SADDR = rb"<([^<>\",()\\\s]*)>"  # a comment may hold anything


def sendmail(text):
    """Sendmail's operation guide, "Logging": fields from left to right, separated by a comma and a space."""
    if x := m(rb"(" + SID + rb"): from=" + SADDR + rb", size=(\d{1,17}), class=-?\d+, nrcpts=(\d{1,17})(?:, msgid=<([^<>\s,\"]*)>)?((?:, [a-z]+=[\w.-]+)*), relay=" + SPEER, text):
        if b"msgid=" in x[6]:
            return None  # without brackets
        empty = int(x[4]) == 0 or (int(x[3]) == 0 and x[5] is None)
        return given(kind=b"other" if empty else b"accept", queue_id=x[1], sender=x[2], message_id=x[5], client_ip=ip(x[7]))
    if x := m(rb"(" + SID + rb"): to=" + SADDR + rb"(?:, ctladdr=<[^<>,\"]*> \(\d+/\d+\))?((?:, (?:delay|xdelay|mailer|pri)=[\w:+]+)*)(?:, relay=[^,]*)?, dsn=(\d\.\d+\.\d+), "
              rb"stat=(Sent|Deferred|User unknown|Service unavailable)\b(?!.*, stat=)(.*)", text):
        status = {b"2": b"sent", b"4": b"deferred", b"5": b"bounced"}.get(x[4][:1])
        return status and given(kind=b"delivery", queue_id=x[1], recipient=x[2], dsn=x[4], status=status)
    if x := m(rb"(" + SID + rb"): ruleset=check_(rcpt|mail), arg1=" + SADDR + rb", relay=" + SPEER + rb", reject=(\d{3}) (\d\.\d+\.\d+) .*", text):
        return given(kind=b"reject", queue_id=x[1], client_ip=ip(x[4]), dsn=x[6], **{"recipient" if x[2] == b"rcpt" else "sender": x[3] or None})
    if x := m(rb"(" + SID + rb"): " + SADDR.replace(b"*", b"+") + rb"\.\.\. User unknown", text):
        return given(kind=b"reject", queue_id=x[1], recipient=x[2])
    if x := m(rb"(" + SID + rb"): Milter: (from|to)=" + SADDR.replace(b"*", b"+") + rb", reject=\d{3} (\d\.\d+\.\d+) [^,]*", text):
        return given(kind=b"reject", queue_id=x[1], dsn=x[4], **{"recipient" if x[2] == b"to" else "sender": x[3]})
    if x := m(rb"(" + SID + rb"): AUTH failure \(([\w-]+)\): (?:(?!, user=|, relay=).)*(?:, user=((?:(?!, relay=|, user=).)*))?, relay=" + SPEER, text):
        if text[x.end(2):].startswith(b"): bad protocol / cancel"):  # no password was judged
            return given(kind=b"warning", queue_id=x[1], client_ip=ip(x[4]))
        return given(kind=b"auth_fail", queue_id=x[1], account=x[3] or None, client_ip=ip(x[4]))
    return None


def read(line):
    """What a line says, or None."""
    if x := HEAD.fullmatch(line) or HEAD_5424.fullmatch(line):
        program, text = x[2], x[4]
        if program.startswith(b"postfix/"):
            return postfix(program, text)
        if program in (b"exim", b"exim4") and line[:1] != b"<":
            own = XSTAMP.fullmatch(text)
            return exim(own[1] if own else text)
        if program in (b"sm-mta", b"sendmail"):
            return sendmail(text)
        return None
    x = XSTAMP.fullmatch(line)
    return x and exim(x[1])


def text_of(value):
    """As the record shows it: what is no UTF-8 or cannot be printed is shown in another way, and then not compared."""
    try:
        t = value.decode()
    except UnicodeDecodeError:
        return None
    return t if t.isprintable() else None


def parsed(aw, lines):
    """The records of the lines, and how the program ended."""
    raw = b"\n".join(lines) + b"\n"
    p = subprocess.run([aw, "parse", "--year", "2026", "--timezone", "UTC", "-"], input=raw, capture_output=True)
    if p.returncode < 0:
        print("not ok reference - abusewatch parse ended with signal", -p.returncode)
    return [json.loads(l) for l in p.stdout.splitlines()], p.returncode


def fixtures(top):
    import glob
    lines = []
    for f in sorted(glob.glob(top + "/tests/mta/postfix/*.log") + glob.glob(top + "/tests/mta/exim/*.log") + glob.glob(top + "/tests/mta/sendmail/*.log")):
        if f.endswith("/verbose.log"): # what the servers say of themselves: nothing that both could read
            continue
        lines += [l.rstrip(b"\r") for l in open(f, "rb").read().split(b"\n") if l]
    return lines


TOKENS = [b", status=sent (250 ok)", b"client=x[1.2.3.4]", b" [192.0.2.66]", b'"', b"\\", b"<", b">", b"; from=<a@b> to=<c@d> proto=ESMTP helo=<e>", b", relay=y [192.0.2.66]",
          b", sasl_username=x", b" A=plain:admin", b" S=1 ", b" (set_id=admin)", b": ", b", ", b" H=(z) [192.0.2.66]", b" rejected RCPT <x@y>", b"\0", b"\x1b[2J", b"\xff\xfe",
          b"\xc3\xa9", b" ", b"=", b"(", b")", b"[", b"]", b"removed", b", user=b", b", dsn=2.0.0, stat=Sent", b" <= ", b"message-id=<x>", b"\t", b"0", b"IPv6:::1"]


def spoil(rnd, line):
    for _ in range(rnd.choice((0, 1, 1, 1, 1, 2))):
        at = rnd.randrange(len(line) + 1)
        if rnd.random() < 0.7:
            at = max(at, min(len(line), 40))  # behind the header
        if rnd.random() < 0.4:
            at = rnd.randrange(len(line) * 2 // 3, len(line) + 1)  # replies, reasons and names at the end: most of what strangers write
        how = rnd.random()
        if how < 0.6:
            line = line[:at] + rnd.choice(TOKENS) + line[at:]
        elif how < 0.7:
            line = line[:at]
        elif how < 0.8:
            line = line[:at] + bytes([rnd.randrange(256)]) + line[at + 1:]
        elif how < 0.9:
            end = min(len(line), at + rnd.randrange(30))
            line = line[:at] + line[end:]
        else:
            other = rnd.randrange(len(line) + 1)
            line = line[:at] + line[min(at, other):max(at, other)] + line[at:]
    return line.replace(b"\n", b" ").rstrip(b"\r")


def compare(name, aw, lines, least):
    """Only the lines that the reference understands are given to the parser; a line of another host after each tells where its records end."""
    known = [(l, w) for l in lines if (w := read(l))]
    mark = b"2026-11-24T00:00:00.000000+00:00 marker postfix/qmgr[1]: 0000000000: removed"
    feed = []
    for i, (l, _) in enumerate(known):
        # Exim hands syslog what it refuses twice, and the second is left out: here no two lines are of the same time.
        at = b"Nov %2d %02d:%02d:%02d " % (1 + i * 7 // 86400 % 28, i * 7 // 3600 % 24, i * 7 // 60 % 60, i * 7 % 60)
        feed += [re.sub(rb"^Nov .{11} (?=\S+ exim)", at, l), mark]
    records, status = parsed(aw, feed)
    groups, group = [], []
    for r in records:
        if r["host"] == "marker":
            groups.append(group)
            group = []
        else:
            group.append(r)
    bad = []
    if len(groups) != len(known):
        bad.append("%d lines gave %d groups" % (len(known), len(groups)))
    for (line, want), got in zip(known, groups):
        wrong = [] if got else ["no record"]
        for r in got[:1]:
            for f in FIELDS:
                w = want.get(f)
                if w is None and (f in ("dsn", "status") or f not in r):
                    continue
                shown = "" if w is None else text_of(w)
                if shown is not None and r.get(f) != shown and not (w is None and r.get(f) is None):
                    wrong.append("%s is %r, not %r" % (f, r.get(f), None if w is None else shown))
        if wrong:
            bad.append("%s: %r" % ("; ".join(wrong), line[:500]))
    share = len(known) / len(lines)
    for b in bad[:40]:
        print(b, file=sys.stderr)
    print("ok" if not bad and status == 0 else "not ok", "reference: %s, %d of %d lines compared" % (name, len(known), len(lines)),
          "" if not bad else "- %d differ, first %s" % (len(bad), bad[0][:300].replace("\n", " ")))
    print("ok" if share >= least else "not ok", "reference: understands enough of %s (%.0f %%)" % (name, 100 * share), "" if share >= least else "- at least %.0f %%" % (100 * least))


def main():
    aw, top = sys.argv[1:3]
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 30000
    lines = fixtures(top)
    compare("the fixtures", aw, lines, 0.36)  # most fixtures are of unusual lines
    rnd = random.Random(20261124)
    usual = [l for l in lines if read(l)]
    spoiled = [spoil(rnd, rnd.choice(usual if rnd.random() < 0.9 else lines)) for _ in range(n)]
    for i in range(0, 20):  # very long ones
        l = rnd.choice(usual)
        at = rnd.randrange(60, len(l)) if len(l) > 60 else len(l)
        spoiled.append(l[:at] + rnd.choice(TOKENS) * 40000 + l[at:])
    compare("spoiled lines", aw, [l for l in spoiled if len(l) < 4000], 0.30)
    records, status = parsed(aw, spoiled)
    print("ok" if status == 0 and len(records) > n / 2 else "not ok", "reference: all spoiled lines in one file, %d records, status %d" % (len(records), status))


main()
