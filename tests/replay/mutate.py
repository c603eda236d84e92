#!/usr/bin/env python3
"""mutate.py [NAME …]: breaks the detectors of captured sessions (and what is known of mail servers and the network) in one place at a time, in a copy of the
tree, and runs their scenarios: each mutant must fail one. Prints those that live. Takes some seconds a mutant (it builds); not part of make check."""
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
D = "analyzer/detect/"
# file, what, what instead; names of scenarios (a part of them) that have to notice
MUTANTS = [
    (D + "direct-mx.c", "if (v->inbound || !v->tried)", "if (v->inbound)", "direct-mx"),
    (D + "direct-mx.c", "#define THETA0 102", "#define THETA0 500", "direct-mx"),
    (D + "direct-mx.c", "walk_trial(&s->failures, v->failed,", "walk_trial(&s->failures, false,", "direct-mx"),
    (D + "direct-mx.c", "walk_trial(&s->failures, v->failed,", "walk_trial(&s->failures, true,", "direct-mx"),
    (D + "direct-mx.c", "linear_estimate(s->day_bits) <= o->few", "false", "direct-mx"),
    (D + "direct-mx.c", "looks_like_server(s, o, now_us) ? NATS(o->server_cap) : cap", "cap", "direct-mx"),
    (D + "direct-mx.c", "looks_like_server(s, o, now_us) ? NATS(o->server_cap) : cap", "NATS(o->server_cap)", "direct-mx"),
    (D + "direct-mx.c", "if (!(v->session->flags & (SMTP_UNANSWERED | SMTP_REFUSED)))", "if (true)", "direct-mx"),
    (D + "direct-mx.c", "else if (n >= o->blocked_networks && !answered)", "else if (false)", "direct-mx"),
    (D + "direct-mx.c", "else if (n >= o->blocked_networks && !answered)", "else if (!answered)", "direct-mx"),
    (D + "direct-mx.c", "s->known_names >= 9 * s->new_names", "true", "direct-mx"),
    (D + "direct-mx.c", "s->new_names <= SOME_NAMES || s->known_names >= 2 * (s->new_names - SOME_NAMES)", "true", "direct-mx bot-dialect"),
    (D + "direct-mx.c", "s->new_names <= SOME_NAMES || s->known_names >= 2 * (s->new_names - SOME_NAMES)", "s->new_names == 0", "direct-mx"),
    (D + "direct-mx.c", "known = (known || first) && v->helo != HELO_PEER;", "known = known || first;", "direct-mx bot-dialect"),
    (D + "direct-mx.c", "s->poor_name = v->helo == HELO_LOCALHOST", "s->poor_name = false && v->helo == HELO_LOCALHOST", "direct-mx"),
    (D + "direct-mx.c", "if (v->helo_org && !(v->session->flags & SMTP_TLS))", "if (v->helo_org)", "direct-mx"),
    (D + "direct-mx.c", "answered > 3 * s->usual && answered >= 10", "false", "direct-mx"),
    (D + "direct-mx.c", "(looks_like_server(s, o, at_us) && s->failures.s < 4 * NAT)", "false", "direct-mx"),
    (D + "direct-mx.c", "is_server(s, o, now_us) ? NATS(o->refused_cap) : cap", "cap", "direct-mx"),
    (D + "direct-mx.c", ">= 4 && !is_server(s, o, now_us) ? 2 : 3", ">= 4 ? 3 : 3", "direct-mx"),
    (D + "direct-mx.c", "return v->n_taken && !v->session->replies[5];", "return false;", "direct-mx"),
    ("analyzer/view_session.c", "s->verbs[SMTP_VERB_MAIL] ? began || !null_only : s->replies[4] || s->replies[5]", "true", "direct-mx"),
    ("analyzer/view_session.c", "!s->replies[4] && s->replies[5];", "!s->replies[4];", "direct-mx"),
    ("analyzer/view_session.c", "ipaddr_parse(helo, &ip) == 0 && is_private(&ip)", "false", "bot-dialect direct-mx"),
    (D + "bot-dialect.c", "weight < NATS(o->session_cap) ? weight : NATS(o->session_cap)", "weight", "bot-dialect"),
    (D + "bot-dialect.c", "#define HABIT_TIMES 2", "#define HABIT_TIMES 8", "bot-dialect direct-mx"),
    (D + "bot-dialect.c", "if (level > s->habits.s)", "if (false)", "bot-dialect direct-mx"),
    (D + "bot-dialect.c", "linear_estimate(s->peers) <= 2 ? o->few_cap : o->cap", "o->cap", "bot-dialect"),
    (D + "bot-dialect.c", "linear_estimate(s->peers) <= 2 ? o->few_cap : o->cap", "o->few_cap", "bot-dialect"),
    (D + "bot-dialect.c", "return s->n_helo >= 3;", "return s->n_helo >= 1;", "bot-dialect direct-mx"),
    (D + "bot-dialect.c", "return s->n_helo >= 3;", "return false;", "direct-mx-new-names"),
    (D + "bot-dialect.c", "!v->helo_org || (v->session->flags & SMTP_TLS)", "!v->helo_org", "bot-dialect direct-mx"),
    (D + "bot-dialect.c", "t |= v->helo == HELO_PEER ? 1u << TRAIT_PEER_HELO : 0;", "", "direct-mx-peer-names"),
    (D + "bot-dialect.c", "t |= f & SMTP_EARLY_TALKER ? 1u << TRAIT_EARLY : 0;", "", "bot-dialect"),
    (D + "bot-dialect.c", "t |= (f & SMTP_PROGRAM) ? 1u << TRAIT_PROGRAM : 0;", "", "bot-dialect"),
    (D + "bot-dialect.c", "!(f & SMTP_PIPELINING_OFFERED) && ", "", "bot-dialect"),
    (D + "bot-dialect.c", "if (f & (SMTP_GAP | SMTP_MASKED", "if (f & (SMTP_GAP", "bot-dialect"),
    (D + "same-body.c", "own < o->own_messages", "false", "same-body"),
    (D + "same-body.c", "linear_estimate(c->ever) > o->common_principals", "false", "same-body"),
    (D + "same-body.c", "customers >= o->customers && c->recipients >= o->recipients", "c->recipients >= o->recipients", "same-body"),
    (D + "same-body.c", "customers >= o->customers && c->recipients >= o->recipients", "customers >= o->customers", "same-body"),
    (D + "same-body.c", "if (n >= alike) {", "if (n >= 1) {", "same-body"),
    (D + "same-body.c", "if (n >= alike) {", "if (n >= 32) {", "same-body"),
    (D + "same-body.c", "p->open_case->level >= CASE_LIKELY", "false", "same-body"),
    (D + "same-body.c", "if (now_min - best->window_min >= WINDOW_MIN) {", "if (false) {", "same-body"),
    (D + "same-body.c", "m->has_hash && m->sender.n", "m->has_hash", "same-body"),
    (D + "open-relay.c", "now - s->taken[i].second <= (uint32_t)o->window_s", "true", "open-relay"),
    (D + "open-relay.c", "if (relayed && before == s->domains)", "if (false)", "open-relay"),
    (D + "open-relay.c", "walk_trial(&s->walk, relayed, THETA0", "walk_trial(&s->walk, true, THETA0", "open-relay"),
    (D + "open-relay.c", "domains_needed(s, o) || p->open_case;", "o->domains || p->open_case;", "open-relay"),
    (D + "open-relay.c", "domains_needed(s, o) || p->open_case;", "1 || p->open_case;", "open-relay"),
    (D + "open-relay.c", "return s->changed_us && !before;", "return s->changed_us;", "open-relay"),
    (D + "open-relay.c", "m->rcpt[k].code / 100 != 2 || is_its_own(", "m->rcpt[k].code / 100 != 2 || false && is_its_own(", "open-relay"),
    ("analyzer/attribute.c", "if (s->flags & SMTP_AUTH_OK)\n\t\treturn false;", "", "open-relay"),
    (D + "no-retry.c", "walk_trial(&s->greylisted, !tried, GREY_THETA0", "walk_trial(&s->greylisted, true, GREY_THETA0", "no-retry greylist"),
    (D + "no-retry.c", "walk_trial(&s->greylisted, !tried, GREY_THETA0", "walk_trial(&s->greylisted, false, GREY_THETA0", "no-retry greylist"),
    (D + "no-retry.c", "now_min - (int64_t)s->pending[i].minute > o->retry_s / 60", "true", "no-retry greylist"),
    (D + "no-retry.c", "now_min - (int64_t)s->pending[i].minute > o->retry_s / 60", "false", "no-retry greylist"),
    (D + "no-retry.c", "asks || (v->n_rcpt > 1 && v->n_taken && !data)", "asks || (v->n_taken && !data)", "no-retry"),
    (D + "no-retry.c", "else if (asks || (v->n_rcpt > 1 && v->n_taken && !data))", "else if (asks)", "no-retry"),
    (D + "no-retry.c", "r->code / 100 == 4 && reply_classify(j->replies, r->reply, r->dsn).class == REPLY_GREYLIST", "r->code / 100 == 4", "no-retry greylist"),
    (D + "no-retry.c", "if (asks)\n\t\twalk_add", "if (false)\n\t\twalk_add", "no-retry"),
    (D + "no-retry.c", "s->shown_empty >= o->probes_hour ? o->alone_cap : o->cap", "o->cap", "no-retry"),
    (D + "no-retry.c", "s->shown_empty >= o->probes_hour ? o->alone_cap : o->cap", "o->alone_cap", "no-retry"),
    (D + "interception.c", "is_most(masked, plain, o->masked_networks, o)", "is_most(masked, masked, o->masked_networks, o)", "interception"),
    (D + "interception.c", "of >= least &&", "", "interception"),
    (D + "interception.c", "linear_add(&s->stripped, org);", "linear_add(&s->stripped, h);", "interception"),
    (D + "interception.c", "r->hash == hash && r->offered >= 2", "true", "interception"),
    (D + "interception.c", "show[k] * 5 < reached[k]", "true", "interception"),
    (D + "interception.c", "return !s->sign[k].on &&", "return true ||", "interception"),
    ("analyzer/servers.c", "former->sessions < CHANCE ||", "", "server-software"),
    ("analyzer/servers.c", ">= CLIENTS ? o->settle_s * US_PER_S : US_PER_DAY", ">= 1 ? o->settle_s * US_PER_S : US_PER_DAY", "server-software"),
    ("analyzer/servers.c", "if (former->last_us < now->first_us)\n\t\treturn true;", "return true;", "server-software"),
    ("analyzer/servers.c", "v->last_us - former->last_us >= o->turns_s * US_PER_S && ", "", "server-software"),
    ("analyzer/servers.c", "if (!is_stable(f, o))\n\t\treturn;", "", "server-software"),
    ("analyzer/banner.c", "!begins_date(word)", "true", "server-software"),
]


