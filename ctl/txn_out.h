/* txn_out: messages in the four formats, for the commands that print them. Table and CSV have a row per recipient. */
#ifndef CTL_TXN_OUT_H
#define CTL_TXN_OUT_H

#include "ctl/command.h"
#include "lib/buf.h"
#include "lib/txn.h"

struct txn_out { enum command_format format; bool first; struct buf text; };

void txn_out_begin(struct txn_out *o, enum command_format format);
/* False: standard output takes nothing any more. */
bool txn_out_add(struct txn_out *o, const struct txn *t);
void txn_out_end(struct txn_out *o);

#endif
