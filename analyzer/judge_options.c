/* The options of the judge and the detectors: tables, defaults, what the config says. */
#include <stdlib.h>

#include "analyzer/acase.h"
#include "analyzer/backup.h"
#include "analyzer/detector.h"
#include "analyzer/judge_int.h"
#include "analyzer/listing.h"
#include "analyzer/policy.h"
#include "lib/msg.h"

struct fusion_options {
	bool enabled;
	double open, likely, confirmed, close_below, unready_cap;
	double home_cap, home_proof, budget_least;
	int64_t quiet_s, reopen_s, merge_s, contacts_bytes, principals_bytes, rest_s, ready_days, home_messages, home_bad, budget;
};

static const struct opt_row fusion_rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct fusion_options, enabled), "true", 0, 0, "", "always true; here for symmetry" },
	{ "open", OPT_REAL, offsetof(struct fusion_options, open), "12", 4, 64, "nats",
	  "a case opens from here on (level suspected); 12 gave 0.3 to 4.6 false cases per 10,000 active sender-days on real mail" },
	{ "likely", OPT_REAL, offsetof(struct fusion_options, likely), "16", 4, 64, "nats", "level likely from here on" },
	{ "confirmed", OPT_REAL, offsetof(struct fusion_options, confirmed), "22", 4, 64, "nats", "level confirmed from here on; needs two groups of detectors" },
	{ "close-below", OPT_REAL, offsetof(struct fusion_options, close_below), "4", 0, 64, "nats", "a case closes by itself after 24 hours below this, when also quiet" },
	{ "quiet", OPT_TIME_S, offsetof(struct fusion_options, quiet_s), "72h", 3600, 31536000, "s", "and without new evidence for so long" },
	{ "reopen", OPT_TIME_S, offsetof(struct fusion_options, reopen_s), "14d", 0, 31536000, "s", "new evidence within this time after closing re-opens the same case" },
	{ "merge", OPT_TIME_S, offsetof(struct fusion_options, merge_s), "6h", 0, 31536000, "s",
	  "cases of one customer that open within this time and share a source address are one matter, with one letter; 0: never" },
	{ "ready-days", OPT_INT, offsetof(struct fusion_options, ready_days), "14", 0, 365, "days",
	  "a principal known for less has no history to compare with" },
	{ "unready-cap", OPT_REAL, offsetof(struct fusion_options, unready_cap), "8", 0, 64, "nats",
	  "until then volume and strangers give at most this together, so that they need a second kind of sign to open a case" },
	{ "budget", OPT_INT, offsetof(struct fusion_options, budget), "2", 0, 10000, "cases",
	  "false cases per 10,000 active principals and day that the desk is willing to see: once 15,000 principal-days are known, every midnight the opening score is set to what keeps to it, up to 18; 0: always open" },
	{ "budget-least", OPT_REAL, offsetof(struct fusion_options, budget_least), "12", 10, 18, "nats",
	  "lowest opening score that the budget sets; below 12 simulated months gave more false cases and no more true ones" },
	{ "home-cap", OPT_REAL, offsetof(struct fusion_options, home_cap), "11", 0, 64, "nats",
	  "most that strangers and unknown recipients give while an account writes from where it always does (a host or script: with senders of its own) and no receiver calls it spam" },
	{ "home-proof", OPT_REAL, offsetof(struct fusion_options, home_proof), "6", 0, 64, "nats",
	  "evidence of another kind (spam refusals, forged senders, guessed passwords) from which on that limit is off; one or two receivers call any newsletter spam" },
	{ "home-messages", OPT_INT, offsetof(struct fusion_options, home_messages), "1000", 1, 1000000, "messages", "and until it wrote so many such messages; five times as many within ready-days after the log began, when every newsletter is its sender's first" },
	{ "home-bad", OPT_INT, offsetof(struct fusion_options, home_bad), "60", 1, 1000000, "recipients", "or so many of their recipients did not exist; of an account five times as many in those days" },
	{ "contacts-bytes", OPT_INT, offsetof(struct fusion_options, contacts_bytes), "8388608", 65536, 4294967296.0, "bytes",
	  "memory of each of the two generations of the contact filter; 8 MiB remember some 5 million pairs" },
	{ "principals-bytes", OPT_INT, offsetof(struct fusion_options, principals_bytes), "67108864", 16384, 68719476736.0, "bytes",
	  "memory for what is known of principals; beyond it those not seen for longest are only in the store until they are seen again. 64 MiB hold some 50,000 that are active, or 300,000 that rest" },
	{ "rest", OPT_TIME_S, offsetof(struct fusion_options, rest_s), "2m", 60, 31536000, "s",
	  "a principal of whom nothing was heard for so long is kept packed: some 200 bytes instead of 1,300" },
	{ 0 },
};
const struct opt_table judge_option_table = { "detector", "fusion", fusion_rows, sizeof(struct fusion_options) };

