/* password: what was tried as a password is not stored: a wrong one is mostly nearly the right one. */
#ifndef COLLECTOR_PASSWORD_H
#define COLLECTOR_PASSWORD_H

#include "lib/sv.h"

/* The line without the password in it, in room (cut off where it does not fit), or the line itself where there is none. */
struct sv password_hidden(struct sv line, char *room, size_t size);

#endif
