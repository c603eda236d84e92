/* qmail's neighbours: what its SMTP server and the filters in front of its queue log. Internal to the format. */
#ifndef COLLECTOR_QMAIL_QMAIL_H
#define COLLECTOR_QMAIL_QMAIL_H

#include "collector/mta.h"
#include "collector/scan.h"

/* Each fills r from a line's text, without the program's name; false: it is not understood. Where a stranger's text could be read in more than
 * one way, the fields in doubt are left out. */
bool qmail_smtpd(struct sv s, struct record *r);   /* CHKUSER's lines, s/qmail's and SPAMCONTROL's; others are known, and say nothing */
bool qmail_simscan(struct sv s, struct record *r);
bool qmail_relaylock(struct sv s, struct record *r); /* Plesk's */
bool qmail_smtp_auth(struct sv s, struct record *r); /* Plesk's */

#endif
