/* Webmail's own logs: Roundcube, SOGo, Horde and Zimbra say from where an account came that the mail server only sees come from webmail. Internal to the format. */
#ifndef COLLECTOR_WEBMAIL_WEBMAIL_H
#define COLLECTOR_WEBMAIL_WEBMAIL_H

#include "collector/mta.h"
#include "collector/scan.h"

/* Which address a line means. Whoever asks may send X-Forwarded-For and X-Real-IP of his own, so they count only where `remote`, who really asked, is
 * a proxy of the same site: a loopback or private address. Then of `forwarded` the last address counts, which that proxy added (loopback ones
 * behind it are proxies of the same machine); `real` is a second opinion: where both are there and differ, one is the stranger's, and remote counts.
 * All may be absent; an absent result: no address is known. */
struct sv webmail_client(struct sv remote, struct sv real, struct sv forwarded);

/* An address that nobody outside has, as scan_ip() gives it. */
bool webmail_is_inside(struct sv canonical);

/* userlogins.log, sendmail.log, errors.log, and the same by syslog: "<session> text". */
bool webmail_roundcube(struct sv text, struct record *r);
/* The next recipient of the line that webmail_roundcube() read last. */
bool webmail_roundcube_next(struct record *r);
/* The session's name before the text, which moves past it. False: there is none. */
bool webmail_roundcube_session(struct sv *text, struct sv *ret_session);

bool webmail_sogo(struct sv text, struct record *r);

/* "[imp] text [pid 7 on line 146 of "…"]" */
bool webmail_horde(struct sv text, struct record *r);
bool webmail_is_horde(struct sv text);

/* "WARN  [thread] [context] category - message" */
bool webmail_zimbra(struct sv text, struct record *r);
/* Of the level at the start of s, which moves past it and the spaces behind. False: there is none. */
bool webmail_zimbra_level(struct sv *s);

#endif
