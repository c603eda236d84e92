/* banner: what the greeting of a mail server says of it: its name and its software, without what is new in every session (dates, queue ids, session
 * numbers). Whoever runs the server wrote the greeting: it may say anything, and comes out as printable ASCII. */
#ifndef ANALYZER_BANNER_H
#define ANALYZER_BANNER_H

#include "lib/sv.h"

#define BANNER_SOFTWARE 64 /* with the NUL; longer ones are cut */
#define BANNER_HOST 80

/* The greeting's first line without its code: "mx.example ESMTP Exim 4.96 Thu, 26 Nov 2026 …" → "mx.example", "Exim 4.96". */
void banner_read(struct sv banner, char ret_host[BANNER_HOST], char ret_software[BANNER_SOFTWARE]);

#endif
