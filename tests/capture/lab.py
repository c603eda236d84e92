#!/usr/bin/env python3
"""lab.py ABUSEWATCH LAB-FOLDER: captures of real servers against what the script that drove them wrote down (…-truth.jsonl beside
each capture): HELO, envelope, codes, sizes, logins. One test a capture."""
import glob
import json
import os
import subprocess
import sys


def session_faults(want, got):
    faults = []

    def same(what, a, b):
        if a != b:
            faults.append(f"{what}: wanted {a!r}, got {b!r}")

    tls = "tls" in want
    if got["gap"]:
        faults.append("gap")
    if "helo" in want and not tls:
        same("helo", want["helo"], got.get("helo"))
    banner = next((line for line in want.get("dialog", []) if line[:3].isdigit()), None)
    if banner and not got.get("banner", "").startswith(banner[4:]):  # the script cut long ones
        same("banner", banner[4:], got.get("banner"))
    same("early_talker", False, got["early_talker"])  # its system had taken the banner whenever the script began to talk
    if tls:
        same("starttls", True, got["starttls"])
        return faults
    auth = want.get("auth") or []
    if auth and auth[-1]["code"] != "503":
        if "mech" in auth[-1]:  # of submission sessions it says only what the library was asked for
            same("auth_method", auth[-1]["mech"], got.get("auth_method"))
        same("account", auth[-1]["user"], got.get("account"))
        same("auth_ok", auth[-1]["code"] == "235", got.get("auth_ok", False))
    if want["label"].startswith("proto"):
        return faults
    mails = want.get("mails", [])
    same("messages", len(mails), len(got["messages"]))
    for m, g in zip(mails, got["messages"]):
        same("sender", m["mail_from"], g.get("sender"))
        same("mail_code", int(m["mail_code"]), g.get("mail_code"))
        same("recipients", [[r, int(code)] for r, code in m["rcpts"]], [[r["recipient"], r.get("code")] for r in g["recipients"]])
        if "size" in m and m.get("data_code"):
            if want["label"] != "smtputf8":  # there the script counted characters
                same("data_bytes", m["size"], g.get("data_bytes"))
            same("message_id", m["msgid"], g.get("message_id"))
            same("accepted", m["data_code"].startswith("2"), g["accepted"])
    return faults


def check(aw, capture, truth):
    out = subprocess.run([aw, "capture", "-r", capture, "--format", "ndjson"], capture_output=True, text=True, check=True).stdout
    got = {(s["client_ip"], s["client_port"], int(s["first_time"][17:19])): s for s in map(json.loads, out.splitlines())}
    by_port = {}
    for s in got.values():
        by_port.setdefault((s["client_ip"], s["client_port"]), []).append(s)
    faults, n = [], 0
    for line in open(truth, encoding="utf-8"):
        want = json.loads(line)
        if "src_port" not in want or want.get("proto", "smtp") in ("imap", "pop3"):
            continue
        if "user" in want and "proto" in want:
            want["auth"] = [{"user": want["user"], "code": "235" if want["ok"] else "535"}]
            want["mails"] = []
        near = sorted(by_port.get((want["src_ip"], want["src_port"]), []), key=lambda s: s["first_time"])
        n += 1
        if not near:
            faults.append(f"session {want['n']} ({want['label']}) is missing")
            continue
        for fault in session_faults(want, near[0] if len(near) == 1 else near.pop(0)):
            faults.append(f"session {want['n']} ({want['label']}): {fault}")
    return n, len(got), faults


def main():
    aw, lab = sys.argv[1:3]
    for truth in sorted(glob.glob(os.path.join(lab, "*", "*truth*.jsonl"))):
        capture = truth.replace("-truth.jsonl", "-port25.pcap").replace("-truth-login.jsonl", "-port25.pcap")
        if not os.path.exists(capture):
            continue
        n, seen, faults = check(aw, capture, truth)
        name = "lab " + os.path.basename(capture)
        for f in faults[:40]:
            print(f"{name}: {f}", file=sys.stderr)
        print(f"not ok {name} - {len(faults)} faults: {faults[0]}" if faults else f"ok {name} ({n} sessions of the script among {seen})")


main()
