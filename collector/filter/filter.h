/* Filters and policy services: what their lines have in common. Internal to the format. */
#ifndef COLLECTOR_FILTER_FILTER_H
#define COLLECTOR_FILTER_FILTER_H

#include "collector/mta.h"
#include "collector/scan.h"

/* Each fills r from a line's text; status stays absent when the line is no verdict. In the first line of such a message that
 * several lines judge, one is the verdict and the others are not, so that it counts once. */
void filter_amavis(struct sv s, struct record *r);
void filter_clamav(struct sv s, struct record *r);
void filter_clamsmtpd(struct sv s, struct record *r);
void filter_mailscanner(struct sv s, struct record *r);
void filter_mimedefang(struct sv s, struct record *r);
void filter_rspamd(struct sv s, struct record *r);
void filter_spamd(struct sv s, struct record *r);
void filter_spampd(struct sv s, struct record *r);
void filter_dkim(struct sv s, struct record *r);
void filter_dmarc(struct sv s, struct record *r);
void filter_spf(struct sv s, struct record *r);
void filter_postgrey(struct sv s, struct record *r);
void filter_sqlgrey(struct sv s, struct record *r);
void filter_milter_greylist(struct sv s, struct record *r);
void filter_policyd(struct sv s, struct record *r);
void filter_postfwd(struct sv s, struct record *r);
void filter_spamdyke(struct sv s, struct record *r);
void filter_pmg(struct sv s, struct record *r);
void filter_policyd_weight(struct sv s, struct record *r);
void filter_gld(struct sv s, struct record *r);
void filter_iredapd(struct sv s, struct record *r);
void filter_dkimproxy(struct sv s, struct record *r);
void filter_generic(struct sv s, struct record *r);

/* A verdict's status from an action of access(5), or the reply of a service to Postfix; otherwise: it is none that we know. */
struct sv filter_action(struct sv action, struct sv otherwise);
static inline bool filter_has(struct sv s, struct sv what) { return sv_find(s, what) >= 0; }
/* "4F1C22003D: text": the queue id of any MTA. */
void filter_queue_id(struct sv *s, struct record *r);
/* The text between the first `key` and the first `end` after it (or the end of the line). Absent when there is no key. */
struct sv filter_value(struct sv s, struct sv key, struct sv end);
struct sv filter_unbracket(struct sv a);
/* A present, non-empty address without its brackets. */
void filter_set(struct sv *to, struct sv value);
/* "host[192.0.2.1]", "192.0.2.1", "192.0.2.1/32". */
void filter_client(struct sv s, struct record *r);

#endif
