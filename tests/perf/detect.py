#!/usr/bin/env python3
"""Helper of detect.sh.

detect.py config LOGS FORM DIR     what an operator would write down about the simulated provider, into DIR
detect.py report RUNS yes|no       RUNS: lines "SEED FORM LOGS CASES"; the tables, with or without the baselines"""
import csv
import json
import os
import statistics
import sys
from datetime import datetime

sys.path.insert(0, os.environ["MAILSIM"])

KINDS = {"account", "host", "uid", "mx"}
# our principals → the simulator's: what it calls mx is a customer's domain with a backup, or an egress address
KIND = {"script": "uid", "domain": "mx", "own_ip": "mx"}


def config(logs, form, folder):
	with open(logs + "/assets.json") as f:
		a = json.load(f)

	def listed(values):
		return "{ " + ", ".join('"%s"' % x for x in values) + " }"

	with open(folder + "/abusewatch.conf", "w") as f:
		print('store = "abusewatch.db"', file=f)
		print("networks =", listed(n["prefix"] for n in a["networks"]), file=f)
		print("egress =", listed(a["own_ips"]), file=f)
		print("local-domains =", listed([a["mail_host"], *a["local_domains"]]), file=f)
		print("backup-domains =", listed("%s=%s" % (b["domain"], b["primary"]) for b in a["backup_mx"]), file=f)
		print('customers = "customers.csv"\ngeo = { "%s/geo.csv" }' % logs, file=f)
		mta = "postfix" if form == "iso" else form
		print('source "mx1" { path = "%s/mail.log" mta = "%s" timezone = "UTC" }' % (logs, mta), file=f)
	with open(folder + "/customers.csv", "w", newline="") as f:
		w = csv.writer(f)
		w.writerow("customer contact language kind value".split())
		for c in a["customers"]:
			kinds = (("account", c["accounts"]), ("domain", c["domains"]), ("prefix", c["ips"] + c["hosts"]), ("uid", c["uids"]))
			for kind, values in kinds:
				for v in values:
					w.writerow([c["id"], c["contact"], "en", kind, v])


def user_names(logs):
	"""Exim logs the user's name where others log a number: whom the name means, an operator would look up in passwd."""
	with open(logs + "/assets.json") as f:
		uids = json.load(f)["uids"]
	names = {u["user"]: str(u["uid"]) for u in uids}
	names.update({"web%d" % u["uid"]: str(u["uid"]) for u in uids})
	return names


def load_cases(path, logs):
	names = user_names(logs)
	out = []
	with open(path) as f:
		for line in f:
			c = json.loads(line)
			kind = KIND.get(c["principal"]["kind"], c["principal"]["kind"])
			who = c["principal"]["id"]
			c["who"] = (kind, names.get(who, who) if kind == "uid" else who)
			c["ts"] = datetime.fromisoformat(c["opened_at"]).timestamp()
			# a matter of policy is a remark, it accuses nobody of being broken into
			c["accuses"] = c["kind"] != "policy"
			out.append(c)
	return out


class Run:
	def __init__(self, seed, form, logs, cases):
		self.seed, self.form, self.logs = seed, form, logs
		self.cases = load_cases(cases, logs)
		with open(logs + "/truth.json") as f:
			self.truth = json.load(f)
		self.flags = [(c["who"][0], c["who"][1], c["ts"]) for c in self.cases if c["accuses"]]


def named(seed, who):
	return "%s:%s" % (seed, who)


def pool(runs, flags_of):
	"""One truth and one list of flags for several seeds: every principal gets its seed's name."""
	truth = {"abusive": [], "tricky_innocents": [], "principals": {}, "days": runs[0].truth["days"]}
	flags = []
	for r in runs:
		for key in ("abusive", "tricky_innocents"):
			truth[key] += [dict(x, id=named(r.seed, x["id"])) for x in r.truth[key]]
		for kind, n in r.truth["principals"].items():
			truth["principals"][kind] = truth["principals"].get(kind, 0) + n
		flags += [(k, named(r.seed, p), ts) for k, p, ts in flags_of(r)]
	return truth, flags


def baselines(runs):
	"""name → flags_of"""
	from mailsim import baselines as base
	from mailsim.score import load_flags
	found = {}
	for r in runs:
		folder = r.logs + "/flags"
		done = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
		if len(done) < 8:
			base.run(r.logs, folder)
		for name in os.listdir(folder):
			found.setdefault(name[len("flags-"):-len(".ndjson")], {})[r.seed] = load_flags(folder + "/" + name)
	return found


def judge(run):
	"""Principals found, accused wrongly, and missed: lists of (who, case or None, abuse or None)."""
	bad = {(a["kind"], a["id"]): a for a in run.truth["abusive"]}
	hits, wrong = {}, []
	for c in sorted(run.cases, key=lambda c: c["ts"]):
		a = bad.get(c["who"])
		if not c["accuses"]:
			continue
		if a and c["ts"] >= a.get("onset_ts", a["first_abuse_ts"]) - 1:
			hits.setdefault(c["who"], c)
		else:
			wrong.append((c["who"], c, a))
	return hits, wrong, [(who, None, a) for who, a in bad.items() if who not in hits]