const struct opt_table *const *detector_option_tables(size_t *ret_n)
{
	static const struct opt_table *tables[129];
	size_t n = 0;
	for (size_t d = 0; detector_registry[d]; d++)
		tables[n++] = detector_registry[d]->options;
	tables[n++] = &judge_option_table;
	for (size_t r = 0; policy_registry[r]; r++)
		tables[n++] = policy_registry[r]->options;
	*ret_n = n;
	return tables;
}

void *judge_options_new(const struct conf *conf, const struct opt_table *t)
{
	void *values = xcalloc(1, t->struct_bytes);
	opt_defaults(t, values);
	for (size_t i = 0; i < conf->n_rule; i++) {
		const struct conf_rule *d = &conf->rule[i];
		if (strcmp(d->section, t->section) != 0 || strcmp(d->name, t->title) != 0)
			continue;
		if (d->says_enabled)
			*(bool *)values = d->enabled;
		for (size_t k = 0; k < d->n; k++)
			(void)opt_set(t, values, d->opt_name[k], d->opt_text[k], NULL);
	}
	return values;
}

static void load_limits(struct judge *j)
{
	struct fusion_options *f = judge_options_new(j->conf, &judge_option_table);
	j->limits = (struct judge_limits){ NATS(f->open), NATS(f->likely), NATS(f->confirmed), NATS(f->close_below),
		                           f->quiet_s, f->reopen_s, f->merge_s, f->ready_days, NATS(f->unready_cap), f->contacts_bytes, f->principals_bytes, f->rest_s,
		                           NATS(f->home_cap), f->home_messages, f->home_bad, NATS(f->home_proof), NATS(f->budget_least), f->budget };
	free(f);
}

/* Messages, and the scores after every event, go through these and not through all that is registered. */
static void seat(struct judge *j)
{
	for (size_t k = 0; k < PRINCIPAL_KINDS; k++) {
		j->n_judging[k] = 0;
		for (size_t d = 0; d < detector_count(); d++) {
			const struct detector *x = detector_registry[d];
			if (x->walks > 2)
				panic("detector %s: more walks than the fusion looks at", x->name);
			if (x->kinds >> k & 1)
				j->judging[k][j->n_judging[k]++] = (struct judge_detector){ x, j->options[d], j->slab[k][d], (uint32_t)d, (uint8_t)x->group,
					                                                    (uint8_t)x->walks, *(const bool *)j->options[d], x->guarded };
		}
	}
}

void judge_load_options(struct judge *j)
{
	size_t n = detector_count();
	load_limits(j);
	j->options = xcalloc(n, sizeof *j->options);
	for (size_t k = 0; k < PRINCIPAL_KINDS; k++) {
		j->slab[k] = xcalloc(n, sizeof *j->slab[k]);
		j->judging[k] = xcalloc(n, sizeof *j->judging[k]);
	}
	for (size_t d = 0; d < n; d++) {
		j->options[d] = judge_options_new(j->conf, detector_registry[d]->options);
		for (size_t k = 0; k < PRINCIPAL_KINDS; k++) {
			j->slab[k][d] = j->slab_bytes[k];
			j->slab_bytes[k] += detector_registry[d]->kinds >> k & 1 ? detector_registry[d]->state_bytes : 0;
		}
	}
	seat(j);
}

void judge_reconfigure(struct judge *j, const struct conf *conf, struct enrich *enrich)
{
	j->conf = conf;
	j->enrich = enrich;
	j->inventory++;
	load_limits(j);
	for (size_t d = 0; d < detector_count(); d++) {
		free(j->options[d]);
		j->options[d] = judge_options_new(conf, detector_registry[d]->options);
	}
	seat(j);
	policy_configure(j);
	backup_configure(j);
	listing_configure(j);
	/* Names of customers are borrowed from the inventory. */
	for (size_t i = 0; i < j->n_cases; i++) {
		struct acase *c = j->cases[i];
		c->customer = enrich_customer(enrich, (enum principal_kind)c->principal_kind, sv_cstr(c->principal_id));
		c->dirty = true;
	}
}
