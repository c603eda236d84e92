/* Messages that the tests of filters make again and again: one a second, of which the keys are known. */
#ifndef TESTS_UNIT_FILTER_MESSAGES_H
#define TESTS_UNIT_FILTER_MESSAGES_H

#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "lib/times.h"
#include "lib/txn.h"

#define DAY0 (20000LL * US_PER_DAY)
#define DAY_MESSAGES 86400
#define N(array) (sizeof array / sizeof *array)

struct made { char text[6][64]; struct txn_rcpt rcpt[2]; struct txn txn; };

static struct sv text(char to[64], const char *before, int n, const char *behind)
{
	(void)snprintf(to, 64, "%s%d%s", before, n, behind);
	return sv_cstr(to);
}

static const struct txn *make(int n, struct made *m)
{
	static const struct sv none;
	int64_t at = DAY0 + n * US_PER_S;
	m->rcpt[0] = (struct txn_rcpt){ .recipient = text(m->text[0], "rcpt", n, "@B.example"), .status = TXN_SENT, .time_us = at };
	m->rcpt[1] = (struct txn_rcpt){ .recipient = text(m->text[1], "both", n / 7000, "@c.example"), .orig_recipient = SV("List@c.example"), .status = TXN_BOUNCED };
	m->txn = (struct txn){ .host = SV("mx1"), .mta = SV("postfix"), .uid = -1, .size = n, .sender_known = true, .first_us = at, .last_us = at, .rcpt = m->rcpt, .n_rcpt = 2 };
	m->txn.queue_id = text(m->text[2], "Q", n, "");
	m->txn.message_id = text(m->text[3], n % 2 ? "<m" : "m", n, n % 2 ? "@id.example>" : "@id.example");
	m->txn.sender = n % 100 ? text(m->text[4], "sender", n / 3000, "@a.example") : SV("");
	m->txn.client_ip = text(m->text[5], "198.51.100.", n / 5000 % 250, "");
	m->txn.account = n % 3 ? m->txn.sender : none;
	m->txn.local_user = n / 1000 % 10 == 3 ? SV("web9") : none;
	return &m->txn;
}

static int remove_dir(const char *dir)
{
	char rm[128];
	(void)snprintf(rm, sizeof rm, "rm -rf %s", dir);
	return system(rm);
}

#endif
