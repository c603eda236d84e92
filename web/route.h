/* route: which page, file or action a request means, and whether this person may have it. */
#ifndef WEB_ROUTE_H
#define WEB_ROUTE_H

#include "web/call.h"

/* Fills c->answer. */
void route(struct call *c);

/* GET and POST /login, POST /logout; web/login.c. */
void login_answer(struct call *c);
void logout_answer(struct call *c);
/* POST /case/N: what people do to a case; web/action.c. The CSRF token was checked. */
void action_answer(struct call *c, int64_t case_id);
/* Whether path may be used as a target after login: on this site. */
bool login_next_ok(const char *path);

#endif
