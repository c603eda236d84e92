/* advice: what the desk should do about a case of some kind, in a few sentences. */
#ifndef REPORT_ADVICE_H
#define REPORT_ADVICE_H

/* kind: "stolen-account", …; "" for a kind without advice. Static. */
const char *advice_for(const char *kind);

#endif