def run(*command, cwd, **kw):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, **kw)


def main():
    lived = tried = 0
    flags = re.search(r"^CFLAGS = (.*)", open(os.path.join(TOP, "config.mk")).read(), re.M).group(1).replace("-O2", "-O1").replace("-Werror", "-w")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as copy:
        run("sh", "-c", f"git ls-files -z --cached --others --exclude-standard | xargs -0 cp -p --parents -t {copy}; cp -p config.mk {copy}/; cp -a build {copy}/build; rm -rf {copy}/build/check", cwd=TOP)
        for n, (path, old, new, scenarios) in enumerate(MUTANTS):
            if len(sys.argv) > 1 and not any(a in path for a in sys.argv[1:]):
                continue
            file, text = os.path.join(copy, path), open(os.path.join(TOP, path)).read()
            what = f"{path}: {' '.join(old.split())} -> {new or 'nothing'}"
            if old not in text:
                print(f"gone   {what}")
                lived += 1
                continue
            open(file, "w").write(text.replace(old, new, 1))
            made = run("make", "-j2", "build/bin/abusewatch", "CFLAGS=" + flags, cwd=copy)
            names = sorted(f for f in os.listdir(os.path.join(TOP, "tests/replay")) if f.endswith(".scn") and any(s in f for s in scenarios.split()))
            out = run(sys.executable, "tests/replay/run.py", "build/bin/abusewatch", *["tests/replay/" + f for f in names], cwd=copy)
            open(file, "w").write(text)
            tried += 1
            if made.returncode:
                print(f"broken {what}\n{made.stderr[-400:]}")
            elif out.returncode == 0:
                lived += 1
                print(f"lives  {what}")
            sys.stdout.flush()
    print(f"{tried} mutants, {lived} live")


main()
