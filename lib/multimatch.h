/* multimatch: many literals in one pass (Aho and Corasick, 1975). Text is folded to lower case. */
#ifndef LIB_MULTIMATCH_H
#define LIB_MULTIMATCH_H

#include "lib/sv.h"

struct multimatch;

struct multimatch *multimatch_new(void);
void multimatch_free(struct multimatch *m);
/* Registers a literal (lower case); id comes back in the callback. Before multimatch_seal() only. */
void multimatch_add(struct multimatch *m, struct sv literal, uint32_t id);
void multimatch_seal(struct multimatch *m);
typedef void multimatch_cb(void *ctx, uint32_t id);
/* Calls cb for every occurrence of every literal. */
void multimatch_scan(const struct multimatch *m, struct sv text, multimatch_cb *cb, void *ctx);

#endif
