#!/usr/bin/env python3
"""servers.py ABUSEWATCH: what is known of mail servers and of the network survives a restart: scenarios imported in three parts, each by a process of
its own, leave the same rows as imported at once; and `abusewatch servers` shows them."""
import json
import os
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run  # noqa: E402

aw = sys.argv[1]
here = os.path.dirname(os.path.abspath(__file__))


def rows(folder):
    db = sqlite3.connect(os.path.join(folder, "t.db"))
    got = {t: sorted(db.execute(f"SELECT * FROM {t}").fetchall()) for t in ("smtp_server", "smtp_server_face", "network_event")}
    got["state"] = sorted(db.execute("SELECT page, value FROM memory WHERE key = 'interception'").fetchall())
    db.close()
    return got


def parts(packets, n):
    """Cut between sessions: where nothing has happened for a while."""
    packets = sorted(packets, key=lambda p: p.at)
    cuts = [i for i in range(1, len(packets)) if packets[i].at - packets[i - 1].at > 5]
    at = [0] + [cuts[len(cuts) * k // n] for k in range(1, n)] + [len(packets)]
    return [packets[a:b] for a, b in zip(at, at[1:])]


def imported(s, folder, n):
    packets = s["packets"]
    for k, some in enumerate(parts(packets, n)):
        s["packets"] = some
        cases, error = run.replay(aw, s, folder)
        if cases is None:
            return error
    s["packets"] = packets
    return rows(folder)


for name in ("server-software", "server-software-farm", "silent-server-software", "interception-proxied", "interception-stripped"):
    s = run.load(os.path.join(here, name + ".scn"))
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        whole, pieces = imported(s, a, 1), imported(s, b, 3)
        fault = next((f"{t}: {whole[t]} against {pieces[t]}"[:400] for t in whole if whole[t] != pieces[t]), None) if isinstance(pieces, dict) else pieces
        if not fault and not whole["smtp_server"] and not whole["network_event"]:
            fault = "nothing is known"
        print(f"not ok servers in parts, {name} - {fault}" if fault else f"ok servers in parts, {name}")
        if name == "server-software":
            ask = lambda *o: subprocess.run([aw, "servers", "-c", os.path.join(a, "test.conf"), *o], capture_output=True, text=True).stdout
            one, change = json.loads(ask()), json.loads(ask("--changes"))
            good = (one["address"], one["software"], one["was"], one["customer"], one["host"]) == ("198.18.7.25", "Exim 4.97", "Exim 4.94", "C5", "mail.relay.example")
            good &= (change["what"], change["before"], change["after"]) == ("software", "Exim 4.94", "Exim 4.97") and not ask("--changes", "--since", "2026-02-12")
            good &= ask("--format", "csv").startswith("address,software,") and "Exim 4.97" in ask("--format", "table", "--text", "exim") and "Exim" not in ask("--format", "table", "--text", "postfix")
            wrong = subprocess.run([aw, "servers", "--changes", "--text", "exim"], capture_output=True, text=True)
            good &= wrong.returncode == 2 and "--text does not go with --changes" in wrong.stderr
            print("ok servers command" if good else f"not ok servers command - {one} {change}")
