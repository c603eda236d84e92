/* deliver: sends what is due and has the analyzer record it. */
#ifndef REPORT_DELIVER_H
#define REPORT_DELIVER_H

#include "report/letter.h"

/* Sends every letter due at now_us. A letter that fails is recorded and tried again later. -1 and e when the store cannot be read, another process
 * sends letters, or the analyzer cannot be told: then nothing more is sent, by the next calls of this process neither, until it could be told, as
 * a letter that is not recorded would be sent again. */
int deliver_due(struct db *d, const struct conf *conf, int64_t now_us, struct err *e);

#endif
