#!/usr/bin/env python3
"""explain.py BIN FOLDER: what `abusewatch explain` says of every case of the scenarios in FOLDER adds up: groups out of detectors, scores out of groups, the
highest is the one in the store; and it is the same when the log came in parts."""
import glob, json, os, sqlite3, subprocess, sys, tempfile

from run import load, replay

binary, scenarios = sys.argv[1], sys.argv[2]


def check(name, good, why=""):
    print("ok explain: " + name if good else "not ok explain: %s - %s" % (name, why))


def run(*a):
    return subprocess.run([binary, *a], capture_output=True, text=True, timeout=120)


def units(x):
    """Nats with all their digits → 1/4096 nat."""
    n = x * 4096
    assert n == int(n), x
    return int(n)


def wrong_sums(s):
    """What does not add up in a step, or nothing."""
    scores = {}
    for d in s["detectors"]:
        scores.setdefault(d["group"], []).append(units(d["after"]))
        if d["step"] == 0 and d["seen"]:
            return "seen without a step: %s" % d
    total = 0
    for g in s["groups"]:
        v = sorted(scores.pop(g["name"]), reverse=True)
        want = min(v[0] + (v[1] // 2 if len(v) > 1 else 0), units(g["cap"]))
        if (units(g["best"]), units(g["sum"])) != (v[0], want):
            return "group %s of event %d" % (g["name"], s["event"])
        total += want
    if any(max(v) for v in scores.values()):
        return "groups left out: %s" % scores
    if "capped_to" in s:
        return None if units(s["capped_to"]) == units(s["score"]) < total else "cut of event %d" % s["event"]
    return None if total == units(s["score"]) else "sum of event %d: %d instead of %d" % (s["event"], units(s["score"]), total)


def wrong_case(case, steps, peak):
    if not steps:
        return "no steps"
    for s in steps:
        w = wrong_sums(s)
        if w:
            return w
    if [s["event"] for s in steps] != sorted({s["event"] for s in steps}):
        return "events out of order"
    opened = [s for s in steps if s.get("mark") in ("opened", "reopened")]
    if len(opened) != 1 or opened[0]["score"] < opened[0]["threshold"] or (not case["reopened"] and opened[0]["time"] != case["opened_at"]):
        return "the step that opened it: %s" % opened
    if any("mark" in s or "level" in s for s in steps[:steps.index(opened[0])]) or any("mark" not in s for s in steps[steps.index(opened[0]):]):
        return "marks"
    if max(units(s["score"]) for s in steps if "mark" in s) != peak:
        return "highest %s, in the store %s" % (max(s["score"] for s in steps), peak / 4096)
    return None


def explained(folder, case):
    return [json.loads(l) for l in run("explain", "-c", os.path.join(folder, "test.conf"), str(case["id"])).stdout.splitlines()]


def each(path):
    with tempfile.TemporaryDirectory() as folder:
        cases, error = replay(binary, load(path), folder)
        bad = [error] if cases is None else []
        for c in cases or []:
            peak = sqlite3.connect(os.path.join(folder, "t.db")).execute("SELECT peak_score FROM acase WHERE id = ?", (c["id"],)).fetchone()[0]
            w = wrong_case(c, explained(folder, c), peak)
            if w:
                bad.append("case %d: %s" % (c["id"], w))
        return len(cases or []), bad


def in_parts(path):
    """One import, and one for every fifth of the log."""
    with tempfile.TemporaryDirectory() as folder:
        cases, _ = replay(binary, load(path), folder)
        whole = [explained(folder, c) for c in cases]
        with open(os.path.join(folder, "mail.log")) as f:
            lines = f.readlines()
        for f in glob.glob(os.path.join(folder, "t.db*")):
            subprocess.run(["rm", "-r", f])
        with open(os.path.join(folder, "mail.log"), "w") as f:
            for i in range(0, len(lines), len(lines) // 5 + 1):
                f.writelines(lines[i:i + len(lines) // 5 + 1])
                f.flush()
                run("import", "-c", os.path.join(folder, "test.conf"), os.path.join(folder, "mail.log"))
        check("the same when %s came in parts" % os.path.basename(path), whole and whole == [explained(folder, c) for c in cases])


def forms():
    with tempfile.TemporaryDirectory() as folder:
        cases, _ = replay(binary, load(os.path.join(scenarios, "stolen-account-loud.scn")), folder)
        conf = os.path.join(folder, "test.conf")
        steps = explained(folder, cases[0])
        first = steps[0]["detectors"]
        check("the first step begins at nothing", all(d["before"] == 0 for d in first) and all(units(d["before"]) + units(d["step"]) == units(d["after"]) for d in first), str(first))
        check("what was seen", any(d["seen"].startswith("yes 1x (") for s in steps for d in s["detectors"]) and any(d["seen"].startswith("no 1x (") for s in steps for d in s["detectors"]))
        check("json is the same list", json.loads(run("explain", "-c", conf, "--format", "json", "1").stdout) == steps)
        table = run("explain", "-c", conf, "--format", "table", "1").stdout
        check("table", "** opened, suspected" in table and "S = " in table and "events left out" in table and "a case opens at 12.0000" in table, table[:2000])
        for a, status in ((["7"], 1), (["x"], 2), ([], 2), (["1", "2"], 2), (["--format", "csv", "1"], 2)):
            check(" ".join(["explain", *a]) + " ends with %d" % status, run("explain", "-c", conf, *a).returncode == status)


n, bad = 0, []
for scn in sorted(glob.glob(os.path.join(scenarios, "*.scn"))):
    found, wrong = each(scn)
    n += found
    bad += ["%s: %s" % (os.path.basename(scn), w) for w in wrong]
check("every case of the scenarios adds up", n >= 5 and not bad, "%d cases, %s" % (n, "; ".join(bad)))
forms()
for name in ("stolen-account-loud", "reopened", "webmail-thief"):
    in_parts(os.path.join(scenarios, name + ".scn"))
