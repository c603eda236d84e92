/* asked: what block lists say of addresses from which accounts log in, as the probe answers when it is asked (config: rbl { client-check }). Each address
 * is asked about once a day, at most ASKED_HOUR in an hour; what no answer came to is asked again when the probe connects. Kept in the judge's
 * memory; bounded: of ASKED_SLOTS addresses, those asked about longest ago make room. */
#ifndef ANALYZER_ASKED_H
#define ANALYZER_ASKED_H

#include "analyzer/judge.h"

#define ASKED_SLOTS 4096u
#define ASKED_HOUR 600u

struct asked {
	struct ipaddr ip;
	int64_t asked_us;      /* 0: the place is free */
	int64_t answered_us;   /* newest answer */
	int32_t points;        /* of the heaviest list that has it; policy and allow lists count nothing */
	char zone[60];
	char account[128];     /* who wrote from it last */
};

void asked_init(struct memory *m);
/* Somebody of ours wrote from there. What is known of the address, or NULL; when it is time to ask, it is put among what waits to be asked. */
const struct asked *asked_place(struct judge *j, const struct principal *p, const struct place *at);
const struct asked *asked_find(const struct judge *j, const struct ipaddr *ip);
/* Event time was put back (judge_put_back()). */
void asked_put_back(struct judge *j, int64_t now_us);
/* An answer of the probe. */
void asked_answer(struct judge *j, const struct obs_listing *a);
/* Frames (OBS_ASK) for the probe about what is to be asked since the last call; again: also what no answer came to within the last hours. */
void asked_frames(struct judge *j, bool again, struct buf *out);

#endif
