/* backtest_out: the cases of two stores that hold the same log, side by side. */
#ifndef CTL_BACKTEST_OUT_H
#define CTL_BACKTEST_OUT_H

#include "analyzer/db.h"
#include "ctl/command.h"

/* today, new: the same database when nothing was changed. settings: what is different, for the table's head; "" = nothing. 0, or -1 and e. */
int backtest_out(struct db *today, struct db *new, const char *settings, enum command_format format, struct err *e);

#endif