def table(runs_of, base):
	from mailsim.score import HEAD, row, scenario_table, score
	names, scores = [], []
	for form, runs in runs_of.items():
		names.append("aw " + form)
		scores.append(score(*pool(runs, lambda r: r.flags), KINDS))
	first = next(iter(runs_of.values()))
	for name in sorted(base):
		names.append(name)
		scores.append(score(*pool(first, lambda r: base[name][r.seed]), KINDS))
	print(HEAD)
	for n, s in zip(names, scores):
		print(row(n, s))
	if any(r.truth["abusive"] for r in first):
		print()
		print(scenario_table(names, scores))
	for n, s in zip(names, scores):
		print("%-14s false on tricky innocents: %s" % (n, ", ".join("%s %d" % x for x in sorted(s["tricky"].items())) or "none"))


def scores_of(c):
	return " ".join("%s %.1f" % (d["name"], d["score"]) for d in c["detectors"])


def mistakes(runs):
	"""Who was accused wrongly, and who was missed, in words."""
	for r in runs:
		tricky = {(x["kind"], x["id"]): x["why"] for x in r.truth["tricky_innocents"]}
		hits, wrong, missed = judge(r)
		for who, c, a in wrong:
			why = "before its abuse (%s)" % a["scenario"] if a else tricky.get(who, "innocent")
			print("FALSE  seed %s %s %s [%s] %s %s peak %.1f: %s\n       %s" % (r.seed, *who, why, c["opened_at"], c["kind"], c["peak_score"], c["sentence"], scores_of(c)))
		for who, _, a in sorted(missed, key=lambda x: x[2]["scenario"]):
			print("MISSED seed %s %s %s: %s, %d messages to %d recipients" % (r.seed, *who, a["scenario"], a["abusive_messages"], a["abusive_recipients"]))


def delays(runs):
	"""Messages and minutes until the case opened, of each kind of attack."""
	from mailsim.score import before
	per = {}
	for r in runs:
		bad = {(a["kind"], a["id"]): a for a in r.truth["abusive"]}
		for who, c in judge(r)[0].items():
			a = bad[who]
			per.setdefault(a["scenario"], []).append((before(a["timeline"], c["ts"])[0], max(0, c["ts"] - a["first_abuse_ts"]) / 60, c["kind"]))
	print("%-24s %5s %9s %9s %9s  %s" % ("found", "n", "med msgs", "max msgs", "med min", "called"))
	for name, v in sorted(per.items()):
		called = {}
		for x in v:
			called[x[2]] = called.get(x[2], 0) + 1
		print("%-24s %5d %9.1f %9.1f %9.1f  %s" % (name, len(v), statistics.median(x[0] for x in v), max(x[0] for x in v), statistics.median(x[1] for x in v),
			", ".join("%s %d" % x for x in sorted(called.items()))))


def compare(runs_of):
	"""The same traffic in another log must give the same cases; when they open may differ by what a log leaves out (docs/detectors.md C.1)."""
	forms = list(runs_of)
	for other in forms[1:]:
		same, only, late = 0, [], []
		for a, b in zip(runs_of[forms[0]], runs_of[other]):
			x = {(c["who"], c["kind"] == "policy"): c for c in a.cases}
			y = {(c["who"], c["kind"] == "policy"): c for c in b.cases}
			for key in sorted(set(x) | set(y)):
				p, q = x.get(key), y.get(key)
				c = p or q
				head = "  seed %s %s %s: " % (a.seed, *key[0])
				if not (p and q):
					only.append(head + "only in %s; opened %s, %s" % (forms[0] if p else other, c["opened_at"], scores_of(c)))
				# stamps with fractions are cut to whole seconds: that much is the log's form
				elif abs(int(p["ts"]) - int(q["ts"])) > (1 if other == "iso" else 0):
					late.append((q["ts"] - p["ts"], head + "%+.0f s in %s; %s | %s" % (q["ts"] - p["ts"], other, scores_of(p), scores_of(q))))
				else:
					same += 1
		print("%s and %s: in one only: %s; in both: %d, %s" % (forms[0], other, len(only) or "none", same + len(late),
			"all opened in the same second" if not late else "%d opened at another time (%+.0f to %+.0f s)" % (len(late), min(late)[0], max(late)[0])))
		for line in only + [x[1] for x in late]:
			print(line)


def report(path, with_baselines):
	runs_of = {}
	with open(path) as f:
		for line in f:
			seed, form, logs, cases = line.split()
			runs_of.setdefault(form, []).append(Run(seed, form, logs, cases))
	first = next(iter(runs_of.values()))
	for r in first:
		print("seed %s: %d days, %d principals, %d abusive, %d tricky innocents" % (r.seed, r.truth["days"], sum(r.truth["principals"].values()),
			len(r.truth["abusive"]), len(r.truth["tricky_innocents"])))
	table(runs_of, baselines(first) if with_baselines else {})
	print()
	delays(first)
	print()
	mistakes(first)
	print()
	compare(runs_of)


def main():
	if len(sys.argv) == 5 and sys.argv[1] == "config":
		config(*sys.argv[2:])
	elif len(sys.argv) == 4 and sys.argv[1] == "report":
		report(sys.argv[2], sys.argv[3] == "yes")
	else:
		sys.exit(__doc__)


if __name__ == "__main__":
	main()
