#!/usr/bin/env python3
"""A forwarder that cuts program names at "/": the same records and messages as with whole names."""
import collections, glob, json, os, re, subprocess, sys

aw, top, lab = sys.argv[1:]
logs = sorted(glob.glob(os.path.join(top, "tests/mta/postfix/*.log")) + glob.glob(os.path.join(lab, "postfix*", "rfc5424.log")) + glob.glob(os.path.join(lab, "postfix*", "postfix-plain.log")))


def run(command, text):
    out = subprocess.run([aw, command, "--mta", "postfix", "--year", "2026", "--timezone", "UTC", "-"], input=text, capture_output=True).stdout
    return [json.loads(l) for l in out.decode("utf-8", "replace").splitlines()]


def bare(records):
    for r in records:
        r.pop("program", None)
        if r.get("origin") == "submission" and not r.get("account"):
            r["origin"] = "smtp"  # the service's name is what said so
    return records


for log in logs:
    whole = open(log, "rb").read()
    if len(whole) < 1000 or "hostile" in log:
        continue
    # lines of daemons only; the program's name stands before the first "[" or " "
    cut = re.sub(rb"(?m)^((?:<\d+>1 )?\S+(?: +\d+ [\d:]+)? \S+ postfix)(?:/[a-z0-9]+)*/[a-z-]+(?=[\[: ])", rb"\1", whole)
    for command in ("parse", "messages"):
        want, got = ([json.dumps(r, sort_keys=True) for r in bare(run(command, text))] for text in (whole, cut))
        lost, new = collections.Counter(want) - collections.Counter(got), collections.Counter(got) - collections.Counter(want)
        name = "program names cut at the slash: %s %s" % (command, os.path.relpath(log, top if log.startswith(top) else lab))
        # what nobody but its own daemon writes so, about itself
        lost = [l for l in lost if not (command == "parse" and json.loads(l)["kind"] in ("other", "warning", "remove"))]
        if cut != whole and not lost and not (command == "messages" and new):
            print("ok %s (%d)" % (name, len(want)))
        else:
            print("not ok %s - %d of %d are lost: %s for %s" % (name, len(lost), len(want), lost[:1], list(new)[:1]))
