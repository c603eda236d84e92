/* reply_class: what a remote server's refusal means. Only the names live here; who gives them is analyzer/reply.h. */
#ifndef LIB_REPLY_CLASS_H
#define LIB_REPLY_CLASS_H

#include "lib/sv.h"

#define REPLY_CLASSES(C)                                                                          \
	C(NONE, "none") C(UNKNOWN_USER, "unknown-user") C(MAILBOX_FULL, "mailbox-full")           \
	C(POLICY_BLOCK, "policy-block") C(SPAM_CONTENT, "spam-content") C(IP_LISTED, "ip-listed") \
	C(DOMAIN_LISTED, "domain-listed") C(RATE_LIMITED, "rate-limited")                         \
	C(AUTH_FAILURE, "auth-failure") C(GREYLIST, "greylist") C(OTHER, "other")

enum reply_class {
#define C(e, name) REPLY_##e,
	REPLY_CLASSES(C)
#undef C
	REPLY_CLASS_COUNT
};

/* "unknown-user", …; "none" for a number outside the list. */
const char *reply_class_name(uint8_t c);
/* The class of that name, or -1. */
int reply_class_named(struct sv name);

#endif
