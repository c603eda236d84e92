/* message: transactions of the archive as JSON for pages, with the site's times and valid UTF-8. */
#ifndef WEB_MESSAGE_H
#define WEB_MESSAGE_H

#include <json-c/json.h>

#include "lib/txn.h"

/* The caller owns the object. url: "/message/HOST/QUEUEID/FIRST_US". */
struct json_object *message_json(const struct txn *t);

#endif
