/* The OpenSMTPD format, in parts. Lines are "session agent event key=value key="value"" since 6.0, prose before. */
#ifndef COLLECTOR_OPENSMTPD_OPENSMTPD_H
#define COLLECTOR_OPENSMTPD_OPENSMTPD_H

#include "collector/mta.h"
#include "collector/scan.h"

/* n hexadecimal digits, not followed by another. */
bool opensmtpd_hex(struct sv *s, size_t n, struct sv *ret);
/* "1h2m3s" */
void opensmtpd_delay(struct record *r, struct sv text);
/* "192.0.2.1", "[2001:db8::1]", "local". */
void opensmtpd_client(struct record *r, struct sv address, struct sv name);
/* An envelope's id: that of its message and eight digits. */
bool opensmtpd_envelope(struct sv id, struct record *r);
/* "192.0.2.1 (host)" */
void opensmtpd_relay(struct record *r, struct sv relay);
/* Ok, TempFail, PermFail, Expire. */
bool opensmtpd_status(struct sv result, struct record *r);
/* A command that was refused, and how. */
void opensmtpd_failed(struct sv command, struct sv result, struct record *r);

bool opensmtpd_event(struct sv s, struct record *r);
bool opensmtpd_prose(struct sv s, struct record *r);

#endif
